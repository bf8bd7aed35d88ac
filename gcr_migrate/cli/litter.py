"""How often the interpreter looks for cycles of objects that nobody needs any more."""

from __future__ import annotations

import gc
from typing import Final

_LITTER: Final = 20_000  # objects that may lie about before cycles are looked for


def look_seldom() -> None:
    """Have every process of the program look seldom, from its start on.

    Little of what is made here has cycles: to look through all of it after every few hundred
    objects would be one part in ten of loading the program, and one in twenty of what a run
    computes.
    """
    gc.set_threshold(_LITTER, 20, 20)


def keep_what_is_loaded() -> None:
    """Have nobody look through what was loaded: it stays."""
    gc.freeze()
