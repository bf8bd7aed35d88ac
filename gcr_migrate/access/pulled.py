"""Who pulled by a log, held against who can pull from a target by the plan's own rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.model.access import PUBLIC, Right, spelled
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.model.pulls import Use

_GROUPS: Final = ("group:", "principalSet:", "principalHierarchy:")
_PEOPLE: Final = ("user:", "group:")


def pulled_findings(
    target: str, uses: Mapping[str, Use], rows: Iterable[AccessRow]
) -> Iterator[Finding]:
    """Give who pulled what goes to a target, and cannot pull from it afterwards, or may not.

    Args:
        target: the target repository, as people know it.
        uses: what each member did, as a log tells, with the images that go there.
        rows: of the plan, about that target.
    """
    after = {spelled(one.member): one.after for one in rows if one.right is Right.PULL}
    for member, use in sorted(uses.items()):
        if not use.pulls:
            continue
        can, why = can_pull(spelled(member), after)
        subject = f"{target} {member}"
        if can is False:
            saw = f"{use.told}; nothing lets it pull there"
            yield Finding(errors.ACCESS_LOST, Severity.ERROR, subject, saw)
        elif can is None:
            yield Finding(errors.ACCESS_UNKNOWN, Severity.WARNING, subject, f"{use.told}; {why}")


def can_pull(member: str, after: Mapping[str, bool | None]) -> tuple[bool | None, str]:
    """Return whether somebody can pull from a target; None if that is not known, and why not.

    Args:
        member: who, in the spelling of `spelled`.
        after: who can pull there by the plan, likewise; None where that is not known.
    """
    everybody = PUBLIC if member not in PUBLIC else {"allUsers", member}
    domain = f"domain:{member.partition('@')[2]}" if member.startswith(_PEOPLE) else ""
    known = [after[one] for one in (member, domain, *everybody) if one in after]
    if any(known):
        return True, ""
    if None in known:
        return None, "whether it can pull there is not known"
    if not after:
        return None, "the plan says nothing about access there"
    if member not in PUBLIC:
        for group, can in sorted(after.items()):
            if can is not False and group.startswith(_GROUPS):
                return None, f"it may be in {group}, which can pull there"
    return False, ""
