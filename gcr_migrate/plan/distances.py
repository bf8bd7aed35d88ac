"""What it means that images go to another location than the one that they are in."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import LOCATION_CHANGES, LOCATION_UNKNOWN
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.locations import MULTI_REGIONS, area_of, outside_the_union
from gcr_migrate.model.prices import is_free
from gcr_migrate.plan.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


_MB: Final = 1_000_000
_NAMED_AT_MOST: Final = 5


class Streamed(Struct, frozen=True):
    """What has to cross the line, as the target's service has it under no name.

    Attributes:
        blobs: how many.
        size_bytes: their bytes, as far as manifests tell them.
        unknown: how many of them have no size that is known.
    """

    blobs: int
    size_bytes: int
    unknown: int = 0


def location_finding(source: str, target: str, streamed: Streamed) -> Finding:
    """Tell of images that change their location: where the data goes, and what that costs.

    Args:
        source: location in which they are.
        target: another location.
        streamed: what goes from the one to the other.
    """
    stays, where = _residency(source, target)
    saw = f"{where}; {_amount(streamed)}; {_price(source, target)}"
    severity = Severity.INFO if stays else Severity.WARNING
    return Finding(LOCATION_CHANGES, severity, f"{source} -> {target}", saw)


def unknown_locations(wanted: Iterable[str], known: Collection[str]) -> list[Refusal]:
    """Refuse locations that Artifact Registry does not have for the project.

    Args:
        wanted: locations in which repositories are to be made.
        known: all that there are; if none is known, nothing is refused.
    """
    return [
        Refusal(LOCATION_UNKNOWN, one, _nearest(one, known))
        for one in sorted(set(wanted))
        if known and one not in known
    ]


def _residency(source: str, target: str) -> tuple[bool, str]:
    """Return whether the data stays in its country or continent, and say what changes."""
    before, after = area_of(source), area_of(target)
    if not before or not after:
        return False, f"where {target if before else source} is, is not known here"
    if before != after:
        return False, f"data leaves {before} for {after}"
    apart = outside_the_union(target)
    if apart:
        return False, f"data stays in {after} and goes to {apart}, outside the European Union"
    if source in MULTI_REGIONS:
        return True, f"data stays in {after}, in one region"
    spread = ", in several regions" if target in MULTI_REGIONS else ", in another region"
    return True, f"data stays in {after}{spread}"


def _amount(streamed: Streamed) -> str:
    if not streamed.blobs:
        return "no blob has to be sent"
    unknown = f" and {streamed.unknown} blobs of unknown size" if streamed.unknown else ""
    exact = streamed.size_bytes < _MB
    size = f"{streamed.size_bytes} bytes" if exact else f"{streamed.size_bytes / _MB:,.1f} MB"
    sized = streamed.blobs - streamed.unknown
    return f"{size} in {sized} blob{'s' if sized != 1 else ''}{unknown} are streamed, not mounted"


def _price(source: str, target: str) -> str:
    """Say what Google asks for such a transfer; what is not known is never nothing (FACTS 8)."""
    if is_free(source, target):
        return "transfer from a region to its multi-region is free"
    return "price per GB: unknown"


def _nearest(location: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(location, sorted(known), n=3, cutoff=0.7)
    if close:
        return f"nearest: {', '.join(close)}"
    more = f" and {len(known) - _NAMED_AT_MOST} more" if len(known) > _NAMED_AT_MOST else ""
    return f"there are {', '.join(sorted(known)[:_NAMED_AT_MOST])}{more}"
