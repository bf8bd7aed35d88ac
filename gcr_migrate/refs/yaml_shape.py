"""The shape of YAML and JSON, also of templates that become YAML."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from gcr_migrate.refs.finder import TEXT_MARKS
from gcr_migrate.refs.joined import joined
from gcr_migrate.refs.shape import Field, Shape
from gcr_migrate.refs.umbrella import below_shared, shared_registry
from gcr_migrate.refs.yaml_nodes import Mapping, Scalar, Sequence, documents, texts, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.joined import Value
    from gcr_migrate.refs.yaml_nodes import Node

_BRACES: Final = {"{{": "}}", "{%": "%}", "{#": "#}"}  # of Go's templates, and of Jinja's
_BRACKET: Final = re.compile(r"[\[\]{}]")
_DEEPEST: Final = 100
_MAY_NAME: Final = re.compile(  # or begins in a gap
    "|".join((*map(re.escape, TEXT_MARKS), r"[$%{@]"))
)
_OPENS: Final = re.compile(r"\{[{%#]")
_DOCUMENT: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_UNPRINTABLE: Final = re.compile(
    r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")  # of a character, as JSON spells it
# Where a format keeps what stands for its gaps, and how the gaps call it.
_VALUES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "cloud-build": {"substitutions": ("",)},
    "github-workflow": {"env": ("env.", "")},
    "gitlab-ci": {"variables": ("",)},
    "compose": {"x-variables": ("",)},
    "terraform-json": {"variable": ("var.",), "locals": ("local.",)},
}


def yaml_shape(kind: str, text: str) -> Shape:
    """Return the shape of YAML or JSON; of what is neither, nothing is known.

    Args:
        kind: kind of the file.
        text: what is in it.
    """
    shape, plain = Shape(), _without_templates(_readable(text))
    plain = plain.replace("\t", " ") if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} else plain
    starts = [0, *(found.start() for found in _DOCUMENT.finditer(plain)), len(plain)]
    for start, end in pairwise(starts):
        if not _MAY_NAME.search(text, start, end) or _is_too_deep(plain[start:end]):
            continue  # most documents of a large file have no name, and reading one takes long
        one = _document(kind, text, plain, start, end)
        shape.fields += one.fields
        shape.parted += one.parted
        shape.values = {**one.values, **shape.values}
    shape.fields.sort(key=lambda one: one.start)
    return shape


def _readable(text: str) -> str:
    """Put characters that a reader takes, and that mean nothing, where it would stop."""
    text = f"\n{text[1:]}" if text.startswith("\ufeff") else text
    return _HALF.sub("xxxxxx", _UNPRINTABLE.sub(" ", text))


def _document(kind: str, text: str, plain: str, begin: int, end: int) -> Shape:
    """Return the shape of one document; one that is broken keeps nobody from reading the next."""
    shape = Shape()
    try:
        for document in documents(plain[begin:end], begin):
            _walk(shape, text, plain, document, ())
            _values(shape, kind, document)
    except ValueError:
        return Shape()
    return shape


def _is_too_deep(plain: str) -> bool:
    """Whether brackets are within brackets as people never write them, and readers choke on."""
    depth = 0
    for found in _BRACKET.finditer(plain):
        depth += 1 if found[0] in "[{" else -1
        if depth > _DEEPEST:
            return True
    return False


def _without_templates(text: str) -> str:
    """Put comments and words of the same length where a template's own language stands."""
    pieces, at = [], 0
    while opens := _OPENS.search(text, at):
        start, close = opens.start(), _BRACES[opens[0]]
        end = text.find(close, start + 2)
        if end < 0:
            break
        end += len(close)
        line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        line_end = line_end if line_end >= 0 else len(text)
        ahead, behind = text[line_start:start], text[end:line_end].strip()
        is_alone = not ahead.strip() and (not behind or behind.endswith(tuple(_BRACES.values())))
        if is_alone:
            end = end if not behind else max(end, line_end)
        filler = "#" if is_alone else "x"
        pieces += [text[at:start], re.sub(r"[^\r\n]", filler, text[start:end])]
        at = end
    return "".join((*pieces, text[at:]))


