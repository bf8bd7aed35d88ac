"""Goes through folders and reads what may have names in it: most files are put aside at once."""

from __future__ import annotations

import codecs
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pathspec import GitIgnoreSpec

from gcr_migrate.refs.exports import EXPORTS, SCANNED, live_names
from gcr_migrate.refs.finder import MARKS, find, find_begun
from gcr_migrate.refs.kinds import kind_of
from gcr_migrate.refs.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from gcr_migrate.refs.consumers import Consumer
    from gcr_migrate.refs.finder import Written


_MARKS: Final = tuple(mark.decode() for mark in MARKS)
LARGEST: Final = 256 << 20  # bytes of one file; no text that people keep is longer
_HEAD: Final = 8192  # bytes in which a file shows that it is no text
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NEVER: Final = frozenset({".git", ".hg", ".svn"})


@dataclass(frozen=True, slots=True)
class Found:
    """What may be a name, and where.

    Attributes:
        file: path of the file.
        line: number of its line, from 1, and `column` of its first character there, from 1.
        kind: kind of the file.
        field: what it is the value of there; empty where nothing says it.
        written: what was found; of a name in parts the whole.
        values: what gaps stand for, as far as the file itself says so.
        consumer: who uses it, where an export of what runs says so.
    """

    file: str
    line: int
    column: int
    kind: str
    field: str
    written: Written
    values: Mapping[str, str]
    consumer: Consumer | None = None


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and why."""

    file: str
    why: str


def walk(root: Path, *, all_files: bool = False) -> Iterator[Path | Unread]:
    """Give every file below a folder, in the order of their names; links are not followed.

    Args:
        root: the folder.
        all_files: also those that `.gitignore` names.
    """
    yield from _walk(root, (), all_files=all_files)


def _walk(
    folder: Path, ignored: tuple[tuple[Path, GitIgnoreSpec], ...], *, all_files: bool
) -> Iterator[Path | Unread]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield Unread(str(folder), error.strerror or "")
        return
    if not all_files and (lines := _ignore_lines(folder)):
        ignored = (*ignored, (folder, GitIgnoreSpec.from_lines(lines)))
    for entry in entries:
        path = folder / entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name in _NEVER or _is_ignored(path, ignored, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(path, ignored, all_files=all_files)
        elif entry.is_file(follow_symlinks=False):
            yield path


def _ignore_lines(folder: Path) -> list[str]:
    try:
        return (folder / ".gitignore").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _is_ignored(
    path: Path, ignored: tuple[tuple[Path, GitIgnoreSpec], ...], *, is_folder: bool
) -> bool:
    """Whether the nearest `.gitignore` that says something about a path leaves it out."""
    for folder, spec in reversed(ignored):
        relative = path.relative_to(folder).as_posix() + ("/" if is_folder else "")
        said = spec.check_file(relative).include
        if said is not None:
            return said
    return False


def scan_file(path: Path) -> Iterator[Found | Unread]:
    """Give all that a file has."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            yield Unread(str(path), f"{size} bytes, more than {LARGEST}")
            return
        raw = path.read_bytes()
    except OSError as error:
        yield Unread(str(path), error.strerror or "")
        return
    yield from scan_bytes(str(path), raw)


def scan_files(paths: Iterable[Path]) -> list[Found | Unread]:
    """Return all that some files have: a share of the work for one process."""
    return [one for path in paths for one in scan_file(path)]


def scan_bytes(name: str, raw: bytes) -> Iterator[Found | Unread]:
    """Give all that some bytes have, if they are text.

    Args:
        name: what they are called.
        raw: the bytes.
    """
    text = text_of(raw)
    if text is None:
        return
    try:
        yield from scan_text(name, text)
    except (ValueError, RecursionError) as error:
        yield Unread(name, f"an export that is cut off, or no JSON: {error}")


def text_of(raw: bytes) -> str | None:
    """Return the text that some bytes are; None for what is none, or has no name for certain."""
    if raw.startswith(_WIDE):
        return raw.decode("utf-16", errors="replace")
    if any(mark in raw for mark in MARKS) and b"\0" not in raw[:_HEAD]:
        return raw.decode("utf-8", errors="surrogateescape")
    return None


def scan_text(name: str, text: str) -> Iterator[Found]:
    """Give all that a text has, in its order.

    Args:
        name: path of its file.
        text: the text; a list that was made before tells of other files, and has nothing itself.

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
    taken = {part.start for name, _ in shape.parted for part in name.parts}
    written = [*_in_lines(text), *find_begun(text, shape.values)]
    found = [(one, shape.field_at(text, one.start)) for one in written if one.start not in taken]
    found += shape.parted
    for one, field in sorted(found, key=lambda each: each[0].start):
        yield Found(name, *_place(text, one.start), kind, field, one, shape.values)


def _in_export(name: str, kind: str, text: str) -> Iterator[Found]:
    """Give what an export has; it may be long, so its lines are counted once."""
    line, begin, at = 1, 0, 0
    for one in live_names(text):
        start = one.written.start
        line += text.count("\n", at, start)
        begin, at = max(begin, text.rfind("\n", at, start) + 1), start
        column = start - begin + 1
        yield Found(name, line, column, kind, one.field, one.written, {}, one.consumer)


def _in_lines(text: str) -> Iterator[Written]:
    """Give what is found in those lines that can have something."""
    start = 0
    for line in text.split("\n"):
        if any(mark in line for mark in _MARKS):
            for one in find(line):
                yield replace(one, start=start + one.start, end=start + one.end)
        start += len(line) + 1


def _place(text: str, index: int) -> tuple[int, int]:
    """Return line and column of a character, both from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
