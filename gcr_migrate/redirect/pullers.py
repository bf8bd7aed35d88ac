"""Who is known to pull or push by the gcr.io names, and who of them can from now on: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.access import Hold, Standing, holdings
from gcr_migrate.access.judge import judge
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import PUBLIC, AccessWish, Right, Verdict, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.access import Holdings
    from gcr_migrate.model.access import Picture
    from gcr_migrate.redirect.evidence import HostReading, Reading

_GROUPS: Final = ("group:", "principalSet:", "principalHierarchy:", "domain:")
_PEOPLE: Final = ("user:", "group:")
_KEPT: Final = frozenset({Verdict.SAME, Verdict.IMPLIED, Verdict.GAINED})


class Named(Struct, frozen=True):
    """Somebody who pulls or pushes, by what a log or a list says.

    Attributes:
        member: as policies spell it.
        host: the gcr.io host that was pulled from; empty: every host that is in use.
        why: how it is known.
        right: what it does.
    """

    member: str
    host: str
    why: str
    right: Right = Right.PULL


class Puller(Struct, frozen=True):
    """Somebody who is known to pull from a host, or to push to it.

    Attributes:
        host: the host with its project, such as `us.gcr.io/builds`.
        member: as policies spell it.
        why: how it is known.
        can: whether the repository lets it; None if that is not known.
        by: what lets it, or why that is not known.
        right: what it does.
    """

    host: str
    member: str
    why: str
    can: bool | None
    by: str
    right: Right = Right.PULL


def pullers_of(reading: Reading, named: Iterable[Named], now_ms: int) -> list[Puller]:
    """Return everybody who is known to use a host, and whether the repository lets them.

    Known are who can read the host's bucket, and who is named. Each is told once for a host and
    what it does there.

    Args:
        reading: what was read.
        named: who is named by a log or a list.
        now_ms: milliseconds since 1970, for conditions.
    """
    names = list(named)
    found: dict[tuple[str, str, Right], Puller] = {}
    for host in reading.hosts:
        shown = reading.shown(host)
        if host.is_idle:
            continue
        rows = [
            *_by_policies(shown, host, now_ms),
            *_by_name(shown, host, names, now_ms),
        ]
        for one in rows:
            key = (shown, one.member, one.right)
            known = found.get(key)
            found[key] = _together(known, one) if known else one
    return [found[key] for key in sorted(found)]


def _together(known: Puller, more: Puller) -> Puller:
    """Return both reasons in one; of two judgements the worse counts."""
    worse = min(known, more, key=lambda one: {False: 0, None: 1, True: 2}[one.can])
    return Puller(
        known.host, known.member, f"{known.why}; {more.why}", worse.can, worse.by, known.right
    )


def _by_policies(shown: str, host: HostReading, now_ms: int) -> Iterator[Puller]:
    source, target = host.source, host.target
    if source is None or isinstance(source, MigrateError):
        return
    before = holdings(source, now_ms)
    if target is None or isinstance(target, MigrateError):
        by = "the repository is not there" if target is None else target.told
        can = False if host.has_repository is False else None
        for member in before.members:
            hold = before.of(member, Right.PULL)
            if hold.standing > Standing.ENDED:
                yield Puller(shown, member, hold.by, can, by)
        return
    for row in judge(source, before, target, holdings(target, now_ms), AccessWish()):
        if row.right is not Right.PULL or row.verdict is Verdict.EXCUSED or row.before is False:
            continue
        can = True if row.verdict in _KEPT else None if row.verdict is Verdict.UNKNOWN else False
        by = (row.after_by or row.why) if can else (row.why or row.after_by)
        yield Puller(shown, row.member, row.before_by, can, by or "nothing gives it")


def _by_name(
    shown: str, host: HostReading, named: Iterable[Named], now_ms: int
) -> Iterator[Puller]:
    target = host.target
    held = holdings(target, now_ms) if target and not isinstance(target, MigrateError) else None
    for one in named:
        if one.host not in {"", host.host.name}:
            continue
        member = spelled(one.member)
        if held and target and not isinstance(target, MigrateError):
            can, by = can_use(target, held, member, one.right)
        else:
            can = False if host.has_repository is False else None
            by = target.told if isinstance(target, MigrateError) else "no repository"
        yield Puller(shown, member, one.why, can, by, one.right)


def can_use(target: Picture, held: Holdings, member: str, right: Right) -> tuple[bool | None, str]:
    """Say whether somebody can pull from a repository or push to it, and by what.

    Args:
        target: what was read about the repository.
        held: who can do what there.
        member: as policies spell it.
        right: what it does.

    Returns:
        None as the first where that is not known: who is in a group is not looked up.
    """
    everybody = PUBLIC if member not in PUBLIC else {"allUsers", member}
    domain = f"domain:{member.partition('@')[2]}" if member.startswith(_PEOPLE) else ""
    holds = [held.of(one, right) for one in (member, *sorted(everybody), domain) if one]
    best = max(holds, key=lambda one: one.standing, default=Hold())
    if told := told_by(best, target):
        return told
    if member not in PUBLIC:
        groups = (one for one in held.members if one.startswith(_GROUPS) and one != domain)
        for group in groups:
            if held.of(group, right).standing > Standing.ENDED:
                return None, f"it may be in {group}, which can {right}"
    return False, "nothing gives it"


def told_by(hold: Hold, place: Picture) -> tuple[bool | None, str] | None:
    """Say whether a right is held, and by what, as far as policies tell.

    Args:
        hold: what was found of it.
        place: what was read about the bucket or repository.

    Returns:
        None where all was seen and nothing gives it; None as the first where that is not known.
    """
    if hold.standing is Standing.YES:
        return True, hold.by
    if hold.standing > Standing.ENDED:
        return None, hold.by
    hidden = next((on for on in place.policies if on.policy is None), None)
    return (None, f"{hidden.resource}: {hidden.why}") if hidden else None


def unseen_of(reading: Reading) -> Iterator[str]:
    """Give what could not be seen of who can pull, so that the list of pullers may be short."""
    for host in reading.hosts:
        shown, source = reading.shown(host), host.source
        if host.has_bucket is None and isinstance(host.bucket, MigrateError):
            yield f"{shown}: whether it has a bucket: {host.bucket.told}"
        elif isinstance(source, MigrateError):
            yield f"{shown}: {source.told}"
        elif source is not None:
            yield from (f"{on.resource}: {on.why}" for on in source.policies if on.policy is None)
            if source.objects and not source.objects.complete:
                yield f"access lists in the bucket of {shown}: {source.objects.why}"
