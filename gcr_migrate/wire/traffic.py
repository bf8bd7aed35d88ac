"""How much a command has asked: the requests of all its connections, counted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Traffic:
    """Counts of requests.

    Attributes:
        requests: sent and answered, those that were tried again included.
        refused: answered with 429, as a quota was used up.
    """

    requests: int = 0
    refused: int = 0

    def add(self, requests: int, refused: int) -> None:
        """Count requests that another process sent."""
        self.requests += requests
        self.refused += refused
