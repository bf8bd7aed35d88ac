"""Parts of a service that refuse by themselves, while it takes what is asked of its other parts.

A 429 mostly means that a quota is used up that is everybody's. But one repository may have a limit
of its own, or refuse for ever, and all others must not wait for it. What is refused lets others go
first after the pause; if they are taken and it is refused again, it is alone with that, and waits
by itself. With the first thing that such a part takes, it is one like all others.

A part is a method and the path above what is asked for, such as all uploads to one repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gcr_migrate.wire.pace import Turn

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_AFTER_OTHERS_S: Final = (0.1, 2.0)  # least and most; a quarter of the pause in between
_OTHERS: Final = 4  # that have their turn before, at a slow pace
_TRIED_FOR_S: Final = 0.5  # later it is being worked on, as an upload is
_LOOK_AGAIN_S: Final = 0.05
_FORGOTTEN_AFTER_S: Final = 60.0  # quotas are counted by the minute


class _Part(Struct):
    """A part of which nothing was taken since it was refused.

    Attributes:
        since: when it was found to be alone with that; before, when it was refused first.
        refused_at: when it was refused last before that.
        until: when the next request may be sent to it.
        saw: what the service said.
        alone: others were taken while it was refused.
        count: pauses of its own.
        tried_at: when the request was sent of which the answer is waited for.
    """

    since: float
    refused_at: float
    until: float
    saw: str
    alone: bool = False
    count: int = 0
    tried_at: float = float("-inf")

    def is_over(self, now: float) -> bool:
        """Whether its refusals tell nothing any more."""
        return now > max(self.until, self.refused_at) + _FORGOTTEN_AFTER_S


class Refusing:
    """The parts of one service of which nothing was taken since they were refused.

    It keeps no clock: each call is told the time in seconds.

    Args:
        length_s: gives seconds to pause by the pauses before and what the service asked for.
        patience_s: how long a part may refuse before what is asked of it is given up.
    """

    def __init__(self, length_s: Callable[[int, float | None], float], patience_s: float) -> None:
        self._parts: dict[str, _Part] = {}
        self._length_s = length_s
        self._patience_s = patience_s
        # When the last one was sent that was taken, of those that write and those that read.
        self._taken = {True: float("-inf"), False: float("-inf")}

    def left_s(self, name: str, now: float) -> float:
        """Return after how many seconds a request may be sent to this part; zero: now."""
        part = self._parts.get(name)
        if part is None:
            return 0.0
        if now < part.until:
            return part.until - now
        return _LOOK_AGAIN_S if now - part.tried_at < _TRIED_FOR_S else 0.0

    def sent(self, turn: Turn) -> None:
        """Take note that a request is sent: others to its part, if refused, wait for the answer."""
        if part := self._parts.get(turn.part):
            part.tried_at = turn.sent_at

    def gives_way(self, name: str, waiting: Iterable[str]) -> bool:
        """Whether a part was refused, nothing of others taken since, and one waits that was not."""
        part, writes = self._parts.get(name), _writes(name)
        if part is None or part.alone or self._taken[writes] > part.refused_at:
            return False
        return any(_writes(one) == writes for one in waiting if one not in self._parts)

    def took(self, turn: Turn) -> None:
        """Take note that a request was taken."""
        writes = _writes(turn.part)
        self._taken[writes] = max(self._taken[writes], turn.sent_at)
        self._parts.pop(turn.part, None)

    def refused(self, name: str, now: float, after_s: float | None, saw: str) -> bool:
        """Take note of a 429.

        Args:
            name: of the part that was asked; empty: it is not known.
            now: the time.
            after_s: seconds that the service asked to wait, None if it did not say.
            saw: what it said.

        Returns:
            Whether that is a matter of this part alone, and no pause for all others.
        """
        if not name:
            return False
        part = self._parts.get(name)
        if part is None or part.is_over(now):
            self._forget(now)
            self._parts[name] = _Part(now, now, now, saw)
            return False
        part.saw = saw
        part.tried_at = float("-inf")
        if not part.alone:
            alone = self._taken[_writes(name)] > part.refused_at
            part.refused_at = now
            if not alone:
                return False
            part.alone, part.since = True, now
        if now < part.until:  # it was on its way already
            part.until = max(part.until, now + (after_s or 0.0))
        else:
            part.until = now + self._length_s(part.count, after_s)
            part.count += 1
        return True

    def _forget(self, now: float) -> None:
        """Drop what is over: a part may be of one request only, which nobody asks for again."""
        for name in [name for name, part in self._parts.items() if part.is_over(now)]:
            del self._parts[name]

    def lets_others_go_first(
        self, name: str, until: float, pause_s: float, per_s: float | None
    ) -> None:
        """Have a part that was refused wait until a little after the pause of all.

        Args:
            name: of the part.
            until: end of the pause.
            pause_s: its seconds.
            per_s: requests per second after it; None: as many as can be.
        """
        least, most = _AFTER_OTHERS_S
        turns_s = _OTHERS / per_s if per_s else 0.0
        if part := self._parts.get(name):
            part.until = max(part.until, until + min(max(least, pause_s / 4, turns_s), most))

    def is_alone(self, name: str) -> bool:
        """Whether a part is refused while others are taken."""
        part = self._parts.get(name)
        return part is not None and part.alone

    def hopeless(self, name: str, now: float) -> str | None:
        """Return what a part said that is alone and is to be given up; None: it is not."""
        part = self._parts.get(name)
        if part is None or not part.alone:
            return None
        return part.saw if max(part.until, now) > part.since + self._patience_s else None


def part_of(method: str, url: str) -> str:
    """Return the part of its service that a request is for."""
    return f"{method} {url.partition('?')[0].rpartition('/')[0]}"


def _writes(name: str) -> bool:
    return name.partition(" ")[0] in WRITES
