"""Repositories and grants of a plan as Terraform's configuration (FACTS 15.1, 15.2).

Grants are additive, one member and role each: what others have granted there is not seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.export.unsaid import (
    grants_left_out,
    named,
    policies_left_out,
    sayable,
    wanted,
)
from gcr_migrate.hcl import Block, Raw, Value, label, quoted, text_of
from gcr_migrate.model.cloud import VIRTUAL
from gcr_migrate.model.plan import upstream_policies
from gcr_migrate.model.settings import CleanupCondition, Scanning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.model.settings import CleanupPolicy, RepositorySettings

_REPOSITORY: Final = "google_artifact_registry_repository"
_MEMBER: Final = "google_artifact_registry_repository_iam_member"
_COPIED: Final = "var.copied"


def terraform_files(repositories: Sequence[Repository], made_from: str) -> dict[str, str]:
    """Return the configuration, by file name.

    Args:
        repositories: targets of a plan in Artifact Registry.
        made_from: what the files were made from, a line for their heads.
    """
    names = _names(repositories)
    head = [made_from, "Made by a program: changes here are lost when it is made again."]
    waits = any(_waits(one) for one in repositories)
    files = {
        "versions.tf": text_of(head, _versions(waits=waits)),
        "repositories.tf": text_of(
            [*head, *_left_out(repositories)], _repositories(repositories, names)
        ),
    }
    if any(one.grants for one in repositories):
        files["access.tf"] = text_of(
            [*head, *grants_left_out(repositories)], _access(repositories, names)
        )
    return files


def _names(repositories: Iterable[Repository]) -> dict[str, str]:
    """Return a name for each repository by its resource; no two are alike."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for one in repositories:
        _, _, _, location, _, id_ = one.resource.split("/")
        base = found = label(f"{location}_{id_}")
        count = 1
        while found in taken:
            count += 1
            found = f"{base}_{count}"
        taken.add(found)
        names[one.resource] = found
    return names


def _waits(repository: Repository) -> bool:
    """Whether some of its settings have to wait for the copy."""
    settings = wanted(repository)
    dry_run_ends = _policies(settings) and not settings.cleanup_dry_run
    return bool(settings.immutable_tags or settings.scanning is Scanning.AFTER_COPY or dry_run_ends)


def _policies(settings: RepositorySettings) -> tuple[CleanupPolicy, ...]:
    """Return the clean-up policies that can be said without deleting more than they say.

    The provider cannot ask what was not pulled for a time. Without that part a policy would pick
    more; and without a policy that keeps, the others would delete more.
    """
    if any(_asks_for_pulls(one) and not one.deletes for one in settings.cleanup):
        return ()
    return tuple(one for one in settings.cleanup if not _asks_for_pulls(one))


def _asks_for_pulls(policy: CleanupPolicy) -> bool:
    return policy.condition is not None and policy.condition.more_stale_than_s is not None


def _left_out(repositories: Iterable[Repository]) -> Iterator[str]:
    """Name the clean-up policies that have no place in the configuration."""
    yield from policies_left_out(repositories)
    for one in repositories:
        said = _policies(wanted(one))
        for policy in wanted(one).cleanup:
            if policy not in said:
                yield f"Not here, as the provider cannot ask for pulls: {named(one, policy)}"


def _versions(*, waits: bool) -> Iterator[Block]:
    google: Value = {"source": "hashicorp/google", "version": ">= 7.0"}
    yield Block(
        "terraform",
        attributes={"required_version": ">= 1.5.0"},
        blocks=(Block("required_providers", attributes={"google": google}),),
    )
    if waits:
        told = "Set it once the images are copied: then tags are fixed and images are cleaned up."
        yield Block(
            "variable",
            ("copied",),
            {"type": Raw("bool"), "default": False, "description": told},
        )


def _repositories(repositories: Iterable[Repository], names: dict[str, str]) -> Iterator[Block]:
    for one in repositories:
        name = names[one.resource]
        if one.exists:
            yield Block("import", (), {"to": Raw(f"{_REPOSITORY}.{name}"), "id": one.resource})
        yield _repository(one, names)


