"""What `verify` is told to look at, and which files it keeps its hands off."""

from __future__ import annotations

import os
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.cli.apart import check_apart
from gcr_migrate.cli.wish import kept_path, kind_of
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError


@pytest.mark.parametrize("text", ["./b.inventory", "../builds", "/var/builds", "~/builds"])
def test_a_path_to_nothing_is_no_registry(text: str, tmp_path: Path) -> None:
    """A file that was moved away is missed, and not looked for in the network."""
    with chdir(tmp_path), pytest.raises(MigrateError) as caught:
        kind_of(text)
    assert caught.value.problem is FILE_MISSING


@given(st.text(max_size=400) | st.sampled_from(["x" * 300, "gcr.io/p/" + "a/" * 200, "a\0b"]))
def test_any_name_is_of_some_kind_or_refused(text: str) -> None:
    """Also one that no system takes for a file; how far it came is kept under a short one."""
    try:
        kind = kind_of(text)
    except MigrateError:
        return
    kept = kept_path(text).name
    assert kind in {"live", "spec", "migration", "snapshot"}
    assert len(os.fsencode(kept)) < 255
    assert "/" not in kept


def test_long_names_that_begin_alike_are_kept_apart() -> None:
    """One proof is never taken for that of another image."""
    one, other = (f"gcr.io/builds/{'x' * 230}/{end}" for end in "ab")
    assert kept_path(one) != kept_path(other)


@pytest.mark.parametrize(
    ("option", "name", "saw"),
    [
        ("--junit", "b.inventory", "b.inventory is read"),
        ("--junit", "./sub/../b.inventory", "b.inventory is read"),
        ("--alarm-state", "link", "b.inventory is read"),
        ("--metrics-file", "other.db", "it is a database"),
        ("--junit", os.devnull, "it is a device"),
        ("--junit", "m.prom", "--metrics-file writes it too"),
    ],
)
def test_nothing_that_is_read_is_written_over(
    option: str, name: str, saw: str, tmp_path: Path
) -> None:
    """By whatever name it goes: a report over a baseline would be the end of it."""
    with chdir(tmp_path):
        Path("sub").mkdir()
        Path("b.inventory").write_text("kept")
        Path("link").symlink_to("b.inventory")
        Path("other.db").write_bytes(b"SQLite format 3\0more")
        read = ["b.inventory", "us.gcr.io/builds", None, "x" * 300]
        check_apart({"--junit": Path("new.xml"), "--alarm-state": None}, read)
        with pytest.raises(MigrateError) as caught:
            check_apart({"--metrics-file": Path("m.prom"), option: Path(name)}, read)
    assert caught.value.problem is BAD_USAGE
    assert caught.value.saw.startswith(saw)
