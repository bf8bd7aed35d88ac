"""The help of each command: its examples are command lines that the program takes."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from gcr_migrate.cli.examples import EXAMPLES, commands_of
from gcr_migrate.cli.main import command as command_line
from gcr_migrate.cli.main import program
from gcr_migrate.cli.way import JOBS, MORE, STEPS, way_lines

LINES = [line for lines in EXAMPLES.values() for line in lines]


def parsed(line: str) -> tuple[str, dict[str, Any]]:
    """Return the command of a line and what its parameters get; nothing is run."""
    words, command, names = shlex.split(line, comments=True), command_line(), []
    while below := getattr(command, "commands", None):
        names.append(words.pop(0))
        command = below[names[-1]]
    context = command.make_context(names[-1], words)
    return " ".join(names), context.params


def test_each_command_has_examples() -> None:
    """No command is without, and none of them is of a command that there is not."""
    assert set(EXAMPLES) == {name for name, _ in commands_of(program())}


@pytest.mark.parametrize("line", LINES)
def test_an_example_is_taken(line: str) -> None:
    """Each line names its command and options as they are, and stands in a terminal's width."""
    name, _ = parsed(line)
    assert line in EXAMPLES[name]
    assert len(line) < 80


def test_the_way_goes_by_commands_that_there_are() -> None:
    """Each step that is shown without any word is a command line."""
    for command, _ in STEPS:
        parsed(command)
    names = {name for name, _ in commands_of(program())}
    assert {command for command, _ in MORE if not command.startswith("-")} <= names
    assert [job for job, _, _ in JOBS] == ["split", "move", "verify", "rescue", "salvage"]
    assert max(map(len, way_lines())) < 100
