"""Puts new names in the place of old ones, and changes no other character: pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.refs.cover import Verdict, image_name
from gcr_migrate.refs.finder import filled, gaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.finder import Part, Written
    from gcr_migrate.refs.reading import Reference

_AFTER_IMAGE: Final = re.compile(r"(?::[^/]*)?(?:@.*)?$")
# What YAML takes for a number, a truth or nothing. Longer parts of names have a letter and a slash
# or a dot, and no character that means something to YAML: they never need quotes.
_NO_TEXT: Final = re.compile(
    r"[0-9][0-9_.]*(?:e[+-]?[0-9]+)?|0[xob][0-9a-f_]+|[0-9]+(?:-[0-9]+)+|true|false|yes|no|on|off|y|n"
    r"|null"
)
_PORT: Final = re.compile(r"^([^/]*):443(?=/)")


class Edit(Struct, frozen=True):
    """One change of a text.

    Attributes:
        start: index of the first character that goes, and `end` of the first that stays.
        new: what takes their place.
    """

    start: int
    end: int
    new: str


class Refusal(Struct, frozen=True):
    """Why a name that moves is not rewritten where it stands.

    Attributes:
        why: the reason.
        follows: whether it changes all the same, with the value of a gap that is rewritten.
    """

    why: str
    follows: bool = False


def edits(
    written: Written,
    reference: Reference,
    covered: Covered,
    values: Mapping[str, str],
    *,
    pin: bool = False,
) -> tuple[Edit, ...] | Refusal:
    """Return what has to change for a name to be the one at the target.

    Args:
        written: the name where it stands.
        reference: what it says.
        covered: what becomes of it; it moves.
        values: what gaps stand for.
        pin: add the digest that the plan has for the tag.

    Returns:
        The changes, all of which belong together, or why there are none.
    """
    if reference.place is None or covered.verdict is not Verdict.MOVES:
        return Refusal("it does not move")
    if written.kind != "name":
        return Refusal("the address of a page is no name")
    old = image_name(reference.place)
    target = image_in(covered.target)
    if written.parts:
        return _in_parts(written.parts, old, target, covered, pin=pin)
    image = image_in(written.text)
    kept = _in_one(image, old, target, values)
    if isinstance(kept, Refusal):
        return kept
    changes = [Edit(written.start, written.start + len(image), kept)]
    if pin and covered.digest and not reference.place.digest and not gaps(written.text, "name"):
        changes.append(Edit(written.end, written.end, f"@{covered.digest}"))
    return tuple(changes)


def image_in(name: str) -> str:
    """Return a name without its tag and digest."""
    return _AFTER_IMAGE.sub("", name)


def _in_one(image: str, old: str, target: str, values: Mapping[str, str]) -> str | Refusal:
    """Return what takes the place of a name in one piece, without its tag and digest."""
    if gaps(image, "name") == (image,):
        return Refusal("its name stands elsewhere", follows=True)
    if _PORT.sub(r"\1", filled(image, "name", values)) != old:
        return Refusal("it is written in a form that is no plain name")
    return _with_gaps(image, old, target)


def _with_gaps(image: str, old: str, target: str) -> str | Refusal:
    """Return the new name, with the gap for the project where the old one had it."""
    if not gaps(image, "name"):
        return target
    before, meant, after = image.split("/"), old.split("/"), target.split("/")
    open_parts = [at for at, part in enumerate(before) if gaps(part, "name")]
    count = len(meant) - len(before) + 1  # parts of the project: two if it has a domain
    has_domain = count == len(("domain", "name")) and open_parts == [1] and "." in meant[1]
    if count != 1 and not has_domain:
        return Refusal("a gap in it holds more than one part of the name")
    project, end = before[1], 1 + count
    if open_parts != [1] or meant[1:end] != after[1:end] or gaps(project, "name") != (project,):
        return Refusal("a gap in it stands for more than the project")
    return "/".join((after[0], project, *after[end:]))


def _in_parts(
    parts: Iterable[Part], old: str, target: str, covered: Covered, *, pin: bool
) -> tuple[Edit, ...] | Refusal:
    by_role = {part.role: part for part in parts}
    if "chart" in by_role:
        return _of_chart(by_role["folder"], by_role["chart"], old, target)
    image = by_role["image"]
    name = image_in(image.text)
    above = [by_role[role] for role in ("registry", "folder") if role in by_role]
    if "/".join((*(one.text.rstrip("/") for one in above), name)) != old:
        return Refusal("its parts are written in a form that is no plain name")
    changes = []
    for one in above:
        count = len(one.text.rstrip("/").split("/"))
        components = target.split("/")
        if len(components) <= count:
            return Refusal("the new name has too few parts for the fields of the old one")
        ends = "/" if one.text.endswith("/") else ""
        changes.append(Edit(one.start, one.end, "/".join(components[:count]) + ends))
        target = "/".join(components[count:])
    if above and _NO_TEXT.fullmatch(target) and not _NO_TEXT.fullmatch(name):
        return Refusal("what is left of the new name would be no text without quotes")
    changes.append(Edit(image.start, image.start + len(name), target))
    if pin and covered.digest and "digest" not in by_role and "@" not in image.text:
        tag = by_role.get("tag")
        if tag is None:
            changes.append(Edit(image.end, image.end, f"@{covered.digest}"))
    return tuple(changes)


def _of_chart(folder: Part, chart: Part, old: str, target: str) -> tuple[Edit, ...] | Refusal:
    """Return the new repository of a chart, whose name says what is in it and has to stay."""
    above, _, name = target.rpartition("/")
    if f"{folder.text.rstrip('/')}/{chart.text}" != old:
        return Refusal("its parts are written in a form that is no plain name")
    if name != chart.text:
        return Refusal("the chart would have another name")
    ends = "/" if folder.text.endswith("/") else ""
    return (Edit(folder.start, folder.end, f"{above}{ends}"),)


def applied(text: str, changes: Iterable[Edit]) -> str:
    """Return a text with some changes, none of which overlap; the same one counts once."""
    pieces, at = [], 0
    for change in sorted(set(changes), key=lambda one: (one.start, one.end)):
        pieces += [text[at : change.start], change.new]
        at = change.end
    return "".join((*pieces, text[at:]))
