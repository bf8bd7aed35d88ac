"""Ctrl-C: once finishes what is in flight, twice drops it; both leave a clean ledger.

A terminal that goes away tells it by a signal too, often twice: by the shell and by the system.

The end begins once. A signal that comes later raises nothing in the middle of it: it is passed
over, or, where the end takes longer than it should, ends the process.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gcr_migrate.errors import DEFECT, Exit, MigrateError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

T = TypeVar("T")

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S: Final = 0.5
_LOOK_S: Final = 1.0


def stops() -> tuple[type[BaseException], ...]:
    """Return what a stopped run ends with; asked only where something ended, as it loads much."""
    from asyncio import CancelledError

    from typer.exceptions import Abort

    return (Abort, KeyboardInterrupt, CancelledError)


def ended_by(error: BaseException) -> str:
    """Return how a run ended that came to an end by this, as its ledger notes it.

    What is killed from outside notes nothing. A run that a person stops in the middle of what is
    in flight, such as by a second Ctrl-C, does.
    """
    if isinstance(error, MigrateError):
        return error.problem.code
    return "stopped-at-once" if isinstance(error, stops()) else DEFECT.code


class _End:
    """The end of this process that signals want.

    Attributes:
        drop: drops what is being done.
    """

    def __init__(self) -> None:
        self.drop: Callable[[], None] = _raise
        self._began_at: float | None = None

    def begin(self) -> None:
        """Note that it has begun of itself."""
        self._began_at = self._began_at or time.monotonic()

    def begins_by(self, number: int) -> bool:
        """Whether it begins by this signal; if it hangs, end the process."""
        if self._began_at is None:
            self.begin()
            return True
        if number != signal.SIGHUP and time.monotonic() - self._began_at > _GRACE_S:
            os._exit(Exit.INTERRUPTED)
        return False


def _raise() -> None:
    raise KeyboardInterrupt


_END: Final = _End()


def hear_signals() -> None:
    """Have a signal end the program in order, from now on until it is gone.

    In order is: not without the programs that were asked for a login, and with a word about it.
    """
    atexit.register(_deafen)  # the interpreter gives default handlers back, and ends a while later
    for number in _heard():
        signal.signal(number, _drop)


def leave_with(code: int) -> None:
    """Let signals change nothing of what the program ends with, as all is told.

    One that comes while the interpreter ends is an end at once: something may keep it from that.
    """
    for number in _heard():
        signal.signal(number, lambda *_: os._exit(code))
    sys.stderr.flush()


def _deafen() -> None:
    for number in _heard():
        signal.signal(number, signal.SIG_IGN)


def _drop(number: int, _frame: FrameType | None) -> None:
    if _END.begins_by(number):
        _END.drop()


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end as `asyncio.run` does, and cancel it when a signal comes.

    That one would let a second signal break off what its loop is just doing. Work that has more to
    say when it is cancelled, such as how far a write got, is heard.

    Raises:
        KeyboardInterrupt: a signal came, and the work ended by it or knew nothing of it.
    """
    import asyncio

    task: asyncio.Task[Any] | None = None
    is_dropped = is_told = False

    def drop() -> None:
        nonlocal is_dropped
        is_dropped = True
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def main() -> T:
        nonlocal task, is_told
        task = this = asyncio.current_task()
        try:
            if is_dropped:
                work.close()
                raise asyncio.CancelledError
            return await work
        finally:
            is_told = this is not None and this.cancelling() > 0
            task = None

    before, _END.drop = _END.drop, drop
    try:
        result = asyncio.run(main())
    except MigrateError:
        raise
    except BaseException as error:
        if is_dropped:  # whatever it is, it comes of that
            raise KeyboardInterrupt from error
        raise
    finally:
        _END.drop = before
    if is_dropped and not is_told:  # too late to cancel it; what would come next is not begun
        raise KeyboardInterrupt
    return result


@contextmanager
def stopping(stop: asyncio.Event, tell: Callable[[str], None]) -> Iterator[None]:
    """Turn the first signal into `stop`, and end the process at the second one.

    The ledger is only added to, in transactions, so that ending at any line is safe.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    is_heard = is_told = False

    def begin_to_stop() -> None:
        nonlocal is_told
        if not is_told:
            is_told = True
            stop.set()
            tell("Stopping: what is in flight is finished first. Once more drops it.")

    def drop_all() -> None:
        # Not simply gone: programs that were asked for a login have to be ended with us.
        for task in asyncio.all_tasks(loop):
            if not task.cancelling():
                task.cancel()
        loop.call_later(_GRACE_S, os._exit, Exit.INTERRUPTED)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal is_heard
        if not is_heard:
            is_heard = True  # the event does not say it: a run stops for other reasons, too
            loop.call_soon_threadsafe(begin_to_stop)
        elif number != signal.SIGHUP and _END.begins_by(number):
            _END.drop()
            loop.call_soon_threadsafe(drop_all)

    with _hearing(on_signal):
        yield
        if is_heard:
            begin_to_stop()  # it came in the last moment; of several files no other is begun
            _END.begin()


@contextmanager
def until_signal() -> Iterator[Callable[[], None]]:
    """Give what waits for a signal, for what serves until it is told to end."""
    # No event: one that is set while this thread begins to wait for it would stand still for ever.
    told = SimpleQueue[int]()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        told.put(number)
        _END.begins_by(number)

    def wait() -> None:
        while True:
            with suppress(Empty):  # it looks now and then, as a wait may begin just after a signal
                told.get(timeout=_LOOK_S)
                return

    with _hearing(on_signal):
        yield wait


@contextmanager
def _hearing(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have signals go there while the block runs, and at no moment nowhere."""
    before = {number: signal.signal(number, on_signal) for number in _heard()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard() -> list[signal.Signals]:
    """Return the signals that nobody has had ignored: after `nohup` a terminal may go away."""
    return [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
