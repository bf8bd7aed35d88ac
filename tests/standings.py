"""Standings of targets for tests, with any words of strangers in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.report.proof import (
    HostFact,
    LevelFact,
    ProofFindingFact,
    SampleFact,
    VerifyFacts,
)
from gcr_migrate.report.standing import HostStanding, Standing
from gcr_migrate.verify.result import Outcome
from tests.made import made

if TYPE_CHECKING:
    from gcr_migrate.errors import Problem

HOST = "us.gcr.io/builds"


def finding(
    problem: Problem = errors.TAG_GONE,
    subject: str = f"{HOST}/app:1",
    saw: str = "",
    severity: Severity = Severity.ERROR,
    count: int = 1,
) -> ProofFindingFact:
    """Return a finding as it is told."""
    return ProofFindingFact.at(HOST, Finding(problem, severity, subject, saw, count))


def level(ok: int = 0, wrong: int = 0, unchecked: int = 0) -> LevelFact:
    """Return the counts of a level."""
    return LevelFact(checked=ok + wrong, ok=ok, wrong=wrong, unchecked=unchecked)


def host(
    *findings: ProofFindingFact,
    name: str = HOST,
    outcome: Outcome = Outcome.DIFFERS,
    counts: LevelFact | None = None,
) -> HostStanding:
    """Return how a host stands of which tags were looked at."""
    whole = frozenset({"tags"}) if not (counts and counts.unchecked) else frozenset[str]()
    return HostStanding(name, outcome, {"tags": counts or level(ok=1)}, findings, whole)


def standing(*hosts: HostStanding, target: str = "builds") -> Standing:
    """Return how a target stands whose hosts these are."""
    outcomes = [one.outcome for one in hosts]
    bad = (Outcome.DIFFERS, Outcome.UNPROVEN)
    outcome = next((one for one in bad if one in outcomes), Outcome.PROVEN)
    return Standing(target, outcome, hosts, seconds=1.5)


def facts(
    outcome: Outcome,
    *findings: ProofFindingFact,
    complete: bool = True,
    sample: SampleFact | None = None,
) -> VerifyFacts:
    """Return what `verify` tells of a live host whose findings these are."""
    counts = {"tags": level(ok=1)} | ({"deep": level(ok=1)} if sample else {})
    told = [*findings]
    return VerifyFacts(
        target=HOST,
        kind="live",
        file="",
        digest="",
        outcome=outcome if complete else Outcome.UNPROVEN,
        complete=complete,
        levels=counts,
        hosts={HOST: HostFact(outcome=outcome, levels=counts, findings={})},
        sample=sample,
        earlier=None,
        findings=told,
    )


# Of a stranger's words nothing is sure: not even that they can be written.
WORDS = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(codec=None), max_size=10),
    st.sampled_from(
        ["]]>", "<b>&amp;", "\0\x1b[31m", "\ufffe", "\ud800", "a" * 5_000, "`<!here>`"]
    ),
)
NAMES = WORDS.map(errors.printable)  # a command line's name may be no text; they are cleaned first
FINDINGS = made(
    finding,
    st.sampled_from([errors.TAG_GONE, errors.IMAGE_NEW, errors.NOT_CHECKED, errors.UNREACHABLE]),
    WORDS,
    WORDS,
    st.sampled_from(Severity),
)
LEVELS = made(level, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
HOSTS = made(
    HostStanding,
    NAMES,
    st.sampled_from(Outcome),
    st.dictionaries(st.sampled_from(["tags", "blobs"]), LEVELS),
    st.lists(FINDINGS, max_size=3).map(tuple),
)
STANDINGS = st.lists(
    made(
        Standing,
        NAMES,
        st.sampled_from(Outcome),
        st.lists(HOSTS, max_size=2).map(tuple),
        st.lists(FINDINGS, max_size=2).map(tuple),
        st.none() | st.floats(0, 1e6),
    ),
    max_size=2,
)
