"""What was seen of leftovers, as tests of their judges have it: all well, or all but something."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from gcr_migrate.errors import DENIED, MigrateError
from gcr_migrate.leftovers.evidence import (
    BucketContents,
    BucketEvidence,
    Compared,
    Listed,
    LoggedPulls,
    Moves,
    ProjectEvidence,
    RepositoryEvidence,
)
from gcr_migrate.model.cloud import ProjectFacts, Redirection, RedirectSettings, RepositoryFacts
from gcr_migrate.model.names import Project, gcr_host, repository_resource
from gcr_migrate.model.storage import BucketSettings, StoredObject

DAY_MS: Final = 86_400_000
NOW_MS: Final = 1_795_000_000_000  # in November 2026
OLD_MS: Final = NOW_MS - 600 * DAY_MS
REFUSED: Final = MigrateError(DENIED, subject="it", saw="403")
_FOUND = gcr_host("us.gcr.io")
assert _FOUND is not None
HOST: Final = _FOUND
PROJECT: Final = Project.parse("builds")
RESOURCE: Final = repository_resource(PROJECT, "us", "us.gcr.io")
BLOBS: Final = tuple(f"sha256:{n:064x}" for n in range(3))
SETTINGS: Final = BucketSettings(
    "us.artifacts.builds.appspot.com", "42", "US", storage_class="STANDARD", is_multi_region=True
)
FACTS: Final = RepositoryFacts(RESOURCE, "DOCKER", "STANDARD_REPOSITORY", 5 * 2**30)


def contents(*more: StoredObject, **change: Any) -> BucketContents:
    """Return a bucket of three blobs, and what else is named."""
    found = BucketContents()
    for digest in BLOBS:
        found.add(StoredObject(f"containers/images/{digest}", 2**30, "STANDARD", OLD_MS))
    for one in more:
        found.add(one)
    for name, value in change.items():
        setattr(found, name, value)
    return found


def listed(**change: Any) -> Listed:
    """Return a complete list that has all blobs."""
    one = Listed(
        "m",
        "2026-11-01",
        is_complete=True,
        blobs=dict.fromkeys(BLOBS, "app"),
        tags=frozenset(),
        manifests=3,
    )
    return replace(one, **change)


def bucket(**change: Any) -> BucketEvidence:
    """Return a bucket of which all is proven."""
    one = BucketEvidence(SETTINGS.name, HOST, SETTINGS, contents(), (listed(),), frozenset())
    return replace(one, **change)


def pulls(**change: Any) -> LoggedPulls:
    """Return a log of half a year up to yesterday, in which nobody pulled."""
    return replace(LoggedPulls(NOW_MS - 180 * DAY_MS, NOW_MS - DAY_MS), **change)


def repository(**change: Any) -> RepositoryEvidence:
    """Return a repository of which all is proven."""
    one = RepositoryEvidence(HOST, FACTS, Moves(("m",), {}), Compared(3, 2), (), pulls())
    return replace(one, **change)


def project(**change: Any) -> ProjectEvidence:
    """Return a project that was redirected for good, with a repository at the host."""
    one = ProjectEvidence(
        PROJECT,
        ProjectFacts("builds", "42", "", active=True),
        redirect(Redirection.ENABLED),
        {"us": True},
        repositories=(repository(),),
    )
    return replace(one, **change)


def redirect(state: Redirection) -> RedirectSettings:
    """Return a redirect setting."""
    return RedirectSettings(state, state.value)
