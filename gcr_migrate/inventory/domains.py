"""Who answers the gcr.io names of a project now, and for whom: kept for who compares later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from gcr_migrate.errors import (
    DENIED,
    NAME_UNKNOWN,
    NOT_MIGRATED,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    MigrateError,
)
from gcr_migrate.model.domains import DomainFacts
from gcr_migrate.model.pulling import Answerer, Pull, answerer

if TYPE_CHECKING:
    from gcr_migrate.interfaces import Projects, Puller
    from gcr_migrate.model.domains import Domain

_NOT_PUBLIC: Final = frozenset({DENIED, NAME_UNKNOWN, NOT_MIGRATED, UNAUTHORIZED})


class Doors(Protocol):
    """Who hands out clients that only read."""

    def docker(self, host: str, login: None) -> Puller:
        """Return who pulls from a host as anybody could."""
        ...

    def projects(self, side: Literal["source"]) -> Projects:
        """Return what Google's APIs tell about projects."""
        ...


class DomainReader:
    """Sees what there is to be kept of domains.

    Args:
        doors: hands out clients; the setting is read as the source's login.
    """

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._words: dict[str, str] = {}

    async def facts(self, domain: Domain) -> DomainFacts:
        """Ask the setting, and the host as anybody could: a few requests that read nothing.

        What cannot be seen is left open. That stops no inventory, except for the login's end.
        """
        puller = self._doors.docker(domain.host.name, None)
        pull = await puller.pull(domain.project.path, "")
        who = answerer(pull)
        return DomainFacts(
            answered_by="" if who is Answerer.NOBODY else who,
            redirection=await self._word(domain.project.id),
            public=_is_public(pull),
        )

    async def _word(self, project: str) -> str:
        if project not in self._words:
            try:
                found = await self._doors.projects("source").redirection(project)
            except MigrateError as error:
                if error.problem is TOKEN_EXPIRED:
                    raise
                self._words[project] = ""
            else:
                self._words[project] = found.word
        return self._words[project]


def _is_public(pull: Pull) -> bool | None:
    if pull.error is None:
        return True
    return False if pull.error.problem in _NOT_PUBLIC else None
