"""The shape of a Dockerfile: its instructions, and what its arguments are by default."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

from dockerfile_parse import DockerfileParser

from gcr_migrate.refs.finder import filled, find
from gcr_migrate.refs.shape import Field, Shape, Split, offsets

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT: Final = re.compile(r"([A-Za-z_]\w*)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")
_WORD: Final = re.compile(r"[^\s=]*\$[^\s]*")
_FROM: Final = re.compile(r"--from=")


def docker_shape(text: str) -> Shape:
    """Return the shape of a Dockerfile."""
    raw: Any = io.BytesIO(
        text.encode("utf-8", errors="replace")
    )  # of bytes, whatever its types say
    shape, starts = Shape(), [*offsets(text), len(text)]
    for one in DockerfileParser(fileobj=raw).structure:
        word, value = one["instruction"], one["value"]
        start, end = starts[one["startline"]], starts[min(one["endline"] + 1, len(starts) - 1)]
        name = f"{word} --from" if word == "COPY" and _FROM.search(value) else word
        shape.fields.append(Field(start, end, name))
        if word in {"FROM", "COPY"}:
            shape.splits += _completed(text, start, end, name, shape.values)
        elif word in {"ARG", "ENV"}:
            for found in _DEFAULT.finditer(value):
                said = next(text for text in (*found.groups()[1:], "") if text is not None)
                shape.values.setdefault(found[1], said)
    return shape


def _completed(
    text: str, start: int, end: int, name: str, values: dict[str, str]
) -> Iterator[Split]:
    """Give names that begin in an argument: `FROM ${BASE}:1` shows no host itself."""
    for word in _WORD.finditer(text, start, end):
        whole = filled(word[0], "name", values)
        found = next(find(whole), None)
        if whole != word[0] and found and found.text == whole and not list(find(word[0])):
            yield Split((word.span(),), whole, name)
