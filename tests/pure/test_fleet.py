"""Several files of one command: which they are, what is told of them, and what counts."""

from __future__ import annotations

import json
import os
import tempfile
import tracemalloc
from contextlib import redirect_stdout, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.cli.fleet import Files, files_named, over
from gcr_migrate.cli.migrate import _clashes
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import WORST_FIRST, Exit, MigrateError, worst
from gcr_migrate.report.documents import MOST
from gcr_migrate.report.fleet import STATES, FileFact, file_fact, fleet_facts
from gcr_migrate.report.fleet_document import fleet_markdown
from gcr_migrate.report.fleet_lines import fleet_lines
from gcr_migrate.report.html.fleet import FleetPage
from gcr_migrate.report.html.render import html_parts
from gcr_migrate.report.problems import ErrorFacts
from gcr_migrate.report.rows import Written
from tests.pages import HOSTILE, report
from tests.pure.test_html import data_of, drawn, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.fleet import FleetFacts

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".migration",)
MAIL = 15_000_000  # bytes


def failed(problem: errors.Problem, subject: str = "x", saw: str = "") -> ErrorFacts:
    """Return what stopped a command."""
    return ErrorFacts.of_all([MigrateError(problem, subject=subject, saw=saw)])


def fleet(number: int, *words: str) -> FleetFacts:
    """Return so many migrations: one is locked, one cannot be reached, the others have failures."""
    told = report(2, *words)
    files = [
        file_fact("locked.migration", failed(errors.FILE_LOCKED, saw="pid 7")),
        file_fact("far.migration", failed(errors.BAD_CREDENTIALS)),
        *(file_fact(f"team-{at:03}{''.join(words)}.migration", told) for at in range(number)),
    ]
    return fleet_facts("report", files, [])


@given(st.lists(st.sampled_from(Exit)))
def test_the_worst_exit_code_counts(exits: list[Exit]) -> None:
    """It is one of those that there are, and none of them stands before it in the order."""
    found = worst(exits)
    assert found in (exits or [Exit.OK])
    assert all(WORST_FIRST.index(found) <= WORST_FIRST.index(one) for one in exits)


def test_the_order_of_exit_codes_is_documented() -> None:
    """It has every exit code once, and the reference, the schema and the page of fleets say it."""
    assert set(WORST_FIRST) == set(Exit)
    told = ", ".join(str(int(one)) for one in WORST_FIRST)
    assert told == "130, 5, 1, 4, 3, 2, 10, 0"
    pages = ("reference/errors.md", "reference/schemas/fleet.json", "fleets.md")
    assert all(told in (ROOT / "docs" / page).read_text(encoding="utf-8") for page in pages)


def test_a_folder_stands_for_the_files_in_it(tmp_path: Path) -> None:
    """Those with the suffix, by name, and none of folders below; files stay as they are named."""
    for name in ("b.migration", "a.migration", "a.cache", "a.migration.lock", "sub"):
        (tmp_path / name).touch()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c.migration").touch()
    named = files_named([str(tmp_path), "gone.migration"], SUFFIXES)
    assert named.names == [f"{tmp_path}/a.migration", f"{tmp_path}/b.migration", "gone.migration"]
    assert named.several
    assert not named.wrong


def test_one_file_is_no_fleet_and_a_folder_of_one_is(tmp_path: Path) -> None:
    """What is told of a folder does not change its form with the number of files in it."""
    one = tmp_path / "a.migration"
    one.touch()
    assert not files_named([str(one)], SUFFIXES).several
    assert files_named([str(tmp_path)], SUFFIXES).several


def test_what_cannot_be_begun_is_told_at_once(tmp_path: Path) -> None:
    """A folder without any file, and a file by two names, are told together."""
    (tmp_path / "empty").mkdir()
    one = tmp_path / "a.migration"
    one.touch()
    (tmp_path / "link").symlink_to(one)
    wrong = files_named([str(tmp_path / "empty"), str(one), str(tmp_path / "link")], SUFFIXES).wrong
    assert [error.problem for error in wrong] == [errors.NO_FILES, errors.FILE_TWICE]
    assert wrong[0].saw == "no *.migration"
    assert wrong[1].saw == f"it is {one}"


