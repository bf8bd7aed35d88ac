"""Parts of a service that refuse by themselves, while it takes what is asked of its other parts.

A 429 mostly means that a quota is used up that is everybody's. But one repository may have a limit
of its own, or refuse for ever, and all others must not wait for it. What is refused lets others go
first after the pause; if they are taken and it is refused again, it is alone with that, and waits
by itself. With the first thing that such a part takes, it is one like all others.

A part is a method and the path above what is asked for, such as all uploads to one repository. In
the same way one thing may be refused alone, such as a tag, while its part takes all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

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
_NEVER: Final = float("-inf")

_Name: TypeAlias = tuple[str, str]  # a part, and what of it was asked for; empty: the part itself


class _Part(Struct):
    """A part, or one thing of it, of which nothing was taken since it was refused.

    Attributes:
        since: when it was found to be alone with that; before, when it was refused first.
        refused_at: when it was refused last before that.
        until: when the next request may be sent to it.
        saw: what the service said.
        alone: others were taken while it was refused.
        count: pauses of its own.
        tried_at: when the request was sent of which the answer is waited for.
        on_trial: a thing of it is asked for, though it is given up; `was_tried`: so one was.
    """

    since: float
    refused_at: float
    until: float
    saw: str
    alone: bool = False
    count: int = 0
    tried_at: float = _NEVER
    on_trial: bool = False
    was_tried: bool = False

    def left_s(self, now: float) -> float:
        """Return after how many seconds it may be asked again; zero: now."""
        if now < self.until:
            return self.until - now
        return _LOOK_AGAIN_S if now - self.tried_at < _TRIED_FOR_S else 0.0

    def is_over(self, now: float) -> bool:
        """Whether its refusals tell nothing any more."""
        return now > max(self.until, self.refused_at) + _FORGOTTEN_AFTER_S


class Refusing:
    """The parts of one service, and things of them, of which nothing was taken since a refusal.

    It keeps no clock: each call is told the time in seconds. Where a call is told a subject, that
    is what the request is about, and with its part names one thing; empty: nobody says.

    Args:
        length_s: gives seconds to pause by the pauses before and what the service asked for.
        patience_s: how long a part may refuse before what is asked of it is given up.
    """

    def __init__(self, length_s: Callable[[int, float | None], float], patience_s: float) -> None:
        self._parts: dict[_Name, _Part] = {}
        self._length_s = length_s
        self._patience_s = patience_s
        # When the last one was sent that was taken: of those that write and those that read, and
        # of parts of which things are refused.
        self._taken = {True: _NEVER, False: _NEVER}
        self._taken_of: dict[str, float] = {}

    def left_s(self, part: str, now: float, subject: str = "") -> float:
        """Return after how many seconds a request may be sent to this part; zero: now."""
        if not self._parts:
            return 0.0
        found = [self._parts[name] for name in _names(part, subject) if name in self._parts]
        return max((one.left_s(now) for one in found), default=0.0)

    def sent(self, turn: Turn) -> None:
        """Take note that a request is sent: others to its part, if refused, wait for the answer."""
        for name in _names(turn.part, turn.subject) if self._parts else ():
            if part := self._parts.get(name):
                part.tried_at = turn.sent_at

    def gives_way(self, part: str, waiting: Iterable[str]) -> bool:
        """Whether a part was refused, nothing of others taken since, and one waits that was not."""
        one, writes = self._parts.get((part, "")), is_write(part)
        if one is None or one.alone or self._taken[writes] > one.refused_at:
            return False
        return any(
            is_write(other) == writes and (other, "") not in self._parts for other in waiting
        )

    def took(self, turn: Turn) -> None:
        """Take note that a request was taken."""
        writes = is_write(turn.part)
        self._taken[writes] = max(self._taken[writes], turn.sent_at)
        if not self._parts:
            return
        if (before := self._taken_of.get(turn.part)) is not None:
            self._taken_of[turn.part] = max(before, turn.sent_at)
        for name in _names(turn.part, turn.subject):
            self._parts.pop(name, None)

    def refused(
        self, part: str, now: float, after_s: float | None, saw: str, subject: str = ""
    ) -> bool:
        """Take note of a 429.

        Args:
            part: that was asked; empty: it is not known.
            now: the time.
            after_s: seconds that the service asked to wait, None if it did not say.
            saw: what it said.
            subject: what was asked for.

        Returns:
            Whether that is a matter of this part, or of this thing, alone, and no pause for all.
        """
        if not part:
            return False
        if subject:
            taken_at = self._taken_of.get(part, _NEVER)
            if self._refused((part, subject), taken_at, now, after_s, saw):
                return True
            self._taken_of.setdefault(part, _NEVER)
        alone = self._refused((part, ""), self._taken[is_write(part)], now, after_s, saw)
        self._lets_the_part_go_first(part, subject)
        return alone

    def _refused(
        self, name: _Name, taken_at: float, now: float, after_s: float | None, saw: str
    ) -> bool:
        """Take note of a refusal, and whether others were taken that were sent since the last."""
        one = self._parts.get(name)
        if one is None or one.is_over(now):
            self._forget(now)
            self._parts[name] = _Part(now, now, now, saw)
            return False
        one.saw = saw
        one.tried_at, one.on_trial = _NEVER, False
        if not one.alone:
            alone = taken_at > one.refused_at
            one.refused_at = now
            if not alone:
                return False
            one.alone, one.since = True, now
        if now < one.until:  # it was on its way already
            one.until = max(one.until, now + (after_s or 0.0))
        else:
            one.until = now + self._length_s(one.count, after_s)
            one.count += 1
        return True

    def _forget(self, now: float) -> None:
        """Drop what is over: a part may be of one request only, which nobody asks for again."""
        for name in [name for name, part in self._parts.items() if part.is_over(now)]:
            del self._parts[name]
        kept = {part for part, subject in self._parts if subject}
        self._taken_of = {part: at for part, at in self._taken_of.items() if part in kept}

    def lets_others_go_first(
        self, part: str, until: float, pause_s: float, per_s: float | None, subject: str = ""
    ) -> None:
        """Have a part that was refused wait until a little after the pause of all.

        Args:
            part: that was refused.
            until: end of the pause.
            pause_s: its seconds.
            per_s: requests per second after it; None: as many as can be.
            subject: what was asked for; it waits for others of its part too.
        """
        least, most = _AFTER_OTHERS_S
        turns_s = _OTHERS / per_s if per_s else 0.0
        if one := self._parts.get((part, "")):
            one.until = max(one.until, until + min(max(least, pause_s / 4, turns_s), most))
        self._lets_the_part_go_first(part, subject)

    def _lets_the_part_go_first(self, part: str, subject: str) -> None:
        whole, one = self._parts.get((part, "")), self._parts.get((part, subject))
        if subject and whole and one:
            one.until = max(one.until, whole.until + _AFTER_OTHERS_S[0])

    def was_refused(self, part: str, now: float) -> bool:
        """Whether a part was refused, and nothing of it was taken since."""
        one = self._parts.get((part, ""))
        return one is not None and not one.is_over(now)

    def may_try(self, part: str, now: float, subject: str) -> bool:
        """Whether to ask for a thing though its part is given up, as it was not refused itself.

        One such thing tells whether it is the part that refuses, or only what was asked for before.
        """
        whole, one = self._parts.get((part, "")), self._parts.get((part, subject))
        was_refused = one is not None and not one.is_over(now)
        return bool(subject) and not was_refused and whole is not None and not whole.was_tried

    def tries(self, part: str, now: float) -> None:
        """Take note that a thing of a part that is given up is asked for, right now."""
        whole = self._parts[part, ""]
        whole.on_trial = whole.was_tried = True
        whole.until = now

    def is_alone(self, part: str, subject: str = "") -> bool:
        """Whether a part, or this thing of it, is refused while others are taken."""
        return any(
            name in self._parts and self._parts[name].alone for name in _names(part, subject)
        )

    def is_alone_in_its_part(self, part: str, subject: str) -> bool:
        """Whether this thing is refused while others of its part are taken."""
        one = self._parts.get((part, subject)) if subject else None
        return one is not None and one.alone

    def hopeless(self, part: str, now: float, subject: str = "") -> str | None:
        """Return what was said to who is refused alone and is to be given up; None: it is not."""
        for name in _names(part, subject):
            one = self._parts.get(name)
            if one is None or not one.alone or one.on_trial:
                continue
            if max(one.until, now) > one.since + self._patience_s:
                return one.saw
        return None


def part_of(method: str, url: str) -> str:
    """Return the part of its service that a request is for; a mount is no upload."""
    path, _, query = url.partition("?")
    return f"{method} {path.rpartition('/')[0]}" + (" mounts" if "&mount=" in f"&{query}" else "")


def _names(part: str, subject: str) -> tuple[_Name, ...]:
    """Return the names of a part, and of one thing of it."""
    return ((part, ""), (part, subject)) if subject else ((part, ""),)


def is_write(part: str) -> bool:
    """Whether what is asked of a part writes."""
    return part.partition(" ")[0] in WRITES
