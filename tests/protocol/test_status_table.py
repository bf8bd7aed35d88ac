"""Every answer that a registry or an API can refuse with, and what the tool makes of each.

One table: a row is an answer to one kind of request. The service gives it for ever, which must
end with the row's code and exit status; or once, which only those rows survive that are retried.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.model.content import Descriptor, Digest, Manifest
from gcr_migrate.model.names import Project, gcr_host
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.wire import network
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.answers import control, google, oci
from tests.feeds import one_piece, whole

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from gcr_migrate.interfaces import TargetRegistry

USUAL, *OTHERS = network.LIBRARIES
pytestmark = [
    pytest.mark.usefixtures("each_library"),
    pytest.mark.parametrize(
        "each_library",
        [USUAL, *(pytest.param(other, marks=pytest.mark.long) for other in OTHERS)],
        indirect=True,
        scope="module",
    ),
]

HOST, API = "us-docker.pkg.dev", "artifact_registry"
APP = "builds/us.gcr.io/product1/dev/product1-app"
TAG = "beta-2.0"
NEW = "builds/us.gcr.io/status/table"
RESOURCE = "projects/builds/locations/us/repositories/us.gcr.io"
SETTINGS = "https://artifactregistry.googleapis.com/v1/projects/builds/projectSettings"
SIZE = 21


@dataclass(frozen=True)
class Row:
    """One answer.

    Attributes:
        what: which request is answered so; see `requests_of`.
        status: of the answer.
        code: what the tool says in the end; empty if it takes the answer as success.
        exit: with which status a command ends that this stops.
        retried: whether the tool asks again and lives when the next answer is good.
        body: of the answer.
        headers: of the answer.
        saw: what the tool tells of it, in part.
        more: what else the name of the test says.
    """

    what: str
    status: int
    code: str
    exit: Exit = Exit.OUT_OF_REACH
    retried: bool = False
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    saw: str = ""
    more: str = ""

    def __str__(self) -> str:
        """Return the name of the test."""
        return "-".join(filter(None, [str(self.status), self.code, self.what, self.more]))


PERIMETER = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: "
DISABLED = (
    "Artifact Registry API has not been used in project 12 before or it is disabled. Enable it "
    "by visiting https://console.developers.google.com/apis/api/artifactregistry.googleapis.com"
)
AGENT = "service-12@gcp-sa-artifactregistry.iam.gserviceaccount.com"
PRECONDITION = google("FAILED_PRECONDITION", "the tag is there")
SERVICE = {"service": "artifactregistry.googleapis.com", "consumer": "projects/12"}
QUOTA = {"quota_limit": "PerMinute", "quota_metric": "requests", "quota_limit_value": "60000"}

TABLE = [
    # 400: what was sent is wrong, or the source's bytes are
    *(
        Row("put", 400, "request-refused", Exit.FAILED, body=oci(code), saw=code, more=code)
        for code in ("MANIFEST_INVALID", "NAME_INVALID")
    ),
    Row("put", 400, "digest-mismatch", Exit.FAILED, retried=True, body=oci("DIGEST_INVALID")),
    Row("upload", 400, "digest-mismatch", Exit.FAILED, retried=True, body=oci("DIGEST_INVALID")),
    Row("upload", 400, "request-refused", Exit.FAILED, body=oci("SIZE_INVALID")),
    Row(
        "upload",
        400,
        "request-refused",
        Exit.FAILED,
        retried=True,
        body=oci("BLOB_UPLOAD_INVALID"),
        more="session",
    ),
    # a tag that cannot move; one that is there already is done
    *(
        Row(what, status, code, Exit.FAILED, body=body, more=more)
        for status in (400, 409, 412)
        for what, code in (("tag", "immutable-tag"), ("same tag", ""))
        for more, body in (
            ("api", PRECONDITION),
            ("oci", oci("DENIED", "manifest tags are immutable")),
        )
    ),
    Row("put", 409, "request-refused", Exit.FAILED, body=PRECONDITION, more="not-a-tag"),
    # 401: a few times more, with a new token each
    Row("list", 401, "unauthorized", retried=True, body=oci("UNAUTHORIZED")),
    Row("get", 401, "unauthorized", retried=True, body=oci("UNAUTHORIZED")),
    Row("api", 401, "unauthorized", body=google("UNAUTHENTICATED")),
    # 403: told apart
    Row("list", 403, "denied", body=oci("DENIED"), saw="artifactregistry.reader on " + RESOURCE),
    Row("upload session", 403, "denied", body=oci("DENIED"), saw="artifactregistry.writer"),
    Row("token", 403, "denied", body=oci("DENIED"), saw="artifactregistry.reader"),
    Row("api", 403, "denied", body=google("PERMISSION_DENIED", "no way"), saw="no way"),
    Row("list", 403, "perimeter", body=oci("DENIED", PERIMETER + "ab_C-9"), saw="ab_C-9"),
    Row("token", 403, "perimeter", body=oci("DENIED", PERIMETER + "ab_C-9"), saw="ab_C-9"),
    Row(
        "api",
        403,
        "perimeter",
        body=google("PERMISSION_DENIED", "no", reason="SECURITY_POLICY_VIOLATED", uid="ab_C-9"),
        saw="unique id ab_C-9",
    ),
    Row("api", 403, "perimeter", body=google("DENIED", PERIMETER + "ab_C-9"), more="words"),
    Row(
        "settings",
        403,
        "agent-denied",
        body=google("PERMISSION_DENIED", f"requires {AGENT} to have storage.objects.get access"),
        saw=f"account {AGENT}",
    ),
    Row(
        "api",
        403,
        "api-disabled",
        body=google("PERMISSION_DENIED", DISABLED, reason="SERVICE_DISABLED", **SERVICE),
        saw="gcloud services enable artifactregistry.googleapis.com --project=12",
    ),
    Row("list", 403, "api-disabled", body=oci("DENIED", DISABLED), saw="project 12"),
    Row("api", 403, "billing-off", body=google("DENIED", reason="BILLING_DISABLED", **SERVICE)),
    *(
        Row("api", status, "quota-project", body=google("DENIED", reason=reason, **SERVICE))
        for status, reason in ((403, "USER_PROJECT_DENIED"), (400, "CONSUMER_INVALID"))
    ),
    # 404
    Row("list", 404, "name-unknown", Exit.BAD_INPUT, body=oci("NAME_UNKNOWN")),
    Row("get", 404, "manifest-unknown", Exit.FAILED, body=oci("MANIFEST_UNKNOWN")),
    Row("blob", 404, "blob-unknown", Exit.FAILED, body=oci("BLOB_UNKNOWN")),
    # limits
    Row("upload session", 405, "unsupported", Exit.FAILED, body=oci("UNSUPPORTED")),
    Row("settings", 405, "unsupported", Exit.FAILED),
    Row("probe", 412, "not-migrated", Exit.BAD_INPUT, body="Container Registry is shut down"),
    Row("list", 412, "request-refused", Exit.FAILED, body=oci("SOMETHING"), more="json"),
    Row("put", 413, "manifest-too-large", Exit.FAILED),
    Row("tag", 413, "manifest-too-large", Exit.FAILED),
    Row("upload", 413, "blob-too-large", Exit.FAILED, body="<h1>413 Too Large</h1>", saw="413"),
    *(
        Row(what, 400, "blob-unknown", Exit.FAILED, body=oci("MANIFEST_BLOB_UNKNOWN"))
        for what in ("put", "tag")
    ),
    *(
        Row("upload", status, "request-refused", Exit.FAILED, retried=True)
        for status in (409, 412, 416)
    ),
    # 429
    *(
        Row(what, 429, "too-many-requests", retried=True, body=oci("TOOMANYREQUESTS"))
        for what in ("list", "blob", "upload", "put", "token")
    ),
    Row("get", 429, "too-many-requests", retried=True, headers={"Retry-After": "0"}),
    Row(
        "api",
        429,
        "too-many-requests",
        retried=True,
        body=google("EXHAUSTED", reason="RATE_LIMIT_EXCEEDED", delay="0.1s", **QUOTA),
        saw="quota PerMinute of requests: 60000",
    ),
    # what may be gone at the next try
    *(
        Row(what, status, "server-error", retried=True)
        for status in (499, 500, 502, 503, 504, 520, 524)
        for what in ("list", "api", "upload", "settings")
    ),
]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox for all rows."""
    with running("builds", tmp_path_factory.mktemp("box")) as sandbox:
        yield sandbox


