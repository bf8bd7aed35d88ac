"""The help of each command: its examples are command lines that the program takes."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Context
from typer.exceptions import TyperException
from typer.main import get_command

from gcr_migrate.cli import main
from gcr_migrate.cli.examples import EXAMPLES, commands_of
from gcr_migrate.cli.main import command as command_line
from gcr_migrate.cli.main import program
from gcr_migrate.cli.way import JOBS, MORE, STEPS, way_lines
from gcr_migrate.errors import Exit

MODULES = main._COMMANDS  # noqa: SLF001
USUAL = get_command(program())  # as typer makes it
LINES = [line for lines in EXAMPLES.values() for line in lines]


def parsed(line: str, program: Any = None) -> tuple[str, dict[str, Any]]:
    """Return the command of a line and what its parameters get; nothing is run."""
    words, names = shlex.split(line, comments=True), list[str]()
    command: Any = program or command_line(words[0])
    while below := getattr(command, "commands", None):
        names.append(words.pop(0))
        command = below[names[-1]]
    context = command.make_context(names[-1], words)
    return " ".join(names), context.params


def test_each_command_has_examples() -> None:
    """No command is without, and none of them is of a command that there is not."""
    assert set(EXAMPLES) == {name for name, _ in commands_of(program())}


def with_values(command: Any = USUAL, *names: str) -> list[tuple[str, str]]:
    """Return each long option that takes a value, with its command."""
    below = getattr(command, "commands", {})
    found = [one for name in below for one in with_values(below[name], *names, name)]
    for one in command.params if names and not below else ():
        takes_value = one.param_type_name == "option" and not one.is_flag
        long = [option for option in one.opts if option.startswith("--")]
        found += [(" ".join(names), option) for option in long if takes_value]
    return found


@pytest.mark.parametrize("value", ["", " "])
def test_an_option_without_its_value_is_not_one_that_was_not_given(
    value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the command, the empty option is named; a variable that is not set opens no gate."""
    options = with_values()
    assert {("apply", "--expect-digest"), ("apply", "--until")} < {*options}
    for name, option in options:
        assert main.outcome([*name.split(), "a.file", f"{option}={value}"]) == Exit.BAD_INPUT
        told = capsys.readouterr().err
        assert "error[bad-usage]" in told
        assert f"name  {option}=" in told


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


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_the_commands_that_are_said_of_it(module: str) -> None:
    """A word that is called finds its command, with the help that it has among all commands."""
    for word in MODULES[module]:
        some = command_line(word)
        assert sorted(some.commands) == sorted(MODULES[module])
        alone, among = (one.commands[word] for one in (some, command_line()))
        assert alone.get_help(Context(alone)) == among.get_help(Context(among))


def test_any_other_word_is_answered_with_all_commands() -> None:
    """What is no command may be a slip of the pen, and the nearest of all is named."""
    assert main._called(["aply"]) is None  # noqa: SLF001
    assert main._called(["--help"]) is None  # noqa: SLF001
    assert main._called([]) is None  # noqa: SLF001
    assert {word for words in MODULES.values() for word in words} == set(command_line().commands)


@pytest.mark.parametrize("line", LINES)
def test_words_are_taken_as_typer_takes_them(line: str) -> None:
    """What needs no reading is what typer would have made of it, with each option and without."""
    assert parsed(line) == parsed(line, USUAL)


ANY = st.text(st.characters())  # with halves of characters, as a terminal may pass them on


@given(st.lists(ANY, min_size=1, max_size=3), ANY)
def test_any_text_is_taken_or_refused_as_by_typer(paths: list[str], only: str) -> None:
    """Also text of other alphabets, and what is none: half of a character, or nothing."""
    words = ["apply", f"--only={only}", f"--until={only}", "--", *paths]

    def outcome(command: Any) -> Any:
        try:
            return command.commands["apply"].make_context("apply", words[1:]).params
        except TyperException as error:
            return error.format_message()

    assert outcome(command_line("apply")) == outcome(USUAL)
