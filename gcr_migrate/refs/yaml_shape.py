"""The shape of YAML and JSON, also of templates that become YAML."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from gcr_migrate.refs.finder import MARKS
from gcr_migrate.refs.joined import joined
from gcr_migrate.refs.shape import Field, Shape, moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.joined import Value

_BRACES: Final = {"{{": "}}", "{%": "%}", "{#": "#}"}  # of Go's templates, and of Jinja's
_BRACKET: Final = re.compile(r"[\[\]{}]")
_DEEPEST: Final = 100
_MARKS: Final = tuple(mark.decode() for mark in MARKS)
_OPENS: Final = re.compile(r"\{[{%#]")
_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)*")  # an anchor, a type
_DOCUMENT: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_UNPRINTABLE: Final = re.compile(
    r"[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
# Where a format keeps what stands for its gaps, and how the gaps call it.
_VALUES: Final = {
    "cloud-build": (("substitutions", ""),),
    "github-workflow": (("env", "env."), ("env", "")),
    "gitlab-ci": (("variables", ""),),
    "compose": (("x-variables", ""),),
}


def yaml_shape(kind: str, text: str) -> Shape:
    """Return the shape of YAML or JSON; of what is neither, nothing is known.

    Args:
        kind: kind of the file.
        text: what is in it.
    """
    shape, plain = Shape(), _without_templates(_UNPRINTABLE.sub(" ", text))
    plain = plain.replace("\t", " ") if text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} else plain
    starts = [0, *(found.start() for found in _DOCUMENT.finditer(plain)), len(plain)]
    for start, end in pairwise(starts):
        if not any(mark in text[start:end] for mark in _MARKS) or _is_too_deep(plain[start:end]):
            continue  # most documents of a large file have no name, and reading one takes long
        one = _document(kind, text[start:end], plain[start:end])
        shape.fields += [replace(f, start=f.start + start, end=f.end + start) for f in one.fields]
        shape.parted += [(moved(name, start), field) for name, field in one.parted]
        shape.values = {**one.values, **shape.values}
    shape.fields.sort(key=lambda one: one.start)
    return shape


def _document(kind: str, text: str, plain: str) -> Shape:
    """Return the shape of one document; one that is broken keeps nobody from reading the next."""
    shape = Shape()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an anchor that stands for two things
            for document in filter(None, YAML(plug_ins=[]).compose_all(plain)):
                _walk(shape, text, document)
                _values(shape, kind, document)
    except (YAMLError, ValueError, RecursionError):
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


def _walk(shape: Shape, text: str, node: Any) -> None:
    """Take in all values below a node, each once, however many aliases it has."""
    stack: list[tuple[Any, tuple[str, ...]]] = [(node, ())]
    seen: set[int] = set()
    while stack:
        one, at = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, MappingNode):
            own = dict(_texts(one, text))
            name = joined({**_merged(one, text), **own})
            if name and {part.start for part in name.parts} & {
                start for _, start, _ in own.values()
            }:
                shape.parted.append((name, ".".join(at)))
            stack += [(value, (*at, str(key.value))) for key, value in reversed(one.value)]
            keys = [(key.start_mark.index, key.end_mark.index) for key, _ in one.value]
            shape.fields += [Field(start, end, ".".join(at)) for start, end in keys]
        elif isinstance(one, SequenceNode):
            stack += [(value, (*at, str(n))) for n, value in reversed([*enumerate(one.value)])]
        elif isinstance(one, ScalarNode):
            start, end = one.start_mark.index, one.end_mark.index
            shape.fields.append(Field(start, end, ".".join(at)))


def _merged(node: MappingNode, text: str) -> dict[str, Value]:
    """Return what `<<` brings into a mapping, from as deep as three of them."""
    found: dict[str, Value] = {}
    level = [node]
    for _ in range(3):
        merged = [value for one in level for key, value in one.value if key.value == "<<"]
        level = [
            one
            for value in merged
            for one in (value.value if isinstance(value, SequenceNode) else [value])
            if isinstance(one, MappingNode)
        ]
        for one in level:
            found = {**dict(_texts(one, text)), **found}
    return found


def _texts(node: MappingNode, text: str) -> Iterator[tuple[str, Value]]:
    """Give the values of a mapping that stand in the text just as they are, by their keys."""
    for key, value in node.value:
        if isinstance(value, ScalarNode) and isinstance(key.value, str):
            start, end = value.start_mark.index, value.end_mark.index
            start += len(_PROPERTIES.match(text, start)[0])  # type: ignore[index]  # it may be empty
            if value.style in {"'", '"'}:
                start, end = start + 1, end - 1
            yield key.value, (text[start:end], start, end)


def _values(shape: Shape, kind: str, document: Any) -> None:
    for word, prefix in _VALUES.get(kind, ()):
        for key, value in _below(document, word):
            shape.values.setdefault(f"{prefix}{key}", value)
    if kind == "tekton":
        _parameters(shape, document)


def _below(document: Any, word: str) -> Iterator[tuple[str, str]]:
    if not isinstance(document, MappingNode):
        return
    for key, value in document.value:
        if key.value == word and isinstance(value, MappingNode):
            for name, one in value.value:
                if isinstance(one, ScalarNode):
                    yield str(name.value), str(one.value)


def _parameters(shape: Shape, node: Any) -> None:
    """Take in the defaults of a task's parameters, at whatever depth they are declared."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, SequenceNode):
            stack += one.value
        elif isinstance(one, MappingNode):
            said = {k.value: v.value for k, v in one.value if isinstance(v, ScalarNode)}
            if "name" in said and "default" in said:
                shape.values.setdefault(f"params.{said['name']}", str(said["default"]))
            stack += [value for _, value in one.value]
