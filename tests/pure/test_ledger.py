"""The ledger: what is recorded, and what it adds up to."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import TAG_CONFLICT, MigrateError
from gcr_migrate.model.access import Grant
from gcr_migrate.model.content import OCI_MANIFEST, Digest, Manifest
from gcr_migrate.model.plan import PlannedManifest, PlannedTag, Repository, Source, TagAction
from gcr_migrate.model.steps import NEXT, Event, Kind, State, state_after
from gcr_migrate.state import ledger as at
from gcr_migrate.state.file import create_draft, lock, open_migration
from gcr_migrate.state.leaving import left_by_rule
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.policies import added_grants, kept_policies
from gcr_migrate.state.tally import tally
from gcr_migrate.state.waiting import hold_ups
from tests.drafts import seal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gcr_migrate.state.migration import Migration

TARGET = "eu-docker.pkg.dev"
_A_MOMENT_S = 0.0002


def image_manifest(*layers: bytes) -> Manifest:
    """Make a manifest of these layers; the first one is the config."""
    entries = [
        {"mediaType": "x/y", "digest": str(Digest.of(layer)), "size": len(layer)}
        for layer in layers
    ]
    body = {"mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
    return Manifest.read(json.dumps(body).encode(), OCI_MANIFEST)


AMD = image_manifest(b"config-amd", b"base", b"amd")
ARM = image_manifest(b"config-arm", b"base", b"arm")


def write_plan(path: Path, *, present: bool = False, repositories: int = 1) -> None:
    """Write a plan of two names that both get the same two manifests: ten blobs, five apart.

    With two repositories each name has one of its own.
    """
    grant = Grant("roles/artifactregistry.reader", "group:a@b.example")
    with create_draft(path) as draft:
        source = draft.add_source(Source("127.0.0.1:5000", "127.0.0.1:5000", "", "plain"))
        ids = [
            draft.add_repository(
                Repository(
                    TARGET, f"builds/product{n}", "ar", f"r{n}", exists=False, grants=(grant,)
                )
            )
            for n in range(1, repositories + 1)
        ]
        for name, repository in zip(("app", "web"), (ids[0], ids[-1]), strict=True):
            image = draft.add_image(source, name, repository, name, "fail", "fail")
            for manifest in (AMD, ARM):
                draft.add_manifest(manifest)
            planned = [
                PlannedManifest(AMD.digest, None, present=present, rank=0),
                PlannedManifest(ARM.digest, None, present=False, rank=0),
            ]
            draft.add_manifests(image, planned)
            draft.add_blobs(image)
            kept = PlannedTag("old", AMD.digest, TagAction.KEEP, ARM.digest)
            draft.add_tags(image, [PlannedTag("1.0", ARM.digest, TagAction.SET), kept])
        seal(draft)


def test_the_ledger_only_grows(tmp_path: Path) -> None:
    """An event that is written can neither be changed nor removed."""
    path = tmp_path / "a.migration"
    write_plan(path)
    record(path, [(Kind.BLOB, 1, Event.STARTED, "")])

    with closing(sqlite3.connect(path)) as other:
        for statement in ("UPDATE event SET event = 'confirmed'", "DELETE FROM event"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                other.execute(statement)


def test_what_waits_for_several_blobs_takes_one_place(tmp_path: Path) -> None:
    """Of the three blobs that one manifest lacks, the largest is told."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with open_migration(path) as migration:
        told = [(one.named, one.chain, one.digest) for one in hold_ups(migration)]
    assert told == [
        (("1.0",), (str(ARM.digest),), str(Digest.of(b"config-arm"))),
        ((), (str(AMD.digest),), str(Digest.of(b"config-amd"))),
    ]


Entry = tuple[Kind, int, Event, str]


