"""Manifests that state something about an image, and have the image's name in what they state.

A migration keeps their bytes, and so the old name in them. Told by media types alone:
cosign's simple signing payload has `critical.identity.docker-reference`; in-toto statements, in
DSSE envelopes or bare as buildx writes them, have `subject[].name`; bundles of sigstore hold such
envelopes. Notation signs a descriptor, which has no name in it.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import NAME_EMBEDDED
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.model.content import Manifest
    from gcr_migrate.model.inventory import Node


class Statement(StrEnum):
    """A form of statements that have the image's name in them."""

    SIGNATURE = "cosign signature"
    ATTESTATION = "in-toto attestation"
    BUNDLE = "sigstore bundle"


_BY_TYPE: Final = {
    "application/vnd.dev.cosign.simplesigning.v1+json": Statement.SIGNATURE,
    "application/vnd.dsse.envelope.v1+json": Statement.ATTESTATION,
    "application/vnd.in-toto+json": Statement.ATTESTATION,
}
_BUNDLE: Final = "application/vnd.dev.sigstore.bundle"


def statement_in(manifest: Manifest) -> Statement | None:
    """Return the form of the statement that a manifest holds, None if it holds none."""
    for blob in manifest.blobs:
        media_type = blob.media_type.partition(";")[0].strip()
        if media_type.startswith(_BUNDLE):
            return Statement.BUNDLE
        if media_type in _BY_TYPE:
            return _BY_TYPE[media_type]
    is_bundle = manifest.artifact_type and manifest.artifact_type.startswith(_BUNDLE)
    return Statement.BUNDLE if is_bundle else None


def names_that_stay(shown: str, nodes: Iterable[Node]) -> list[Finding]:
    """Tell of an image whose statements have its name in them, all of them at once.

    Args:
        shown: full name of the image at the source.
        nodes: its manifests.
    """
    counts = Counter(node.statement for node in nodes if node.statement)
    if not counts:
        return []
    said = (f"{count} {form}{'s' * (count > 1)}" for form, count in sorted(counts.items()))
    return [Finding(NAME_EMBEDDED, Severity.INFO, shown, ", ".join(said))]
