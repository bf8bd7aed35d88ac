"""Progress while a command works: a bar on a terminal that draws, else a line every few seconds."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

from gcr_migrate import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from rich.console import Console
    from rich.progress import Progress

EVERY_S: Final = 5.0
DRAWN_EVERY_S: Final = 0.1


def can_draw(screen: Console) -> bool:
    """Whether what is drawn there is seen: not on a terminal that cannot move its cursor either."""
    return screen.is_terminal and not screen.is_dumb_terminal


class Watch:
    """What a station tells of its work.

    Args:
        screen: where progress goes: stderr; None: only log lines tell of it.
        what: the verb of the command, such as `apply`.
        total: number of items, None where nobody knows it.
    """

    def __init__(self, screen: Console | None, what: str, total: int | None = None) -> None:
        self._what = what
        self._total = total
        self._sums: Counter[str] = Counter()
        self._told_at = time.monotonic()
        self._told: Counter[str] = Counter()
        self._bar: Progress | None = None
        if screen and can_draw(screen):
            self._bar = _bar_on(screen)
            self._task = self._bar.add_task(what, total=total, sums="")

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away; results follow on stdout."""
        if self._bar:
            self._bar.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take the bar away while somebody is asked something."""
        if self._bar:
            self._bar.stop()
        yield
        if self._bar:
            self._bar.start()

    def listed(self, what: str, count: int) -> None:
        """So many of a kind were found or checked."""
        self._sums[what] += count
        self._tell()

    def checked(self, level: str, *, ok: bool) -> None:
        """One check was made at a level."""
        self._count(f"{level} right" if ok else f"{level} wrong")

    def _count(self, what: str) -> None:
        self._sums[what] += 1
        if self._bar:
            self._bar.advance(self._task)
        self._tell()

    def _tell(self) -> None:
        # Items come in many small steps: drawing each would cost more than reading it.
        now = time.monotonic()
        if now - self._told_at < (DRAWN_EVERY_S if self._bar else EVERY_S):
            return
        rates = self._rates(now - self._told_at)
        self._told_at, self._told = now, self._sums.copy()
        if self._bar:
            sums = [f"{n} {what} ({rates[what]:.0f}/s)" for what, n in self._sums.items()]
            self._bar.update(self._task, sums=", ".join(sums))
            return
        more = {"of": self._total} if self._total is not None else {}
        told = {f"{what}_per_s": round(rate, 1) for what, rate in rates.items()}
        logs.info(f"{self._what}.progress", **self._sums, **told, **more)

    def _rates(self, passed_s: float) -> dict[str, float]:
        """How many of each kind there were in a second, since it was told last."""
        return {w: (n - self._told[w]) / max(passed_s, 0.001) for w, n in self._sums.items()}


def _bar_on(console: Console) -> Progress:
    # What draws takes longer to load than many a command, and most of them draw nothing.
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[sums]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
