"""A worker of `apply`: a process that has connections and no ledger.

It is started by `apply` itself and speaks with it through its stdin and stdout.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import Struct

from gcr_migrate.apply.pipe import (
    ALIVE_EVERY_S,
    Alive,
    Alone,
    Broken,
    Ended,
    Moved,
    Refused,
    Stop,
    receive,
    send,
)
from gcr_migrate.cli.litter import keep_memory, keep_what_is_loaded, look_seldom
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.wire.traffic import Traffic

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable

    from gcr_migrate.cli.reach import Way
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.work import Work

_TOLD_EVERY_S: Final = 0.5  # progress is drawn no more often, and each telling wakes two processes


class Setup(Struct, frozen=True):
    """What a worker has to know before its first piece of work.

    Attributes:
        way: how the services are reached.
        path: the migration file, of which it reads the plan.
        limits: its share of them.
        as_json: whether its log lines are JSON.
    """

    way: Way
    path: Path
    limits: Limits
    as_json: bool


def starter(setup: Setup) -> Callable[[], Awaitable[Process]]:
    """Return what starts a worker, as `Workers` wants it."""

    async def start() -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            __name__,
            stdin=PIPE,
            stdout=PIPE,
            # A Ctrl-C is for who started it, and tells it what to do; it ends with its stdin.
            start_new_session=True,
        )
        send(cast("asyncio.StreamWriter", process.stdin), setup)
        return process

    return start


class _Tally:
    """Sums up bytes and requests, and tells them now and then: they come in many small steps."""

    def __init__(self, writer: asyncio.StreamWriter, traffic: Traffic) -> None:
        self._writer = writer
        self._traffic = traffic
        self._told = Traffic()
        self._count = 0
        self._due = False

    def add(self, count: int) -> None:
        self._count += count
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(_TOLD_EVERY_S, self.tell)

    def tell(self) -> None:
        self._due = False
        now = self._traffic.copy()
        send(self._writer, Moved(self._count, now - self._told))
        self._count, self._told = 0, now


async def _work(stdin: int, stdout: int) -> None:
    """Do what `apply` says, until it closes the pipe or is gone; tell what ends it before that."""
    reader, writer = await _pipes(stdin, stdout)
    saying = asyncio.create_task(_say_alive(writer))  # from now on: a login may take a while
    try:
        await _serve(reader, writer)
    except Exception as error:
        send(writer, Broken(_where(error)))
        await writer.drain()
        raise
    finally:
        saying.cancel()


async def _say_alive(writer: asyncio.StreamWriter) -> None:
    """Say now and then that all goes on here, so that who says nothing is known to stand still."""
    while True:
        await asyncio.sleep(ALIVE_EVERY_S)
        send(writer, Alive())


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    from gcr_migrate.apply.hand import Hand
    from gcr_migrate.apply.workers import serve
    from gcr_migrate.cli.logins import logins
    from gcr_migrate.cli.output import set_up_logs
    from gcr_migrate.state.file import open_migration

    setup: Setup | None = await receive(reader)
    if setup is None:
        return
    set_up_logs(as_json=setup.as_json)
    with open_migration(setup.path) as migration:
        async with setup.way.open(*logins(migration), limits=setup.limits) as connections:
            keep_what_is_loaded()
            pilot = connections.pilot
            pilot.on_refusal = lambda refusal: send(writer, Refused(*refusal))
            pilot.on_alone = lambda *who: send(writer, Alone(*who))

            stop = pilot.stop = asyncio.Event()

            def told(what: Refused | Alone | Stop) -> None:
                match what:
                    case Stop():
                        stop.set()
                    case Alone(service, part, subject):
                        pilot.refused_alone(service, part, subject)
                    case Refused(service, after_s, part, writes, subject):
                        pilot.refused(
                            service, after_s, writes=writes, told=True, part=part, subject=subject
                        )

            tally = _Tally(writer, connections.traffic)
            hand = Hand(connections, migration.raw_manifest, tally.add)

            async def do(work: Work[Any]) -> Any:
                try:
                    return await hand.do(work)
                finally:
                    tally.add(0)  # requests without bytes are told too

            await serve(reader, writer, do, told)
            tally.tell()  # what was not yet
            send(writer, Ended(pilot.counts()))
            await writer.drain()


async def _pipes(stdin: int, stdout: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(stdin, "rb")
    )
    transport, protocol = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(stdout, "wb")
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


def _where(error: BaseException) -> str:
    """Return what happened at which line; values are left out, they may hold secrets."""
    from gcr_migrate.tasks import first_cause

    cause = first_cause(error)
    if isinstance(cause, MigrateError):
        return str(cause)
    last = traceback.extract_tb(cause.__traceback__)[-1]
    return f"{type(cause).__name__} in {Path(last.filename).name}:{last.lineno}"


def main() -> int:
    """Run a worker.

    Signals of the terminal are the business of `apply`: what it stops, it stops here too.
    """
    look_seldom()
    keep_what_is_loaded()
    keep_memory()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # What somebody prints must not get between the frames.
    stdin, stdout = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    try:
        asyncio.run(_work(stdin, stdout))
    except Exception:  # noqa: BLE001  # it was told through the pipe, or nobody listens
        return Exit.DEFECT
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
