"""What a list of the target tells of what an earlier run brought there, and what it does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.apply.copy import Blobs
from gcr_migrate.apply.journal import Journal
from gcr_migrate.apply.path import Tools
from gcr_migrate.apply.room import Room
from gcr_migrate.apply.seen import Seen
from gcr_migrate.apply.tags import Look, is_there
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.model.work import HasWork, ListWork, Tags
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.ledger import Ledger
from tests.granting import Nobody
from tests.pure.test_ledger import ARM, record, write_plan
from tests.pure.test_shared_blobs import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.errors import Problem
    from gcr_migrate.state.items import TagItem

THEIRS = Digest.of(b"theirs")
_OTHER = frozenset({THEIRS})


class Target:
    """A target that has a list, and answers to who asks for single references."""

    count = 1

    def __init__(self, listed: Tags | MigrateError, has: dict[str, Digest]) -> None:
        self.heads: list[tuple[str, bool]] = []
        self.shows = True
        self.shown = 0
        self._listed = listed
        self._has = has

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Answer."""
        if isinstance(work, HasWork):
            self.shown += 1
            return self.shows
        if not isinstance(work, ListWork):
            self.heads.append((work.tag, work.known))
            return self._has.get(work.tag)
        if isinstance(self._listed, MigrateError):
            raise self._listed
        return self._listed


def _there(
    path: Path, target: Target, *, tagged: bool = True
) -> tuple[bool, list[bool], Problem | None]:
    """Return whether a manifest and its tags are there, which had been brought; and what failed."""
    write_plan(path)
    done = [(Kind.MANIFEST, 2), *([(Kind.TAG, 1)] if tagged else [])]
    record(path, [(kind, id_, Event.CONFIRMED, "") for kind, id_ in done])

    async def run() -> tuple[bool, list[bool], Problem | None]:
        with open_migration(path) as file:
            ledger = Ledger(file)
            ledger.start_run()
            journal = Journal(ledger, Nobody(), asyncio.Event())
            blobs = Blobs(file, journal, target, 8)
            tools = Tools(file, journal, target, blobs, asyncio.Semaphore(8), Room(8))
            image = next(iter(file.images()))
            place = place_of(file, image)
            item = next(one for one in file.manifests(image.id) if one.digest == ARM.digest)
            tags = file.tags_of(image.id, item.id) if tagged else []
            found, now = await Seen(
                tools, place, Look(place, target, lambda _: None)
            ).what_is_there(item, tags)
            failed = None
            try:
                journal.raise_if_out_of_reach()
            except MigrateError as error:
                failed = error.problem
            await ledger.close()
            return is_there(found), [is_there(tag) for tag in now], failed

    return asyncio.run(run())


_OURS = {"1.0": ARM.digest}
_UNTOLD = {"1.0": None}


@pytest.mark.parametrize(
    ("listed", "has", "there", "asked"),
    [
        (Tags(_OURS, manifests=frozenset({ARM.digest})), {}, (True, [True]), 0),
        (Tags({}, manifests=frozenset({ARM.digest})), {}, (True, [False]), 0),
        (Tags({}, manifests=_OTHER), {}, (False, [False]), 0),
        (Tags({"1.0": THEIRS}, manifests=_OTHER), {}, (False, [False]), 0),
        # Lists that tell no digests: a manifest is there by its tags.
        (Tags(_UNTOLD), {}, (True, [True]), 0),
        (Tags({}), {}, (False, [False]), 0),
        # Those that may go on: it is asked for.
        (Tags({}, is_cut=True), {}, (False, [False]), 2),
        (Tags({}, is_cut=True), _OURS, (True, [True]), 1),
        (Tags({}, is_cut=True), {str(ARM.digest): ARM.digest}, (True, [False]), 2),
        (Tags({}, is_cut=True, manifests=_OTHER), {}, (False, [False]), 2),
        (Tags({}, is_cut=True, manifests=_OTHER), _OURS, (True, [True]), 1),
    ],
)
def test_a_list_tells_what_is_there(
    tmp_path: Path, listed: Tags, has: dict[str, Digest], there: tuple[bool, list[bool]], asked: int
) -> None:
    """By digests where it has them, else by tags; what it may leave out is asked for."""
    target = Target(listed, has)
    assert _there(tmp_path / "m", target) == (*there, None)
    assert len(target.heads) == asked
    assert all(known for _, known in target.heads), "a bare 404 is no proof"


