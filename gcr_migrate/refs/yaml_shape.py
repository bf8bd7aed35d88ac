"""The shape of YAML and JSON, also of templates that become YAML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from gcr_migrate.refs.joined import joined
from gcr_migrate.refs.shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.joined import Value

_DIRECTIVE: Final = re.compile(r"^([ \t]*)\{\{.*\}\}[ \t]*$", re.MULTILINE)
_INSIDE: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
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
    shape = Shape()
    try:
        for document in YAML().compose_all(_without_templates(text)):
            if document is not None:
                _walk(shape, text, document, ())
                _values(shape, kind, document)
    except (YAMLError, ValueError, RecursionError):
        return Shape()
    shape.fields.sort(key=lambda one: one.start)
    return shape


def _without_templates(text: str) -> str:
    """Put comments and words of the same length where a template's own language stands."""
    if "{{" not in text:
        return text
    text = _DIRECTIVE.sub(lambda m: m[1] + "#" * (len(m[0]) - len(m[1])), text)
    return _INSIDE.sub(lambda m: re.sub(r"[^\n]", "x", m[0]), text)


def _walk(shape: Shape, text: str, node: Any, path: tuple[str, ...]) -> None:
    stack = [(node, path)]
    while stack:
        one, at = stack.pop()
        if isinstance(one, MappingNode):
            if name := joined(dict(_texts(one, text))):
                shape.parted.append((name, ".".join(at)))
            stack += [(value, (*at, str(key.value))) for key, value in one.value]
            keys = [(key.start_mark.index, key.end_mark.index) for key, _ in one.value]
            shape.fields += [Field(start, end, ".".join(at)) for start, end in keys]
        elif isinstance(one, SequenceNode):
            stack += [(value, (*at, str(number))) for number, value in enumerate(one.value)]
        elif isinstance(one, ScalarNode):
            start, end = one.start_mark.index, one.end_mark.index
            shape.fields.append(Field(start, end, ".".join(at)))


def _texts(node: MappingNode, text: str) -> Iterator[tuple[str, Value]]:
    """Give the values of a mapping that stand in the text just as they are, by their keys."""
    for key, value in node.value:
        if isinstance(value, ScalarNode) and isinstance(key.value, str):
            start, end = value.start_mark.index, value.end_mark.index
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