def record(path: Path, entries: Sequence[Entry]) -> None:
    """Record these events in one run."""

    async def write() -> None:
        with open_migration(path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            told = []
            for kind, item_id, event, how in entries:
                ledger.record(kind, item_id, event, how=how)
                told.append(ledger.written())
            await asyncio.gather(*told)
            ledger.end_run("done")
            await ledger.close()

    asyncio.run(write())


_KILLED = """
import asyncio, os, sys
from pathlib import Path
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.state.file import lock, open_migration
from gcr_migrate.state.ledger import Ledger

async def main():
    path = Path(sys.argv[1])
    with lock(path), open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        ledger.record(Kind.BLOB, 1, Event.STARTED)
        await ledger.written()
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


def test_a_blob_interrupted_by_a_kill_shows_as_moving(tmp_path: Path) -> None:
    """After kill -9 between start and end the start is on disk, and the file is not locked."""
    path = tmp_path / "a.migration"
    write_plan(path)
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], check=False)

    assert done.returncode == -9
    with lock(path), open_migration(path) as migration:
        assert next(migration.blobs(1)).state is State.MOVING
        assert tally(migration).runs[0].ended_at is None
        migration.check_seal()


@pytest.mark.parametrize("waited_for", [True, False], ids=["another", "nobody"])
def test_what_nobody_waits_for_is_written_all_the_same(tmp_path: Path, *, waited_for: bool) -> None:
    """With the next event that somebody waits for, or by itself in far less than a second."""
    write_plan(tmp_path / "m")

    async def run(file: Migration) -> int:
        ledger = Ledger(file)
        ledger.start_run()
        ledger.record(Kind.BLOB, 1, Event.STARTED)
        ledger.record(Kind.BLOB, 1, Event.CONFIRMED, how="uploaded")
        if waited_for:
            ledger.record(Kind.BLOB, 2, Event.STARTED)
            await ledger.written()
        else:
            settled = asyncio.Event()
            ledger.on_settled = settled.set
            await asyncio.wait_for(settled.wait(), 5)
        done = tally(file).kinds[Kind.BLOB].done
        await ledger.close()
        return done

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(run(file)) == 1


@pytest.mark.parametrize("event", [Event.GAVE_UP, Event.LOST])
def test_what_went_wrong_is_written_in_the_round_in_which_it_happens(
    tmp_path: Path, event: Event
) -> None:
    """Who goes on in the next one finds it in the file, and takes nothing for begun."""
    write_plan(tmp_path / "m")

    async def run(file: Migration) -> bool:
        ledger = Ledger(file)
        ledger.start_run()
        blob = next(file.blobs(1))
        ledger.record(Kind.BLOB, blob.id, Event.STARTED)
        await ledger.written()
        begun = bool(file.interrupted(blob.blob_id, TARGET))
        ledger.record(Kind.BLOB, blob.id, event)
        await asyncio.sleep(0)
        found = begun and not file.interrupted(blob.blob_id, TARGET)
        await ledger.close()
        return found

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(run(file))


def test_what_happens_while_the_file_is_closed_is_written(tmp_path: Path) -> None:
    """To close it may take a while; what is recorded meanwhile is no less true."""
    write_plan(tmp_path / "m")

    async def run(file: Migration) -> int:
        ledger = Ledger(file)
        ledger.start_run()
        ledger.record(Kind.BLOB, 1, Event.STARTED)
        begun, over = threading.Event(), threading.Event()

        def move() -> None:
            begun.set()
            over.wait(10)

        moving = threading.Thread(target=move)
        ledger._checkpoint = moving  # noqa: SLF001  # one that takes its time
        moving.start()
        closing = asyncio.create_task(ledger.close())
        await asyncio.to_thread(begun.wait, 10)
        await asyncio.sleep(0)
        ledger.record(Kind.BLOB, 1, Event.CONFIRMED, how="uploaded")
        over.set()
        await closing
        return tally(file).kinds[Kind.BLOB].done

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(run(file)) == 1


def test_a_reader_sees_what_is_recorded_while_it_reads(tmp_path: Path) -> None:
    """An open walk through the images does not hide events that were written since."""
    path = tmp_path / "a.migration"
    write_plan(path)

    async def look() -> None:
        with open_migration(path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            walk, blob = migration.images(), next(migration.blobs(1))
            image = next(walk)
            assert migration.holder(blob.blob_id, TARGET) is None
            ledger.record(Kind.BLOB, blob.id, Event.CONFIRMED, how="uploaded")
            await ledger.written()
            assert migration.holder(blob.blob_id, TARGET) == image
            assert migration.holder(blob.blob_id, "us-docker.pkg.dev") is None
            await ledger.close()

    asyncio.run(look())


@pytest.mark.slow
@pytest.mark.parametrize("linked", [False, True], ids=["by name", "by link"])
def test_what_is_appended_takes_no_more_room_than_it_has_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, linked: bool
) -> None:
    """However long a run is, and though others read: a later one writes where others were."""
    path, appended = tmp_path / "a.migration", tmp_path / "a.migration-wal"
    write_plan(path)
    name = tmp_path / "link" if linked else path
    if linked:
        name.symlink_to(path)
    monkeypatch.setattr(at, "_CHECKPOINT_COMMITS", 20)
    monkeypatch.setattr(at, "_APPENDED_AT_MOST", 500_000)
    events = 8_000  # of some kilobytes each

    async def write() -> int:
        most = 0
        with open_migration(name) as migration, open_migration(path) as other:
            ledger = Ledger(migration)
            ledger.start_run()
            for number in range(events):
                ledger.record(Kind.BLOB, 1, Event.LOST if number % 2 else Event.STARTED)
                await ledger.written()
                time.sleep(_A_MOMENT_S)  # noqa: ASYNC251  # else a busy machine moves it late
                if number % 100 == 0:
                    assert len(other.rows("SELECT id FROM event")) == number + 1
                    most = max(most, appended.stat().st_size)
            ledger.end_run("done")
            await ledger.close()
            assert len(other.rows("SELECT id FROM event")) == events
        return most

    assert asyncio.run(write()) < 10_000_000


def test_a_start_without_an_end_is_found_by_blob(tmp_path: Path) -> None:
    """What a killed run may have brought is known under each name, until its end is recorded."""
    path = tmp_path / "a.migration"
    write_plan(path)

    async def look() -> None:
        with open_migration(path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            image, blob = next(migration.images()), next(migration.blobs(1))
            assert migration.interrupted(blob.blob_id, TARGET) == []
            ledger.record(Kind.BLOB, blob.id, Event.STARTED)
            await ledger.written()
            assert migration.interrupted(blob.blob_id, TARGET) == [image]
            assert migration.interrupted(blob.blob_id, "us-docker.pkg.dev") == []
            ledger.record(Kind.BLOB, blob.id, Event.CONFIRMED, how="uploaded")
            await ledger.written()
            assert migration.interrupted(blob.blob_id, TARGET) == []
            await ledger.close()

    asyncio.run(look())


def test_an_event_that_cannot_follow_is_refused_alone(tmp_path: Path) -> None:
    """A failure of what is present is an error; events committed with it are kept."""
    path = tmp_path / "a.migration"
    write_plan(path)

    async def write() -> None:
        with open_migration(path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            ledger.record(Kind.BLOB, 1, Event.CONFIRMED)
            first = ledger.written()
            ledger.record(Kind.BLOB, 1, Event.GAVE_UP)
            second = ledger.written()
            await first
            with pytest.raises(ValueError, match="cannot follow"):
                await second
            with pytest.raises(ValueError, match="cannot follow"):
                await ledger.close()
            assert next(migration.blobs(1)).state is State.PRESENT

    asyncio.run(write())


def test_moving_again_what_is_present_counts_once(tmp_path: Path) -> None:
    """A second move of a blob, begun before the first one's end was seen, adds no bytes."""
    path = tmp_path / "a.migration"
    write_plan(path)
    move = [(Kind.BLOB, 1, Event.STARTED, ""), (Kind.BLOB, 1, Event.CONFIRMED, "uploaded")]
    record(path, [*move, *move])

    with open_migration(path) as migration:
        assert tally(migration).bytes_transferred == next(migration.blobs(1)).size_bytes


def test_recording_needs_a_run(tmp_path: Path) -> None:
    """An event belongs to a run."""
    path = tmp_path / "a.migration"
    write_plan(path)

    with open_migration(path) as migration:
        ledger = Ledger(migration)
        with pytest.raises(RuntimeError, match="no run"):
            ledger.record(Kind.BLOB, 1, Event.STARTED)
        asyncio.run(ledger.close())


def test_failures_have_full_names(tmp_path: Path) -> None:
    """What is given up is listed by its full target name until it succeeds."""
    path = tmp_path / "a.migration"
    write_plan(path)
    planned = [kind for kind in Kind if kind is not Kind.SETTING]  # of which the plan has none
    record(path, [(kind, 1, Event.GAVE_UP, "") for kind in planned])
    record(path, [(Kind.GRANT, 1, Event.CONFIRMED, "created")])

    with open_migration(path) as migration:
        names = {f.kind: f.subject for f in tally(migration).failures()}
    app = f"{TARGET}/builds/product1/app"
    assert names == {
        Kind.REPOSITORY: f"{TARGET}/builds/product1",
        Kind.BLOB: f"{app}@{AMD.blobs[0].digest}",
        Kind.MANIFEST: f"{app}@{AMD.digest}",
        Kind.TAG: f"{app}:1.0",
    }


@st.composite
def ledgers(draw: st.DrawFn) -> list[Entry]:
    """Draw legal lives of some items of the usual plan, mixed."""
    items = [(Kind.BLOB, i) for i in range(1, 11)] + [(Kind.MANIFEST, i) for i in range(1, 5)]
    states = dict.fromkeys(items, State.PLANNED)
    entries: list[Entry] = []
    for item in draw(st.lists(st.sampled_from(items), max_size=25)):
        legal = [event for before, event in NEXT if before is states[item]]
        legal = [event for event in legal if event is not Event.UNDONE]  # content is never removed
        if legal:
            event = draw(st.sampled_from(legal))
            how = draw(st.sampled_from(["uploaded", "mounted", "present"]))
            states[item] = NEXT[states[item], event]
            entries.append((*item, event, how))
    return entries


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=25,
)
@given(entries=ledgers(), present=st.booleans())
def test_counts_add_up(tmp_path: Path, entries: list[Entry], present: bool) -> None:  # noqa: FBT001  # drawn
    """Whatever happened, each item is counted once, in the state in which its events leave it."""
    path = tmp_path / "a.migration"
    path.unlink(missing_ok=True)
    write_plan(path, present=present)
    record(path, entries)

    with open_migration(path) as migration:
        sums = tally(migration)
        items = [*migration.blobs(1), *migration.blobs(2)]
        had = {id_ for (id_,) in migration.rows("SELECT id FROM planned_blob WHERE present")}
        for item in items:
            events = [e for k, i, e, _ in entries if (k, i) == (Kind.BLOB, item.id)]
            assert item.state is state_after(events)
    for count in sums.kinds.values():
        assert count.planned == count.done + count.skipped + count.failed + count.pending
        assert count.skipped == sum(count.reasons.values())
    last = {item_id: event for kind, item_id, event, _ in entries if kind is Kind.BLOB}
    there = {item_id for item_id, event in last.items() if event is Event.CONFIRMED}
    sizes = {item.id: item.size_bytes for item in items}
    moved = sums.bytes_transferred + sums.bytes_mounted + sums.bytes_already_there
    assert moved == sum(sizes[i] for i in there | (had - set(last)))
    assert sums.kinds[Kind.BLOB].done == len(there)


