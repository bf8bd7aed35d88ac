"""Judges what was seen of a domain: its setting, its repository, a pull by its name, and whose.

One cause has one code: where the setting says why a host does not answer as it did, the answer
tells nothing of its own.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.address import in_the_way
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.model.pulling import Answerer, Pull, PullStep, answerer
from gcr_migrate.model.usage import NOT_REDIRECTED, PARTIAL, REDIRECTED

if TYPE_CHECKING:
    from gcr_migrate.errors import Problem
    from gcr_migrate.model.cloud import RedirectSettings
    from gcr_migrate.model.domains import DomainFacts
    from gcr_migrate.model.settings import RepositorySettings

_NO_MARK: Final = "the answers carry no mark of Artifact Registry"
_WHOLE: Final = REDIRECTED | {Redirection.ENABLED_AND_COPYING}
_NO_REACH: Final = frozenset({errors.UNREACHABLE, errors.UNTRUSTED})
_REFUSALS: Final = frozenset({errors.DENIED, errors.NAME_UNKNOWN, errors.PERIMETER})
# What a host says where its setting or its repository is not as it should be.
_EXPLAINED: Final = errors.NOT_THERE | {
    errors.DENIED,
    errors.MANIFEST_UNKNOWN,
    errors.NOT_MIGRATED,
}
_OF_ONE_IMAGE: Final = {
    errors.BAD_MANIFEST: errors.BYTES_DIFFER,
    errors.BLOB_UNKNOWN: errors.BLOB_GONE,
    errors.DIGEST_MISMATCH: errors.BYTES_DIFFER,
}


class Expect(StrEnum):
    """What a pull of somebody should come to."""

    WORKS = "works"
    REFUSED = "refused"


class Mark(Enum):
    """How a verdict counts."""

    OK = "ok"
    WRONG = "wrong"
    UNCHECKED = "unchecked"


class Verdict(Struct, frozen=True):
    """What one look at a domain comes to.

    Attributes:
        mark: how it counts.
        problem: what is told of it; with `OK` no more than a warning; None for nothing.
        saw: what was seen.
        subject: what it is about; empty for the domain as a whole.
        all_names: whether it settles every name of the domain, so that none has to be asked.
    """

    mark: Mark
    problem: Problem | None = None
    saw: str = ""
    subject: str = ""
    all_names: bool = False


class Judgement(Struct, frozen=True):
    """All that was looked at of a domain: one verdict each."""

    setting: Verdict
    repository: Verdict
    answer: Verdict

    @property
    def of_all_names(self) -> Verdict | None:
        """The verdict that settles every name; None if they have to be asked."""
        each = (self.setting, self.repository, self.answer)
        return next((one for one in each if one.all_names), None)


_FINE: Final = Verdict(Mark.OK)


def judge(
    settings: RedirectSettings | MigrateError,
    repository: RepositorySettings | MigrateError | None,
    pull: Pull,
    was: DomainFacts | None,
) -> Judgement:
    """Judge a domain.

    Args:
        settings: the project's redirect setting, or why it could not be read.
        repository: the repository behind the domain by the API; None: it has none.
        pull: a pull by the domain's name.
        was: what a baseline says of the domain; None if there is no baseline.
    """
    set_ = _setting(settings, pull, was)
    kept = _repository(repository, pull, was)
    answer = _answer(pull, was, (set_, kept))
    if answer.problem is errors.UNREACHABLE:  # one network is in the way of all three
        set_ = answer if _is_lost(settings) else set_
        kept = answer if _is_lost(repository) else kept
    return Judgement(set_, kept, answer)


def _is_lost(answer: object) -> bool:
    return isinstance(answer, MigrateError) and answer.problem in _NO_REACH


def _setting(
    settings: RedirectSettings | MigrateError, pull: Pull, was: DomainFacts | None
) -> Verdict:
    if isinstance(settings, MigrateError):
        return _unseen(settings, f"redirect setting: {settings.told}")
    then = was.redirection if was else ""
    word = _with_share(settings)
    saw = f"{word}, was {then}" if then and then != settings.word else word
    if settings.state is Redirection.UNKNOWN:
        more = f"{saw}: a word that this version does not know; it is not taken for disabled"
        if then and then != settings.word:
            return Verdict(Mark.WRONG, errors.REDIRECT_CHANGED, more)
        return Verdict(Mark.UNCHECKED, errors.NOT_CHECKED, f"redirect setting: {more}")
    if settings.state in _WHOLE:
        changed = then and then != settings.word
        # Artifact Registry answers all the same; who did that may still be asked.
        return Verdict(Mark.OK, errors.REDIRECT_CHANGED, saw) if changed else _FINE
    if settings.state in PARTIAL:
        more = f"{saw}: a part of the reads goes to Container Registry, and fails"
        return Verdict(Mark.WRONG, errors.REDIRECT_CHANGED, more, all_names=True)
    return _not_redirected(saw, pull, was)


def _not_redirected(saw: str, pull: Pull, was: DomainFacts | None) -> Verdict:
    """Judge a setting by which Container Registry should answer, which is shut down."""
    if answerer(pull) is not Answerer.CONTAINER_REGISTRY:
        return Verdict(Mark.WRONG, errors.REDIRECT_CHANGED, saw)
    saw = f"{saw}; {_last_answer(pull)}"
    problem = errors.REDIRECT_CHANGED if _was_redirected(was) else errors.NOT_MIGRATED
    return Verdict(Mark.WRONG, problem, saw, all_names=True)


def _with_share(settings: RedirectSettings) -> str:
    share = settings.pull_percent
    return settings.word if share is None else f"{settings.word} ({share} % of reads)"


def _last_answer(pull: Pull) -> str:
    return pull.error.saw if pull.error else ""


def _was_redirected(was: DomainFacts | None) -> bool:
    if was is None:
        return False
    not_then = was.redirection in {str(one) for one in NOT_REDIRECTED}
    return was.answered_by == Answerer.ARTIFACT_REGISTRY or (bool(was.redirection) and not not_then)


def _repository(
    found: RepositorySettings | MigrateError | None, pull: Pull, was: DomainFacts | None
) -> Verdict:
    if found is None:
        return _unlisted(pull, was)
    if not isinstance(found, MigrateError):
        return _FINE
    if found.problem is errors.REPOSITORY_DIFFERS:  # not for images, or not one that keeps them
        return Verdict(Mark.WRONG, errors.REPOSITORY_CHANGED, found.saw)
    if _says_no_repository(pull):
        return _no_repository(was, pull.saw)
    return _unseen(found, f"repository: {found.told}")


def _unlisted(pull: Pull, was: DomainFacts | None) -> Verdict:
    if pull.digest is not None:  # what is served is there, whatever a list says
        return _FINE
    if pull.error is not None and pull.error.problem is errors.NOT_MIGRATED:
        return _failed(pull, pull.error, was)  # it has none because of that
    return _no_repository(was, "the API answers 404")


def _says_no_repository(pull: Pull) -> bool:
    return pull.error is not None and pull.error.problem in errors.NOT_THERE


def _no_repository(was: DomainFacts | None, saw: str) -> Verdict:
    problem = errors.REPOSITORY_CHANGED if was else errors.REPOSITORY_MISSING
    return Verdict(Mark.WRONG, problem, f"the repository is not there: {saw}", all_names=True)


def _answer(pull: Pull, was: DomainFacts | None, causes: tuple[Verdict, ...]) -> Verdict:
    """Judge who answered, and whether docker's own way works from end to end."""
    cause = next((one for one in causes if one.all_names), None)
    if cause and (pull.error is None or pull.error.problem in _EXPLAINED):
        return Verdict(Mark.WRONG, cause.problem, cause.saw, all_names=True)
    if pull.error is not None:
        return _failed(pull, pull.error, was)
    if _is_another(pull, was):
        return Verdict(Mark.WRONG, errors.REDIRECT_CHANGED, _NO_MARK)
    return _FINE


