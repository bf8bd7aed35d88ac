"""One call to the REST API of Artifact Registry, taken apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from msgspec import Struct

from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.rest import REGISTRY_API, need

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from gcr_migrate.sandbox.store import Repository, Store
    from gcr_migrate.sandbox.tokens import Identity

_PROJECT, _LOCATION, _REPOSITORY = 1, 3, 5
_REPOSITORY_DEPTH: Final = 6


class Ask(Struct, frozen=True):
    """A call that came with a good access token.

    Attributes:
        request: the request itself.
        store: where things lie.
        identity: who asks.
        parts: the parts of the resource name, each decoded.
        verb: what follows the colon behind a repository's name.
    """

    request: Request
    store: Store
    identity: Identity
    parts: tuple[str, ...]
    verb: str = ""

    @property
    def project(self) -> str:
        """Return the project that is named."""
        return self.parts[_PROJECT]

    @property
    def location(self) -> str:
        """Return the location that is named."""
        return self.parts[_LOCATION]

    @property
    def key(self) -> tuple[str, str, str]:
        """Return the key of the repository that is named."""
        return self.project, self.location, self.parts[_REPOSITORY]

    @property
    def collections(self) -> tuple[str, ...]:
        """Return the kinds of things in the path, such as `projects`, `locations`."""
        return self.parts[::2]

    def name(self, depth: int | None = None) -> str:
        """Return the resource name, or that of a thing further up."""
        parts = self.parts[:depth]
        return "/".join(quote(one, ":@") for one in parts)

    def parameter(self, key: str) -> str:
        """Return a parameter of the query, empty without it."""
        return self.request.query_params.get(key, "")

    def held(self, bindings: Iterable[Mapping[str, Any]] = ()) -> frozenset[str]:
        """Return what the caller may do in the project, or under a policy within it."""
        return held(self.store, self.identity, self.project, bindings)

    def need(self, permission: str, repository: Repository | None = None) -> None:
        """Refuse a caller who lacks a permission, which is named without the service.

        The same words hide from him whether the thing is there at all.
        """
        held = self.held(repository.bindings if repository else ())
        resource = f"//{REGISTRY_API}/{self.name(_REPOSITORY_DEPTH)}"
        need(held, f"artifactregistry.{permission}", resource, service=REGISTRY_API)


def take_apart(request: Request) -> tuple[str, tuple[str, ...], str]:
    """Return the version of the API, the parts of the resource name, and the verb.

    The wire carries `packages/a%2Fb`, or `a%252Fb` from Google's own clients.
    """
    raw = request.scope["raw_path"].decode("ascii")
    _, version, *parts = (unquote(unquote(part)) for part in raw.split("/"))
    verb = ""
    if len(parts) == _REPOSITORY_DEPTH:
        parts[_REPOSITORY], _, verb = parts[_REPOSITORY].partition(":")
    return version, tuple(parts), verb
