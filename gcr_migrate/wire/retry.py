"""When a request is tried again, and after how long.

What tries again is loaded before anything fails: with no descriptor left nothing more can be.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.errors import MigrateError, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_T = TypeVar("_T")

RETRIED: Final = frozenset({408, 429, 499, 500, 502, 503, 504})
RETRY_AFTER_AT_MOST_S: Final = 120.0
_DOUBLED_AT_MOST: Final = 64  # any cap is reached by then, and no number is too large


class Backoff(Struct, frozen=True):
    """How often and how long.

    Attributes:
        tries: requests sent at most, the first included.
        base_s: upper bound of the first wait, in seconds; doubled each time.
        cap_s: upper bound of any wait that the server did not ask for.
    """

    tries: int = 6
    base_s: float = 0.2
    cap_s: float = 20.0


class TransientError(MigrateError):
    """A problem that may be gone at the next try.

    Args:
        problem: which problem of the catalogue.
        subject: what it happened to.
        saw: what was seen.
        after_s: seconds that the server asked to wait, if it did.
    """

    def __init__(
        self, problem: Problem, *, subject: str, saw: str = "", after_s: float | None = None
    ) -> None:
        super().__init__(problem, subject=subject, saw=saw)
        self.after_s = after_s


async def persistently(
    do: Callable[[], Awaitable[_T]], backoff: Backoff, again: Callable[[], None] | None = None
) -> _T:
    """Do something until it works, or has been tried enough.

    Args:
        do: what is done; what may be gone at the next try is a TransientError.
        backoff: how often and how long it is tried.
        again: is called before each try but the first.

    Raises:
        MigrateError: as the last try did.
    """
    tried = 0
    while True:
        tried += 1
        try:
            return await do()
        except TransientError as error:
            if tried >= backoff.tries:
                raise
            wait_s = _wait_s(backoff, tried) + (error.after_s or 0.0)
            logs.debug(
                "retry",
                code=error.problem.code,
                subject=error.subject,
                saw=error.saw,
                attempt=tried,
                wait_s=round(wait_s, 3),
            )
        await asyncio.sleep(wait_s)
        if again:
            again()


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Read a Retry-After header, seconds or HTTP date; bounded, None if it says nothing usable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), RETRY_AFTER_AT_MOST_S)
    moment = moment_of(text)
    if moment is None:
        return None
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_AT_MOST_S)


def moment_of(text: str) -> datetime | None:
    """Read an HTTP date; None if it is none."""
    try:
        moment = parsedate_to_datetime(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _wait_s(backoff: Backoff, tried: int) -> float:
    """Return full jitter."""
    most = min(backoff.cap_s, backoff.base_s * 2 ** min(tried - 1, _DOUBLED_AT_MOST))
    return random.uniform(0, most)  # noqa: S311  # jitter
