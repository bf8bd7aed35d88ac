"""What a run still has to do: items by kind, bytes, requests; added up by SQL."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.model.limits import PATHS_AT_ONCE, is_counted, quota_host
from gcr_migrate.model.pace import UPLOAD_REQUESTS, Amount
from gcr_migrate.model.steps import CONTENT, Kind
from gcr_migrate.state.last import is_open, is_there, last_event

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gcr_migrate.state.migration import Migration


class Left(Struct, frozen=True):
    """What a run begins with.

    Attributes:
        planned: items by kind, those included that nothing has to be done about.
        pending: items by kind that are neither there nor left as they are.
        bytes_planned: bytes that the plan sends, in this run and in those before.
        bytes: those of them that are still to be sent.
        mount_bytes: bytes of blobs that are to be mounted.
        uploads: blobs that are to be sent.
        by_repository: blobs, manifests and tags of each target repository, by its id: planned, and
            pending.
        by_service: what of it each target service gets that counts requests of its own, by its
            host.
        looks: requests that do not write and that a service is sent between the first blob and
            the last tag: tokens and lists of image paths. 0 where they are many or not known.
    """

    planned: dict[Kind, int]
    pending: dict[Kind, int]
    bytes_planned: int
    bytes: int
    mount_bytes: int
    uploads: int
    by_repository: dict[int, tuple[int, int]] = field(default_factory=dict)
    by_service: dict[str, Left] = field(default_factory=dict)
    looks: int = 0

    @property
    def content(self) -> int:
        """Number of blobs, manifests and tags that are pending."""
        return sum(self.pending[kind] for kind in CONTENT)

    @property
    def amount(self) -> Amount:
        """The pending content in bytes and requests."""
        return Amount(self.bytes, self.content + (UPLOAD_REQUESTS - 1) * self.uploads)


_PENDING: Final = {  # as long as the ledger says nothing
    Kind.REPOSITORY: "NOT p.present",
    Kind.GRANT: "NOT p.present",
    Kind.BLOB: "NOT p.present",
    Kind.MANIFEST: "NOT p.present",
    Kind.TAG: "p.action NOT IN ('present', 'keep')",
    Kind.SETTING: "TRUE",
}
_TABLE: Final = {
    Kind.REPOSITORY: "repository",
    Kind.GRANT: "repository_grant",
    Kind.BLOB: "planned_blob",
    Kind.MANIFEST: "planned_manifest",
    Kind.TAG: "planned_tag",
    Kind.SETTING: "setting_item",
}
_CHOSEN: Final = "(? IS NULL OR p.image_id IN (SELECT value FROM json_each(?)))"
# A blob is sent once to a registry that has it under no name; not at all where it is the source's,
# nor where it was skipped, which is for good.
_BLOBS: Final = f"""
WITH name AS (
    SELECT p.blob_id, r.registry, s.registry = r.registry AS beside, p.present,
        {is_there(last_event("blob"), "p.present")} AS there,
        {_CHOSEN} AND p.id NOT IN (
            SELECT item_id FROM event WHERE kind = 'blob' AND event = 'skipped') AS chosen
    FROM planned_blob p CROSS JOIN image i ON i.id = p.image_id
    CROSS JOIN repository r ON r.id = i.repository_id CROSS JOIN source s ON s.id = i.source_id
), need AS (
    SELECT blob_id, registry, max(beside AND NOT present) AS beside, sum(present) AS had,
        sum(there) AS has, sum(chosen AND NOT there) AS missing
    FROM name GROUP BY blob_id, registry HAVING sum(chosen AND NOT present) > 0
), sized AS (
    SELECT registry, max(b.size_bytes, 0) AS size, had = 0 AND NOT beside AS planned,
        has = 0 AND missing > 0 AND NOT beside AS sent, missing
    FROM need JOIN blob b ON b.id = need.blob_id
)
SELECT registry, sum(size * planned), sum(size * sent), sum(size * (missing - sent)), sum(sent)
FROM sized GROUP BY registry
"""  # noqa: S608  # constants only

_UPLOADS: Final = 3  # where the sum of them stands
# Tokens, where each path takes some, and lists: of the target, and where one service has both sides
# of the source as well, unless nobody asks what its tags point to.
_LOOKS: Final = 1, 1
_LOOKS_BESIDE: Final = {False: (2, 2), True: (1, 1)}
_PATHS: Final = f"""
WITH open AS (
    SELECT DISTINCT p.image_id FROM planned_tag p
    WHERE {_CHOSEN} AND {is_open(last_event("tag"), _PENDING[Kind.TAG])}
)
SELECT r.registry, s.registry, i.moved_tags = 'pin', count(*)
FROM open CROSS JOIN image i ON i.id = open.image_id
CROSS JOIN repository r ON r.id = i.repository_id CROSS JOIN source s ON s.id = i.source_id
GROUP BY 1, 2, 3
"""  # noqa: S608  # constants only


def left(migration: Migration, image_ids: Collection[int] | None = None) -> Left:
    """Add up what is left to do; what failed counts, as a run tries it again.

    Args:
        migration: the file.
        image_ids: the images that the run is about; None: all.
    """
    chosen = None if image_ids is None else json.dumps(list(image_ids))
    hosts = _services(migration)
    sums: dict[str, _Sums] = {}
    places: dict[int, tuple[int, int]] = {}
    for kind in Kind:
        is_content = kind in CONTENT
        values = (chosen, chosen) if is_content else ()
        for place, items, open_items in migration.rows(_counts(kind), *values):
            of = sums.setdefault(hosts[place] if is_content else "", _Sums())
            of.planned[kind] += items
            of.pending[kind] += open_items
            if is_content:
                had = places.get(place, (0, 0))
                places[place] = (had[0] + items, had[1] + open_items)
    for registry, *blobs in migration.rows(_BLOBS, chosen, chosen):
        of = sums.setdefault(quota_host(registry), _Sums())
        of.blobs = [one + more for one, more in zip(of.blobs, blobs, strict=True)]
    _add_looks(migration, chosen, sums)
    whole = _Sums()
    for of in sums.values():
        whole.add(of)
    parts = {
        host: of.left() for host, of in sums.items() if host and any(map(of.pending.get, CONTENT))
    }
    return whole.left(places, parts)


class _Sums:
    """Adds up what is left, of all or of one service."""

    def __init__(self) -> None:
        self.planned, self.pending = dict.fromkeys(Kind, 0), dict.fromkeys(Kind, 0)
        self.blobs = [0, 0, 0, 0]
        self.looks = 0

    def add(self, other: _Sums) -> None:
        for kind in Kind:
            self.planned[kind] += other.planned[kind]
            self.pending[kind] += other.pending[kind]
        self.blobs = [one + more for one, more in zip(self.blobs, other.blobs, strict=True)]

    def left(
        self,
        by_repository: dict[int, tuple[int, int]] | None = None,
        by_service: dict[str, Left] | None = None,
    ) -> Left:
        in_all, to_send, to_mount, uploads = self.blobs
        return Left(
            self.planned,
            self.pending,
            in_all,
            to_send,
            to_mount,
            uploads,
            by_repository or {},
            by_service or {},
            self.looks,
        )


def _services(migration: Migration) -> dict[int, str]:
    """Return the service of each target repository, by its id."""
    rows = migration.rows("SELECT id, registry FROM repository")
    return {id_: quota_host(registry) for id_, registry in rows}


def _add_looks(migration: Migration, chosen: str | None, sums: Mapping[str, _Sums]) -> None:
    """Add the looks at image paths that have tags to set.

    Where all paths begin at once all tokens come first, and lists in the end. Where there are more
    paths, what was measured has some of each. What a source is sent for blobs is no look.
    """
    ways: dict[str, list[tuple[int, int, bool]]] = defaultdict(list)
    for target, source, is_pinned, paths in migration.rows(_PATHS, chosen, chosen):
        host = quota_host(target)
        is_beside = quota_host(source) == host
        tokens, lists = _LOOKS_BESIDE[bool(is_pinned)] if is_beside else _LOOKS
        ways[host].append((paths, lists + tokens * is_counted(host), is_beside))
    for host, several in ways.items():
        is_read = sums[host].blobs[_UPLOADS] > 0 and any(is_beside for _, _, is_beside in several)
        if not is_read and sum(paths for paths, _, _ in several) <= PATHS_AT_ONCE:
            sums[host].looks = sum(paths * looks for paths, looks, _ in several)


def _counts(kind: Kind) -> str:
    """Return the statement that counts items of a kind, those of content by their repository."""
    sums = f"count(*), coalesce(sum({is_open(last_event(kind.value), _PENDING[kind])}), 0)"
    if kind not in CONTENT:
        return f"SELECT 0, {sums} FROM {_TABLE[kind]} p"  # noqa: S608  # constants only
    return (
        f"SELECT i.repository_id, {sums} FROM {_TABLE[kind]} p"  # noqa: S608  # constants only
        f" CROSS JOIN image i ON i.id = p.image_id WHERE {_CHOSEN} GROUP BY i.repository_id"
    )


def repositories_of(migration: Migration, kind: Kind, item_ids: Collection[int]) -> dict[int, int]:
    """Count items of content by the id of their target repository."""
    sql = (
        f"SELECT i.repository_id, count(*) FROM json_each(?) j CROSS JOIN {_TABLE[kind]} p"  # noqa: S608  # constants only
        " ON p.id = j.value CROSS JOIN image i ON i.id = p.image_id GROUP BY i.repository_id"
    )
    return dict(migration.rows(sql, json.dumps(list(item_ids))))


class Whereabouts:
    """Tells the services that items of content go to, many at once.

    Args:
        migration: the frozen plan.
    """

    def __init__(self, migration: Migration) -> None:
        self._migration = migration
        self._services = _services(migration)

    def __call__(self, kind: Kind, item_ids: Collection[int]) -> dict[int, str]:
        """Return the service of each of these items, by the item's id."""
        sql = (
            f"SELECT p.id, i.repository_id FROM json_each(?) j CROSS JOIN {_TABLE[kind]} p"  # noqa: S608  # constants only
            " ON p.id = j.value CROSS JOIN image i ON i.id = p.image_id"
        )
        rows = self._migration.rows(sql, json.dumps(list(item_ids)))
        return {item_id: self._services[repository_id] for item_id, repository_id in rows}
