"""How much a command has asked: the requests of all its connections, counted."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field
from msgspec.structs import replace


class Traffic(Struct):
    """Counts of requests.

    Attributes:
        requests: sent and answered, those that were tried again included.
        refused: answered with 429, as a quota was used up.
        retried: sent once more, as no answer came, or one that may be another one next time.
        asked: sent to each service, answered or not, by its host.
        written: those of them that write.
    """

    requests: int = 0
    refused: int = 0
    retried: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])
    written: Counter[str] = field(default_factory=Counter[str])

    def copy(self) -> Traffic:
        """Return what is counted until now."""
        return replace(self, asked=self.asked.copy(), written=self.written.copy())

    def __sub__(self, other: Traffic) -> Traffic:
        """Return what came since the other was counted."""
        return Traffic(
            self.requests - other.requests,
            self.refused - other.refused,
            self.retried - other.retried,
            self.asked - other.asked,
            self.written - other.written,
        )

    def add(self, other: Traffic) -> None:
        """Count requests that were sent elsewhere."""
        self.requests += other.requests
        self.refused += other.refused
        self.retried += other.retried
        self.asked += other.asked
        self.written += other.written

    def sent(self, service: str, *, writes: bool) -> None:
        """Count a request that is sent."""
        self.asked[service] += 1
        if writes:
            self.written[service] += 1

    def answered(self, *, refused: bool) -> None:
        """Count an answer."""
        self.requests += 1
        self.refused += refused
