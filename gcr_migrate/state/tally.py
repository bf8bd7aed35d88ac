"""Adding up what the ledger of a migration file says of its items."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.model.steps import Kind, State
from gcr_migrate.state.items import STATE_BY_LAST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.state.migration import Migration


class KindTally(Struct):
    """How far the items of one kind are.

    Attributes:
        planned: all of them.
        done: the ledger says that the target has them.
        skipped: nothing was to be done; `reasons` says why.
        failed: given up, until a later run.
        pending: not decided yet, those under way included.
        reasons: number of skipped ones by reason: `already-there`, `kept`, or a code.
    """

    planned: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Failure(Struct, frozen=True):
    """An item that was given up, with its full target name."""

    kind: Kind
    subject: str
    code: str
    saw: str


class Run(Struct, frozen=True):
    """One run; `ended_at` is None while it goes on, or if it was killed."""

    id: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str


class Tally(Struct, frozen=True):
    """What the ledger adds up to."""

    kinds: dict[Kind, KindTally]
    bytes_transferred: int
    bytes_mounted: int
    bytes_already_there: int
    runs: list[Run]
    _migration: Migration

    def failures(self) -> Iterator[Failure]:
        """Go through the items that are given up at the moment, oldest first."""
        for id_, kind, item_id, code, saw in self._migration.paged(_FAILURES):
            del id_
            subject = subject_of(self._migration, Kind(kind), item_id)
            told = "" if saw == subject else saw.removeprefix(f"{subject}: ")  # it stands beside it
            yield Failure(Kind(kind), subject, code, told)


# Per kind: items by last event, by whether there was anything to do, and by the code of a skip.
_STANDING: Final = {
    Kind.REPOSITORY: ("repository_item", "present"),
    Kind.GRANT: ("grant_item", "present"),
    Kind.BLOB: ("blob_state", "present"),
    Kind.MANIFEST: ("manifest_state", "present"),
    Kind.TAG: ("tag_item", "CASE action WHEN 'present' THEN 1 WHEN 'keep' THEN 2 ELSE 0 END"),
    Kind.SETTING: ("setting_item", "present"),
}
ALREADY_THERE: Final = "already-there"
_OF_THE_PLAN: Final = ("", ALREADY_THERE, "kept")
_BYTES: Final = """
SELECT e.how, sum(CASE WHEN e.size_bytes > 0 THEN e.size_bytes ELSE max(b.size_bytes, 0) END)
FROM event e JOIN planned_blob p ON p.id = e.item_id JOIN blob b ON b.id = p.blob_id
WHERE e.kind = 'blob' AND e.event = 'confirmed' AND NOT EXISTS (SELECT 1 FROM event later
    WHERE later.kind = e.kind AND later.item_id = e.item_id AND later.id > e.id)
GROUP BY e.how
"""
_BYTES_HAD: Final = """
SELECT coalesce(sum(max(b.size_bytes, 0)), 0) FROM planned_blob p JOIN blob b ON b.id = p.blob_id
WHERE p.present AND NOT EXISTS (SELECT 1 FROM event e WHERE e.kind = 'blob' AND e.item_id = p.id)
"""
# Items of which an event of a kind, to be put in, is the last one.
LAST_SAID: Final = """
SELECT e.id, e.kind, e.item_id, e.code, e.saw FROM event e
WHERE e.id > ? AND {} AND NOT EXISTS (SELECT 1 FROM event later
    WHERE later.kind = e.kind AND later.item_id = e.item_id AND later.id > e.id)
ORDER BY e.id LIMIT ?
"""
_FAILURES: Final = LAST_SAID.format("e.event = 'gave-up'")
_SUBJECT: Final = {
    Kind.REPOSITORY: "SELECT shown FROM repository_item WHERE id = ?",
    Kind.GRANT: "SELECT shown FROM grant_item WHERE id = ?",
    Kind.BLOB: "SELECT n.shown || '@' || b.digest FROM planned_blob p"
    " JOIN blob b ON b.id = p.blob_id JOIN image_name n ON n.id = p.image_id WHERE p.id = ?",
    Kind.MANIFEST: "SELECT n.shown || '@' || m.digest FROM planned_manifest p"
    " JOIN manifest m ON m.id = p.manifest_id JOIN image_name n ON n.id = p.image_id"
    " WHERE p.id = ?",
    Kind.TAG: "SELECT n.shown || ':' || p.tag FROM planned_tag p"
    " JOIN image_name n ON n.id = p.image_id WHERE p.id = ?",
    Kind.SETTING: "SELECT shown FROM setting_item WHERE id = ?",
}


def subject_of(migration: Migration, kind: Kind, item_id: int) -> str:
    """Return the full target name of an item."""
    return str(migration.rows(_SUBJECT[kind], item_id)[0][0])


def tally(migration: Migration) -> Tally:
    """Add up the ledger; what the target had at planning counts as skipped."""
    moved = dict(migration.rows(_BYTES))
    return Tally(
        kinds={kind: _kind_tally(migration, kind) for kind in Kind},
        bytes_transferred=moved.get("uploaded", 0),
        bytes_mounted=moved.get("mounted", 0),
        bytes_already_there=moved.get("present", 0) + migration.rows(_BYTES_HAD)[0][0],
        runs=[
            Run(
                row[0],
                datetime.fromisoformat(row[1]),
                datetime.fromisoformat(row[2]) if row[2] else None,
                row[3],
            )
            for row in migration.rows("SELECT id, started_at, ended_at, outcome FROM run")
        ],
        _migration=migration,
    )


def _kind_tally(migration: Migration, kind: Kind) -> KindTally:
    view, nothing_to_do = _STANDING[kind]
    sql = (
        f"SELECT last_event, {nothing_to_do} AS reason, CASE last_event WHEN 'skipped' THEN"  # noqa: S608  # constants only
        f" (SELECT e.code FROM event e WHERE e.kind = '{kind.value}' AND e.item_id = i.id"
        f" ORDER BY e.id DESC LIMIT 1) END AS code, count(*) FROM {view} i GROUP BY 1, 2, 3"
    )
    found = KindTally()
    for last, reason, code, number in migration.rows(sql):
        state = STATE_BY_LAST[last] if last else State.PLANNED
        found.planned += number
        if state is State.PRESENT:
            found.done += number
        elif state is State.FAILED:
            found.failed += number
        elif state is State.SKIPPED or (reason and not last):
            why = code or _OF_THE_PLAN[reason] or "skipped"
            found.skipped += number
            found.reasons[why] = found.reasons.get(why, 0) + number
        else:
            found.pending += number
    return found
