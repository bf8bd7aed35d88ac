"""For any policies: what somebody can do after a run is what the proof said, told by another hand.

`tests/evaluator.py` works out who holds what from plain policies, `tests/access_judge.py` what a
proof must say of that; neither imports anything of the tool.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from gcr_migrate.access import SourceAccess, known, settle
from gcr_migrate.model.access import (
    AccessWish,
    Binding,
    Condition,
    Grant,
    Level,
    ObjectAccess,
    Picture,
    Policy,
    PolicyOn,
)
from tests.access_judge import Wish, complaints
from tests.access_worlds import sources, worlds
from tests.evaluator import RIGHTS, spelled

if TYPE_CHECKING:
    from gcr_migrate.access import Settled
    from tests.evaluator import BindingList, World

pytestmark = pytest.mark.slow

NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
NOW_MS: Final = int(NOW.timestamp() * 1000)


def _policy(written: BindingList) -> Policy:
    found = []
    for one in written:
        said = one.get("condition")
        condition = Condition(said["title"], said["expression"]) if said else None
        found.append(Binding(one["role"], tuple(one["members"]), condition))
    return Policy(tuple(found), "etag")


def _plain(policy: Policy) -> BindingList:
    found: BindingList = []
    for one in policy.bindings:
        made: dict[str, Any] = {"role": one.role, "members": [*one.members]}
        if one.condition:
            made["condition"] = {
                "title": one.condition.title,
                "expression": one.condition.expression,
            }
        found.append(made)
    return found


def _above(world: World, project: str) -> tuple[PolicyOn, ...]:
    levels = (
        (Level.PROJECT, f"projects/{project}"),
        (Level.FOLDER, "folders/70"),
        (Level.ORGANIZATION, "organizations/7"),
    )
    found = zip(levels, world.above[project], strict=False)
    return tuple(PolicyOn(level, name, _policy(one)) for (level, name), one in found)


def _source(world: World) -> Picture:
    level = Level.BUCKET if world.is_bucket else Level.REPOSITORY
    objects = None
    if world.objects is not None:
        counted = Counter(who for some in world.objects.values() for who in set(map(spelled, some)))
        objects = ObjectAccess(tuple(sorted(counted.items())), len(world.objects))
    return Picture(
        "us.gcr.io/p",
        level,
        "p",
        (PolicyOn(level, "own", _policy(world.source)), *_above(world, "p")),
        _roles(world),
        objects,
        never_public=world.never_public,
    )


def _target(world: World) -> Picture:
    own = PolicyOn(Level.REPOSITORY, "target", _policy(world.target))
    above = _above(world, world.target_project)
    return Picture("site", Level.REPOSITORY, world.target_project, (own, *above), _roles(world))


def _roles(world: World) -> tuple[tuple[str, frozenset[str] | None], ...]:
    """What a service would tell of the roles that the tool does not know by itself."""
    told: dict[str, frozenset[str] | None] = {
        role: None if some is None else frozenset(some) for role, some in world.custom.items()
    }
    told["roles/browser"] = frozenset({"resourcemanager.projects.get"})
    told["roles/cloudbuild.builds.builder"] = frozenset({*RIGHTS["pull"], *RIGHTS["push"]}) | {
        "storage.objects.delete"
    }
    return tuple((role, some) for role, some in told.items() if known(role) is None)


def _settled(wish: Wish, *sides: World) -> Settled:
    """Settle a target, which all worlds have, with the source of each."""
    said = AccessWish(
        translate=True,
        public=wish.public,
        deny=wish.deny,
        accept=tuple((who, change, "because") for who, change in wish.accept),
        grants=tuple(Grant(role, who) for role, who in wish.grant),
    )
    found = [
        SourceAccess(replace(_source(one), shown=f"source {at}"), said)
        for at, one in enumerate(sides)
    ]
    return settle(_target(sides[0]), found, NOW_MS)


def _rows(settled: Settled, at: int = 0) -> dict[tuple[str, str], dict[str, str]]:
    return {
        (row.member, str(row.right)): {"verdict": str(row.verdict), "consent": row.consent}
        for row in settled.rows
        if row.source == f"source {at}"
    }


@settings(max_examples=150)
@given(worlds())
def test_a_proof_says_what_becomes_of_everybody(case: tuple[World, Wish]) -> None:
    """Nobody loses or gains without a row, no grant is too wide or too much, at any moment."""
    world, wish = case
    settled = _settled(wish, world)
    resulting = _plain(_policy(world.target).added(settled.grants))
    assert not complaints(world, wish, resulting, _rows(settled), NOW)


@settings(max_examples=50)
@given(worlds(), sources())
def test_two_sources_of_one_target_are_judged_each_for_itself(
    case: tuple[World, Wish], other: dict[str, Any]
) -> None:
    """Who has a right at one of them only has gained it on what comes from the other."""
    world, wish = case
    beside = dataclasses.replace(world, **other)
    settled = _settled(wish, world, beside)
    resulting = _plain(_policy(world.target).added(settled.grants))
    assert not complaints(world, wish, resulting, _rows(settled, 0), NOW, (beside,))
    assert not complaints(beside, wish, resulting, _rows(settled, 1), NOW, (world,))


@given(worlds())
def test_settling_again_adds_nothing(case: tuple[World, Wish]) -> None:
    """After the run the same question finds everything there."""
    world, wish = case
    done = _policy(world.target).added(_settled(wish, world).grants)
    again = _settled(wish, dataclasses.replace(world, target=_plain(done)))
    assert done.added(again.grants) == done
