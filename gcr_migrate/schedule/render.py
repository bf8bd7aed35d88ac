"""The files of a job, for each form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.schedule import cloud_build, cloud_run, github, kubernetes, systemd
from gcr_migrate.schedule.job import Form, bad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gcr_migrate.schedule.job import Job

_RENDER: Final[Mapping[Form, Callable[[Job, str], dict[str, str]]]] = {
    Form.CLOUD_RUN: cloud_run.render,
    Form.CLOUD_BUILD: cloud_build.render,
    Form.KUBERNETES: kubernetes.render,
    Form.SYSTEMD: systemd.render,
    Form.GITHUB: github.render,
}
_LONGEST_S: Final[Mapping[Form, int]] = {
    Form.CLOUD_RUN: cloud_run.LONGEST_S,
    Form.CLOUD_BUILD: cloud_build.LONGEST_S,
    Form.GITHUB: github.LONGEST_S,
}
_CHANNEL: Final = re.compile(r"projects/[a-z0-9.:-]+/notificationChannels/[0-9]+")
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE: Final = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{1,400}")
_PATH: Final = re.compile(r"/[A-Za-z0-9._/+-]{1,400}")
_BUCKET: Final = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_ARTIFACT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def render(form: Form, job: Job, version: str) -> dict[str, str]:
    """Return the files of a job.

    Args:
        form: whose scheduler runs it.
        job: what runs, and when.
        version: of this program.

    Returns:
        Each file's text by its name. Scripts end in `.sh`.

    Raises:
        MigrateError: `bad-schedule` if the form cannot do what the job asks for.
    """
    job.check()
    longest = _LONGEST_S.get(form)
    if longest and job.deadline_s > longest:
        raise bad("--deadline", f"{job.deadline_s}s", f"{form} ends a run after {longest} s")
    _check_program(form, job)
    _check_notify(form, job)
    _check_inputs(form, job)
    _check_outputs(form, job)
    if form is Form.KUBERNETES and not _NAMESPACE.fullmatch(job.namespace):
        raise bad("--namespace", job.namespace, "not a name of a namespace")
    if form is Form.KUBERNETES and ":" in job.project:
        raise bad("--project", job.project, "the identity pool of such a project is not known")
    if form is Form.GITHUB:
        github.check(job)
        if job.cron.gaps_s()[0] < github.OFTEN_S:
            raise bad("--time", job.cron.text, "GitHub runs nothing more often than in 5 minutes")
    return _RENDER[form](job, version)


def _check_program(form: Form, job: Job) -> None:
    if form is Form.SYSTEMD:
        if not _PATH.fullmatch(job.program):
            raise bad("--program", job.program, "an absolute path is needed")
    elif not _IMAGE.fullmatch(job.image):
        raise bad("--image", job.image, "not a name of an image")


def _check_notify(form: Form, job: Job) -> None:
    for one in job.notify:
        if form is Form.KUBERNETES:
            raise bad("--notify", one, "Alertmanager decides who is told, by the alerts' labels")
        if form is Form.SYSTEMD and not _PATH.fullmatch(one):
            raise bad("--notify", one, "the absolute path of a program is needed")
        if form is not Form.SYSTEMD and not _CHANNEL.fullmatch(one):
            raise bad("--notify", one, "projects/P/notificationChannels/N is needed")
    if form is Form.SYSTEMD and len(job.notify) > 1:
        raise bad("--notify", job.notify[1], "one program is called")


def _check_inputs(form: Form, job: Job) -> None:
    """Refuse files that nobody could have put where they are read."""
    files = job.inputs("file")
    buckets = form in {Form.CLOUD_RUN, Form.CLOUD_BUILD}
    for one in job.inputs("secret") if form is Form.KUBERNETES else ():
        if not _NAMESPACE.fullmatch(one.name):
            saw = "a secret of Kubernetes has lower-case letters, digits and hyphens"
            raise bad("--command", f"secret:{one.name}", saw)
    if buckets and files and not job.files:
        raise bad("--files", "(missing)", f"gs://BUCKET with {files[0].name} is needed")
    if job.files and not (buckets and files):
        saw = "nothing is read from it; write file:NAME in --command, on Cloud Run or Cloud Build"
        raise bad("--files", job.files, saw)
    if job.files and not _BUCKET.fullmatch(job.files):
        raise bad("--files", job.files, "gs://BUCKET is needed")


def _check_outputs(form: Form, job: Job) -> None:
    """Refuse files that are lost with a run, or cannot be written in one."""
    on_disk = job.state if not job.bucket else ""
    if form is Form.SYSTEMD:
        home = f"/var/lib/{job.name}"
        for path in (*job.outputs, *([on_disk] if on_disk else [])):
            if not _PATH.fullmatch(path) or ".." in path:
                raise bad("--command", path, f"an absolute path is needed, such as {home}/FILE")
        if on_disk and not on_disk.startswith(f"{home}/"):
            raise bad("--alarm-state", on_disk, f"only {home} outlives a run and can be written")
        return
    if on_disk:
        raise bad("--alarm-state", on_disk, "it is lost with each run: give gs://BUCKET/OBJECT")
    for path in job.outputs:
        if form is not Form.GITHUB:
            saw = "what the command writes is lost with the run; --push-gateway is for that"
            raise bad("--command", path, saw)
        if not _ARTIFACT.fullmatch(path):
            raise bad("--command", path, "only a name without a folder is kept, as an artifact")
