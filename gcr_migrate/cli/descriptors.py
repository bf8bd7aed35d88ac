"""How many files and connections this process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

_ENOUGH: Final = 4096


def allow_many() -> None:
    """Take as many as the system lets a program have, and not the few that it begins with.

    A transfer takes two connections. On some systems a program begins with 256 of them.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if most == resource.RLIM_INFINITY else min(_ENOUGH, most)
    if now == resource.RLIM_INFINITY or now >= wanted:
        return
    with suppress(OSError, ValueError):  # then it goes with these
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