@pytest.mark.parametrize(
    ("listed", "there"),
    [
        (Tags({}), (True, [])),
        (Tags({}, is_named=False), (False, [])),
        (Tags({}, manifests=frozenset({ARM.digest})), (True, [])),
        (Tags({}, manifests=frozenset()), (False, [])),
    ],
)
def test_an_untagged_manifest_is_lost_by_a_list_of_manifests_or_with_its_name(
    tmp_path: Path, listed: Tags, there: tuple[bool, list[bool]]
) -> None:
    """A list of tags tells nothing of it."""
    assert _there(tmp_path / "m", Target(listed, {}), tagged=False) == (*there, None)


def test_a_list_that_is_refused_is_told_when_the_run_ends(tmp_path: Path) -> None:
    """What it would have told is believed until then."""
    refused = MigrateError(errors.DENIED, subject="a name")
    assert _there(tmp_path / "m", Target(refused, {})) == (True, [True], errors.DENIED)


def test_a_list_that_a_stop_kept_from_being_asked_for_is_no_failure(tmp_path: Path) -> None:
    """The next run asks for it."""
    stopped = MigrateError(errors.STOPPED, subject="a name")
    assert _there(tmp_path / "m", Target(stopped, {})) == (True, [True], None)


@pytest.mark.parametrize(
    ("listed", "found", "heads"),
    [
        (Tags({}, is_cut=True), THEIRS, [("1.0", True)]),
        # A second look, after the target has shown something else.
        (Tags({}, is_cut=True), None, [("1.0", False), ("1.0", False)]),
        (Tags({}, is_cut=True, is_named=False), None, [("1.0", False), ("1.0", False)]),
        (Tags(_UNTOLD), None, [("1.0", True)]),
        (Tags({}), THEIRS, [("1.0", False)]),  # the list is one witness, and this is the second
        (Tags({}), None, []),
    ],
)
def test_that_a_tag_is_gone_is_not_believed_of_one_witness(
    tmp_path: Path, listed: Tags, found: Digest | None, heads: list[tuple[str, bool]]
) -> None:
    """What the plan had found, or the list shows, has to be said to be gone in words."""
    target = Target(listed, {})
    _look(tmp_path, target, found=found)
    assert target.heads == heads


def _look(
    tmp_path: Path, target: Target, *, policy: str = "fail", found: Digest | None = None
) -> None:
    """Look at a tag that the target does not show."""
    write_plan(tmp_path / "m")

    async def look(item: TagItem) -> None:
        image = next(iter(file.images()))
        # The source is not asked.
        image = replace(image, moved_tags="pin", existing_tags=policy)
        place = place_of(file, image)
        look = Look(place, target, lambda _: HasWork(place.target, ARM.digest))
        assert (await look.now(replace(item, found=found))).target is None

    with open_migration(tmp_path / "m") as file:
        asyncio.run(look(file.tags_of(1, 2)[0]))


@pytest.mark.parametrize("is_named", [False, True])
def test_a_target_that_shows_nothing_may_hide_a_tag(tmp_path: Path, *, is_named: bool) -> None:
    """Else a tag that is not found there may be somebody's."""
    target = Target(Tags({}, is_cut=True, is_named=is_named), {})
    target.shows = False
    with pytest.raises(MigrateError) as caught:
        _look(tmp_path, target)
    assert caught.value.problem is errors.BAD_REPLY


def test_what_may_be_overwritten_need_not_be_seen(tmp_path: Path) -> None:
    """It makes no difference whether somebody has the tag."""
    target = Target(Tags({}, is_cut=True, is_named=False), {})
    target.shows = False
    _look(tmp_path, target, policy="overwrite")
    assert target.shown == 0
