"""A night's run over many projects, each with a quota that a wasteful run would use up."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

_A_MINUTE = 20  # requests that a project may ask of a location
_EACH = 14  # that the proof of a project with one small image takes: tokens, lists and content
_IMAGE = {"path": "app", "tags": ["1"], "layers": [{"name": "layer", "size": 10}]}


def _scenario(number: int) -> Scenario:
    names = [f"team-{at:03}" for at in range(number)]
    quota = {"requests_per_minute": _A_MINUTE}
    where = {"location": "us", "id": "gcr.io"}
    return Scenario.model_validate(
        {
            "projects": [{"id": name, "quota": quota} for name in names],
            "repositories": [{"project": one, "images": [_IMAGE]} | where for one in names],
            "quota_window": 3_600,
        }
    )


def _asked(box: Sandbox) -> Counter[str]:
    """Return how many requests were about each project."""
    with urllib.request.urlopen(f"{box.control_url}/requests", timeout=60) as answer:  # noqa: S310  # loopback
        entries = json.load(answer)
    assert all(one["told"] != 429 for one in entries)
    found = (re.search(r"team-\d+", one["path"] + one["query"]) for one in entries)
    return Counter(one[0] for one in found if one)


@pytest.mark.parametrize("number", [25, pytest.param(500, marks=pytest.mark.long)])
def test_a_night_over_many_projects_stays_within_their_quotas(
    number: int, cli: Cli, tmp_path: Path
) -> None:
    """One table, a bounded number of requests each; what one lacks hides nothing of the others."""
    with running(_scenario(number), tmp_path / "box") as box:
        broken = box.store.repositories["team-003", "us", "gcr.io"].images["app"]
        broken.blobs.clear()
        box.write_endpoints(cli.home / "endpoints.yaml")
        hosts = [f"gcr.io/team-{at:03}" for at in range(number)]
        (cli.home / "projects.txt").write_text("\n".join(["# every night", *hosts, "gone"]))
        done = cli(
            "verify",
            "--projects",
            "projects.txt",
            "--level=tags",
            "--level=manifests",
            "--level=blobs",
            "--json",
            timeout_s=600,
            GCR_MIGRATE_ENDPOINTS="endpoints.yaml",
            GCR_MIGRATE_ACCESS_TOKEN=box.token,
        )
        assert done.returncode == 1, done.stdout + done.stderr
        facts: dict[str, Any] = json.loads(done.stdout)
        outcomes = {one["target"]: one["outcome"] for one in facts["targets"]}
        proven = dict.fromkeys(hosts, "proven")
        # Of a project that may not be seen nobody knows.
        assert outcomes == proven | {"gcr.io/team-003": "differs", "gone": "unproven"}
        assert facts["errors"] == []
        found = facts["targets"][3]["hosts"]["gcr.io/team-003"]
        assert found["findings"] == {"blob-gone": 2}
        asked = _asked(box)
    assert len(asked) == number
    asked["team-003"] -= 6  # that each of two is gone is said twice, to a HEAD and to a GET
    assert max(asked.values()) <= _EACH
