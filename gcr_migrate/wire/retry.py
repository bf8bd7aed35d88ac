"""When a request is tried again, and after how long.

What tries again is loaded before anything fails: with no descriptor left nothing more can be.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import Struct
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from gcr_migrate import logs
from gcr_migrate.errors import MigrateError, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tenacity import RetryCallState

_T = TypeVar("_T")

# From 520 on it is who stands before the service: it got no answer, or none that it understood.
RETRIED: Final = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 525)})
RETRY_AFTER_AT_MOST_S: Final = 120.0


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

    def final(self) -> MigrateError:
        """Return it as what was tried enough: nobody above is to try it yet again."""
        return MigrateError(self.problem, subject=self.subject, saw=self.saw)


async def persistently(
    do: Callable[[], Awaitable[_T]],
    backoff: Backoff,
    again: Callable[[], None] | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> _T:
    """Do something until it works, or has been tried enough.

    Args:
        do: what is done; what may be gone at the next try is a TransientError.
        backoff: how often and how long it is tried.
        again: is called before each try but the first.
        sleep: waits for so many seconds between tries; what it raises ends them.

    Raises:
        MigrateError: as the last try did.
    """
    try:
        return await do()
    except TransientError as error:
        first: TransientError | None = error
    attempts = AsyncRetrying(  # made only now: most things work at once
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_attempt(backoff.tries),
        wait=_Wait(backoff),
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )
    async for attempt in attempts:
        with attempt:
            if first:
                failed, first = first, None
                raise failed
            if again:
                again()
            return await do()
    raise RuntimeError("nothing was tried")


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


class _Wait(wait_random_exponential):
    """Full jitter; where the server asked for a pause, that pause first."""

    def __init__(self, backoff: Backoff) -> None:
        super().__init__(multiplier=backoff.base_s, max=backoff.cap_s)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.after_s if isinstance(error, TransientError) else None
        return super().__call__(retry_state) + (asked or 0.0)


def log_retry(error: MigrateError, attempt: int, wait_s: float) -> None:
    """Tell why something is tried again, and after how long.

    Args:
        error: what the last try came to.
        attempt: how many there have been.
        wait_s: seconds until the next one.
    """
    logs.debug(
        "retry",
        code=error.problem.code,
        subject=error.subject,
        saw=error.saw,
        attempt=attempt,
        wait_s=round(wait_s, 3),
    )


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, MigrateError):
        log_retry(error, state.attempt_number, state.upcoming_sleep)
