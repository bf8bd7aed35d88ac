"""What the ledger knows of access policies: who was added by a run, and what was there before."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.model.access import Condition, Grant

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration

WRITTEN: Final = "written"  # how a grant is confirmed that a run added, and nobody else
_ADDED: Final = """
SELECT g.id, g.role, g.member, g.title, g.expression, g.description FROM grant_item g
WHERE g.repository_id = ? AND g.last_event = 'confirmed' AND (SELECT e.how FROM event e
    WHERE e.kind = 'grant' AND e.item_id = g.id ORDER BY e.id DESC LIMIT 1) = ?
ORDER BY g.id
"""
# What was given up before it was known what became of it is as open as what never ended.
_UNSETTLED: Final = """
SELECT g.id FROM repository_grant g WHERE g.repository_id = ? AND (SELECT e.event FROM event e
    WHERE e.kind = 'grant' AND e.item_id = g.id AND e.event <> 'gave-up'
    ORDER BY e.id DESC LIMIT 1) = 'started'
"""
_KEPT: Final = (
    "SELECT resource, etag, raw, at FROM previous_policy WHERE repository_id = ? ORDER BY id"
)


class KeptPolicy(Struct, frozen=True):
    """A policy as it was read just before a write.

    Attributes:
        resource: what it stands on.
        etag: its etag.
        raw: the service's answer, word by word.
        at: when it was read.
    """

    resource: str
    etag: str
    raw: str
    at: datetime


def added_grants(migration: Migration, repository_id: int) -> list[tuple[int, Grant]]:
    """Return the grants that runs of this file added to a repository, with their item ids.

    What somebody else had added before, or meanwhile, is not among them, nor what was taken back.
    """
    return [
        (id_, Grant(role, member, Condition(*said) if said[1] else None))
        for id_, role, member, *said in migration.rows(_ADDED, repository_id, WRITTEN)
    ]


def unsettled_grants(migration: Migration, repository_id: int) -> set[int]:
    """Return the item ids of the grants of a repository of which a write has no known outcome."""
    return {id_ for (id_,) in migration.rows(_UNSETTLED, repository_id)}


def kept_policies(migration: Migration, repository_id: int) -> list[KeptPolicy]:
    """Return the policies of a repository that were kept before each write, the oldest first."""
    return [
        KeptPolicy(resource, etag, raw, datetime.fromisoformat(at))
        for resource, etag, raw, at in migration.rows(_KEPT, repository_id)
    ]
