"""What is made of all that can be seen of a domain: one cause, one code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError, Problem
from gcr_migrate.model.address import NO_ADDRESS, in_the_way
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.model.content import Digest
from gcr_migrate.model.domains import Domain, DomainFacts
from gcr_migrate.model.names import GCR_HOSTS, Project
from gcr_migrate.model.pulling import Answerer, Pull, PullMarks, PullStep, answerer
from gcr_migrate.model.settings import RepositorySettings
from gcr_migrate.verify.answers import Expect, Mark, judge, judge_identity
from tests.made import made

DIGEST: Final = Digest.of(b"{}")
AR: Final = PullMarks(header="true")
GOOD: Final = Pull(AR, DIGEST)
BARE: Final = Pull(PullMarks(), DIGEST)
BY_BLOBS: Final = Pull(PullMarks(blob_from="artifacts-downloads"), DIGEST)
REPOSITORY: Final = RepositorySettings()
OTHER: Final = MigrateError(errors.REPOSITORY_DIFFERS, subject="it", saw="its format is MAVEN")
WAS: Final = DomainFacts(Answerer.ARTIFACT_REGISTRY, Redirection.ENABLED, public=False)
BEFORE: Final = DomainFacts(Answerer.OTHER, Redirection.ENABLED)
NEVER: Final = DomainFacts(Answerer.CONTAINER_REGISTRY, Redirection.DISABLED, public=False)
HIDDEN: Final = MigrateError(errors.DENIED, subject="it", saw="403")
ENDED: Final = "Container Registry is deprecated and shutting down"


def _set(state: Redirection, word: str = "") -> RedirectSettings:
    return RedirectSettings(state, word or str(state))


ON: Final = _set(Redirection.ENABLED)


def _failed(step: PullStep, problem: Problem, saw: str = "words", marks: PullMarks = AR) -> Pull:
    digest = DIGEST if step is PullStep.BLOB else None
    return Pull(marks, digest, step, MigrateError(problem, subject="gcr.io/builds/app:1", saw=saw))


GONE: Final = _failed(PullStep.MANIFEST, errors.NOT_MIGRATED, f"412 {ENDED}", PullMarks())
LOST: Final = _failed(PullStep.PING, errors.UNREACHABLE, marks=PullMarks())
PAGE: Final = _failed(PullStep.MANIFEST, errors.BAD_MANIFEST, "not JSON", PullMarks())
ROOTLESS: Final = _failed(PullStep.PING, errors.NAME_UNKNOWN, "404", PullMarks())
ABSENT: Final = _failed(PullStep.MANIFEST, errors.NAME_UNKNOWN)


@dataclass(frozen=True)
class Case:
    """What is seen of a domain, and the codes that come of it.

    Attributes:
        name: what the case is.
        codes: code and mark of each verdict that is not plainly fine.
        names: whether each name has to be asked for.
    """

    name: str
    codes: set[tuple[str, Mark]]
    settings: RedirectSettings | MigrateError = ON
    repository: RepositorySettings | MigrateError | None = REPOSITORY
    pull: Pull = GOOD
    was: DomainFacts | None = WAS
    names: bool = True


def _wrong(problem: Problem) -> set[tuple[str, Mark]]:
    return {(problem.code, Mark.WRONG)}


def _unchecked(problem: Problem) -> set[tuple[str, Mark]]:
    return {(problem.code, Mark.UNCHECKED)}


CHANGED, NOT_MIGRATED = _wrong(errors.REDIRECT_CHANGED), _wrong(errors.NOT_MIGRATED)
OPEN, OUT = _unchecked(errors.NOT_CHECKED), _unchecked(errors.UNREACHABLE)
OFF, PART = _set(Redirection.DISABLED), _set(Redirection.PARTIAL_AND_COPYING)
STRANGE: Final = _set(Redirection.UNKNOWN, "REDIRECTION_OF_TOMORROW")
CASES: Final = [
    Case("all as it was", set()),
    Case("an old snapshot knows nothing of it", set(), was=DomainFacts()),
    Case("no baseline", set(), was=None),
    Case(
        "a move forward",
        {("redirect-changed", Mark.OK)},
        _set(Redirection.FINALIZED),
    ),
    Case("copying on demand", set(), _set(Redirection.ENABLED_AND_COPYING), was=None),
    Case("switched off", CHANGED, OFF, pull=GONE, names=False),
    Case("switched off, and still answering", CHANGED, OFF, was=None),
    Case("switched off, its repository gone", CHANGED, OFF, None, GONE, names=False),
    Case("412 though the setting is on", CHANGED, pull=GONE, names=False),
    Case("never migrated", NOT_MIGRATED, OFF, None, GONE, None, names=False),
    Case("never migrated then", NOT_MIGRATED, OFF, None, GONE, NEVER, names=False),
    Case(
        "not set",
        NOT_MIGRATED,
        _set(Redirection.UNSPECIFIED),
        None,
        GONE,
        None,
        names=False,
    ),
    Case("a part of the reads", CHANGED, PART, names=False),
    Case("a part of the reads, this one too", CHANGED, PART, pull=GONE, was=None, names=False),
    Case("an unknown word is no disabled", OPEN, STRANGE, was=None),
    Case("an unknown word is another one", CHANGED, STRANGE),
    Case("the setting is hidden", OPEN, HIDDEN),
    Case("the setting is hidden, and 412", CHANGED | OPEN, HIDDEN, pull=GONE, names=False),
    Case("without a mark", CHANGED, pull=BARE),
    Case(
        "marked by its blobs alone", set(), pull=Pull(PullMarks("", "artifacts-downloads"), DIGEST)
    ),
    Case(
        "no repository any more",
        _wrong(errors.REPOSITORY_CHANGED),
        repository=None,
        pull=ABSENT,
        names=False,
    ),
    Case(
        "no repository at all",
        _wrong(errors.REPOSITORY_MISSING),
        repository=None,
        pull=ABSENT,
        was=None,
        names=False,
    ),
    Case(
        "the host knows of no repository",
        _wrong(errors.REPOSITORY_CHANGED),
        repository=HIDDEN,
        pull=ABSENT,
        names=False,
    ),
    Case("a list that lags behind", set(), repository=None),
    Case("the repository is hidden", OPEN, repository=HIDDEN),
    Case("not for images", _wrong(errors.REPOSITORY_CHANGED), repository=OTHER),
    Case("out of reach", OUT, pull=LOST, names=False),
    Case(
        "no trust",
        OUT,
        pull=_failed(PullStep.PING, errors.UNTRUSTED, marks=PullMarks()),
        names=False,
    ),
    Case("a blob out of reach", OUT, pull=_failed(PullStep.BLOB, errors.UNREACHABLE)),
    Case(
        "a blob that is gone",
        _wrong(errors.BLOB_GONE),
        pull=_failed(PullStep.BLOB, errors.BLOB_UNKNOWN),
    ),
    Case(
        "bytes that differ",
        _wrong(errors.BYTES_DIFFER),
        pull=_failed(PullStep.BLOB, errors.DIGEST_MISMATCH),
    ),
    Case(
        "a manifest that is none",
        _wrong(errors.BYTES_DIFFER),
        pull=_failed(PullStep.MANIFEST, errors.BAD_MANIFEST),
    ),
    Case("a page instead of a manifest", CHANGED, pull=PAGE, names=False),
    Case("a page, without a baseline", CHANGED, pull=PAGE, was=None, names=False),
    Case("a page, where marks were never seen", _wrong(errors.BYTES_DIFFER), pull=PAGE, was=BEFORE),
    Case("no registry's root", CHANGED, pull=ROOTLESS, names=False),
    Case("no registry's root, marked", OPEN, pull=replace(ROOTLESS, marks=AR), names=False),
    Case("the caller may not", OPEN, pull=_failed(PullStep.TOKEN, errors.DENIED), names=False),
    Case("nothing to pull", OPEN, pull=_failed(PullStep.MANIFEST, errors.MANIFEST_UNKNOWN)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_each_cause_has_its_code_and_no_other(case: Case) -> None:
    """Whatever else is seen because of it, one code is told, and each name is asked or not."""
    judged = judge(case.settings, case.repository, case.pull, case.was)
    verdicts = (judged.setting, judged.repository, judged.answer)

    assert {(one.problem.code, one.mark) for one in verdicts if one.problem} == case.codes
    assert (judged.of_all_names is None) == case.names


@pytest.mark.parametrize("was", [None, WAS, NEVER])
@pytest.mark.parametrize("word", ["", "REDIRECTION_OF_TOMORROW", "DISABLED"])
def test_an_unknown_word_is_never_fine(was: DomainFacts | None, word: str) -> None:
    """Nobody takes it for disabled either: that would be told as 412 is."""
    judged = judge(RedirectSettings(Redirection.UNKNOWN, word), REPOSITORY, GOOD, was)

    assert judged.setting.mark is not Mark.OK
    assert judged.setting.problem is not errors.NOT_MIGRATED


NO_LOGIN = _failed(PullStep.TOKEN, errors.UNAUTHORIZED)
DENIED = _failed(PullStep.TOKEN, errors.DENIED)


@pytest.mark.parametrize(
    ("pull", "expects", "who", "mark", "problem"),
    [
        (GOOD, Expect.WORKS, "anybody", Mark.OK, None),
        (GOOD, Expect.REFUSED, "anybody", Mark.WRONG, errors.ACCESS_GAINED),
        (DENIED, Expect.REFUSED, "ada", Mark.OK, None),
        (DENIED, Expect.WORKS, "ada", Mark.WRONG, errors.ACCESS_LOST),
        (NO_LOGIN, Expect.REFUSED, "anybody", Mark.OK, None),
        (NO_LOGIN, Expect.REFUSED, "ada", Mark.UNCHECKED, errors.NOT_CHECKED),
        (NO_LOGIN, Expect.WORKS, "ada", Mark.UNCHECKED, errors.NOT_CHECKED),
        (LOST, Expect.REFUSED, "anybody", Mark.UNCHECKED, errors.UNREACHABLE),
    ],
)
def test_a_pull_by_somebody_is_held_against_what_should_come_of_it(
    pull: Pull, expects: Expect, who: str, mark: Mark, problem: Problem | None
) -> None:
    """A token that is no good proves neither that its owner may pull nor that he may not."""
    verdict = judge_identity(pull, expects, "said so", anonymous=who == "anybody")

    assert (verdict.mark, verdict.problem) == (mark, problem)


@pytest.mark.parametrize(
    ("problem", "saw", "begins"),
    [
        (errors.UNTRUSTED, "the certificate has expired", "certificate: "),
        (errors.UNREACHABLE, f"{NO_ADDRESS}Name or service not known", "DNS: "),
        (errors.UNREACHABLE, f"through the proxy p: {NO_ADDRESS}nothing", "DNS: "),
        (errors.UNREACHABLE, "through the proxy p: 403 Forbidden", "network: "),
    ],
)
def test_who_does_not_answer_is_told_with_what_is_in_the_way(
    problem: Problem, saw: str, begins: str
) -> None:
    """Certificate, name and network are mended by different people."""
    assert in_the_way(MigrateError(problem, subject="gcr.io", saw=saw)) == f"{begins}{saw}"


def test_a_network_that_is_gone_is_told_once() -> None:
    """Host, setting and repository are asked through it; what else is in the way is told."""
    lost = MigrateError(errors.UNREACHABLE, subject="artifactregistry.googleapis.com", saw="no")
    gone, api_only = judge(lost, lost, LOST, WAS), judge(lost, REPOSITORY, GOOD, WAS)
    hidden = judge(HIDDEN, lost, LOST, WAS)

    assert gone.setting == gone.repository == gone.answer
    assert gone.answer.problem is errors.UNREACHABLE
    assert api_only.setting.problem is errors.NOT_CHECKED
    assert hidden.setting.problem is errors.NOT_CHECKED


@pytest.mark.parametrize(
    ("pull", "who"),
    [
        (GOOD, Answerer.ARTIFACT_REGISTRY),
        (BARE, Answerer.OTHER),
        (GONE, Answerer.CONTAINER_REGISTRY),
        (LOST, Answerer.NOBODY),
        (
            Pull(
                PullMarks(refusal='403 "artifactregistry.repositories.downloadArtifacts" denied'),
                failed=PullStep.TOKEN,
                error=HIDDEN,
            ),
            Answerer.ARTIFACT_REGISTRY,
        ),
        (
            Pull(
                PullMarks(refusal='404 NAME_UNKNOWN Repository "gcr.io" not found'),
                failed=PullStep.MANIFEST,
                error=HIDDEN,
            ),
            Answerer.ARTIFACT_REGISTRY,
        ),
    ],
)
def test_a_mark_tells_who_answers(pull: Pull, who: Answerer) -> None:
    """A header, where blobs come from, or the words of a refusal; and none of them is no proof."""
    assert answerer(pull) is who


@pytest.mark.parametrize("project", ["builds", "example.com:builds"])
def test_a_domain_is_found_by_both_of_its_names(project: str) -> None:
    """Its own, and the one under which Artifact Registry serves it."""
    for one in GCR_HOSTS:
        domain = Domain(one, Project.parse(project))
        assert Domain.at(one.name, domain.project.path) == domain
        assert Domain.at(domain.ar_registry, domain.ar_prefix) == domain
        assert Domain.at("us-central1-docker.pkg.dev", domain.ar_prefix) is None


@given(
    made(DomainFacts, st.text(), st.text(), st.none() | st.booleans()),
    st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.text()),
)
def test_what_a_snapshot_keeps_comes_back(facts: DomainFacts, other: object) -> None:
    """And what another version may have written there harms nobody."""
    assert DomainFacts.read(facts.plain()) == facts
    DomainFacts.read(other)
