"""Virtual repositories: one read-only address over several others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import bad
from gcr_migrate.sandbox.images import Image
from gcr_migrate.sandbox.store import Repository

if TYPE_CHECKING:
    from gcr_migrate.sandbox.store import Store

MODE: Final = "VIRTUAL_REPOSITORY"
_CONFIG: Final = "virtualRepositoryConfig"
_UPSTREAMS_AT_MOST: Final = 30


def is_virtual(repository: Repository) -> bool:
    """Whether a repository only shows what others have."""
    return repository.settings.get("mode") == MODE


def check_upstreams(store: Store, settings: dict[str, Any], location: str) -> None:
    """Refuse upstreams that a virtual repository of this location cannot have."""
    policies = _policies(settings)
    if settings.get("mode") != MODE:
        if policies:
            raise bad(f"{_CONFIG} is for the mode {MODE} only")
        return
    ids = [one.get("id") for one in policies]
    if len(policies) > _UPSTREAMS_AT_MOST or len(set(ids)) < len(ids) or not all(ids):
        raise bad(f"{_CONFIG}: up to {_UPSTREAMS_AT_MOST} upstreams, each with an id of its own")
    for one in policies:
        name = str(one.get("repository", ""))
        found = next((r for r in store.repositories.values() if r.name == name), None)
        if found is None or found.location != location:
            raise bad(f"upstream {name!r} is no repository in {location}")
        if found.settings.get("format") != settings.get("format"):
            raise bad(f"upstream {name!r} has another format")


def seen_through(store: Store, repository: Repository, path: str) -> Repository:
    """Return a repository, or what a virtual one shows at an image path as one of its own.

    Of two upstreams that have a tag, the one of higher priority counts.
    """
    if not is_virtual(repository):
        return repository
    shown = Repository(repository.project, repository.location, repository.id, repository.settings)
    by_name = {one.name: one for one in store.repositories.values()}
    ordered = sorted(_policies(repository.settings), key=_priority)
    upstreams = [by_name[one["repository"]] for one in ordered if one["repository"] in by_name]
    image = Image()
    for one in (repository, *upstreams):  # what lies in it itself comes first
        found = one.image(path)
        image.tags |= found.tags
        image.manifests |= found.manifests
        image.blobs |= found.blobs
        image.made_up |= found.made_up
    shown.images[path] = image
    return shown


def _policies(settings: dict[str, Any]) -> list[dict[str, Any]]:
    return list(settings.get(_CONFIG, {}).get("upstreamPolicies", []))


def _priority(policy: dict[str, Any]) -> int:
    return int(policy.get("priority", 0))
