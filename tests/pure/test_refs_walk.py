"""Which files of a folder are read: what git would leave out is left out, wherever one starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gcr_migrate.refs.files import walk

ALL = {"app/a.yaml", "app/x.log", "app/keep.log", "app/build/b.yaml", "build/app/c.yaml"}


@pytest.fixture(name="repo")
def _repo(tmp_path: Path) -> Path:
    """A repository in a folder whose own rules do not count for it."""
    repo = tmp_path / "repo"
    for name in ALL:
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text("x")
    (tmp_path / ".gitignore").write_text("*.yaml\n")
    (repo / ".git").mkdir()
    (repo / ".gitignore").write_text("*.log\n!keep.log\nbuild/\n")
    return repo


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        (".", {"app/a.yaml", "app/keep.log", ".gitignore"}),
        ("app", {"app/a.yaml", "app/keep.log"}),
        ("build/app", {"build/app/c.yaml"}),
    ],
)
def test_rules_above_a_folder_count_in_it(
    repo: Path, start: str, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the repository's own folder; a folder that is left out was named, and is read."""

    def names(*, all_files: bool = False) -> set[str]:
        found = walk(repo / start, all_files=all_files)
        return {str(one.relative_to(repo)) for one in found if isinstance(one, Path)}

    assert names() == kept
    monkeypatch.chdir(repo / start)
    assert {f"{start}/{one}".removeprefix("./") for one in walk(Path())} == kept
    everything = names(all_files=True) - {".gitignore"}
    assert everything == {one for one in ALL if one.startswith(start.strip("."))}
