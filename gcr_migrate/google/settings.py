"""Settings of repositories in Artifact Registry's words (FACTS 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import BAD_REPLY, REPOSITORY_DIFFERS, MigrateError
from gcr_migrate.model.cloud import DOCKER, STANDARD, VIRTUAL
from gcr_migrate.model.plan import upstream_policies
from gcr_migrate.model.settings import (
    CLEANUP,
    CLEANUP_DRY_RUN,
    DESCRIPTION,
    IMMUTABLE,
    LABELS,
    SCANNING,
    CleanupCondition,
    CleanupPolicy,
    RepositorySettings,
    Scanning,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NO_SCANS: Final = "DISABLED"
_SCANS: Final = "INHERITED"
_DELETES: Final = "DELETE"
_KEEPS: Final = "KEEP"


def check_kind(body: Mapping[str, Any], resource: str, mode: str = STANDARD) -> None:
    """Refuse what is no repository of images in this mode.

    Raises:
        MigrateError: BAD_REPLY for no repository at all; REPOSITORY_DIFFERS.
    """
    if not body.get("name"):
        raise MigrateError(BAD_REPLY, subject=resource, saw="no `name` in it")
    for member, wanted in (("format", DOCKER), ("mode", mode)):
        value = str(body.get(member) or wanted)
        if value not in {wanted, wanted.upper(), f"{member.upper()}_UNSPECIFIED"}:
            saw = f"{member} is {value}, not {wanted}"[:200]
            raise MigrateError(REPOSITORY_DIFFERS, subject=resource, saw=saw)


def settings_in(body: Mapping[str, Any]) -> RepositorySettings:
    """Return the settings in a repository as the service tells it."""
    docker, labels = _object(body, "dockerConfig"), _object(body, "labels")
    scanning = _object(body, "vulnerabilityScanningConfig").get("enablementConfig")
    policies = _object(body, "cleanupPolicies").items()
    return RepositorySettings(
        description=str(body.get("description") or ""),
        labels=tuple(sorted((key, str(value)) for key, value in labels.items())),
        immutable_tags=docker.get("immutableTags") is True,
        kms_key=str(body.get("kmsKeyName") or ""),
        cleanup=tuple(_policy_in(id_, one) for id_, one in sorted(policies)),
        cleanup_dry_run=body.get("cleanupPolicyDryRun") is True,
        scanning=Scanning.OFF if scanning == _NO_SCANS else Scanning.ON,
    )


def body_of_new(settings: RepositorySettings) -> dict[str, Any]:
    """Return what a repository is made with, in the spelling of Google's library.

    What would meet the copy itself is not in it yet.
    """
    body: dict[str, Any] = {"format_": DOCKER, "mode": STANDARD}
    if settings.description:
        body["description"] = settings.description
    if settings.labels:
        body["labels"] = dict(settings.labels)
    if settings.kms_key:
        body["kms_key_name"] = settings.kms_key
    if settings.scanning is not Scanning.ON:
        body["vulnerability_scanning_config"] = {"enablement_config": _NO_SCANS}
    return body


def body_of_virtual(settings: RepositorySettings, upstreams: Sequence[str]) -> dict[str, Any]:
    """Return what a virtual repository is made with, in the spelling of Google's library.

    Args:
        settings: how it is set up.
        upstreams: resources over which it stands; the first one counts for most.
    """
    policies = [
        {"id": id_, "repository": one, "priority": priority}
        for id_, one, priority in upstream_policies(upstreams)
    ]
    body: dict[str, Any] = {
        "format_": DOCKER,
        "mode": VIRTUAL,
        "virtual_repository_config": {"upstream_policies": policies},
    }
    if settings.description:
        body["description"] = settings.description
    return body


def upstreams_in(body: Mapping[str, Any], resource: str) -> tuple[str, ...]:
    """Return what a virtual repository stands over, the preferred first.

    Raises:
        MigrateError: BAD_REPLY for no repository at all; REPOSITORY_DIFFERS for one of another
            kind.
    """
    mode = str(body.get("mode") or STANDARD)
    if body.get("name") and mode != VIRTUAL:
        saw = f"mode is {mode}, not {VIRTUAL}"[:200]
        raise MigrateError(REPOSITORY_DIFFERS, subject=resource, saw=saw)
    check_kind(body, resource, VIRTUAL)
    policies = _object(body, "virtualRepositoryConfig").get("upstreamPolicies")
    rows = [one for one in policies if isinstance(one, dict)] if isinstance(policies, list) else []
    rows.sort(key=lambda one: -_count(one.get("priority")))
    return tuple(str(one.get("repository") or "") for one in rows)


def change_of(
    raw: Mapping[str, Any], wants: RepositorySettings, changes: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the body and the mask of a change; what others have set there stays.

    Args:
        raw: the repository as it was read.
        wants: what the spec states.
        changes: names of the settings to write.
    """
    body: dict[str, Any] = {}
    mask: list[str] = []
    for setting in changes:
        if setting == DESCRIPTION:
            body["description"], field = wants.description, "description"
        elif setting == LABELS:
            body["labels"], field = _object(raw, "labels") | dict(wants.labels), "labels"
        elif setting == IMMUTABLE:
            body["dockerConfig"] = _object(raw, "dockerConfig") | {"immutableTags": True}
            field = "dockerConfig.immutableTags"
        elif setting == CLEANUP:
            stated = {one.id: policy_body(one) for one in wants.cleanup}
            body["cleanupPolicies"] = _object(raw, "cleanupPolicies") | stated
            field = "cleanupPolicies"
        elif setting == CLEANUP_DRY_RUN:
            body["cleanupPolicyDryRun"], field = wants.cleanup_dry_run, "cleanupPolicyDryRun"
        elif setting == SCANNING:
            word = _NO_SCANS if wants.scanning is Scanning.OFF else _SCANS
            body["vulnerabilityScanningConfig"] = {"enablementConfig": word}
            field = "vulnerabilityScanningConfig.enablementConfig"
        else:
            raise KeyError(setting)
        mask.append(field)
    return body, mask


