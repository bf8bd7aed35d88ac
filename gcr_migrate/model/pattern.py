"""Patterns that image paths match, and texts that the matched parts are put into.

`{name}` takes one component or part of one, `*` one component, `**` one or more. Parts take as
much as they can, the left one first, so that a path is taken apart in one way only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import BAD_NAME, MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.names import ImagePath

_PART = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_LITERAL = re.compile(r"[a-z0-9._-]+")
_TOKEN = re.compile(r"\{[^{}]*\}|[^{}]+|[{}]")
_BELOW: Final = "/**"


class Pattern(Struct, frozen=True):
    """A pattern for image paths.

    Attributes:
        text: as written.
        names: the named parts in it.
        folder: for `X/**` the pattern X, else None.
    """

    text: str
    names: frozenset[str]
    folder: Pattern | None
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raise BAD_NAME with the component that offends."""
        seen: set[str] = set()
        regex = "/".join(_component(text, one, seen) for one in text.split("/"))
        above = text.removesuffix(_BELOW)
        folder = cls.parse(above) if above != text else None
        return cls(text, frozenset(seen), folder, re.compile(regex))

    def match(self, path: ImagePath) -> dict[str, str] | None:
        """Return what the named parts take of this path, or None if it does not match."""
        found = self._regex.fullmatch(str(path))
        return found.groupdict() if found else None


def template_names(text: str) -> frozenset[str]:
    """Return the named parts that a text uses; raise BAD_NAME for a brace that is none."""
    left = _PART.sub("", text)
    if "{" in left or "}" in left:
        raise _bad(text, "a brace that is not around a part's name such as {team}")
    return frozenset(_PART.findall(text))


def expand(text: str, parts: Mapping[str, str]) -> str:
    """Put the matched parts into a text; raise BAD_NAME for a part that was not matched."""
    missing = sorted(template_names(text) - parts.keys())
    if missing:
        raise _bad(text, f"{{{missing[0]}}} is not a part of `match`")
    return _PART.sub(lambda found: parts[found[1]], text)


def _bad(text: str, saw: str) -> MigrateError:
    return MigrateError(BAD_NAME, subject=text or "(empty)", saw=saw)


def _component(text: str, component: str, seen: set[str]) -> str:
    """Translate one component into a regular expression; `seen` collects the names."""
    if component == "**":
        return ".+"
    if component == "*":
        return "[^/]+"
    if not component:
        raise _bad(text, "an empty path component")
    regex, after_part = "", False
    for token in _TOKEN.findall(component):
        part = _PART.fullmatch(token)
        if part and after_part:
            raise _bad(text, f"nothing stands between {token} and the part before it")
        if part:
            regex += f"(?P={part[1]})" if part[1] in seen else f"(?P<{part[1]}>[^/]+)"
            seen.add(part[1])
        elif _LITERAL.fullmatch(token):
            regex += re.escape(token)
        else:
            raise _bad(text, _why_not(token))
        after_part = bool(part)
    return regex


def _why_not(token: str) -> str:
    if "*" in token:
        return "`*` and `**` stand for whole path components"
    if token[0] in "{}":
        return f"{token} is not a part's name such as {{team}}"
    return f"{token!r} has characters that no image path has"
