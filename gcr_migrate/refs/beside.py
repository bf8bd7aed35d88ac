"""What files of one folder say for each other: `.env` for Compose, variables for Terraform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.refs.finder import TEXT_MARKS
from gcr_migrate.refs.hcl_shape import assigned, declared
from gcr_migrate.refs.kinds import COMPOSE
from gcr_migrate.refs.script_shape import script_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_COMPOSE: Final = re.compile(COMPOSE)
_TERRAFORM: Final = (".tf", ".tofu")
_GIVEN: Final = re.compile(r"terraform\.tfvars|.*\.auto\.tfvars")  # which is read by itself
_ASKS: Final = re.compile(rb"\$\{\s*(?:var|local)\.")
_LONGEST: Final = 1 << 20  # bytes of a file that says such things


class Said(Struct, frozen=True):
    """What other files say.

    Attributes:
        values: what gaps stand for.
        files: the file that says it, by the same names.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_names(self) -> bool:
        """Whether any of it may be a name, or the beginning of one."""
        return any(mark in value for value in self.values.values() for mark in TEXT_MARKS)


NOTHING: Final = Said()


class Beside:
    """Reads what is beside a file, once for each folder as long as files come folder by folder."""

    def __init__(self) -> None:
        self._kept: tuple[Path, str, Said] | None = None

    def of(self, path: Path, raw: bytes) -> Said:
        """Return what the files beside one say for it.

        Args:
            path: the file.
            raw: its bytes.
        """
        name = path.name.lower()
        if name.endswith(_TERRAFORM) and _ASKS.search(raw):
            return self._of(path.parent, "terraform", _terraform)
        if _COMPOSE.fullmatch(name) and b"$" in raw:
            return self._of(path.parent, "compose", _compose)
        return NOTHING

    def _of(self, folder: Path, kind: str, read: Callable[[Path], Said]) -> Said:
        if self._kept is None or self._kept[:2] != (folder, kind):
            self._kept = folder, kind, read(folder)
        return self._kept[2]


def _compose(folder: Path) -> Said:
    path = folder / ".env"
    values = script_shape(_text(path)).values
    return Said(values, dict.fromkeys(values, str(path)))


def _terraform(folder: Path) -> Said:
    """Return what the variables of a module are; they matter only where a name is among them."""
    texts = {path: _text(path) for path in _module(folder)}
    values: dict[str, str] = {}
    files: dict[str, str] = {}
    if any(mark in text for text in texts.values() for mark in TEXT_MARKS):
        for path, text in texts.items():
            said = assigned(text) if path.suffix == ".tfvars" else declared(text)
            values |= said
            files |= dict.fromkeys(said, str(path))
    return Said(values, files)


def _module(folder: Path) -> Iterator[Path]:
    """Give the files of a module in the order in which they count, the last one most."""
    paths = sorted(folder.iterdir())
    yield from (one for one in paths if one.name.endswith(_TERRAFORM))
    yield from sorted(filter(_is_given, paths), key=lambda one: one.name.endswith(".auto.tfvars"))


def _is_given(path: Path) -> bool:
    return _GIVEN.fullmatch(path.name) is not None


def _text(path: Path) -> str:
    """Return what a file says; nothing if it cannot be read, or is too long for such a file."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST + 1)
    except OSError:
        return ""
    return raw.decode("utf-8", errors="replace") if len(raw) <= _LONGEST else ""
