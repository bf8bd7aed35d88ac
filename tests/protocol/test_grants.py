"""Grants are added to a policy and taken back, whoever else writes it and whatever is answered."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.services import Services
from gcr_migrate.model.access import Condition, Grant
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.google_clients import Login
from tests.granting import Plan
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from gcr_migrate.interfaces import PolicyWriter

RESOURCE = "projects/example.com:builds/locations/us/repositories/team"
READER = "roles/artifactregistry.reader"
A, B, C = (Grant(READER, f"group:{one}@example.com") for one in "abc")
UNTIL = Condition("until", "request.time < timestamp('2030-01-01T00:00:00Z')", "d")
OTHER = {"role": READER, "members": ["user:other@example.com"]}
DOWN = Answer(503, {"error": {"status": "UNAVAILABLE"}})


class Iam(Scripted):
    """A policy behind etags; each write goes through the next hook, which may answer itself.

    Args:
        bindings: what the policy has.
        hooks: one for each write, in order.
        more: members of the policy besides bindings and etag.
    """

    def __init__(self, *bindings: Any, hooks: tuple[Any, ...] = (), **more: Any) -> None:
        super().__init__(self._next)
        self.bindings: list[Any] = json.loads(json.dumps(bindings))
        self.hooks, self.more, self.version, self.down = list(hooks), more, 1, False

    @property
    def policy(self) -> dict[str, Any]:
        """What is answered."""
        shown = [one for one in self.bindings if one["members"]]
        return {"version": 3, "etag": f"e{self.version}", "bindings": shown} | self.more

    def put(self, body: dict[str, Any]) -> Answer:
        """Do what the service does with a write."""
        if body["etag"] != f"e{self.version}":
            return Answer(409, {"error": {"status": "ABORTED"}})
        self.bindings, self.version = body["bindings"], self.version + 1
        return Answer(200, self.policy)

    def join(self, member: str) -> None:
        """Let somebody else add a reader."""
        self.bindings.append({"role": READER, "members": [member]})
        self.version += 1

    def members(self) -> set[str]:
        """Return who is in the policy."""
        return {member for one in self.bindings for member in one["members"]}

    def writes(self) -> list[dict[str, Any]]:
        """Return the policies that were sent."""
        return [one.json()["policy"] for one in self.asked if one.method == "POST"]

    def _next(self, asked: Asked) -> Answer:
        if self.down:
            return DOWN
        if asked.method == "GET":
            return Answer(200, self.policy)
        hook = self.hooks.pop(0) if self.hooks else None
        body = asked.json()["policy"]
        return (hook(self, body) if hook else None) or self.put(body)


def run(iam: Scripted, work: Callable[[PolicyWriter], Awaitable[Any]]) -> Any:
    """Work with the policies of a service that is up."""

    async def go() -> Any:
        with ThreadPoolExecutor(1) as threads:
            async with Wire(iam.endpoints, backoff=Backoff(tries=2, base_s=0.001)) as wire:
                return await work(Services(wire, Login("t"), threads).repositories)

    return asyncio.run(go())


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan of three grants."""
    return Plan(tmp_path / "m", RESOURCE, A, B, C)


def test_what_is_not_known_goes_back_and_conditions_stand_alone(tmp_path: Path) -> None:
    """Unknown fields and other conditions survive; a condition has a binding of its own."""
    bound = {**OTHER, "condition": {"title": "t", "expression": "x", "new": 1}, "novelty": [1.5]}
    with_condition = Grant(READER, A.member, UNTIL)
    plan = Plan(tmp_path / "m", RESOURCE, with_condition, B)
    with Iam(bound, OTHER, auditConfigs=[{"service": "s"}]) as iam:
        run(iam, plan.add)
    (written,) = iam.writes()
    condition = {"title": "until", "expression": UNTIL.expression, "description": "d"}
    assert written == {
        "version": 3,
        "etag": "e1",
        "auditConfigs": [{"service": "s"}],
        "bindings": [
            bound,
            {"role": READER, "members": [*OTHER["members"], B.member]},
            {"role": READER, "members": [A.member], "condition": condition},
        ],
    }
    assert "requestedPolicyVersion=3" in iam.asked[0].target
    (kept,) = plan.kept()
    before = {**written, "bindings": [bound, OTHER]}
    assert (kept.resource, kept.etag, json.loads(kept.raw)) == (RESOURCE, "e1", before)


