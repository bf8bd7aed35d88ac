"""Blobs that several repositories need: what ails one of these is no matter of the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gcr_migrate import errors
from gcr_migrate.apply.copy import Blobs, Place
from gcr_migrate.apply.journal import Journal, Outcome
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.work import BlobWork, SizeWork
from gcr_migrate.state.file import lock, open_migration
from gcr_migrate.state.ledger import Ledger
from tests.granting import Nobody
from tests.pure.test_ledger import write_plan

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.state.migration import Migration


class HalfClosed:
    """A target of which one repository may neither be read nor written."""

    count = 1

    def __init__(self) -> None:
        self.done: list[tuple[type, str]] = []

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Do a piece of work, where that is allowed."""
        await asyncio.sleep(0)
        end = work.end if isinstance(work, SizeWork) else work.target
        self.done.append((type(work), end.name))
        if "product1" in end.name:
            raise MigrateError(errors.DENIED, subject=end.name)
        return "uploaded"


def test_a_blob_that_fails_in_one_repository_is_sent_to_the_next_one(tmp_path: Path) -> None:
    """Nobody asks the first one again what has become of it: that is known."""
    write_plan(tmp_path / "m", repositories=2)
    hands = HalfClosed()

    async def run(file: Migration) -> list[Outcome]:
        ledger = Ledger(file)
        ledger.start_run()
        blobs = Blobs(file, Journal(ledger, Nobody(), asyncio.Event()), hands, 8)
        sources, repositories = file.sources(), file.repositories()
        brought = []
        for image in file.images():
            place = Place(image, sources[image.source_id], repositories[image.repository_id])
            brought.append(blobs.bring(place, next(file.blobs(image.id))))
        outcomes = [one if isinstance(one, Outcome) else await one for one in brought]
        await ledger.close()
        return outcomes

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(run(file)) == [Outcome.FAILED, Outcome.DONE]
    assert [kind for kind, _ in hands.done] == [BlobWork, BlobWork]
