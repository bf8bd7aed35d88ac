"""Access policies as they lie on the wire: read whole, and written back with what is not known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.google.api import objects
from gcr_migrate.model.access import Binding, Condition, Policy
from gcr_migrate.model.policies import ExactPolicy

if TYPE_CHECKING:
    from gcr_migrate.google.api import Api

_OK: Final = 200
_CONFLICT: Final = 409
_CONDITIONS_VERSION: Final = 3
_READ: Final = ":getIamPolicy?options.requestedPolicyVersion=3"


async def exact_policy(api: Api, url: str, resource: str) -> ExactPolicy:
    """Read the policy of what is at a URL, version 3.

    Raises:
        MigrateError: BAD_REPLY without an etag: a write would replace whatever is there.
    """
    reply = await api.call("GET", url + _READ, resource)
    body = reply.json(resource)
    _check_etag(body, resource)
    raw = reply.body.decode()
    return ExactPolicy(resource, raw, policy_of(body, resource))


async def replace_policy(api: Api, url: str, before: ExactPolicy, after: Policy) -> bool:
    """Write a policy in the place of the one that was read, by a single request.

    Args:
        api: raw calls.
        url: of what it stands on.
        before: what was read.
        after: its bindings in the same order, with other members, and new ones behind them.

    Returns:
        False if somebody else wrote meanwhile, so that nothing happened.

    Raises:
        MigrateError: UNREACHABLE, SERVER_ERROR and BAD_REPLY leave open whether it was written.
    """
    body = {"policy": _changed(json.loads(before.raw), after)}
    ok = {_OK, _CONFLICT}
    resource = before.resource
    reply = await api.call("POST", url + ":setIamPolicy", resource, ok=ok, body=body, once=True)
    if reply.status == _CONFLICT:
        return False
    _check_etag(reply.json(resource), resource)  # or it was not the service's answer
    return True


def policy_of(body: dict[str, Any], resource: str) -> Policy:
    """Return the policy in a service's answer.

    Raises:
        MigrateError: BAD_REPLY.
    """
    bindings = objects(body, "bindings", resource)
    return Policy(tuple(_binding(one, resource) for one in bindings), str(body.get("etag") or ""))


def _check_etag(body: dict[str, Any], resource: str) -> None:
    if not body.get("etag"):
        raise MigrateError(BAD_REPLY, subject=resource, saw="no `etag` in it")


def _binding(body: dict[str, Any], resource: str) -> Binding:
    condition, kept = body.get("condition"), None
    if condition is not None:
        if not isinstance(condition, dict):  # to pass over it would widen the binding
            raise MigrateError(BAD_REPLY, subject=resource, saw="a condition that is no object")
        kept = Condition(
            title=str(condition.get("title") or ""),
            expression=str(condition.get("expression") or ""),
            description=str(condition.get("description") or ""),
        )
    members = body.get("members") or []
    if not isinstance(members, list):
        raise MigrateError(BAD_REPLY, subject=resource, saw="members that are no list")
    return Binding(str(body.get("role") or ""), tuple(str(one) for one in members), kept)


def _changed(raw: dict[str, Any], after: Policy) -> dict[str, Any]:
    """Return a policy as it came, with the members of `after`; the order is that of `raw`."""
    old = raw.get("bindings") or []
    more: list[dict[str, Any]] = [_new(one) for one in after.bindings[len(old) :]]
    bindings = [
        {**before, "role": one.role, "members": list(one.members)}
        for before, one in zip([*old, *more], after.bindings, strict=True)
        if one.members or not before.get("members")  # the last member takes the binding along
    ]
    body = {**raw, "bindings": bindings}
    if any(one.condition for one in after.bindings):
        body["version"] = _CONDITIONS_VERSION  # any lower version would drop the conditions
    return body


def _new(binding: Binding) -> dict[str, Any]:
    """Return what a new binding has besides role and members."""
    said = binding.condition
    if not said:
        return {}
    condition = {"title": said.title, "expression": said.expression}
    if said.description:
        condition["description"] = said.description
    return {"condition": condition}