def test_two_specs_never_write_one_migration_file(tmp_path: Path) -> None:
    """Neither side by side, nor out of two folders into one; a bad name waits for its turn."""
    for name in ("x/a.yaml", "x/a.yml", "y/a.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    first, second, third = (str(tmp_path / name) for name in ("x/a.yaml", "x/a.yml", "y/a.yaml"))
    assert [one.problem for one in _clashes([first, second], None)] == [errors.SAME_OUTPUT]
    assert _clashes([first, third, "no such, name"], None) == []
    assert [one.subject for one in _clashes([first, third], tmp_path / "out")] == [third]
    assert [one.problem for one in _clashes([first, third], Path(first))] == [errors.BAD_USAGE]


def done(work: Callable[[Output, str], int], number: int, *, as_json: bool = True) -> str:
    """Work on so many files, and return what is told on stdout; the last line is the exit code."""
    files = Files([f"{at}.migration" for at in range(number)], several=True, wrong=[])
    said = StringIO()
    with redirect_stdout(said):
        code = over(Output(as_json=as_json), "status", files, work)
    return f"{said.getvalue()}{int(code)}"


def states_of(told: str) -> tuple[list[str], int]:
    """Return the state of each file, and the exit code, from a JSON object that its schema fits."""
    *lines, code = told.splitlines()
    (line,) = lines
    value = json.loads(line)
    path = ROOT / "docs" / "reference" / "schemas" / "fleet.json"
    jsonschema.validate(value, json.loads(path.read_text()))
    assert value["exit"] == int(code)
    return [one["state"] for one in value["files"]], int(code)


def test_no_file_stops_another_one() -> None:
    """Not even one that shows a defect; each is told by its state, and the worst code counts."""

    def work(output: Output, name: str) -> int:
        if name.startswith("0"):
            raise MigrateError(errors.FILE_LOCKED, subject=name)
        if name.startswith("1"):
            raise ZeroDivisionError
        output.result(report(1).status, [])
        return Exit.OK

    assert states_of(done(work, 3)) == (["refused", "defect", "failed"], Exit.DEFECT)
    text = done(work, 3, as_json=False)
    assert text.startswith("status of 3 files: 1 defect, 1 failed, 1 refused")
    assert "0.migration" in text


def test_a_name_that_is_no_text_stops_nothing() -> None:
    """The file is told of as any other, by the name that it has on this machine."""

    def work(output: Output, _name: str) -> int:
        output.result(report(1).status, [])
        return Exit.OK

    said, name = StringIO(), os.fsdecode(b"\xff.migration")
    with redirect_stdout(said):
        over(Output(as_json=True), "status", Files([name, "b"], several=True, wrong=[]), work)
    told = json.loads(said.getvalue())
    assert [one["file"] for one in told["results"]] == [name, "b"]
    assert sorted(one["file"] for one in told["files"]) == ["b", name]


def test_a_file_ends_with_the_code_of_the_command_alone() -> None:
    """Such as that of `plan --detailed-exitcode`, which no result tells."""

    def work(output: Output, name: str) -> int:
        output.result(report(1).status, [])
        return Exit.TODO if name.startswith("1") else Exit.OK

    assert states_of(done(work, 2)) == (["failed", "failed"], Exit.TODO)


def test_a_full_disk_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing goes on of which nobody would be told."""

    def work(output: Output, _name: str) -> int:
        output.result(report(1).status, [])
        return Exit.OK

    full = partial(open, "/dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(MigrateError) as caught:
        done(work, 3)
    assert caught.value.problem is errors.DISK_FULL


def test_an_interruption_leaves_the_others_alone() -> None:
    """The file in hand is interrupted, those after it are not begun, and the exit code is 130."""

    def work(output: Output, name: str) -> int:
        if name.startswith("1"):
            raise KeyboardInterrupt
        output.result(report(1).plan, [])
        return Exit.OK

    told = states_of(done(work, 4))
    assert told == (["partial", "interrupted", "not-begun", "not-begun"], Exit.INTERRUPTED)


def test_a_result_is_kept_whole_or_not_at_all() -> None:
    """What is cut off while it is written, as by Ctrl-C, leaves no half of itself."""

    def cut_off() -> Iterator[str]:
        yield '{"file": "b'
        raise KeyboardInterrupt

    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        written = Written(ErrorFacts, file)
        for parts in (["{}"], cut_off(), ["{", "}"]):
            with suppress(KeyboardInterrupt):
                written.add(parts)
        assert "".join(written.json_parts()) == "{}, {}"
        assert len(written) == 2


def test_a_stop_in_order_ends_after_the_file_in_hand() -> None:
    """A file that came to its end all the same is told as it is."""

    def work(output: Output, name: str) -> int:
        output.ends_with = Exit.TODO if name.startswith("1") else None
        output.result(report(1).plan, [])
        return Exit.OK

    assert states_of(done(work, 3)) == (["partial", "partial", "not-begun"], Exit.TODO)


@pytest.mark.slow
def test_memory_stays_flat_while_files_come() -> None:
    """Results that are told as one JSON object in the end are not held until then."""
    told = report(1_000)

    def work(output: Output, _name: str) -> int:
        output.result(told, [])
        return Exit.OK

    def peak_of(number: int) -> int:
        files = Files([f"{one}.migration" for one in range(number)], several=True, wrong=[])
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            tracemalloc.start()
            over(Output(as_json=True), "report", files, work)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return peak

    peak_of(1)
    assert peak_of(6) < 1.2 * peak_of(2)


def test_what_needs_a_person_stands_first_and_the_rest_is_a_count() -> None:
    """300 migrations take a screen; --full has a line for each."""
    files = [file_fact(f"{at:03}.migration", report(1).plan) for at in range(3)]
    files += [FileFact(file=f"{at}", state="complete", exit=0, troubles=[]) for at in range(300)]
    facts = fleet_facts("apply", files, [])
    short = [str(line) for line in fleet_lines(facts, full=False)]
    assert short[0] == "apply of 303 files: 3 partial, 300 complete"
    named = [line.split()[0] for line in short[2:5]]
    assert named == ["000.migration", "001.migration", "002.migration"]
    assert "  and 300 complete: --full has a line for each" in short
    assert len(short) < 30
    full = [str(line) for line in fleet_lines(facts, full=True)]
    assert len(full) >= 303


def test_each_error_is_told_once_with_its_remedy_and_its_files() -> None:
    """Of many files that fail alike some are named, and the number of the others is."""
    files = [file_fact(f"{at}.migration", failed(errors.FILE_LOCKED)) for at in range(30)]
    lines = [str(line) for line in fleet_lines(fleet_facts("apply", files, []), full=False)]
    assert lines.count(f"  do    {errors.FILE_LOCKED.remedy}") == 1
    assert sum(line.startswith("  in ") for line in lines) == 11
    assert "  in    20 more files: --full names all" in lines


def test_states_are_told_in_one_order() -> None:
    """Whatever order files come in."""
    files = [FileFact(file=one, state=one, exit=0, troubles=[]) for one in reversed(STATES)]
    assert tuple(fleet_facts("apply", files, []).states) == STATES


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3_000])
def test_markdown_fits_a_comment(number: int) -> None:
    """However many files there are and whatever strangers call things; what is cut is told."""
    facts = fleet(number, *HOSTILE)
    text = fleet_markdown(facts)
    assert len(text) < MOST
    assert ("more files: `report --html`" in text) == (number > 2)
    assert "<script>" not in text
    assert errors.FILE_LOCKED.remedy in text
    assert ("| locked.migration | refused |" in text) == (number == 2)


def test_a_page_of_300_migrations_can_be_mailed() -> None:
    """It has every file and finding of it with the file's name, in less than 15 MB."""
    told = report(5)
    page, lines = FleetPage(), []
    facts: Fact
    for at in range(300):
        name = f"team-{at:03}.migration"
        facts = failed(errors.FILE_LOCKED, name) if at == 7 else told
        page.add(name, facts)
        lines.append(file_fact(name, facts))
    whole = page.page(fleet_facts("report", lines, []))
    assert len("".join(html_parts(whole)).encode()) < MAIL
    _, root = drawn(whole)
    files = data_of(root, "files")
    assert files["rows"] == 300
    assert unpacked(files["columns"][0])[-1] == "team-007.migration"
    findings = data_of(root, "findings")
    assert findings["rows"] == 299 * len(told.plan.findings)
    assert len(set(unpacked(findings["columns"][-1]))) == 299


def test_no_word_of_a_stranger_is_markup_on_a_page_of_many() -> None:
    """A strict parser finds our elements only, whatever files and images are called."""
    page = FleetPage()
    for word in HOSTILE:
        page.add(word, report(1, *HOSTILE))
    lines = [file_fact(word, report(1, *HOSTILE)) for word in HOSTILE]
    title, root = drawn(page.page(fleet_facts("report", lines, [])))
    assert "11 migration files" in title
    assert len(root.findall(".//script")) == len(root.findall(".//section[@class='long']")) + 1
