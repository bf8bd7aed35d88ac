"""Hands in processes of their own: one event loop fills one core, and machines have many.

Workers know nothing of plan and ledger: they get work and say what came of it. One that dies
takes nothing with it but what it had in hand; that is done again by another one, which asks
first what the target has. One that stands still, and does not even say that it is there, is killed
and thereby such a one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate import errors, logs
from gcr_migrate.apply.pipe import (
    ALIVE_EVERY_S,
    Alive,
    Alone,
    Broken,
    Done,
    Ended,
    Moved,
    Refused,
    Stop,
    Task,
    receive,
    send,
)
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.work import BlobWork, ManifestWork
from gcr_migrate.tasks import all_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Awaitable, Callable

    from gcr_migrate.model.limits import Asked
    from gcr_migrate.model.work import Work

R = TypeVar("R")

_TRIES: Final = 3  # of workers that had one and the same work in hand
_DEATHS_IN_A_ROW: Final = 8  # of whatever workers, and nothing done in between
_QUIET_LOOKS: Final = 30  # a minute; who computes, or waits for others, says so meanwhile
_END_S: Final = 10.0
_DROPPED_END_S: Final = 0.2  # who drops a run does not wait for long, and then simply goes


class _LostError(Exception):
    """The worker that had a piece of work in hand is gone."""


class _Worker(Struct):
    """A process and what it has in hand.

    Attributes:
        load: bytes of what it has in hand, and `given` of all that it ever had.
        quiet: how often it was looked at since it said something.
    """

    process: Process
    waiting: dict[int, asyncio.Future[object]] = field(default_factory=dict)
    load: int = 0
    given: int = 0
    listening: asyncio.Task[None] | None = None
    gone: bool = False
    quiet: int = 0

    def tell(self, what: Task | Refused | Alone | Stop) -> None:
        """Put it into its pipe; nothing happens when it is gone."""
        send(cast("asyncio.StreamWriter", self.process.stdin), what)


class Workers:
    """Hands out work to processes, each time to the one that has the least in hand.

    Args:
        start: starts a worker whose stdin and stdout are pipes.
        on_moved: is told of bytes of blobs as they leave, and of requests.

    Attributes:
        count: how many there are.
    """

    def __init__(
        self, start: Callable[[], Awaitable[Process]], on_moved: Callable[[Moved], None]
    ) -> None:
        self._start = start
        self._on_moved = on_moved
        self.count = 0
        self._asked: list[dict[str, Asked]] = []
        self._workers: list[_Worker] = []
        self._number = 0
        self._deaths_in_a_row = 0
        self._broken: str = ""
        self._ending = self._is_stopped = False
        self._end_s = _END_S

    async def do(self, work: Work[R]) -> R:
        """Have a piece of work done; see `Hands`.

        Raises:
            MigrateError: also WORKER_LOST, when workers die of it or none can be had.
        """
        for tries in range(_TRIES):
            weight = max(0, work.size_bytes) if isinstance(work, BlobWork) else 0
            worker = await self._free(by_bytes=isinstance(work, BlobWork))
            worker.load += weight
            worker.given += weight
            self._number += 1
            done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            worker.waiting[self._number] = done
            worker.tell(Task(self._number, work))
            try:
                return cast("R", await done)
            except _LostError:
                if isinstance(work, BlobWork | ManifestWork):  # what it began may be there
                    work = cast("Work[R]", replace(work, asks_first=True))
            except MigrateError as error:
                if error.problem is errors.STOPPED and tries:  # the lost one may have done it
                    break
                raise
            finally:
                worker.load -= weight
        raise MigrateError(errors.WORKER_LOST, subject="worker", saw=self._broken)

    def asked(self) -> list[dict[str, Asked]]:
        """Return what those that have ended asked of each service; see `Hands`."""
        return self._asked

    async def _free(self, *, by_bytes: bool) -> _Worker:
        """Return the worker that has the least in hand; wait for one that replaces the last.

        Each has its part of the bandwidth and of the rate: layers, which come in turns with
        configs, go by bytes, and all else by requests.
        """
        while True:
            if there := [worker for worker in self._workers if not worker.gone]:
                if by_bytes:
                    return min(there, key=lambda worker: (worker.load, worker.given))
                return min(there, key=lambda worker: len(worker.waiting))
            coming = [worker.listening for worker in self._workers if worker.listening]
            if not coming:
                raise MigrateError(errors.WORKER_LOST, subject="all workers", saw=self._broken)
            await asyncio.wait(coming)

    async def begin(self, count: int) -> None:
        """Start so many workers."""
        self.count = count
        try:
            await all_of(self._begin_one() for _ in range(count))
        except OSError as error:
            saw = f"none can be started: {error.strerror or error}"
            raise MigrateError(errors.WORKER_LOST, subject="worker", saw=saw) from error

    async def _begin_one(self) -> None:
        """Start a worker; if the end has come meanwhile, which knows nothing of it, end it."""
        worker = _Worker(await self._start())
        self._workers.append(worker)
        if self._is_stopped:
            worker.tell(Stop())
        worker.listening = asyncio.create_task(self._listen(worker))
        if self._ending:
            await self._end_one(worker)

    async def _listen(self, worker: _Worker) -> None:
        """Hear a worker out, and have another one when it is gone."""
        try:
            await self._hear(worker)
        except Exception as error:  # noqa: BLE001  # whatever it says that is no word of ours
            self._broken = f"it said what cannot be read: {type(error).__name__}"
        worker.gone = True
        if not self._ending:
            await self._replace(worker)

    async def _hear(self, worker: _Worker) -> None:
        reader = cast("asyncio.StreamReader", worker.process.stdout)
        while (said := await receive(reader)) is not None:
            worker.quiet = 0
            match said:
                case Alive():
                    pass
                case Moved():
                    self._on_moved(said)
                case Done(number, gave, error):
                    self._deaths_in_a_row = 0
                    done = worker.waiting.pop(number)
                    if done.cancelled():
                        continue
                    if error is not None:
                        done.set_exception(error)
                    else:
                        done.set_result(gave)
                case Refused() | Alone():
                    self._tell_others(worker, said)
                case Ended(asked):
                    self._asked.append(asked)
                case Broken(where):
                    self._broken = where
                case _:
                    raise TypeError(type(said).__name__)

    async def watch(self) -> None:
        """Kill workers that have work in hand and stand still, until this is cancelled.

        What is counted is how often it was looked, not time: while all of them were stopped
        together, or the machine slept, nobody looked either.
        """
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            for worker in self._workers:
                worker.quiet = worker.quiet + 1 if worker.waiting else 0
                if worker.quiet >= _QUIET_LOOKS and not worker.gone:
                    quiet_s = round(_QUIET_LOOKS * ALIVE_EVERY_S)
                    self._broken = f"it stood still, and said nothing for {quiet_s} s"
                    worker.quiet = 0
                    _kill(worker.process)  # and all else is as with one that died

    def stop(self) -> None:
        """Have nothing begin any more that has to wait for its turn."""
        self._is_stopped = True
        for worker in self._workers:
            if not worker.gone:
                worker.tell(Stop())

    def _tell_others(self, worker: _Worker, what: Refused | Alone) -> None:
        """Make all wait for a quota that one of them has found used up, or go on as before."""
        for other in self._workers:
            if other is not worker and not other.gone:
                other.tell(what)

    async def _replace(self, lost: _Worker) -> None:
        """Start another worker, and give back what the lost one had in hand."""
        _kill(lost.process)  # it may be there, and of no use
        code = await lost.process.wait()
        logs.warning("worker lost", code=code, in_hand=len(lost.waiting), saw=self._broken)
        self._deaths_in_a_row += 1
        try:
            if self._deaths_in_a_row < _DEATHS_IN_A_ROW and not self._ending:
                await self._begin_one()
        except Exception as error:  # noqa: BLE001  # nobody waits here; it is told with the work
            why = getattr(error, "strerror", None) or repr(error)
            self._broken = f"no other one can be started: {why}"
        finally:
            self._workers.remove(lost)
            for done in lost.waiting.values():
                if not done.done():
                    done.set_exception(_LostError())

    def drop(self) -> None:
        """Have the end come at once, as nobody waits for what is in hand."""
        self._end_s = _DROPPED_END_S

    async def end(self) -> None:
        """End all workers, also those that are just being started in place of lost ones.

        Nothing is in hand any more, or it is dropped.
        """
        self._ending = True
        await all_of(self._end_one(worker) for worker in self._workers)

    async def _end_one(self, worker: _Worker) -> None:
        try:
            cast("asyncio.StreamWriter", worker.process.stdin).close()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._end_s):
                    await worker.process.wait()
        finally:  # cancelled, too: one that hangs or is stopped would stay behind
            _kill(worker.process)
            await worker.process.wait()
        if worker.listening:
            await worker.listening  # and with it for the one that takes its place


def _kill(process: Process) -> None:
    """Kill a process if it is there.

    `Process.kill` asks first whether it is, in Pythons before 3.13.2. Of one that has just ended
    that takes away how it did, before the event loop has read it.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