def _is_another(pull: Pull, was: DomainFacts | None) -> bool:
    """Whether another service answers; a way out of a network may always have taken marks off."""
    return answerer(pull) not in {Answerer.ARTIFACT_REGISTRY, was.answered_by if was else ""}


def _failed(pull: Pull, error: MigrateError, was: DomainFacts | None) -> Verdict:
    problem = error.problem
    if problem in _NO_REACH:
        saw = f"{in_the_way(error)} (docker's way: {pull.failed})"
        return Verdict(Mark.UNCHECKED, errors.UNREACHABLE, saw, all_names=_is_early(pull))
    if problem is errors.NOT_MIGRATED:
        changed = _was_redirected(was)
        code = errors.REDIRECT_CHANGED if changed else errors.NOT_MIGRATED
        return Verdict(Mark.WRONG, code, error.saw, all_names=True)
    if _is_no_registry(pull, problem) and _is_another(pull, was):
        saw = f"{_NO_MARK}: {pull.saw}"
        return Verdict(Mark.WRONG, errors.REDIRECT_CHANGED, saw, all_names=True)
    if problem in _OF_ONE_IMAGE:
        return Verdict(Mark.WRONG, _OF_ONE_IMAGE[problem], pull.saw, error.subject)
    if problem is errors.MANIFEST_UNKNOWN:  # the names themselves tell it
        saw = f"docker's way could not be gone to its end: {pull.saw}"
        return Verdict(Mark.UNCHECKED, errors.NOT_CHECKED, saw)
    return _unseen(error, pull.saw, all_names=_is_early(pull))