def test_what_is_granted_is_not_written(plan: Plan) -> None:
    """However it is spelled; no write, no audit entry, and nothing that could be taken back."""
    held = [one.member for one in (B, C)]
    with Iam({"role": READER, "members": ["group:A@Example.com", *held]}) as iam:
        run(iam, plan.add)
    assert (iam.writes(), plan.states(), plan.added()) == ([], ["present"] * 3, set())


def test_what_is_gone_since_the_plan_is_added_like_the_rest(tmp_path: Path) -> None:
    """Who had it when the plan was made is promised it too; what is still there stays as it is."""
    plan = Plan(tmp_path / "m", RESOURCE, A, B, granted=(A, B))
    with Iam({"role": READER, "members": [A.member, B.member]}) as iam:
        run(iam, plan.add)
        assert (iam.writes(), plan.states(), plan.added()) == ([], ["planned"] * 2, set())
        iam.bindings, iam.version = [{"role": READER, "members": [B.member]}], 2
        run(iam, plan.add)
        assert (iam.members(), plan.added()) == ({A.member, B.member}, {A.member})
        assert run(iam, plan.take_back) == {1: True}
        assert iam.members() == {B.member}


def test_what_an_earlier_run_added_is_looked_for_again(plan: Plan) -> None:
    """What somebody took out since is added once more, and is ours again; else nothing happens."""
    with Iam() as iam:
        run(iam, plan.add)
        run(iam, plan.add)
        assert len(iam.writes()) == 1
        iam.bindings, iam.version = [{"role": READER, "members": [B.member, C.member]}], 9
        run(iam, plan.add)
        assert (len(iam.writes()), iam.members()) == (2, {A.member, B.member, C.member})
        assert plan.added() == {A.member, B.member, C.member}
        iam.down = True
        run(iam, plan.add)
        assert (plan.failures(), plan.states()) == ({}, ["present"] * 3)


def test_whom_another_writer_added_meanwhile_is_not_ours(plan: Plan) -> None:
    """A conflict is read and merged again; the ledger claims only what the second write added."""

    def overtake(iam: Iam, _: Any) -> None:
        iam.join(A.member)

    with Iam(OTHER, hooks=(overtake,)) as iam:
        run(iam, plan.add)
    assert iam.writes()[-1]["etag"] == "e2"
    assert iam.members() == {*OTHER["members"], A.member, B.member, C.member}
    assert (plan.states(), plan.added()) == (["present"] * 3, {B.member, C.member})
    assert [one.etag for one in plan.kept()] == ["e1", "e2"]


def test_what_another_writer_granted_instead_of_us_is_all_theirs(plan: Plan) -> None:
    """A refused write is known not to be ours, even if the policy then has all of it."""

    def overtake(iam: Iam, _: Any) -> None:
        for one in (A, B, C):
            iam.join(one.member)

    with Iam(OTHER, hooks=(overtake,)) as iam:
        run(iam, plan.add)
    assert (plan.states(), plan.added(), len(iam.writes())) == (["present"] * 3, set(), 1)


def test_conflicts_without_end_are_a_problem(plan: Plan) -> None:
    """After six tries it is said; the next run begins as if there had been none."""

    def overtake(iam: Iam, _: Any) -> None:
        iam.join(f"user:{iam.version}@example.com")

    with Iam(OTHER, hooks=(overtake,) * 6) as iam:
        run(iam, plan.add)
        assert set(plan.failures().values()) == {"policy-conflict"}
        assert (len(iam.writes()), plan.added()) == (6, set())
        iam.join(A.member)
        run(iam, plan.add)
    assert plan.added() == {B.member, C.member}
    assert len(iam.members()) == 10


