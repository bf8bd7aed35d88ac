"""kill -9 at random moments of one migration, of the run, of a worker, or of both, and resumed.

Where the moments fall is a matter of chance, and of nothing that the tool could lean on. A moment
counts once, also where it hits both; a worker and, up to a second later, its run are two. After
each death the requests at the sandbox are held against the file:

- nothing that the target had was sent again, be it a blob or a manifest;
- no more uploads broke off than were in flight, so that no more bytes left than those of all blobs
  and of these;
- what the next run asks about is what the last one left in doubt;
- and that is no more than was in flight, and what the target took within the last two seconds.

In the end all is as after a quiet run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.image_parts import ImagePart, LayerPart
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.processes import is_alive, workers_of
from tests.theatre import Stage, Theatre, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

_IMAGES = 60
_SLOW = {"method": "PUT", "path": "^/artifacts-uploads/.*digest=", "delay_s": 0.25}
_SHARE = 3  # a run is killed before it has done more than such a part of all requests
_AT_ONCE = 4  # uploads in flight for each process: a run takes longer than what may be lost of it
_MAY_BE_LOST_S = 2.0


def _scenario() -> Scenario:
    """Enough images for a run to be killed many times, with layers of their own and shared ones."""
    builds = load_scenario("builds")
    images = [
        ImagePart(
            path=f"team{number % 4}/app{number}",
            tags=("1.0", "latest"),
            layers=(
                LayerPart(name=f"base{number % 4}", size=30_000),
                LayerPart(name=f"own-{number}", size=1_000 + 97 * number),
            ),
        )
        for number in range(_IMAGES)
    ]
    first = builds.repositories[0]
    more = first.model_copy(update={"images": (*first.images, *images)})
    return builds.model_copy(update={"repositories": (more,)})


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Open stages on demand; they end together."""
    with ExitStack() as stack:
        yield Theatre(tmp_path_factory.mktemp("kills"), stack, _scenario())


