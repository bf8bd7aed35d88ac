"""What a host is, for every combination of what its witnesses may say."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.discover.evidence import Answer, BucketEvidence, HostEvidence, ProjectEvidence
from gcr_migrate.discover.kinds import JOBS, TITLES, Job, Kind, Verdict, judge
from gcr_migrate.discover.opinions import WORDS
from gcr_migrate.errors import MigrateError, Problem
from gcr_migrate.model.cloud import ProjectFacts, Redirection, RedirectSettings, RepositoryFacts
from gcr_migrate.model.names import GCR_HOSTS, Project

HOST: Final = GCR_HOSTS[1]
NAME: Final = "us.artifacts.builds.appspot.com"
THERE: Final = RepositoryFacts(
    "projects/builds/locations/us/repositories/us.gcr.io", "DOCKER", "STANDARD_REPOSITORY", 7
)
FACTS: Final = ProjectFacts("builds", "123", "folders/1", active=True)


def refused(problem: Problem) -> MigrateError:
    """An error of some witness."""
    return MigrateError(problem, subject="somewhere", saw="403")


NEVER: Final = refused(errors.NOT_MIGRATED)
DENIED: Final = refused(errors.DENIED)
ABSENT: Final = refused(errors.REPOSITORY_MISSING)
SILENT: Final = refused(errors.UNREACHABLE)


def settings(state: Redirection, percent: int | None = None) -> RedirectSettings:
    """A setting in the service's own word."""
    return RedirectSettings(state, state.value, percent)


ENABLED: Final = settings(Redirection.ENABLED)
DISABLED: Final = settings(Redirection.DISABLED)


def seen(*, bucket: Any = False, **more: Any) -> HostEvidence:
    """A host, with its bucket as the search and the name show it."""
    return HostEvidence(HOST, BucketEvidence(NAME, bucket), **({"usage": ""} | more))


def project(state: Any, host: HostEvidence, **more: Any) -> ProjectEvidence:
    """A project with this one host."""
    return ProjectEvidence(Project("builds"), state, hosts=(host,), **more)


def verdict(state: Any, host: HostEvidence, **more: Any) -> Verdict:
    """What the host is."""
    return judge(project(state, host, **more), host)


AR: Final[dict[str, Any]] = {"answer": Answer.ARTIFACT_REGISTRY, "repository": THERE}
PLAIN: Final[list[tuple[Any, dict[str, Any], Kind | None, Job]]] = [
    (ENABLED, {"bucket": True, **AR}, Kind.REDIRECTED, Job.SPLIT),
    (settings(Redirection.FINALIZED), {"bucket": True, **AR}, Kind.REDIRECTED, Job.SPLIT),
    (ENABLED, {"bucket": True, **AR, "images": ()}, Kind.REDIRECTED, Job.VERIFY),
    (ENABLED, AR, Kind.BORN_IN_ARTIFACT_REGISTRY, Job.SPLIT),
    (DISABLED, AR, Kind.BORN_IN_ARTIFACT_REGISTRY, Job.SPLIT),
    (ENABLED, {**AR, "images": ()}, Kind.BORN_IN_ARTIFACT_REGISTRY, Job.LEAVE),
    (
        DISABLED,
        {"answer": NEVER, "repository": THERE},
        Kind.BORN_IN_ARTIFACT_REGISTRY,
        Job.VERIFY,
    ),
    (DISABLED, {"bucket": True, "answer": NEVER}, Kind.NEVER_MIGRATED, Job.RESCUE),
    (
        settings(Redirection.UNSPECIFIED),
        {"bucket": True, "answer": NEVER},
        Kind.NEVER_MIGRATED,
        Job.RESCUE,
    ),
    (DISABLED, {"answer": NEVER}, Kind.NEVER_MIGRATED, Job.RESCUE),
    (DISABLED, {"bucket": True, "answer": ABSENT}, Kind.NEVER_MIGRATED, Job.RESCUE),
    (
        DISABLED,
        {"bucket": True, "answer": DENIED, "repository": THERE},
        Kind.NEVER_MIGRATED,
        Job.RESCUE,
    ),
    (
        settings(Redirection.ENABLED_AND_COPYING),
        {"bucket": True, **AR},
        Kind.STUCK_COPYING,
        Job.FINISH_COPY,
    ),
    (
        settings(Redirection.ENABLED_AND_COPYING),
        {"bucket": True, "answer": ABSENT},
        Kind.STUCK_COPYING,
        Job.CREATE_REPOSITORY,
    ),
    (
        settings(Redirection.PARTIAL_AND_COPYING, 40),
        {"bucket": True, "answer": NEVER, "repository": THERE},
        Kind.UNFINISHED_CANARY,
        Job.FINISH_COPY,
    ),
    (
        settings(Redirection.PARTIAL),
        {"bucket": True, **AR},
        Kind.UNFINISHED_CANARY,
        Job.FINISH_COPY,
    ),
    (
        ENABLED,
        {"bucket": True, "answer": ABSENT},
        Kind.REPOSITORY_MISSING,
        Job.CREATE_REPOSITORY,
    ),
    (ENABLED, {}, Kind.NOT_IN_USE, Job.REWRITE),
    (DISABLED, {"answer": ABSENT}, Kind.NOT_IN_USE, Job.REWRITE),
    (refused(errors.API_DISABLED), {"bucket": True}, Kind.API_DISABLED, Job.ENABLE_API),
    (ENABLED, {"bucket": SILENT, "answer": ABSENT}, None, Job.LOOK),
    (ENABLED, {"bucket": True, "answer": DENIED, "repository": DENIED}, None, Job.LOOK),
]


