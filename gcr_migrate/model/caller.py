"""Whose credentials were found."""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Caller(Struct, frozen=True):
    """Whose credentials were found.

    Attributes:
        source: where they were found, in words that may be shown; never a secret.
        account: whose they are, empty if it cannot be told.
        renewable: whether a new token can be had when this one ends.
        expires_at: when the token in hand ends, in seconds since 1970; None if unknown.
    """

    source: str
    account: str
    renewable: bool
    expires_at: float | None


ANONYMOUS: Final = Caller(
    "no credentials: calls are anonymous", "", renewable=True, expires_at=None
)
