"""The words of a command, as each kind of file has to write them so that they arrive unchanged."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from gcr_migrate.errors import BAD_SCHEDULE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Kind = Literal["secret", "file"]
_NAMES: Final[dict[str, re.Pattern[str]]] = {
    "secret": re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}"),
    "file": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
}
_INPUT: Final = re.compile(r"((?:.*=)?)(secret|file):([^:]*)((?::.*)?)", re.DOTALL)


class Input(Struct, frozen=True, order=True):
    """A file that the job is given: `secret:webhook` or `file:builds.migration`.

    Attributes:
        kind: whether others may see it.
        name: its name where it is kept.
    """

    kind: Kind
    name: str


class Word(Struct, frozen=True):
    """A word of the command.

    Attributes:
        text: its text; with an input, what stands before the path.
        input: what the path of is put behind the text.
        after: what stands behind the path, such as `:refused`.
    """

    text: str
    input: Input | None = None
    after: str = ""

    @classmethod
    def parse(cls, text: str) -> Word:
        """Read a word of a command line.

        Raises:
            MigrateError: `bad-schedule` if it cannot stand in a file, or names no input.
        """
        if not text.isprintable():
            saw = "a character that cannot be printed"
            raise MigrateError(BAD_SCHEDULE, subject=f"--command, at {text[:100]!r}", saw=saw)
        found = _INPUT.fullmatch(text)
        if not found:
            return cls(text)
        kind: Kind = "secret" if found[2] == "secret" else "file"
        if not _NAMES[kind].fullmatch(found[3]):
            saw = f"a {kind} is named by {_NAMES[kind].pattern}"
            raise MigrateError(BAD_SCHEDULE, subject=f"--command, at {text[:100]!r}", saw=saw)
        return cls(found[1], Input(kind, found[3]), found[4])

    def placed(self, place: Callable[[Input], str]) -> str:
        """Return the word with the path of its input."""
        return self.text + (place(self.input) if self.input else "") + self.after


def in_container(one: Input, root: str = "") -> str:
    """Return where an input is in a container."""
    return (
        f"{root}/secrets/{one.name}/value" if one.kind == "secret" else f"{root}/files/{one.name}"
    )


def variable(one: Input) -> str:
    """Return the name of a secret as a variable of an environment."""
    return one.name.upper().replace("-", "_")


def for_kubernetes(text: str) -> str:
    """Return an argument of a container: `$(NAME)` in it is not looked up."""
    return text.replace("$", "$$")


def for_cloud_build(text: str) -> str:
    """Return a text of a build: nothing in it is a substitution."""
    return text.replace("$", "$$")


def for_github(words: Iterable[str]) -> str:
    """Return words for a shell in a workflow: quoted, and with no `${{` that GitHub would fill in.

    Inside single quotes `''` ends and begins them, and stands for nothing.
    """
    return " ".join(shlex.quote(word).replace("${{", "$''{{") for word in words)


def for_systemd(text: str) -> str:
    """Return a word of an ExecStart: no specifier, variable, escape or separator in it counts."""
    for one in ("\\", '"'):
        text = text.replace(one, f"\\{one}")
    return f'"{text.replace("%", "%%").replace("$", "$$")}"'


def plain(text: str) -> str:
    """Return a text of a unit file that is no command: no specifier in it counts."""
    return text.replace("%", "%%")
