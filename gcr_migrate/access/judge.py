"""Before and after: what a migration does to each right of each member, and who agreed to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.access.compare import compare, is_implied
from gcr_migrate.access.held import Hold, Standing, basic_holders
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.access.roles import BASIC_ROLES, included, known, rights_in
from gcr_migrate.model.access import AccessRow, Level, Right, Verdict, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.access.held import Holdings
    from gcr_migrate.model.access import AccessWish, Picture

DENIED = "denied by the spec"
GRANTED = "granted by the spec"


def judge(
    source: Picture, before: Holdings, target: Picture, after: Holdings, wish: AccessWish
) -> list[AccessRow]:
    """Compare what everybody could do with a source with what they will do with a target.

    Args:
        source: what was read about the source.
        before: who can do what there.
        target: what was read about the target.
        after: who will be able to do what there.
        wish: what the spec says, consent included.

    Returns:
        A row for each right that somebody holds, held or may hold on either side, by member.
    """
    rows: list[AccessRow] = []
    for member in sorted({*before.members, *after.members}):
        kind = kind_of(member)
        if kind is Kind.BASIC:
            seen = list(_basic(source, before, target, member))
        elif kind in {Kind.DELETED, Kind.AGENT}:
            seen = list(_gone(before, member, kind))
        else:
            seen = list(_compared(before, after, member, wish))
        for one in seen:
            consent = _consent(member, one, wish, after.all_of(member, one.right))
            rows.append(_row(source, target, member, one, consent))
    return rows


class _Seen(Struct, frozen=True):
    """One right before and after, and what that means."""

    right: Right
    before: Hold
    after: Hold
    verdict: Verdict
    why: str = ""


def _compared(before: Holdings, after: Holdings, member: str, wish: AccessWish) -> Iterator[_Seen]:
    denied = member in set(map(spelled, wish.deny))
    for right in Right:
        was, will = before.of(member, right), after.of(member, right)
        if was.standing is Standing.NO and will.standing <= Standing.ENDED:
            continue
        held = before.all_of(member, right)
        if before.unseen and right is Right.PULL and right not in included(before.sure(member)):
            held += (before.unseen,)
        change = compare(held, after.all_of(member, right))
        verdict, why = change.verdict, change.why
        if verdict is Verdict.LOST and kind_of(member) is Kind.PUBLIC:
            why = _why_not_public(right, wish) or why
        if denied and will.standing > Standing.ENDED:
            verdict, why = Verdict.GAINED, f"the spec denies it, {will.by} gives it"
        elif verdict is Verdict.GAINED and is_implied(right, before, after, member):
            verdict, why = Verdict.IMPLIED, "part of the narrowest role for what was held"
        yield _Seen(right, change.before, change.after, verdict, why)


def _why_not_public(right: Right, wish: AccessWish) -> str:
    if right is not Right.PULL:
        return "everybody can only be given to pull"
    return "" if wish.public else "everybody is a reader only with `public: allow`"


def _gone(before: Holdings, member: str, kind: Kind) -> Iterator[_Seen]:
    why = "the member was deleted" if kind is Kind.DELETED else "an agent of the registry itself"
    for right in Right:
        was = before.of(member, right)
        if was.standing is not Standing.NO:
            yield _Seen(right, was, Hold(), Verdict.EXCUSED, why)


def _basic(source: Picture, before: Holdings, target: Picture, member: str) -> Iterator[_Seen]:
    """Judge the owners, editors or viewers of a project as such."""
    prefix, _, project = member.partition(":")
    role = BASIC_ROLES[prefix]
    reaches = project == target.project
    has = rights_in(known(role) or (), Level.REPOSITORY) if reaches else frozenset()
    holders = basic_holders(source, member)
    for right in Right:
        was = before.of(member, right)
        if was.standing is Standing.NO:
            continue
        if right in has:
            will = Hold(Standing.YES, f"{role} on projects/{project}")
            yield _Seen(right, was, will, Verdict.SAME, "hold it through the project")
        elif holders is None:
            saw = f"who has {role} on projects/{project} was not seen"
            yield _Seen(right, was, Hold(Standing.UNKNOWN), Verdict.UNKNOWN, saw)
        else:
            saw = f"who has {role} is judged by name: {len(holders)}"
            yield _Seen(right, was, Hold(), Verdict.EXCUSED, saw)


def _row(source: Picture, target: Picture, member: str, seen: _Seen, consent: str) -> AccessRow:
    return AccessRow(
        source=source.shown,
        target=target.shown,
        member=member,
        right=seen.right,
        before=_known(seen.before),
        after=_known(seen.after),
        before_by=seen.before.by,
        after_by=seen.after.by,
        verdict=seen.verdict,
        why=seen.why,
        consent=consent,
        proved_by=" and ".join(
            dict.fromkeys(one.read_by for one in (seen.before, seen.after) if one.by)
        )
        or "policies",
    )


def _known(hold: Hold) -> bool | None:
    return None if hold.standing is Standing.UNKNOWN else hold.standing > Standing.ENDED


def _consent(member: str, seen: _Seen, wish: AccessWish, will: tuple[Hold, ...]) -> str:
    """Return why a loss or gain is accepted: what the spec does by itself, or says to accept."""
    if seen.verdict not in {Verdict.LOST, Verdict.GAINED}:
        return ""
    for principal, change, reason in wish.accept:
        if spelled(principal) == member and change == seen.verdict:
            return reason
    denied = member in set(map(spelled, wish.deny))
    if seen.verdict is Verdict.LOST:
        return DENIED if denied else ""
    basic = {} if denied else _basic_consents(wish)
    ways = [hold.by for hold in will if hold.standing > Standing.ENDED]
    if ways and all(by in basic for by in ways):
        return basic[ways[0]]
    given = (
        right
        for grant in wish.grants
        if spelled(grant.member) == member
        for right in rights_in(known(grant.role) or (), Level.REPOSITORY)
    )
    return GRANTED if seen.right in given and not denied else ""


def _basic_consents(wish: AccessWish) -> dict[str, str]:
    """Return what gives rights to the owners, editors or viewers of a project, where accepted.

    Consent to `projectOwner:P` is consent to each of them, for what they have as such.
    """
    found = {}
    for principal, change, reason in wish.accept:
        kind, _, project = spelled(principal).partition(":")
        if change == Verdict.GAINED and kind in BASIC_ROLES:
            found[f"{BASIC_ROLES[kind]} on projects/{project}"] = reason
    return found
