"""Gates about copying and about logs: what was copied, what failed, and what nobody can know."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from gcr_migrate.redirect.copy_gates import copy_gate, is_copied
from gcr_migrate.redirect.evidence import Copied, Pulled, Rescued
from gcr_migrate.redirect.gates import Passing
from tests.pure.test_redirect_gates import LOST, NOW, R, gate, planned, reading


def test_a_log_with_a_gap_is_no_evidence_until_somebody_says_why() -> None:
    """Who pulled in days that the log does not tell of is unknown, whatever else it shows."""
    whole = planned(reading(), pulled=Pulled(1, days="2026-09-01 to 2026-11-20"))
    assert gate(whole, "log").passing is Passing.PASSED
    silent = Pulled(1, days="2026-09-01 to 2026-11-20", silences=("2026-10-01 to 2026-10-09",))
    plan = planned(reading(), pulled=silent)
    assert gate(plan, "log").passing is Passing.UNKNOWN
    assert "2026-10-01 to 2026-10-09" in gate(plan, "log").evidence[0]
    accepted = planned(reading(), {"log": "the plant was closed"}, pulled=silent)
    assert gate(accepted, "log").passing is Passing.ACCEPTED
    assert len({whole.code, plan.code, accepted.code}) == 3


def test_what_was_asked_for_in_vain_has_to_be_judged_before_copying_ends() -> None:
    """Google's copy may have failed for it, or it never was: only a person knows."""
    pulled = Pulled(3, sought=("us.gcr.io/builds/app:9",))
    ending = planned(reading(R.ENABLED_AND_COPYING), pulled=pulled)
    assert gate(ending, "pulled").passing is Passing.UNKNOWN
    assert "us.gcr.io/builds/app:9: asked for in vain" in gate(ending, "pulled").evidence[0]
    begun = planned(reading(copied=Copied(3, 1)), pulled=pulled)
    assert gate(begun, "pulled").passing is Passing.PASSED
    accepted = planned(reading(R.ENABLED_AND_COPYING), {"pulled": "a typo"}, pulled=pulled)
    assert gate(accepted, "pulled").passing is Passing.ACCEPTED
    many = Pulled(3, unchecked=tuple(map(str, range(1_000))))
    assert len(gate(planned(reading(), pulled=many), "pulled").evidence) < 20


def answered(**more: Any) -> Rescued:
    """What Google's copy answered yesterday."""
    last = datetime.fromtimestamp(NOW / 1000 - 86_400, UTC).isoformat(timespec="seconds")
    return replace(Rescued(copied=5, last=last), **more)


@pytest.mark.parametrize(
    ("more", "passed"),
    [
        ({"copied": Copied(9, 4)}, True),
        ({"copied": Copied(0, 0)}, True),
        ({"copied": Copied(9, 9)}, False),
        ({"copied": LOST}, False),
        ({"copied": None}, False),
        ({"copied": Copied(9, 9), "rescued": answered()}, True),
        ({"copied": LOST, "rescued": answered(failed=2)}, True),
        ({"copied": Copied(9, 9), "rescued": answered(last="2020-01-01T00:00:00+00:00")}, False),
        ({"copied": Copied(9, 9), "rescued": Rescued()}, False),
    ],
)
def test_pulls_are_left_to_a_copy_that_was_seen_to_work(
    more: dict[str, Any], *, passed: bool
) -> None:
    """By an answer of the last month, or by blobs that are there; a reason may stand for it."""
    found = reading(**more)
    told = copy_gate(found, {}, NOW)
    assert told.passing is (Passing.PASSED if passed else Passing.UNKNOWN)
    assert not copy_gate(found, {"copy": "it was seen by hand"}, NOW).holds
    plan = planned(found)
    if plan.decision.target is R.ENABLED_AND_COPYING:
        assert gate(plan, "copy") == told


def test_a_rescue_of_a_part_says_so() -> None:
    """Its counts are no word on what was not asked for."""
    found = reading(R.ENABLED_AND_COPYING, rescued=answered(is_part=True))
    assert "only a part was asked for" in gate(planned(found), "copied").evidence[0]


def test_who_has_nothing_copied_is_told_the_smallest_copy() -> None:
    """The command is one that copies one version of each image at that host."""
    (told, *_) = copy_gate(reading(copied=Copied(9, 9)), {}, NOW).evidence
    assert "run `gcr-migrate rescue us.gcr.io/builds --newest 1`" in told


@pytest.mark.parametrize(
    ("rescued", "copied"),
    [
        (answered(), True),
        (answered(failed=1, damaged=1, examples=("app/x@sha256:1: gone",)), False),
        (answered(tags_failed=1), False),
        (answered(unended=1), None),
    ],
)
def test_all_blobs_prove_nothing_of_images_that_were_not_copied(
    rescued: Rescued, *, copied: bool | None
) -> None:
    """A manifest or tag that failed has its blobs there where other images share them."""
    found = reading(R.ENABLED_AND_COPYING, rescued=rescued)
    assert is_copied(found) is copied
    plan = planned(found)
    assert gate(plan, "copied").holds is not copied
    told = gate(plan, "copied").evidence[0]
    assert "by the rescue: 5 manifests copied" in told
    assert all(one in told for one in rescued.examples)
    assert not gate(planned(found, {"copied": "seen by hand"}), "copied").holds
    first = planned(reading(rescued=rescued))
    assert first.decision.target is (R.ENABLED if copied else R.ENABLED_AND_COPYING)
