"""The plans that come with the tool, planned and applied on the sandbox, digests read back."""

from __future__ import annotations

import base64
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from gcr_migrate.model.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from gcr_migrate.sandbox.app import Sandbox, running
from tests.conftest import Cli

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PLANS = Path(__file__).parents[2] / "plans"
READER = "image-reader@legacy-images.iam.gserviceaccount.com"
WRITER = "image-writer@platform-images.iam.gserviceaccount.com"


@dataclass(frozen=True)
class Stage:
    """A sandbox and the tool in front of it."""

    box: Sandbox
    cli: Cli

    def run(self, *args: str | Path, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and return its object, after a check of the exit code."""
        done = self.cli(
            *args,
            "--json",
            GCR_MIGRATE_ENDPOINTS=str(self.cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=self.box.token,
            GCR_MIGRATE_CREATION_PAUSE_S="0",
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert self.box.token not in done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def migrate(self, name: str) -> None:
        """Plan, apply and verify a plan of the tool, in a file of the default name."""
        assert self.run("plan", PLANS / f"{name}.yaml")["complete"]
        (file,) = self.cli.home.glob("*.migration")
        assert self.run("apply", file.name)["outcome"] == "complete"
        self.run("verify", file.name)

    def ask(self, what: str) -> Any:
        """Ask the sandbox itself for its requests or state."""
        url = f"{self.box.control_url}/{what}"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    def digest(self, name: str) -> str:
        """Read an image's digest from the registry that its name names, with no part of ours."""
        registry, _, rest = name.partition("/")
        path, _, tag = rest.rpartition(":")
        url = f"{self.box.endpoints['registries'][registry]}/v2/{path}/manifests/{tag}"
        user = base64.b64encode(f"oauth2accesstoken:{self.box.token}".encode()).decode()
        accept = f"{DOCKER_MANIFEST}, {DOCKER_LIST}, {OCI_MANIFEST}, {OCI_INDEX}"
        headers = {"Authorization": f"Basic {user}", "Accept": accept}
        request = urllib.request.Request(url, headers=headers, method="HEAD")  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return str(answer.headers["Docker-Content-Digest"])

    def tags(self, project: str) -> dict[str, dict[str, str]]:
        """Return what a project holds: digests by tag, by repository and path."""
        return {
            f"{name.rpartition('/')[2]}/{path}": image["tags"]
            for name, held in self.ask("state").items()
            if name.startswith(f"projects/{project}/")
            for path, image in held["images"].items()
        }


def _migrated(name: str, folder: Path, scenario: str = "") -> Iterator[Stage]:
    home = folder / "home"
    home.mkdir()
    with running(scenario or name, folder / "box") as box:
        box.write_endpoints(home / "endpoints.yaml")
        stage = Stage(box, Cli(home))
        stage.migrate(name)
        yield stage


@pytest.fixture(scope="module")
def scoped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox after `domain-scoped.yaml`: planned, applied and verified."""
    yield from _migrated("domain-scoped", tmp_path_factory.mktemp("scoped"))


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox after `cross-project.yaml`: planned, applied and verified."""
    yield from _migrated("cross-project", tmp_path_factory.mktemp("crossed"))


@pytest.fixture(scope="module")
def moved_over(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox after `between-regions.yaml`: planned, applied and verified."""
    yield from _migrated("between-regions", tmp_path_factory.mktemp("regions"))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox after `releases-only.yaml`: planned, applied and verified."""
    yield from _migrated("releases-only", tmp_path_factory.mktemp("released"), "many-makers")


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        (
            "gcr.io/example.com/my-project/app/web:1.0",
            "us-docker.pkg.dev/example.com/my-project/app/web:1.0",
        ),
        (
            "gcr.io/example.com/my-project/tool:latest",
            "us-docker.pkg.dev/example.com/my-project/shared/tool:latest",
        ),
        (
            "eu.gcr.io/example.com/my-project/app/web:2.0",
            "europe-docker.pkg.dev/example.com/my-project/app/web:2.0",
        ),
    ],
)
def test_an_image_of_a_domain_scoped_project_keeps_its_digest(
    scoped: Stage, name: str, moved: str
) -> None:
    """Each host's image is found in the host's own location, byte for byte."""
    assert scoped.digest(moved) == scoped.digest(name)


def test_the_file_of_a_domain_scoped_project_has_no_colon_in_its_name(scoped: Stage) -> None:
    """A colon would make a host of the name for scp and tar."""
    files = [file.name for file in scoped.cli.home.glob("*.migration")]
    assert files == ["example.com-my-project.migration"]


def test_a_domain_scoped_project_is_shown_as_in_names_of_images(scoped: Stage) -> None:
    """What a person reads can be pasted into docker: no colon but that before a tag."""
    done = scoped.cli("show", "example.com-my-project.migration")
    assert "gcr.io/example.com/my-project" in done.stdout
    assert "gcr.io/example.com:my-project" not in done.stdout


