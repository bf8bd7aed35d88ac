"""Judges the gcr.io hosts of the source: who answers for them, and what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.doctor.answers import ROOTS, Pull, not_asked, reason
from gcr_migrate.doctor.checks import Area, Check, Status, Step, given, in_order
from gcr_migrate.doctor.permissions import DOWNLOAD, GET_SETTINGS, LIST_OBJECTS, least_roles
from gcr_migrate.doctor.remedies import (
    create_repository,
    grant_on_project,
    grant_on_repository,
    plan_redirect,
    rescue,
)
from gcr_migrate.doctor.rights import GRANT_LEAST, download_grants
from gcr_migrate.doctor.usage import Host, hosts_of
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import BucketFacts, Redirection, RedirectSettings
from gcr_migrate.model.usage import COPYING, NOT_REDIRECTED, PARTIAL, REDIRECTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.doctor.answers import Answers, PlaceAnswers

_READS: Final = frozenset({Step.PLAN, Step.APPLY, Step.VERIFY})
# What says something about one image, and nothing about its host.
_OF_ONE_IMAGE: Final = frozenset(
    {errors.BLOB_UNKNOWN, errors.MANIFEST_UNKNOWN, errors.DIGEST_MISMATCH}
    | {errors.BAD_MANIFEST, errors.BAD_DIGEST}
)


def host_checks(answers: Answers) -> Iterator[Check]:
    """Judge each host: what it is, its bucket, a real pull; and the redirect that all share."""
    place = answers.source
    if place is None or not answers.hosts:
        return
    hosts = hosts_of(answers)
    yield _redirect(place, hosts, answers.steps)
    may_be_hidden = any(not isinstance(host.answers.pull, MigrateError) for host in hosts)
    may_be_hidden |= not place.is_known
    for host in hosts:
        yield _kind(host, answers.steps)
        yield from _pull(host, answers, may_be_hidden=may_be_hidden)
        yield from _bucket(host, answers.steps)


def _over(steps: frozenset[Step], default: Status, **other: Status) -> dict[Step, Status]:
    """Return a verdict per asked step: the default, or what is said of a step by its name."""
    return {step: other.get(step.value, default) for step in in_order(steps)}


def _kind(host: Host, steps: frozenset[Step]) -> Check:
    """Say in words which of the kinds of hosts this is."""
    if host.is_idle:
        saw = "not in use: it has no repository" + (
            " and no bucket" if host.has_bucket is False else "; its bucket could not be asked for"
        )
        return Check(Area.HOST, host.shown, given(steps, Status.OK), saw)
    if host.never_migrated:
        return _never_migrated(host, steps)
    if host.has_repository:
        saw = "its images are in Artifact Registry"
        return Check(Area.HOST, host.shown, given(steps, Status.OK), saw)
    if host.has_repository is None:
        saw = "whether it has a repository could not be asked"
        if isinstance(host.answers.pull, MigrateError):
            saw = f"{saw}: {host.answers.pull.problem.title}"
        return Check(Area.HOST, host.shown, given(steps, Status.NOT_ASKED), saw)
    return _without_repository(host, steps)


def _never_migrated(host: Host, steps: frozenset[Step]) -> Check:
    verdicts = _over(
        steps,
        Status.MISSING,
        discover=Status.OK,
        rescue=Status.MISSING if host.has_bucket is False else Status.OK,
    )
    saw = "never migrated: the host answers 412 instead of images"
    if host.has_bucket is False:
        saw += ", and its bucket is gone"
    remedy = (
        "Have Google copy the images into Artifact Registry (rescue) before anything else; "
        "keep the bucket until then."
    )
    command = rescue(host.place.place.project.id)
    code = errors.NOT_MIGRATED.code
    return Check(Area.HOST, host.shown, verdicts, saw, remedy, (command,), code)


def _without_repository(host: Host, steps: frozenset[Step]) -> Check:
    """Judge a host that is not in use, or that lost its repository."""
    code = errors.REPOSITORY_MISSING.code
    commands: tuple[str, ...] = (create_repository(host.resource),)
    if host.has_bucket:
        saw = "its repository is missing though its bucket is there: its names answer 404"
        remedy = "Create the repository, then have the images copied (rescue)."
        commands = (*commands, rescue(host.place.place.project.id))
        verdicts = _over(
            steps,
            Status.MISSING if host.named else Status.WARNING,
            discover=Status.OK,
            redirect=Status.MISSING,
            rescue=Status.MISSING,
        )
        return Check(Area.HOST, host.shown, verdicts, saw, remedy, commands, code)
    saw = "not in use: it has neither a repository nor a bucket"
    remedy = "Take the host out of what was asked for, or create its repository."
    verdicts = _over(steps & _READS, Status.MISSING) | _over(steps - _READS, Status.OK)
    return Check(Area.HOST, host.shown, verdicts, saw, remedy, commands, code)


def _pull(host: Host, answers: Answers, *, may_be_hidden: bool) -> Iterator[Check]:
    """Judge the pull of a real image, where there is a repository to pull from."""
    pull, reading = host.answers.pull, answers.steps & (_READS | {Step.REDIRECT})
    denied = isinstance(pull, MigrateError) and pull.problem is errors.DENIED
    visited = denied and answers.case.has_spec  # a plan cannot tell that it is not there
    if host.never_migrated or (host.has_repository is False and not visited):
        return
    if not isinstance(pull, MigrateError):
        yield _pulled_from(host, pull, answers, reading)
        return
    if pull.problem is errors.NOT_MIGRATED:
        return  # this one read went the other way: the redirect's own line says how many do
    if denied:
        # Registries hide what a caller may not see: a host that nobody named may not be there.
        hidden = may_be_hidden and not host.named and host.is_listed is None
        # What a spec leaves open is visited too, and a plan that may not is not whole.
        unasked = hidden and not answers.case.has_spec
        verdicts = given(reading, Status.NOT_ASKED if unasked else Status.MISSING)
        yield _pull_denied(host, pull, answers, verdicts)
        return
    known = pull.problem in ROOTS  # its own line says so
    status = Status.NOT_ASKED if known else Status.MISSING
    if pull.problem in _OF_ONE_IMAGE:
        status = Status.WARNING
    remedy = "" if known else pull.problem.remedy
    verdicts = given(reading, status)
    yield Check(Area.PULL, host.shown, verdicts, reason(pull), remedy, code=pull.problem.code)


def _pulled_from(
    host: Host, pull: Pull | None, answers: Answers, reading: frozenset[Step]
) -> Check:
    """Tell what was pulled; that nothing is at the paths that were named is worth a look."""
    if pull or not answers.case.paths:
        subject = pull.name if pull else host.shown
        return Check(Area.PULL, subject, given(reading, Status.OK), pulled(pull))
    saw = f"no image is at {', '.join(answers.case.paths)}"
    remedy = "Check the spelling of the path."
    return Check(Area.PULL, host.shown, given(reading, Status.WARNING), saw, remedy)


def _pull_denied(
    host: Host, pull: MigrateError, answers: Answers, verdicts: dict[Step, Status]
) -> Check:
    def line(saw: str, remedy: str, *commands: str) -> Check:
        code = pull.problem.code
        return Check(Area.PULL, host.shown, verdicts, saw, remedy, commands, code)

    place, project = host.place, host.place.place.project.id
    held = place.held_of(DOWNLOAD)
    if not isinstance(held, MigrateError) and DOWNLOAD in held:
        saw = f"refused, though {DOWNLOAD} is held: {pull.saw}".removesuffix(": ")
        return line(saw, "Look for an IAM deny policy, and at what stands between here and there.")
    saw = f"{DOWNLOAD} is not held, or there is no such repository"
    if host.is_listed is False:
        saw = "no such repository, which a plan cannot tell from a hidden one"
    if not place.is_known:  # nobody to grant it to
        return line(saw, "If it is there, log in as somebody who may pull.")
    grants = download_grants(place, answers)
    reach_all = bool(grants) and grants[0].startswith("gcloud projects ")
    if grants and (reach_all or host.is_listed is not False):
        return line(saw, GRANT_LEAST, *grants)
    role = least_roles({DOWNLOAD}, repository=True)[0]
    if host.is_listed:
        return line(saw, GRANT_LEAST, grant_on_repository(host.resource, place.member, role))
    remedy = "Grant the role that shows whether it is there, or leave the host out of the spec."
    return line(saw, remedy, grant_on_project(project, place.member, role))


def pulled(pull: Pull | None) -> str:
    """Tell what was pulled."""
    if pull is None:
        return "no image is there to pull"
    if pull.blob_bytes is None:
        return "manifest pulled; it has no blob of its own"
    return f"manifest pulled, and {pull.blob_bytes} bytes of a blob"


def _bucket(host: Host, steps: frozenset[Step]) -> Iterator[Check]:
    """Judge what Container Registry left behind; only a rescue needs it."""
    bucket, using = host.answers.bucket, steps & {Step.DISCOVER, Step.RESCUE}
    if bucket is None:
        return
    subject = f"bucket of {host.shown}"
    if isinstance(bucket, BucketFacts):
        where = f" in {bucket.location}" if bucket.location else ""
        saw = f"gs://{bucket.name}{where}, still billed"
        if bucket.readable:
            yield Check(Area.BUCKET, subject, given(using, Status.OK), saw)
            return
        saw += "; its objects cannot be read by this caller"
    elif bucket.problem is errors.DENIED:
        saw = f"there, and hidden from this caller: {bucket.saw}".removesuffix(": ")
    else:
        yield not_asked(Area.BUCKET, subject, using, bucket)
        return
    role = least_roles({LIST_OBJECTS})[0]
    grant = grant_on_project(host.place.place.project.id, host.place.member, role)
    remedy = "Grant the role to know how much is in it."
    verdicts = given(using, Status.WARNING)
    yield Check(Area.BUCKET, subject, verdicts, saw, remedy, (grant,))


def _redirect(place: PlaceAnswers, hosts: list[Host], steps: frozenset[Step]) -> Check:
    """Judge the setting that decides who answers for all four hosts."""
    subject = f"gcr.io names of {place.place.project.id}"
    settings, project = place.redirection, place.place.project.id
    if settings is None:
        return Check(Area.REDIRECT, subject, given(steps, Status.NOT_ASKED), "not asked for")
    if isinstance(settings, MigrateError):
        grant = grant_on_project(project, place.member, least_roles({GET_SETTINGS})[0])
        remedy = "Grant the role that shows the setting."
        return not_asked(Area.REDIRECT, subject, steps, settings, grant=grant, remedy=remedy)
    verdicts, saw, remedy = _redirect_words(settings, hosts, steps)
    commands = _next_moves(project, settings.state, verdicts) if remedy else ()
    return Check(Area.REDIRECT, subject, verdicts, f"{settings.word}: {saw}", remedy, commands)


def _next_moves(
    project: str, state: Redirection, verdicts: Mapping[Step, Status]
) -> tuple[str, ...]:
    """Return what leads on from a state that is not the last one."""
    if state is Redirection.UNKNOWN:
        return ()
    if state in NOT_REDIRECTED and Status.MISSING in verdicts.values():
        return (rescue(project),)
    moves = (plan_redirect(project),)
    return (rescue(project), *moves) if state in COPYING else moves


def _redirect_words(
    settings: RedirectSettings, hosts: list[Host], steps: frozenset[Step]
) -> tuple[dict[Step, Status], str, str]:
    ok, warning, missing = Status.OK, Status.WARNING, Status.MISSING
    state = settings.state
    if state is Redirection.UNKNOWN:
        saw = "a word that this version does not know; it is not taken for disabled"
        remedy = "Use a newer version of this tool before the redirect is changed."
        return _over(steps, warning, discover=ok, redirect=missing, rescue=missing), saw, remedy
    if state in REDIRECTED:
        final = " for good" if state is Redirection.FINALIZED else ""
        return _over(steps, ok), f"Artifact Registry answers{final}", ""
    if state in PARTIAL:
        share = "" if settings.pull_percent is None else f" ({settings.pull_percent} % of reads)"
        saw = f"only a part of the reads goes to Artifact Registry{share}; the others fail"
        remedy = "Every read has to go to Artifact Registry: `gcr-migrate redirect plan` leads on."
        return _over(steps, warning, discover=ok), saw, remedy
    if state in COPYING:
        saw = "Artifact Registry answers, and copies what it lacks when it is asked for"
        remedy = "Finish the copy (rescue), then `gcr-migrate redirect plan` leads on."
        return _over(steps, warning, discover=ok, redirect=ok, rescue=ok), saw, remedy
    return _not_redirected(hosts, steps)


def _not_redirected(
    hosts: list[Host], steps: frozenset[Step]
) -> tuple[dict[Step, Status], str, str]:
    lost = (host.has_bucket and not host.has_repository for host in hosts)
    if any(lost) or any(host.never_migrated for host in hosts):
        saw = "Container Registry should answer, and is shut down: this project needs a rescue"
        remedy = "Have Google copy the images into Artifact Registry first."
        bad = _over(
            steps, Status.MISSING, discover=Status.OK, rescue=Status.OK, redirect=Status.MISSING
        )
        return bad, saw, remedy
    if any(host.has_repository for host in hosts):
        saw = "not redirected, though repositories for gcr.io names are there"
        remedy = "`gcr-migrate redirect plan` shows what has to be true before it is enabled."
        return _over(steps, Status.OK, verify=Status.WARNING), saw, remedy
    return _over(steps, Status.OK), "the project does not use gcr.io names", ""