@asynccontextmanager
async def connected(box: Sandbox, patience_s: str) -> AsyncIterator[Connections]:
    """Give clients that try twice, and wait so long for a quota."""
    environ = {"GCR_MIGRATE_ACCESS_TOKEN": box.token, "GCR_MIGRATE_QUOTA_WAIT_S": patience_s}
    settings = Settings(_endpoints(box), environ=environ, tries=2, base_s=0.01)
    async with Connections(settings) as clients:
        yield clients


def _endpoints(box: Sandbox) -> Endpoints:
    return Endpoints.load(json.dumps(box.endpoints), "endpoints.yaml")


async def _send_new_blob(
    target: TargetRegistry, name: str, on_bytes: Callable[[int], None] | None = None
) -> None:
    """Upload bytes that no registry has: one that is there would not be sent twice."""
    data = os.urandom(SIZE)
    blob = Descriptor("application/octet-stream", Digest.of(data), SIZE)
    await target.upload(name, blob, lambda: one_piece(data), on_bytes=on_bytes)


async def _other(clients: Connections) -> Manifest:
    """Return a manifest that can be written under any name of this repository."""
    there = await clients.source(HOST, "artifact-registry").manifest(APP, TAG)
    body = json.loads(there.raw)
    return Manifest.read(json.dumps(body | {"annotations": {"a": "b"}}).encode(), there.media_type)


