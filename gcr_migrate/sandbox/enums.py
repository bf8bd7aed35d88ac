"""Artifact Registry's enums, which Google's Python clients send and ask for as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import bad

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_UNRELEASED: Final = 99  # stands for a word that is in no released list
_STATE: Final = "REDIRECTION_FROM_GCR_IO_"
FINALIZED: Final = f"{_STATE}FINALIZED"
STATES: Final[Mapping[str, int]] = {
    "REDIRECTION_STATE_UNSPECIFIED": 0,
    f"{_STATE}DISABLED": 1,
    f"{_STATE}ENABLED": 2,
    FINALIZED: 3,
    f"{_STATE}PARTIAL": 4,
    f"{_STATE}ENABLED_AND_COPYING": 5,
    f"{_STATE}PARTIAL_AND_COPYING": 6,
}
VIEWS: Final[Mapping[str, int]] = {"VERSION_VIEW_UNSPECIFIED": 0, "BASIC": 1, "FULL": 2}
_BY_FIELD: Final[Mapping[str, Mapping[str, int]]] = {
    "format": {
        "FORMAT_UNSPECIFIED": 0,
        "DOCKER": 1,
        "MAVEN": 2,
        "NPM": 3,
        "APT": 5,
        "YUM": 6,
        "PYTHON": 8,
        "KFP": 9,
        "GO": 10,
        "GENERIC": 11,
        "RUBY": 12,
    },
    "mode": {
        "MODE_UNSPECIFIED": 0,
        "STANDARD_REPOSITORY": 1,
        "VIRTUAL_REPOSITORY": 2,
        "REMOTE_REPOSITORY": 3,
    },
    "enablementConfig": {"ENABLEMENT_CONFIG_UNSPECIFIED": 0, "INHERITED": 1, "DISABLED": 2},
    "action": {"ACTION_UNSPECIFIED": 0, "DELETE": 1, "KEEP": 2},
    "tagState": {"TAG_STATE_UNSPECIFIED": 0, "TAGGED": 1, "UNTAGGED": 2, "ANY": 3},
    "legacyRedirectionState": STATES,
    "vpcscPolicy": {"VPCSC_POLICY_UNSPECIFIED": 0, "DENY": 1, "ALLOW": 2},
    "type": {"HASH_TYPE_UNSPECIFIED": 0, "SHA256": 1, "MD5": 2, "DIRSUM_SHA256": 3},
}
_FREE: Final = frozenset({"labels", "annotations", "metadata"})  # their keys are the user's own


def word_of(value: object, words: Mapping[str, int], field: str) -> str:
    """Return the word of an enum that came as a word or as its number; refuse any other."""
    if isinstance(value, str) and value in words:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        for word, number in words.items():
            if number == value:
                return word
    raise bad(f"Invalid value at '{field}': {value!r}")


def in_words(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body with every enum as its word."""
    found: dict[str, Any] = {}
    for field, value in body.items():
        found[field] = _words(field, value)
    return found


def _words(field: str, value: Any) -> Any:
    if field in _BY_FIELD:
        return word_of(value, _BY_FIELD[field], field)
    return in_words(value) if isinstance(value, dict) and field not in _FREE else value


def as_asked(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its enums as words, or as numbers for a caller who asked for these."""
    if "enum-encoding=int" not in request.query_params.get("$alt", ""):
        return body
    return {field: _numbers(field, value) for field, value in body.items()}


def _numbers(field: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers("", one) for one in value]
    if isinstance(value, dict):
        known = field not in _FREE
        return {key: _numbers(key, one) if known else one for key, one in value.items()}
    if field in _BY_FIELD and isinstance(value, str):
        return _BY_FIELD[field].get(value, _UNRELEASED)
    return value
