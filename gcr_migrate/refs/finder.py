"""Finds what may be a name of images in any text: pure, and careful about where it ends.

A name may hold gaps that a program fills in later, in the spelling of some dozen languages. What
such a gap is called matters as much as where it stands: with its value the name can be read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

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
    b"google_container_registry",
    b"container.Registry",
    b"GCR.IO",
    b"PKG.DEV",
    b"gcr\\",
    b"pkg\\",
)
TEXT_MARKS: Final = tuple(mark.decode() for mark in MARKS)

_GAPS: Final = (
    r"\$\{\{[^{}\n]{0,200}\}\}",  # GitHub Actions
    r"\{\{[^{}\n]{0,200}\}\}",  # Go templates, Jinja, Mustache
    r"\$?\$\{(?:[^{}\n]|\{[^{}\n]{0,200}\}){0,200}\}",  # shells, HCL, Gradle, Compose
    r"\$?\$\((?:[^()\n]|\([^()\n]{0,200}\)){0,200}\)",  # make, Tekton, Kubernetes
    r"\$env:[A-Za-z_][A-Za-z0-9_]*",  # PowerShell
    r"\$?\$[A-Za-z_][A-Za-z0-9_]*",  # shells, Cloud Build
    r"\$[0-9]",
    r"#\{[^{}\n]{0,200}\}",  # Ruby
    r"%\{[^{}\n]{0,200}\}",
    r"%\([^()\n]{0,200}\)s",  # Python
    r"%[A-Z_][A-Z0-9_]+%",  # Windows
    r"%[sdv]",  # printf
    r"\{[A-Za-z_][A-Za-z0-9_.]*\}",  # Python, Bazel
    r"\{[0-9]*\}",
    r"(?<=[A-Za-z0-9_/:.-])\{[^{}\n]{0,200}\}",  # Python's longer ones, shells' `{a,b}`
    r"@[A-Z][A-Z0-9_]*@",  # autoconf, CMake
    r"(?<=[/:])<[A-Za-z][A-Za-z0-9_ -]*>",  # prose
    r"(?<=[/:])\[[A-Z][A-Z0-9_-]*\]",  # prose
)
_NAMELESS: Final = frozenset({"%s", "%d", "%v", "{}"})
# Nothing is ever given back (`?>`), and what may repeat in a host is bounded: a search takes time
# in proportion to the text, whatever stands in it.
_GAP: Final = f"(?>{'|'.join(_GAPS)})"
# In an image's name no part is in capitals alone: so people write what is to be put in.
_CAPITALS: Final = r"(?<=/)[A-Z][A-Z0-9_-]*(?![A-Za-z0-9._-])"
_GAP_ANYWHERE: Final = re.compile("|".join(_GAPS))
_GAP_IN_NAME: Final = re.compile("|".join((*_GAPS, _CAPITALS)))
_ESCAPE: Final = r"[nrt]|u[0-9a-fA-F]{4}"  # after a backslash, in JSON and many languages
# Also after a shell's default, a line end or the like in a string, in an address, a colour of logs.
_BEGINS: Final = (
    rf"(?:(?<![A-Za-z0-9._@%-])(?!(?<=\\)(?:{_ESCAPE})|(?<=[;\[])[0-9]{{1,3}}m|(?<=:)-)"
    r"|(?<=^_)|(?<=^__)|(?<=[\s(]_)|(?<=[\s(]__)"  # emphasis in prose
    r"|(?<=^\.)|(?<=[\s\"'`,;:=(\[|]\.)"  # in lists of domains
    r"|(?<=[.a-zA-Z0-9-])(?:(?<=:-)|(?<=\*\.)|(?<=\\[nrt])|(?<=\\u[0-9a-fA-F]{4})"
    r"|(?<=%[0-9a-fA-F]{2})|(?<=\x1b\[[0-9]m)|(?<=\x1b\[[0-9]{2}m)|(?<=\x1b\[[0-9];[0-9]{2}m)))"
)
# What stands before a name and has to be read with it: another shell's default, and a login.
_AHEAD: Final = (
    r"\$\{[A-Za-z_][A-Za-z0-9_]{0,80}-|(?<=//)[A-Za-z0-9._~%-]{1,64}:[^\s/@\"'<>]{0,400}@"
)
_LABEL: Final = f"(?:{_GAP}|[A-Za-z0-9-]){{1,64}}"
_HOSTS: Final = (
    rf"(?:{_LABEL}\.){{0,6}}(?i:gcr\.io)",
    rf"{_LABEL}-(?i:docker\.pkg\.dev)",
    rf"(?i:docker)\.{_LABEL}\.(?i:rep\.pkg\.dev)",
    r"(?i:pkg\.dev)",  # of an allow-list, after `*.`
    r"containerregistry\.googleapis\.com",  # of a perimeter
)
# No registry takes `+`, `%` or `~`; a name that ends before them would be another name.
_PART: Final = f"(?:{_GAP}|[A-Za-z0-9._+%~-])"
_SLASH: Final = r"(?:\\?/|%2[Ff])"  # as some programs write it into JSON, and into addresses
_DIGEST: Final = rf"@(?:sha(?:256|512):[A-Za-z0-9]*{_GAP}?|{_GAP})"
_NAME: Final = (
    rf"(?P<host>{'|'.join(_HOSTS)})(?::443)?(?![A-Za-z0-9-])(?!\.[A-Za-z0-9])"
    rf"(?P<path>(?:{_SLASH}(?>{_PART}*)(?::(?>{_PART}+)(?={_SLASH}))?)*)"
    rf"(?P<tag>:(?>{_PART}+))?(?P<digest>{_DIGEST})?"
)
_BUCKET: Final = (
    rf"(?P<bucket>(?:(?:us|eu|asia)\.)?artifacts\.(?:{_LABEL}\.){{1,8}}appspot\.com)"
    r"(?![A-Za-z0-9-])(?:/containers/images(?:/sha256:[a-f0-9]{64})?)?"
)
_PAGE: Final = (
    r"(?P<page>https?://console\.(?:cloud|developers)\.google\.com/"
    rf"(?:gcr|artifacts)(?:/(?:{_GAP}|[^\s\"'<>()\[\]{{}}|\\^`])*)?)"
)
_TOPIC: Final = (
    rf"(?P<topic>\bprojects/(?:{_GAP}|[A-Za-z0-9._:-]){{1,64}}/topics/gcr)(?![A-Za-z0-9._~+%-])"
)
# What programs that set up a cloud call Container Registry.
_RESOURCE: Final = (
    r"(?<![\w-])(?P<resource>google_container_registry(?:_image|_repository)?|"
    r"(?:gcp\.)?container\.Registry)(?!\w)"
)
# A dot that stands for itself in an expression; in strings its backslash is doubled.
_PATTERN: Final = (
    r"(?P<pattern>(?:\b[a-z]{2,4}\\{1,4}\.|\b)gcr\\{1,4}\.io(?![A-Za-z0-9])"
    r"|docker\\{1,4}\.pkg\\{1,4}\.dev(?![A-Za-z0-9]))"
)
_ANY: Final = re.compile(
    rf"{_PAGE}|{_TOPIC}|{_RESOURCE}|{_PATTERN}|(?:{_BEGINS}|{_AHEAD})(?:{_BUCKET}|{_NAME})"
)
_KINDS: Final = ("page", "bucket", "topic", "resource", "pattern")  # all of the others are names
_MARK: Final = re.compile("|".join(map(re.escape, TEXT_MARKS)))
_OPENS_GAP: Final = re.compile(
    r"\$[{(A-Za-z0-9$]|[A-Za-z0-9_/.-]\{|\{[A-Za-z0-9_{}]|%[{(A-Zsdv]|#\{|@[A-Z]|[/:][<\[]"
)
_WIDEST: Final = 1000  # characters of a name before its mark
_REST: Final = rf"(?:/(?>{_PART}+))*(?::(?>{_PART}+))?(?:{_DIGEST})?"
# A name whose beginning, with its host, is in a gap.
_BEGUN: Final = re.compile(rf"(?<![A-Za-z0-9._@%/-])(?P<gap>{_GAP})(?!\s*=[^=]){_REST}")
# The same where the gap itself has its default.
_DEFAULTED: Final = re.compile(
    r"(?:\$\{[A-Za-z_][A-Za-z0-9_]*:?[=-]|\{\{[^{}\n]{0,80}\bdefault[\s(]{1,3}[\"'])$"
)
_AFTER_DEFAULT: Final = re.compile(rf"(?:\}}|[\"'][^{{}}\n]{{0,80}}\}}\}})(?=[/:@]){_REST}")
_DEFAULTS: Final = (
    re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*:?[=-]([^{}]*)\}"),
    re.compile(r"\{\{[^{}\n]*\bdefault[\s(]+[\"']([^\"']*)[\"'][^{}\n]*\}\}"),
)
_LEADING_DEFAULT: Final = re.compile(r"default\s+[\"'][^\"']*[\"']\s+")
_DEEPEST: Final = 4  # values in values in values
_LONGEST_VALUE: Final = 500
_LONGEST_NAME: Final = 100  # characters of a variable, with what makes a default of it
_MIRRORED: Final = re.compile(r"[A-Za-z0-9_.}\])>*-]\\?/$")
_EMPHASIS: Final = frozenset("_~")  # on both sides of it in prose
_PROSE: Final = ".,;:!?"  # at the end of a sentence, and of no name


class Part(Struct, frozen=True):
    """A part of a name that stands apart from the others.

    Attributes:
        role: `registry`, `folder`, `image` or `chart`, `tag` or `digest`.
        text: as it is written.
        start: index of its first character, and `end` of the first after it.
    """

    role: str
    text: str
    start: int
    end: int


class Written(Struct, frozen=True):
    """What may be a name, where it stands.

    Attributes:
        text: as it is written; of a name in parts what they make together.
        start: index of its first character, and `end` of the first after it.
        kind: `name` of a registry, `mirrored` behind another one, `bucket`, `page` of a console,
            `topic` that tells of images, `resource` that stands for Container Registry, or
            `pattern` of names.
        parts: where its parts stand, in their order, if it does not stand in one piece.
    """

    text: str
    start: int
    end: int
    kind: str
    parts: tuple[Part, ...] = ()


def find(text: str) -> Iterator[Written]:
    """Give everything in a text that may be a name of images, from left to right."""
    for found in _each(text):
        kind = next((kind for kind in _KINDS if found[kind]), "name")
        start, end = found.start("host" if kind == "name" else kind), found.end()
        if kind == "name":
            kind, start, end = _around(text, start, end)
        written = text[start:end].rstrip(_PROSE)
        if text[start - 1 : start] in _EMPHASIS:
            written = written.rstrip(text[start - 1])
        yield Written(written, start, start + len(written), kind)


def _each(text: str) -> Iterator[re.Match[str]]:
    """Give each match, looked for only where a mark says that there may be one."""
    at = 0
    while mark := _MARK.search(text, at):
        found = _ANY.search(text, _start(text, max(at, mark.start() - _WIDEST), mark.start()))
        if not found:
            return
        yield found
        at = found.end()


def _start(text: str, first: int, mark: int) -> int:
    """Return where the name that has a mark may begin: after a blank, if no gap is before it."""
    if _OPENS_GAP.search(text, first, mark):
        return first
    return max(first, text.rfind(" ", first, mark) + 1, text.rfind('"', first, mark) + 1)


def _around(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Return kind, start and end of a name, given what stands before and after it."""
    if _MIRRORED.search(text[max(0, start - 3) : start]):
        return "mirrored", start, end
    before = _DEFAULTED.search(text[max(0, start - _LONGEST_NAME) : start])
    if before and (after := _AFTER_DEFAULT.match(text, end)):
        return "name", start - len(before[0]), after.end()
    if text[end : end + 1] == "*" and text[start - 1 : start] != "*" and text[end - 1] not in "/:":
        end += (
            1  # a pattern, and no name; after `/` or `:` it stands for all of an image or project
        )
    return "name", start, end


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