async def _list(clients: Connections) -> None:
    await clients.source(HOST, "artifact-registry").listing(APP)


async def _get(clients: Connections) -> None:
    await clients.source(HOST, "artifact-registry").manifest(APP, TAG)


async def _blob(clients: Connections) -> None:
    source = clients.source(HOST, "artifact-registry")
    blob = (await source.manifest(APP, TAG)).blobs[0]
    async with source.open_blob(APP, blob) as feed:
        assert blob.digest.matches(await whole(feed))


async def _upload(clients: Connections) -> None:
    await _send_new_blob(clients.target(HOST, "artifact-registry"), NEW)


async def _put(clients: Connections) -> None:
    manifest = await _other(clients)
    target = clients.target(HOST, "artifact-registry")
    await target.put_manifest(APP, str(manifest.digest), manifest)


async def _tag(clients: Connections) -> None:
    manifest = await _other(clients)
    await clients.target(HOST, "artifact-registry").put_manifest(APP, TAG, manifest)


async def _same_tag(clients: Connections) -> None:
    manifest = await clients.source(HOST, "artifact-registry").manifest(APP, TAG)
    await clients.target(HOST, "artifact-registry").put_manifest(APP, TAG, manifest)


async def _api(clients: Connections) -> None:
    await clients.repositories("target").get(RESOURCE)


async def _probe(clients: Connections) -> None:
    host = gcr_host("us.gcr.io")
    assert host is not None
    await clients.probe_gcr(Project.parse("builds"), host)


# What the tool does, and which request of it is answered badly: host, method and path.
REQUESTS: dict[str, tuple[Callable[[Connections], Awaitable[None]], str, str, str]] = {
    "list": (_list, HOST, "GET", "/tags/list"),
    "token": (_list, HOST, "GET", "/v2/token"),
    "get": (_get, HOST, "GET", f"/manifests/{TAG}"),
    "blob": (_blob, HOST, "GET", "/blobs/sha256"),
    "upload session": (_upload, HOST, "POST", "/blobs/uploads/"),
    "upload": (_upload, HOST, "PUT", "artifacts-uploads"),
    "put": (_put, HOST, "PUT", "/manifests/sha256"),
    "tag": (_tag, HOST, "PUT", f"/manifests/{TAG}"),
    "same tag": (_same_tag, HOST, "PUT", f"/manifests/{TAG}"),
    "api": (_api, API, "GET", "/repositories/us.gcr.io"),
    "probe": (_probe, "us.gcr.io", "GET", "/tags/list"),
}


def outcome(box: Sandbox, row: Row, times: int | None) -> tuple[MigrateError | None, int]:
    """Do what the row is about; return the error, and how often its answer was given."""
    control(box, "DELETE")
    rule = {"status": row.status, "body": row.body, "headers": row.headers, "times": times}
    if row.what == "settings":
        control(box, "POST", rule | {"host": API, "method": "PATCH", "path": "/projectSettings"})
        act = _change_settings(box)
    else:
        do, host, method, path = REQUESTS[row.what]
        control(box, "POST", rule | {"host": host, "method": method, "path": path})
        act = _with_clients(box, do, "0" if times is None else "5")
    try:
        asyncio.run(act)
    except MigrateError as error:
        return error, control(box, "GET")[0]["hits"]
    else:
        return None, control(box, "GET")[0]["hits"]
    finally:
        control(box, "DELETE")


