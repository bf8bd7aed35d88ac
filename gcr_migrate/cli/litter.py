"""How the interpreter deals with memory that nobody needs any more."""

from __future__ import annotations

import gc
from typing import Final

_LITTER: Final = 50_000  # objects that may lie about before cycles are looked for
_KEPT: Final = 4 * 1024 * 1024


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


def keep_memory() -> None:
    """Have memory of pieces of blobs be used again, and not given back to the system each time.

    The C library of most systems keeps more the larger the blocks are that it saw given back. This
    one is never filled, so that it costs nothing; elsewhere nothing changes.
    """
    memoryview(bytes(_KEPT)).release()