def _commit_and_fail(iam: Iam, body: dict[str, Any]) -> Answer:
    iam.put(body)
    return DOWN


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not-done"])
def test_a_write_without_an_answer_is_looked_at_not_repeated(plan: Plan, is_done: object) -> None:
    """Whether the service did it shows in the policy; both ways it was this file that added."""
    hook = _commit_and_fail if is_done else lambda *_: DOWN
    with Iam(OTHER, hooks=(hook,)) as iam:
        run(iam, plan.add)
    assert len(iam.writes()) == (1 if is_done else 2)
    assert (plan.states(), plan.added()) == (
        ["present"] * 3,
        {A.member, B.member, C.member},
    )


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not-done"])
def test_what_a_run_never_learned_the_next_one_does(plan: Plan, is_done: object) -> None:
    """All of a write there: it was ours. Some of it there: somebody else's, and the rest added."""

    def fail(iam: Iam, body: dict[str, Any]) -> Answer:
        if is_done:
            iam.put(body)
        iam.down = True
        return DOWN

    with Iam(OTHER, hooks=(fail,)) as iam:
        run(iam, plan.add)
        assert (plan.states(), plan.added()) == (["failed"] * 3, set())
        iam.down = False
        if not is_done:
            iam.join(B.member)
        run(iam, plan.add)
    assert plan.states() == ["present"] * 3
    assert plan.added() == {A.member, C.member} | ({B.member} if is_done else set())
    assert len(iam.writes()) == (1 if is_done else 2)


def test_a_member_that_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    """Each that the service does not take is named with its words; all others are added."""
    grants = [Grant(READER, f"user:{n}@example.com") for n in range(9)]
    bad = {grants[2].member, grants[7].member}

    def check(iam: Iam, body: dict[str, Any]) -> Answer | None:
        iam.hooks.append(check)
        sent = {member for one in body["bindings"] for member in one["members"]}
        text = "One or more users do not belong to a permitted customer."
        error = {"code": 400, "status": "FAILED_PRECONDITION", "message": text}
        return Answer(400, {"error": error}) if bad & sent else None

    plan = Plan(tmp_path / "m", RESOURCE, *grants)
    with Iam(OTHER, hooks=(check,)) as iam:
        run(iam, plan.add)
    good = {one.member for one in grants} - bad
    assert iam.members() == {*OTHER["members"], *good}
    assert plan.added() == good
    failures = plan.failures()
    assert set(failures.values()) == {"grant-refused"}
    for member in bad:
        assert any(
            f"{member} as {READER}" in one and "permitted customer" in one for one in failures
        )


def test_a_caller_who_may_not_write_fails_at_once(plan: Plan) -> None:
    """A refusal that is about the caller is not tried member by member."""
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}
    with Iam(OTHER, hooks=(lambda *_: Answer(403, denied),)) as iam:
        run(iam, plan.add)
    assert (len(iam.writes()), plan.states()) == (1, ["failed"] * 3)
    assert set(plan.failures().values()) == {"denied"}


def test_a_full_policy_takes_what_it_has_room_for(plan: Plan) -> None:
    """Beyond 1,500 members the service would refuse all; so the first ones go, the rest is told."""
    many = [f"user:{n}@example.com" for n in range(1_498)]
    with Iam({"role": READER, "members": many}) as iam:
        run(iam, plan.add)
    assert plan.added() == {A.member, B.member}
    ((saw, code),) = plan.failures().items()
    assert code == "policy-full"
    assert C.member in saw
    assert "1,500 of 1,500 members" in saw