def test_what_was_there_at_planning_is_skipped(tmp_path: Path) -> None:
    """Before any run, what the target has and tags that are kept count as skipped, with reason."""
    path = tmp_path / "a.migration"
    write_plan(path, present=True)

    with open_migration(path) as migration:
        sums = tally(migration)
        kept = [one.problem for one in left_by_rule(migration)]
        (size,) = migration.rows(
            "SELECT sum(b.size_bytes) FROM planned_blob p JOIN blob b ON b.id = p.blob_id"
            " WHERE p.present"
        )[0]
    kinds = sums.kinds
    assert sums.bytes_already_there == size > 0
    assert kinds[Kind.MANIFEST].reasons == {"already-there": 2}
    assert kinds[Kind.BLOB].reasons == {"already-there": 6}
    assert kinds[Kind.TAG].reasons == {"kept": len(kept)}
    assert kept == [TAG_CONFLICT, TAG_CONFLICT]  # each by name
    assert kinds[Kind.TAG].pending == 2


_FULL = """
import asyncio, resource, sys
from pathlib import Path
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.ledger import Ledger

async def main():
    path = Path(sys.argv[1])
    with open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        try:
            for _ in range(100):
                ledger.record(Kind.BLOB, 1, Event.STARTED, saw="x" * 9_000)
                await ledger.written()
        except MigrateError as error:
            sys.exit(error.problem.code)

asyncio.run(main())
"""