def test_a_domain_scoped_project_keeps_its_colon_in_apis(scoped: Stage) -> None:
    """Resource names have the colon, registry names the slash; neither has the other."""
    asked = [one for one in scoped.ask("requests") if "my-project" in one["path"]]
    of_api = {unquote(one["path"]) for one in asked if one["host"] == "artifact_registry"}
    of_registries = {unquote(one["path"]) for one in asked if one["path"].startswith("/v2/")}
    assert any("/projects/example.com:my-project/locations/europe/" in path for path in of_api)
    assert not any("example.com/my-project" in path for path in of_api)
    assert any(path.startswith("/v2/example.com/my-project/app/web/") for path in of_registries)
    assert not any("example.com:my-project" in path for path in of_registries)


def test_nothing_of_a_domain_scoped_project_crosses_the_line(scoped: Stage) -> None:
    """Within one service its blobs are mounted from under the gcr.io repository's own name."""
    uploads = [one for one in scoped.ask("requests") if "/blobs/uploads/" in one["path"]]
    assert all("from=example.com%2Fmy-project%2F" in one["query"] for one in uploads)
    assert {(one["method"], one["status"]) for one in uploads} == {("POST", 201)}


def test_two_accounts_move_images_between_two_projects(crossed: Stage) -> None:
    """Only the folders that the plan names go over, with the digests that they had."""
    before = crossed.tags("legacy-images")
    assert crossed.tags("platform-images") == {
        "legacy-shop/web": before["gcr.io/shop/web"],
        "legacy-tools/lint": before["gcr.io/tools/lint"],
    }
    assert before["gcr.io/shop/web"].keys() == {"1", "latest"}


def test_each_side_is_touched_by_its_own_account_only(crossed: Stage) -> None:
    """The reader never comes to the target, the writer never to the source."""
    members: dict[str, set[str]] = {"legacy-images": set(), "platform-images": set()}
    for one in crossed.ask("requests"):
        for project, seen in members.items():
            if f"/{project}/" in f"{one['path']}/":
                seen.add(one["member"])
    assert members["legacy-images"] - {""} == {f"serviceAccount:{READER}"}
    assert members["platform-images"] - {""} == {f"serviceAccount:{WRITER}"}


def test_repositories_move_between_regions_parted_as_the_plan_says(moved_over: Stage) -> None:
    """One is parted by team, of the other one folder goes along; all digests stay."""
    before = moved_over.tags("builds")
    assert moved_over.tags("builds-eu") == {
        "web/api": before["product1/web/api"],
        "web/api/cron": before["product1/web/api/cron"],
        "data/etl": before["product1/data/etl"],
        "shared/base/debian": before["shared/base/debian"],
    }
    assert before["shared/attic/old"]


def test_the_doctor_judges_a_source_by_its_repositories(moved_over: Stage) -> None:
    """Each is there and pulled from; nothing is asked about gcr.io names; a lost one is missing."""
    plan = PLANS / "between-regions.yaml"
    (found,) = moved_over.run("doctor", plan)["lists"]
    areas = {one["area"] for one in found["checks"]}
    assert {"pull", "repository", "permission"} <= areas
    assert not {"host", "redirect", "bucket"} & areas
    pulls = [one["subject"] for one in found["checks"] if one["area"] == "pull"]
    assert [name.rpartition("@")[0] for name in pulls] == [
        "us-docker.pkg.dev/builds/product1/data/etl",
        "us-docker.pkg.dev/builds/shared/base/debian",
    ]
    spec = moved_over.cli.home / "lost.yaml"
    spec.write_text(plan.read_text().replace("shared/base", "lost, maven"))
    (found,) = moved_over.run("doctor", spec, code=4)["lists"]
    assert {
        one["subject"].rpartition("/")[2]: one.get("code", "")
        for one in found["checks"]
        if one["area"] == "repository"
    } == {"product1": "", "lost": "repository-missing", "maven": "not-docker"}


def test_releases_go_over_with_what_hangs_on_them_and_nothing_else_does(released: Stage) -> None:
    """Two newest releases of each image, with platforms, signature and referrer."""
    moved = released.tags("builds")
    signed = released.digest("us.gcr.io/builds/web/shop:v1.1").replace(":", "-")
    listed = released.digest("us.gcr.io/builds/web/shop:v2.0").replace(":", "-")
    assert {path: {*tags} for path, tags in moved.items() if "us.gcr.io" not in path} == {
        "web/shop": {"v1.1", "v2.0", f"{signed}.sig", listed},
        "data/etl": {"v7"},
    }
    (shop,) = [
        held["images"]["shop"]
        for name, held in released.ask("state").items()
        if name.endswith("/repositories/web")
    ]
    # Both releases, two platforms, the signature, the referrer and the target's list of it.
    assert len(shop["manifests"]) == 7
