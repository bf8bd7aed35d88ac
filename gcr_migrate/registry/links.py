"""Link header fields (RFC 8288): which page of a list is the next one."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = r'[^\s=;,"<>]++'
_VALUE: Final = r'"(?:[^"\\]|\\.)*+"|[^\s;,"]*+'
_PARAMETER: Final = re.compile(rf";\s*+({_NAME})\s*+(?:=\s*+({_VALUE}))?")
_LINK: Final = re.compile(
    rf"(?:^|,)\s*+<([^<>]*+)>\s*+((?:;\s*+(?:{_NAME}\s*+(?:=\s*+(?:{_VALUE})\s*+)?)?)*+)(?=,|$)"
)


def next_in(header: str) -> str | None:
    """Return where the first link of the relation `next` leads to, as it is written."""
    for link in _LINK.finditer(header):
        if "next" in _relations(link[2]):
            return link[1]
    return None


def is_whole(header: str) -> bool:
    """Whether links are all that is in a header; else one of them may be the next page."""
    return not _LINK.sub("", header).strip(" \t,")


def _relations(parameters: str) -> list[str]:
    """Return the relations of a link, in small letters; a second `rel` does not count."""
    for name, value in _PARAMETER.findall(parameters):
        if name.lower() == "rel":
            text = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            return str(text).lower().split()
    return []
