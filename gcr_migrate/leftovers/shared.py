"""Claims that buckets and repositories have in common."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gcr_migrate.errors import MigrateError
from gcr_migrate.leftovers.claims import Claim, ClaimName, Standing
from gcr_migrate.model.usage import COPYING, NOT_REDIRECTED, REDIRECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.leftovers.evidence import ProjectEvidence


def redirected(project: ProjectEvidence) -> Claim:
    """Judge whether the gcr.io names are Artifact Registry's for good."""
    found = project.redirect
    if isinstance(found, MigrateError):
        return unseen(ClaimName.REDIRECTED, found)
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


def unseen(name: ClaimName, error: MigrateError, remedy: str = "") -> Claim:
    """Return a claim about what was refused."""
    return Claim(name, Standing.UNSEEN, error.told, remedy or error.problem.remedy)


def named(count: int, examples: Sequence[str]) -> str:
    """Return some examples, and how many more there are."""
    more = count - len(examples)
    return ", ".join(examples) + (f" and {more:,} more" if more > 0 else "")


def date(at_ms: int) -> str:
    """Return the day of a time in milliseconds since 1970."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).date().isoformat()
