"""How much a command has asked: the requests of all its connections, counted."""

from __future__ import annotations

from msgspec import Struct


class Traffic(Struct):
    """Counts of requests.

    Attributes:
        requests: sent and answered, those that were tried again included.
        refused: answered with 429, as a quota was used up.
        retried: sent once more, as no answer came, or one that may be another one next time.
    """

    requests: int = 0
    refused: int = 0
    retried: int = 0

    def __sub__(self, other: Traffic) -> Traffic:
        """Return what came since the other was counted."""
        return Traffic(
            self.requests - other.requests,
            self.refused - other.refused,
            self.retried - other.retried,
        )

    def add(self, requests: int, refused: int, retried: int = 0) -> None:
        """Count requests that were sent elsewhere."""
        self.requests += requests
        self.refused += refused
        self.retried += retried