def test_a_full_disk_is_a_named_problem(tmp_path: Path) -> None:
    """When the file cannot grow, who records is told so, and the file can be read afterwards."""
    path = tmp_path / "a.migration"
    write_plan(path)
    command = [sys.executable, "-c", _FULL, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.stderr.strip() == "disk-trouble"
    with open_migration(path) as migration:
        migration.check_seal()
        assert next(migration.blobs(1)).state in {State.PLANNED, State.MOVING}


def test_a_word_that_cannot_be_stored_leaves_nobody_waiting(tmp_path: Path) -> None:
    """An event that the file cannot take is an error for who recorded it, never a silence."""
    path = tmp_path / "m"
    write_plan(path)

    async def run() -> None:
        with open_migration(path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            ledger.record(Kind.BLOB, 1, Event.GAVE_UP, saw="half a character: \ud800")
            with pytest.raises(MigrateError):
                await asyncio.wait_for(ledger.written(), 10)
            with pytest.raises(MigrateError):
                await ledger.close()

    asyncio.run(run())


def test_a_policy_is_kept_word_by_word_and_for_good(tmp_path: Path) -> None:
    """What was read before a write comes out as it was, and can neither be changed nor removed."""
    path, raw = tmp_path / "a.migration", '{"etag": "e1", "unknown":  [1.0]}'
    write_plan(path)
    with open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        ledger.keep_policy(1, "projects/p/x", "e1", raw)
        ledger.keep_policy(1, "projects/p/x", "e2", "{}")
        asyncio.run(ledger.close())
        kept = kept_policies(migration, 1)
    assert [(one.resource, one.etag, one.raw) for one in kept] == [
        ("projects/p/x", "e1", raw),
        ("projects/p/x", "e2", "{}"),
    ]
    with closing(sqlite3.connect(path)) as other:
        for statement in ("UPDATE previous_policy SET raw = ''", "DELETE FROM previous_policy"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                other.execute(statement)


@pytest.mark.parametrize(
    ("last", "ours"),
    [
        ((Event.CONFIRMED, "written"), [1]),
        ((Event.CONFIRMED, "present"), []),
        ((Event.STARTED, ""), []),
        ((Event.UNDONE, ""), []),
    ],
)
def test_only_what_a_run_wrote_was_added_by_it(
    tmp_path: Path, last: tuple[Event, str], ours: list[int]
) -> None:
    """Not what was there, what may be on its way, or what was taken back."""
    path = tmp_path / "a.migration"
    write_plan(path)
    before = [(Event.STARTED, "")]
    if last[0] is Event.UNDONE:
        before.append((Event.CONFIRMED, "written"))
    record(path, [(Kind.GRANT, 1, event, how) for event, how in [*before, last]])
    with open_migration(path) as migration:
        assert [id_ for id_, _ in added_grants(migration, 1)] == ours
