"""A redirect that is set and does not work: each kind of trouble by its code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.model.cloud import RepositoryFacts
from gcr_migrate.redirect.evidence import Answer
from gcr_migrate.redirect.moves import Move
from gcr_migrate.redirect.plan import plan_move
from gcr_migrate.report.redirection import RedirectMoveFacts
from tests.pure.test_redirect_gates import (
    FAILURES,
    GONE,
    IDLE,
    LOST,
    NOW,
    OWN,
    R,
    gate,
    planned,
    reading,
)

if TYPE_CHECKING:
    from gcr_migrate.redirect.evidence import Reading
    from gcr_migrate.redirect.plan import Plan

UNKNOWN_NAME = MigrateError(errors.NAME_UNKNOWN, subject="x", saw="404")
NO_IMAGES = RepositoryFacts(OWN, "DOCKER", "REMOTE_REPOSITORY", 1)


def enabling(found: Reading) -> Plan:
    """Ask for `enable`."""
    return plan_move(found, Move.ENABLE, (), {}, NOW)


@pytest.mark.parametrize("state", [R.ENABLED, R.FINALIZED])
@pytest.mark.parametrize(
    ("more", "code", "exit_code"),
    [
        ({"answer": GONE}, "redirect-slow", Exit.FAILED),
        ({"answer": UNKNOWN_NAME}, "redirect-slow", Exit.FAILED),
        ({"answer": Answer.OTHER}, "redirect-changed", Exit.FAILED),
        ({"answer": LOST}, "server-error", Exit.OUT_OF_REACH),
        (
            {"answer": MigrateError(errors.UNREACHABLE, subject="x")},
            "unreachable",
            Exit.OUT_OF_REACH,
        ),
        ({"repository": None, "answer": UNKNOWN_NAME}, "repository-missing", Exit.FAILED),
        ({"repository": None, "bucket": LOST}, "not-checked", Exit.OUT_OF_REACH),
        ({"repository": NO_IMAGES}, "redirect-misplaced", Exit.FAILED),
        ({"repository": LOST}, "not-checked", Exit.OUT_OF_REACH),
    ],
)
def test_what_is_wrong_where_nothing_is_written_is_told(
    state: Any, more: dict[str, Any], code: str, exit_code: Exit
) -> None:
    """One cause, one code, one remedy; the exit tells what is wrong from what was not seen."""
    plan = enabling(reading(state, **more))
    assert plan.decision.is_done
    assert [one.problem.code for one in plan.troubles] == [code]
    facts = RedirectMoveFacts.of(plan)
    assert (facts.outcome, facts.exit) == ("not-working", exit_code)
    assert facts.troubles[0].remedy


def test_there_is_nothing_to_do_only_where_it_works() -> None:
    """Hosts that have neither bucket nor repository may answer what they like."""
    facts = RedirectMoveFacts.of(enabling(reading(R.ENABLED)))
    assert (facts.outcome, facts.exit, facts.troubles) == ("nothing-to-do", Exit.OK, [])
    idle = replace(reading(R.ENABLED), hosts=tuple(replace(one, answer=GONE) for one in IDLE))
    assert not enabling(idle).troubles


@given(
    answer=st.sampled_from([*FAILURES, Answer.OTHER, GONE, UNKNOWN_NAME]),
    state=st.sampled_from([*R]),
)
def test_no_move_is_made_past_a_host_that_nobody_saw(answer: Any, state: Any) -> None:
    """Whatever comes instead of an answer holds the state's gate, or is the state itself."""
    plan = planned(reading(state, answer=answer))
    if plan.decision.target is None:
        return
    expected = answer in {GONE, UNKNOWN_NAME, Answer.OTHER}
    off = state in {R.DISABLED, R.UNSPECIFIED, R.PARTIAL, R.PARTIAL_AND_COPYING}
    tells = expected and off and (state is not R.UNSPECIFIED or answer is GONE)
    assert gate(plan, "state").holds is not tells
