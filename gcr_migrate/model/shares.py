"""How much has arrived of blobs that are under way: by the time that they had.

Bytes that have left do not tell it: buffers of both sides hold them for a while, on a slow line
most of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.pace import Part

if TYPE_CHECKING:
    from collections.abc import Callable

_ALIKE: Final = 64  # times as large as another blob, and it still tells something
_BUFFERED: Final = 32 * 1024 * 1024  # of a blob at most, in buffers of both sides
_BY_CHANCE: Final = 0.5  # of a blob has arrived at any moment


class Shares:
    """Divides the time of a run among the blobs under way: of each second all get as much.

    So does a line that they fill. What a blob needs of it is a straight line over the size of
    those that ended: some time until its bytes flow, and then as much for each of them.

    Args:
        clock: tells the time in seconds, and never goes back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at_s = clock()
        self._each_s = 0.0
        self._under_way: dict[int, tuple[float, int]] = {}
        # Of blobs that were sent: how many, and sums of sizes, squares, seconds and products.
        self._count = self._size = self._squares = 0
        self._had_s = self._products = 0.0
        self._largest = 0

    def each_s(self) -> float:
        """Seconds that a blob would have had which was under way all the time."""
        now = self._clock()
        if self._under_way:
            self._each_s += (now - self._at_s) / len(self._under_way)
        self._at_s = now
        return self._each_s

    @property
    def at_once(self) -> int:
        """Number of blobs under way."""
        return len(self._under_way)

    def begin(self, blob: int, size: int) -> None:
        """Take note that a blob is under way."""
        self._under_way[blob] = (self.each_s(), size)

    def end(self, blob: int, *, was_sent: bool) -> Part | None:
        """Take note that it no longer is; return all of it if it was sent."""
        now_s = self.each_s()
        since_s, size = self._under_way.pop(blob, (now_s, -1))
        if not was_sent or size < 0:
            return None
        self._largest = max(self._largest, size)
        self._count += 1
        self._size += size
        self._squares += size * size
        self._had_s += now_s - since_s
        self._products += size * (now_s - since_s)
        return Part(since_s, size)

    def arrived(self, at_most: int) -> list[Part]:
        """Return what has arrived of each blob under way, of all together at most so much."""
        now_s = self.each_s()
        parts = [
            Part(since_s, size * self._part(now_s - since_s, size))
            for since_s, size in self._under_way.values()
        ]
        total = sum(part.bytes for part in parts)
        fits = min(1.0, at_most / total) if total > 0 else 1.0
        return [Part(part.since_s, part.bytes * fits) for part in parts]

    def untold(self, at_most: int) -> int:
        """Return the bytes of which nobody knows whether they have arrived, at most so many.

        They are those of blobs under way that are much larger than any that has ended.
        """
        sizes = [size for _, size in self._under_way.values() if size > _ALIKE * self._largest]
        return min(at_most, sum(min(size, _BUFFERED) for size in sizes))

    def _part(self, had_s: float, size: int) -> float:
        if not self._count:
            return _BY_CHANCE
        spread = self._count * self._squares - self._size * self._size
        rises = self._count * self._products - self._size * self._had_s
        slope = max(0.0, rises / spread) if spread else 0.0
        before_s = max(0.0, (self._had_s - slope * self._size) / self._count)
        flow_s = slope * size
        if flow_s <= 0:
            return min(1.0, had_s / before_s) if before_s > 0 else 1.0
        return min(1.0, max(0.0, had_s - before_s) / flow_s)
