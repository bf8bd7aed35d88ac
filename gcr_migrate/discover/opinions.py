"""What each witness says of a host in a few words, and where two of them contradict each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.discover.evidence import Answer
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.model.usage import (
    COPYING,
    MIGRATED,
    NOT_REDIRECTED,
    PARTIAL,
    REDIRECTED,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence

ACTIVE: Final = "ACTIVE"
INACTIVE: Final = "INACTIVE"
LEGACY: Final = "LEGACY"
REDIRECTED_WORD: Final = "REDIRECTED"
INCOMPLETE: Final = "REDIRECTION_INCOMPLETE"
WORDS: Final = frozenset({ACTIVE, INACTIVE, LEGACY, REDIRECTED_WORD, INCOMPLETE})
# What a word says of the redirect, as the states that agree with it.
_AGREES: Final[dict[str, frozenset[Redirection]]] = {
    ACTIVE: NOT_REDIRECTED | PARTIAL,
    INACTIVE: NOT_REDIRECTED | PARTIAL,
    REDIRECTED_WORD: REDIRECTED,
    INCOMPLETE: COPYING | PARTIAL,
}
_WITH_BUCKET: Final = frozenset({ACTIVE, LEGACY, REDIRECTED_WORD})


def evidence_words(project: ProjectEvidence, host: HostEvidence) -> Iterator[str]:
    """Tell in a few words each what was seen of a host."""
    if project.is_somebody_elses:
        shown = "anybody may pull" if host.is_public is True else "nothing of it is public"
        yield f"the project is not readable; {shown}"
        return
    settings = project.settings
    if isinstance(settings, RedirectSettings):
        share = "" if settings.pull_percent is None else f" at {settings.pull_percent} %"
        yield f"{settings.word.removeprefix('REDIRECTION_FROM_GCR_IO_')}{share}"
    elif settings.problem is errors.API_DISABLED:
        yield "the API answers SERVICE_DISABLED"
    yield from _answered(host)
    if host.is_listed:
        yield "repository"
    elif host.is_listed is False:
        yield "no repository"
    there = host.bucket.is_there
    if there is not None:
        yield f"gs://{host.bucket.name}" if there else "no bucket"
    if host.word:
        yield f"usage {host.word}"


def _answered(host: HostEvidence) -> Iterator[str]:
    answer = host.answer
    if answer is Answer.ARTIFACT_REGISTRY:
        yield "Artifact Registry answers"
    elif answer is Answer.OTHER:
        yield "answers without the mark of Artifact Registry"
    elif isinstance(answer, MigrateError):
        yield f"answers: {answer.problem.title}"


def disagreements(project: ProjectEvidence, host: HostEvidence) -> Iterator[str]:
    """Give each pair of opinions that contradict each other, with both sides named."""
    if project.is_somebody_elses:
        return
    if host.bucket.disagreement:
        yield host.bucket.disagreement
    yield from _on_the_redirect(project, host)
    yield from _on_the_repository(host)
    if host.word in _WITH_BUCKET and host.bucket.is_there is False:
        yield f"usage {host.word} speaks of a bucket, and there is no {host.bucket.name}"
    if host.word and host.word not in WORDS:
        yield f"usage {host.word} is a word that this version does not know"


def _on_the_redirect(project: ProjectEvidence, host: HostEvidence) -> Iterator[str]:
    settings = project.settings
    if not isinstance(settings, RedirectSettings) or settings.state is Redirection.UNKNOWN:
        return
    state, setting = settings.state, f"the setting is {settings.word}"
    agrees = _AGREES.get(host.word)
    if agrees is not None and state not in agrees:
        yield f"{setting}, and the host's usage is {host.word}"
    answer = host.answer
    gone = isinstance(answer, MigrateError) and answer.problem is errors.NOT_MIGRATED
    if gone and state in MIGRATED - PARTIAL:
        yield f"{setting}, and the host answers 412 as if it was never migrated"
    if answer is Answer.ARTIFACT_REGISTRY and state in NOT_REDIRECTED:
        yield f"{setting}, and Artifact Registry answers for the host"


def _on_the_repository(host: HostEvidence) -> Iterator[str]:
    answer = host.answer
    if host.is_listed is False and answer is Answer.ARTIFACT_REGISTRY:
        yield "the API lists no repository, and the host answers with images"
    absent = isinstance(answer, MigrateError) and answer.problem in errors.NOT_THERE
    if host.is_listed and absent:
        yield "the API lists the repository, and the host answers that there is none"