def _walk(shape: Shape, text: str, plain: str, node: Node, path: tuple[str, ...]) -> None:
    """Take in all values below a node, each once, however many aliases it has."""
    stack: list[tuple[Node, tuple[str, ...], Value | None]] = [(node, path, None)]
    seen: set[int] = set()
    while stack:
        one, at, registry = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Scalar):
            if not one.is_block or not _embedded(shape, text, plain, one, at):
                _field(shape, text, one, at)
        elif isinstance(one, Sequence):
            stack += [(v, (*at, str(n)), registry) for n, v in reversed([*enumerate(one.items)])]
        else:
            registry = shared_registry(one, text) or registry
            _mapping(shape, text, one, at, registry)
            stack += [(value, (*at, word(key)), registry) for key, value in reversed(one.pairs)]


def _embedded(shape: Shape, text: str, plain: str, one: Scalar, at: tuple[str, ...]) -> bool:
    """Take in YAML that stands in YAML, such as values of a chart; return whether it is that."""
    begin = plain.find("\n", one.start, one.end) + 1
    if not begin or not _MAY_NAME.search(text, begin, one.end):
        return False
    try:
        inner = list(documents(plain[begin : one.end], begin))
    except ValueError:
        return False
    if len(inner) != 1 or not isinstance(inner[0], Mapping):
        return False
    _walk(shape, text, "", inner[0], at)  # not what stands in that: nothing is read three times
    return True


def _mapping(
    shape: Shape, text: str, one: Mapping, at: tuple[str, ...], registry: Value | None
) -> None:
    """Take in the keys of a mapping, and the name that its values make together."""
    own = dict(texts(one, text))
    merged = _merged(one, text) if any(word(key) == "<<" for key, _ in one.pairs) else {}
    name = joined({**merged, **own})
    if name is None and registry:
        name = below_shared(registry, {**merged, **own}, at)
    if name and {part.start for part in name.parts} & {start for _, start, _ in own.values()}:
        shape.parted.append((name, ".".join(at)))
    for key, _ in one.pairs:
        if isinstance(key, Scalar):
            _field(shape, text, key, at)


def _field(shape: Shape, text: str, one: Scalar, at: tuple[str, ...]) -> None:
    """Take in where a value or key stands, if there may be a name in it: in few there is."""
    if _MAY_NAME.search(text, one.start, one.end):
        shape.fields.append(Field(one.start, one.end, ".".join(at)))


def _merged(node: Mapping, text: str) -> dict[str, Value]:
    """Return what `<<` brings into a mapping, from as deep as three of them."""
    found: dict[str, Value] = {}
    level = [node]
    for _ in range(3):
        merged = [value for one in level for key, value in one.pairs if word(key) == "<<"]
        level = [
            one
            for value in merged
            for one in (value.items if isinstance(value, Sequence) else [value])
            if isinstance(one, Mapping)
        ]
        for one in level:
            found = {**dict(texts(one, text)), **found}
    return found


def _values(shape: Shape, kind: str, document: Node) -> None:
    """Take in what stands for gaps, at whatever depth, unless it is said in several ways."""
    prefixes = _VALUES.get(kind, {})
    said: defaultdict[str, set[str]] = defaultdict(set)
    for one in _mappings(document) if prefixes or kind == "tekton" else ():
        for key, value in one.pairs:
            if isinstance(value, Mapping):
                for prefix in prefixes.get(word(key), ()):
                    for name, text in _said(value):
                        said[f"{prefix}{name}"].add(text)
        if kind == "tekton":
            own = {word(k): v.value for k, v in one.pairs if isinstance(v, Scalar)}
            if "name" in own and "default" in own:
                shape.values.setdefault(f"params.{own['name']}", own["default"])
    shape.values |= {name: min(texts) for name, texts in said.items() if len(texts) == 1}


def _mappings(document: Node) -> Iterator[Mapping]:
    """Give each mapping of a document once, however many aliases it has."""
    stack, seen = [document], set[int]()
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Sequence):
            stack += reversed(one.items)
        elif isinstance(one, Mapping):
            yield one
            stack += reversed([value for _, value in one.pairs])


def _said(node: Mapping) -> Iterator[tuple[str, str]]:
    """Give what stands for each name; it may be told beside other things about the name."""
    for key, value in node.pairs:
        inner = {word(k): v for k, v in value.pairs} if isinstance(value, Mapping) else {"": value}
        text = next((inner[name] for name in ("", "value", "default") if name in inner), None)
        if isinstance(text, Scalar):
            yield word(key), text.value
