"""How long a run takes, as a range, and what keeps it from being shorter.

What a run of the same plan has shown counts. Before there is one, the quotas say how fast services
may be asked, and of the line between them a slow and a fast one are assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.limits import CREATION_S, quota_host
from gcr_migrate.model.pace import Amount, Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.model.amounts import Service
    from gcr_migrate.model.limits import Limits, Rates

_LINE: Final = (12_500_000.0, 125_000_000.0)  # bytes per second: 100 Mbit/s and 1 Gbit/s
_UNCOUNTED: Final = (50.0, 500.0)  # requests per second, where no quota is known
_SLOWER, _FASTER = 1.25, 0.8  # what one run was, the next one may be by so much off
_LEAST_S: Final = 3.0  # of a run from which something is concluded
_REQUEST_BYTES: Final = 512 * 1024


class Course(Struct, frozen=True):
    """A run that was made, in equal steps of time.

    Attributes:
        number: of the run.
        seconds: how long it was.
        steps: what was done in each.
    """

    number: int
    seconds: float
    steps: Sequence[Amount]

    @property
    def done(self) -> Amount:
        """All that was done."""
        return sum(self.steps, Amount())


class Span(Struct, frozen=True):
    """How long something takes.

    Attributes:
        low_s: seconds at least.
        high_s: seconds at most, if all is as assumed.
        bound: what takes most of it.
        basis: what that is concluded from.
        is_measured: from runs of this plan.
    """

    low_s: float
    high_s: float
    bound: str
    basis: str
    is_measured: bool = False


class _Share(Struct, frozen=True):
    """What one cause makes of the time."""

    cause: str
    low_s: float
    high_s: float


def time_left(
    services: Sequence[Service], repositories: int, limits: Limits, runs: Sequence[Course] = ()
) -> Span:
    """Return how long the rest of a plan takes.

    Args:
        services: what is left to be done at each target registry.
        repositories: how many are still to be created.
        limits: how fast services are asked at most.
        runs: those that were made.
    """
    creation = repositories * CREATION_S
    rates = [_requests(one, limits) for one in services]
    flows = [_line(sum(one.size_bytes for one in services), limits), *rates]
    shares = [*flows]
    if creation:
        shares.append(_Share("the creation of repositories, one in 2 s", creation, creation))
    # Requests and bytes are on their way at the same time, at best all of them.
    low = creation + max(one.low_s for one in flows)
    high = creation + sum(one.high_s for one in flows)
    worst = max(shares, key=lambda one: (one.high_s, one.low_s))
    bound = worst.cause if worst.high_s else "nothing: all is there"
    told = [(run, _rest_s(run, services)) for run in runs]
    known = [(run, rest) for run, rest in told if rest is not None]
    if not known or not high:
        return Span(low, high, bound, _assumed(services, limits))
    quota = creation + max((one.low_s for one in rates), default=0.0)
    least = max(quota, creation + min(rest for _, rest in known) * _FASTER)
    most = max(least, creation + max(rest for _, rest in known) * _SLOWER)
    return Span(least, most, bound, _measured([run for run, _ in known]), is_measured=True)


def _requests(service: Service, limits: Limits) -> _Share:
    """Return what requests to one registry take: at the quota, and at the rate of a beginner."""
    rates = limits.rates(quota_host(service.host))
    fast = _fast_s(service, rates)
    slow_rate = rates.first_per_s or rates.requests_per_s or _UNCOUNTED[0]
    slow = max(fast, service.writes / slow_rate)
    if rates.writes_per_s is not None or rates.requests_per_s is not None:
        return _Share(f"{_rate_text(rates)} at {service.host}", fast, slow)
    return _Share(f"requests to {service.host}", fast, slow)


def _fast_s(service: Service, rates: Rates) -> float:
    known = [rate for rate in (rates.writes_per_s, rates.requests_per_s) if rate is not None]
    return service.writes / min(known, default=_UNCOUNTED[1])


def _rate_text(rates: Rates) -> str:
    writes, requests = rates.writes_per_s, rates.requests_per_s
    if writes is not None and (requests is None or writes <= requests):
        return f"{writes:g} writes a second"
    return f"{requests:g} requests a second"


def _line(size_bytes: int, limits: Limits) -> _Share:
    slow, fast = _LINE
    if limits.bytes_per_s is not None:
        slow, fast = min(slow, limits.bytes_per_s), min(fast, limits.bytes_per_s)
        cause = f"the bandwidth that the spec allows, {limits.bytes_per_s / 1e6:g} MB/s"
    else:
        cause = "the line"
    return _Share(cause, size_bytes / fast, size_bytes / slow)


def _assumed(services: Sequence[Service], limits: Limits) -> str:
    parts = []
    if any(one.size_bytes for one in services) and limits.bytes_per_s is None:
        parts.append("a line of 100 Mbit/s to 1 Gbit/s is assumed")
    return "; ".join([*parts, "no run has shown yet how fast it is"])


def _rest_s(run: Course, services: Sequence[Service]) -> float | None:
    """Return the seconds that the rest takes at the pace of a run; None if it shows nothing."""
    left = Amount(
        sum(one.size_bytes for one in services),
        sum(one.uploads + one.mounts + one.items for one in services),
    )
    done = run.done
    if run.seconds < _LEAST_S or not (done.bytes or done.requests):
        return None
    pace, at, sofar = Pace(), 0.0, Amount()
    pace.sample(at, sofar)
    for step in run.steps:
        at, sofar = at + run.seconds / len(run.steps), sofar + step
        pace.sample(at, sofar)
    fitted = pace.left_s(left)
    return run.seconds * _units(left) / _units(done) if fitted is None else fitted


def _units(amount: Amount) -> float:
    return amount.bytes / _REQUEST_BYTES + amount.requests


def _measured(runs: Sequence[Course]) -> str:
    done = sum((run.done for run in runs), Amount())
    seconds = sum(run.seconds for run in runs)
    which = f"run {runs[0].number}" if len(runs) == 1 else f"{len(runs)} runs"
    items, rate = done.requests / seconds, done.bytes / seconds / 1e6
    return f"as {which} of this plan: {items:,.1f} items/s, {rate:,.1f} MB/s"
