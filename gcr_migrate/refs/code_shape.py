"""The shape of Bazel's files, which Python can read, and of XML."""

from __future__ import annotations

import ast
import warnings
from xml.parsers import expat

from gcr_migrate.refs.joined import Value, joined
from gcr_migrate.refs.shape import LONE_RETURN, Field, Shape, offsets


def starlark_shape(text: str) -> Shape:
    """Return the shape of Bazel's Starlark: the arguments of its calls."""
    text = LONE_RETURN.sub(" ", text)  # which ends a line for Python, and for nobody else
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in other people's strings
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Shape()
    shape, lines = Shape(), text.split("\n")
    starts = offsets(text)

    def index(line: int, column: int) -> int:
        """Return the index of what Python tells in bytes."""
        if lines[line - 1].isascii():
            return starts[line - 1] + column
        before = lines[line - 1].encode("utf-8", "surrogatepass")[:column]
        return starts[line - 1] + len(before.decode("utf-8", "surrogatepass"))

    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name, parts = ast.unparse(call.func), dict[str, Value]()
        for word in call.keywords:
            value = word.value
            start = index(value.lineno, value.col_offset)
            end = index(value.end_lineno or value.lineno, value.end_col_offset or 0)
            shape.fields.append(Field(start, end, f"{name}.{word.arg}"))
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and word.arg:
                inside = text[start:end].strip("\"'")
                at = start + text[start:end].find(inside)
                parts[word.arg] = (inside, at, at + len(inside))
        has_more = parts.keys() & {"registry", "digest", "tag"}
        if has_more and (whole := joined(parts)):
            shape.parted.append((whole, name))
    shape.fields.sort(key=lambda one: one.start)
    return shape


def xml_shape(text: str) -> Shape:
    """Return the shape of XML: the text of its elements."""
    shape, raw = Shape(), text.encode("utf-8", "surrogatepass")
    path: list[str] = []
    parser = expat.ParserCreate()
    at = [0, 0]  # of the last text: its index in bytes, and in characters

    def data(content: str) -> None:
        there = parser.CurrentByteIndex
        at[1] += len(raw[at[0] : there].decode("utf-8", "surrogatepass"))
        at[0] = there
        shape.fields.append(Field(at[1], at[1] + len(content), ".".join(path)))

    parser.StartElementHandler = lambda name, _: path.append(name)
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = data
    try:
        parser.Parse(text, True)  # noqa: FBT003  # its only form
    except (expat.ExpatError, ValueError):
        return Shape()
    return shape
