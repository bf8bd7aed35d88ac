"""Alert policies of Cloud Monitoring as Terraform's text: on failure, and on silence (FACTS 15.4).

Silence is watched by a query, since a condition of absence ends at 23.5 hours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.hcl import Block, Raw, label, text_of
from gcr_migrate.schedule.text import head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.hcl import Value
    from gcr_migrate.schedule.job import Job

OK: Final = "verify_ok"
FAILED: Final = "verify_failed"
_POLICY: Final = "google_monitoring_alert_policy"
_METRIC: Final = "google_logging_metric"
_DAY: Final = "86400s"


def head_of(job: Job, version: str) -> list[str]:
    """Return the head of the policies."""
    return head(
        f"{job.name}: alerts of Cloud Monitoring on failure and on silence.",
        [
            (
                "Apply it with terraform init && terraform apply, once the job has run well: before"
                " that, silence is what there is."
            ),
            (
                "Tried: formatted and parsed in tests, and the query in Prometheus itself, where it"
                " fires that many hours after the last success, and also if there never was one."
                " Not tried: Google Cloud, which may write zeros for a while after a point. Let"
                " one run fail and one not happen before you rely on it."
            ),
        ],
        version,
    )


def of_cloud_run(job: Job, comment: Iterable[str]) -> str:
    """Return the policies of a job of Cloud Run, by what that service counts itself."""
    counted = (
        f'resource.type="cloud_run_job" AND resource.labels.job_name="{job.name}"'
        ' AND metric.type="run.googleapis.com/job/completed_execution_count"'
        ' AND metric.labels.result="failed"'
    )
    silent = (
        "absent_over_time(run_googleapis_com:job_completed_execution_count{"
        f'monitored_resource="cloud_run_job",job_name="{job.name}",result="succeeded"'
        f"}}[{job.silence_h}h])"
    )
    return text_of(comment, [*_versions(job), *_policies(job, counted, silent)])


def of_log(job: Job, comment: Iterable[str]) -> str:
    """Return the policies of a job that writes a line to Cloud Logging at its end."""
    metric = label(job.name)
    metrics = [_metric(job, f"{metric}_{one}") for one in (OK, FAILED)]
    counted = (
        f'resource.type="global" AND metric.type="logging.googleapis.com/user/{metric}_{FAILED}"'
    )
    silent = (
        f"absent_over_time(logging_googleapis_com:user_{metric}_{OK}"
        f'{{monitored_resource="global"}}[{job.silence_h}h])'
    )
    after = [Raw(f"{_METRIC}.{metric}_{one}") for one in (OK, FAILED)]
    blocks = [*_versions(job), *metrics, *_policies(job, counted, silent, after)]
    return text_of(comment, blocks)


def _metric(job: Job, name: str) -> Block:
    event = OK if name.endswith(OK) else FAILED
    log = f"projects/{job.project}/logs/{job.name}"
    found = f'logName="{log}" AND resource.type="global" AND jsonPayload.event="{event}"'
    attributes: dict[str, Value] = {"project": job.project, "name": name, "filter": found}
    kind: dict[str, Value] = {"metric_kind": "DELTA", "value_type": "INT64"}
    blocks = (Block("metric_descriptor", (), kind),)
    return Block("resource", (_METRIC, name), attributes, blocks)


def _versions(job: Job) -> Iterator[Block]:
    google: Value = {"source": "hashicorp/google", "version": ">= 7.0"}
    yield Block(
        "terraform",
        attributes={"required_version": ">= 1.5.0"},
        blocks=(Block("required_providers", attributes={"google": google}),),
    )
    told: dict[str, Value] = {
        "type": Raw("list(string)"),
        "description": "Who is told: projects/P/notificationChannels/N, one or more.",
    }
    if job.notify:
        told["default"] = [*job.notify]
    check: dict[str, Value] = {
        "condition": Raw("length(var.notification_channels) > 0"),
        "error_message": "An alert that nobody gets is none.",
    }
    yield Block("variable", ("notification_channels",), told, (Block("validation", (), check),))


def _policies(
    job: Job, counted: str, silent: str, after: list[Raw] | None = None
) -> Iterator[Block]:
    """Return both policies.

    Args:
        job: the job.
        counted: filter of the metric of failed runs.
        silent: query that has a result when there was no success for too long.
        after: resources that must be there before.
    """
    window: dict[str, Value] = {"alignment_period": "300s", "per_series_aligner": "ALIGN_SUM"}
    threshold: dict[str, Value] = {
        "filter": counted,
        "comparison": "COMPARISON_GT",
        "threshold_value": 0,
        "duration": "0s",
    }
    failure = Block("condition_threshold", (), threshold, (Block("aggregations", (), window),))
    query: dict[str, Value] = {
        "query": silent,
        "duration": "0s",
        "evaluation_interval": "300s",
        "disable_metric_validation": True,  # the metric is there from its first point on
    }
    silence = Block("condition_prometheus_query_language", (), query)
    yield _policy(job, "failed", f"{job.name}: a run failed, or found a difference", failure, after)
    told = f"{job.name}: no success for {job.silence_h} hours"
    yield _policy(job, "silent", told, silence, after)


def _policy(job: Job, name: str, told: str, condition: Block, after: list[Raw] | None) -> Block:
    attributes: dict[str, Value] = {
        "project": job.project,
        "display_name": told,
        "combiner": "OR",
        "notification_channels": Raw("var.notification_channels"),
    }
    if after:
        attributes["depends_on"] = [*after]
    why = "Read the log of the last run; each code is told by `gcr-migrate explain CODE`."
    documented: dict[str, Value] = {"content": why, "mime_type": "text/markdown"}
    return Block(
        "resource",
        (_POLICY, f"{label(job.name)}_{name}"),
        attributes,
        (
            Block("conditions", (), {"display_name": told}, (condition,)),
            Block("documentation", (), documented),
            Block("alert_strategy", (), {"auto_close": _DAY}),
        ),
    )
