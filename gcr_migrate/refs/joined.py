"""Names in parts: which values beside each other make one name. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.refs.finder import Part, Written, find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_REGISTRY: Final = ("registry", "imageRegistry", "hub")
_PROJECT: Final = ("project", "projectId", "project_id", "projectID")
_IMAGE: Final = ("repository", "repo", "image", "imageName", "newName", "name")
_TAG: Final = ("tag", "imageTag", "newTag", "version")
_DIGEST: Final = ("digest", "sha", "sha256")
# Where there is a project alone, and beside it the image.
_FOLDERS: Final = ("repository", "repo")
_LAST: Final = ("name", "imageName", "image")
_PATH: Final = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")
_OCI: Final = "oci://"
_VERSION: Final = re.compile(r"v?[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]+)?")
_HEX: Final = re.compile(r"[a-f0-9]{64}")

Value = tuple[str, int, int]
"""A value with its start and end, quotes left out."""


def joined(values: Mapping[str, Value]) -> Written | None:
    """Return the name that values of one mapping or call make together.

    Args:
        values: the values by the words that they stand under.

    Returns:
        The name, where it has at least two parts; None where each value is a name by itself.
    """
    if chart := _of_chart(values):
        return chart
    whole = (_of_image(word, values) for word in _IMAGE if word in values)
    return next(filter(None, whole), None)


def _of_chart(values: Mapping[str, Value]) -> Written | None:
    """Return the name of a chart that another one asks for, if it comes from a registry.

    Its repository is all of the name but the last part; a version may be a range, and no tag.
    """
    repository, name = values.get("repository"), values.get("name")
    if repository is None or name is None or not repository[0].startswith(_OCI):
        return None
    folder, start, end = repository[0].removeprefix(_OCI), repository[1] + len(_OCI), repository[2]
    parts = [Part("folder", folder, start, end), Part("chart", *name)]
    text = f"{folder.rstrip('/')}/{name[0]}"
    version = _first("tag", values, ("version",))
    if version and _VERSION.fullmatch(version.text):
        parts, text = [*parts, version], f"{text}:{version.text}"
    return Written(text, start, parts[-1].end, "name", tuple(parts)) if _is_name(text) else None


def _of_image(word: str, values: Mapping[str, Value]) -> Written | None:
    """Return the name that an image makes with the values beside it, if it makes one."""
    image = Part("image", *values[word])
    parts, text = [image], image.text
    if not _is_name(text):
        registry = _first("registry", values, _REGISTRY)
        project = _first("folder", values, _PROJECT)
        above = [one for one in (registry, project) if one]
        if project and (not registry or "/" in registry.text or _starts(text, project.text)):
            above = [registry] if registry else []
        parts, text = [*above, image], "/".join((*(one.text.rstrip("/") for one in above), text))
        if not registry or not _is_name(text):
            return None
    last = _first("image", values, _LAST) if word in _FOLDERS else None
    if last and text.count("/") == 1 and ":" not in text and _PATH.fullmatch(last.text):
        parts = [*parts[:-1], replace(image, role="folder"), last]
        text = f"{text.rstrip('/')}/{last.text}"
    has_tag = ":" in text.rpartition("/")[2] or "@" in text
    tag, digest = _first("tag", values, _TAG), _first("digest", values, _DIGEST)
    if tag and tag.text and not has_tag:
        parts, text = [*parts, tag], f"{text}:{tag.text}"
    if digest and digest.text and "@" not in text:
        spelled = f"sha256:{digest.text}" if _HEX.fullmatch(digest.text) else digest.text
        parts, text = [*parts, digest], f"{text}@{spelled}"
    if len(parts) == 1 or not _is_name(text):
        return None
    return Written(text, parts[0].start, parts[-1].end, "name", tuple(parts))


def _starts(image: str, project: str) -> bool:
    """Whether an image says its project itself."""
    return image.startswith(f"{project.replace(':', '/')}/")


def _first(role: str, values: Mapping[str, Value], words: Sequence[str]) -> Part | None:
    return next((Part(role, *values[word]) for word in words if word in values), None)


def _is_name(text: str) -> bool:
    found = next(find(text), None)
    return found is not None and found.text == text and "/" in text
