"""Rewrites one file: its bytes in, its bytes out, and what could not be done."""

from __future__ import annotations

import difflib
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.refs.beside import NOTHING
from gcr_migrate.refs.cover import Verdict
from gcr_migrate.refs.exports import EXPORTS
from gcr_migrate.refs.files import scan_text, text_of
from gcr_migrate.refs.finder import gaps, name_of
from gcr_migrate.refs.hints import LOOKED_FOR, hint, is_pushed, secrets, selects, unclear
from gcr_migrate.refs.reading import in_names
from gcr_migrate.refs.rewrite import Refusal, applied, edits, image_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from gcr_migrate.refs.beside import Said
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.reading import Reference
    from gcr_migrate.refs.rewrite import Edit

_NO_SOURCE: Final = "an export: what runs has to be changed where it is declared"
_UNCHANGED: Final = {
    "lock-file": "a lock file: have its own tool make it again",
    **dict.fromkeys(EXPORTS, _NO_SOURCE),
}
# One's own, and the plan has no new name for it.
_LOST: Final = frozenset({Verdict.NOT_PLANNED, Verdict.GONE, Verdict.TAG_MOVED})
_UNSURE: Final = frozenset({Verdict.OPEN, Verdict.UNREADABLE, Verdict.BY_HAND})
_CONTEXT: Final = 3
_SPECIAL: Final = '"\\'


class Change(Struct):
    """What became of a file.

    Attributes:
        file: its path.
        before: its bytes, and `after` what they are to be.
        done: names that are rewritten, each with what becomes of it.
        refused: names that should change and do not, each with the reason.
        hints: what else a person has to see to, each with the reason.
        secrets: lines, from 1, at which pods are given logins by name.
    """

    file: str
    before: bytes
    after: bytes
    done: list[tuple[Found, Covered]] = field(default_factory=list)
    refused: list[tuple[Found, str]] = field(default_factory=list)
    hints: list[tuple[Found, str]] = field(default_factory=list)
    secrets: list[int] = field(default_factory=list)

    @property
    def is_any(self) -> bool:
        """Whether the file changes."""
        return self.before != self.after


class Elsewhere(Struct, frozen=True):
    """What is known beyond a file that is rewritten.

    Attributes:
        sources: hosts of the plan's sources.
        files: all that are read, and so rewritten.
        begins: texts in a file with which longer names in other files begin, by that file.
        used: images, without tags and digests, that are named otherwise than to look for them.
    """

    sources: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    begins: Mapping[str, frozenset[str]] = field(default_factory=dict)
    used: frozenset[str] = frozenset()

    @classmethod
    def of(cls, names: Iterable[Found], sources: frozenset[str] = frozenset()) -> Elsewhere:
        """Return what names in all files tell, and the hosts of the plan's sources."""
        files, begins, used = set(), defaultdict[str, set[str]](set), set()
        for one in names:
            files.add(one.file)
            if not selects(one):
                used.add(image_in(one.written.text))
            gap = next(iter(gaps(one.written.text, "name")), "")
            file = one.beside.get(name_of(gap)) if gap else None
            if file and one.written.text.startswith(f"{gap}/"):
                begins[file].add(one.values[name_of(gap)])
        named = {file: frozenset(some) for file, some in begins.items()}
        return cls(sources, frozenset(files), named, frozenset(used))

    def leaves(self, found: Found) -> str:
        """Return why a name that is a gap alone stays; empty if it changes with its value."""
        (gap,) = gaps(found.written.text, "name")[:1]
        file = found.beside.get(name_of(gap))
        return (
            f"its value stands in {file}, which was not read"
            if file not in {*self.files, None}
            else ""
        )


NOWHERE: Final = Elsewhere()


