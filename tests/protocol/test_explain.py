"""No permission, or no such repository: what the tool finds out before it says either."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import MigrateError
from gcr_migrate.google.explain import resource_of
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.wire.endpoints import Endpoints
from tests.answers import asked_of, control, google, oci
from tests.feeds import one_piece

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.conftest import Cli

HOST, API = "us-docker.pkg.dev", "artifact_registry"
APP = "builds/us.gcr.io/product1/dev/product1-app"
SERVICE = {"service": "artifactregistry.googleapis.com", "consumer": "projects/12"}
DATA = b"some bytes of a layer"
BLOB = Descriptor("application/octet-stream", Digest.of(DATA), len(DATA))
SOURCE = partial(one_piece, DATA)
SPEC = """\
version: 1
source: {project: builds}
target: {location: europe}
routes:
  - {match: "**", repository: moved}
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for all tests."""
    with running("builds", tmp_path_factory.mktemp("box")) as sandbox:
        yield sandbox


def endpoints(box: Sandbox) -> Endpoints:
    """Return where the sandbox is."""
    return Endpoints.load(json.dumps(box.endpoints), "endpoints.yaml")


@asynccontextmanager
async def connected(box: Sandbox) -> AsyncIterator[Connections]:
    """Give clients that try twice."""
    environ = {"GCR_MIGRATE_ACCESS_TOKEN": box.token}
    async with Connections(Settings(endpoints(box), environ=environ, tries=2, base_s=0.01)) as it:
        yield it


async def _list(box: Sandbox) -> None:
    async with connected(box) as clients:
        await clients.source(HOST, "artifact-registry").listing(APP)


@pytest.mark.parametrize(
    ("host", "name", "resource"),
    [
        ("us.gcr.io", "p-1", "projects/p-1/locations/us/repositories/us.gcr.io"),
        ("gcr.io", "d.example/p-1/a", "projects/d.example:p-1/locations/us/repositories/gcr.io"),
        ("us-east1-docker.pkg.dev", "p-1/r/a/b", "projects/p-1/locations/us-east1/repositories/r"),
        ("docker.us-east1.rep.pkg.dev", "p-1/r", "projects/p-1/locations/us-east1/repositories/r"),
        ("us-docker.pkg.dev", "p-1", None),
        ("registry.example", "p-1/r/a", None),
        ("127.0.0.1:5000", "p-1/r/a", None),
        ("us-docker.pkg.dev", "d.example", None),
    ],
)
def test_a_registry_name_leads_to_its_repository(
    host: str, name: str, resource: str | None
) -> None:
    """All of Google's hosts and projects with a domain; no other registry has such an API."""
    assert resource_of(host, name) == resource


@pytest.mark.parametrize("write", [False, True], ids=["read", "write"])
def test_a_repository_that_is_not_there_is_told_as_missing(box: Sandbox, *, write: bool) -> None:
    """Whether the registry says 403 or 404 of it, the API is asked, once, and tells."""
    control(box, "DELETE")

    async def act() -> None:
        async with connected(box) as clients:
            target = clients.target(HOST, "artifact-registry")
            for name in ("builds/nowhere/a", "builds/nowhere/b"):
                with pytest.raises(MigrateError) as raised:
                    await (target.upload(name, BLOB, SOURCE) if write else target.listing(name))
                assert raised.value.problem.code == "repository-missing"
                assert "projects/builds/locations/us/repositories/nowhere" in raised.value.saw

    before = len(asked_of(box, API, "nowhere"))
    asyncio.run(act())
    assert len(asked_of(box, API, "nowhere")) == before + 1


def test_without_credentials_the_api_is_not_asked(box: Sandbox) -> None:
    """Then there is nothing that the API could tell, and the registry's word is told."""
    before = len(asked_of(box, API, "nowhere"))

    async def act() -> None:
        async with Connections(Settings(endpoints(box), environ={}, tries=2)) as clients:
            await clients.source(HOST, "artifact-registry").listing("builds/nowhere/a")

    with pytest.raises(MigrateError) as raised:
        asyncio.run(act())
    assert raised.value.problem.code in {"denied", "unauthorized"}
    assert len(asked_of(box, API, "nowhere")) == before


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, google("PERMISSION_DENIED"), "denied"),
        (403, google("DENIED", reason="SERVICE_DISABLED", **SERVICE), "api-disabled"),
        (403, google("DENIED", reason="BILLING_DISABLED", **SERVICE), "billing-off"),
        (403, google("DENIED", reason="SECURITY_POLICY_VIOLATED", uid="x"), "perimeter"),
        (404, google("NOT_FOUND"), "repository-missing"),
        (404, "a page of something in between", "denied"),
        (500, "", "denied"),
    ],
)
def test_what_the_api_says_of_a_denied_name_counts(
    box: Sandbox, status: int, body: str, code: str
) -> None:
    """A refusal of the API itself is told; where it says nothing, the registry's word stays."""
    control(box, "DELETE")
    control(box, "POST", {"host": HOST, "path": "/tags/list", "status": 403, "body": oci("DENIED")})
    control(box, "POST", {"host": API, "path": "us.gcr.io", "status": status, "body": body})
    with pytest.raises(MigrateError) as raised:
        asyncio.run(_list(box))
    control(box, "DELETE")
    assert raised.value.problem.code == code
    if (status, code) == (403, "denied"):
        assert raised.value.saw.endswith("or no such repository")


@pytest.mark.slow
def test_hosts_without_a_repository_cost_one_question_each(
    box: Sandbox, cli: Cli, tmp_path: Path
) -> None:
    """A plan over all four hosts takes those as not in use, and is complete."""
    control(box, "DELETE")
    (cli.home / "spec.yaml").write_text(SPEC)
    box.write_endpoints(tmp_path / "e.yaml")
    before = {host: len(asked_of(box, API, f"/{host}")) for host in ("gcr.io", "eu.gcr.io")}
    done = cli(
        "plan",
        "spec.yaml",
        "-o",
        "m.gcrm",
        "--endpoints",
        tmp_path / "e.yaml",
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
    )
    assert done.returncode == 0, done.stderr
    for host, asked in before.items():
        assert len(asked_of(box, API, f"/{host}")) == asked + 1