def _is_no_registry(pull: Pull, problem: Problem) -> bool:
    """Whether what answers has no image's manifest under a name, or not even a registry's root."""
    is_absent = problem in errors.NOT_THERE and pull.failed is PullStep.PING
    return is_absent or problem is errors.BAD_MANIFEST


def _is_early(pull: Pull) -> bool:
    """Whether no name of the host got an answer."""
    return pull.digest is None and pull.failed is not PullStep.BLOB


def judge_identity(pull: Pull, expects: Expect, why: str, *, anonymous: bool) -> Verdict:
    """Judge the pull of somebody of whom it is known what should come of it.

    Args:
        pull: of an image that the caller could pull.
        expects: what should come of it.
        why: who says so.
        anonymous: whether it was anybody's, without a login; of who has one, 401 says that it is
            no good, and nothing of what its owner may do.
    """
    error = pull.error
    if error is None:
        if expects is Expect.WORKS:
            return _FINE
        return Verdict(Mark.WRONG, errors.ACCESS_GAINED, f"the pull works; {why}")
    if error.problem in _REFUSALS or (anonymous and error.problem is errors.UNAUTHORIZED):
        if expects is Expect.REFUSED:
            return _FINE
        return Verdict(Mark.WRONG, errors.ACCESS_LOST, f"{pull.saw}; {why}")
    if error.problem in _NO_REACH:
        return Verdict(Mark.UNCHECKED, errors.UNREACHABLE, in_the_way(error))
    # A login that is no good is told with where it stands: that file has to be mended.
    return _unseen(error, f"{pull.saw}: {error.subject}")


def _unseen(error: MigrateError, saw: str, *, all_names: bool = False) -> Verdict:
    """Return the verdict on what nobody could look at, which a spent budget tells by itself."""
    if error.problem is errors.BUDGET_SPENT:
        return Verdict(Mark.UNCHECKED, errors.BUDGET_SPENT, all_names=all_names)
    return Verdict(Mark.UNCHECKED, errors.NOT_CHECKED, saw, all_names=all_names)
