"""What has to be true before something may go, and what was seen of each of these claims."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from gcr_migrate.leftovers.costs import Cost


class Standing(StrEnum):
    """What was seen of a claim."""

    PROVEN = "proven"
    REFUTED = "refuted"  # the contrary was seen
    OPEN = "open"  # what was given and seen does not say
    UNSEEN = "unseen"  # it was asked, and refused


class ClaimName(StrEnum):
    """What is claimed."""

    OURS = "ours"
    REDIRECTED = "redirected"
    SERVED = "served"
    COPIED = "copied"
    NAMES_COPIED = "names-copied"
    ALONE = "alone"
    DELETABLE = "deletable"
    MOVED = "moved"
    NOT_PULLED = "not-pulled"
    NOT_AN_UPSTREAM = "not-an-upstream"


TITLES: Final = {
    ClaimName.OURS: "it belongs to the project",
    ClaimName.REDIRECTED: "Artifact Registry answers for the host, and nothing is copied any more",
    ClaimName.SERVED: "the host has its repository in Artifact Registry",
    ClaimName.COPIED: "all of its blobs are of images that Artifact Registry has",
    ClaimName.NAMES_COPIED: "the tags that lie in it as files are in Artifact Registry",
    ClaimName.ALONE: "nothing but images lies in it",
    ClaimName.DELETABLE: "nothing holds or retains its objects",
    ClaimName.MOVED: "each manifest and tag is at its target now",
    ClaimName.NOT_PULLED: "nobody has pulled from it or pushed to it of late",
    ClaimName.NOT_AN_UPSTREAM: "no virtual repository of its project stands over it",
}


class Claim(Struct, frozen=True):
    """One thing that has to be true.

    Attributes:
        name: what is claimed.
        standing: what was seen of it.
        saw: what that was.
        remedy: what would prove it; empty where it is proven.
    """

    name: ClaimName
    standing: Standing
    saw: str
    remedy: str = ""


class Verdict(StrEnum):
    """Whether something may go."""

    MAY_GO = "may-go"  # all is proven
    UNPROVEN = "unproven"  # nothing speaks against it, and some proof is missing
    KEEP = "keep"  # something speaks against it
    NOT_YOURS = "not-yours"  # it only has the name


class Leftover(Struct, frozen=True):
    """Something that a migration left behind.

    Attributes:
        kind: `bucket` or `repository`.
        name: such as `gs://us.artifacts.builds.appspot.com`, or a repository's name.
        host: the gcr.io host.
        claims: what has to be true, and what was seen of it.
        cost: what it costs a month.
        command: what a person would run; empty unless it may go.
        notes: what else to know before.
    """

    kind: str
    name: str
    host: str
    claims: tuple[Claim, ...]
    cost: Cost
    command: str
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether it may go."""
        return verdict_of(self.claims)

    @property
    def is_seen(self) -> bool:
        """Whether nothing that counts was refused."""
        return all(one.standing is not Standing.UNSEEN for one in self.claims)


def verdict_of(claims: tuple[Claim, ...]) -> Verdict:
    """Return what some claims say together: each of them counts."""
    refuted = {one.name for one in claims if one.standing is Standing.REFUTED}
    if ClaimName.OURS in refuted:
        return Verdict.NOT_YOURS
    if refuted:
        return Verdict.KEEP
    if claims and all(one.standing is Standing.PROVEN for one in claims):
        return Verdict.MAY_GO
    return Verdict.UNPROVEN
