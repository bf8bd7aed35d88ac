"""What Container Registry said of a project's use of a host: one word in a list of tags.

The word is read if it is there. Nothing that comes instead of it is an error: whether the
question is still answered is not known.
"""

from __future__ import annotations

import json
import re
from typing import Final

QUESTION: Final = "tags/list?check_usage_only=true"
_WORD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def usage_word(body: bytes) -> str:
    """Return the word in the body of an answer; empty if there is none, whatever else it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    word = value.get("usage") if isinstance(value, dict) else None
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""
