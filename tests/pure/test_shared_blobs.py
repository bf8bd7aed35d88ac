"""Blobs that several repositories need: what ails one of these is no matter of the others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from gcr_migrate import errors
from gcr_migrate.apply.copy import Blobs, Place
from gcr_migrate.apply.journal import Journal, Outcome
from gcr_migrate.apply.path import Tools
from gcr_migrate.apply.room import Room
from gcr_migrate.apply.run import Content, Part
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.model.work import BlobWork, HasWork
from gcr_migrate.state.file import lock, open_migration
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.migration import Migration
from gcr_migrate.state.tally import tally
from tests.granting import Nobody
from tests.pure.test_ledger import record, write_plan

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from gcr_migrate.model.plan import Image


class HalfClosed:
    """A target of which one repository may neither be read nor written."""

    count = 1

    def __init__(self, closed: str = "product1") -> None:
        self.done: list[tuple[type, str]] = []
        self._closed = closed

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Do a piece of work, where that is allowed."""
        await asyncio.sleep(0)
        end = work.end if isinstance(work, HasWork) else work.target
        self.done.append((type(work), end.name))
        if self._closed in end.name:
            raise MigrateError(errors.DENIED, subject=end.name)
        return "uploaded"


def place_of(file: Migration, image: Image) -> Place:
    """Return where an image is read and written."""
    return Place(image, file.sources()[image.source_id], file.repositories()[image.repository_id])


async def brought(file: Migration, hands: Any) -> list[Outcome]:
    """Bring the first blob of each image; return what became of it."""
    ledger = Ledger(file)
    ledger.start_run()
    blobs = Blobs(file, Journal(ledger, Nobody(), asyncio.Event()), hands, 8)
    begun = [
        blobs.bring(place_of(file, image), next(file.blobs(image.id))) for image in file.images()
    ]
    outcomes = [one if isinstance(one, Outcome) else await one for one in begun]
    await ledger.close()
    return outcomes


def test_a_blob_that_fails_in_one_repository_is_sent_to_the_next_one(tmp_path: Path) -> None:
    """Nobody asks the first one again what has become of it: that is known."""
    write_plan(tmp_path / "m", repositories=2)
    hands = HalfClosed()
    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(brought(file, hands)) == [Outcome.FAILED, Outcome.DONE]
    assert [kind for kind, _ in hands.done] == [BlobWork, BlobWork]


def test_a_name_that_cannot_be_asked_is_asked_once_for_what_others_need(tmp_path: Path) -> None:
    """A killed run may have brought three blobs there; they are sent, as nobody can tell."""
    write_plan(tmp_path / "m", repositories=2)
    record(tmp_path / "m", [(Kind.BLOB, item_id, Event.STARTED, "") for item_id in (1, 2, 3)])
    hands = HalfClosed()

    async def run(file: Migration) -> list[Outcome]:
        ledger = Ledger(file)
        ledger.start_run()
        blobs = Blobs(file, Journal(ledger, Nobody(), asyncio.Event()), hands, 8)
        image = list(file.images())[1]
        outcomes = []
        for one in list(file.blobs(image.id))[:3]:
            came_out = blobs.bring(place_of(file, image), one)
            outcomes.append(came_out if isinstance(came_out, Outcome) else await came_out)
        await ledger.close()
        return outcomes

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert asyncio.run(run(file)) == [Outcome.DONE] * 3
    assert [kind for kind, _ in hands.done] == [HasWork, BlobWork, BlobWork, BlobWork]


def test_the_file_is_asked_once_for_a_blob_that_nobody_brings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question goes through all names that need it, of which there may be thousands."""
    write_plan(tmp_path / "m", repositories=2)
    asked: list[int] = []

    def interrupted(_: Migration, blob_id: int, *_registry: str) -> list[Image]:
        asked.append(blob_id)
        return []

    monkeypatch.setattr(Migration, "interrupted", interrupted)
    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        hands = HalfClosed(closed="product")
        assert asyncio.run(brought(file, hands)) == [Outcome.FAILED, Outcome.FAILED]
    assert len(asked) == 1


class Slow:
    """A target to which one blob goes at a time.

    Attributes:
        sent: how many were sent.
    """

    count = 1

    def __init__(self) -> None:
        self.sent = 0

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Send a blob."""
        await asyncio.sleep(0.01)
        self.sent += isinstance(work, BlobWork)
        return "uploaded"


def test_a_blob_that_two_manifests_lack_is_sent_once(tmp_path: Path) -> None:
    """Both find that the target has it not, while the line is full; the ledger bears with that."""
    write_plan(tmp_path / "m")
    hands = Slow()

    async def run(file: Migration) -> None:
        ledger = Ledger(file)
        ledger.start_run()
        journal = Journal(ledger, Nobody(), asyncio.Event())
        blobs = Blobs(file, journal, hands, 1)
        image = next(file.images())
        place = place_of(file, image)
        lied_about, other = list(file.blobs(image.id))[:2]
        for one in (lied_about, other):
            journal.confirmed(Kind.BLOB, one.id, how="mounted")
        await asyncio.gather(
            blobs.send(place, other), blobs.send(place, lied_about), blobs.send(place, lied_about)
        )
        await ledger.close()

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        asyncio.run(run(file))
        assert tally(file).bytes_mounted == 0
    assert hands.sent == 2


class Gone:
    """A target whose login ends in the middle of an upload."""

    count = 1

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Tell that the login has ended, as late as that can be known."""
        raise MigrateError(errors.TOKEN_EXPIRED, subject=work.target.name, saw="an answer was lost")


def test_a_blob_that_was_on_its_way_when_the_login_ended_is_asked_for(tmp_path: Path) -> None:
    """Its answer may have been lost: it stays begun, and is not taken to be missing."""
    write_plan(tmp_path / "m")
    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        assert set(asyncio.run(brought(file, Gone()))) == {Outcome.PENDING}
        events = file.rows("SELECT DISTINCT event FROM event WHERE kind = 'blob'")
    assert events == [("started",)]


def test_the_lane_for_large_blobs_sees_what_a_path_has_brought_meanwhile(tmp_path: Path) -> None:
    """It reads what is to do before its turn comes, and must not begin what is there by then."""
    write_plan(tmp_path / "m")
    hands = Slow()

    async def run(file: Migration) -> None:
        ledger = Ledger(file)
        ledger.start_run()
        journal = Journal(ledger, Nobody(), asyncio.Event())
        blobs = Blobs(file, journal, hands, 8)
        tools = Tools(file, journal, hands, blobs, asyncio.Semaphore(8), Room(8))
        content = Content(tools, {*file.repositories()}, Part())
        item = next(file.large_blobs(0))
        lane = content.large_blobs(at_least=0)
        begun = next(lane)
        image = file.image(item.image_id)
        place = place_of(file, image)
        brought = blobs.bring(place, item)
        assert not isinstance(brought, Outcome)
        await brought
        journal.settle()
        await begun
        await ledger.close()

    with lock(tmp_path / "m"), open_migration(tmp_path / "m") as file:
        asyncio.run(run(file))
    assert hands.sent == 1
