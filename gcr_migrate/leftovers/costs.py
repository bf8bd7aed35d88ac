"""What storage costs a month of what a migration left behind; unknown stays unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.model.prices import GIB, dollars

if TYPE_CHECKING:
    from gcr_migrate.leftovers.evidence import BucketContents
    from gcr_migrate.model.prices import Prices
    from gcr_migrate.model.storage import BucketSettings


class Cost(Struct, frozen=True):
    """What something costs.

    Attributes:
        size_bytes: how much is billed, as far as was seen; None if it was not told.
        usd_a_month: dollars; None if that is not known.
        why: why it is not known, or what it leaves out; empty if it says all.
    """

    size_bytes: int | None = None
    usd_a_month: float | None = None
    why: str = ""


def repository_cost(prices: Prices, size_bytes: int | None) -> Cost:
    """Return what a repository costs, whatever of it is free for the billing account."""
    if size_bytes is None:
        return Cost(why="its size was not told")
    return Cost(size_bytes, dollars(size_bytes * prices.repository / GIB))


def bucket_cost(prices: Prices, settings: BucketSettings, contents: BucketContents) -> Cost:
    """Return what the objects of a bucket cost; of a part of them nothing is concluded."""
    size = contents.size_bytes
    if not contents.is_complete:
        return Cost(size, why=f"only the first {contents.seen:,} objects were looked at")
    usd = 0.0
    for class_, size_of_class in sorted(contents.bytes_by_class.items()):
        price = prices.bucket(class_, settings.location, is_multi_region=settings.is_multi_region)
        if price is None:
            place = settings.location or "a hidden location"
            why = f"no price is known here for {class_ or 'a hidden class'} in {place}"
            return Cost(size, why=why)
        usd += size_of_class * price / GIB
    return Cost(size, dollars(usd))
