"""What becomes of one right of one member: all that gives it before, and all that will after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.access.held import Hold, Standing, strongest
from gcr_migrate.access.roles import included
from gcr_migrate.model.access import Right, Verdict

if TYPE_CHECKING:
    from gcr_migrate.access.held import Holdings
    from gcr_migrate.model.access import Condition

_OTHERWISE: Final = "held under another condition, or none, from now on"
Holds = tuple[Hold, ...]


class Change(Struct, frozen=True):
    """A right before and after, by what decides about it, and what that means."""

    before: Hold
    after: Hold
    verdict: Verdict
    why: str = ""


def compare(was: Holds, will: Holds) -> Change:
    """Compare two sides of a right.

    Conditions are the same only if they are equal, and then all of them have to be.

    Args:
        was: every grant of the right at the source.
        will: every grant of it at the target.
    """
    before, after = strongest(was), strongest(will)
    always = before.standing is Standing.YES, after.standing is Standing.YES
    if all(always):
        return Change(before, after, Verdict.SAME)
    hidden = None if always[0] else _first(was, Standing.UNKNOWN)
    too = None if always[1] else _first(will, Standing.UNKNOWN)
    unknown = hidden or too
    if unknown and not _is_less(was, will):
        return Change(hidden or before, too or after, Verdict.UNKNOWN, unknown.by)
    if always[0]:
        why = "held under a condition only, from now on" if _counts(after) else ""
        return Change(before, after, Verdict.LOST, why)
    if always[1]:
        return Change(before, after, Verdict.GAINED, _OTHERWISE if _counts(before) else "")
    return _limited(was, will)


def is_implied(right: Right, before: Holdings, after: Holdings, member: str) -> bool:
    """Say whether a gain is all part of the narrowest roles for what was held, always or alike."""
    sure = before.sure(member)
    if right in included(sure):
        return True
    had = {one: _times(before.all_of(member, one)) for one in Right}
    will = [hold for hold in after.all_of(member, right) if _counts(hold)]
    return all(
        hold.condition in had[right]
        or right in included(sure | {one for one in Right if hold.condition in had[one]})
        for hold in will
        if hold.standing is Standing.TIMED
    ) and all(hold.standing is Standing.TIMED for hold in will)


def _limited(was: Holds, will: Holds) -> Change:
    """Compare what is held under conditions at most, on both sides."""
    before, after = strongest(was), strongest(will)
    stays, new = _first(was, Standing.CONDITIONAL), _first(will, Standing.CONDITIONAL)
    if stays and new:
        return Change(stays, new, Verdict.UNKNOWN, "a condition asks for more than the time")
    if stays:
        return Change(stays, after, Verdict.LOST, "its condition cannot be carried")
    had, has = _times(was), _times(will)
    if new or has - had:
        why = _OTHERWISE if _counts(before) else ""
        return Change(before, new or after, Verdict.GAINED, why)
    if had - has:
        return Change(before, after, Verdict.LOST, _OTHERWISE if has else "")
    if had:
        return Change(before, after, Verdict.SAME)
    why = "its condition has ended" if before.condition else "public access is prevented there"
    return Change(before, after, Verdict.EXCUSED, why)


def _is_less(was: Holds, will: Holds) -> bool:
    """Whether some of what is held is lost for certain, beside anything that is not known."""
    if {one.standing for one in will} - {Standing.NO, Standing.ENDED, Standing.TIMED}:
        return False
    stays = any(one.standing is Standing.CONDITIONAL for one in was)
    return stays or (bool(_times(was)) and not _times(will))


def _counts(hold: Hold) -> bool:
    return hold.standing > Standing.ENDED


def _first(holds: Holds, standing: Standing) -> Hold | None:
    return next((one for one in holds if one.standing is standing), None)


def _times(holds: Holds) -> set[Condition]:
    """Return the conditions of time under which a right is held."""
    return {one.condition for one in holds if one.standing is Standing.TIMED and one.condition}
