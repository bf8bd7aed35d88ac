"""Grants for one target, and the proof of what they do: right by right, before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.access.held import Standing, holdings
from gcr_migrate.access.judge import judge
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.access.translate import translate
from gcr_migrate.model.access import Level, Policy, PolicyOn, Right
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.access.held import Holdings
    from gcr_migrate.model.access import AccessRow, AccessWish, Grant, Picture

_NAMED_AT_MOST: Final = 10


class SourceAccess(Struct, frozen=True):
    """Who has access to one source of a target, and what is wished.

    Attributes:
        picture: what counts there today.
        wish: what the routes from there say.
        history: the bucket that counted before the host was redirected; None where it counts, or
            is not known.
    """

    picture: Picture
    wish: AccessWish
    history: Picture | None = None


class Settled(Struct, frozen=True):
    """What becomes of access to one target.

    Attributes:
        grants: what is to be granted on it, sorted; some of it may be there.
        rows: every right of everybody, for each source.
        findings: what is noteworthy.
    """

    grants: tuple[Grant, ...]
    rows: tuple[AccessRow, ...]
    findings: tuple[Finding, ...]


def settle(target: Picture, sources: Sequence[SourceAccess], now_ms: int) -> Settled:
    """Decide what is granted on a target, and prove what that does.

    Args:
        target: what is known about it now; it may not exist yet.
        sources: where its images come from.
        now_ms: milliseconds since 1970, for conditions.
    """
    before = [holdings(one.picture, now_ms) for one in sources]
    wishes = [one.wish for one in sources]
    grants = translate(target, list(zip(before, wishes, strict=True)), now_ms)
    after = holdings(_with(target, grants), now_ms)
    rows: list[AccessRow] = []
    findings = list(_not_seen([target, *(one.picture for one in sources)]))
    for source, held in zip(sources, before, strict=True):
        some = judge(source.picture, held, target, after, source.wish)
        rows += some
        findings += _told(some)
        findings += _names_only(source.picture, held)
        if source.history:
            findings += _history(source, held, holdings(source.history, now_ms))
    return Settled(grants, tuple(rows), tuple(findings))


def _with(target: Picture, grants: tuple[Grant, ...]) -> Picture:
    """Return the picture of a target once the grants are made."""
    own = [on for on in target.policies if on.level is Level.REPOSITORY]
    rest = tuple(on for on in target.policies if on.level is not Level.REPOSITORY)
    on = own[0] if own else PolicyOn(Level.REPOSITORY, target.shown, None)
    policy = (on.policy or Policy((), "")).added(grants)
    return replace(target, policies=(replace(on, policy=policy), *rest))


def _not_seen(pictures: Sequence[Picture]) -> Iterator[Finding]:
    """Name each policy that counts and could not be read, once."""
    told: set[str] = set()
    for picture in pictures:
        for on in picture.policies:
            if on.policy is None and on.why and on.resource not in told:
                told.add(on.resource)
                yield Finding(errors.POLICY_NOT_SEEN, Severity.WARNING, on.resource, on.why)
        if picture.objects and picture.objects.why:
            why = picture.objects.why
            yield Finding(errors.OBJECTS_NOT_SEEN, Severity.WARNING, picture.shown, why)


def _told(rows: Sequence[AccessRow]) -> Iterator[Finding]:
    """Tell what nobody has consented to, and what is not known, a finding for each member."""
    by_member: dict[tuple[str, str, str], list[AccessRow]] = {}
    for row in rows:
        if row.needs_consent or row.verdict == "unknown":
            by_member.setdefault((row.target, row.member, row.verdict), []).append(row)
    problems = {
        "lost": (errors.ACCESS_LOST, Severity.ERROR),
        "gained": (errors.ACCESS_GAINED, Severity.ERROR),
        "unknown": (errors.ACCESS_UNKNOWN, Severity.WARNING),
    }
    for (target, member, verdict), some in by_member.items():
        problem, severity = problems[verdict]
        rights = ", ".join(row.right for row in some)
        why = some[0].why or some[0].before_by or some[0].after_by
        yield Finding(problem, severity, f"{target} {member}", f"{rights}: {why}")


def _names_only(picture: Picture, held: Holdings) -> Iterator[Finding]:
    names = [one for one in sorted(held.names_only) if kind_of(one) is not Kind.AGENT]
    if names:
        yield Finding(errors.NAMES_ONLY, Severity.INFO, picture.shown, _some(names))


def _history(source: SourceAccess, held: Holdings, was: Holdings) -> Iterator[Finding]:
    """Tell who could pull by the bucket, and cannot since the host is served from elsewhere."""
    names = [
        one
        for one in was.members
        if kind_of(one) in {Kind.CARRIED, Kind.PUBLIC}
        and was.of(one, Right.PULL).standing is Standing.YES
        and held.of(one, Right.PULL).standing <= Standing.ENDED
    ]
    if names and source.history:
        saw = f"{source.history.shown}: {_some(names)}"
        yield Finding(errors.PULLED_BEFORE, Severity.WARNING, source.picture.shown, saw)


def _some(names: list[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    shown = ", ".join(names[:_NAMED_AT_MOST])
    return shown + (f" and {more} more" if more > 0 else "")
