"""What a plan takes: requests, time and money, as facts and in words."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.pace import Amount
from gcr_migrate.plan.costs import Kind, charges, total
from gcr_migrate.plan.duration import Course, time_left
from gcr_migrate.report.fact import Fact, Field
from gcr_migrate.state.overview import courses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.model.prices import Prices
    from gcr_migrate.state.amounts import Amounts
    from gcr_migrate.state.migration import Migration

UNKNOWN: Final = "unknown"
# Up to how many seconds a span is told in a unit.
_UNITS: Final = ((90, 1, "s"), (180 * 60, 60, "min"), (72 * 3600, 3600, "h"))
_DAY_S: Final = 86_400
_CENT: Final = 0.01


class TimeFact(Fact):
    """How long it takes to do what is left of a plan, as a range."""

    low_s: float = Field(description="Seconds at least.")
    high_s: float = Field(description="Seconds at most, if all is as assumed.")
    bound: str = Field(description="What takes most of it.")
    basis: str = Field(description="What that is concluded from.")
    is_measured: bool = Field(description="Whether runs of this plan have shown it.")


class ChargeFact(Fact):
    """Something that is billed."""

    kind: Kind = Field(description="storage: for a month; scans and transfer: once.")
    subject: str
    amount: int | None = Field(
        description="Bytes, or image digests that are scanned; null: not known."
    )
    usd: float | None = Field(description="Dollars; null: not known, which is not nothing.")
    why: str = Field(description="What it stands on, or why it is not known.")
    instead: bool = Field(
        description="Takes the place of another charge in another case; it is in no sum."
    )


class EstimateFact(Fact):
    """What a plan takes."""

    repository_creation_s: int = Field(
        description="Seconds to create the missing repositories at the service's own pace."
    )
    writes: int = Field(description="Requests that write, of what is left to be done.")
    reads: int = Field(description="Requests to sources, of what is left to be done.")
    time: TimeFact
    charges: list[ChargeFact] = Field(description="Of the whole plan.")
    usd_a_month: float | None = Field(description="Sum for a month; null: a part is not known.")
    usd_once: float | None = Field(description="Sum paid once; null: a part is not known.")
    prices_as_of: str = Field(description="Whose prices, and of when.")


def estimate_fact(
    migration: Migration, amounts: Amounts, repositories: int, prices: Prices
) -> EstimateFact:
    """Tell what a plan takes.

    Args:
        migration: the plan.
        amounts: its sums.
        repositories: how many are still to be created.
        prices: what Google asks.
    """
    services = amounts.left()
    span = time_left(services, repositories, migration.limits(), _runs(migration))
    found = charges(amounts.stored(), amounts.streams(), migration.estimate.get("scanned"), prices)
    return EstimateFact(
        repository_creation_s=migration.estimate.get("repository_creation_s", 0),
        writes=sum(one.writes for one in services),
        reads=sum(one.reads for one in services),
        time=TimeFact(
            low_s=round(float(span.low_s), 1),
            high_s=round(float(span.high_s), 1),
            bound=span.bound,
            basis=span.basis,
            is_measured=span.is_measured,
        ),
        charges=[ChargeFact.like(one) for one in found],
        usd_a_month=total(found, monthly=True),
        usd_once=total(found, monthly=False),
        prices_as_of=prices.as_of,
    )


def _runs(migration: Migration) -> list[Course]:
    return [
        Course(one.number, one.seconds, list(map(Amount, one.sent, one.done)))
        for one in courses(migration)
    ]


def span_text(low_s: float, high_s: float) -> str:
    """Tell a range of time in the unit that fits its end, rounded outwards."""
    for most, size, unit in _UNITS:
        if high_s <= most:
            return _range(low_s / size, high_s / size, unit)
    return _range(low_s / _DAY_S, high_s / _DAY_S, "days")


def _range(low: float, high: float, unit: str) -> str:
    first, last = floor(low), max(ceil(high), 1)
    if not high:
        return f"0 {unit}"
    if not first:
        return f"up to {last:,} {unit}"
    return f"{first:,} to {last:,} {unit}" if first < last else f"about {last:,} {unit}"


def usd_text(usd: float | None) -> str:
    """Tell a sum of money; what is less than a cent is not nothing."""
    if usd is None:
        return UNKNOWN
    return f"${usd:,.2f}" if usd >= _CENT or not usd else "under $0.01"


def sum_text(usd: float | None, found: Iterable[ChargeFact]) -> str:
    """Tell a sum of charges; where a part is not known, what is known of it."""
    if usd is not None:
        return usd_text(usd)
    known = sum(one.usd or 0 for one in found)
    return f"{usd_text(known)} and what is unknown" if known else UNKNOWN


def by_period(found: Sequence[ChargeFact], *, monthly: bool) -> list[ChargeFact]:
    """Return the charges of a month, or those that are paid once, that are in the sum of them."""
    return [one for one in found if (one.kind is Kind.STORAGE) is monthly and not one.instead]
