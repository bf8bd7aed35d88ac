"""The command `gcr-migrate`: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import functools
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from typer.exceptions import TyperException

from gcr_migrate.cli.examples import add_examples
from gcr_migrate.cli.files import with_near_file
from gcr_migrate.cli.interrupt import hear_signals, leave_with, stops
from gcr_migrate.cli.litter import keep_what_is_loaded
from gcr_migrate.cli.output import Output, defect_of, set_up_logs
from gcr_migrate.cli.streams import ReaderGoneError, check_output, set_up_streams
from gcr_migrate.cli.way import way_lines
from gcr_migrate.cli.written import take_as_written
from gcr_migrate.errors import BAD_USAGE, INTERRUPTED, Exit, MigrateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer.core import TyperGroup

_PROGRAM: Final = "gcr-migrate"

_ASKS_ONLY: Final = frozenset({"--help", "--version"})

_HELP: Final = (
    "Move images from Container Registry to Artifact Registry: planned, resumable, proven."
)
# The commands of each module of this room, in the order of the help.
_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "migrate": ("plan", "show"),
    "apply": ("apply",),
    "status": ("status",),
    "verify": ("verify",),
    "reporting": ("report",),
    "export": ("export",),
    "inventory": ("inventory", "compare"),
    "access": ("access",),
    "doctor": ("doctor",),
    "discover": ("discover",),
    "init": ("init",),
    "rescue": ("rescue",),
    "redirect": ("redirect",),
    "leftovers": ("leftovers",),
    "schedule": ("schedule",),
    "refs": ("refs",),
    "tools": ("explain", "schema", "sandbox"),
    "demo": ("demo",),
}


def _print_version(value: bool) -> None:  # noqa: FBT001  # typer calls it
    if value:
        from importlib.metadata import version  # only this option needs it

        typer.echo(f"{_PROGRAM} {version(_PROGRAM)}")
        raise typer.Exit


def _program(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def program(word: str | None = None) -> typer.Typer:
    """Return the program with all its commands.

    Args:
        word: the command that is wanted, with others of its module; None: all of them.
    """
    app = typer.Typer(
        name=_PROGRAM,
        help=_HELP,
        epilog=(
            "Exit codes: 0 success, 1 something failed or differs, 2 bad input, 3 refused and "
            "nothing changed, 4 out of reach, 5 a defect of ours, 10 something to do (with "
            "--detailed-exitcode), 130 interrupted and resumable."
        ),
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_program)
    for module, words in _COMMANDS.items():
        if word is None or word in words:
            import_module(f"gcr_migrate.cli.{module}").add_to(app)
    add_examples(app)
    return app


@functools.cache
def command(word: str | None = None) -> TyperGroup:
    """Return the command line, made once: all of it takes longer than many a command.

    Args:
        word: the command that is wanted; None: all of them.
    """
    found = typer.main.get_command(program(word))  # with the options for completion
    if word:  # who gets help, or is told of a slip of the pen, has nothing read
        take_as_written(found)
    return cast("TyperGroup", found)


def _called(args: Sequence[str]) -> str | None:
    """Return the word that is a command, if the first one is; any other is answered with all."""
    first = next(iter(args), "")
    return first if any(first in words for words in _COMMANDS.values()) else None


def outcome(args: Sequence[str]) -> int:
    """Run a command, and tell what stopped it.

    Args:
        args: the command line without the program.

    Returns:
        The exit code.
    """
    # Usage errors come before any option is read, and must be told in the form asked for too.
    output = Output(as_json="--json" in args)
    try:
        if not _ASKS_ONLY & {*args} and _called(args) != "explain":  # these log nothing
            set_up_logs(as_json=output.as_json)
        _check_filled(args)
        result = command(_called(args))(list(args), prog_name=_PROGRAM, standalone_mode=False)
    except MigrateError as error:
        return output.errors([with_near_file(error)])
    except TyperException as error:
        context = getattr(error, "ctx", None)
        subject = context.command_path if context else " ".join([_PROGRAM, *args[:1]])
        return output.errors([MigrateError(BAD_USAGE, subject=subject, saw=error.format_message())])
    except stops():
        return _interrupted(output, args)
    except ReaderGoneError:
        result = Exit.OK  # it has what it wanted of a long text
    except Exception as error:  # noqa: BLE001  # the top handler: whatever is left is our defect
        return output.errors([defect_of(error)])
    # A command returns an Exit; typer itself returns 130 after Ctrl-C, and 0 after --help.
    if result == Exit.INTERRUPTED and not isinstance(result, Exit):
        return _interrupted(output, args)
    return int(result or 0)


def _check_filled(args: Sequence[str]) -> None:
    """Refuse words without letters, and options of which nothing follows the `=`.

    As a file such a word would be this folder, with all in it; such an option would pass for one
    that was not given, and what it guards (`--expect-digest`, `--until`) would not be guarded.

    Raises:
        MigrateError: `bad-usage`.
    """
    asks = "is a variable of the script not set?"
    for number, word in enumerate(args, 1):
        option, _, value = word.partition("=")
        if not word.strip():
            subject = " ".join([_PROGRAM, *args[:1]]).strip()
            raise MigrateError(BAD_USAGE, subject=subject, saw=f"word {number} is empty; {asks}")
        if word.startswith("--") and option != word and not value.strip():
            raise MigrateError(BAD_USAGE, subject=f"{option}=", saw=f"its value is empty; {asks}")


def _interrupted(output: Output, args: Sequence[str]) -> int:
    subject = " ".join([_PROGRAM, *args[:2]])
    return output.errors([MigrateError(INTERRUPTED, subject=subject)])


def _tell_the_way() -> int:
    typer.echo("\n".join(way_lines()))
    return Exit.BAD_INPUT  # a script that lost its words shall not go on


def run() -> None:
    """Run the program and exit."""
    keep_what_is_loaded()
    set_up_streams()
    try:
        hear_signals()
        code = _told(sys.argv[1:])
        leave_with(code)
    except KeyboardInterrupt:  # while the end was being told
        code = Exit.INTERRUPTED
        leave_with(code)
    sys.exit(code)


def _told(args: Sequence[str]) -> int:
    """Run a command, and see to it that all it told is where it should be."""
    code = outcome(args) if args else _tell_the_way()
    try:
        check_output()
    except ReaderGoneError:
        pass  # it has what it wanted
    except MigrateError as error:
        code = Output(as_json=False).errors([error])
    return code
