"""The quota belongs to production: who pulls beside a migration is not to notice it."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from bisect import bisect_left
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.conftest import Cli
from tests.theatre import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

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
                urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback
            except urllib.error.HTTPError:
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


def run(folder: Path, images: int, spec: str, *options: str) -> Run:
    """Plan, apply beside production, and verify."""
    folder.mkdir()
    with running(scenario(images), folder / "box") as box:
        box.write_endpoints(folder / "endpoints.yaml")
        stage = Stage(box, Cli(folder))
        (folder / "spec.yaml").write_text(spec)
        patient(stage, "plan", "spec.yaml", "-o", "m")
        url = f"{box.addresses[US]}/v2/products/product/pulled/manifests/v1"
        production = Production(url, box.token)
        stage.ask("requests/reset", {})
        with production.pulling():
            facts = patient(stage, "apply", "m", *options)
        asked = [one for one in stage.ask("requests") if "/pulled/" not in one["path"]]
        begun = asked[0]["at"]  # what planning used up is not of this run
        refused = [at for at in production.refused if at > begun]
        return Run(facts, patient(stage, "verify", "m"), asked, refused)


def patient(stage: Stage, *args: str) -> dict[str, Any]:
    """Run a command that waits for a quota as long as users' do, and return its JSON."""
    done = stage.cli(*args, "--json", **stage.variables, GCR_MIGRATE_QUOTA_WAIT_S="150")
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout[:2000]}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_all_is_there(seen: Run, images: int) -> None:
    """All images are proven, each blob was uploaded once, and the summary has all requests."""
    assert (seen.facts["outcome"], seen.verified["outcome"]) == ("complete", "proven")
    assert seen.facts["counts"]["failed"] == 0
    uploads = seen.uploads()
    assert len(set(uploads)) == len(uploads) == 2 * (3 * images + 3)
    for location in QUOTA:
        told = seen.facts["services"][f"{location}-docker.pkg.dev"]
        assert told["requests"] == len(seen.of(location))
        assert told["refusals"] == sum(one["status"] == 429 for one in seen.of(location))
        assert (told["paused_s"] > 0) == (told["refusals"] > 0)


def test_a_stated_quota_is_never_used_up(tmp_path: Path) -> None:
    """Of 40 requests in a second, 20 are left to others; a larger quota elsewhere is not slower."""
    seen = run(tmp_path / "home", 8, SPEC + STATED)
    assert not seen.refused
    assert not seen.refusals()
    assert 15 <= seen.most_in_a_second("us") <= 20
    assert seen.of("europe")[-1]["at"] < seen.of("us")[-1]["at"] - 1
    check_all_is_there(seen, 8)


def test_an_unknown_quota_is_found_by_a_few_refusals(tmp_path: Path) -> None:
    """The rate falls at once and comes back slowly; production notices in two windows at most."""
    seen = run(tmp_path / "home", 20, SPEC)
    assert 0 < seen.refusals() <= 10
    assert len(windows(seen.refused)) <= 2
    check_all_is_there(seen, 20)


def windows(times: list[float]) -> list[float]:
    """Return when the seconds began in which all these times are."""
    begun: list[float] = []
    for at in sorted(times):
        if not begun or at - begun[-1] >= 1:
            begun.append(at)
    return begun


def test_workers_share_what_options_allow(tmp_path: Path) -> None:
    """Two processes send no more than one may, and their requests are in one sum."""
    options = ("--max-rate", "30", "--max-bandwidth", "40kB", "--workers", "2")
    seen = run(tmp_path / "home", 3, SPEC, *options)
    assert not seen.refusals()
    assert seen.most_in_a_second("us") <= 30
    puts = [one for one in seen.asked if one["path"].startswith("/artifacts-uploads")]
    seconds = seen.asked[-1]["at"] - puts[0]["at"]  # a request is there before its body is
    expected_s = sum(one["bytes_in"] for one in puts) / 40_000
    assert 0.8 * expected_s < seconds < expected_s + 4
    check_all_is_there(seen, 3)


@pytest.mark.parametrize(
    ("option", "value", "saw"),
    [
        ("--max-rate", "0", "at least 0.01 requests per second"),
        ("--max-bandwidth", "100", "such as 100MB/s"),
        ("--concurrency", "0", "a number from 1 to 256"),
    ],
)
def test_an_option_that_is_no_limit_is_refused(cli: Cli, option: str, value: str, saw: str) -> None:
    """Before anything is looked at, with what to write."""
    done = cli("apply", "m", option, value)
    assert (done.returncode, "bad-usage" in done.stderr, saw in done.stderr) == (2, True, True)
