"""Scripts that make what a job needs in Google Cloud: accounts, roles, and what starts the job."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gcr_migrate.schedule.job import account_of
from gcr_migrate.schedule.text import comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.schedule.job import Job

_FUNCTIONS: Final = """\
set -euo pipefail
cd "$(dirname "$0")"

# It can be run again: what is there stays, and grants are added.

account() { # PROJECT NAME ADDRESS
  if gcloud iam service-accounts describe "$3" --project="$1" >/dev/null 2>&1; then
    echo "$3 is there"
  else
    gcloud iam service-accounts create "$2" --project="$1" --quiet
  fi
}

on_project() { # PROJECT MEMBER ROLE
  gcloud projects add-iam-policy-binding "$1" --member="$2" --role="$3" \\
    --condition=None --quiet >/dev/null
}

act_as() { # PROJECT ADDRESS MEMBER ROLE
  gcloud iam service-accounts add-iam-policy-binding "$2" --project="$1" --member="$3" \\
    --role="$4" --condition=None --quiet >/dev/null
}
"""
_FOR_INPUTS: Final = """
on_secret() { # PROJECT SECRET MEMBER
  gcloud secrets add-iam-policy-binding "$2" --project="$1" --member="$3" \\
    --role=roles/secretmanager.secretAccessor --condition=None --quiet >/dev/null
}
"""
_BUCKET: Final = """
on_bucket() { # BUCKET MEMBER ROLE CONDITION
  gcloud storage buckets add-iam-policy-binding "$1" --member="$2" --role="$3" \\
    --condition="$4" --quiet >/dev/null
}
"""
_TIMER: Final = """
timer() { # PROJECT LOCATION NAME OPTION...
  local verb=create
  if gcloud scheduler jobs describe "$3" --project="$1" --location="$2" >/dev/null 2>&1; then
    verb=update
  fi
  gcloud scheduler jobs "$verb" http "$3" --project="$1" --location="$2" --quiet "${@:4}"
}
"""
_TRUST: Final = """
trust() { # PROJECT POOL PROVIDER REPOSITORY
  local pools=(gcloud iam workload-identity-pools) place=(--location=global --project="$1")
  "${pools[@]}" describe "$2" "${place[@]}" >/dev/null 2>&1 ||
    "${pools[@]}" create "$2" "${place[@]}" --quiet
  place+=(--workload-identity-pool="$2")
  "${pools[@]}" providers describe "$3" "${place[@]}" >/dev/null 2>&1 ||
    "${pools[@]}" providers create-oidc "$3" "${place[@]}" --quiet \\
      --issuer-uri=https://token.actions.githubusercontent.com \\
      --attribute-mapping=google.subject=assertion.sub,attribute.repository=assertion.repository \\
      --attribute-condition="assertion.repository == \\"$4\\""
}
"""


def script(head: Iterable[str], body: Sequence[str]) -> str:
    """Return a script of bash that ends at the first command that fails.

    Args:
        head: its comment.
        body: its commands; only functions that these call are in it.
    """
    called = {line.split(" ", 1)[0] for line in body}
    parts = [_FUNCTIONS]
    parts += [_FOR_INPUTS] if "on_secret" in called else []
    parts += [_BUCKET] if "on_bucket" in called else []
    parts += [_TIMER] if "timer" in called else []
    parts += [_TRUST] if "trust" in called else []
    lines = "".join(f"{line}\n" for line in body)
    return f"#!/usr/bin/env bash\n{comment(head)}{''.join(parts)}\n{lines}"


def by_whom(job: Job) -> str:
    """Return who can run a script."""
    projects = ", ".join(dict.fromkeys((job.project, *job.reads)))
    return f"logged in as somebody who may grant roles in {projects}"


def enabled(job: Job, *services: str) -> str:
    """Return the command that switches services on."""
    names = [f"{one}.googleapis.com" for one in services]
    return shlex.join(["gcloud", "services", "enable", *names, f"--project={job.project}"])


def identity(job: Job) -> Iterator[str]:
    """Return the commands that make the account of a job and give it what `verify` needs."""
    member = f"serviceAccount:{job.account}"
    yield from account(job, job.account)
    yield "# What `verify` needs at the levels of this command, as `gcr-migrate doctor` has it."
    for project in job.reads:
        for role in job.roles:
            yield shlex.join(["on_project", project, member, role])
    if job.bucket:
        yield "# One object and no other; such a condition needs uniform access on the bucket."
        yield "# To whom the bucket's list is closed, an object that is not there yet is forbidden."
        name = f"projects/_/buckets/{job.bucket}/objects/{job.object}"
        listed = 'resource.type == "storage.googleapis.com/Bucket"'
        where = f'resource.name == "{name}" || {listed}'
        condition = f"expression={where},title=state of {job.name}"
        yield shlex.join(
            ["on_bucket", f"gs://{job.bucket}", member, "roles/storage.objectUser", condition]
        )


def inputs(job: Job) -> Iterator[str]:
    """Return the commands that let the account read the secrets and files of a job."""
    member = f"serviceAccount:{job.account}"
    for one in job.inputs("secret"):
        yield shlex.join(["on_secret", job.project, one.name, member])
    if job.files:
        yield shlex.join(["on_bucket", job.files, member, "roles/storage.objectViewer", "None"])


def account(job: Job, address: str) -> Iterator[str]:
    """Return the command that makes an account if it is one of the job's project."""
    name = address.partition("@")[0]
    if address == account_of(name, job.project):
        yield shlex.join(["account", job.project, name, address])


def starter(job: Job) -> str:
    """Return the address of the account that starts a job and may do nothing else."""
    return account_of(f"{job.name}-start", job.project)


def timer(job: Job, uri: str, body: str) -> str:
    """Return the command by which Cloud Scheduler starts a job.

    Args:
        job: the job.
        uri: what it calls, in which `$number` is the project's number.
        body: what it sends.
    """
    options = [
        f"--schedule={job.cron.text}",
        f"--time-zone={job.zone}",
        "--http-method=POST",
        f"--message-body={body}",
        f"--oauth-service-account-email={starter(job)}",
        "--attempt-deadline=60s",
        "--max-retry-attempts=3",
    ]
    words = shlex.join(["timer", job.project, job.location, job.name, *options])
    return f'{words} --uri="{uri}"'


def number(job: Job) -> str:
    """Return the command that finds the project's number: ids under a domain are not taken."""
    words = ["gcloud", "projects", "describe", job.project, "--format=value(projectNumber)"]
    return f"number=$({shlex.join(words)})"
