"""Words of the command line that are taken as they are written.

For any parameter, also for one that nobody gave, typer loads what reads numbers, dates and the
like, which takes longer than many a command. Text needs no reading.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from typer import Context
from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:
    from collections.abc import Callable


def take_as_written(command: Any) -> None:
    """Let a command, and those below it, take text as it is written, and all else as usual."""
    for one in command.get_params(Context(command)):  # that for help too
        if isinstance(one, (TyperArgument, TyperOption)):
            one.process_value = partial(_taken, one, one.process_value)  # type: ignore[method-assign]
    for below in getattr(command, "commands", {}).values():
        take_as_written(below)


def _taken(
    parameter: TyperArgument | TyperOption,
    usual: Callable[[Context, Any], Any],
    context: Context,
    value: Any,
) -> Any:
    kind, many = parameter.type_descriptor.annotation, parameter.multiple or parameter.nargs == -1
    if value is None and not parameter.required:
        taken: Any = () if many else None
    elif kind is str and _is_plain(value):
        taken = str(value)
    elif kind == list[str] and value and all(map(_is_plain, value)):
        taken = [*value]
    else:
        return usual(context, value)
    return parameter.callback(context, parameter, taken) if parameter.callback else taken


def _is_plain(value: object) -> bool:
    """Whether it is text that nobody can refuse; other characters may not be any."""
    return isinstance(value, str) and value.isascii()
