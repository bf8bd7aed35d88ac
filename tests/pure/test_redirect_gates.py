"""Gates: passed by evidence only, and by nothing that could not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import Binding, Level, ObjectAccess, Picture, Policy, PolicyOn
from gcr_migrate.model.cloud import (
    BucketFacts,
    ProjectFacts,
    Redirection,
    RedirectSettings,
    RepositoryFacts,
)
from gcr_migrate.model.names import GCR_HOSTS, Project
from gcr_migrate.redirect.copy_gates import is_copied
from gcr_migrate.redirect.evidence import (
    COPIER,
    Answer,
    Copied,
    Expected,
    HostReading,
    Pulled,
    Reading,
)
from gcr_migrate.redirect.gates import Gate, Passing, Proof, proof_gate
from gcr_migrate.redirect.moves import Move
from gcr_migrate.redirect.plan import Plan, plan_move
from gcr_migrate.redirect.pullers import Named
from tests.made import made

if TYPE_CHECKING:
    from collections.abc import Mapping

R = Redirection
NOW = 1_800_000_000_000
LOST = MigrateError(errors.SERVER_ERROR, subject="x", saw="500")
HIDDEN = MigrateError(errors.DENIED, subject="x", saw="403")
GONE = MigrateError(errors.NOT_MIGRATED, subject="x", saw="412")
FAILURES = (
    LOST,
    HIDDEN,
    MigrateError(errors.UNREACHABLE, subject="x"),
    MigrateError(errors.PERIMETER, subject="x"),
)
AGENT = "serviceAccount:service-42@gcp-sa-artifactregistry.iam.gserviceaccount.com"
ADA = "user:ada@example.com"
BOB = "user:bob@example.com"
READER = "roles/artifactregistry.reader"
VIEWER = "roles/storage.objectViewer"
OWN = "projects/builds/locations/us/repositories/us.gcr.io"
NO_BINDINGS = Policy((), "")


def picture(level: Level, role: str, *members: str, above: Policy | None = NO_BINDINGS) -> Picture:
    """Who holds one role on a bucket or a repository."""
    own = Policy((Binding(role, members),), "")
    on = (
        PolicyOn(level, "own", own),
        PolicyOn(Level.PROJECT, "projects/builds", above, "" if above else "denied: 403"),
    )
    return Picture("us.gcr.io/builds", level, "builds", on)


def host(**more: Any) -> HostReading:
    """A host all of whose bucket is in its repository, with one who pulls and still can."""
    found = HostReading(
        GCR_HOSTS[1],
        Answer.ARTIFACT_REGISTRY,
        BucketFacts("us.artifacts.builds.appspot.com", "US", uniform_access=True, readable=True),
        RepositoryFacts(OWN, "DOCKER", "STANDARD_REPOSITORY", 1),
        images=2,
        copied=Copied(3, 0),
        source=picture(Level.BUCKET, VIEWER, ADA, AGENT),
        target=picture(Level.REPOSITORY, READER, ADA),
    )
    return replace(found, **more)


IDLE = tuple(HostReading(one, GONE, None, None) for one in GCR_HOSTS if one.name != "us.gcr.io")


def reading(state: Redirection = R.DISABLED, *, facts: Any = None, **more: Any) -> Reading:
    """A project with one host in use."""
    settings = RedirectSettings(state, state.value)
    own = host(**({"answer": GONE} if state in {R.DISABLED, R.UNSPECIFIED} else {}) | more)
    idle = [replace(one, answer=own.answer) for one in IDLE]
    known = facts or ProjectFacts("builds", "42", "", active=True)
    return Reading(Project("builds"), settings, known, (own, *idle))


def planned(
    found: Reading,
    accepted: Mapping[str, str] | None = None,
    named: tuple[Named, ...] = (),
    pulled: Pulled | None = None,
) -> Plan:
    """Plan what comes next."""
    return plan_move(found, None, named, accepted or {}, NOW, pulled)


def gate(plan: Plan, name: str) -> Gate:
    """Return one gate."""
    return next(one for one in plan.gates if one.name == name)


def passing(plan: Plan) -> dict[str, str]:
    """Return what each gate says."""
    return {one.name: one.passing.value for one in plan.gates}


def test_all_gates_are_passed_by_evidence() -> None:
    """Where all is seen and right nothing holds, and the verification is still to be made."""
    plan = planned(reading())
    assert plan.decision.target is R.ENABLED
    assert passing(plan) == {
        "state": "passed",
        "repositories": "passed",
        "listings": "passed",
        "copied": "passed",
        "pullers": "passed",
        "verified": "when-it-is-made",
    }
    assert plan.holding == ()
    copying = planned(reading(copied=Copied(3, 1, ("sha256:aa",))))
    assert copying.decision.target is R.ENABLED_AND_COPYING
    assert gate(copying, "agent").passing is Passing.PASSED
    assert COPIER in gate(copying, "agent").evidence[1]  # told, as it may be asked instead
    assert "1 of 3 blobs" in " ".join(gate(copying, "copied").evidence)


UNREAD = [
    ("bucket", FAILURES[0], "listings"),
    ("bucket", FAILURES[2], "pullers"),
    *(("repository", error, "repositories") for error in FAILURES),
    *(("images", error, "listings") for error in FAILURES),
    *(("source", error, "pullers") for error in FAILURES),
    *(("target", error, "pullers") for error in FAILURES),
    *(("expected", error, "listings") for error in FAILURES),
    ("images", None, "listings"),
    ("expected", Expected(1, whole=False), "listings"),
]


@pytest.mark.parametrize(("what", "came", "name"), UNREAD)
def test_what_could_not_be_read_is_not_passed(what: str, came: Any, name: str) -> None:
    """Each reading that fails, however it fails, holds up the gate that rests on it."""
    plan = planned(reading(**{what: came}))
    assert gate(plan, name).passing is Passing.UNKNOWN
    assert plan.holding


@given(
    broken=st.dictionaries(
        st.sampled_from(["repository", "images", "source", "target", "expected"]),
        st.sampled_from(FAILURES),
        min_size=1,
    ),
    state=st.sampled_from([one for one in R if one not in {R.UNKNOWN, R.FINALIZED}]),
    accepts=st.sets(st.sampled_from(["copied", "pulled", ADA])),
)
def test_no_failure_is_ever_taken_for_evidence(
    broken: dict[str, MigrateError], state: Redirection, accepts: set[str]
) -> None:
    """With anything unread some gate holds, in every state and whatever else is accepted."""
    plan = planned(reading(state, **broken), dict.fromkeys(accepts, "a reason"))
    held = {one.name for one in plan.holding}
    assert held
    assert plan.proven(Proof(5, 0, 0)).holding


WRONG = [
    ({"repository": None}, "repositories", "no repository"),
    ({"repository": RepositoryFacts(OWN, "MAVEN", "", 1)}, "repositories", "MAVEN"),
    ({"repository": RepositoryFacts(OWN, "DOCKER", "NOVEL", 1)}, "repositories", "NOVEL"),
    (
        {"repository": RepositoryFacts(OWN, "DOCKER", "REMOTE_REPOSITORY", 1)},
        "repositories",
        "REMOTE",
    ),
    ({"misplaced": ("projects/builds/locations/europe/repositories/us.gcr.io",)}, "repositories",
     "not where it could answer"),
    ({"target": picture(Level.REPOSITORY, READER)}, "pullers", f"{ADA}"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "name", "told"), WRONG)
def test_what_is_wrong_fails_with_its_name(more: dict[str, Any], name: str, told: str) -> None:
    """Each thing that is seen to be wrong fails its gate and comes first in the evidence."""
    found = gate(planned(reading(**more)), name)
    assert found.passing is Passing.FAILED
    assert told in found.evidence[0]


def test_the_agent_has_to_be_able_to_read_each_bucket() -> None:
    """Named where it may not; not known where its policy, number or what is above is hidden."""
    uncopied = Copied(3, 1)
    without = picture(Level.BUCKET, VIEWER, ADA)
    plan = planned(reading(copied=uncopied, source=without))
    assert gate(plan, "agent").passing is Passing.FAILED
    assert AGENT.partition(":")[2] in gate(plan, "agent").evidence[0]
    for more in (
        {"source": picture(Level.BUCKET, VIEWER, ADA, above=None)},
        {"source": LOST},
        {"facts": HIDDEN},
        {"facts": ProjectFacts("builds", "", "", active=True)},
    ):
        found = gate(planned(reading(copied=uncopied, **more)), "agent")
        assert found.passing is Passing.UNKNOWN, more


def test_ending_the_copy_needs_proof_or_a_reason() -> None:
    """Uncopied blobs fail, an unread bucket is unknown, a reason is accepted and told."""
    state = R.ENABLED_AND_COPYING
    for copied, wanted in (
        (Copied(3, 0), "passed"),
        (Copied(3, 1), "failed"),
        (HIDDEN, "unknown"),
        (None, "unknown"),
    ):
        plan = planned(reading(state, copied=copied))
        assert (plan.decision.target, passing(plan)["copied"]) == (R.ENABLED, wanted)
        accepted = gate(planned(reading(state, copied=copied), {"copied": "orphans"}), "copied")
        assert not accepted.holds
    assert (
        "orphans"
        in gate(
            planned(reading(state, copied=Copied(3, 1)), {"copied": "orphans"}), "copied"
        ).evidence[0]
    )
    whole = reading(state, expected=Expected(9, 1, ("us.gcr.io/builds/app:1",)))
    assert gate(planned(whole), "copied").passing is Passing.FAILED


@given(
    copied=st.sampled_from([None, LOST, Copied(2, 0), Copied(2, 2)]),
    expected=st.sampled_from([None, LOST, Expected(2, 0), Expected(2, 1)]),
    bucket=st.sampled_from([None, LOST, "there"]),
)
def test_copied_is_never_guessed(copied: Any, expected: Any, bucket: Any) -> None:
    """It is proven only where nothing is missing, nothing failed, and blobs were compared."""
    found = host(copied=copied, expected=expected)
    if bucket != "there":
        found = replace(found, bucket=bucket)
    whole = Reading(Project("builds"), LOST, None, (found,))
    missing = any(getattr(one, "missing", 0) for one in (expected, copied if bucket else None))
    if is_copied(whole) is True:
        assert not missing
        assert not isinstance(expected, MigrateError)
        assert bucket is None or isinstance(copied, Copied)
    if isinstance(expected, Expected) and expected.missing:
        assert is_copied(whole) is False


def test_an_empty_repository_is_made_final_only_with_a_baseline() -> None:
    """Where nothing can be verified and there is a bucket, somebody says that nothing is right."""
    empty = reading(R.ENABLED, images=0)
    assert gate(planned(empty), "baseline").passing is Passing.UNKNOWN
    hidden = reading(R.ENABLED, images=0, bucket=HIDDEN)
    assert gate(planned(hidden), "baseline").passing is Passing.UNKNOWN
    told = reading(R.ENABLED, images=0, expected=Expected())
    assert gate(planned(told), "baseline").passing is Passing.PASSED
    for fine in (reading(R.ENABLED), reading(R.ENABLED, images=0, bucket=None)):
        assert "baseline" not in passing(planned(fine))


def test_an_untold_state_moves_only_where_hosts_say_that_it_is_off() -> None:
    """UNSPECIFIED is taken for not redirected by a 412 alone; an enabled one that is 412 waits."""
    assert gate(planned(reading(R.UNSPECIFIED)), "state").passing is Passing.PASSED
    silent = reading(R.UNSPECIFIED, answer=Answer.ARTIFACT_REGISTRY)
    assert gate(planned(silent), "state").passing is Passing.UNKNOWN
    assert gate(planned(reading(R.ENABLED, answer=GONE)), "state").passing is Passing.FAILED


def test_hidden_policies_make_the_list_of_pullers_unknown() -> None:
    """Above the bucket or in lists of objects: somebody may pull whom nobody sees."""
    hidden = picture(Level.BUCKET, VIEWER, ADA, above=None)
    cut = replace(host().source, objects=ObjectAccess(complete=False, why="denied"))  # type: ignore[type-var]  # a picture
    for source in (hidden, cut):
        plan = planned(reading(source=source))
        assert gate(plan, "pullers").passing is Passing.UNKNOWN
        accepted = gate(planned(reading(source=source), {"unseen": "no folder has any"}), "pullers")
        assert accepted.passing is Passing.ACCEPTED
        assert "no folder has any" in accepted.evidence[0]


@pytest.mark.parametrize(
    ("member", "target", "can"),
    [
        ("user:Ada@Example.com", picture(Level.REPOSITORY, READER, ADA), True),
        (BOB, picture(Level.REPOSITORY, READER, ADA), False),
        (BOB, picture(Level.REPOSITORY, READER, ADA, "group:x@y.z"), None),
        (BOB, picture(Level.REPOSITORY, READER, ADA, "domain:example.com"), True),
        (BOB, picture(Level.REPOSITORY, READER, ADA, "allUsers"), True),
        ("allUsers", picture(Level.REPOSITORY, READER, ADA, "group:x@y.z"), False),
        ("allUsers", picture(Level.REPOSITORY, READER, ADA, "allAuthenticatedUsers"), False),
        (BOB, picture(Level.REPOSITORY, READER, ADA, above=None), None),
        ("user:bob@example.com", LOST, None),
    ],
)  # fmt: skip
def test_who_is_named_can_pull_or_cannot_or_nobody_knows(
    member: str,
    target: Any,
    can: bool | None,  # noqa: FBT001  # three values
) -> None:
    """By name, domain and everybody; a group or a hidden policy may let them, and is no proof."""
    plan = planned(reading(target=target), named=(Named(member, "us.gcr.io", "audit log"),))
    found = [one.can for one in plan.pullers if one.member.lower() == member.lower()]
    assert found == [can]
    assert gate(plan, "pullers").holds is (can is not True)


def test_a_log_of_another_host_names_nobody_here() -> None:
    """A puller of one host needs no right at another; one of a list needs it at all in use."""
    assert not gate(planned(reading(), named=(Named(BOB, "eu.gcr.io", "log"),)), "pullers").holds
    assert gate(planned(reading(), named=(Named(BOB, "", "list"),)), "pullers").holds
    accepted = gate(planned(reading(), {BOB: "has left"}, (Named(BOB, "", "list"),)), "pullers")
    assert accepted.passing is Passing.ACCEPTED


def test_what_was_pulled_has_to_be_there_once_copying_ends() -> None:
    """While copying goes on it may be missing; what could not be asked holds in any case."""
    missing, unasked = Pulled(2, ("us.gcr.io/builds/app:1",)), Pulled(2, (), ("x: denied",))
    assert gate(planned(reading(), pulled=missing), "pulled").passing is Passing.FAILED
    assert gate(planned(reading(), {"pulled": "old"}, pulled=missing), "pulled").passing is (
        Passing.ACCEPTED
    )
    copying = reading(copied=Copied(2, 1))
    assert gate(planned(copying, pulled=missing), "pulled").passing is Passing.PASSED
    for found in (reading(), copying):
        assert gate(planned(found, pulled=unasked), "pulled").passing is Passing.UNKNOWN


@given(proof=made(Proof, st.integers(0, 9), st.integers(0, 2), st.integers(0, 2), st.booleans()))
def test_a_verification_passes_only_whole_and_right(proof: Proof) -> None:
    """Wrong is failed, unchecked or unfinished is unknown, an error is unknown."""
    found = proof_gate(proof, ()).passing
    assert (found is Passing.PASSED) == (not proof.wrong and not proof.unchecked and proof.complete)
    assert (found is Passing.FAILED) == bool(proof.wrong)
    assert proof_gate(LOST, ()).passing is Passing.UNKNOWN


CHANGES: list[dict[str, Any]] = [
    {"images": 3},
    {"copied": Copied(4, 0)},
    {"answer": Answer.OTHER},
    {"source": picture(Level.BUCKET, VIEWER, ADA, AGENT, "user:bob@example.com")},
    {"target": picture(Level.REPOSITORY, READER, "allUsers")},
    {"expected": Expected(1)},
]


def test_the_code_stands_for_the_evidence() -> None:
    """The same evidence has the same code, any other one another; a verification changes none."""
    plan = planned(reading())
    assert planned(reading()).code == plan.code == plan.proven(Proof(3, 0, 0)).code
    others = [planned(reading(**more)).code for more in CHANGES]
    others.append(planned(reading(R.ENABLED_AND_COPYING)).code)
    others.append(planned(reading(), {"copied": "x", ADA: "y"}, pulled=Pulled(1)).code)
    others += [planned(reading(copied=Copied(9, 5, mark=mark))).code for mark in "ab"]
    others += [planned(reading(expected=Expected(9, mark=mark))).code for mark in "ab"]
    for last in "ab":  # beyond those that are named
        pulled = Pulled(20, (*map("app:{:02}".format, range(15)), f"z:{last}"))
        others.append(planned(reading(), {"pulled": "x"}, pulled=pulled).code)
    assert len({plan.code, *others}) == len(others) + 1
    assert planned(reading(R.FINALIZED)).code == ""


def test_what_it_means_for_each_of_the_four_hosts() -> None:
    """With a repository it answers; without, 404; with a bucket left alone its images are lost."""
    plan = planned(reading(repository=None))
    assert len(plan.hosts) == 4
    told = {one.host: one.afterwards for one in plan.hosts}
    assert "its images lost to it" in told["us.gcr.io/builds"]
    assert "answers 404: neither" in told["eu.gcr.io/builds"]
    assert told_of(planned(reading()), "us.gcr.io/builds") == f"{OWN} answers"
    assert "not known" in told_of(planned(reading(repository=LOST)), "us.gcr.io/builds")


def told_of(plan: Plan, shown: str) -> str:
    """Return what becomes of a host."""
    return next(one.afterwards for one in plan.hosts if one.host == shown)


@pytest.mark.parametrize("move", [Move.DISABLE, Move.PARTIAL])
def test_a_refused_move_has_no_gates_and_no_code(move: Move) -> None:
    """Nothing could be passed that would allow it."""
    plan = plan_move(reading(R.ENABLED), move, (), {}, NOW)
    assert (plan.gates, plan.code, plan.decision.problem) == ((), "", errors.REDIRECT_BACKWARD)