@asynccontextmanager
async def working(
    count: int,
    start: Callable[[], Awaitable[Process]],
    on_moved: Callable[[Moved], None],
    stop: asyncio.Event,
) -> AsyncIterator[Workers]:
    """Have so many workers while the block runs, and tell them when a stop is wanted."""
    workers = Workers(start, on_moved)

    async def tell() -> None:
        await stop.wait()
        workers.stop()

    beside = [asyncio.create_task(tell()), asyncio.create_task(workers.watch())]
    try:
        await workers.begin(count)
        yield workers
    except asyncio.CancelledError:
        workers.drop()
        raise
    finally:
        for task in beside:
            task.cancel()
        await workers.end()


async def serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    do: Callable[[Work[Any]], Any],
    on_told: Callable[[Refused | Alone | Stop], None],
) -> None:
    """Do what comes through the pipe, all at once, until the other end is gone.

    Args:
        reader: work comes here, and what came of it goes to `writer`.
        writer: the other direction.
        do: does a piece of work; what it raises beside `MigrateError` ends the worker.
        on_told: is told of quotas that others have found used up, of what was none, and of a wish
            to stop.
    """

    async def one(task: Task) -> None:
        try:
            done = Done(task.number, await do(task.work))
        except MigrateError as error:
            done = Done(task.number, error=error)
        send(writer, done)

    # Whoever has the ledger is gone: nothing that is done now would be known.
    async with asyncio.TaskGroup() as group:
        working = set[asyncio.Task[None]]()
        while (task := await receive(reader)) is not None:
            if isinstance(task, Refused | Alone | Stop):
                on_told(task)
                continue
            doing = group.create_task(one(task))
            working.add(doing)
            doing.add_done_callback(working.discard)
        for doing in working:
            doing.cancel()
