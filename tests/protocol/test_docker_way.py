"""Docker's own way from a ping to the bytes of a blob, step by step and with nothing kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.model.login import Login
from gcr_migrate.model.pulling import Answerer, Pull, PullStep, answerer
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.wire.endpoints import Endpoints
from tests.answers import control

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_library")

HOST, NAME = "us.gcr.io", "builds/app"


def _image(*tags: str, **more: Any) -> dict[str, Any]:
    return {"path": "app", "tags": tags, "layers": [{"name": "-".join(tags)}]} | more


WORLD = Scenario.model_validate(
    {
        "repositories": [
            {
                "project": "builds",
                "location": "us",
                "id": HOST,
                "images": [_image("1"), _image("2", platforms=["linux/amd64", "linux/arm64"])],
            }
        ]
    }
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A host with an image, and another of two platforms."""
    with running(WORLD, tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture(autouse=True)
def _calm(box: Sandbox) -> Iterator[None]:
    box.log.reset()
    yield
    control(box, "DELETE")


def _pull(box: Sandbox, reference: str, login: Login | None = None, times: int = 1) -> Pull:
    async def run() -> Pull:
        settings = Settings(
            endpoints=_endpoints(box),
            environ={"GCR_MIGRATE_ACCESS_TOKEN": box.token},
            tries=1,
        )
        async with Connections(settings) as connections:
            puller = connections.docker(HOST, login or "source")
            for _ in range(times - 1):
                await puller.pull(NAME, reference)
            return await puller.pull(NAME, reference)

    return asyncio.run(run())


def _endpoints(box: Sandbox) -> Endpoints:
    lines = [f"  {host}: {url}" for host, url in box.endpoints["registries"].items()]
    services = [f"{k}: {v}" for k, v in box.endpoints.items() if k != "registries"]
    return Endpoints.load("\n".join(["registries:", *lines, *services]), "endpoints")


def _asked(box: Sandbox) -> list[str]:
    """What was asked of the host, by the beginning of its path."""
    found = []
    for one in box.log.entries:
        if one.host == HOST:
            parts = one.path.removeprefix("/v2/builds/app").split("/")
            found.append("/".join(parts[:2]) if parts[0] == "" else one.path)
    return found


def test_each_pull_goes_all_of_the_way(box: Sandbox) -> None:
    """Challenge and token are asked for again each time, as by a client that has just begun."""
    pull = _pull(box, "1", times=2)

    assert (pull.failed, pull.error) == (None, None)
    assert answerer(pull) is Answerer.ARTIFACT_REGISTRY
    once = ["/v2", "/v2", "/manifests", "/blobs", "/artifacts-downloads"]
    assert _asked(box) == once * 2
    assert [one.path for one in box.log.entries][:2] == ["/v2/", "/v2/token"]


def test_of_an_index_its_first_child_is_pulled(box: Sandbox) -> None:
    """What a tag resolves to is the index; its bytes and the child's are checked."""
    pull = _pull(box, "2")

    image = box.store.repositories["builds", "us", HOST].images["app"]
    assert (pull.digest, pull.failed) == (image.tags["2"], None)
    assert _asked(box).count("/manifests") == 2


def test_without_a_reference_the_name_itself_is_asked_for(box: Sandbox) -> None:
    """That is as far as an inventory goes, which pulls nothing."""
    pull = _pull(box, "")

    assert (pull.failed, pull.digest) == (None, None)
    assert _asked(box) == ["/v2", "/v2", "/tags"]


@pytest.mark.parametrize(
    ("rule", "step", "code"),
    [
        ({"path": "^/v2/$", "status": 401}, PullStep.PING, "bad-reply"),
        ({"path": "^/v2/$", "status": 503}, PullStep.PING, "server-error"),
        ({"path": "^/v2/token", "status": 401}, PullStep.TOKEN, "unauthorized"),
        ({"path": "^/v2/token", "status": 200, "body": "{}"}, PullStep.TOKEN, "unauthorized"),
        ({"path": "/manifests/", "status": 404}, PullStep.MANIFEST, "manifest-unknown"),
        ({"path": "/manifests/", "status": 200, "body": "{}"}, PullStep.MANIFEST, "bad-manifest"),
        ({"path": "/manifests/", "status": 412, "body": "gone"}, PullStep.MANIFEST, "not-migrated"),
        ({"path": "/blobs/", "status": 404}, PullStep.BLOB, "blob-unknown"),
        ({"path": "^/artifacts-", "status": 200, "body": "x"}, PullStep.BLOB, "digest-mismatch"),
    ],
)
def test_the_step_that_fails_is_known(
    box: Sandbox, rule: dict[str, Any], step: PullStep, code: str
) -> None:
    """With what is wrong there; nothing is raised."""
    control(box, "POST", {"host": HOST, "method": "GET"} | rule)
    pull = _pull(box, "1")

    assert pull.error is not None
    assert (pull.failed, pull.error.problem.code) == (step, code)
    assert box.token not in pull.saw


def test_a_login_that_cannot_be_read_fails_at_the_token(box: Sandbox, tmp_path: Path) -> None:
    """The ping needs none."""
    pull = _pull(box, "1", Login(access_token_file=str(tmp_path / "none")))

    assert pull.error is not None
    assert (pull.failed, pull.error.problem.code) == (PullStep.TOKEN, "bad-credentials")
