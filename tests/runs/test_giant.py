"""A giant source, made from a seed: what its numbers say is planned, copied and proven."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.giant import Giant
from gcr_migrate.sandbox.scenarios import GiantPart, RepositoryPart, Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

SPEC = """\
source: {project: giant, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: moved}]
"""


def _scenario(**numbers: int) -> tuple[Scenario, Giant]:
    part = GiantPart(**numbers)
    source = RepositoryPart(project="giant", location="us", id="us.gcr.io", giant=part)
    return Scenario(repositories=(source,)), Giant(**part.model_dump())


def _run(cli: Cli, box: Sandbox, *args: str) -> dict[str, Any]:
    done = cli(
        *args,
        "--json",
        GCR_MIGRATE_ENDPOINTS="endpoints.yaml",
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
    )
    assert done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_giant_is_moved_whole(cli: Cli, tmp_path: Path) -> None:
    """The plan has what the numbers say, each byte is copied, and both registries prove it."""
    scenario, giant = _scenario(seed=5, images=2, manifests=27, tags=30, layers=3)
    counts = giant.counts()
    (cli.home / "spec.yaml").write_text(SPEC)
    with running(scenario, tmp_path / "box") as box:
        box.write_endpoints(cli.home / "endpoints.yaml")
        planned = _run(cli, box, "plan", "spec.yaml", "-o", "m")
        applied = _run(cli, box, "apply", "m")
        proven = _run(cli, box, "verify", "m", "--level", "tags", "--level", "blobs")
    # What the server makes for referrers it makes at the target by itself.
    own, count = counts.referrers, planned["counts"]
    assert (count["images"], count["blobs"]) == (counts.images, counts.blobs)
    assert count["manifests"] == counts.manifests - own
    assert count["tags"] == counts.tags - own
    assert len(planned["left_out"]) == own
    assert (applied["outcome"], proven["outcome"]) == ("complete", "proven")
    # Each blob comes over once, and is mounted where other images need it, too.
    assert applied["bytes"]["transferred"] == counts.blob_bytes
    assert proven["levels"]["tags"]["ok"] == counts.tags