@pytest.mark.parametrize(("state", "host", "kind", "job"), PLAIN)
def test_the_table_of_kinds(state: Any, host: dict[str, Any], kind: Kind | None, job: Job) -> None:
    """Each row of evidence is of its kind, and has its job to do next."""
    found = verdict(state, seen(**host))
    assert (found.kind, found.jobs[0]) == (kind, job)


def test_somebody_elses_public_project() -> None:
    """A project that shows nothing of itself is left alone once anybody may pull from it."""
    found = verdict(DENIED, seen(answer=Answer.ARTIFACT_REGISTRY, is_public=True), facts=DENIED)
    assert (found.kind, found.jobs) == (Kind.SOMEBODY_ELSES, (Job.LEAVE,))
    assert found.is_seen


def test_an_own_public_project_is_not_somebody_elses() -> None:
    """That anybody may pull says nothing where the caller may read the project."""
    found = verdict(ENABLED, seen(bucket=True, is_public=True, **AR))
    assert found.kind is Kind.REDIRECTED


def test_a_hidden_project_is_neither() -> None:
    """Without rights and without public images nothing is said, and it is not called seen."""
    host = seen(answer=DENIED, repository=DENIED, is_public=False)
    found = verdict(DENIED, host, facts=DENIED)
    assert found.kind is None
    assert not found.is_seen
    assert "no such project" in found.doubts[0]


def test_a_host_beside_a_used_one_of_a_never_migrated_project() -> None:
    """All four hosts answer 412; the one without a bucket is not in use if another has one."""
    used, idle = seen(bucket=True, answer=NEVER), seen(answer=NEVER)
    both = ProjectEvidence(Project("builds"), DISABLED, hosts=(used, idle))
    assert judge(both, used).kind is Kind.NEVER_MIGRATED
    assert judge(both, idle).kind is Kind.NOT_IN_USE


def test_an_unknown_setting_is_never_taken_for_disabled() -> None:
    """A word of tomorrow leads to no rescue where Artifact Registry answers, and is in doubt."""
    state = RedirectSettings(Redirection.UNKNOWN, "REDIRECTION_FROM_GCR_IO_SIDEWAYS")
    found = verdict(state, seen(bucket=True, **AR))
    assert found.kind is Kind.REDIRECTED
    assert any("does not know" in one for one in found.doubts)


DISAGREE: Final[list[tuple[Any, dict[str, Any], str]]] = [
    (ENABLED, {"bucket": True, **AR, "usage": "ACTIVE"}, "usage is ACTIVE"),
    (ENABLED, {"bucket": True, **AR, "usage": "REDIRECTION_INCOMPLETE"}, "INCOMPLETE"),
    (DISABLED, {"bucket": True, "answer": NEVER, "usage": "REDIRECTED"}, "usage is REDIRECTED"),
    (ENABLED, {"bucket": True, "answer": NEVER, "repository": THERE}, "answers 412"),
    (DISABLED, {"bucket": True, **AR}, "Artifact Registry answers for the host"),
    (ENABLED, {"answer": Answer.ARTIFACT_REGISTRY}, "lists no repository"),
    (ENABLED, {"answer": ABSENT, "repository": THERE}, "answers that there is none"),
    (ENABLED, {**AR, "usage": "REDIRECTED"}, "speaks of a bucket"),
    (ENABLED, {"bucket": True, **AR, "usage": "SIDEWAYS"}, "does not know"),
]


