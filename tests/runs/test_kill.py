"""Killed at any point, a migration goes on to the same end, and sends nothing twice.

Each point holds one request at the sandbox: `before` it is done, or `after` it, when the target
has committed and the ledger knows nothing of it. Then the client gets SIGKILL.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from gcr_migrate.sandbox.image_parts import ImagePart, LayerPart
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.sample import covering
from tests.theatre import Stage, Theatre

if TYPE_CHECKING:
    from collections.abc import Iterator

API = "artifact_registry"
UPLOAD = "^/artifacts-uploads/.*digest="
MOUNT = "/blobs/uploads/[?]mount="
OPEN = "/blobs/uploads/$"
BY_DIGEST = "/manifests/sha256:"
BY_TAG = "/manifests/(?!sha256:)"
CREATE = "/repositories[?]"
POLICY = ":setIamPolicy"
DOWNLOAD = "^/artifacts-downloads/"
HELD_S = 600.0  # longer than any test: what is held when its client dies is never done later


@dataclass(frozen=True)
class Point:
    """Where the client dies: at the request after `skip` others of its kind.

    Attributes:
        to: location of the target; `us` is where the source is, so that all blobs are mounted.
        when: before the request is done, or after.
        method: of the request.
        path: regular expression found in its path and query.
        skip: how many of them pass.
    """

    to: str
    when: Literal["before", "after"]
    method: str
    path: str
    skip: int = 0

    @property
    def kind(self) -> tuple[str, ...]:
        """What tells it from others, but for how many pass."""
        return self.to, self.when, self.method, self.path

    @property
    def host(self) -> str:
        """Who is asked."""
        if self.path in {CREATE, POLICY}:
            return API
        return "us-docker.pkg.dev" if self.path == DOWNLOAD else f"{self.to}-docker.pkg.dev"

    def takes(self, entry: dict[str, Any]) -> bool:
        """Whether a request is of this kind."""
        target = f"{entry['path']}?{entry['query']}" if entry["query"] else entry["path"]
        same = (entry["host"], entry["method"]) == (self.host, self.method)
        return same and re.search(self.path, target) is not None

    def fault(self) -> dict[str, Any]:
        """Return the rule for the sandbox that holds this request."""
        named = {"host": self.host, "method": self.method, "path": self.path, "skip": self.skip}
        return named | {"times": 1, "when": self.when, "delay_s": HELD_S}


POINTS = [
    Point("europe", "before", "POST", CREATE),
    Point("europe", "after", "POST", CREATE),
    Point("europe", "before", "POST", POLICY),
    Point("europe", "after", "POST", POLICY),
    Point("europe", "before", "POST", OPEN),
    Point("europe", "before", "GET", DOWNLOAD, 3),
    Point("europe", "before", "PUT", UPLOAD),
    Point("europe", "before", "PUT", UPLOAD, 7),
    Point("europe", "after", "PUT", UPLOAD),
    Point("europe", "after", "PUT", UPLOAD, 4),
    Point("europe", "after", "PUT", UPLOAD, 9),
    Point("europe", "after", "POST", MOUNT),
    Point("europe", "after", "PUT", BY_DIGEST),
    Point("europe", "before", "PUT", BY_DIGEST, 4),
    Point("europe", "after", "PUT", BY_TAG),
    Point("europe", "before", "PUT", BY_TAG, 3),
    Point("us", "before", "POST", MOUNT, 2),
    Point("us", "after", "POST", MOUNT, 6),
    Point("us", "after", "PUT", BY_DIGEST, 3),
    Point("us", "after", "PUT", BY_TAG, 2),
]
QUICK = POINTS[4::7]  # an upload that begins, a mount that is done, a manifest that is there
OFTEN = covering(one.kind for one in POINTS)


def _scenario() -> Scenario:
    """The documentation's example, and an image that does not fit into a socket's buffer."""
    builds = load_scenario("builds")
    layers = (LayerPart(name="base", size=120_000), LayerPart(name="large", size=4_000_000))
    large = ImagePart(path="large/app", tags=("1.0", "latest"), layers=layers)
    first = builds.repositories[0]
    more = first.model_copy(update={"images": (*first.images, large)})
    return builds.model_copy(update={"repositories": (more,)})


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """Open stages on demand; they end together."""
    with ExitStack() as stack:
        found = Theatre(tmp_path_factory.mktemp("kill"), stack, _scenario())
        yield found


def _kill_at(stage: Stage, point: Point, *command: str) -> None:
    """Start `apply`, or another command, and kill it when the point is reached."""
    stage.ask("faults", point.fault())
    words = command or ("apply", "m")
    with stage.cli.start(*words, "--json", **stage.variables) as process:
        try:
            until = time.monotonic() + 60
            while not _is_reached(stage, point):
                assert time.monotonic() < until, f"{point} was never reached"
                time.sleep(0.02)
            assert process.poll() is None, "the run ended by itself"
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL


def _often(one: Point) -> pytest.MarkDecorator:
    """How often a point is run that is not quick: by CI, or with all tests only."""
    return pytest.mark.slow if one.kind in OFTEN else pytest.mark.long


def _is_reached(stage: Stage, point: Point) -> bool:
    """Whether the request is held: not begun, or done (its status is known) and not answered."""
    kin = [one for one in stage.ask("requests") if point.takes(one)]
    if len(kin) <= point.skip:
        return False
    held = kin[point.skip]
    assert not held["told"], f"{held} was answered"
    return point.when == "before" or held["status"] in {200, 201}


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            one,
            id=f"{one.to}-{one.when}-{one.method}-{one.skip}-{one.path}",
            marks=() if one in QUICK else _often(one),
        )
        for one in POINTS
    ],
)
def test_a_killed_run_goes_on_to_the_same_end(theatre: Theatre, point: Point) -> None:
    """After kill -9 `apply` ends in the state of a quiet run, and sends nothing that was there."""
    stage = theatre.planned(point.to)
    _kill_at(stage, point)
    had = stage.blobs(point.to)
    first_run = stage.uploads()
    stage.ask("requests/reset", {})

    facts = stage.run("apply", "m")

    assert facts["outcome"] == "complete"
    counts = facts["counts"]
    assert counts["planned"] == counts["done"] + counts["skipped"]
    assert stage.ask("state") == theatre.end(point.to)
    second_run = stage.uploads()
    assert not had & {digest for digest, _ in second_run}, "sent again what the target had"
    arrived = Counter(digest for digest, _ in second_run) + Counter(
        digest for digest, _ in first_run if digest in had
    )
    assert not {digest: n for digest, n in arrived.items() if n > 1}
    if point.to == "us":
        assert not first_run + second_run, "blobs in one location are mounted, never sent"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_killed_run_granted_can_be_taken_back(
    theatre: Theatre, when: Literal["before", "after"]
) -> None:
    """Whether the write was done before the kill or by the next run, this file added the member.

    With somebody else's member in the policy since, and a run that is killed while it takes back.
    """
    stage = theatre.planned("europe")
    _kill_at(stage, Point("europe", when, "POST", POLICY))
    moved = stage.box.store.repositories["builds", "europe", "moved"]
    moved.bindings.append(
        {"role": "roles/artifactregistry.reader", "members": ["user:x@y.example"]}
    )
    moved.policy_version += 1
    if when == "before":
        assert stage.run("access", "undo", "m")["grants"][0]["outcome"] == "not-ours"
    stage.run("apply", "m")
    assert {m for one in moved.bindings for m in one["members"]} > {"user:x@y.example"}

    stage.ask("requests/reset", {})
    _kill_at(stage, Point("europe", when, "POST", POLICY), "access", "undo", "m", "--yes")
    undone = stage.run("access", "undo", "m")

    assert undone["outcome"] == "done"
    assert [one["member"] for one in undone["grants"]] == ["group:devs@example.com"]
    assert {m for one in moved.bindings for m in one["members"]} == {"user:x@y.example"}