def known(values: Mapping[str, str]) -> dict[str, str]:
    """Return what gaps stand for, with those filled that are in the values themselves."""
    found = dict(values)
    for _ in range(_DEEPEST):
        open_ones = {name: value for name, value in found.items() if _GAP_ANYWHERE.search(value)}
        for name, value in open_ones.items():
            whole = filled(value, "page", found)
            found[name] = whole if len(whole) <= _LONGEST_VALUE else value
    return found


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
    inside = gap.strip("$#%@{}()<>[] \t-").removesuffix(")s")
    inside = _LEADING_DEFAULT.sub("", inside)
    inside = re.split(r":[-=?+]|\||\s", inside.strip(), maxsplit=1)[0]
    return inside.strip().removeprefix(".")


def default_of(gap: str) -> str | None:
    """Return what a shell or a template puts into a gap of which it knows nothing; or None."""
    found = next(filter(None, (pattern.fullmatch(gap) for pattern in _DEFAULTS)), None)
    return found[1] if found else None


def filled(text: str, kind: str, values: Mapping[str, str]) -> str:
    """Put values into the gaps of what was found; those without a value stay as they are."""
    return _gap(kind).sub(lambda found: values.get(name_of(found[0]), found[0]), text)


def _gap(kind: str) -> re.Pattern[str]:
    return _GAP_IN_NAME if kind in {"name", "mirrored"} else _GAP_ANYWHERE
