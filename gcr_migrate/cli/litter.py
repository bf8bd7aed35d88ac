"""How often the interpreter looks for cycles of objects that nobody needs any more."""

from __future__ import annotations

import gc
from typing import Final

_LITTER: Final = 20_000  # objects that may lie about before cycles are looked for


def look_seldom() -> None:
    """Have every process of the program look seldom.

    What is loaded stays, and little of what is made here has cycles: to look through all of it
    after every few hundred objects would be one part in twenty of what a run computes.
    """
    gc.freeze()
    gc.set_threshold(_LITTER, 20, 20)
