"""Manifests of kinds that nobody knows, of which it cannot be told what they need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import NEEDS_UNKNOWN
from gcr_migrate.model.content import Kind
from gcr_migrate.model.finding import Finding, Severity

if TYPE_CHECKING:
    from gcr_migrate.model.content import Manifest

_DIGESTS: Final = re.compile(rb"sha(?:256:[a-f0-9]{64}|384:[a-f0-9]{96}|512:[a-f0-9]{128})")


def what_is_untold(manifest: Manifest, shown: str) -> list[Finding]:
    """Tell of a manifest that may need more than is known, or else nothing.

    Args:
        manifest: as received.
        shown: full name of its image at the source.

    Returns:
        One finding if it is of an unknown kind and names no blob and no child, or names digests
        where none are looked for, such as in members of its own.
    """
    if manifest.kind is not Kind.UNKNOWN:
        return []
    needs = [*manifest.blobs, *manifest.children]
    subjects = [manifest.subject] if manifest.subject else []
    known = {str(one.digest) for one in (*needs, *subjects)}
    others = sorted({found.decode() for found in _DIGESTS.findall(manifest.raw)} - known)
    if needs and not others:
        return []
    saw = f"{manifest.media_type} names {_listed(others) or 'neither a blob nor a manifest'}"
    return [Finding(NEEDS_UNKNOWN, Severity.WARNING, f"{shown}@{manifest.digest}", saw)]


def _listed(digests: list[str]) -> str:
    """Name the first of some digests, and how many there are besides."""
    more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
    return digests[0] + more if digests else ""
