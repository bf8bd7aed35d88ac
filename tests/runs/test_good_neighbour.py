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
            except urllib.error.HTTPError as error:
                assert error.code == 429
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


def run(folder: Path, images: int, spec: str) -> Run:
    """Plan, apply beside production, and verify."""
    folder.mkdir(exist_ok=True)
    with running(scenario(images), folder / "box") as box:
        box.write_endpoints(folder / "endpoints.yaml")
        stage = Stage(box, Cli(folder))
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


def test_s4_i(tmp_path: Path) -> None:
    """With the limit stated."""
    seen = run(tmp_path / "home", 20, SPEC + STATED)
    tell(seen)
    assert not seen.refused
    assert not seen.refusals()
    assert seen.most_in_a_second("us") <= 20


def test_s4_ii(tmp_path: Path) -> None:
    """With nothing stated."""
    seen = run(tmp_path / "home", 20, SPEC)
    tell(seen)
    assert seen.refusals() <= 10


def tell(seen: Run) -> None:
    print(seen.facts["outcome"], seen.verified["outcome"], len(seen.asked))
    for loc in QUOTA:
        of = seen.of(loc)
        t0 = seen.asked[0]["at"]
        print(loc, len(of), seen.most_in_a_second(loc), of[0]["at"] - t0, of[-1]["at"] - t0)
        print(loc, "429 at", [round(o["at"] - t0, 2) for o in of if o["status"] == 429])
        import collections

        c = collections.Counter(int(o["at"] - t0) for o in of)
        print([c[k] for k in range(max(c) + 1)])
        print(
            collections.Counter(
                o["method"] + " " + o["path"].split("/")[-2] for o in of
            ).most_common(8)
        )
    print("production refused", [round(one - t0, 2) for one in seen.refused])
    print("uploads", len(seen.uploads()), len(set(seen.uploads())))