def _repository(repository: Repository, names: dict[str, str]) -> Block:
    _, project, _, location, _, id_ = repository.resource.split("/")
    settings = wanted(repository)
    policies = _policies(settings)
    attributes: dict[str, Value] = {
        "project": project,
        "location": location,
        "repository_id": id_,
        "format": "DOCKER",
    }
    if repository.upstreams:
        attributes["mode"] = VIRTUAL
    if settings.description:
        attributes["description"] = settings.description
    if settings.kms_key:
        attributes["kms_key_name"] = settings.kms_key
    if policies:
        dry_run: Value = True if settings.cleanup_dry_run else Raw(f"!{_COPIED}")
        attributes["cleanup_policy_dry_run"] = dry_run
    if settings.labels:
        attributes["labels"] = dict(settings.labels)
    blocks = []
    if settings.immutable_tags:
        blocks.append(Block("docker_config", (), {"immutable_tags": Raw(_COPIED)}))
    blocks += [_cleanup(policy) for policy in policies]
    scanning = _scanning(repository)
    if scanning is not None:
        blocks.append(Block("vulnerability_scanning_config", (), {"enablement_config": scanning}))
    if repository.upstreams and not repository.exists:
        blocks.append(_upstreams(repository, names))
    kept: dict[str, Value] = {"prevent_destroy": True}
    if repository.exists:  # what the plan says nothing about stays as it is
        unsaid = [
            *([] if settings.description else ["description"]),
            *([] if settings.labels else ["labels"]),
            *([] if policies else ["cleanup_policies", "cleanup_policy_dry_run"]),
            *([] if settings.immutable_tags else ["docker_config"]),
            *([] if scanning is not None else ["vulnerability_scanning_config"]),
            *([] if settings.kms_key else ["kms_key_name"]),
            *(["virtual_repository_config"] if repository.upstreams else []),
        ]
        kept["ignore_changes"] = [Raw(one) for one in unsaid]
    blocks.append(Block("lifecycle", (), kept))
    return Block("resource", (_REPOSITORY, names[repository.resource]), attributes, tuple(blocks))


def _upstreams(repository: Repository, names: dict[str, str]) -> Block:
    """Return what a virtual repository stands over; each is a resource of the same files."""
    policies = tuple(
        Block(
            "upstream_policies",
            (),
            {"id": id_, "repository": Raw(f"{_REPOSITORY}.{names[one]}.id"), "priority": priority},
        )
        for id_, one, priority in upstream_policies(repository.upstreams)
    )
    return Block("virtual_repository_config", blocks=policies)


def _scanning(repository: Repository) -> Value | None:
    """Return when images are scanned; None where nothing is to be said about it."""
    scanning = wanted(repository).scanning
    if scanning is None:
        return None if repository.exists or repository.upstreams else "DISABLED"
    if scanning is Scanning.AFTER_COPY:
        return Raw(f'{_COPIED} ? "INHERITED" : "DISABLED"')
    return "INHERITED" if scanning is Scanning.ON else "DISABLED"


def _cleanup(policy: CleanupPolicy) -> Block:
    attributes: dict[str, Value] = {
        "id": policy.id,
        "action": "DELETE" if policy.deletes else "KEEP",
    }
    if policy.keep_count is not None:
        newest: dict[str, Value] = {"keep_count": policy.keep_count}
        if policy.newest_prefixes:
            newest["package_name_prefixes"] = [*policy.newest_prefixes]
        inner = Block("most_recent_versions", (), newest)
    else:
        inner = Block("condition", (), _condition(policy.condition or CleanupCondition()))
    return Block("cleanup_policies", (), attributes, (inner,))


def _condition(picks: CleanupCondition) -> dict[str, Value]:
    found: dict[str, Any] = {"tag_state": picks.tag_state.upper()}
    found |= {
        name: [*some]
        for name, some in (
            ("tag_prefixes", picks.tag_prefixes),
            ("version_name_prefixes", picks.version_prefixes),
            ("package_name_prefixes", picks.package_prefixes),
        )
        if some
    }
    ages = (("older_than", picks.older_than_s), ("newer_than", picks.newer_than_s))
    return found | {name: f"{seconds}s" for name, seconds in ages if seconds is not None}


def _access(repositories: Iterable[Repository], names: dict[str, str]) -> Iterator[Block]:
    for one in repositories:
        name, grants = names[one.resource], sayable(one)
        for grant in grants:
            if grant in one.granted:
                address = Raw(f"{_MEMBER}.{name}[{_key(grant)}]")
                id_ = f"{one.resource} {grant.role} {grant.member}"
                yield Block("import", (), {"to": address, "id": id_})
        if grants:
            yield _members(name, grants)


def _key(grant: Grant) -> str:
    return quoted(f"{grant.role} {grant.member}")


def _members(name: str, grants: Iterable[Grant]) -> Block:
    each: Value = {
        f"{grant.role} {grant.member}": {"role": grant.role, "member": grant.member}
        for grant in grants
    }
    of = f"{_REPOSITORY}.{name}"
    attributes: dict[str, Value] = {
        "for_each": each,
        "project": Raw(f"{of}.project"),
        "location": Raw(f"{of}.location"),
        "repository": Raw(f"{of}.name"),
        "role": Raw("each.value.role"),
        "member": Raw("each.value.member"),
    }
    return Block("resource", (_MEMBER, name), attributes)
