"""The shape of Terraform's and OpenTofu's files: attributes, and what variables are by default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import hcl2
from lark import Token, Tree
from lark.exceptions import LarkError

from gcr_migrate.refs.shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD: Final = "identifier"


def hcl_shape(text: str) -> Shape:
    """Return the shape of HCL; of what is none, nothing is known."""
    try:
        tree = hcl2.parses_to_tree(text if text.endswith("\n") else f"{text}\n")
    except (LarkError, ValueError, RecursionError):
        return Shape()
    shape = Shape()
    _walk(shape, tree, ())
    shape.fields.sort(key=lambda one: one.start)
    return shape


def _walk(shape: Shape, tree: Tree[Token], path: tuple[str, ...]) -> None:
    for child in tree.children:
        if not isinstance(child, Tree):
            continue
        if child.data == "block":
            _walk(shape, child, (*path, *_labels(child)))
        elif child.data == "attribute":
            _attribute(shape, child, path)
        else:
            _walk(shape, child, path)


def _labels(block: Tree[Token]) -> Iterator[str]:
    for child in block.children:
        if isinstance(child, Tree) and child.data in {_WORD, "string"}:
            yield _text(child).strip('"')


def _attribute(shape: Shape, attribute: Tree[Token], path: tuple[str, ...]) -> None:
    tokens = list(attribute.scan_values(lambda one: isinstance(one, Token)))
    places = [one for one in tokens if one.start_pos is not None]
    if not places:
        return
    name = _text(attribute.children[0])
    start, end = places[0].start_pos or 0, places[-1].end_pos or 0
    shape.fields.append(Field(start, end, ".".join((*path, name))))
    value = _text(attribute.children[-1]).strip()
    if value[:1] == value[-1:] == '"' and "${" not in value:
        if path[:1] == ("variable",) and name == "default":
            shape.values[f"var.{path[1]}"] = value[1:-1]
        elif path == ("locals",):
            shape.values[f"local.{name}"] = value[1:-1]


def _text(tree: Tree[Token] | Token) -> str:
    if isinstance(tree, Token):
        return str(tree)
    return "".join(str(one) for one in tree.scan_values(lambda one: isinstance(one, Token)))
