"""Names in parts: which values beside each other make one name. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.refs.finder import find
from gcr_migrate.refs.shape import Split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REGISTRY: Final = ("registry", "imageRegistry", "hub")
_IMAGE: Final = ("repository", "repo", "image", "imageName", "newName", "name")
_TAG: Final = ("tag", "imageTag", "newTag", "version")
_DIGEST: Final = ("digest", "sha", "sha256")
_HEX: Final = re.compile(r"[a-f0-9]{64}")

Part = tuple[str, int, int]
"""A value with its start and end, quotes left out."""


def joined(parts: Mapping[str, Part], path: str) -> Split | None:
    """Return the name that values of one mapping or call make together.

    Args:
        parts: the values by the words that they stand under.
        path: what the mapping is the value of.

    Returns:
        The name, where it has at least two parts; None where each value is a name by itself.
    """
    image = _first(parts, _IMAGE)
    if image is None:
        return None
    chosen, text = [image], image[0]
    registry = _first(parts, _REGISTRY)
    if registry and registry[0] and _is_name(f"{registry[0].rstrip('/')}/{text}"):
        chosen, text = [registry, image], f"{registry[0].rstrip('/')}/{text.lstrip('/')}"
    elif not _is_name(text):
        return None
    has_tag = ":" in text.rpartition("/")[2] or "@" in text
    tag, digest = _first(parts, _TAG), _first(parts, _DIGEST)
    if tag and tag[0] and not has_tag:
        chosen, text = [*chosen, tag], f"{text}:{tag[0]}"
    if digest and digest[0] and "@" not in text:
        spelled = f"sha256:{digest[0]}" if _HEX.fullmatch(digest[0]) else digest[0]
        chosen, text = [*chosen, digest], f"{text}@{spelled}"
    spans = tuple((start, end) for _, start, end in chosen)
    return Split(spans, text, path) if len(spans) > 1 and _is_name(text) else None


def _first(parts: Mapping[str, Part], words: Sequence[str]) -> Part | None:
    return next((parts[word] for word in words if word in parts), None)


def _is_name(text: str) -> bool:
    found = next(find(text), None)
    return found is not None and found.text == text and "/" in text