def change(
    name: str,
    raw: bytes,
    judge: Callable[[Found], tuple[Reference, Covered]],
    values: Mapping[str, str],
    *,
    pin: bool = False,
    said: Said = NOTHING,
    elsewhere: Elsewhere = NOWHERE,
) -> Change:
    """Put new names into a file.

    Args:
        name: its path.
        raw: its bytes.
        judge: tells what a name says and what becomes of it.
        values: what gaps stand for, as a person gave them.
        pin: add digests to tags.
        said: what the files beside it say.
        elsewhere: what is known beyond the file.
    """
    made = Change(name, raw, raw)
    text = text_of(raw, said)
    if text is None:
        return made
    changing: list[tuple[Found, Covered, tuple[Edit, ...]]] = []
    staying: list[Found] = []
    for found in scan_text(name, text, said):
        reference, covered = judge(found)
        if covered.verdict is not Verdict.MOVES:
            staying.append(found)
            _tell(made, text, found, reference, covered, elsewhere.sources)
            continue
        known = {**found.values, **dict(reference.assumed), **values}
        known = in_names(known, found.written.kind)
        pins = pin and not is_pushed(found, text)
        wanted = edits(found.written, reference, covered, known, pin=pins)
        if found.kind in _UNCHANGED:
            wanted = Refusal(_UNCHANGED[found.kind])
        if not isinstance(wanted, Refusal):
            changing.append((found, covered, wanted))
            continue
        left = elsewhere.leaves(found) if wanted.follows else ""
        if left or not wanted.follows:
            staying.append(found)
            made.refused.append((found, left or wanted.why))
    for found in _held(changing, staying, elsewhere.begins.get(name, ())):
        made.refused.append((found, "another name has a part of it, and would be another one"))
    made.refused.sort(key=lambda one: one[0].written.start)
    made.done = [(found, covered) for found, covered, _ in changing]
    changes = [edit for _, _, wanted in changing for edit in wanted]
    after = applied(text, changes).encode("utf-8", errors="surrogateescape")
    if text.encode("utf-8", errors="surrogateescape") != raw:  # it is in another encoding
        made.refused += [(found, "the file is not in UTF-8") for found, _ in made.done]
        made.done = []
    elif made.done:
        made.after = after
        made.secrets = secrets(text)
    _tell_beside(made, elsewhere)
    return made


def _tell(
    made: Change,
    text: str,
    found: Found,
    reference: Reference,
    covered: Covered,
    sources: Collection[str],
) -> None:
    """Note a name that the plan does not move, if it asks for something all the same."""
    is_old = reference.host in sources or (reference.place and reference.place.gcr_host)
    if covered.verdict in _LOST and is_old:
        made.refused.append((found, f"{covered.verdict}: {covered.why}".removesuffix(": ")))
    elif covered.verdict in _UNSURE and found.kind not in _UNCHANGED:
        why = hint(found, reference, _line(text, found)) or unclear(found, reference, sources)
        made.hints += [(found, why)] if why else []


def _tell_beside(made: Change, elsewhere: Elsewhere) -> None:
    """Note what Kustomize would not find again; prose that does not change asks for nothing."""
    made.hints += [
        (found, LOOKED_FOR)
        for found, _ in made.done
        if selects(found) and image_in(found.written.text) not in elsewhere.used
    ]
    if not (made.done or made.refused):
        made.hints = [one for one in made.hints if one[0].kind != "prose"]


def _line(text: str, found: Found) -> str:
    """Return the line in which a name begins."""
    start = found.written.start
    end = text.find("\n", start)
    return text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else len(text)]


def _held(
    changing: list[tuple[Found, Covered, tuple[Edit, ...]]],
    staying: Iterable[Found],
    needed: Iterable[str],
) -> list[Found]:
    """Take out, and return, those names that share a part with one that needs it otherwise."""
    held = {part.start for one in staying for part in one.written.parts}
    begins = {*filter(None, map(_begin, staying)), *needed}
    held |= {one.written.start for one, _, _ in changing if one.written.text in begins}
    out: list[Found] = []
    while True:
        news: dict[int, set[str]] = {}
        for _, _, wanted in changing:
            for edit in wanted:
                news.setdefault(edit.start, set()).add(edit.new)
        held |= {start for start, texts in news.items() if len(texts) > 1}
        collide = [one for one in changing if any(edit.start in held for edit in one[2])]
        if not collide:
            return out
        changing[:] = [one for one in changing if not any(edit.start in held for edit in one[2])]
        held |= {part.start for found, _, _ in collide for part in found.written.parts}
        out += [found for found, _, _ in collide]


def _begin(found: Found) -> str:
    """Return what the gap stands for that a name begins with; empty if it begins with none."""
    gap = next(iter(gaps(found.written.text, "name")), "")
    begins = gap and found.written.text.startswith(gap)
    return found.values.get(name_of(gap), "") if begins else ""


def patch(made: Change, path: str) -> Iterator[str]:
    """Give the lines of a unified difference, as `git apply` takes it.

    Args:
        made: what became of the file.
        path: its path in the patch.
    """
    before, after = _lines(made.before), _lines(made.after)
    names = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    for line in difflib.unified_diff(before, after, *names, n=_CONTEXT):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _quoted(path: str) -> str:
    """Spell a path as git does if it has characters that would end or change it."""
    if not any(one in _SPECIAL or one < " " for one in path):
        return path
    spelled = "".join(
        f"\\{one}" if one in _SPECIAL else f"\\{ord(one):03o}" if one < " " else one for one in path
    )
    return f'"{spelled}"'


def _lines(raw: bytes) -> list[str]:
    """Part a text at its line ends only; what else looks like one stays in its line."""
    text = raw.decode("utf-8", errors="surrogateescape")
    lines = [f"{line}\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines
