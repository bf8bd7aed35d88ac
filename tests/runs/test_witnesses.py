"""Programs that are not ours look at what the tool made: gcloud, and Google's client library.

Both know Artifact Registry from elsewhere. Where they see what the plan said, neither the sandbox
nor the tool has made up a world of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.cloud import artifactregistry_v1 as ar
from google.oauth2.credentials import Credentials

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import RepositoryPart, load_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.sandbox.app import Sandbox

pytestmark = pytest.mark.slow

PLAN = Path(__file__).parents[2] / "plans" / "builds.yaml"
HOST = "us-docker.pkg.dev/builds"
LOCATION = "projects/builds/locations/us"
PRODUCTS = ("product1", "product2")
NOWHERE = "http://127.0.0.1:9"  # the discard port: whoever calls another host is turned away
QUICK = 20.0


@dataclass(frozen=True)
class Made:
    """A sandbox after a migration, and what the plan had said.

    Attributes:
        box: the sandbox.
        home: HOME of the programs.
        plan: what `show --json` says.
    """

    box: Sandbox
    home: Path
    plan: dict[str, Any]

    def grants(self, product: str) -> set[tuple[str, str]]:
        """Return the grants that the plan has for a repository."""
        one = next(one for one in self.plan["repositories"] if one["name"] == f"{HOST}/{product}")
        return {(grant["role"], grant["member"]) for grant in one["grants"]}

    def tags(self, product: str) -> set[str]:
        """Return the tags of a repository: those of the plan, and those that a target makes."""
        planned = {
            f"{one['target']}:{tag}"
            for one in self.plan["images"]
            for tag in one["tags"]
            if one["target"].startswith(f"{HOST}/{product}/")
        }
        paths = {one["source"]: one["target"] for one in self.plan["images"]}
        for one in self.plan["left_out"]:
            if one["code"] == "referrers-tag-kept-by-target":
                source, _, tag = one["subject"].partition(":")
                planned |= {f"{paths[source]}:{tag}"} if product in source else set()
        return planned


def _run(home: Path, environ: Mapping[str, str], *command: str | Path) -> Any:
    """Run a program to its end, and return the JSON that it prints."""
    kept = {"PATH": os.environ["PATH"], "HOME": str(home)}
    kept |= {key: value for key, value in os.environ.items() if key.startswith("COVERAGE_")}
    done = subprocess.run(
        [str(one) for one in command],
        cwd=home,
        env={**kept, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Migrate the example of the documentation once."""
    home = tmp_path_factory.mktemp("witnesses")
    with running("builds", home / "box") as box:
        (home / "token").write_text(box.token)
        _tool(box, home, "plan", PLAN, "-o", "m")
        _tool(box, home, "apply", "m")
        yield Made(box, home, _tool(box, home, "show", "m"))


def _gcloud(box: Sandbox, home: Path, command: str) -> Any:
    """Run `gcloud artifacts …` against a sandbox with the token in HOME; return what it prints."""
    api = box.addresses["artifact_registry"]
    environ = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": f"{api}/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(home / "token"),
        "CLOUDSDK_CONFIG": str(home / "gcloud"),
        "CLOUDSDK_CORE_PROJECT": "builds",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "HTTPS_PROXY": NOWHERE,
    }
    program = shutil.which("gcloud") or "gcloud"
    return _run(home, environ, program, "artifacts", *command.split(), "--format=json")


def _tool(box: Sandbox, home: Path, *command: str | Path) -> Any:
    """Run the tool against a sandbox, and return what it prints."""
    box.write_endpoints(home / "endpoints.yaml")
    environ = {
        "GCR_MIGRATE_ENDPOINTS": str(home / "endpoints.yaml"),
        "GCR_MIGRATE_ACCESS_TOKEN": box.token,
    }
    return _run(home, environ, sys.executable, "-m", "gcr_migrate", *command, "--json")


COMMANDS = {
    "repositories": "repositories list",
    "settings": "settings describe",
    "product1": "repositories describe product1 --location=us",
    "source images": f"docker images list {HOST}/us.gcr.io --include-tags",
} | {
    f"{product} {what}": command.format(product)
    for product in PRODUCTS
    for what, command in {
        "policy": "repositories get-iam-policy {} --location=us",
        "images": f"docker images list {HOST}/{{}} --include-tags",
        "tags": f"docker tags list {HOST}/{{}}",
    }.items()
}


@pytest.fixture(scope="module")
def gcloud(made: Made) -> dict[str, Any]:
    """What the real gcloud says, by the keys of COMMANDS; each call takes more than a second."""

    def ask(command: str) -> Any:
        return _gcloud(made.box, made.home, command)

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(COMMANDS, pool.map(ask, COMMANDS.values()), strict=True))


@pytest.mark.needs("gcloud")
def test_gcloud_lists_the_repositories_of_the_plan(made: Made, gcloud: dict[str, Any]) -> None:
    """The source's repository and the planned ones, all of Docker, and nothing else."""
    found = {one["registryUri"] for one in gcloud["repositories"]}

    assert found == {f"{HOST}/us.gcr.io"} | {one["name"] for one in made.plan["repositories"]}
    assert {one["format"] for one in gcloud["repositories"]} == {"DOCKER"}


@pytest.mark.needs("gcloud")
def test_gcloud_describes_a_repository(gcloud: dict[str, Any]) -> None:
    """Format, mode and address are those of a standard Docker repository."""
    found = gcloud["product1"]

    assert (found["format"], found["mode"]) == ("DOCKER", "STANDARD_REPOSITORY")
    assert found["registryUri"] == f"{HOST}/product1"


@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("product", PRODUCTS)
def test_gcloud_sees_the_grants_of_the_plan(
    made: Made, gcloud: dict[str, Any], product: str
) -> None:
    """The policy of a repository has what the plan grants, and nothing else."""
    policy = gcloud[f"{product} policy"]

    found = {(one["role"], member) for one in policy["bindings"] for member in one["members"]}
    assert found == made.grants(product)


@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("product", PRODUCTS)
def test_gcloud_sees_each_digest_under_its_new_name(gcloud: dict[str, Any], product: str) -> None:
    """Digests, media types, sizes and tags of the target are those of the source."""
    old = f"{HOST}/us.gcr.io/{product}/"
    source = [one for one in gcloud["source images"] if one["package"].startswith(old)]
    wanted = {_image(one, one["package"].removeprefix(old)) for one in source}

    target = gcloud[f"{product} images"]
    found = {_image(one, one["package"].removeprefix(f"{HOST}/{product}/")) for one in target}

    assert found == wanted
    assert len(target) == len(source) > 0


def _image(one: Mapping[str, Any], path: str) -> tuple[Any, ...]:
    metadata = one["metadata"]
    told = metadata["mediaType"], metadata["imageSizeBytes"], metadata["buildTime"]
    return path, one["version"], tuple(sorted(one["tags"])), *told


@pytest.mark.needs("gcloud")
def test_gcloud_counts_the_manifests_of_the_plan(made: Made, gcloud: dict[str, Any]) -> None:
    """The manifests that were planned, and one list of referrers, which a target makes itself."""
    found = sum(len(gcloud[f"{product} images"]) for product in PRODUCTS)

    assert found == made.plan["counts"]["manifests"] + len(made.plan["left_out"])


@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("product", PRODUCTS)
def test_gcloud_lists_the_tags_of_the_plan(
    made: Made, gcloud: dict[str, Any], product: str
) -> None:
    """Each planned tag is there, and leads to the digest that the list of images gives it."""
    tags = gcloud[f"{product} tags"]

    found = {f"{one['image']}:{_last(one['tag'])}": _last(one["version"]) for one in tags}
    images = gcloud[f"{product} images"]
    assert found.keys() == made.tags(product)
    assert found == {
        f"{one['package']}:{tag}": one["version"] for one in images for tag in one["tags"]
    }


def _last(name: str) -> str:
    return name.rpartition("/")[2]


@pytest.mark.needs("gcloud")
def test_gcloud_sees_that_no_redirect_was_touched(gcloud: dict[str, Any]) -> None:
    """A split needs no change of the redirect, and makes none."""
    state = "REDIRECTION_FROM_GCR_IO_ENABLED"

    assert gcloud["settings"]["legacyRedirectionState"] == state


@pytest.mark.needs("gcloud")
def test_the_tool_sees_what_gcloud_made(tmp_path: Path) -> None:
    """A repository and a grant of gcloud's are there for the plan: they are not made again.

    gcloud leaves the mode of a repository unstated; a standard one comes of it.
    """
    member, role = "group:product1-devs@example.com", "roles/artifactregistry.reader"
    with running("builds", tmp_path / "box") as box:
        (tmp_path / "token").write_text(box.token)
        made = _gcloud(
            box, tmp_path, "repositories create product1 --repository-format=docker --location=us"
        )
        grant = f"product1 --location=us --member={member} --role={role}"
        _gcloud(box, tmp_path, f"repositories add-iam-policy-binding {grant}")
        _tool(box, tmp_path, "plan", PLAN, "-o", "m")
        shown = _tool(box, tmp_path, "show", "m")

    assert made["mode"] == "STANDARD_REPOSITORY"
    found = {one["name"]: (one["create"], one["grants"]) for one in shown["repositories"]}
    there = {"role": role, "member": member, "condition": "", "present": True}
    assert found[f"{HOST}/product1"][0] is False
    assert [one for one in found[f"{HOST}/product1"][1] if one["present"]] == [there]
    assert found[f"{HOST}/product2"][0] is True


def _library(box: Sandbox) -> ar.ArtifactRegistryClient:
    """Return Google's client with its own transport: nothing of ours is between it and the box."""
    return ar.ArtifactRegistryClient(
        transport="rest",
        credentials=Credentials(box.token),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": box.addresses["artifact_registry"]},
    )


@pytest.fixture(scope="module")
def library(made: Made) -> Iterator[ar.ArtifactRegistryClient]:
    """Google's client in front of the migrated sandbox."""
    with _library(made.box) as one:
        yield one


@pytest.mark.parametrize("product", PRODUCTS)
def test_googles_library_sees_policy_and_tags_of_the_plan(
    made: Made, library: ar.ArtifactRegistryClient, product: str
) -> None:
    """The library finds the grants and tags of the plan in the repositories that it lists."""
    repository = f"{LOCATION}/repositories/{product}"
    listed = {one.name for one in library.list_repositories(parent=LOCATION, timeout=QUICK)}
    request = {"resource": repository, "options": {"requested_policy_version": 3}}
    policy = library.get_iam_policy(request=request, timeout=QUICK)

    tags = {
        f"{HOST}/{product}/{_last(package.name).replace('%2F', '/')}:{_last(tag.name)}"
        for package in library.list_packages(parent=repository, timeout=QUICK)
        for tag in library.list_tags(parent=package.name, timeout=QUICK)
    }

    assert repository in listed
    assert tags == made.tags(product)
    assert {(one.role, who) for one in policy.bindings for who in one.members} == made.grants(
        product
    )


@pytest.mark.parametrize("product", PRODUCTS)
def test_googles_library_sees_each_version_again(
    library: ar.ArtifactRegistryClient, product: str
) -> None:
    """Each version of the source is in the target, with equal metadata and equal tags."""
    source = _versions(library, f"{LOCATION}/repositories/us.gcr.io", f"{product}%2F")
    target = _versions(library, f"{LOCATION}/repositories/{product}", "")

    assert target == source
    assert source


def _versions(
    library: ar.ArtifactRegistryClient, repository: str, prefix: str
) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return versions by package and digest, of the packages under a prefix."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for package in library.list_packages(parent=repository, timeout=QUICK):
        path = _last(package.name)
        if not path.startswith(prefix):
            continue
        request = {"parent": package.name, "view": ar.VersionView.FULL}
        for one in library.list_versions(request=request, timeout=QUICK):
            told = {key: value for key, value in dict(one.metadata).items() if key != "name"}
            tags = sorted(_last(tag.name) for tag in one.related_tags)
            found[path.removeprefix(prefix), _last(one.name)] = (told, tags)
    return found


def test_googles_library_finds_a_condition_kept(tmp_path: Path) -> None:
    """A grant that the tool adds leaves the condition of another as it was."""
    condition = {"title": "work hours", "expression": "request.time.getHours() < 17"}
    limited = {
        "role": "roles/artifactregistry.writer",
        "members": ["user:ada@example.com"],
        "condition": condition,
    }
    there = RepositoryPart(project="builds", location="us", id="product1", bindings=(limited,))
    scenario = load_scenario("builds")
    scenario = scenario.model_copy(update={"repositories": (*scenario.repositories, there)})
    with running(scenario, tmp_path / "box") as box:
        spec = tmp_path / "granted.yaml"  # what else can be done with the repository counts not
        spec.write_text(PLAN.read_text().replace("translate: true", "translate: false"))
        _tool(box, tmp_path, "plan", spec, "-o", "m")
        _tool(box, tmp_path, "apply", "m")
        name = f"{LOCATION}/repositories/product1"
        request = {"resource": name, "options": {"requested_policy_version": 3}}
        with _library(box) as library:
            policy = library.get_iam_policy(request=request, timeout=QUICK)

    found = {one.role: one.condition.expression for one in policy.bindings}
    assert found == {
        "roles/artifactregistry.writer": condition["expression"],
        "roles/artifactregistry.reader": "",
    }
