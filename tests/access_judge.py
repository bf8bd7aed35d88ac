"""What a proof of access must say of a world, and must not; it knows nothing of the tool."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.evaluator import RIGHTS, World, moments, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from tests.evaluator import BindingList

PUBLIC: Final = frozenset({"allUsers", "allAuthenticatedUsers"})
_HELD: Final = frozenset({"all", "some"})
_CONVENIENCE: Final = ("projectOwner:", "projectEditor:", "projectViewer:")
_TOP: Final = {"reader": "pull", "writer": "push", "repoAdmin": "delete"}
_LOWER: Final = {"writer": "reader", "repoAdmin": "writer"}
_OWN_AGENTS: Final = (
    "@containerregistry.iam.gserviceaccount.com",
    "@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "artifact-registry-same-project-copier@system.gserviceaccount.com",
)


class _Span(NamedTuple):
    """How much is held at one moment; `sure` is what is held before without asking for names."""

    before: str
    after: str
    sure: str


@dataclass(frozen=True)
class Wish:
    """What the spec says beside `translate: true`.

    Attributes:
        public: whether everybody may be a reader.
        deny: members that shall not follow.
        accept: (member, change) that is consented to.
        grant: (role, member) of the spec itself.
    """

    public: bool = False
    deny: tuple[str, ...] = ()
    accept: tuple[tuple[str, str], ...] = ()
    grant: tuple[tuple[str, str], ...] = ()


def is_excused(member: str) -> bool:
    """Whether a member is gone, or an agent of the registries themselves."""
    return member.startswith("deleted:") or member.endswith(_OWN_AGENTS)


def complaints(
    world: World,
    wish: Wish,
    resulting: BindingList,
    rows: Mapping[tuple[str, str], Mapping[str, Any]],
    now: datetime,
    beside: tuple[World, ...] = (),
) -> list[str]:
    """Return everything in which a proof and a resulting policy are not what was promised.

    Args:
        world: what there was before.
        wish: what the spec said.
        resulting: the target's policy after the run.
        rows: by member and right `verdict` and `consent`.
        now: when the plan was made.
        beside: the same with other sources, from which images come to the target as well.
    """
    return list(_Case((world, *beside), wish, resulting, rows, now).found())


class _Case:
    def __init__(
        self,
        worlds: tuple[World, ...],
        wish: Wish,
        resulting: BindingList,
        rows: Mapping[tuple[str, str], Mapping[str, Any]],
        now: datetime,
    ) -> None:
        world = worlds[0]
        self.world, self.wish, self.rows = world, wish, rows
        self.all_sure = [_certain(one) for one in worlds]
        self.done = replace(world, target=resulting)
        self.sure = _certain(world)
        self.times = sorted({when for one in worlds for when in moments(one, now)})
        self.denied = set(map(spelled, wish.deny))
        self.accepted = {(spelled(who), change) for who, change in wish.accept}
        self.given = {spelled(who) for _, who in wish.grant}

    def found(self) -> Iterator[str]:
        members = self.done.everybody() | {who for who, _ in self.rows}
        for member in sorted(members):
            for right in RIGHTS:
                yield from self._row(member, right)
        yield from self._grants()
        kept = {_key(one, who) for one in self.world.target for who in one["members"]}
        there = {_key(one, who) for one in self.done.target for who in one["members"]}
        yield from (f"taken out: {one}" for one in sorted(kept - there, key=str))

    def _row(self, member: str, right: str) -> Iterator[str]:
        told = self.rows.get((member, right), {})
        verdict, consent = told.get("verdict", "nothing"), told.get("consent", "")
        spans = [
            _Span(
                self.world.before(member, right, when),
                self.done.after(member, right, when),
                self.sure.before(member, right, when),
            )
            for when in self.times
        ]
        about = f"{member} {right} is told {verdict}: {sorted(set(spans))}"
        wanted = self._wanted_of_others(member, spans) or self._wanted(member, right, spans)
        hides = self.world.is_hidden(member) or bool(self.world.objects)
        if hides and self._is_timed(member, right):
            wanted |= {"unknown"}  # times are not added up
        if verdict not in wanted:
            yield f"wanted {sorted(wanted)}: {about}"
        if verdict in {"lost", "gained"}:
            yield from self._consent(member, verdict, consent, about)
        if self._follows(member, right):
            for when, one in zip(self.times, spans, strict=True):
                if one.sure == "all" and one.after != "all":
                    yield f"did not follow at {when}: {about}"

    def _follows(self, member: str, right: str) -> bool:
        """Whether somebody's right is to be the same afterwards, as far as conditions allow."""
        if member in self.denied or is_excused(member) or member.startswith(_CONVENIENCE):
            return False
        return right == "pull" and self.wish.public if member in PUBLIC else True

    def _wanted_of_others(self, member: str, spans: list[_Span]) -> set[str]:
        """Return the verdicts that are true of who is no consumer; nothing for all others."""
        if member.startswith(_CONVENIENCE):
            return {"nothing", "same", "excused", "unknown"}
        if not is_excused(member):
            return set()
        held = any(one.before in _HELD for one in spans)
        return {"excused"} if held else {"nothing", "excused"}

    def _wanted(self, member: str, right: str, spans: list[_Span]) -> set[str]:
        """Return the verdicts that are true of somebody's right from now on."""
        lost = any(one.before in _HELD and one.after == "none" for one in spans)
        gained = any(one.after in _HELD and one.before == "none" for one in spans)
        held = any(one.before in _HELD for one in spans)
        gets_in = any(one.after in _HELD for one in spans)
        vague, timed = self._is_vague(member, right), self._is_timed(member, right)
        wanted = {"nothing", "excused"}
        if any("unknown" in (one.before, one.after) for one in spans):
            wanted = {"unknown"}
            wanted |= {"gained", "lost"} if member in self.denied | PUBLIC else set()
        elif member in self.denied and (held or gets_in):
            wanted = {"gained"} if gets_in else {"lost"}
            wanted |= {"gained", "unknown"} if vague else set()
        elif vague:
            alike = not lost and not gained and all(one.before == one.after for one in spans)
            wanted = {"unknown", "lost", "gained"}
            wanted |= ({"same"} if held else {"nothing", "excused"}) if alike else set()
            wanted |= {"implied"} if gets_in and not lost else set()
        elif lost:
            prevented = member in PUBLIC and self.world.never_public
            wanted = {"excused"} if prevented else {"lost", "gained"} if gained else {"lost"}
        elif gained:
            implied = self._is_implied(member, right, spans)
            limited = any(self._is_timed(member, one) for one in RIGHTS)
            wanted = ({"implied"} if implied else {"gained"}) | ({"gained"} if limited else set())
        elif held:
            wanted = {"same"} | ({"gained", "implied"} if timed else set())
        return wanted

    def _is_implied(self, member: str, right: str, spans: list[_Span]) -> bool:
        """Whether somebody could do more than a right at all moments at which it is new."""
        more = list(RIGHTS)[list(RIGHTS).index(right) + 1 :]
        return all(
            any(self.sure.before(member, one, when) == "all" for one in more)
            for when, span in zip(self.times, spans, strict=True)
            if span.before == "none" and span.after in _HELD
        )

    def _consent(self, member: str, verdict: str, consent: str, about: str) -> Iterator[str]:
        may = (member, verdict) in self.accepted
        may |= verdict == "lost" and member in self.denied
        may |= verdict == "gained" and member in self.given and member not in self.denied
        if bool(consent) and not may:
            yield f"consent out of nothing ({consent}): {about}"
        if (member, verdict) in self.accepted and not consent:
            yield f"consent not heard: {about}"

    def _is_vague(self, member: str, right: str) -> bool:
        """Whether a condition that asks for more than the time gives a right, perhaps."""
        return self.done.may_give(right, member, _asks_for_names)

    def _is_timed(self, member: str, right: str) -> bool:
        """Whether any condition stands at a right, even one that is met at all times from now."""
        bare, full = _bare(self.world), self.world
        return any(
            bare.before(member, right, when) != full.before(member, right, when)
            for when in self.times
        )

    def _grants(self) -> Iterator[str]:
        """Complain of grants that are too many, too wide, or for the wrong ones."""
        before = {_key(one, who) for one in self.world.target for who in one["members"]}
        spoken = {(_full(role), spelled(who)) for role, who in self.wish.grant}
        for binding in self.done.target:
            for who in binding["members"]:
                member, key = spelled(who), _key(binding, who)
                bare = not binding.get("condition")
                if key in before or (bare and (binding["role"], member) in spoken):
                    continue
                yield from self._grant(binding, who)

    def _grant(self, binding: dict[str, Any], who: str) -> Iterator[str]:
        member, role = spelled(who), binding["role"].removeprefix("roles/artifactregistry.")
        about = f"{role} for {who} if {_expression(binding)}"
        if role not in _TOP:
            yield f"no role of ours: {about}"
            return
        if is_excused(member) or member.startswith(_CONVENIENCE):
            yield f"granted to nobody: {about}"
        if member in PUBLIC and not (self.wish.public and role == "reader"):
            yield f"granted to everybody: {about}"
        if member in self.denied:
            yield f"granted although denied: {about}"
        alone = replace(self.world, target=[{**binding, "members": [who]}], above={})
        alone = replace(alone, above={self.world.project: [], alone.target_project: []})
        for when in self.times:
            counts = alone.after(member, _TOP[role], when) == "all"
            if counts and not self._is_sure(member, _TOP[role], when):
                yield f"wider than what was held at {when}: {about}"
        for lower in (None, _LOWER.get(role)):
            less = [*_without(self.done.target, binding, who)]
            if lower:
                less.append(
                    {**binding, "role": f"roles/artifactregistry.{lower}", "members": [who]}
                )
            mine = [one for one in less if not _expression(one)]  # nested times are no matter
            above = _bare(self.world).above
            if self._keeps_all(replace(self.world, target=mine, above=above), member):
                yield f"not needed, {lower or 'nothing'} would do: {about}"
                break

    def _keeps_all(self, done: World, member: str) -> bool:
        """Whether somebody keeps everything, without what others grant under conditions."""
        rights = ["pull"] if member in PUBLIC else list(RIGHTS)
        return all(
            done.after(member, right, when) == "all"
            for right in rights
            for when in self.times
            if self._is_sure(member, right, when)
        )

    def _is_sure(self, member: str, right: str, when: datetime) -> bool:
        """Whether somebody holds a right at any of the sources, whatever names are asked for."""
        return any(one.before(member, right, when) == "all" for one in self.all_sure)


