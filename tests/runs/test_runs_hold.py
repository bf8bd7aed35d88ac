"""What a run keeps to when paths wait, files are replaced, and workers cannot be had."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.apply.run import apply_migration
from gcr_migrate.apply.workers import Workers, working
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Event, Kind
from gcr_migrate.model.work import (
    BlobWork,
    HasWork,
    HeadWork,
    ListWork,
    ManifestWork,
    MountWork,
    Tags,
)
from gcr_migrate.state import file as files
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.ledger import Ledger
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.steps import Step
    from gcr_migrate.state.migration import Migration

pytestmark = pytest.mark.slow


class _Repositories:
    async def create(self, *_: object, **__: object) -> None: ...


class _Provider:
    creation_pause_s = 0.0
    blobs_at_once = 16

    def target_repositories(self) -> Any:
        return _Repositories()


class _Listener:
    def __init__(self, stop: asyncio.Event, *, stops: bool) -> None:
        self._stop, self._stops = stop, stops

    def item(self, step: Step) -> None:
        if self._stops and (step.kind, step.event) == (Kind.MANIFEST, Event.CONFIRMED):
            self._stop.set()

    def bytes(self, count: int) -> None: ...


class _Hands:
    """Does everything at once, but the blob that is slow."""

    count = 1

    def __init__(self, migration: Migration, slow: object = None) -> None:
        images = migration.images()
        self._tags = {t.digest: t for image in images for t in migration.tags(image.id)}
        self._source = {one.tag: one.digest for one in self._tags.values()}
        self._slow = slow
        self.written: list[ManifestWork] = []
        self.lists, self.looked = True, 0
        self.held = asyncio.Event()

    def asked(self) -> list[Any]:
        return []

    async def do(self, work: Any) -> Any:
        await asyncio.sleep(0)
        match work:
            case BlobWork():
                if work.digest == self._slow:
                    await self.held.wait()
                return "uploaded"
            case MountWork():
                return None
            case HasWork():
                return True
            case ManifestWork():
                self.written.append(work)
                return None
            case ListWork():
                source = self._source if self.lists else dict.fromkeys(self._source)
                return Tags({} if work.end.side == "target" else source)
            case HeadWork():
                self.looked += 1
                return self._source.get(work.tag) if work.end.side == "source" else None
            case _:
                raise TypeError(type(work).__name__)


async def _run(migration: Migration, hands: _Hands, *, stops: bool = False) -> None:
    stop, ledger = asyncio.Event(), Ledger(migration)
    ledger.start_run()
    listener = _Listener(stop, stops=stops)
    try:
        await apply_migration(migration, ledger, _Provider(), hands, listener, stop=stop)
    finally:
        await ledger.close()


def test_a_run_that_goes_on_sets_no_tag_before_its_signature(tmp_path: Path) -> None:
    """The first run ended between the image and its signature."""
    with opened(tmp_path) as zoo:
        image = zoo.image("app", "1", name="image")
        signature = zoo.image("app", name="signature", subject=image)
        zoo.plan()
        with open_migration(zoo.home / "m") as migration:
            asyncio.run(_run(migration, _Hands(migration), stops=True))
            hands = _Hands(migration)
            asyncio.run(_run(migration, hands))
    assert [one.reference for one in hands.written] == [str(signature.digest), "1"]


def test_a_path_that_waits_holds_up_no_other(tmp_path: Path) -> None:
    """A path with more manifests than the window, whose oldest waits for a large blob."""
    with opened(tmp_path) as zoo:
        for number in range(260):
            zoo.image("aaa", f"t{number:03}", name=f"layer {number}")
        zoo.image("bbb", "other", name="other")
        zoo.plan()
        with open_migration(zoo.home / "m") as migration:
            oldest = migration.blobs_of(migration.manifests(1)[0].id)[-1]

            async def go() -> list[str]:
                hands = _Hands(migration, oldest.digest)
                doing = asyncio.create_task(_run(migration, hands))
                await asyncio.wait([doing], timeout=1.5)
                names = [one.target.name for one in hands.written]
                hands.held.set()
                await doing
                return names

            assert [name for name in asyncio.run(go()) if name.endswith("bbb")]


def test_nothing_is_looked_at_after_a_stop(tmp_path: Path) -> None:
    """Many manifests stand in line for a look at their tags when it comes."""
    with opened(tmp_path) as zoo:
        for number in range(600):
            zoo.image(f"a{number % 8}", f"t{number:03}", name=f"layer {number}")
        zoo.plan()
        with open_migration(zoo.home / "m") as migration:
            hands = _Hands(migration)
            hands.lists = False
            asyncio.run(_run(migration, hands, stops=True))
            asked = hands.looked
            assert asked < 120
            asyncio.run(_run(migration, hands))
            assert hands.looked > asked + 150


def test_an_applied_plan_is_the_one_in_the_locked_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody plans anew between opening and locking: no event of the old plan goes to the new."""
    with opened(tmp_path) as zoo:
        zoo.image("aaa", "1", name="old")
        zoo.plan()
        real = files.lock

        @contextmanager
        def late(path: Path) -> Iterator[None]:
            monkeypatch.setattr(files, "lock", real)
            zoo.image("aaa", "0", name="newer")
            zoo.image("aab", "2", name="other")
            zoo.plan()
            with real(path):
                yield

        monkeypatch.setattr(files, "lock", late)
        for _ in range(2):
            zoo.run("apply", str(zoo.home / "m"))
        moved = next(one for key, one in zoo.box.store.repositories.items() if key[2] == "moved")
        assert sorted(moved.images["aaa"].tags) == ["0", "1"]


async def _process(code: str) -> Process:
    return await create_subprocess_exec(sys.executable, "-S", "-c", code, stdin=PIPE, stdout=PIPE)


_WAITS = "import sys; sys.stdin.buffer.read()"


def test_work_ends_when_no_other_worker_can_be_started() -> None:
    """The machine has no memory for another process: whoever waits is told."""
    started = 0

    async def start() -> Process:
        nonlocal started
        started += 1
        if started > 1:
            raise OSError(12, "Cannot allocate memory")
        return await _process(_WAITS)

    async def go() -> BaseException | None:
        workers = Workers(start, lambda _: None)
        await workers.begin(1)
        doing: asyncio.Task[Any] = asyncio.create_task(workers.do(HeadWork(None, "1")))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        os.kill(workers._workers[0].process.pid, signal.SIGKILL)  # noqa: SLF001
        await asyncio.wait([doing], timeout=3)
        if not doing.done():
            doing.cancel()
            return None
        return doing.exception()

    assert isinstance(asyncio.run(go()), MigrateError)


def test_a_worker_may_die_while_others_start() -> None:
    """It is replaced like any other."""
    started = 0

    async def start() -> Process:
        nonlocal started
        started += 1
        if started == 2:
            await asyncio.sleep(0.5)
        return await _process("pass" if started == 1 else _WAITS)

    async def go() -> None:
        async with working(2, start, lambda _: None, asyncio.Event()):
            pass

    with suppress(MigrateError):
        asyncio.run(go())
