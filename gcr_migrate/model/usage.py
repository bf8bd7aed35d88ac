"""What redirect settings, buckets and answers say about the use of a gcr.io host."""

from __future__ import annotations

from typing import Final, TypeVar

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection, RedirectSettings

T = TypeVar("T")

REDIRECTED: Final = frozenset({Redirection.ENABLED, Redirection.FINALIZED})
COPYING: Final = frozenset({Redirection.ENABLED_AND_COPYING, Redirection.PARTIAL_AND_COPYING})
PARTIAL: Final = frozenset({Redirection.PARTIAL, Redirection.PARTIAL_AND_COPYING})
NOT_REDIRECTED: Final = frozenset({Redirection.DISABLED, Redirection.UNSPECIFIED})
MIGRATED: Final = REDIRECTED | COPYING | PARTIAL


def is_there(answer: T | MigrateError | None) -> bool | None:
    """Whether something exists, by what came when it was asked for; None if that tells nothing.

    For what says of everything that exists whether it does, as Cloud Storage of buckets: what is
    hidden from the caller is there.
    """
    if isinstance(answer, MigrateError):
        return True if answer.problem is errors.DENIED else None
    return answer is not None


def never_migrated(settings: object, answer: object) -> bool:
    """Whether Container Registry should answer; a part of the reads may do so elsewhere too.

    Args:
        settings: the redirect setting, or what came instead of it.
        answer: what the gcr.io host answered.
    """
    if isinstance(settings, RedirectSettings) and settings.state in MIGRATED:
        return False
    return isinstance(answer, MigrateError) and answer.problem is errors.NOT_MIGRATED


def holds_repository(answer: object, listed: bool | None) -> bool | None:  # noqa: FBT001  # three values
    """Whether a host has a repository in Artifact Registry; None if nobody tells.

    Args:
        answer: what was pulled or listed at the host, or the error that came instead.
        listed: whether the API shows the repository; None if it could not be asked.
    """
    if not isinstance(answer, MigrateError):
        return True  # it answered, whatever a list says
    if listed is not None:
        return listed
    return False if answer.problem in errors.NOT_THERE else None
