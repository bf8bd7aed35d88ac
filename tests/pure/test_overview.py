"""What a report draws of a migration file: sums by image and repository, layers, and runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gcr_migrate.errors import TOO_MANY_REQUESTS
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.report.planned import report_facts
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.overview import STEPS
from tests.pure.test_ledger import TARGET, write_plan

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.report.overview import OverviewFact

# Of `write_plan`: two names with two manifests, five blobs and two tags each; one tag is kept.
SIZES = sum(map(len, (b"config-amd", b"config-arm", b"base", b"amd", b"arm")))


def overview(path: Path) -> OverviewFact:
    """Read the overview of a file."""
    with open_migration(path) as migration:
        return report_facts(migration).overview


async def a_run(path: Path) -> None:
    """Copy the first image, one blob sent and one mounted; a quota ends the second one."""
    with open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        for kind, item in ((Kind.BLOB, 1), (Kind.MANIFEST, 1), (Kind.MANIFEST, 2), (Kind.TAG, 1)):
            ledger.record(kind, item, Event.STARTED)
            ledger.record(kind, item, Event.CONFIRMED, how="uploaded", size_bytes=7)
            await ledger.written()
        ledger.record(Kind.BLOB, 2, Event.STARTED)
        ledger.record(Kind.BLOB, 2, Event.CONFIRMED, how="mounted", size_bytes=4)
        await ledger.written()
        code = TOO_MANY_REQUESTS.code
        ledger.record(Kind.MANIFEST, 3, Event.GAVE_UP, code=code)
        await ledger.written()
        ledger.note_traffic(9, 2, 0)
        ledger.note_traffic(4, 0, 3)
        ledger.end_run("finished")
        await ledger.close()


def test_an_overview_is_what_plan_and_ledger_add_up_to(tmp_path: Path) -> None:
    """Shared blobs count once, states follow the ledger, and a run's steps hold what it did."""
    path = tmp_path / "a.migration"
    write_plan(path)
    before = overview(path)

    assert [one.state for one in before.images] == ["pending", "pending"]
    assert [(one.manifests, one.size_bytes) for one in before.images] == [(2, SIZES)] * 2
    (repository,) = before.repositories
    assert repository.name == f"{TARGET}/builds/product1"
    assert (repository.images, repository.manifests, repository.tags) == (2, 4, 4)
    assert repository.size_bytes == SIZES
    assert [(one.size_bytes, one.images) for one in before.layers][:3] == [(10, 2), (10, 2), (4, 2)]
    assert before.courses == []

    asyncio.run(a_run(path))
    after = overview(path)
    assert [one.state for one in after.images] == ["done", "failed"]
    (course,) = after.courses
    assert len(course.done) == len(course.sent) == len(course.failed) == STEPS
    assert (sum(course.done), sum(course.failed), course.throttled) == (5, 1, 1)
    assert sum(course.sent) == 7
    assert (sum(course.requests), sum(course.refused), course.retried) == (13, 2, 3)
    assert course.seconds > 0
