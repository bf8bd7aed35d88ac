"""Locations of Artifact Registry: where on earth they are."""

from __future__ import annotations

from typing import Final

MULTI_REGIONS: Final = frozenset({"us", "europe", "asia"})
# By the beginning of a region's name, the longest that fits; a multi-region is one of them itself.
_AREAS: Final = {
    "africa": "Africa",
    "asia": "Asia",
    "australia": "Australia",
    "europe": "Europe",
    "me": "the Middle East",
    "northamerica-northeast": "Canada",
    "northamerica-south": "Mexico",
    "southamerica": "South America",
    "us": "the United States",
}
# Regions of Europe that are not in the European Union.
_OUTSIDE_THE_UNION: Final = {"europe-west2": "the United Kingdom", "europe-west6": "Switzerland"}


def area_of(location: str) -> str:
    """Return the country or continent of a location in words; empty where it is not known."""
    words = location.split("-")
    beginnings = ("-".join(words[:count]) for count in range(len(words), 0, -1))
    # `northamerica-northeast1`: the number is a part of the last word.
    known = (_AREAS.get(one) or _AREAS.get(one.rstrip("0123456789")) for one in beginnings)
    return next((area for area in known if area), "")


def outside_the_union(location: str) -> str:
    """Return the country of a European region that is not in the European Union, else nothing."""
    return _OUTSIDE_THE_UNION.get(location, "")
