"""The shape of a Dockerfile: its instructions, and what its arguments are by default."""

from __future__ import annotations

import io
import re
from typing import Any, Final

from dockerfile_parse import DockerfileParser

from gcr_migrate.refs.shape import Field, Shape, offsets

_DEFAULT: Final = re.compile(r"([A-Za-z_]\w*)=(?:\"([^\"]*)\"|'([^']*)'|(\S*))")
_WORDS: Final = frozenset(
    {"ADD", "ARG", "CMD", "COMMENT", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK"}
    | {"LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}
)
_FROM: Final = re.compile(r"--from=")


def docker_shape(text: str) -> Shape:
    """Return the shape of a Dockerfile."""
    raw: Any = io.BytesIO(
        text.encode("utf-8", errors="replace")
    )  # of bytes, whatever its types say
    shape, starts = Shape(), [*offsets(text), len(text)]
    for one in DockerfileParser(fileobj=raw).structure:
        word, value = one["instruction"], one["value"]
        if word not in _WORDS and shape.fields:  # a line of a text that the last one holds
            before = shape.fields.pop()
            end = starts[min(one["endline"] + 1, len(starts) - 1)]
            shape.fields.append(Field(before.start, end, before.path))
            continue
        start, end = starts[one["startline"]], starts[min(one["endline"] + 1, len(starts) - 1)]
        name = f"{word} --from" if word == "COPY" and _FROM.search(value) else word
        shape.fields.append(Field(start, end, name))
        if word in {"ARG", "ENV"}:
            for found in _DEFAULT.finditer(value):
                said = next(text for text in (*found.groups()[1:], "") if text is not None)
                shape.values.setdefault(found[1], said)
    return shape