async def _with_clients(
    box: Sandbox, do: Callable[[Connections], Awaitable[None]], patience_s: str
) -> None:
    async with connected(box, patience_s) as clients:
        await do(clients)


async def _change_settings(box: Sandbox) -> None:
    """Send what no station of the tool sends yet."""
    async with Wire(_endpoints(box), Backoff(tries=2, base_s=0.01)) as wire:
        await wire.request("PATCH", SETTINGS, ok={200, 401}, body=b"{}")


@pytest.mark.slow
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_answer_that_stays_ends_with_its_code(box: Sandbox, row: Row) -> None:
    """It has the row's code, exit status and words, and only what is retried is asked again."""
    error, hits = outcome(box, row, None)
    if not row.code:
        assert error is None
        return
    assert error is not None
    assert (error.problem.code, error.problem.exit) == (row.code, row.exit)
    assert row.saw in error.saw
    patient = row.retried and row.status != 429  # here the time for a quota is set to nothing
    tries = 4 if row.status == 401 else 2  # there is a new token each time
    assert hits == (tries if patient else 1)


@pytest.mark.slow
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_answer_that_goes_away_is_survived_where_it_can_be(box: Sandbox, row: Row) -> None:
    """What is retried succeeds at the next try; anything else has failed at the first."""
    error, hits = outcome(box, row, 1)
    assert hits == 1
    if row.retried or not row.code:
        assert error is None
    else:
        assert error is not None
        assert error.problem.code == row.code


class Breaking:
    """A registry whose first upload breaks, and whose second one succeeds.

    Attributes:
        lie: bytes with which the first PUT is answered before the connection ends.
        sessions: session of each PUT.
    """

    def __init__(self, lie: bytes) -> None:
        self.lie = lie
        self.sessions: list[str] = []
        self._opened = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and hang up."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        await reader.readexactly(SIZE if head.startswith("PUT") else 0)
        writer.write(self._answer(*head.split(" ")[:2]))
        writer.close()
        await writer.wait_closed()

    def _answer(self, method: str, target: str) -> bytes:
        end = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        if method == "POST":
            self._opened += 1
            return b"HTTP/1.1 202 A\r\nLocation: /session/%d\r\n" % self._opened + end
        if method == "PUT":
            self.sessions.append(target.partition("?")[0])
            return self.lie if len(self.sessions) == 1 else b"HTTP/1.1 201 C\r\n" + end
        found = b"404 Not Found" if method == "HEAD" else b"200 OK"  # no blob has come yet
        return b"HTTP/1.1 %s\r\n" % found + end


@pytest.mark.parametrize(
    "lie",
    [b"", b"HTTP/1.1 201 C\r\nContent-Length: 9\r\n\r\nshort", b"HTTP/1.1 416 R\r\n\r\n"],
    ids=["connection-lost", "short-body", "416"],
)
def test_an_upload_that_broke_starts_over_under_a_new_session(lie: bytes) -> None:
    """The old session's address is never used again."""

    async def upload() -> list[str]:
        registry = Breaking(lie)
        server = await asyncio.start_server(registry.serve, "127.0.0.1", 0)
        async with server, Connections(Settings(environ={}, tries=2, base_s=0.01)) as clients:
            host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
            await _send_new_blob(clients.target(host, "distribution"), "a/b")
        return registry.sessions

    assert asyncio.run(upload()) == ["/session/1", "/session/2"]


@pytest.mark.parametrize("status", [403, 413, 503])
def test_bytes_of_a_refused_upload_are_taken_back(box: Sandbox, status: int) -> None:
    """They were told as they left; what failed has brought nothing to the target."""
    seen: list[int] = []

    async def send(clients: Connections) -> None:
        await _send_new_blob(clients.target(HOST, "artifact-registry"), NEW, seen.append)

    control(box, "POST", {"status": status, "method": "PUT", "path": "artifacts-uploads"})
    try:
        with pytest.raises(MigrateError):
            asyncio.run(_with_clients(box, send, "0"))
    finally:
        control(box, "DELETE")
    assert any(seen)
    assert sum(seen) == 0