@pytest.mark.parametrize("body", [{}, {"version": 1}, "<html>sign in</html>"])
def test_what_is_not_the_service_changes_nothing(plan: Plan, body: Any) -> None:
    """A page is no policy to write over, nor a word that something was written."""
    with Scripted(lambda _: Answer(200, body)) as page:
        run(page, plan.add)
    assert [one.method for one in page.asked if one.method != "GET"] == []
    assert set(plan.failures().values()) == {"bad-reply"}
    with Iam(hooks=(lambda *_: Answer(200, body),) * 6) as iam:
        run(iam, plan.add)
    assert (iam.members(), plan.added()) == (set(), set())


@pytest.mark.parametrize("condition", ["x", ["x"], 1, False])
def test_a_condition_that_cannot_be_read_is_not_taken_for_none(plan: Plan, condition: Any) -> None:
    """A binding without its condition would be a wider one."""
    with Iam({**OTHER, "condition": condition}) as iam:
        run(iam, plan.add)
    assert (iam.writes(), set(plan.failures().values())) == ([], {"bad-reply"})


def test_only_what_this_file_added_is_taken_back(plan: Plan) -> None:
    """With the etag of what was read, in spite of other writers; a later run adds it again."""

    def overtake(iam: Iam, _: Any) -> None:
        iam.join("user:late@example.com")

    with Iam({"role": READER, "members": [A.member]}) as iam:
        run(iam, plan.add)
        iam.join("user:other@example.com")
        before = len(iam.writes())
        iam.hooks = [overtake, _commit_and_fail]
        assert run(iam, plan.take_back) == {2: True, 3: True}
        assert iam.members() == {A.member, "user:other@example.com", "user:late@example.com"}
        assert len(iam.writes()) == before + 2
        assert (plan.states(), plan.added()) == (["present", "planned", "planned"], set())
        assert run(iam, plan.take_back) == {}
        run(iam, plan.add)
    assert plan.added() == {B.member, C.member}


def test_a_grant_is_taken_back_under_its_own_condition_only(tmp_path: Path) -> None:
    """The same member in the same role without the condition stays; an empty binding goes."""
    plan = Plan(tmp_path / "m", RESOURCE, Grant(READER, A.member, UNTIL))
    with Iam() as iam:
        run(iam, plan.add)
        iam.join(A.member)
        assert run(iam, plan.take_back) == {1: True}
    assert iam.policy["bindings"] == [{"role": READER, "members": [A.member]}]
    assert iam.bindings == iam.policy["bindings"]


def test_what_is_gone_already_needs_no_write(plan: Plan) -> None:
    """Members that somebody took out, and a repository that is deleted, are no problem."""
    with Iam() as iam:
        run(iam, plan.add)
        iam.bindings, iam.version = [], 9
        assert run(iam, plan.take_back) == {1: False, 2: False, 3: False}
        assert len(iam.writes()) == 1
        run(iam, plan.add)
    gone = {"error": {"code": 404, "status": "NOT_FOUND", "message": "no such repository"}}
    with Scripted(lambda _: Answer(404, gone)) as nothing:
        assert run(nothing, plan.take_back) == {1: False, 2: False, 3: False}
    assert plan.added() == set()


def test_a_caller_who_may_not_take_back_is_told(plan: Plan) -> None:
    """Nothing is recorded as undone."""
    denied = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}
    with Iam() as iam:
        run(iam, plan.add)
        iam.hooks = [lambda *_: Answer(403, denied)]
        with pytest.raises(MigrateError, match="denied"):
            run(iam, plan.take_back)
    assert plan.added() == {A.member, B.member, C.member}


def test_many_grants_of_one_request_are_one_failure(tmp_path: Path) -> None:
    """A policy that cannot be reached does not end the run for all other repositories."""
    plan = Plan(tmp_path / "m", RESOURCE, *(Grant(READER, f"user:{n}@a.example") for n in range(9)))
    with Scripted(lambda _: DOWN) as service:
        run(service, plan.add)
    assert plan.states() == ["failed"] * 9
    assert not plan.stop.is_set()
