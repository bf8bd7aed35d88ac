"""What the tab key offers: words of the command line, and what is in the folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.cli import completing
from gcr_migrate.cli.completing import answer, complete
from gcr_migrate.cli.words import word_table

FILES = ("builds.migration", "old.migration", "builds.yaml", "before.snapshot", "report.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of each kind, and a gcloud that knows a project."""
    for name in FILES:
        (tmp_path / name).write_text("source: {project: builds}\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.migration").touch()
    configs = tmp_path / ".config" / "gcloud" / "configurations"
    configs.mkdir(parents=True)
    (configs / "config_default").write_text("[core]\nproject = hub-shared\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLOUDSDK_CONFIG", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("before", "begun", "offered"),
    [
        ("", "pl", {"plan"}),
        ("redirect", "en", {"enable"}),
        ("plan", "--det", {"--detailed-exitcode"}),
        ("apply", "", {"builds.migration", "old.migration"}),
        ("apply", "below/", {"below/deep.migration"}),
        ("apply --yes", "o", {"old.migration"}),
        ("plan", "", {"builds.yaml", "builds", "hub-shared"}),
        ("init", "h", {"hub-shared"}),
        ("init builds", "e", {"eu.gcr.io"}),
        ("init builds --by", "", {"first-folder", "prefix", "host", "keep"}),
        ("verify x --level", "b", {"blobs"}),
        ("doctor --step", "pl", {"plan"}),
        ("refs check . --plan", "b", {"builds.migration"}),
        ("verify builds --baseline", "", {"before.snapshot"}),
        ("explain", "unrou", {"unrouted"}),
        ("schema", "sp", {"spec"}),
        ("schedule render", "sys", {"systemd"}),
        ("sandbox --scenario", "hub", {"hub-shared"}),
        ("apply builds.migration -o", "nowhere/", set()),
    ],
)
def test_what_is_offered(before: str, begun: str, offered: set[str]) -> None:
    """Commands, options, values, files and projects, by where the cursor is."""
    assert {value for value, _ in complete(before.split(), begun)} == offered


@given(st.lists(st.text(max_size=8), max_size=4), st.text(max_size=8))
def test_whatever_is_typed_is_answered(before: list[str], begun: str) -> None:
    """Nothing that is typed breaks it, and all that it offers begins with what was typed."""
    assert all(value.startswith(begun) for value, _ in complete(before, begun))


@given(st.text(max_size=30))
def test_each_shell_is_answered(typed: str) -> None:
    """A line with open quotes, or with anything else, is answered to each shell."""
    asked = {"COMP_WORDS": typed, "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": typed}
    for shell in ("bash", "zsh", "fish"):
        assert answer(f"complete_{shell}", asked) is not None
    assert answer("complete_powershell", asked) is None


def test_the_table_is_that_of_the_commands() -> None:
    """What was generated is what the program has now."""
    assert json.loads(completing._TABLE.read_text(encoding="utf-8")) == word_table()  # noqa: SLF001


def test_the_key_loads_nothing_heavy() -> None:
    """At the tab key neither the command line's library nor any command is loaded."""
    code = (
        "import sys\nfrom gcr_migrate.cli.start import run\ntry:\n    run()\n"
        "except SystemExit:\n    heavy = {'typer', 'pydantic', 'asyncio', 'gcr_migrate.errors'}\n"
        "    sys.exit(sorted(heavy & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.environ["PATH"],
            "_GCR_MIGRATE_COMPLETE": "complete_bash",
            "COMP_WORDS": "gcr-migrate ver",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "verify\n"), done.stderr


def bash(script: str, home: Path) -> str:
    """Return what bash prints, with the program on its path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],  # noqa: S607  # whichever is there
        cwd=home,
        env={"PATH": path, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


@pytest.mark.needs("bash")
def test_bash_is_served_by_the_script_that_is_shown(folder: Path) -> None:
    """The script of `--show-completion` asks the program, and bash has its words."""
    # Of one command alone bash would become the program, which would look for a shell above it.
    script = bash("gcr-migrate --show-completion && true", folder)
    call = "COMP_WORDS=(gcr-migrate apply b); COMP_CWORD=2; _gcr_migrate_completion gcr-migrate"
    assert bash(f'{script}\n{call}\necho "${{COMPREPLY[@]}}"', folder) == "builds.migration\n"
