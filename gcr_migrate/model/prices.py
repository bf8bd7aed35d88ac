"""What Google asks for storage, transfer and scans, with the date of each table.

A price that nobody stated is None: it is unknown, which is never nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.locations import MULTI_REGIONS, area_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GIB: Final = 2**30
REPOSITORY: Final = "artifact-registry"
INTERNET: Final = "internet"
ANYWHERE: Final = "*"
AS_OF: Final = "2025"
# Dollars from public pages of that year (FACTS section 8): for a GiB and month, and for a digest.
_ANY_MULTI_REGION: Final = "multi-region"
_STORAGE: Final = {REPOSITORY: 0.10, f"STANDARD/{_ANY_MULTI_REGION}": 0.026}
SCAN: Final = 0.26
_OPTION: Final = re.compile(r"(artifact-registry|[A-Z_]+/[A-Z0-9-]+)=([0-9]{1,6}(?:\.[0-9]{1,6})?)")


class Prices(Struct, frozen=True):
    """Prices that somebody stated, before those that are known here.

    Attributes:
        stated: who stated them and of when they are, such as `prices.yaml of 2026-11`; may be
            empty.
        storage: dollars for a GiB and month: `artifact-registry`, or storage class and location
            such as `NEARLINE/US`.
        transfer: dollars for a GiB between two locations; either may be `*`, the second also
            `internet`.
        scan: dollars for an image digest on its first push.
    """

    stated: str = ""
    storage: Mapping[str, float] = field(default_factory=dict)
    transfer: Mapping[tuple[str, str], float] = field(default_factory=dict)
    scan: float | None = None

    @property
    def as_of(self) -> str:
        """Whose prices they are, and of when."""
        return f"{self.stated}; else of {AS_OF}" if self.stated else AS_OF

    def but(self, options: Iterable[str]) -> Prices:
        """Return the same, with prices such as `NEARLINE/US=0.015` before them.

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
        return replace(self, storage={**self.storage, **usd})

    @property
    def repository(self) -> float:
        """Dollars for a GiB and month in Artifact Registry."""
        return self.storage.get(REPOSITORY, _STORAGE[REPOSITORY])

    def bucket(self, class_: str, location: str, *, is_multi_region: bool) -> float | None:
        """Return dollars for a GiB and month of a storage class somewhere."""
        stated = self.storage.get(f"{class_}/{location}")
        if stated is None and is_multi_region:
            return _STORAGE.get(f"{class_}/{_ANY_MULTI_REGION}")
        return stated

    @property
    def scanned(self) -> float:
        """Dollars for an image digest that is scanned for the first time."""
        return SCAN if self.scan is None else self.scan

    def sent(self, source: str, target: str) -> float | None:
        """Return dollars for a GiB from one location to another, or to the internet."""
        pairs = ((source, target), (source, ANYWHERE), (ANYWHERE, target), (ANYWHERE, ANYWHERE))
        stated = next((self.transfer[pair] for pair in pairs if pair in self.transfer), None)
        return 0.0 if stated is None and is_free(source, target) else stated


def is_free(source: str, target: str) -> bool:
    """Whether Google asks nothing for what goes between two of its locations."""
    return source == target or (
        target in MULTI_REGIONS and bool(area_of(source)) and area_of(source) == area_of(target)
    )


def dollars(usd: float) -> float:
    """Return a sum of money in whole cents."""
    return round(usd, 2)
