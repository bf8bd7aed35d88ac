"""A build that is no build: steps of Cloud Build, started by Cloud Scheduler (FACTS 15.5)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.schedule import alerts, gcloud
from gcr_migrate.schedule.text import UNTRIED, Said, Script, head, yaml_text
from gcr_migrate.schedule.words import for_cloud_build, in_container, variable

if TYPE_CHECKING:
    from gcr_migrate.schedule.job import Job
    from gcr_migrate.schedule.words import Input

LONGEST_S: Final = 82_800  # a build ends after a day, and has more to do than to verify
_SPARE_S: Final = 600
_ROOT: Final = "/workspace"  # what all steps of a build share
_GCLOUD: Final = "gcr.io/google.com/cloudsdktool/google-cloud-cli:stable"
_WRAP: Final = f'code=0; timeout "$0" "$@" || code=$?; echo "$code" >{_ROOT}/out/code'


def render(job: Job, version: str) -> dict[str, str]:
    """Return the files, by name."""
    applied = "Apply it with ./apply.sh, which makes the account, the trigger and the timer."
    build_head = head(f"{job.name}: the build that verifies.", [applied, UNTRIED], version)
    script_head = head(
        f"{job.name}: account, roles, trigger and timer, with gcloud.",
        [
            (
                f"Run it where cloudbuild.yaml is, {gcloud.by_whom(job)}."
                " Then run the trigger once, and apply alerts.tf:"
            ),
            (
                f"  gcloud builds triggers run {job.name} --project={job.project}"
                f" --region={job.location}"
            ),
            UNTRIED,
        ],
        version,
    )
    return {
        "cloudbuild.yaml": yaml_text(build_head, _build(job)),
        "apply.sh": gcloud.script(script_head, _commands(job)),
        "alerts.tf": alerts.of_log(job, alerts.head_of(job, version)),
    }


def _build(job: Job) -> dict[str, Any]:
    verify = {
        "id": "verify",
        "name": job.image,
        Said("entrypoint", "The code is kept, so that the last step tells how it ended."): "bash",
        "args": [
            *("-c", for_cloud_build(_WRAP), f"{job.deadline_s}", "gcr-migrate"),
            *(for_cloud_build(one.placed(_place)) for one in job.words),
        ],
        "env": [f"HOME={_ROOT}/out"],
        "dir": f"{_ROOT}/out",
    }
    tell = {
        "id": "tell",
        "name": _GCLOUD,
        "entrypoint": "bash",
        "args": ["-ceu", Script(for_cloud_build(_tell(job)))],
    }
    build: dict[str, Any] = {
        "steps": [_prepare(job), verify, tell],
        "timeout": f"{job.deadline_s + _SPARE_S}s",
        "options": {"logging": "CLOUD_LOGGING_ONLY"},
    }
    if job.inputs("secret"):
        kept = f"projects/{job.project}/secrets/{{}}/versions/latest"
        secrets = [
            {"versionName": kept.format(one.name), "env": _variable(one)}
            for one in job.inputs("secret")
        ]
        build["availableSecrets"] = {"secretManager": secrets}
    return build


def _place(one: Input) -> str:
    return in_container(one, _ROOT)


def _variable(one: Input) -> str:
    return f"SECRET_{variable(one)}"


def _prepare(job: Job) -> dict[str, Any]:
    """Return the step that lays down what the tool reads, which is no root in its image."""
    lines = [f"mkdir -m 777 {_ROOT}/out"]
    for one in job.inputs("secret"):
        path = _place(one)
        lines.append(f"mkdir -p {path.rpartition('/')[0]}")
        lines.append(f'printf %s "${_variable(one)}" >{path}')
    for one in job.inputs("file"):
        words = ["gcloud", "storage", "cp", f"{job.files}/{one.name}", _place(one)]
        lines.append(shlex.join(words))
    if job.inputs("file"):
        lines.append(f"chmod -R a+rX {_ROOT}/files")
    step: dict[str, Any] = {
        "id": "prepare",
        "name": _GCLOUD,
        "entrypoint": "bash",
        "args": ["-ceu", Script(for_cloud_build("\n".join(lines) + "\n"))],
    }
    if job.inputs("secret"):
        step["secretEnv"] = [_variable(one) for one in job.inputs("secret")]
    return step


def _tell(job: Job) -> str:
    return telling(job, f"$(cat {_ROOT}/out/code)") + 'exit "$code"\n'


def telling(job: Job, code: str) -> str:
    """Return what writes one line to Cloud Logging, from which the alerts are counted.

    Args:
        job: the job.
        code: an expression of the shell for the exit code.
    """
    write = shlex.join(["gcloud", "logging", "write", job.name, f"--project={job.project}"])
    return (
        f"code={code}\n"
        f"event={alerts.FAILED}\n"
        f'if [ "$code" = 0 ]; then event={alerts.OK}; fi\n'
        f'{write} --payload-type=json "{{\\"event\\":\\"$event\\",\\"code\\":$code}}"\n'
    )


def _commands(job: Job) -> list[str]:
    services = ["cloudbuild", "cloudscheduler", "artifactregistry", "logging", "monitoring"]
    services += ["secretmanager"] if job.inputs("secret") else []
    member = f"serviceAccount:{job.account}"
    starter = gcloud.starter(job)
    start = f"serviceAccount:{starter}"
    place = [f"--project={job.project}", f"--region={job.location}"]
    as_whom = f"projects/{job.project}/serviceAccounts/{job.account}"
    options = ["--inline-config=cloudbuild.yaml", f"--service-account={as_whom}", "--quiet"]
    trigger = ["gcloud", "builds", "triggers"]
    there = shlex.join([*trigger, "describe", job.name, *place])
    uri = (
        f"https://cloudbuild.googleapis.com/v1/projects/$number/locations/{job.location}"
        f"/triggers/{job.name}:run"
    )
    return [
        gcloud.enabled(job, *services),
        gcloud.number(job),
        *gcloud.identity(job),
        *gcloud.inputs(job),
        "# Its log, and the line in it from which the alerts are counted.",
        shlex.join(["on_project", job.project, member, "roles/logging.logWriter"]),
        f"if {there} >/dev/null 2>&1; then",
        f"  {shlex.join([*trigger, 'update', 'manual', job.name, *place, *options])}",
        "else",
        f"  {shlex.join([*trigger, 'create', 'manual', f'--name={job.name}', *place, *options])}",
        "fi",
        "# Who starts it needs more than on Cloud Run: no role starts one trigger only.",
        *gcloud.account(job, starter),
        shlex.join(["on_project", job.project, start, "roles/cloudbuild.builds.editor"]),
        shlex.join(["act_as", job.project, job.account, start, "roles/iam.serviceAccountUser"]),
        "# Its green only says that the build was started; alerts.tf watches how it ended.",
        gcloud.timer(job, uri, "{}"),
    ]
