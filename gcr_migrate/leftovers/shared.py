"""Claims that buckets and repositories have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import DENIED, MigrateError
from gcr_migrate.leftovers.claims import Claim, ClaimName, Standing
from gcr_migrate.model.usage import COPYING, NOT_REDIRECTED, REDIRECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.leftovers.evidence import ProjectEvidence

READER: Final = "roles/artifactregistry.reader on the project"
BROWSER: Final = "roles/browser on the project"
BUCKET_VIEWER: Final = "roles/storage.bucketViewer on the bucket"
OBJECT_VIEWER: Final = "roles/storage.objectViewer on the bucket"


def redirected(project: ProjectEvidence) -> Claim:
    """Judge whether the gcr.io names are Artifact Registry's for good."""
    found = project.redirect
    if isinstance(found, MigrateError):
        return unseen(ClaimName.REDIRECTED, found, READER)
    if found.state in REDIRECTED:
        return Claim(ClaimName.REDIRECTED, Standing.PROVEN, found.word)
    if found.state in COPYING:
        saw = f"{found.word}: what is asked for is still copied out of buckets"
        remedy = "Finish the copy, and lead the redirect on: `redirect plan`."
        return Claim(ClaimName.REDIRECTED, Standing.REFUTED, saw, remedy)
    if found.state in NOT_REDIRECTED:
        saw = f"{found.word}: buckets may have the only copy"
        return Claim(ClaimName.REDIRECTED, Standing.REFUTED, saw, "Rescue the images: `rescue`.")
    saw = f"{found.word}: not all requests are answered by Artifact Registry, or it is not known"
    remedy = "Look at `redirect status`, and lead it on from there."
    return Claim(ClaimName.REDIRECTED, Standing.REFUTED, saw, remedy)


def unseen(name: ClaimName, error: MigrateError, role: str) -> Claim:
    """Return a claim about what was refused.

    Args:
        name: the claim.
        error: the refusal.
        role: what would let the caller see it.
    """
    remedy = f"Grant the caller {role}." if error.problem is DENIED else error.problem.remedy
    return Claim(name, Standing.UNSEEN, error.told, remedy)


def named(count: int, examples: Sequence[str]) -> str:
    """Return some examples, and how many more there are."""
    more = count - len(examples)
    return ", ".join(examples) + (f" and {more:,} more" if more > 0 else "")


def date(at_ms: int) -> str:
    """Return the day of a time in milliseconds since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
