"""Places as a spec writes them: read from whatever shows them, and never with a secret."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.places import Place, read_place

_SECRET_FIELD = re.compile(
    r"(?:.*_)?(?:token|password|passwd|passphrase|secret|key|json|pem|bearer|auth)s?", re.IGNORECASE
)
# How tokens and keys of Google's begin; nobody's file does.
_SIGNED = re.compile(r"[?&#](?:x-goog-)?(?:signature|access_token|sig|token)=", re.IGNORECASE)
_SECRET = re.compile(r"ya29\.|1//0|GOCSPX-|AIza|eyJ|ewog|\s*\{|\s*-----BEGIN")
NO_SECRETS: Final = (
    "a secret is never written in a spec; name a file that holds it in access_token_file or "
    "key_file"
)


def is_secret_field(name: str) -> bool:
    """Whether a field of this name, which the spec does not know, would hold a secret."""
    return _SECRET_FIELD.fullmatch(name) is not None


def looks_secret(text: str) -> bool:
    """Whether a text is, or has in it, a token, key or signature, and not only a name."""
    return bool(_SECRET.match(text) or _SIGNED.search(text)) or "\n" in text


def place_of(text: str) -> Place:
    """Read what a field says of a place; raise ValueError in the field's words."""
    if looks_secret(text):
        raise ValueError(NO_SECRETS)
    try:
        return read_place(text)
    except MigrateError as error:
        raise ValueError(error.saw) from error


def _project(text: str) -> str:
    """Return the id of a project, from whatever names a project and nothing more."""
    place = place_of(text)
    if place.kind == "project":
        return place.project.id
    fields = [f"project: {place.project}"]
    if place.gcr_host:
        fields.append(f"hosts: [{place.gcr_host.name}]")
    elif place.location:
        fields.append(f"location: {place.location}")
    if below := path_below(place):
        fields.append(f"below: [{below}]")
    raise ValueError(f"{place} says more than a project; write {', '.join(fields)}")


def path_below(place: Place) -> str:
    """Return the path of a place below its host and project, as a source has it; may be empty."""
    repository = "" if place.gcr_host else place.repository
    return "/".join(part for part in (repository, str(place.path or "")) if part)


def _payer(text: str) -> str:
    """Return the id of a project that calls are counted for."""
    place = place_of(text)
    if place.kind != "project":
        raise ValueError(f"{place} says more than a project; write {place.project}")
    return place.project.id


def _new_project(text: str) -> str:
    """Return the id of a project to write to; Google Cloud's rules for new ids hold."""
    place = place_of(text)
    if place.kind != "project":
        location = f", location: {place.location}" if place.location and not place.gcr_host else ""
        says = f"{place} says more than a project"
        raise ValueError(f"{says}; write project: {place.project}{location}")
    try:
        place.project.check_new()
    except MigrateError as error:
        raise ValueError(error.saw) from error
    return place.project.id


ProjectText = Annotated[str, AfterValidator(_project)]
PayerText = Annotated[str, AfterValidator(_payer)]
NewProjectText = Annotated[str, AfterValidator(_new_project)]
