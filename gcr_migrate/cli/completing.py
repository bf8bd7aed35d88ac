"""What a shell is told at the tab key: words of the command line, files and projects of here.

It asks nobody: the words are a table in the package, everything else is in the folder and in
gcloud's configuration. Imports nothing heavy.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Items = Iterator[tuple[str, str]]

_TABLE: Final = Path(__file__).with_name("words.json")
_PLANS: Final = (".migration",)
_SPECS: Final = (".yaml", ".yml")
_SNAPSHOTS: Final = (".snapshot",)
_PROJECT: Final = "project"
# What stands as an argument of a command: endings of files, or projects that are known here.
_ARGUMENTS: Final = {
    "plan": (*_SPECS, _PROJECT),
    "doctor": (*_SPECS, _PROJECT),
    "discover": (_PROJECT,),
    "init": (_PROJECT,),
    "inventory": (*_SPECS, _PROJECT),
    "compare": (*_SNAPSHOTS, *_PLANS, *_SPECS, _PROJECT),
    "show": _PLANS,
    "apply": _PLANS,
    "status": _PLANS,
    "report": (*_PLANS, ".json"),
    "export": _PLANS,
    "access show": (*_PLANS, *_SPECS),
    "access undo": _PLANS,
    "verify": (*_PLANS, *_SPECS, *_SNAPSHOTS, _PROJECT),
    "rescue": (*_SPECS, _PROJECT),
    "leftovers": (_PROJECT,),
    "redirect status": (_PROJECT,),
    "redirect plan": (_PROJECT,),
    "redirect enable": (_PROJECT,),
    "redirect finalize": (_PROJECT,),
}
_OPTIONS: Final = {
    "--migration": _PLANS,
    "--plan": _PLANS,
    "--baseline": _SNAPSHOTS,
    "--endpoints": _SPECS,
    "--project": (_PROJECT,),
    "--target-project": (_PROJECT,),
    "--quota-project": (_PROJECT,),
    "--reads": (_PROJECT,),
}
_IN_SPEC: Final = re.compile(
    r"""^\s*(?:source:\s*\{)?\s*project:\s*["']?([a-z0-9.:-]+)""", re.MULTILINE
)
_IN_CONFIG: Final = re.compile(r"(?m)^project\s*=\s*(\S+)")
_READ_AT_MOST: Final = 50  # files; each is small, and the key must answer at once
_BYTES_AT_MOST: Final = 20_000


def answer(instruction: str, environ: Mapping[str, str]) -> tuple[str, int] | None:
    """Return what a shell's script expects: a text, and an exit code.

    Args:
        instruction: such as `complete_bash`.
        environ: variables, in which the script tells what was typed.

    Returns:
        None for a shell that is not answered here.
    """
    shell = instruction.removeprefix("complete_")
    if shell == "bash":
        words = _split(environ.get("COMP_WORDS", ""))
        at = int(environ.get("COMP_CWORD", "0"))
        before, begun = words[1:at], words[at] if at < len(words) else ""
        return "\n".join(value for value, _ in complete(before, begun)), 0
    if shell not in {"zsh", "fish"}:
        return None
    typed = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(typed)[1:]
    begun = words.pop() if words and not typed.endswith(" ") else ""
    found = list(complete(words, begun))
    if shell == "fish":
        if environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
            return "", 0 if found else 1  # without any it offers files
        return "\n".join(f"{value}\t{told}" if told else value for value, told in found), 0
    if not found:
        return "_files", 0
    rows = "\n".join(f'"{_zsh(value)}":"{_zsh(told or value)}"' for value, told in found)
    return f"_arguments '*: :(({rows}))'", 0


def complete(before: Sequence[str], begun: str) -> Items:
    """Give what may stand next, with its meaning.

    Args:
        before: the words before it, without the program.
        begun: what is typed of it.
    """
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    name, left = "", list(before)
    while left and left[0] in table["commands"][name]["below"]:
        name = f"{name} {left.pop(0)}".strip()
    command = table["commands"][name]
    found: Iterable[tuple[str, str]]
    last = left[-1] if left else ""
    if command["options"].get(last, {}).get("takes"):
        found = _values(last, table["values"].get(last), begun)
    elif begun.startswith("-"):
        found = ((option, one["help"]) for option, one in command["options"].items())
    elif command["below"]:
        heads = {one: f"{name} {one}".strip() for one in command["below"]}
        found = ((one, table["commands"][head]["help"]) for one, head in heads.items())
    else:
        known = table["values"].get("host" if name == "init" and left else name)
        found = _values(name, known, begun)
    yield from ((value, told) for value, told in found if value.startswith(begun))


def _values(what: str, known: Mapping[str, str] | None, begun: str) -> Items:
    """Give the values of an option or argument: those of the table, else files and projects."""
    if known is not None:
        yield from known.items()
        return
    kinds: Any = _OPTIONS.get(what) or _ARGUMENTS.get(what) or ()
    endings = tuple(kind for kind in kinds if kind != _PROJECT)
    if endings:
        yield from ((path, "") for path in _files(begun, endings))
    if _PROJECT in kinds:
        yield from ((project, "project") for project in _projects())


def _files(begun: str, endings: tuple[str, ...]) -> Iterator[str]:
    folder = begun[: begun.rfind("/") + 1]
    try:
        names = sorted(one.name for one in Path(folder).expanduser().iterdir())
    except (OSError, RuntimeError):  # the latter where a home is not known
        return
    yield from (f"{folder}{name}" for name in names if name.endswith(endings))


def _projects() -> list[str]:
    """Return the projects that specs of this folder and gcloud's configurations name."""
    default = Path(os.environ.get("HOME", ""), ".config", "gcloud")
    told = Path(os.environ.get("CLOUDSDK_CONFIG") or default, "configurations").glob("config_*")
    specs = (path for ending in _SPECS for path in Path().glob(f"*{ending}"))
    found = {one for path in _few(told) for one in _IN_CONFIG.findall(_text(path))}
    found |= {one for path in _few(specs) for one in _IN_SPEC.findall(_text(path))}
    return sorted(found)


def _few(paths: Iterator[Path]) -> Iterator[Path]:
    yield from (path for path, _ in zip(paths, range(_READ_AT_MOST), strict=False))


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_BYTES_AT_MOST)
    except OSError:
        return ""


def _split(text: str) -> list[str]:
    """Return the words of a line that may end within quotes."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:  # an open quote: what is in it counts as it stands
        words.append(lexer.token or "")
    return words


def _zsh(text: str) -> str:
    for character, escaped in (('"', '""'), ("'", "''"), ("$", r"\$"), ("`", r"\`"), (":", r"\\:")):
        text = text.replace(character, escaped)
    return text
