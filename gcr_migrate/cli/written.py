"""Words of the command line that are read without what reads all kinds of them.

For any parameter, also for one that nobody gave, typer loads what reads dates, files and the
like, which takes longer than many a command. Text needs no reading, and whole numbers little.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from typer import Context
from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.models import ParameterInfo

_DIGITS: Final = re.compile(r"[0-9]{1,9}")


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
    elif kind is int and _is_number(value, parameter.type_descriptor.parameter_info):
        taken = int(value)
    else:
        return usual(context, value)
    return parameter.callback(context, parameter, taken) if parameter.callback else taken


def _is_number(value: object, limits: ParameterInfo) -> bool:
    """Whether it is a whole number that nobody can refuse."""
    if not isinstance(value, str) or not _DIGITS.fullmatch(value):
        return False
    least, most = limits.min, limits.max
    return (least is None or least <= int(value)) and (most is None or int(value) <= most)


def _is_plain(value: object) -> bool:
    """Whether it is text that nobody can refuse, as one with halves of characters would be."""
    return isinstance(value, str) and value.isascii()
