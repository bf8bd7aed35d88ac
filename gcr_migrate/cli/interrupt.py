"""Ctrl-C: once finishes what is in flight, twice drops it; both leave a clean ledger.

A terminal that goes away tells it by a signal too, often twice: by the shell and by the system.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import DEFECT, Exit, MigrateError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GRACE_S: Final = 0.5


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


@contextmanager
def stopping(stop: asyncio.Event, tell: Callable[[str], None]) -> Iterator[None]:
    """Turn the first signal into `stop`, and end the process at the second one.

    The ledger is only added to, in transactions, so that ending at any line is safe.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    is_told = False

    def on_signal(number: int) -> None:
        nonlocal is_told
        if is_told:
            if number == signal.SIGHUP:
                return
            # Not simply gone: programs that were asked for a login have to be ended with us.
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.call_later(_GRACE_S, os._exit, Exit.INTERRUPTED)
            return
        is_told = True  # the event does not say it: a run stops for other reasons, too
        stop.set()
        tell("Stopping: what is in flight is finished first. Once more drops it.")

    before = {number: signal.getsignal(number) for number in _heard()}
    for number in before:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)  # of several files the next one is ended in order, too


@contextmanager
def until_signal() -> Iterator[threading.Event]:
    """Give an event that a signal sets, for what serves until it is told to end."""
    ended = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, on_signal) for number in _heard()}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard() -> list[signal.Signals]:
    """Return the signals that nobody has had ignored: after `nohup` a terminal may go away."""
    return [one for one in _SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
