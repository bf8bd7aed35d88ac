"""Whatever goes wrong on the way, in the end a policy's grants are there, or all gone."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import Grant
from tests.granting import Plan
from tests.protocol.test_grants import DOWN, READER, RESOURCE, Iam, run
from tests.scripted import Answer

pytestmark = pytest.mark.slow

OURS = tuple(Grant(READER, f"group:{one}@example.com") for one in "abc")
MEMBERS = {one.member for one in OURS}
DENIED = {"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}
_OUTCOMES = st.sampled_from(
    ["done", "lost", "done, unanswered", "lost, down", "overtaken", "denied"]
)
# A step of a life: what is asked for, what becomes of each write, and which write is the last that
# the process lives to see.
_STEPS = st.tuples(
    st.booleans(),
    st.lists(_OUTCOMES, min_size=1, max_size=3),
    st.sampled_from([None, 0, 0, 1]),
)


class _Life:
    """A policy, the plan that is about it, and what goes wrong."""

    def __init__(self, folder: Path, held: set[str]) -> None:
        self._folder, self._copies, self._strangers = folder, 0, set[str]()
        granted = tuple(one for one in OURS if one.member in held)
        self.plan = Plan(folder / "m", RESOURCE, *OURS, granted=granted)
        self.iam = Iam({"role": READER, "members": sorted(held)})
        self.held = held

    def step(self, *, adds: bool, outcomes: list[str], dies_at: int | None) -> None:
        """Add or take back, with what goes wrong; the file is left as a kill would leave it."""
        dead: list[Path] = []

        def hook(number: int, outcome: str) -> Any:
            def act(iam: Iam, body: dict[str, Any]) -> Answer | None:
                if dies_at == number:
                    dead.append(self._copy())
                return self._outcome(outcome, iam, body)

            return act

        self.iam.hooks = [hook(*one) for one in enumerate(outcomes)]
        with suppress(MigrateError):
            run(self.iam, self.plan.add if adds else self.plan.take_back)
        self.iam.down = False
        if dead:
            self.plan.path = dead[0]
        assert self.kept() <= self.iam.members()

    def kept(self) -> set[str]:
        """Return whom nobody may take out."""
        return self.held | self._strangers

    def _outcome(self, outcome: str, iam: Iam, body: dict[str, Any]) -> Answer | None:
        if outcome == "overtaken":
            self._strangers.add(f"user:{iam.version}@example.com")
            iam.join(f"user:{iam.version}@example.com")
        if outcome == "denied":
            return Answer(403, DENIED)
        if outcome.startswith("done,"):
            iam.put(body)
        iam.down = outcome.endswith("down")
        return DOWN if outcome.startswith(("lost", "done,")) else None

    def _copy(self) -> Path:
        """Return a copy of the migration file as it is on disk at this moment."""
        self._copies += 1
        copy = self._folder / f"m{self._copies}"
        with closing(sqlite3.connect(self.plan.path)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
        return copy


@settings(max_examples=25)
@given(st.sets(st.sampled_from(sorted(MEMBERS))), st.lists(_STEPS, min_size=1, max_size=4))
@example(set(), [(True, ["done"], 0)])
@example({OURS[0].member}, [(True, ["lost"], 0), (True, ["overtaken", "done"], 1)])
@example(set(), [(True, ["done"], None), (False, ["done"], 0)])
@example(set(), [(True, ["done, unanswered"], None), (False, ["lost, down"], 0)])
def test_whatever_goes_wrong_all_is_granted_and_all_of_it_is_taken_back(
    held: set[str], steps: list[tuple[bool, list[str], int | None]]
) -> None:
    """Lost answers, refusals, other writers and kills: nobody else's member is ever touched."""
    with tempfile.TemporaryDirectory() as folder:
        life = _Life(Path(folder), held)
        with life.iam:
            for adds, outcomes, dies_at in steps:
                life.step(adds=adds, outcomes=outcomes, dies_at=dies_at)
            life.step(adds=True, outcomes=[], dies_at=None)
            assert life.iam.members() == life.kept() | MEMBERS
            life.step(adds=False, outcomes=[], dies_at=None)
            assert life.iam.members() == life.kept()
            assert life.plan.added() == set()
