"""How far a run is, from what it was told of its items and bytes."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from gcr_migrate.model.steps import Event, Kind, Step
from gcr_migrate.report.course import Course
from gcr_migrate.report.drawn import Bars
from gcr_migrate.report.places import Places
from gcr_migrate.report.running import Lines, time_text, told
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.left import Left, left
from gcr_migrate.wire.traffic import Traffic
from tests.pure.test_ledger import record, write_plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

MIB = 1024 * 1024


def course(
    blobs: int,
    *,
    sent: int,
    of: int = 0,
    size: int = MIB,
    clock: Callable[[], float] | None = None,
) -> Course:
    """Begin a run of so many blobs of one size, of which `sent` are to be sent, others mounted."""
    planned = dict.fromkeys(Kind, 0) | {Kind.BLOB: blobs + of}
    pending = dict.fromkeys(Kind, 0) | {Kind.BLOB: blobs}
    first = Left(planned, pending, (sent + of) * size, sent * size, (blobs - sent) * size, sent)
    return Course(first, Traffic(), clock or iter(range(10_000)).__next__)


def end(run: Course, item_id: int, how: str, size: int = MIB) -> None:
    """Let a blob come to its end, after its bytes if it has any to send."""
    run.item(Step(Kind.BLOB, item_id, Event.STARTED, size))
    if how == "uploaded":
        run.bytes(size)
    run.item(Step(Kind.BLOB, item_id, Event.CONFIRMED, size, how))


@given(st.lists(st.sampled_from(["uploaded", "mounted", "present"]), min_size=1), st.data())
def test_nothing_is_left_at_the_end_whatever_way_blobs_took(
    hows: list[str], data: st.DataObject
) -> None:
    """Plans may think otherwise: in the end no byte and no request is left, and totals agree."""
    run = course(len(hows), sent=data.draw(st.integers(0, len(hows))))
    for item_id, how in enumerate(hows):
        assert 0 <= run.bytes_left <= run.left_at_first.bytes + run.left_at_first.mount_bytes
        assert run.bytes_done <= run.bytes_total
        end(run, item_id, how)
    assert (run.bytes_left, run.amount_left.requests, run.time_left_s) == (0, 0, 0)
    assert run.bytes_sent == hows.count("uploaded") * MIB
    assert run.in_flight == []


def test_refused_mounts_are_to_be_sent() -> None:
    """Where more is sent than the plan sends, what was to be mounted counts as to be sent."""
    run = course(10, sent=1)
    end(run, 1, "uploaded")
    assert run.bytes_left == 0
    end(run, 2, "uploaded")
    assert run.bytes_left == 8 * MIB


def test_bytes_in_vain_are_to_be_sent_again() -> None:
    """An upload that broke gives its bytes back, and they are counted."""
    run = course(2, sent=2)
    run.bytes(MIB)
    run.bytes(-MIB)
    assert (run.bytes_left, run.bytes_sent, run.bytes_in_vain) == (2 * MIB, 0, MIB)


def test_a_resumed_run_begins_with_what_was_done() -> None:
    """What earlier runs sent is done, of what the plan sends in all."""
    line = told(course(3, sent=3, of=7))
    assert (line["bytes"], line["of_bytes"]) == (7 * MIB, 10 * MIB)
    assert (line["blobs"], line["of_blobs"], line["time_left"]) == (7, 10, "unknown")


def test_bytes_in_buffers_have_not_arrived() -> None:
    """Of what has left of a blob, that is still to come for which there was no time yet."""
    moments = [0.0]
    run = course(2, sent=2, clock=lambda: moments[0])
    run.item(Step(Kind.BLOB, 1, Event.STARTED, MIB))
    run.bytes(MIB)
    assert run.bytes_left == MIB
    moments[0] = 4.0
    run.item(Step(Kind.BLOB, 1, Event.CONFIRMED, MIB, "uploaded"))
    run.item(Step(Kind.BLOB, 2, Event.STARTED, MIB))
    run.bytes(MIB)
    moments[0] = 5.0
    assert run.bytes_left == 0
    assert run.amount_left.bytes == MIB * 3 // 4


def test_what_buffers_may_hold_tells_no_time() -> None:
    """Small blobs do not show how fast a large one arrives, all of which has left at once."""
    moments, told = [0.0], list[float | None]()
    first = dict.fromkeys(Kind, 0) | {Kind.BLOB: 301}
    sizes = [9000, 6000, 3000] * 100
    total = sum(sizes) + 30 * MIB
    run = Course(Left(first, first, total, total, 0, 301), Traffic(), lambda: moments[0])
    for item_id, size in enumerate(sizes):
        run.item(Step(Kind.BLOB, item_id, Event.STARTED, size))
        run.bytes(size)
        moments[0] += 0.1 + size / MIB
        run.item(Step(Kind.BLOB, item_id, Event.CONFIRMED, size, "uploaded"))
        run.tick()
    run.item(Step(Kind.BLOB, 300, Event.STARTED, 30 * MIB))
    run.bytes(30 * MIB)
    for _ in range(60):
        moments[0] += 0.5
        run.tick()
        told.append(run.time_left_s)
    assert told == [None] * 60


def test_manifests_and_tags_are_no_requests_for_blobs() -> None:
    """They go beside the blobs, and what they cost is measured apart."""
    run = course(2, sent=1)
    run.left_at_first.pending.update({Kind.MANIFEST: 3, Kind.TAG: 4})
    run.item(Step(Kind.TAG, 1, Event.STARTED))
    run.item(Step(Kind.TAG, 1, Event.CONFIRMED))
    assert (run.amount_left.requests, run.amount_left.items) == (5, 6)


def test_what_moves_before_the_first_tick_is_in_the_rate() -> None:
    """A run that has sent all its bytes by then is not told to send none."""
    run = course(4, sent=4)
    for item_id in range(4):
        end(run, item_id, "uploaded")
    run.tick()
    assert run.rate.bytes > 0
    assert told(run)["bytes_per_s"] != 0


def drawn(run: Course, places: Places) -> str:
    """Return what a terminal shows of a run."""
    out = io.StringIO()
    with Bars(Console(file=out, force_terminal=True, width=140), run, places) as display:
        display.tell()
    return out.getvalue()


def test_bars_tell_bytes_and_items(tmp_path: Path) -> None:
    """On a terminal: of the whole run, and how much is in flight."""
    write_plan(tmp_path / "a.migration")
    run = course(4, sent=4)
    run.tick()
    end(run, 1, "uploaded")
    run.item(Step(Kind.BLOB, 2, Event.STARTED, MIB))
    run.tick()
    with open_migration(tmp_path / "a.migration") as migration:
        text = drawn(run, Places(migration, left(migration)))
    assert "1.0 MiB of 4.0 MiB" in text
    assert "1 of 4 blobs" in text
    assert "1 in flight" in text


def test_bars_tell_how_far_each_repository_is(tmp_path: Path) -> None:
    """On a terminal: a repository that moves with its items, the others counted, blobs by name."""
    path = tmp_path / "a.migration"
    write_plan(path, repositories=2)
    with open_migration(path) as migration:
        run, places = Course(left(migration), Traffic(7, 2, 1)), Places(migration, left(migration))
        for step in (
            Step(Kind.BLOB, 1, Event.STARTED, MIB),
            Step(Kind.BLOB, 1, Event.CONFIRMED, MIB, "uploaded"),
            Step(Kind.BLOB, 2, Event.STARTED, 3 * MIB),
        ):
            run.item(step)
            places.item(step)
        text, name = drawn(run, places), places.name_of(run.in_flight[0])
    assert "2 refused by quota, 1 tried again" in text
    # Five blobs, two manifests and two tags for each; one of these is kept as it is.
    assert re.search(r"builds/product1 .* 2 of 9 items", text)
    assert re.search(r"builds/product2 .* 1 of 9 items", text)
    assert re.search(rf"3\.0 MiB for 0:00:00 +{name}", text)


def test_log_lines_come_seldom_once_a_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal a run tells each five seconds, and after a minute each thirty."""
    moments = iter([0.0, 59.0, 61.0])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    display = Lines(course(1, sent=1))
    assert [display.every_s, display.every_s] == [5.0, 30.0]


