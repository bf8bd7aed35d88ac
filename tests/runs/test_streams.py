"""Standard streams that are full, closed, or left: what runs goes on, and lost results are told."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.text import Text

from gcr_migrate.report.terminal import show

if TYPE_CHECKING:
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

FULL = Path("/dev/full")
on_linux = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


def _with(redirection: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in a shell with a redirection."""
    words = ["sh", "-c", f'"$@" {redirection}', "sh", sys.executable, "-m", "gcr_migrate", *args]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@on_linux
@pytest.mark.parametrize("args", [("explain",), ("explain", "--json"), ("--help",), ()])
def test_results_that_cannot_be_written_are_told(args: tuple[str, ...]) -> None:
    """A full disk is no success and no defect, whoever writes: the exit code and stderr say it."""
    done = _with(">/dev/full", *args)
    assert done.returncode == 4
    assert done.stderr.startswith("error[output-lost]: ")
    assert "No space left" in done.stderr


@on_linux
def test_progress_that_cannot_be_written_stops_nothing() -> None:
    """Neither a log on a full disk nor a closed one changes the result or the exit code."""
    codes = [_with(where, "show", "gone").returncode for where in ("2>/dev/full", "2>&-")]
    assert codes == [2, 2]
    assert _with("2>/dev/full", "explain", "unrouted").stdout.startswith("unrouted: ")


def test_output_that_nobody_wants_is_not_missed() -> None:
    """A closed stream and a reader that leaves are the wish of who started the command."""
    done = _with(">&-", "explain")
    assert (done.returncode, done.stderr) == (0, "")
    for args in ("explain", "--help"):
        left = _with("| head -c 9; true", args)
        assert (len(left.stdout), left.stderr) == (9, "")


@pytest.mark.parametrize("args", [("apply", "gone"), ("refs", "scan", "-"), ("init", "x.y:z")])
def test_an_input_that_is_closed_is_an_empty_one(args: tuple[str, ...]) -> None:
    """Some schedulers start programs so; nobody can be asked there."""
    closed, empty = (_with(where, *args) for where in ("<&-", "</dev/null"))
    assert (closed.returncode, closed.stdout, closed.stderr) == (
        empty.returncode,
        empty.stdout,
        empty.stderr,
    )
    assert closed.returncode != 5


@pytest.mark.parametrize(
    "args", [("apply", ""), ("show", "a.migration", "--prices", ""), ("plan", " "), ("",)]
)
def test_an_empty_word_is_refused(cli: Cli, args: tuple[str, ...]) -> None:
    """A variable that is not set does not mean all files of the folder."""
    done = cli(*args)
    assert done.returncode == 2
    assert "error[bad-usage]" in done.stderr
    assert "is empty" in done.stderr


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_name_steers_a_terminal(is_terminal: bool) -> None:  # noqa: FBT001  # drawn
    """Whatever a command prints, names of strangers cannot move the cursor or turn the writing."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, color_system=None, width=80)
    line = "\x1b]0;mine\x07 \u202eevil\x9b2J\r a\tb\u3000\u00a0é이"
    show(console, [Text(line, style="bold"), line])
    told = stream.getvalue()
    assert not set("\x1b\x07\u202e\x9b\r") & set(told)
    assert told.count("\\u{202e}evil\\u{9b}2J") == told.count("\u3000\u00a0é이\n") == 2
