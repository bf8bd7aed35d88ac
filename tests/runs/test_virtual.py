"""A virtual repository over a split: made after its upstreams, and each tag resolves through it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.store import Repository
from tests.zoo import API, US, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
routes: [{match: "{team}/**", repository: "{team}"}]
virtual:
  - repository: images
    description: One address
    grant: [{role: artifactregistry.reader, members: ["group:devs@example.com"]}]
"""
KEY = ("builds", "us", "images")
IMAGES = f"{US}/builds/images"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """Images of two teams."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as one:
        one.image("one/app", "1", "latest", name="app")
        one.image("two/job", "1", name="job")
        yield one


def _upstreams(zoo: Zoo) -> list[str]:
    config = zoo.box.store.repositories[KEY].settings["virtualRepositoryConfig"]
    policies = sorted(config["upstreamPolicies"], key=lambda one: -one["priority"])
    return [one["repository"].rpartition("/")[2] for one in policies]


def _codes(facts: dict[str, Any]) -> set[str]:
    return {one["code"] for one in facts["findings"]}


def test_one_address_serves_a_split(zoo: Zoo) -> None:
    """Counted, made, granted, proven; the same bytes come through it, and nothing is pushed."""
    code, facts = zoo.plan(spec=SPEC)
    assert (code, facts["counts"]["repositories"], facts["todo"]["grants"]) == (0, 3, 1)
    assert not {"virtual-possible", "virtual-impossible"} & _codes(facts)
    _, shown = zoo.run_here("show", str(zoo.home / "m"))
    over = {one["name"]: one["upstreams"] for one in shown["repositories"]}
    assert over == {
        IMAGES: ["one", "two"],
        f"{US}/builds/one": [],
        f"{US}/builds/two": [],
    }
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, facts["kinds"]["repository"]["done"]) == (0, 3)
    made = zoo.box.store.repositories[KEY]
    assert (_upstreams(zoo), made.settings["description"]) == (["one", "two"], "One address")
    assert made.bindings[0]["members"] == ["group:devs@example.com"]
    for path in ("one/app/manifests/latest", "two/job/manifests/1"):
        team = path.partition("/")[0]
        assert zoo.read(US, f"builds/images/{path}") == zoo.read(US, f"builds/{team}/{path}")
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, facts["levels"]["tags"]["checked"]) == (0, 6)
    url = f"{zoo.box.addresses[US]}/v2/builds/images/one/app/blobs/uploads/"
    headers = {"authorization": f"Bearer {zoo.box.token}"}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, b"", headers), timeout=60)  # noqa: S310  # loopback
    assert refused.value.code == 405
    made.settings["virtualRepositoryConfig"]["upstreamPolicies"].pop()
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    gone = [one["subject"] for one in facts["findings"] if one["code"] == "tag-gone"]
    assert (code, gone) == (1, [f"{IMAGES}/two/job:1"])


def test_it_is_made_by_the_run_that_makes_its_last_upstream(zoo: Zoo) -> None:
    """Without one of them it is not asked for, which is told; a later run goes on with it."""
    assert zoo.plan(spec=SPEC)[0] == 0
    zoo.fault(host="artifact_registry", method="POST", path="/repositories", status=403, times=1)
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    told = {one["subject"]: one["code"] for one in facts["failures"] if one["kind"] == "repository"}
    assert (code, sorted(told.values()), told[IMAGES]) == (1, ["blocked", "denied"], "blocked")
    assert KEY not in zoo.box.store.repositories
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, facts["kinds"]["repository"]["done"], _upstreams(zoo)) == (0, 3, ["one", "two"])


def test_one_that_is_there_is_used_as_it_is(zoo: Zoo) -> None:
    """What it does not stand over is told, and a standard one of its name is refused."""
    assert zoo.migrate(SPEC) == (0, 0, 0)
    code, facts = zoo.plan("--new", spec=SPEC)
    assert (code, facts["todo"]["repositories"], "repository-differs" in _codes(facts)) == (
        0,
        0,
        False,
    )
    made = zoo.box.store.repositories[KEY]
    made.settings["virtualRepositoryConfig"]["upstreamPolicies"].pop()
    _, facts = zoo.plan("--new", spec=SPEC)
    saw = {one["saw"] for one in facts["findings"] if one["code"] == "repository-differs"}
    assert saw == {"it does not stand over two"}
    zoo.box.store.repositories[KEY] = Repository(*KEY)
    code, error = zoo.plan("--new", spec=SPEC)
    assert (code, error["code"], error["subject"]) == (2, "virtual-refused", IMAGES)
    assert error["saw"] == "mode is STANDARD_REPOSITORY, not VIRTUAL_REPOSITORY"


def test_only_what_gets_images_is_an_upstream(zoo: Zoo) -> None:
    """Repositories that are not made for want of images are left out of it."""
    code, facts = zoo.plan(spec=f"{SPEC}select: {{paths: ['one/**']}}\n")
    assert (code, facts["counts"]["repositories"]) == (0, 2)
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    assert _upstreams(zoo) == ["one"]


def test_content_alone_needs_no_virtual_repository(zoo: Zoo, tmp_path: Path) -> None:
    """Who has others look after repositories copies without it, and counts it once it is there."""
    assert zoo.plan(spec=SPEC)[0] == 0
    for id_ in ("one", "two"):
        zoo.box.store.add(Repository("builds", "us", id_))
    code, facts = zoo.run("apply", str(zoo.home / "m"), "--content-only")
    assert (code, facts["kinds"]["repository"], facts["kinds"]["tag"]["pending"]) == (
        10,
        {"planned": 3, "done": 2, "skipped": 0, "failed": 0, "pending": 1},
        0,
    )
    config = {"upstreamPolicies": [{"id": "a", "repository": "x", "priority": 1}]}
    settings = {"format": "DOCKER", "mode": "VIRTUAL_REPOSITORY", "virtualRepositoryConfig": config}
    zoo.box.store.add(Repository(*KEY, settings=settings))
    code, facts = zoo.run("apply", str(zoo.home / "m"), "--content-only")
    assert facts["kinds"]["repository"]["done"] == 3
    assert zoo.run_here("export", str(zoo.home / "m"), "--terraform", str(tmp_path / "tf"))[0] == 0
    assert "upstream_policies {" in (tmp_path / "tf" / "repositories.tf").read_text()


@pytest.mark.needs("gcloud", "skopeo")
def test_programs_of_others_know_it_for_what_it_is(zoo: Zoo) -> None:
    """The real gcloud reads its mode and upstreams; skopeo pulls through it what was pushed."""
    assert zoo.migrate(SPEC) == (0, 0, 0)
    environ = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY": f"{zoo.box.addresses[API]}/",
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(zoo.home / "token"),
        "CLOUDSDK_CONFIG": str(zoo.home / "gcloud"),
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "HTTPS_PROXY": "http://127.0.0.1:9",  # whoever calls another host is turned away
    }
    describe = "gcloud artifacts repositories describe images --location=us --project=builds"
    told = json.loads(_run(zoo.home, environ, *describe.split(), "--format=json"))
    assert (told["format"], told["mode"]) == ("DOCKER", "VIRTUAL_REPOSITORY")
    assert {one["id"] for one in told["virtualRepositoryConfig"]["upstreamPolicies"]} == {
        "u1-one",
        "u2-two",
    }
    host = zoo.box.addresses[US].removeprefix("http://")
    inspect = ["skopeo", "inspect", "--raw", "--tls-verify=false", "--creds"]
    pull = [*inspect, f"oauth2accesstoken:{zoo.box.token}", f"docker://{host}/builds/images"]
    pull[-1] += "/one/app:latest"
    _, raw = zoo.read(US, "builds/us.gcr.io/one/app/manifests/latest")
    assert _run(zoo.home, {}, *pull).encode() == raw


def _run(home: Path, environ: dict[str, str], *command: str) -> str:
    known = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(
        [shutil.which(command[0]) or command[0], *command[1:]],
        env=known | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
