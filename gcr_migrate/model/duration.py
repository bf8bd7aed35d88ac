"""A span of time as a person writes it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_WRITTEN: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def read_duration(text: str) -> timedelta:
    """Read a span such as `30m`, `24h` or `7d`.

    Raises:
        ValueError: it is none.
    """
    written = _WRITTEN.fullmatch(text.strip())
    if not written:
        raise ValueError("a number with m, h or d behind it, such as 24h")
    return int(written[1]) * _UNITS[written[2]]
