"""Repositories and grants of a plan as a shell script that calls gcloud."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.export.unsaid import grants_left_out, policies_left_out, sayable, wanted
from gcr_migrate.model.plan import upstream_policies
from gcr_migrate.model.settings import CleanupCondition, Scanning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.model.plan import Repository
    from gcr_migrate.model.settings import CleanupPolicy, RepositorySettings

_HEAD: Final = """\
set -euo pipefail

# Without an argument: make what is missing and add grants; it can be run again.
# With `after-copy`: settings that would meet the copy itself, once the images are there.

repository() { # PROJECT LOCATION REPOSITORY OPTION...
  local project=$1 location=$2 repository=$3
  shift 3
  if gcloud artifacts repositories describe "$repository" \\
      --project="$project" --location="$location" >/dev/null 2>&1; then
    echo "$repository is there"
  else
    gcloud artifacts repositories create "$repository" --quiet \\
      --project="$project" --location="$location" --repository-format=docker "$@"
  fi
}

no_conditions() { # PROJECT LOCATION REPOSITORY
  local roles
  roles=$(gcloud artifacts repositories get-iam-policy "$3" --quiet \\
    --project="$1" --location="$2" --format="value(bindings.role)")
  if [[ $roles == *_withcond_* ]]; then
    echo "$3 has grants under conditions, which gcloud may lose; gcr-migrate apply keeps them" >&2
    exit 1
  fi
}

grant() { # PROJECT LOCATION REPOSITORY ROLE MEMBER
  gcloud artifacts repositories add-iam-policy-binding "$3" --quiet \\
    --project="$1" --location="$2" --role="$4" --member="$5" --condition=None >/dev/null
}

update() { # PROJECT LOCATION REPOSITORY OPTION...
  gcloud artifacts repositories update "$3" --quiet \\
    --project="$1" --location="$2" "${@:4}" >/dev/null
}

cleanup() { # PROJECT LOCATION REPOSITORY OPTION, policies on standard input
  gcloud artifacts repositories set-cleanup-policies "$3" --quiet \\
    --project="$1" --location="$2" --policy=- "$4" >/dev/null
}
"""
_QUOTES: Final = "# shellcheck disable=SC2016"  # a dollar in a text is meant as it is
_SCANS: Final = "--allow-vulnerability-scanning"
_NO_SCANS: Final = "--disable-vulnerability-scanning"


def gcloud_script(repositories: Sequence[Repository], made_from: str) -> str:
    """Return the script.

    Args:
        repositories: targets of a plan in Artifact Registry.
        made_from: what it was made from, a line for its head.
    """
    left_out = [*policies_left_out(repositories), *grants_left_out(repositories)]
    told = [f"# {' '.join(one.split())}" for one in left_out]
    lines = ["#!/usr/bin/env bash", f"# {made_from}", *told, _QUOTES, _HEAD, "before_copy() {"]
    lines += [f"  {line}" if line else "" for line in _before(repositories)]
    lines += ["}", "", "after_copy() {"]
    lines += _after(repositories)
    lines += ["}", "", "case ${1:-} in", '  "") before_copy ;;', "  after-copy) after_copy ;;"]
    lines += ['  *) echo "usage: $0 [after-copy]" >&2; exit 2 ;;', "esac"]
    return "\n".join(lines) + "\n"


def _before(repositories: Iterable[Repository]) -> Iterator[str]:
    empty = True
    for one in repositories:
        place, empty = _place(one), False
        options = [*_options(one)]
        yield shlex.join(["repository", *place, *options]) + _over(one)
        grants = sayable(one)
        if grants:
            yield shlex.join(["no_conditions", *place])
        for grant in grants:
            yield shlex.join(["grant", *place, grant.role, grant.member])
    if empty:
        yield ":"


def _over(repository: Repository) -> str:
    """Return what hands gcloud the upstreams of a virtual repository."""
    if not repository.upstreams:
        return ""
    policies = [
        {"id": id_, "repository": one, "priority": priority}
        for id_, one, priority in upstream_policies(repository.upstreams)
    ]
    return f" <<<{shlex.quote(json.dumps(policies))}"


def _place(repository: Repository) -> list[str]:
    _, project, _, location, _, id_ = repository.resource.split("/")
    return [project, location, id_]


def _options(repository: Repository) -> Iterator[str]:
    """Return with what a repository is made: what would meet the copy is not in it yet."""
    if repository.upstreams:
        yield "--mode=virtual-repository"
        yield "--upstream-policy-file=-"
    if repository.exists:
        return
    settings = wanted(repository)
    if settings.description:
        yield f"--description={settings.description}"
    if settings.labels:
        yield f"--labels={_labels(settings)}"
    if settings.kms_key:
        yield f"--kms-key={settings.kms_key}"
    if not repository.upstreams:
        yield _SCANS if settings.scanning is Scanning.ON else _NO_SCANS


def _labels(settings: RepositorySettings) -> str:
    return ",".join(f"{name}={value}" for name, value in settings.labels)


def _after(repositories: Iterable[Repository]) -> Iterator[str]:
    empty = True
    for one in repositories:
        settings, place = wanted(one), _place(one)
        options = [*_changes(one)]
        if options:
            empty = False
            yield f"  {shlex.join(['update', *place, *options])}"
        if settings.cleanup:
            empty = False
            dry = "--dry-run" if settings.cleanup_dry_run else "--no-dry-run"
            text = json.dumps([_policy(rule) for rule in settings.cleanup], indent=2)
            yield f"  {shlex.join(['cleanup', *place, dry])} <<'POLICIES'"
            yield text
            yield "POLICIES"
    if empty:
        yield "  :"


def _changes(repository: Repository) -> Iterator[str]:
    """Return what is changed once the images are there."""
    settings = wanted(repository)
    if repository.exists and settings.description:
        yield f"--description={settings.description}"
    if repository.exists and settings.labels:
        yield f"--update-labels={_labels(settings)}"
    if settings.immutable_tags:
        yield "--immutable-tags"
    if settings.scanning is Scanning.AFTER_COPY:
        yield _SCANS
    elif repository.exists and settings.scanning:
        yield _SCANS if settings.scanning is Scanning.ON else _NO_SCANS


def _policy(policy: CleanupPolicy) -> dict[str, Any]:
    """Return a clean-up policy as a file of gcloud's has it."""
    body: dict[str, Any] = {
        "name": policy.id,
        "action": {"type": "DELETE" if policy.deletes else "KEEP"},
    }
    if policy.keep_count is not None:
        newest: dict[str, Any] = {"keepCount": policy.keep_count}
        if policy.newest_prefixes:
            newest["packageNamePrefixes"] = [*policy.newest_prefixes]
        return body | {"mostRecentVersions": newest}
    picks = policy.condition or CleanupCondition()
    condition: dict[str, Any] = {"tagState": picks.tag_state.upper()}
    lists = (
        ("tagPrefixes", picks.tag_prefixes),
        ("versionNamePrefixes", picks.version_prefixes),
        ("packageNamePrefixes", picks.package_prefixes),
    )
    condition |= {name: [*some] for name, some in lists if some}
    ages = (
        ("olderThan", picks.older_than_s),
        ("newerThan", picks.newer_than_s),
        ("moreStaleThan", picks.more_stale_than_s),
    )
    condition |= {name: f"{seconds}s" for name, seconds in ages if seconds is not None}
    return body | {"condition": condition}