def test_time_is_told_as_exactly_as_it_is_known() -> None:
    """Seconds for minutes, tens of them for an hour, minutes beyond."""
    said = [time_text(s) for s in (None, 83.4, 1234, 40_000)]
    assert said == ["unknown", "0:01:23", "0:20:30", "11:07:00"]


def test_what_is_left_is_read_from_the_ledger(tmp_path: Path) -> None:
    """A blob that two names need is sent once; what is confirmed is not left, what failed is."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with open_migration(path) as migration:
        before, of_one = left(migration), left(migration, [1])
    assert before.bytes == before.bytes_planned == of_one.bytes > 0
    assert (before.uploads, of_one.uploads) == (5, 5)
    assert (before.pending[Kind.BLOB], of_one.pending[Kind.BLOB]) == (10, 5)
    assert of_one.mount_bytes == 0

    record(
        path,
        [
            (Kind.BLOB, 1, Event.STARTED, ""),
            (Kind.BLOB, 1, Event.CONFIRMED, "uploaded"),
            (Kind.BLOB, 2, Event.GAVE_UP, ""),
        ],
    )
    with open_migration(path) as migration:
        after = left(migration)
    assert after.pending[Kind.BLOB] == 9
    assert after.uploads == 4
    assert after.bytes_planned == before.bytes_planned
    assert after.bytes < before.bytes


def test_what_is_found_lost_is_to_be_done_again() -> None:
    """In items and bytes; what was given back before it was there had counted as left."""
    run = course(1, sent=1, of=1)
    assert (run.pending(Kind.BLOB), run.bytes_left) == (1, MIB)
    run.item(Step(Kind.BLOB, 7, Event.LOST, MIB, how="believed"))
    run.item(Step(Kind.TAG, 7, Event.LOST, how="believed"))
    assert (run.pending(Kind.BLOB), run.pending(Kind.TAG), run.bytes_left) == (2, 1, 2 * MIB)
    run.item(Step(Kind.BLOB, 8, Event.LOST))
    assert run.pending(Kind.BLOB) == 2
    run.item(Step(Kind.BLOB, 9, Event.LOST, MIB, how="elsewhere"))  # it is mounted
    assert (run.pending(Kind.BLOB), run.bytes_left) == (3, 2 * MIB)
    end(run, 7, "uploaded")
    end(run, 8, "uploaded")
    end(run, 9, "mounted")
    assert (run.pending(Kind.BLOB), run.bytes_left) == (0, 0)
