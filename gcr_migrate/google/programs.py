"""Programs that are asked for credentials: gcloud, and Docker's helpers."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping, Sequence

_LONGEST_S: Final = 60.0
_LONGEST: Final = 1_000_000
_END_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said; either text may hold a secret."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)


async def ask(
    command: Sequence[str], environ: Mapping[str, str], given: str = "", limit_s: float = _LONGEST_S
) -> Answer | None:
    """Run a program to its end.

    Args:
        command: the program and its arguments; never a secret.
        environ: environment variables.
        given: what it reads from its standard input.
        limit_s: seconds after which it is ended.

    Returns:
        Its answer, None if there is no such program.

    Raises:
        MigrateError: BAD_CREDENTIALS if it cannot be run or does not come to an end.
    """
    subject = " ".join(command[:2])
    try:
        process = await _started(command, environ)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # no program has such a name
        saw = getattr(error, "strerror", "") or type(error).__name__
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
    try:
        async with asyncio.timeout(limit_s):
            texts = await _exchanged(process, given, subject)
    except TimeoutError as error:
        saw = f"no answer within {limit_s:.0f} s"
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
    finally:
        if process.returncode is None:
            await _end(process)
    return Answer(process.returncode or 0, *texts)


async def _started(command: Sequence[str], environ: Mapping[str, str]) -> Process:
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ),
            # Of its own: Ctrl-C is for us, who still need a token to stop in order.
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:  # halfway started it could not be ended with all it starts
        await _end(await starting)
        raise


async def _exchanged(process: Process, given: str, subject: str) -> list[str]:
    """Give a program its input, and return what it says until its end."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise ValueError("a program without its pipes")
    process.stdin.write(given.encode())
    process.stdin.close()
    texts = await all_of([_text(process.stdout, subject), _text(process.stderr, subject)])
    await process.wait()
    return texts


async def _text(stream: asyncio.StreamReader, subject: str) -> str:
    text = bytearray()
    while piece := await stream.read(_LONGEST):
        text += piece
        if len(text) > _LONGEST:
            saw = f"it says more than {_LONGEST} bytes"
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw)
    return text.decode("utf-8", "replace").strip()


async def _end(process: Process) -> None:
    """End a program and what it has started, which would keep its pipes open."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # who left its group may keep them for good
        async with asyncio.timeout(_END_S):
            await process.communicate()  # nor may any of what it said be left in them
