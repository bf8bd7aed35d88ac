"""Grants of a plan of their own: what adding and taking them back leaves in its ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gcr_migrate.apply.grants import Grants
from gcr_migrate.apply.journal import Journal
from gcr_migrate.model.plan import Repository
from gcr_migrate.state.file import create_draft, open_migration
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.policies import added_grants, kept_policies
from gcr_migrate.state.tally import tally
from tests.drafts import seal

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.interfaces import PolicyWriter
    from gcr_migrate.model.access import Grant
    from gcr_migrate.model.steps import Step
    from gcr_migrate.state.policies import KeptPolicy


class Nobody:
    """Hears of a run's progress, and needs none of it."""

    def item(self, step: Step) -> None:
        """Take note of nothing."""

    def bytes(self, count: int) -> None:
        """Take note of nothing."""


class Plan:
    """A migration file with one repository and some grants.

    Attributes:
        path: where the file lies.
        stop: set when a run thinks that nothing more can succeed.
    """

    def __init__(
        self, path: Path, resource: str, *grants: Grant, granted: tuple[Grant, ...] = ()
    ) -> None:
        self.path, self._resource, self.stop = path, resource, asyncio.Event()
        row = Repository(
            "h", "p/r", "artifact-registry", resource, exists=True, grants=grants, granted=granted
        )
        with create_draft(path) as draft:
            draft.add_repository(row)
            seal(draft)

    async def add(self, policies: PolicyWriter) -> None:
        """Add the grants in a run."""
        await self._run(policies, take_back=False)

    async def take_back(self, policies: PolicyWriter) -> dict[int, bool]:
        """Take back what runs added."""
        return await self._run(policies, take_back=True)

    async def _run(self, policies: PolicyWriter, *, take_back: bool) -> dict[int, bool]:
        with open_migration(self.path) as migration:
            ledger = Ledger(migration)
            ledger.start_run()
            try:
                journal = Journal(ledger, Nobody(), self.stop)
                grants = Grants(migration, 1, self._resource, policies, journal)
                if take_back:
                    return await grants.take_back()
                await grants.add()
                return {}
            finally:
                await ledger.close()

    def added(self) -> set[str]:
        """Return the members that the ledger says this file added."""
        with open_migration(self.path) as migration:
            return {grant.member for _, grant in added_grants(migration, 1)}

    def states(self) -> list[str]:
        """Return the state of each grant, in their order."""
        with open_migration(self.path) as migration:
            return [str(state) for _, _, _, state in migration.grant_items(1)]

    def failures(self) -> dict[str, str]:
        """Return subject and code of each grant that failed."""
        with open_migration(self.path) as migration:
            return {one.saw: one.code for one in tally(migration).failures()}

    def kept(self) -> list[KeptPolicy]:
        """Return the policies that were kept before writes."""
        with open_migration(self.path) as migration:
            return kept_policies(migration, 1)
