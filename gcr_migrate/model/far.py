"""How far a run is, as it tells of itself while it goes on."""

from __future__ import annotations

from msgspec import Struct


class HowFar(Struct, frozen=True):
    """How far a run is.

    Attributes:
        bytes_done: bytes of blobs that were sent, in this run and before.
        bytes_total: those that the plan takes in all.
        bytes_per_s: sent in a second, over the last minute.
        requests_per_s: sent in a second, over the last minute.
        time_left_s: seconds until the content is there; None where nobody can know.
    """

    bytes_done: int
    bytes_total: int
    bytes_per_s: float
    requests_per_s: float
    time_left_s: float | None