def _key(binding: Mapping[str, Any], who: str) -> tuple[str, str, str]:
    return binding["role"], _expression(binding), spelled(who)


def _full(role: str) -> str:
    return role if role.startswith("roles/") else f"roles/{role}"


def _without(policy: BindingList, binding: Mapping[str, Any], who: str) -> Iterator[dict[str, Any]]:
    for one in policy:
        gone = one is binding
        yield {**one, "members": [name for name in one["members"] if not (gone and name == who)]}


def _filtered(world: World, is_kept: Callable[[str], bool]) -> World:
    """Return a world without some bindings, chosen by their conditions, and without secrets."""

    def kept(policy: BindingList) -> BindingList:
        return [one for one in policy if is_kept(_expression(one))]

    above = {project: [kept(one) for one in some] for project, some in world.above.items()}
    custom: dict[str, list[str] | None] = {r: some or [] for r, some in world.custom.items()}
    return replace(
        world, source=kept(world.source), target=kept(world.target), above=above, custom=custom
    )


def _asks_for_names(expression: str) -> bool:
    return "resource." in expression


def _certain(world: World) -> World:
    """Return a world without the bindings whose condition asks for more than the time."""
    return _filtered(world, lambda expression: not _asks_for_names(expression))


def _bare(world: World) -> World:
    """Return a world with only those bindings that have no condition."""
    return _filtered(world, lambda expression: not expression)


def _expression(binding: Mapping[str, Any]) -> str:
    return str((binding.get("condition") or {}).get("expression", ""))
