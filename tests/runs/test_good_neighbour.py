"""The quota belongs to production: who pulls beside a migration is not to notice it."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.conftest import Cli
from tests.theatre import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US, EUROPE = "us-docker.pkg.dev", "europe-docker.pkg.dev"
QUOTA = {"us": 40, "europe": 400}
SPEC = """\
source: {project: builds, hosts: [asia.gcr.io]}
target: {project: products}
routes:
  - {match: "us/**", repository: product, location: us, strip: us}
  - {match: "europe/**", repository: product, location: europe, strip: europe}
"""
STATED = """\
limits:
  at:
    us: {requests_per_second: 40, headroom: 50%}
    europe: {requests_per_second: 400}
"""


def scenario(images: int) -> Scenario:
    """So many images for each location: own config, two own layers, three that all share."""
    base = [{"name": f"base-{n}", "size": 1024} for n in range(3)]
    pushed = [
        {
            "path": f"{location}/app-{n:02}",
            "tags": ["v1"],
            "layers": [*base, *({"name": f"{location}-{n}-{k}", "size": 1024} for k in range(2))],
        }
        for location in QUOTA
        for n in range(images)
    ]
    held = {"project": "products", "id": "product"}
    pulled = [{"path": "pulled", "tags": ["v1"], "layers": base}]
    source = {"project": "builds", "location": "asia", "id": "asia.gcr.io", "images": pushed}
    return Scenario.model_validate(
        {
            "projects": [
                {"id": "builds"},
                {"id": "products", "quota": {"requests_per_minute": 400, "locations": QUOTA}},
            ],
            "quota_window": 1,
            "repositories": [
                source,
                {**held, "location": "us", "images": pulled},
                {**held, "location": "europe"},
            ],
        }
    )


@dataclass
class Production:
    """Somebody who pulls ten times in a second, and does not try again.

    Attributes:
        refused: when that was in vain.
    """

    url: str
    token: str
    refused: list[float] = field(default_factory=list)

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Pull while the block runs."""
        over = threading.Event()
        thread = threading.Thread(target=self._pull, args=[over])
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _pull(self, over: threading.Event) -> None:
        begun, number = time.monotonic(), 0
        while not over.wait(max(0.0, begun + number / 10 - time.monotonic())):
            number += 1
            headers = {"authorization": f"Bearer {self.token}", "user-agent": "production"}
            request = urllib.request.Request(self.url, headers=headers)  # noqa: S310  # loopback
            try:
                urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # loopback
            except urllib.error.HTTPError:  # of which the sandbox has one kind for a quota
                self.refused.append(time.time())


@dataclass
class Run:
    """What a run was, seen from the registries.

    Attributes:
        facts: what `apply` told, and `verified` what `verify` did.
        asked: requests of the tool.
        refused: when production's pulls were refused.
    """

    facts: dict[str, Any]
    verified: dict[str, Any]
    asked: list[dict[str, Any]]
    refused: list[float]

    def of(self, location: str) -> list[dict[str, Any]]:
        """Return the requests that count for a location."""
        host, api = f"{location}-docker.pkg.dev", f"/locations/{location}/"
        return [one for one in self.asked if one["host"] == host or api in one["path"]]

    def most_in_a_second(self, location: str) -> int:
        """Return the largest number of requests in any one second."""
        times = sorted(one["at"] for one in self.of(location))
        return max(bisect_left(times, at + 1) - number for number, at in enumerate(times))

    def refusals(self) -> int:
        """Return how often the tool was refused."""
        return sum(one["status"] == 429 for one in self.asked)

    def uploads(self) -> list[str]:
        """Return the uploads that were taken."""
        puts = [one for one in self.asked if one["path"].startswith("/artifacts-uploads")]
        return [f"{one['host']} {one['query']}" for one in puts if one["status"] == 201]


class _Patient(Stage):
    """A tool that waits for a quota as long as one takes to come back."""

    @property
    def variables(self) -> dict[str, Any]:
        """Return what tells the tool of the sandbox, and of this patience."""
        return super().variables | {"GCR_MIGRATE_QUOTA_WAIT_S": "60"}


def run(folder: Path, images: int, spec: str) -> Run:
    """Plan, apply beside production, and verify."""
    folder.mkdir(exist_ok=True)
    with running(scenario(images), folder / "box") as box:
        box.write_endpoints(folder / "endpoints.yaml")
        stage = _Patient(box, Cli(folder))
        (folder / "spec.yaml").write_text(spec)
        stage.run("plan", "spec.yaml", "-o", "m")
        url = f"{box.addresses[US]}/v2/products/product/pulled/manifests/v1"
        production = Production(url, box.token)
        stage.ask("requests/reset", {})
        with production.pulling():
            time.sleep(1.2)  # what planning used of the quota is over
            facts = stage.run("apply", "m")
        asked = [one for one in stage.ask("requests") if not is_production(one)]
        return Run(facts, stage.run("verify", "m"), asked, production.refused)


def is_production(entry: dict[str, Any]) -> bool:
    """Whether a request is production's."""
    return "/pulled/" in entry["path"]


def check(seen: Run, images: int) -> None:
    """Everything is there and proven, each blob was sent once to each repository."""
    assert (seen.facts["outcome"], seen.verified["outcome"]) == ("complete", "proven")
    assert seen.facts["counts"]["failed"] == 0
    uploads = seen.uploads()
    assert len(uploads) == len(set(uploads)) == len(QUOTA) * (3 * images + 3)
    services = seen.facts["services"].values()
    assert sum(one["refusals"] for one in services) == seen.refusals()
    logins = sum(one["host"] == "oauth2" for one in seen.asked)  # whose token it is
    assert sum(one["requests"] for one in services) == len(seen.asked) - logins


def test_a_stated_quota_is_kept_to_and_production_has_its_share(tmp_path: Path) -> None:
    """With a head-room of one half nobody is ever refused, and one location waits for no other."""
    seen = run(tmp_path / "home", 20, SPEC + STATED)
    check(seen, 20)
    assert not seen.refused
    assert not seen.refusals()
    assert seen.most_in_a_second("us") <= 20
    assert seen.of("europe")[-1]["at"] < seen.of("us")[-1]["at"] - 2


def test_a_quota_that_nobody_stated_is_found(tmp_path: Path) -> None:
    """The pace falls at the first refusal and comes back slowly; production hardly notices."""
    seen = run(tmp_path / "home", 20, SPEC)
    check(seen, 20)
    assert 1 <= seen.refusals() <= 10
    assert len({int(at) for at in seen.refused}) <= 2
