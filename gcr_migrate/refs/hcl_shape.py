"""The shape of Terraform's and OpenTofu's files: attributes, objects, and what variables are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import hcl2
from lark import Token, Tree
from lark.exceptions import LarkError

from gcr_migrate.refs.joined import joined
from gcr_migrate.refs.shape import Field, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.refs.joined import Value

Path = tuple[str, ...]

_WORD: Final = "identifier"
_SETS: Final = {"attribute", "object_elem"}  # a word, and the value that it is given
_QUOTED: Final = re.compile(r'"(?:[^"$\\]|\$\{[^{}"]*\})*"')
_REFERENCE: Final = re.compile(r"(?:var|local)\.[\w.-]+")
_OF_OBJECTS: Final = ("registry", "tag", "digest", "imageTag", "imageRegistry", "hub", "version")


def hcl_shape(text: str) -> Shape:
    """Return the shape of HCL; of what is none, nothing is known."""
    shape = Shape()
    try:
        tree = _parsed(text)
        if tree:
            _walk(shape, tree, ())
            shape.values = _values(tree)
    except RecursionError:
        return Shape()
    shape.fields.sort(key=lambda one: one.start)
    return shape


def declared(text: str) -> dict[str, str]:
    """Return what variables are by default, and what `locals` are, by what gaps call them."""
    try:
        tree = _parsed(text)
        return _values(tree) if tree else {}
    except RecursionError:
        return {}


def assigned(text: str) -> dict[str, str]:
    """Return what the variables of a `.tfvars` file are, by what gaps call them."""
    try:
        tree = _parsed(text)
        found = _texts(tree, ()) if tree else ()
        return {f"var.{'.'.join(path)}": value[0] for path, value in found}
    except RecursionError:
        return {}


def _values(tree: Tree[Token]) -> dict[str, str]:
    found = {name: value[0] for path, value in _texts(tree, ()) if (name := _variable(path))}
    # Bake calls its variables by their names alone.
    return {name.removeprefix("var."): text for name, text in found.items()} | found


def _parsed(text: str) -> Tree[Token] | None:
    try:
        return hcl2.parses_to_tree(text if text.endswith("\n") else f"{text}\n")
    except (LarkError, ValueError, RecursionError):
        return None


def _variable(path: Path) -> str:
    """Return what gaps call an attribute of a variable or of `locals`; empty for all others."""
    match path:
        case ("variable", name, "default", *rest):
            return ".".join(("var", name, *rest))
        case ("locals", *rest):
            return ".".join(("local", *rest))
        case _:
            return ""


def _walk(shape: Shape, tree: Tree[Token], path: Path) -> None:
    """Take in the fields below a part of the text, and the names that stand there in parts."""
    name = joined(dict(_beside(tree)))
    if name:
        shape.parted.append((name, ".".join(path)))
    for child in tree.children:
        if not isinstance(child, Tree):
            continue
        below = _below(child, path)
        if child.data in _SETS and (place := _place(child)):
            shape.fields.append(Field(*place, ".".join(below)))
        _walk(shape, child, below)


def _below(tree: Tree[Token], path: Path) -> Path:
    """Return the path of what is in a block, an attribute or a member of an object."""
    if tree.data == "block":
        return (*path, *_labels(tree))
    return (*path, _text(tree.children[0]).strip('" \t')) if tree.data in _SETS else path


def _labels(block: Tree[Token]) -> Iterator[str]:
    for child in block.children:
        if isinstance(child, Tree) and child.data in {_WORD, "string"}:
            yield _text(child).strip('"')


def _texts(tree: Tree[Token], path: Path) -> Iterator[tuple[Path, Value]]:
    """Give the strings that attributes and members of objects are, by their paths."""
    for child in tree.children:
        if not isinstance(child, Tree) or child.data == "tuple":
            continue
        below = _below(child, path)
        if child.data in _SETS and (value := _value(child)):
            yield below, value
        yield from _texts(child, below)


def _beside(tree: Tree[Token]) -> Iterator[tuple[str, Value]]:
    """Give the values of an object, or of a block's attributes, if they may make a name."""
    given = [one for one in tree.children if isinstance(one, Tree) and one.data in _SETS]
    words = [_text(one.children[0]).strip('" \t') for one in given]
    if not set(words) & set(_OF_OBJECTS):
        return
    for word, one in zip(words, given, strict=True):
        if value := _value(one):
            yield word, value


def _value(given: Tree[Token]) -> Value | None:
    """Return the string that something is, or the variable, as a gap that it fills."""
    last = given.children[-1]
    place = _place(last)
    text = _text(last).strip()
    if place and _QUOTED.fullmatch(text):
        return text[1:-1], place[0] + 1, place[1] - 1
    if place and _REFERENCE.fullmatch(text):
        return f"${{{text}}}", *place
    return None


def _place(tree: Tree[Token] | Token) -> tuple[int, int] | None:
    """Return where something begins and ends."""
    if isinstance(tree, Token):
        return None
    tokens = [one for one in _tokens(tree) if one.start_pos is not None]
    return (tokens[0].start_pos or 0, tokens[-1].end_pos or 0) if tokens else None


def _text(tree: Tree[Token] | Token) -> str:
    return str(tree) if isinstance(tree, Token) else "".join(map(str, _tokens(tree)))


def _tokens(tree: Tree[Token]) -> list[Token]:
    return list(tree.scan_values(lambda one: isinstance(one, Token)))
