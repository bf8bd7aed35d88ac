"""Access policies, as they are read from and written to all that has one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import RefusalError, bad, error, failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MEMBER: Final = re.compile(r"allUsers|allAuthenticatedUsers|[A-Za-z]+:.+")
_ROLE: Final = re.compile(r"(\w+/[^/]+/)?roles/[\w.]+")
_HIDDEN_CONDITION: Final = "_withcond_"
_CONDITIONS_VERSION: Final = 3
_VERSIONS: Final = frozenset({0, 1, _CONDITIONS_VERSION})


def show_policy(
    bindings: Sequence[Mapping[str, Any]], version: object = 0, etag: str = ""
) -> dict[str, Any]:
    """Return a policy as a version shows it: any below 3 hides conditions behind a role.

    Args:
        bindings: what is in it.
        version: the version that a caller asks for, as it came.
        etag: without one, it follows from what is in the policy.
    """
    wanted = _version(version)
    conditions = any("condition" in one for one in bindings)
    shown = [dict(one) for one in bindings]
    if wanted < _CONDITIONS_VERSION:
        shown = [_without_condition(one) for one in shown]
    told = _CONDITIONS_VERSION if conditions and wanted == _CONDITIONS_VERSION else 1
    policy: dict[str, Any] = {"version": told, "etag": etag or etag_of(bindings)}
    return policy | ({"bindings": shown} if shown else {})


def etag_of(bindings: Sequence[Mapping[str, Any]]) -> str:
    """Return an etag that changes with what is in a policy."""
    raw = json.dumps([*bindings], sort_keys=True).encode()
    return base64.b64encode(hashlib.sha256(raw).digest()[:8]).decode()


def read_policy(body: Mapping[str, Any], etag: str) -> list[dict[str, Any]]:
    """Return the bindings that a body puts in the place of those there are.

    Refuses it with 409 if it names another etag than this one; without any there is no check.
    """
    policy = body.get("policy")
    if not isinstance(policy, dict):
        raise bad("policy is required")
    if policy.get("etag") not in {None, "", etag}:
        text = "There were concurrent policy changes. Please retry the whole read-modify-write."
        raise RefusalError(error(409, text, "ABORTED"))
    version = _version(policy.get("version", 0))
    bindings = [dict(one) for one in policy.get("bindings", []) if one.get("members")]
    for binding in bindings:
        _check(binding)
        if version != _CONDITIONS_VERSION:
            binding.pop("condition", None)  # what no version 3 says is lost, and the grant wider
    return bindings


def _version(asked: object) -> int:
    text = str(asked or 0)
    if not text.isdigit() or int(text) not in _VERSIONS:
        raise bad(f"policy version {text!r} is invalid")
    return int(text)


def _without_condition(binding: dict[str, Any]) -> dict[str, Any]:
    if "condition" not in binding:
        return binding
    seal = hashlib.sha256(repr(binding["condition"]).encode()).hexdigest()[:20]
    return {"role": f"{binding['role']}{_HIDDEN_CONDITION}{seal}", "members": binding["members"]}


def _check(binding: Mapping[str, Any]) -> None:
    role = str(binding.get("role", ""))
    if _HIDDEN_CONDITION in role or not _ROLE.fullmatch(role):
        raise failed(f"Role {role} is not supported for this resource.")
    for member in binding["members"]:
        if not _MEMBER.fullmatch(str(member)):
            raise bad(f"Invalid member: {member}")
