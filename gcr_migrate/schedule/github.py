"""A workflow of GitHub Actions that logs in to Google by GitHub's own tokens (FACTS 15.5)."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.schedule import alerts, gcloud
from gcr_migrate.schedule.cloud_build import telling
from gcr_migrate.schedule.job import bad
from gcr_migrate.schedule.text import Script, head, yaml_text
from gcr_migrate.schedule.words import for_github, in_container, variable

if TYPE_CHECKING:
    from gcr_migrate.schedule.job import Job

LONGEST_S: Final = 19_800  # a job ends after six hours, and has more to do than to verify
OFTEN_S: Final = 300
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/[A-Za-z0-9._-]{1,100}")
_PROVIDER: Final = re.compile(
    r"projects/([0-9]+)/locations/global/workloadIdentityPools/([a-z][a-z0-9-]{3,31})"
    r"/providers/([a-z][a-z0-9-]{3,31})"
)
_UNTRIED: Final = (
    "Tried: read by the published schema of workflows, and its steps are run, in tests. Not tried:"
    " GitHub itself, its tokens at Google."
)


def check(job: Job) -> None:
    """Refuse what is no repository or provider.

    Raises:
        MigrateError: `bad-schedule`.
    """
    if not _REPOSITORY.fullmatch(job.repository):
        raise bad("--repository", job.repository, "OWNER/REPO is needed")
    if not _PROVIDER.fullmatch(job.provider):
        form = "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
        raise bad("--provider", job.provider, f"{form} is needed")


def render(job: Job, version: str) -> dict[str, str]:
    """Return the files, by name."""
    told = [
        (
            f"Apply it as .github/workflows/{job.name}.yml on the default branch of"
            f" {job.repository}, after identity.sh."
        ),
        (
            "GitHub may start late, leaves out runs under load, and switches the schedule off after"
            " 60 days without activity in a public repository: alerts.tf sees that. It mails"
            " failures to whoever changed the schedule last."
        ),
    ]
    told += [
        f"  gh secret set {variable(one)} --repo={job.repository} <PATH"
        for one in job.inputs("secret")
    ]
    if files := job.inputs("file"):
        told.append(f"In the repository itself: {', '.join(one.name for one in files)}.")
    identity_head = head(
        f"{job.name}: account, roles, and who at GitHub may be it, with gcloud.",
        [
            f"Run it {gcloud.by_whom(job)}.",
            "Tried: run in tests with a gcloud that only takes notes. Not tried: Google Cloud.",
        ],
        version,
    )
    workflow_head = head(f"{job.name}: the workflow.", [*told, _UNTRIED], version)
    return {
        "identity.sh": gcloud.script(identity_head, _commands(job)),
        f"{job.name}.yml": yaml_text(workflow_head, _workflow(job)),
        "alerts.tf": alerts.of_log(job, alerts.head_of(job, version)),
    }


def _workflow(job: Job) -> dict[str, Any]:
    times = {"cron": job.cron.text}
    if job.zone != "UTC":
        times["timezone"] = job.zone
    return {
        "name": job.name,
        "on": {"schedule": [times], "workflow_dispatch": {}},
        "permissions": {"contents": "read", "id-token": "write"},
        "concurrency": {"group": job.name, "cancel-in-progress": False},
        "jobs": {
            "verify": {
                "runs-on": "ubuntu-latest",
                "timeout-minutes": job.deadline_s // 60 + 15,
                "steps": [*_before(job), _verify(job), *_after(job)],
            }
        },
    }


def _before(job: Job) -> list[dict[str, Any]]:
    login = {
        "workload_identity_provider": job.provider,
        "service_account": job.account,
        "project_id": job.project,
    }
    steps: list[dict[str, Any]] = [
        {
            "name": "Before the login, which writes into the workspace",
            "uses": "actions/checkout@v5",
        },
        {"uses": "google-github-actions/auth@v3", "with": login},
    ]
    host = job.image.partition("/")[0]
    if host.endswith(("pkg.dev", "gcr.io")):
        words = ["gcloud", "auth", "configure-docker", host, "--quiet"]
        steps.append({"name": "Docker's login", "run": shlex.join(words)})
    secrets = job.inputs("secret")
    if secrets:
        lines = ["umask 077"]
        for one in secrets:
            path = f'"$RUNNER_TEMP"{in_container(one)}'
            lines += [
                f'mkdir -p "$RUNNER_TEMP"/secrets/{one.name}',
                f'printf %s "$SECRET_{variable(one)}" >{path}',
            ]
        kept = {f"SECRET_{variable(one)}": f"${{{{ secrets.{variable(one)} }}}}" for one in secrets}
        run = Script("\n".join(lines) + "\n")
        steps.append({"name": "Secrets", "env": kept, "run": run})
    return steps


def _verify(job: Job) -> dict[str, Any]:
    mounts = ['--volume="$RUNNER_TEMP/out:/work"']
    mounts += ['--volume="$RUNNER_TEMP/secrets:/secrets:ro"'] if job.inputs("secret") else []
    mounts += ['--volume="$GITHUB_WORKSPACE:/files:ro"'] if job.inputs("file") else []
    key = '"$GOOGLE_APPLICATION_CREDENTIALS"'
    words = for_github(one.placed(in_container) for one in job.words)
    lines = [
        'mkdir -p "$RUNNER_TEMP/out"',
        "docker run --rm --read-only --tmpfs=/tmp --cap-drop=ALL --network=host \\",
        '  --user="$(id -u):$(id -g)" --workdir=/work --env=HOME=/work \\',
        f"  --volume={key}:/google.json:ro --env=GOOGLE_APPLICATION_CREDENTIALS=/google.json \\",
        *(f"  {mount} \\" for mount in mounts),
        f"  {shlex.quote(job.image)} \\",
        f"  {words}",
    ]
    return {
        "name": "Verify",
        "id": "verify",
        "timeout-minutes": max(1, job.deadline_s // 60),
        "run": Script("\n".join(lines) + "\n"),
    }


def _after(job: Job) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    if job.outputs:
        kept = {"name": job.name, "path": "${{ runner.temp }}/out", "if-no-files-found": "ignore"}
        uses = "actions/upload-artifact@v4"
        steps.append({"if": "${{ !cancelled() }}", "uses": uses, "with": kept})
    tell = Script(
        telling(job, "1").replace("code=1\n", 'code=1\n[ "$OUTCOME" != success ] || code=0\n')
    )
    outcome = {"OUTCOME": "${{ steps.verify.outcome }}"}
    steps.append({"name": "Tell", "if": "${{ always() }}", "env": outcome, "run": tell})
    return steps


def _commands(job: Job) -> list[str]:
    found = _PROVIDER.fullmatch(job.provider)
    number, pool, provider = found.groups() if found else ("", "", "")
    member = f"serviceAccount:{job.account}"
    who = (
        f"principalSet://iam.googleapis.com/projects/{number}/locations/global"
        f"/workloadIdentityPools/{pool}/attribute.repository/{job.repository}"
    )
    hub = shlex.join(["gcloud", "projects", "describe", number, "--format=value(projectId)"])
    return [
        gcloud.enabled(job, "iamcredentials", "sts", "artifactregistry", "logging", "monitoring"),
        *gcloud.identity(job),
        "# The line from which the alerts are counted.",
        shlex.join(["on_project", job.project, member, "roles/logging.logWriter"]),
        "# Workflows of this repository, and of no other, may be the account.",
        f"hub=$({hub})",
        f'trust "$hub" {shlex.join([pool, provider, job.repository])}',
        shlex.join(["act_as", job.project, job.account, who, "roles/iam.workloadIdentityUser"]),
    ]
