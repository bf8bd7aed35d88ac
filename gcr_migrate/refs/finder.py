"""Finds what may be a name of images in any text: pure, and careful about where it ends.

A name may hold gaps that a program fills in later, in the spelling of some dozen languages. What
such a gap is called matters as much as where it stands: with its value the name can be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What a text must have for anything to be found in it; of most files nothing else is looked at.
MARKS: Final = (
    b"gcr.io",
    b"pkg.dev",
    b"appspot.com",
    b"console.",
    b"containerregistry.",
    b"/topics/gcr",
)

_GAPS: Final = (
    r"\$\{\{[^{}\n]*\}\}",  # GitHub Actions
    r"\{\{[^{}\n]*\}\}",  # Go templates, Jinja, Mustache
    r"\$\{[^{}\n]*\}",  # shells, HCL, Gradle, Compose
    r"\$\([^()\n]*\)",  # make, Tekton, Kubernetes
    r"\$[A-Za-z_][A-Za-z0-9_]*",  # shells, Cloud Build
    r"#\{[^{}\n]*\}",  # Ruby
    r"%\{[^{}\n]*\}",
    r"%\([^()\n]*\)s",  # Python
    r"%[sdv]",  # printf
    r"\{[A-Za-z_][A-Za-z0-9_.]*\}",  # Python, Bazel
    r"\{\}",
    r"@[A-Z][A-Z0-9_]*@",  # autoconf, CMake
    r"(?<=[/:])<[A-Za-z][A-Za-z0-9_ -]*>",  # prose
    r"(?<=[/:])\[[A-Z][A-Z0-9_-]*\]",  # prose
)
_NAMELESS: Final = frozenset({"%s", "%d", "%v", "{}"})
_GAP: Final = f"(?:{'|'.join(_GAPS)})"
# In an image's name no part is in capitals alone: so people write what is to be put in.
_CAPITALS: Final = r"(?<=/)[A-Z][A-Z0-9_-]*(?![A-Za-z0-9._-])"
_GAP_ANYWHERE: Final = re.compile("|".join(_GAPS))
_GAP_IN_NAME: Final = re.compile("|".join((*_GAPS, _CAPITALS)))
_BEGINS: Final = r"(?:(?<![A-Za-z0-9._@%-])|(?<=:-)|(?<=\*\.))"  # also after a shell's default
_LABEL: Final = f"(?:{_GAP}|[A-Za-z0-9-])+"
_HOSTS: Final = (
    rf"(?:{_LABEL}\.)*gcr\.io",
    rf"{_LABEL}-docker\.pkg\.dev",
    rf"docker\.{_LABEL}\.rep\.pkg\.dev",
    r"pkg\.dev",  # of an allow-list, after `*.`
    r"containerregistry\.googleapis\.com",  # of a perimeter
)
# No registry takes `+`, `%` or `~`; a name that ends before them would be another name.
_PART: Final = f"(?:{_GAP}|[A-Za-z0-9._+%~-])"
_DIGEST: Final = rf"@(?:sha(?:256|512):[A-Za-z0-9]*{_GAP}?|{_GAP})"
_NAME: Final = (
    rf"(?P<host>{'|'.join(_HOSTS)})(?::443)?(?![A-Za-z0-9-])(?!\.[A-Za-z0-9])"
    rf"(?P<path>(?:/{_PART}*(?::{_PART}+(?=/))?)*)"
    rf"(?P<tag>:{_PART}+)?(?P<digest>{_DIGEST})?"
)
_BUCKET: Final = (
    rf"(?P<bucket>(?:(?:us|eu|asia)\.)?artifacts\.(?:{_GAP}|[A-Za-z0-9.-])+\.appspot\.com)"
    r"(?![A-Za-z0-9-])(?:/containers/images(?:/sha256:[a-f0-9]{64})?)?"
)
_PAGE: Final = (
    r"(?P<page>https?://console\.(?:cloud|developers)\.google\.com/"
    rf"(?:gcr|artifacts)(?:/(?:{_GAP}|[^\s\"'<>()\[\]{{}}|\\^`])*)?)"
)
_ANY: Final = re.compile(rf"{_PAGE}|{_BEGINS}(?:{_BUCKET}|{_NAME})")
# A name whose beginning, with its host, is in a gap.
_BEGUN: Final = re.compile(
    rf"(?<![A-Za-z0-9._@%/-])(?P<gap>{_GAP})(?:/{_PART}+)*(?::{_PART}+)?(?:{_DIGEST})?"
)
_PROSE: Final = ".,;:!?"  # at the end of a sentence, and of no name


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a name that stands apart from the others.

    Attributes:
        role: `registry`, `image`, `tag` or `digest`.
        text: as it is written.
        start: index of its first character, and `end` of the first after it.
    """

    role: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Written:
    """What may be a name, where it stands.

    Attributes:
        text: as it is written; of a name in parts what they make together.
        start: index of its first character, and `end` of the first after it.
        kind: `name` of a registry, `bucket`, `page` of a console, or `topic` that tells of images.
        parts: where its parts stand, in their order, if it does not stand in one piece.
    """

    text: str
    start: int
    end: int
    kind: str
    parts: tuple[Part, ...] = ()


def find(text: str) -> Iterator[Written]:
    """Give everything in a text that may be a name of images, from left to right."""
    for found in _ANY.finditer(text):
        kind = "page" if found["page"] else "bucket" if found["bucket"] else "name"
        written = found[0].rstrip(_PROSE)
        yield Written(written, found.start(), found.start() + len(written), kind)


def find_begun(text: str, values: Mapping[str, str]) -> Iterator[Written]:
    """Give names that begin with a gap whose value has the host, such as `${REPO}/app:1`.

    Args:
        text: where to look.
        values: what gaps stand for.
    """
    starts = {name for name, value in values.items() if _is_begin(value)}
    if not starts:
        return
    for found in _BEGUN.finditer(text):
        if name_of(found["gap"]) in starts:
            written = found[0].rstrip(_PROSE)
            yield Written(written, found.start(), found.start() + len(written), "name")


def _is_begin(value: str) -> bool:
    found = next(find(value), None)
    return found is not None and found.text == value and found.kind == "name"


def gaps(text: str, kind: str) -> tuple[str, ...]:
    """Return the gaps of what was found, each as it is spelled."""
    return tuple(found[0] for found in _gap(kind).finditer(text))


def name_of(gap: str) -> str:
    """Return what a gap is called, such as `PROJECT_ID` or `Values.image.tag`; empty if nothing."""
    if gap in _NAMELESS:
        return ""
    inside = gap.strip("$#%@{}()<>[] \t").removesuffix(")s")
    inside = re.split(r":[-=?+]|\||\s", inside.strip(), maxsplit=1)[0]
    return inside.strip().removeprefix(".")


def default_of(gap: str) -> str | None:
    """Return the value that a shell puts into a gap of which it knows nothing; None without."""
    found = re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?-([^{}]*)\}", gap)
    return found[1] if found else None


def filled(text: str, kind: str, values: Mapping[str, str]) -> str:
    """Put values into the gaps of what was found; those without a value stay as they are."""
    return _gap(kind).sub(lambda found: values.get(name_of(found[0]), found[0]), text)


def _gap(kind: str) -> re.Pattern[str]:
    return _GAP_IN_NAME if kind == "name" else _GAP_ANYWHERE