def policy_body(policy: CleanupPolicy) -> dict[str, Any]:
    """Return a clean-up policy in the service's words."""
    body: dict[str, Any] = {"id": policy.id, "action": _DELETES if policy.deletes else _KEEPS}
    if policy.keep_count is not None:
        newest: dict[str, Any] = {"keepCount": policy.keep_count}
        if policy.newest_prefixes:
            newest["packageNamePrefixes"] = [*policy.newest_prefixes]
        return body | {"mostRecentVersions": newest}
    picks = policy.condition or CleanupCondition()
    condition: dict[str, Any] = {"tagState": picks.tag_state.upper()}
    lists = {
        "tagPrefixes": picks.tag_prefixes,
        "versionNamePrefixes": picks.version_prefixes,
        "packageNamePrefixes": picks.package_prefixes,
    }
    ages = {
        "olderThan": picks.older_than_s,
        "newerThan": picks.newer_than_s,
        "moreStaleThan": picks.more_stale_than_s,
    }
    condition |= {key: [*some] for key, some in lists.items() if some}
    condition |= {key: f"{age}s" for key, age in ages.items() if age is not None}
    return body | {"condition": condition}


def _policy_in(id_: str, body: Any) -> CleanupPolicy:
    one = body if isinstance(body, dict) else {}
    newest, deletes = one.get("mostRecentVersions"), one.get("action") == _DELETES
    if isinstance(newest, dict):
        prefixes = _texts(newest.get("packageNamePrefixes"))
        count = _count(newest.get("keepCount"))
        return CleanupPolicy(id_, deletes, keep_count=count, newest_prefixes=prefixes)
    return CleanupPolicy(id_, deletes, _condition_in(_object(one, "condition")))


def _condition_in(body: Mapping[str, Any]) -> CleanupCondition:
    state = str(body.get("tagState") or "ANY").lower()
    return CleanupCondition(
        tag_state="any" if state == "tag_state_unspecified" else state,
        tag_prefixes=_texts(body.get("tagPrefixes")),
        version_prefixes=_texts(body.get("versionNamePrefixes")),
        package_prefixes=_texts(body.get("packageNamePrefixes")),
        older_than_s=_seconds(body.get("olderThan")),
        newer_than_s=_seconds(body.get("newerThan")),
        more_stale_than_s=_seconds(body.get("moreStaleThan")),
    )


def _object(body: Mapping[str, Any], member: str) -> dict[str, Any]:
    found = body.get(member)
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else ()


def _count(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


def _seconds(value: Any) -> int | None:
    """Read a duration such as `2592000s`; None for none."""
    text = str(value or "").removesuffix("s").partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004
