"""The REST API of Artifact Registry at a sandbox, as a plain client asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from gcr_migrate.sandbox.app import Sandbox


def api_of(box: Sandbox) -> httpx.Client:
    """Return a client with the owner's access token; paths begin with a project's id."""
    headers = {"Authorization": f"Bearer {box.token}"}
    base = f"{box.addresses['artifact_registry']}/v1/projects/"
    return httpx.Client(base_url=base, headers=headers)


def refusal_in(reply: httpx.Response) -> tuple[int, str]:
    """Return the status of a refusal, and the code in it."""
    return reply.status_code, reply.json()["error"]["status"]


def names(body: dict[str, Any], member: str) -> list[str]:
    """Return the last part of the names in a list."""
    return [one["name"].rpartition("/")[2] for one in body.get(member, [])]
