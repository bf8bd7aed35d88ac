"""What a file needs beside new names for its images to be pulled: pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gcr_migrate.refs.reading import Whose

if TYPE_CHECKING:
    from collections.abc import Collection

    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.reading import Reference

# What a line says about a host, and what to do about it; the first that fits counts.
_BY_LINE: Final = (
    (r"configure-docker", "docker has to be configured for the new hosts too"),
    (r"docker\s+login|login-action|withRegistry|registry[\"']?\s*:", "log in to the new hosts too"),
    (r"imagePullSecrets", "the secret has to hold a login for the new hosts"),
)
_LINES: Final = tuple((re.compile(pattern), hint) for pattern, hint in _BY_LINE)
_BY_FIELD: Final = {
    "credHelpers": "name the new hosts here too",
    "auths": "name the new hosts here too",
}
_OLD_API: Final = "containerregistry.googleapis.com"
_SECRETS: Final = re.compile(r"^[^#\n]*\b(imagePullSecrets)\b", re.MULTILINE)
# Where an image is made or sent: a name with a digest is refused there.
_PUSHES: Final = re.compile(
    r"\b(?:push|tag|commit)\s[^&|;]*$|\b(?:build|buildx|bud)\s[^&|;]*(?:-t|--tag)[\s=\"']*$"
    r"|--(?:destination|tag|image-name|cache-to)[\s=\"']*[^\s\"']*$"
)
_PUSHED: Final = re.compile(
    r"cloud-build images\.\d+|skaffold build\.artifacts\.\d+\.image|bazel .*_push\b.*"
    r"|\S+ .*\bto\.image|\S+ .*with\.tags"
)
_NEAR: Final = 500  # characters of a line before a name
_BY_KIND: Final = {
    "bucket": "who reads this bucket needs a right on the new repositories instead",
    "page": "a page of the old console",
    "resource": "Container Registry makes no more: google_artifact_registry_repository counts now",
}
# A name in parts stands under its mapping; one with a new name beside it stands under `name`.
_SELECTS: Final = re.compile(r"images\.\d+(?:\.name)?")
LOOKED_FOR: Final = (
    "what it is looked for in was not rewritten here, and has to say the new name too"
)
_BEGINNING: Final = "names that begin with it begin otherwise now"
_NOT_OURS: Final = frozenset({Whose.SOMEBODYS, Whose.GOOGLES, Whose.RETIRED})
_ELSE: Final = "where hosts are listed, the new ones belong too"


def hint(found: Found, reference: Reference, line: str) -> str:
    """Return what a name that is no image asks for; empty for all others.

    Args:
        found: the name where it stands.
        reference: what it says.
        line: the line that it stands in.
    """
    kind = found.written.kind
    if kind in _BY_KIND:
        return "" if reference.whose in _NOT_OURS else _BY_KIND[kind]
    if reference.whose is not Whose.HOST or reference.host.endswith("pkg.dev"):
        return ""
    if reference.host == _OLD_API:
        return "artifactregistry.googleapis.com is what counts now"
    by_line = (text for pattern, text in _LINES if pattern.search(line))
    return _BY_FIELD.get(found.field.rpartition(".")[2]) or next(by_line, _ELSE)


def unclear(found: Found, reference: Reference, sources: Collection[str]) -> str:
    """Return why what may be a name of one's own has no new one; empty for all others.

    Args:
        found: the name where it stands; the plan does not move it.
        reference: what it says.
        sources: hosts of the plan's sources.
    """
    if found.written.kind == "pattern":
        return reference.why
    if reference.host not in {"", *sources}:
        return ""
    match reference.whose:
        case Whose.OPEN:
            return f"no value for {', '.join(reference.gaps)}"
        case Whose.UNREADABLE:
            return f"no name that can be read: {reference.why}"
        case Whose.OURS:
            return _BEGINNING
        case _:
            return ""


def selects(found: Found) -> bool:
    """Whether a name is what Kustomize looks for in resources, to put another in its place."""
    return found.kind == "kustomize" and _SELECTS.fullmatch(found.field) is not None


def secrets(text: str) -> list[int]:
    """Return the lines, from 1, at which pods are given logins by name."""
    return [text.count("\n", 0, found.start()) + 1 for found in _SECRETS.finditer(text)]


def is_pushed(found: Found, text: str) -> bool:
    """Whether an image is given a name here, rather than pulled by it: as far as can be seen.

    Args:
        found: the name where it stands.
        text: the whole text.
    """
    start = found.written.start
    line = text[max(text.rfind("\n", 0, start) + 1, start - _NEAR) : start]
    return bool(_PUSHED.fullmatch(f"{found.kind} {found.field}") or _PUSHES.search(line))
