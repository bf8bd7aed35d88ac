"""A CronJob of Kubernetes, with GKE's identity and Prometheus' rules (FACTS 15.5)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.schedule import gcloud
from gcr_migrate.schedule.text import Said, head, yaml_text
from gcr_migrate.schedule.words import for_kubernetes, in_container

if TYPE_CHECKING:
    from gcr_migrate.schedule.job import Job

_USER: Final = 10_001  # of the image that the Dockerfile makes
_LATE_S: Final = 3_600
_UNTRIED: Final = (
    "Tried: read by Kubernetes' own schemas, and the command is run, in tests. Not tried: a"
    " cluster, GKE's identity, Prometheus."
)


def render(job: Job, version: str) -> dict[str, str]:
    """Return the files, by name."""
    space = job.namespace
    told = [
        "Apply it after identity.sh, in a cluster of GKE with Workload Identity, from 1.27 on:",
        "  kubectl apply -f cronjob.yaml",
        f"  kubectl create job --from=cronjob/{job.name} {job.name}-first --namespace={space}",
    ]
    told += [
        f"  kubectl create secret generic {one.name} --from-file=value=PATH --namespace={space}"
        for one in job.inputs("secret")
    ]
    if job.inputs("file"):
        words = " ".join(f"--from-file={one.name}" for one in job.inputs("file"))
        told += [
            f"  kubectl create configmap {job.name}-files {words} --namespace={space}",
            "A config map holds 1 MiB; build larger files into an image of your own.",
        ]
    identity_head = head(
        f"{job.name}: account and roles in Google Cloud, with gcloud.",
        [
            f"Run it before cronjob.yaml is applied, {gcloud.by_whom(job)}.",
            _UNTRIED,
        ],
        version,
    )
    alerts_head = head(
        f"{job.name}: Prometheus' rules on failure and on silence.",
        [
            (
                "Apply it with kubectl apply -f alerts.yaml. It needs the Prometheus operator and"
                " kube-state-metrics; Alertmanager decides by the labels who is told. For Google's"
                " managed Prometheus write apiVersion monitoring.googleapis.com/v1, kind Rules."
            ),
            _UNTRIED,
        ],
        version,
    )
    cronjob_head = head(f"{job.name}: the job, for Kubernetes.", [*told, _UNTRIED], version)
    return {
        "identity.sh": gcloud.script(identity_head, _commands(job)),
        "cronjob.yaml": yaml_text(cronjob_head, _account(job), _cron_job(job)),
        "alerts.yaml": yaml_text(alerts_head, _rules(job)),
    }


def _commands(job: Job) -> list[str]:
    who = f"serviceAccount:{job.project}.svc.id.goog[{job.namespace}/{job.name}]"
    return [
        gcloud.enabled(job, "iamcredentials", "artifactregistry"),
        *gcloud.identity(job),
        f"# The cluster's pool is that of {job.project}.",
        shlex.join(["act_as", job.project, job.account, who, "roles/iam.workloadIdentityUser"]),
    ]


def _account(job: Job) -> dict[str, Any]:
    identity = {"iam.gke.io/gcp-service-account": job.account}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": job.name, "namespace": job.namespace, "annotations": identity},
    }


def _cron_job(job: Job) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": job.name, "namespace": job.namespace},
        "spec": {
            "schedule": job.cron.text,
            "timeZone": job.zone,
            "concurrencyPolicy": "Forbid",
            Said("startingDeadlineSeconds", "Without it, 100 missed runs stop it for good."): (
                _LATE_S
            ),
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    Said("backoffLimit", "A finding is an exit code too; once is enough."): 0,
                    "activeDeadlineSeconds": job.deadline_s,
                    "template": {"spec": _pod(job)},
                }
            },
        },
    }


def _pod(job: Job) -> dict[str, Any]:
    mounts: list[dict[str, Any]] = [
        {"name": "work", "mountPath": "/work"},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # of a container
    ]
    volumes: list[dict[str, Any]] = [{"name": "work", "emptyDir": {}}]
    volumes.append({"name": "tmp", "emptyDir": {}})
    for at, one in enumerate(job.inputs("secret"), 1):
        name = f"secret-{at}"
        items = [{"key": "value", "path": "value"}]
        volumes.append({"name": name, "secret": {"secretName": one.name, "items": items}})
        mounts.append({"name": name, "mountPath": f"/secrets/{one.name}", "readOnly": True})
    if job.inputs("file"):
        volumes.append({"name": "files", "configMap": {"name": f"{job.name}-files"}})
        mounts.append({"name": "files", "mountPath": "/files", "readOnly": True})
    return {
        "serviceAccountName": job.name,
        Said("automountServiceAccountToken", "It asks nothing of the cluster."): False,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "verify",
                "image": job.image,
                "args": [for_kubernetes(one.placed(in_container)) for one in job.words],
                "workingDir": "/work",
                "env": [{"name": "HOME", "value": "/work"}],
                "resources": {
                    "requests": {"cpu": "250m", "memory": "256Mi"},
                    "limits": {"memory": "512Mi"},
                },
                "securityContext": {
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def _rules(job: Job) -> dict[str, Any]:
    space = f'namespace="{job.namespace}"'
    jobs = f'{space},job_name=~"{job.name}-.+"'
    last = f'kube_cronjob_status_last_successful_time{{{space},cronjob="{job.name}"}}'
    window_s = job.silence_h * 3_600
    failed = (
        f"(kube_job_status_failed{{{jobs}}} > 0) and on (namespace, job_name)"
        f" (time() - kube_job_status_start_time{{{jobs}}} < {window_s})"
    )
    silent = f"(time() - {last} > {window_s}) or absent({last})"
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": job.name, "namespace": job.namespace},
        "spec": {
            "groups": [
                {
                    "name": job.name,
                    "rules": [
                        _rule(job, "Failed", failed, "a run failed, or found a difference"),
                        _rule(job, "Silent", silent, f"no success for {job.silence_h} hours"),
                    ],
                }
            ]
        },
    }


def _rule(job: Job, name: str, expression: str, told: str) -> dict[str, Any]:
    words = "".join(part.capitalize() for part in job.name.split("-"))
    return {
        "alert": f"{words}{name}",
        "expr": expression,
        "for": "5m",
        "labels": {"severity": "critical"},
        "annotations": {"summary": f"{job.name}: {told}"},
    }
