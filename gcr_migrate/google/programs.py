"""Programs that are asked for credentials: gcloud, and Docker's helpers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_S: Final = 60.0


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
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environ),
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        saw = error.strerror or type(error).__name__
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
    try:
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate(given.encode())
    except TimeoutError as error:
        saw = f"no answer within {limit_s:.0f} s"
        raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    texts = [data.decode("utf-8", "replace").strip() for data in (out, err)]
    return Answer(process.returncode or 0, *texts)