@dataclass
class Killing:
    """One migration that is killed again and again until it is done.

    Attributes:
        stage: where it runs.
        chance: decides on moments and victims.
        requests: how many a quiet run sends.
        workers: processes that copy; 1: the run itself.
        kills: at how many moments something was killed so far.
        ended: whether a run ended by itself.
    """

    stage: Stage
    chance: random.Random
    requests: int
    workers: int
    kills: int = 0
    ended: bool = False
    _had: set[str] = field(default_factory=set)
    _in_doubt: int = 0  # blobs of which the last run did not learn what became of them
    _arrived: Counter[str] = field(default_factory=Counter)
    _manifests: set[str] = field(default_factory=set)  # by the paths that they were put to
    _sizes: dict[str, int] = field(default_factory=dict)
    _cut: list[str] = field(default_factory=list)  # digests of uploads that broke off
    _sent_bytes: int = 0

    def run(self, most: int) -> None:
        """Start, kill and look, until it is done or was killed so many times."""
        while not self.ended and self.kills < most:
            self._once()
        if not self.ended:
            facts = self.stage.run("apply", "m", *self._options)
            assert facts["outcome"] == "complete"
            self._look()
            self._weigh(0)

    def _once(self) -> None:
        command = ("apply", "m", "--json", *self._options)
        workers: list[int] = []
        with self.stage.cli.start(*command, **self.stage.variables) as process:
            moment = self.chance.randrange(self.requests // _SHARE)
            while self._asked() < moment and process.poll() is None:
                time.sleep(0.02)
            workers = workers_of(process.pid)
            victim = self.chance.choice(["run", "worker", "both"] if workers else ["run"])
            if victim != "run":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.chance.choice(workers), signal.SIGKILL)
            if victim == "worker":
                self.kills += 1
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=self.chance.uniform(0, 1))
            self.kills += process.poll() is None
            killed_at = time.time()
            process.kill()
        while any(map(is_alive, workers)):
            time.sleep(0.02)
        self.ended = process.returncode == 0
        assert process.returncode in {0, -signal.SIGKILL}
        # What a dead worker had in hand is asked for by the run that goes on without it.
        at_once = _AT_ONCE * self.workers
        self._look(orphans=at_once if victim == "worker" else 0)
        self._weigh(killed_at, deaths=2 if victim == "worker" else 1)
        left = int(self.stage.run("status", "m")["to_ask_about"])
        # What was in flight at the death, and when the time began in which answers may be lost.
        lost = self._written(since=killed_at - _MAY_BE_LOST_S) + 2 * at_once
        assert left <= self._in_doubt + lost, "what was known is in doubt again"
        self._in_doubt = left
        self._had = self.stage.blobs("europe")
        self.stage.ask("requests/reset", {})

    def _look(self, orphans: int = 0) -> None:
        """Nothing that was there before the last kill was sent, and what was known not asked."""
        sent = {digest for digest, _ in self.stage.uploads()}
        assert not sent & self._had, "sent again what the target had"
        self._arrived.update(digest for digest, status in self.stage.uploads() if status == 201)
        asked = [
            one
            for one in self.stage.ask("requests")
            if one["method"] == "HEAD" and "/blobs/" in one["path"]
        ]
        # Under its name, and a shared one from another name too.
        assert len(asked) <= 2 * (self._in_doubt + orphans)

    def _weigh(self, killed_at: float, deaths: int = 0) -> None:
        """Only what was in flight at a death left in vain, and no manifest was written again."""
        asked = self.stage.ask("requests")
        uploads = [one for one in asked if one["path"].startswith("/artifacts-uploads/")]
        cut = [one for one in uploads if one["status"] != HTTPStatus.CREATED]
        assert len(cut) <= deaths * _AT_ONCE * self.workers
        self._cut += map(digest_of, cut)
        for one in uploads:
            self._sent_bytes += one["bytes_in"]
            known = self._sizes.get(digest_of(one), 0)
            self._sizes[digest_of(one)] = max(known, one["bytes_in"])
        puts = [one for one in asked if one["method"] == "PUT" and "/manifests/" in one["path"]]
        assert not self._manifests & {one["path"] for one in puts}, "written again"
        since = killed_at - _MAY_BE_LOST_S
        self._manifests |= {
            one["path"] for one in puts if one["told"] == HTTPStatus.CREATED and one["at"] < since
        }

    def _asked(self) -> int:
        """How many requests there were since the last kill."""
        return sum(self.stage.ask("requests/counts").values())

    def _written(self, since: float) -> int:
        """How many blobs were sent or mounted by requests that arrived since then."""
        asked = (one["query"] for one in self.stage.ask("requests") if _is_taken(one, since))
        return sum("digest=" in one or "mount=" in one for one in asked)

    @property
    def _options(self) -> tuple[str, ...]:
        return "--workers", str(self.workers), "--concurrency", str(_AT_ONCE)

    def check(self, end: object) -> None:
        """The state is that of a quiet run, the ledger is consistent, nothing moved twice."""
        assert self.stage.ask("state") == end
        assert max(self._arrived.values()) == 1
        in_flight = sum(self._sizes[digest] for digest in self._cut)
        assert self._sent_bytes <= sum(self._sizes.values()) + in_flight
        counts = self.stage.run("status", "m")["counts"]
        assert counts["planned"] == counts["done"] + counts["skipped"]
        with contextlib.closing(sqlite3.connect(self.stage.cli.home / "m")) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert self.stage.run("verify", "m")["outcome"] == "proven"


def _is_taken(entry: dict[str, Any], since: float) -> bool:
    return bool(entry["status"] == HTTPStatus.CREATED and entry["at"] >= since)


def _kill(theatre: Theatre, workers: int, times: int, most: int) -> None:
    """Kill at so many moments, of as many migrations as it takes; of none at more than `most`."""
    kills = 0
    while kills < times:
        stage = theatre.planned("europe")
        stage.ask("faults", _SLOW)
        chance = random.Random(random.randrange(2**32))  # noqa: S311  # moments, no secrets
        killing = Killing(stage, chance, theatre.requests("europe"), workers)
        killing.run(most)
        killing.check(theatre.end("europe"))
        kills += killing.kills


@pytest.mark.parametrize("workers", [1, 2])
def test_a_migration_that_is_killed_ends_as_a_quiet_one(theatre: Theatre, workers: int) -> None:
    """Killed a few times and resumed: the same end, and nothing is sent that was there."""
    _kill(theatre, workers, times=3, most=3)


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 2])
def test_a_migration_is_killed_a_hundred_times(theatre: Theatre, workers: int) -> None:
    """As above, with one process and with two, at a hundred moments each."""
    _kill(theatre, workers, times=100, most=100)
