"""Goes through folders and reads what may have names in it: most files are put aside at once."""

from __future__ import annotations

import codecs
import os
from bisect import bisect_left, bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from pathspec import GitIgnoreSpec

from gcr_migrate.refs.beside import NOTHING, Beside
from gcr_migrate.refs.exports import EXPORTS, SCANNED, live_names
from gcr_migrate.refs.finder import MARKS, TEXT_MARKS, find, find_begun, known
from gcr_migrate.refs.kinds import kind_of
from gcr_migrate.refs.shape import offsets
from gcr_migrate.refs.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.refs.beside import Said
    from gcr_migrate.refs.consumers import Consumer
    from gcr_migrate.refs.finder import Written


LARGEST: Final = 256 << 20  # bytes of one file; no text that people keep is longer
_HEAD: Final = 8192  # bytes in which a file shows that it is no text
_WIDE: Final = {  # the longer one first, as it begins with the shorter
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_NEVER: Final = frozenset({".git", ".hg", ".svn"})


Ignored = tuple[tuple[Path, str, GitIgnoreSpec], ...]
"""Rules of each `.gitignore`, from the outermost to the nearest: below which folder they count, and
what is the path of that folder, with a slash, from where they stand."""


class Found(Struct, frozen=True):
    """What may be a name, and where.

    Attributes:
        file: path of the file.
        line: number of its line, from 1, and `column` of its first character there, from 1.
        kind: kind of the file.
        field: what it is the value of there; empty where nothing says it.
        written: what was found; of a name in parts the whole.
        values: what gaps stand for, as far as the file itself says so, or those beside it.
        consumer: who uses it, where an export of what runs says so.
        beside: of those values that another file says, by their names, which one.
    """

    file: str
    line: int
    column: int
    kind: str
    field: str
    written: Written
    values: Mapping[str, str]
    consumer: Consumer | None = None
    beside: Mapping[str, str] = msgspec.field(default_factory=dict)


class Unread(Struct, frozen=True):
    """A file that could not be read, and why."""

    file: str
    why: str


def walk(root: Path, *, all_files: bool = False) -> Iterator[Path | Unread]:
    """Give every file below a folder, in the order of their names; links are not followed.

    Args:
        root: the folder.
        all_files: also those that `.gitignore` names.
    """
    ignored = () if all_files else _rules_above(root)
    coming = [_entries(root, ignored, all_files=all_files)]
    while coming:
        one = next(coming[-1], None)
        if one is None:
            coming.pop()
        elif isinstance(one, Unread):
            yield one
        elif one[1] is None:
            yield one[0]
        else:
            coming.append(_entries(one[0], one[1], all_files=all_files))


def _entries(
    folder: Path, ignored: Ignored, *, all_files: bool
) -> Iterator[Unread | tuple[Path, Ignored | None]]:
    """Give what a folder has: files, and folders with the rules that count for them."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Unread(str(folder), error.strerror or "")
        return
    if not all_files and (rules := _rules(folder)):
        ignored = (*ignored, (folder, "", rules))
    for entry in entries:
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in _NEVER or _is_ignored(path, ignored, is_folder=is_folder):
            continue
        if is_folder:
            yield path, ignored
        elif entry.is_file(follow_symlinks=False):
            yield path, None


def _rules_above(root: Path) -> Ignored:
    """Return the rules that a git repository has above a folder within it.

    A folder that they leave out was named all the same, and is read as if it stood alone.
    """
    real = root.resolve()
    above = [real, *real.parents]
    top = next((at for at, one in enumerate(above) if (one / ".git").exists()), 0)
    ignored: Ignored = ()
    for folder in reversed(above[1 : top + 1]):
        if rules := _rules(folder):
            ignored = (*ignored, (root, f"{real.relative_to(folder).as_posix()}/", rules))
    return () if any(rules.match_file(prefix) for _, prefix, rules in ignored) else ignored


def _rules(folder: Path) -> GitIgnoreSpec | None:
    """Return what a folder's `.gitignore` says; lines that are no rules say nothing, as to git."""
    lines = _ignore_lines(folder)
    try:
        return GitIgnoreSpec.from_lines(lines) if lines else None
    except ValueError:
        return GitIgnoreSpec.from_lines(filter(_is_rule, lines))


def _is_rule(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _ignore_lines(folder: Path) -> list[str]:
    try:
        return (folder / ".gitignore").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _is_ignored(path: Path, ignored: Ignored, *, is_folder: bool) -> bool:
    """Whether the nearest `.gitignore` that says something about a path leaves it out."""
    for folder, prefix, spec in reversed(ignored):
        relative = prefix + path.relative_to(folder).as_posix() + ("/" if is_folder else "")
        said = spec.check_file(relative).include
        if said is not None:
            return said
    return False


def scan_file(path: Path, beside: Beside) -> Iterator[Found | Unread]:
    """Give all that a file has.

    Args:
        path: the file.
        beside: reads what others say for it.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST:
            yield Unread(str(path), f"{size} bytes, more than {LARGEST}")
            return
        raw = path.read_bytes()
    except OSError as error:
        yield Unread(str(path), error.strerror or "")
        return
    yield from scan_bytes(str(path), raw, beside.of(path, raw))


def scan_files(paths: Iterable[Path]) -> list[Found | Unread]:
    """Return all that some files have: a share of the work for one process."""
    beside = Beside()
    return [one for path in paths for one in scan_file(path, beside)]


def scan_bytes(name: str, raw: bytes, said: Said = NOTHING) -> Iterator[Found | Unread]:
    """Give all that some bytes have, if they are text.

    Args:
        name: what they are called.
        raw: the bytes.
        said: what the files beside them say.
    """
    text = text_of(raw, said)
    if text is None:
        return
    try:
        yield from scan_text(name, text, said)
    except (ValueError, RecursionError) as error:
        yield Unread(name, f"an export that is cut off, or no JSON: {error}")


def text_of(raw: bytes, said: Said = NOTHING) -> str | None:
    """Return the text that some bytes are; None for what is none, or has no name for certain.

    Args:
        raw: the bytes.
        said: what the files beside them say.
    """
    if wide := next((name for mark, name in _WIDE.items() if raw.startswith(mark)), None):
        return raw.decode(wide, errors="replace")
    if (any(mark in raw for mark in MARKS) or said.has_names) and b"\0" not in raw[:_HEAD]:
        return raw.decode("utf-8", errors="surrogateescape")
    return None


def scan_text(name: str, text: str, said: Said = NOTHING) -> Iterator[Found]:
    """Give all that a text has, in its order.

    Args:
        name: path of its file.
        text: the text; a list that was made before tells of other files, and has nothing itself.
        said: what the files beside it say.

    Raises:
        ValueError: it is an export that is cut off.
    """
    path = name.replace(os.sep, "/")
    kind = kind_of(path, text)
    if kind == SCANNED:
        return
    if kind in EXPORTS:
        yield from _in_export(name, kind, text)
        return
    shape = shape_of(kind, path, text)
    values = known({**shape.values, **said.values})
    taken = {part.start for name, _ in shape.parted for part in name.parts}
    written = list(_in_lines(text))
    written += _apart(list(find_begun(text, values)), written)
    found = [(one, shape.field_at(text, one.start)) for one in written if one.start not in taken]
    found += shape.parted
    starts = offsets(text) if found else ()
    for one, where in sorted(found, key=lambda each: each[0].start):
        line = bisect_right(starts, one.start)
        column = one.start - starts[line - 1] + 1
        yield Found(name, line, column, kind, where, one, values, None, said.files)


def _apart(begun: list[Written], found: list[Written]) -> Iterator[Written]:
    """Give those names that hold no other one, as a gap holds its own default."""
    starts = [one.start for one in found]
    for one in begun:
        at = bisect_left(starts, one.start)
        if (at == len(starts) or starts[at] >= one.end) and (
            not at or found[at - 1].end <= one.start
        ):
            yield one


def _in_export(name: str, kind: str, text: str) -> Iterator[Found]:
    """Give what an export has; it may be long, so its lines are counted once."""
    line, begin, at = 1, 0, 0
    for one in live_names(text):
        start = one.written.start
        line += text.count("\n", at, start)
        begin, at = max(begin, text.rfind("\n", at, start) + 1), start
        column = start - begin + 1
        values = one.consumer.values if one.consumer else {}
        yield Found(name, line, column, kind, one.field, one.written, values, one.consumer)


def _in_lines(text: str) -> Iterator[Written]:
    """Give what is found in those lines that can have something."""
    start = 0
    for line in text.split("\n"):
        if any(mark in line for mark in TEXT_MARKS):
            for one in find(line):
                yield replace(one, start=start + one.start, end=start + one.end)
        start += len(line) + 1
