"""Access as it is read from the ends of a project: by the real program, shown before anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.answers import asked_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

SPEC: Final = Path(__file__).parents[2] / "plans" / "split-access.yaml"
BUCKET: Final = "us.artifacts.acme-web.appspot.com"
SITE: Final = "us-docker.pkg.dev/new-web/site"
READER: Final = "ya29.sandbox-ci"
CI: Final = "serviceAccount:ci@acme-web.iam.gserviceaccount.com"
HIDDEN: Final = "group:hidden@acme.example"


def _scenario() -> Scenario:
    """The bucket that nobody carried over, with more above it, and somebody who sees less."""
    known = load_scenario("who-could-pull").model_dump()
    organisation, folder = known["folders"]
    organisation["bindings"] = [{"role": "roles/storage.objectViewer", "members": [HIDDEN]}]
    folder["bindings"] = [{"role": "roles/cloudasset.viewer", "members": [CI]}]
    (project,) = known["projects"]
    rights = [
        {"role": f"roles/{one}", "members": [CI]} for one in ("artifactregistry.reader", "browser")
    ]
    project["bindings"] = [*project["bindings"], *rights]
    (bucket,) = project["buckets"]
    everything = {"role": "roles/storage.admin", "members": [CI]}
    project["buckets"] = [bucket | {"bindings": [*bucket["bindings"], everything]}]
    projects = [project, {"id": "new-web", "bindings": rights}]
    return Scenario.model_validate(
        known | {"folders": [organisation, folder], "projects": projects}
    )


@pytest.fixture
def box(cli: Cli, tmp_path: Path) -> Iterator[Sandbox]:
    """Run a sandbox to which the program goes."""
    with running(_scenario(), tmp_path / "box") as one:
        one.write_endpoints(cli.home / "endpoints.yaml")
        yield one


def _rows(cli: Cli, token: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows for one target, and findings by subject."""
    # Elsewhere: what is hidden above the source is nothing that the target inherits, too.
    spec = SPEC.read_text().replace("\nroutes:", "\ntarget: {project: new-web}\n\nroutes:")
    (cli.home / "spec.yaml").write_text(spec)
    done = cli(
        *("access", "show", "spec.yaml", "--target", SITE, "--json"),
        GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=token,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    return facts["rows"], {one["subject"]: one["code"] for one in facts.get("findings", [])}


def test_prevented_public_access_needs_no_consent(box: Sandbox, cli: Cli) -> None:
    """It is excused, and the consent of the spec not asked for; a grant above is carried."""
    box.store.buckets[BUCKET].never_public = True
    rows, _ = _rows(cli, box.token)
    public = [one for one in rows if one["principal"] == "allUsers"]

    assert {one["verdict"] for one in public} == {"excused"}
    assert {one["why"] for one in public} == {"public access is prevented there"}
    assert ("same", "pull") in {
        (one["verdict"], one["right"]) for one in rows if one["principal"] == HIDDEN
    }


def test_a_grant_that_nobody_sees_is_told_as_not_seen(box: Sandbox, cli: Cli) -> None:
    """An analysis of a folder says nothing of the organisation, whatever it explored."""
    rows, findings = _rows(cli, READER)

    assert asked_of(box, "cloud_asset", "folders/70")
    assert HIDDEN not in {one["principal"] for one in rows}
    assert findings.get("organizations/7") == "policy-not-seen"
