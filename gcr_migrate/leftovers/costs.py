"""What storage costs a month, by a table of prices with its date; unknown stays unknown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.leftovers.evidence import BucketContents
    from gcr_migrate.model.storage import BucketSettings

REPOSITORY: Final = "artifact-registry"
_ANY_MULTI_REGION: Final = "multi-region"
AS_OF: Final = "2025"
# Dollars for a GiB and month, from public pages of that year (FACTS section 8).
_PRICES: Final = {REPOSITORY: 0.10, f"STANDARD/{_ANY_MULTI_REGION}": 0.026}
_GIB: Final = 2**30
_OPTION: Final = re.compile(r"(artifact-registry|[A-Z_]+/[A-Z0-9-]+)=([0-9]{1,6}(?:\.[0-9]{1,6})?)")


@dataclass(frozen=True, slots=True)
class Cost:
    """What something costs.

    Attributes:
        size_bytes: how much is billed, as far as was seen; None if it was not told.
        usd_a_month: dollars; None if that is not known.
        why: why it is not known, or what it leaves out; empty if it says all.
    """

    size_bytes: int | None = None
    usd_a_month: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by name.

    Attributes:
        usd: dollars for a GiB and month: `artifact-registry`, or storage class and location such
            as `NEARLINE/US`.
    """

    usd: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, options: Iterable[str]) -> Prices:
        """Read prices such as `NEARLINE/US=0.015`.

        Raises:
            MigrateError: BAD_USAGE.
        """
        usd = {}
        for text in options:
            found = _OPTION.fullmatch(text)
            if found is None:
                saw = "write artifact-registry=0.10, or class and location: NEARLINE/US=0.015"
                raise MigrateError(BAD_USAGE, subject=f"--price {text[:80]}", saw=saw)
            usd[found[1]] = float(found[2])
        return cls(usd)

    def repository(self, size_bytes: int | None) -> Cost:
        """Return what a repository costs, whatever of it is free for the billing account."""
        if size_bytes is None:
            return Cost(why="its size was not told")
        price = self.usd.get(REPOSITORY, _PRICES[REPOSITORY])
        return Cost(size_bytes, _dollars(size_bytes * price / _GIB))

    def bucket(self, settings: BucketSettings, contents: BucketContents) -> Cost:
        """Return what the objects of a bucket cost; of a part of them nothing is concluded."""
        size = contents.size_bytes
        if not contents.is_complete:
            return Cost(size, why=f"only the first {contents.seen:,} objects were looked at")
        usd = 0.0
        for class_, size_of_class in sorted(contents.bytes_by_class.items()):
            price = self._of(class_, settings)
            if price is None:
                place = settings.location or "a hidden location"
                why = f"no price is known here for {class_ or 'a hidden class'} in {place}"
                return Cost(size, why=why)
            usd += size_of_class * price / _GIB
        return Cost(size, _dollars(usd))

    def _of(self, class_: str, settings: BucketSettings) -> float | None:
        stated = self.usd.get(f"{class_}/{settings.location}")
        if stated is None and settings.is_multi_region:
            return _PRICES.get(f"{class_}/{_ANY_MULTI_REGION}")
        return stated


def _dollars(usd: float) -> float:
    return round(usd, 2)
