"""What an unfinished verification keeps: what was right, for the same question, for a while."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.state import verifying
from gcr_migrate.state.verifying import Verifying

TAGS = "tags"


def _left(path: Path, question: str = "plan 1", at_s: float = 1_000.0, *subjects: str) -> None:
    """Let a run find subjects right, and not come to its end."""
    run = Verifying(path, question, clock=lambda: at_s)
    for subject in subjects or ("a:1", "a:2"):
        run.right(TAGS, subject)
    run.close(ended=False)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["tags", "blobs"]), st.text(), st.integers(0, 10**6))))
def test_the_next_run_knows_what_was_right(found: list[tuple[str, str, int]]) -> None:
    """Level by level and subject by subject, with the count it stands for; and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.verifying"
        first = Verifying(path, "plan 1")
        for level, subject, count in found:
            first.right(level, subject, count)
            assert first.done(level, subject) is None  # a run does not believe itself
        first.close(ended=False)
        second = Verifying(path, "plan 1")
        kept = {(level, subject): count for level, subject, count in found}
        assert {key: second.done(*key) for key in kept} == kept
        assert second.done("tags", "never asked\n") is None
        assert bool(second.earlier) == bool(found)
        second.close(ended=True)
        assert not path.exists()


def test_a_question_about_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    """It is known again, and told from one about another such file."""
    path = tmp_path / "m.verifying"
    _left(path, "m\udcff.migration")
    for name, known in (("m\udcff.migration", 1), ("m\udcfe.migration", None)):
        assert Verifying(path, name, clock=lambda: 2_000.0).done(TAGS, "a:1") == known


def test_three_runs_add_up(tmp_path: Path) -> None:
    """Each believes all before it, and tells when these were at work."""
    path = tmp_path / "m.verifying"
    _left(path, "plan 1", 1_000.0, "a:1")
    _left(path, "plan 1", 2_000.0, "a:2")
    third = Verifying(path, "plan 1", clock=lambda: 3_000.0)
    assert [(part.began_s, part.last_s) for part in third.earlier] == [
        (1_000.0, 1_000.0),
        (2_000.0, 2_000.0),
    ]
    assert (third.done(TAGS, "a:1"), third.done(TAGS, "a:2")) == (1, 1)
    assert third.done(TAGS, "a:3") is None


@pytest.mark.parametrize(
    ("question", "at_s"), [("plan 2", 1_001.0), ("plan 1", 1_000.0 + 21_601), ("plan 1", 999.0)]
)
def test_another_question_and_what_is_old_are_not_believed(
    tmp_path: Path, question: str, at_s: float
) -> None:
    """Nor what comes from the future, as a clock was set back."""
    path = tmp_path / "m.verifying"
    _left(path)
    later = Verifying(path, question, clock=lambda: at_s)
    assert later.earlier == ()
    assert later.done(TAGS, "a:1") is None


def test_the_same_sample_is_drawn_again(tmp_path: Path) -> None:
    """A run that goes on draws as the one before it did; another seed is another question."""
    path = tmp_path / "m.verifying"
    first = Verifying(path, "plan 1")
    first.right("deep", "sha256:1")
    first.close(ended=False)
    second = Verifying(path, "plan 1")
    assert second.seed == first.seed
    second.close(ended=False)
    other = Verifying(path, "plan 1", seed=7)
    assert (other.seed, other.earlier) == (7, ())


def test_a_short_run_makes_no_file(tmp_path: Path) -> None:
    """What ended before anything was worth keeping leaves nothing, not even in between."""
    path = tmp_path / "m.verifying"
    run = Verifying(path, "plan 1")
    run.right(TAGS, "a:1")
    assert not path.exists()
    run.close(ended=True)
    assert not path.exists()


def test_a_foreign_file_is_left_alone(tmp_path: Path) -> None:
    """It is somebody's: nothing is kept, and nothing is lost."""
    path = tmp_path / "m.verifying"
    path.write_text("notes of a person" * 20)
    run = Verifying(path, "plan 1")
    run.right(TAGS, "a:1")
    run.close(ended=True)
    assert path.read_text() == "notes of a person" * 20


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    """What cannot be read is asked again, and the next run finds a whole file."""
    path = tmp_path / "m.verifying"
    _left(path)
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 20_000)
    run = Verifying(path, "plan 1")
    assert run.done(TAGS, "a:1") is None
    run.right(TAGS, "a:1")
    run.close(ended=False)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_where_nothing_can_be_written_all_is_asked(tmp_path: Path) -> None:
    """A folder that is none stops no verification."""
    run = Verifying(tmp_path / "no such folder" / "m.verifying", "plan 1")
    for number in range(verifying._ROWS + 1):  # noqa: SLF001  # so many are written at once
        run.right(TAGS, str(number))
    assert run.done(TAGS, "1") is None
    run.close(ended=False)
