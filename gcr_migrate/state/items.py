"""Items of a plan, each with the state in which the ledger leaves it."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct

from gcr_migrate.model.content import Digest
from gcr_migrate.model.plan import TagAction
from gcr_migrate.model.steps import NEXT, State

# Every event leads to one state, whatever came before it; so the last one tells the state.
STATE_BY_LAST: Final = {event.value: state for (_, event), state in NEXT.items()}


class ManifestItem(Struct, frozen=True):
    """A manifest under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        digest: its digest.
        media_type: its type.
        size_bytes: its length.
        rank: 0 for what needs nothing else, one more than the highest that it needs.
        present: the target had it when the plan was made, and the ledger says nothing of it.
        state: what the ledger says; PLANNED if it says nothing.
        needs: item ids of what has to be there first: children and subject.
    """

    id: int
    image_id: int
    digest: Digest
    media_type: str
    size_bytes: int
    rank: int
    present: bool
    state: State
    needs: tuple[int, ...] = ()


class BlobItem(Struct, frozen=True):
    """A blob under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        blob_id: the same for each name that needs the blob.
        digest: its digest.
        size_bytes: its length, -1 where unknown.
        present: the target had it under this name when the plan was made, and the ledger says
            nothing of it.
        state: what the ledger says; PLANNED if it says nothing.
        shared: another name of the same target registry needs it too.
    """

    id: int
    image_id: int
    blob_id: int
    digest: Digest
    size_bytes: int
    present: bool
    state: State
    shared: bool


class TagItem(Struct, frozen=True):
    """A tag under a target name.

    Attributes:
        id: item id.
        image_id: image to which it belongs.
        tag: the tag.
        digest: what it has to point to.
        action: what is done with it.
        found: what it pointed to at the target when the plan was made, or a run had set it.
        manifest_item_id: item of the manifest to which it points.
        present: it pointed there when the plan was made, and the ledger says nothing of it.
        state: what the ledger says; PLANNED if it says nothing.
    """

    id: int
    image_id: int
    tag: str
    digest: Digest
    action: TagAction
    found: Digest | None
    manifest_item_id: int
    present: bool
    state: State


class PlanCounts(Struct, frozen=True):
    """How many of each a plan has; tags that replace others are tags, too."""

    repositories: int
    images: int
    manifests: int
    tags: int
    left_out: int
    findings: int
    tags_replaced: int


def blob_item(row: tuple[Any, ...]) -> BlobItem:
    """Read a row of `blob_item`."""
    return BlobItem(
        row[0],
        row[1],
        row[2],
        digest=Digest.parse(row[3]),
        size_bytes=row[4],
        present=bool(row[5]) and row[6] is None,
        state=state_of(row[6]),
        shared=bool(row[7]),
    )


def tag_item(row: tuple[Any, ...]) -> TagItem:
    """Read a row of `tag_item`."""
    action = TagAction(row[4])
    return TagItem(
        row[0],
        row[1],
        row[2],
        digest=Digest.parse(row[3]),
        action=action,
        found=Digest.parse(row[5]) if row[5] else None,
        manifest_item_id=row[6],
        present=action is TagAction.PRESENT and row[7] is None,
        state=state_of(row[7]),
    )


def state_of(last_event: str | None) -> State:
    """Return the state in which its last event leaves an item."""
    return STATE_BY_LAST[last_event] if last_event else State.PLANNED
