"""A job of Cloud Run, started by Cloud Scheduler (FACTS 15.3)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.schedule import alerts, gcloud
from gcr_migrate.schedule.text import UNTRIED, Said, head, yaml_text
from gcr_migrate.schedule.words import in_container

if TYPE_CHECKING:
    from gcr_migrate.schedule.job import Job

LONGEST_S: Final = 604_800


def render(job: Job, version: str) -> dict[str, str]:
    """Return the files, by name."""
    applied = ["Apply it with ./apply.sh, which makes the account before and the timer after."]
    job_head = head(f"{job.name}: the job, for Cloud Run.", [*applied, UNTRIED], version)
    script_head = head(
        f"{job.name}: account, roles, job and timer, with gcloud.",
        [
            f"Run it where job.yaml is, {gcloud.by_whom(job)}.",
            "Then run the job once, and apply alerts.tf:",
            (
                f"  gcloud run jobs execute {job.name} --project={job.project}"
                f" --region={job.location} --wait"
            ),
            UNTRIED,
        ],
        version,
    )
    return {
        "job.yaml": yaml_text(job_head, _job(job)),
        "apply.sh": gcloud.script(script_head, _commands(job)),
        "alerts.tf": alerts.of_cloud_run(job, alerts.head_of(job, version)),
    }


def _job(job: Job) -> dict[str, Any]:
    secrets = {f"secret-{at}": one.name for at, one in enumerate(job.inputs("secret"), 1)}
    mounts = [{"name": at, "mountPath": f"/secrets/{name}"} for at, name in secrets.items()]
    volumes: list[dict[str, Any]] = [
        {
            "name": at,
            "secret": {"secretName": name, "items": [{"key": "latest", "path": "value"}]},
        }
        for at, name in secrets.items()
    ]
    if job.files:
        mounts.append({"name": "files-of-the-job", "mountPath": "/files"})
        bucket = {"bucketName": job.files.removeprefix("gs://")}
        volumes.append(
            {
                "name": "files-of-the-job",
                "csi": {
                    "driver": "gcsfuse.run.googleapis.com",
                    "readOnly": True,
                    "volumeAttributes": bucket,
                },
            }
        )
    container: dict[str, Any] = {
        "image": job.image,
        "args": [one.placed(in_container) for one in job.words],
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
    }
    task: dict[str, Any] = {
        Said("maxRetries", "A finding is an exit code too; doing it again changes nothing."): 0,
        Said("timeoutSeconds", "Shorter than the time between two runs: never two at once."): (
            job.deadline_s
        ),
        "serviceAccountName": job.account,
        "containers": [container | ({"volumeMounts": mounts} if mounts else {})],
    }
    if volumes:
        task["volumes"] = volumes
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {
            "name": job.name,
            "labels": {"cloud.googleapis.com/location": job.location},
        },
        "spec": {
            "template": {
                "spec": {"taskCount": 1, "parallelism": 1, "template": {"spec": task}},
            }
        },
    }


def _commands(job: Job) -> list[str]:
    services = ["run", "cloudscheduler", "artifactregistry", "monitoring"]
    services += ["secretmanager"] if job.inputs("secret") else []
    place = [f"--project={job.project}", f"--region={job.location}"]
    start = f"serviceAccount:{gcloud.starter(job)}"
    uri = (
        f"https://run.googleapis.com/v2/projects/$number/locations/{job.location}"
        f"/jobs/{job.name}:run"
    )
    role = ["--member=" + start, "--role=roles/run.invoker", "--quiet"]
    return [
        gcloud.enabled(job, *services),
        gcloud.number(job),
        *gcloud.identity(job),
        *gcloud.inputs(job),
        shlex.join(["gcloud", "run", "jobs", "replace", "job.yaml", *place, "--quiet"]),
        "# Who starts it may start it, and nothing else.",
        *gcloud.account(job, gcloud.starter(job)),
        shlex.join(["gcloud", "run", "jobs", "add-iam-policy-binding", job.name, *place, *role])
        + " >/dev/null",
        "# Its green only says that the job was started; alerts.tf watches how it ended.",
        gcloud.timer(job, uri, "{}"),
    ]
