"""What keeps a redirect that is set from working: told where there is nothing to write. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.errors import NOT_THERE, MigrateError
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.redirect.evidence import HostReading, Reading


def troubles_of(reading: Reading) -> Iterator[Finding]:
    """Give what is wrong or could not be seen at the hosts of a project that is redirected.

    A host that surely has neither bucket nor repository is not in use, and may say what it likes.
    """
    yield from repository_troubles(reading)
    for host in reading.hosts:
        if not host.is_idle:
            yield from _of_answer(reading, host)


def repository_troubles(reading: Reading) -> Iterator[Finding]:
    """Give those of them that are about repositories."""
    for host in reading.hosts:
        if not host.is_idle:
            yield from _of_repository(reading, host)


def _of_repository(reading: Reading, host: HostReading) -> Iterator[Finding]:
    resource, repository = reading.resource(host), host.repository
    bucket = f"gs://{reading.bucket_name(host)}"
    if isinstance(repository, MigrateError):
        saw = f"whether it is there was not seen: {repository.told}"
        yield Finding(errors.NOT_CHECKED, Severity.ERROR, resource, saw)
    elif repository is None and host.has_bucket:
        elsewhere = f"; {', '.join(host.misplaced)} cannot answer" if host.misplaced else ""
        saw = f"{bucket} is there; {reading.shown(host)} answers none of its images{elsewhere}"
        yield Finding(errors.REPOSITORY_MISSING, Severity.ERROR, resource, saw)
    elif repository is None:
        saw = f"it is not there, and whether {bucket} is was not seen"
        yield Finding(errors.NOT_CHECKED, Severity.ERROR, resource, saw)
    elif not repository.has_images:
        saw = f"{repository.format} {repository.mode}: no place for images of {reading.shown(host)}"
        yield Finding(errors.REDIRECT_MISPLACED, Severity.ERROR, resource, saw)


def _of_answer(reading: Reading, host: HostReading) -> Iterator[Finding]:
    answer, shown = host.answer, reading.shown(host)
    wrong = reading.unredirected(host)
    if not isinstance(answer, MigrateError):
        if wrong:
            yield Finding(errors.REDIRECT_CHANGED, Severity.ERROR, shown, wrong)
    elif answer.problem is errors.NOT_MIGRATED:
        yield Finding(errors.REDIRECT_SLOW, Severity.ERROR, shown, reading.answer_words(host))
    elif answer.problem not in NOT_THERE:
        yield Finding(answer.problem, Severity.ERROR, shown, answer.saw)
    elif wrong:  # else there is no repository: that is the reason, and told
        yield Finding(errors.REDIRECT_SLOW, Severity.ERROR, shown, wrong)
