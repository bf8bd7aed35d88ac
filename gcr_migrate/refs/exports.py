"""Names in exports of what runs: output of kubectl, and Cloud Asset Inventory. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.refs.consumers import Clusters, is_asset, is_workload, resource, workload
from gcr_migrate.refs.finder import TEXT_MARKS, Written, find
from gcr_migrate.refs.records import records, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.consumers import Consumer
    from gcr_migrate.refs.records import Record, Said

KUBECTL: Final = "kubectl-output"
ASSETS: Final = "asset-inventory"
EXPORTS: Final = frozenset({KUBECTL, ASSETS})
SCANNED: Final = "refs-scan"  # our own list, of names that stand in other files
_BEGINS: Final = re.compile(r"[\s\ufeff]*[\[{]")
_LIST: Final = re.compile(r'\s*\{\s*"schema"\s*:\s*"gcr-migrate/refs-(scan|check|rewrite)"')
_ASSET: Final = re.compile(r'"asset_?[tT]ype"\s*:')
_OBJECT: Final = re.compile(r'"apiVersion"\s*:')
_LIVE: Final = re.compile(r'"(?:resourceVersion|uid)"\s*:')  # a cluster gives these
# What only repeats a name: the object as it was applied, and what a node has kept on its disk.
_COPIES: Final = re.compile(
    r"(.+\.)?metadata\.annotations\.kubectl\.kubernetes\.io/last-applied-configuration"
    r"|(.+\.)?status\.images\.\d+\.names\.\d+"
)


class Live(Struct, frozen=True):
    """A name in an export.

    Attributes:
        written: the name; `start` and `end` are those of its string where that is escaped.
        field: what it is the value of, in its record.
        consumer: whose record it is.
    """

    written: Written
    field: str
    consumer: Consumer | None


def export_kind(text: str) -> str:
    """Return the kind of an export; empty for any other text."""
    if not _BEGINS.match(text):
        return ""
    if _LIST.match(text):
        return SCANNED
    if _ASSET.search(text):
        return ASSETS
    return KUBECTL if _OBJECT.search(text) and _LIVE.search(text) else ""


def live_names(text: str) -> Iterator[Live]:
    """Give all names in an export, in their order.

    Args:
        text: the whole text.

    Raises:
        ValueError: it is no JSON, or is cut off.
    """
    clusters = Clusters({})
    named: list[Record] = []
    for record in records(text):
        if is_asset(record.value):
            clusters.note(record.value)
        if any(text.find(mark, record.start, record.end) >= 0 for mark in TEXT_MARKS):
            named.append(record)
    for record in named:
        consumer = _consumer(record, clusters)
        for said in strings(text, record.start):
            field = ".".join(said.path)
            if not _COPIES.fullmatch(field):
                yield from (Live(one, field, consumer) for one in _names(text, said))


def _consumer(record: Record, clusters: Clusters) -> Consumer | None:
    if is_asset(record.value):
        return resource(record.value, clusters)
    return workload(record.value) if is_workload(record.value) else None


def _names(text: str, said: Said) -> Iterator[Written]:
    if not any(mark in said.text for mark in TEXT_MARKS):
        return
    at = said.start
    for one in find(said.text):
        if one.kind == "topic" and said.path[-1] != "topic":
            continue  # the topic itself, of which nobody hears by this
        found = text.find(one.text, at, said.end)
        if found < 0:  # some of its characters are written otherwise
            yield replace(one, start=said.start, end=said.end)
        else:
            at = found + len(one.text)
            yield replace(one, start=found, end=at)
