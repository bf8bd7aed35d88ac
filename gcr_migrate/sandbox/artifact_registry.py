"""The REST API v1 of Artifact Registry, as far as a migration and its witnesses call it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.answers import no_method
from gcr_migrate.sandbox.asks import Ask, take_apart
from gcr_migrate.sandbox.enums import as_asked
from gcr_migrate.sandbox.lists import Lists
from gcr_migrate.sandbox.project_settings import ProjectSettings
from gcr_migrate.sandbox.repositories import Repositories

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

_LOCATIONS: Final = "projects/*/locations"
_REPOSITORY: Final = f"{_LOCATIONS}/*/repositories/*"


class ArtifactRegistry:
    """The API over one store.

    Args:
        store: where repositories lie.
        polls: after how many polls a creation is done.
    """

    def __init__(self, store: Store, polls: int = 2) -> None:
        self._store = store
        self._repositories = Repositories(store, polls)
        self._lists = Lists(store)
        settings = ProjectSettings(store)
        self._routes: dict[str, Callable[[Ask], Awaitable[dict[str, Any]]]] = {
            "projects/*/projectSettings": settings.settings,
            _LOCATIONS: settings.locations,
            f"{_LOCATIONS}/*": settings.locations,
            f"{_LOCATIONS}/*/vpcscConfig": settings.perimeter,
            f"{_LOCATIONS}/*/operations/*": self._repositories.operation,
            f"{_LOCATIONS}/*/repositories": self._repositories.collection,
            _REPOSITORY: self._repositories.one,
        }

    async def answer(self, identity: Identity, request: Request) -> dict[str, Any]:
        """Answer a call."""
        version, parts, verb = take_apart(request)
        self._repositories.settle()
        body = await self._route(version, Ask(request, self._store, identity, parts, verb))
        return as_asked(request, body)

    async def _route(self, version: str, ask: Ask) -> dict[str, Any]:
        pattern = "/".join("*" if at % 2 else part for at, part in enumerate(ask.parts))
        # gcloud asks for locations by the version before.
        if version != "v1" and (version, pattern) != ("v1beta2", _LOCATIONS):
            raise no_method(ask.request)
        if not all(ask.parts):
            raise no_method(ask.request)
        route = self._routes.get(pattern)
        if route is None and pattern.startswith(f"{_REPOSITORY}/"):
            route = self._lists.answer
        if route is None:
            raise no_method(ask.request)
        return await route(ask)