@pytest.mark.parametrize(("state", "host", "words"), DISAGREE)
def test_two_opinions_that_disagree_are_shown(state: Any, host: dict[str, Any], words: str) -> None:
    """Each contradiction is told, with a kind all the same."""
    found = verdict(state, seen(**host))
    assert any(words in one for one in found.disagreements), found.disagreements
    assert found.kind is not None


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (ENABLED, "REDIRECTED"),
        (settings(Redirection.ENABLED_AND_COPYING), "REDIRECTION_INCOMPLETE"),
        (settings(Redirection.PARTIAL_AND_COPYING), "REDIRECTION_INCOMPLETE"),
        (DISABLED, "INACTIVE"),
        (DISABLED, "ACTIVE"),
        (DISABLED, "LEGACY"),
    ],
)
def test_opinions_that_agree_are_not_called_otherwise(state: Any, word: str) -> None:
    """The words that fit a setting make no disagreement."""
    host = seen(bucket=True, usage=word, **(AR if state is not DISABLED else {"answer": NEVER}))
    assert verdict(state, host).disagreements == ()


def test_two_views_of_a_bucket_that_disagree() -> None:
    """A bucket that only its name finds counts, and the search that lacks it is named."""
    host = seen(answer=NEVER)
    host = replace(host, bucket=BucketEvidence(NAME, searched=False, named=True))
    found = verdict(DISABLED, host)
    assert found.kind is Kind.NEVER_MIGRATED
    assert found.disagreements == (f"the search shows no bucket {NAME}, and Cloud Storage has it",)


def test_a_refused_usage_probe_is_no_error() -> None:
    """What the probe says is an opinion beside others: without it everything else still counts."""
    for usage in (None, "", DENIED, SILENT):
        found = verdict(ENABLED, seen(bucket=True, **AR | {"usage": usage}))
        assert (found.kind, found.is_seen) == (Kind.REDIRECTED, True)


def test_each_kind_has_jobs_and_words() -> None:
    """No kind is without a job to do next and a title."""
    assert set(JOBS) == set(TITLES) == set(Kind)
    assert all(JOBS.values())


STATES: Final = [*(settings(one) for one in Redirection), DENIED, SILENT]
STATES.append(refused(errors.API_DISABLED))
BUCKETS: Final = [True, False, SILENT]
ANSWERS: Final = [*Answer, NEVER, DENIED, ABSENT, SILENT, refused(errors.NAME_UNKNOWN), None]
LISTED: Final = [THERE, None, DENIED, SILENT]
EVIDENCE: Final = st.tuples(
    st.sampled_from(STATES),
    st.sampled_from(BUCKETS),
    st.sampled_from(ANSWERS),
    st.sampled_from(LISTED),
    st.sampled_from(["", "SIDEWAYS", DENIED, *sorted(WORDS)]),
    st.sampled_from([None, FACTS, DENIED]),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, (), ("app/web",), DENIED]),
)


def _any(drawn: tuple[Any, ...]) -> tuple[ProjectEvidence, HostEvidence]:
    state, bucket, answer, repository, usage, facts, public, images = drawn
    host = seen(
        bucket=bucket,
        answer=answer,
        repository=repository,
        usage=usage,
        is_public=public,
        images=images,
    )
    return project(state, host, facts=facts), host


@given(EVIDENCE)
def test_no_kind_without_a_reason(drawn: tuple[Any, ...]) -> None:
    """Whatever is answered there is a job; an unknown kind is never called seen."""
    evidence, host = _any(drawn)
    found = judge(evidence, host)
    assert found.jobs
    assert (found.kind is None) == (found.jobs == (Job.LOOK,))
    assert found.kind is not None or not found.is_seen


@given(EVIDENCE)
def test_what_is_in_use_is_never_called_idle(drawn: tuple[Any, ...]) -> None:
    """A bucket, a repository or images that answer are never passed over as not in use."""
    evidence, host = _any(drawn)
    found = judge(evidence, host)
    signs = host.bucket.is_there or host.is_listed or host.answer is Answer.ARTIFACT_REGISTRY
    if signs:
        assert found.kind is not Kind.NOT_IN_USE


@given(EVIDENCE)
def test_nothing_is_called_seen_without_setting_and_bucket(drawn: tuple[Any, ...]) -> None:
    """What is called seen was decided by one answer alone, or with setting and bucket known."""
    evidence, host = _any(drawn)
    found = judge(evidence, host)
    if not found.is_seen or found.kind in {Kind.SOMEBODY_ELSES, Kind.API_DISABLED}:
        return
    assert not isinstance(evidence.settings, MigrateError)
    assert host.bucket.is_there is not None


@pytest.mark.parametrize(("bucket", "listed"), list(product([True, False], [THERE, None])))
def test_split_is_only_proposed_where_images_can_be(bucket: Any, listed: Any) -> None:
    """Without a repository nothing is split."""
    answer = Answer.ARTIFACT_REGISTRY if listed else ABSENT
    found = verdict(ENABLED, seen(bucket=bucket, answer=answer, repository=listed))
    assert (found.jobs[0] is Job.SPLIT) == (listed is not None)
