"""Migration files of which a byte changed: told as what they are, never as a defect."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Damage = Callable[[bytearray], None]


def _schema_byte(file: bytearray) -> None:
    """Make a byte of the schema's text one that no text has there."""
    file[file.index(b"CREATE TABLE") + 3] |= 0x80


def _column(file: bytearray) -> None:
    """Rename a column: a letter of its name changes."""
    found = re.search(rb"CREATE TABLE image ?\(\s*id", file)
    assert found
    file[found.end() - 1] ^= 1


def _time(file: bytearray) -> None:
    """Let the plan be made in a month that there is not."""
    found = re.search(rb"created_at20\d\d-(\d)", file)
    assert found
    file[found.start(1)] = ord("9")


def _word(file: bytearray) -> None:
    """Take the name from what the plan tells about itself."""
    file[file.index(b"spec_nam") + 7] ^= 1


def _text(file: bytearray) -> None:
    """Make a byte of a source's name one that no text has there."""
    file[file.index(b"us.gcr.io/builds") + 2] |= 0x80


@pytest.mark.parametrize("command", [("status",), ("apply", "--yes"), ("verify",), ("show",)])
@pytest.mark.parametrize("damage", [_schema_byte, _column, _time, _word])
def test_a_file_that_cannot_be_read_as_a_plan_is_no_migration_file(
    tmp_path: Path, command: tuple[str, ...], damage: Damage
) -> None:
    """Whatever is made of it ends with 2: no defect, and no disk that is full."""
    with opened(tmp_path) as zoo:
        zoo.image("app", "1")
        zoo.plan()
        _change(zoo.home / "m", damage)
        run = zoo.run if command[0] in {"apply", "verify"} else zoo.run_here
        code, facts = run(*command, str(zoo.home / "m"))
    assert (code, facts["errors"][0]["code"]) == (2, "not-a-migration"), facts


@pytest.mark.parametrize("command", ["apply", "verify"])
def test_a_text_that_is_none_is_found_before_anything_is_asked(
    tmp_path: Path, command: str
) -> None:
    """What cannot be decoded is no disk that is full either."""
    with opened(tmp_path) as zoo:
        zoo.image("app", "1")
        zoo.plan()
        _change(zoo.home / "m", _text)
        code, facts = zoo.run(command, str(zoo.home / "m"))
    assert (code, facts["errors"][0]["code"]) == (2, "not-a-migration"), facts


def test_a_plan_is_not_made_over_what_cannot_be_read(tmp_path: Path) -> None:
    """It might be a run's ledger: it is left as it is, and told."""

    def no_runs(file: bytearray) -> None:
        found = re.search(rb"CREATE TABLE run ?\(\s*id[^,]*,\s*s", file)
        assert found
        file[found.end() - 1] ^= 1

    with opened(tmp_path) as zoo:
        zoo.image("app", "1")
        zoo.plan()
        _change(zoo.home / "m", no_runs)
        before = (zoo.home / "m").read_bytes()
        code, facts = zoo.plan()
        assert (code, facts["errors"][0]["code"]) == (2, "not-a-migration")
        assert (zoo.home / "m").read_bytes() == before


def test_a_manifest_that_the_file_lost_fails_alone(tmp_path: Path) -> None:
    """A digit of its digest changed where it is looked up by it; the other image arrives."""
    with opened(tmp_path) as zoo:
        lost, image = zoo.image("lost", "1", name="lost"), zoo.image("app", "1", name="app")
        zoo.plan()
        _lose(zoo.home / "m", str(lost.digest))
        code, facts = zoo.run("apply", str(zoo.home / "m"), "--yes")
        assert (code, facts["outcome"]) == (1, "failed"), facts
        assert _codes(facts) == {"plan-damaged"}
        assert zoo.read("europe-docker.pkg.dev", "builds/moved/app/manifests/1")[1] == image.raw


def test_bytes_that_are_damaged_in_the_file_are_not_told_of_a_registry(tmp_path: Path) -> None:
    """One byte of a stored manifest changed: it fails as what it is, and the other arrives."""
    with opened(tmp_path) as zoo:
        bad, image = zoo.image("bad", "1", name="bad"), zoo.image("app", "1", name="app")
        zoo.plan()

        def manifest(file: bytearray) -> None:
            file[file.index(bad.raw)] ^= 1

        _change(zoo.home / "m", manifest)
        code, facts = zoo.run("apply", str(zoo.home / "m"), "--yes")
        assert (code, facts["outcome"]) == (1, "failed"), facts
        assert _codes(facts) == {"plan-damaged"}
        assert zoo.read("europe-docker.pkg.dev", "builds/moved/app/manifests/1")[1] == image.raw


def _codes(facts: dict[str, Any]) -> set[str]:
    return {one["code"] for one in facts["failures"]}


def _change(path: Path, damage: Damage) -> None:
    """Damage a file where it lies."""
    file = bytearray(path.read_bytes())
    damage(file)
    path.write_bytes(file)


def _lose(path: Path, digest: str) -> None:
    """Change a digit in the index by which a file finds a manifest; its row stays as it is."""
    whole, wanted = path.read_bytes(), "SELECT count(*) FROM manifest {} WHERE digest = ?"
    for found in re.finditer(re.escape(digest.encode()), whole):
        file = bytearray(whole)
        file[found.end() - 1] ^= 1
        path.write_bytes(file)
        with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as sql:
            ways = ("", "NOT INDEXED")
            counts = [sql.execute(wanted.format(way), (digest,)).fetchall()[0][0] for way in ways]
        if counts == [0, 1]:
            return
    raise LookupError(digest)
