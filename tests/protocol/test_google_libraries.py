"""Google's client libraries and raw calls where services, logins and networks are awkward."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.bridge import Bridge
from gcr_migrate.google.services import Services
from gcr_migrate.model.settings import RepositorySettings
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.transport import Wire
from tests import google_clients as clients
from tests.google_clients import TRIES, Login, listed
from tests.scripted import Answer, Asked, Scripted, in_turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

RESOURCE = "projects/builds/locations/us/repositories/team"
T = TypeVar("T")


def using(service: Scripted, work: Callable[[Services], Awaitable[T]], *tokens: str) -> T:
    """Work with clients of a service that runs meanwhile."""
    with service:
        return clients.using(service.endpoints, work, *(tokens or ("t",)))


async def by_raw_call(services: Services) -> object:
    """Ask by a raw call, with one request."""
    return await listed(services.contents.docker_images(RESOURCE))


async def by_artifact_registry(services: Services) -> object:
    """Ask by the library of Artifact Registry, with one request."""
    return await listed(services.contents.packages(RESOURCE))


async def by_storage(services: Services) -> object:
    """Ask by the library of Cloud Storage, with one request unless the bucket is there."""
    return await services.buckets.get("artifacts.builds.appspot.com")


EVERY_WAY = pytest.mark.parametrize("work", [by_raw_call, by_artifact_registry, by_storage])
LISTS = pytest.mark.parametrize("work", [by_raw_call, by_artifact_registry])


@EVERY_WAY
def test_a_login_that_ended_is_renewed_and_sent_once_again(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """After a 401 the same call goes out with the next login, and succeeds."""
    service = Scripted(in_turn(Answer(401, {"error": {"status": "UNAUTHENTICATED"}}), Answer()))
    using(service, work, "old", "new")
    sent = [one.headers["authorization"] for one in service.asked]
    assert sent[:2] == ["Bearer old", "Bearer new"]
    assert service.asked[0].target == service.asked[1].target


@EVERY_WAY
def test_a_login_that_stays_refused_is_named(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """There is no third try, and the library does not try to log in by itself."""
    service = Scripted(in_turn(Answer(401, {"error": {"status": "UNAUTHENTICATED"}})))
    with pytest.raises(MigrateError, match="unauthorized"):
        using(service, work, "old", "new")
    assert len(service.asked) == 2


@EVERY_WAY
def test_tries_are_not_multiplied(work: Callable[[Services], Awaitable[object]]) -> None:
    """The wire tries a call as often as it was told, and no library on top of it."""
    service = Scripted(in_turn(Answer(503, {"error": {"status": "UNAVAILABLE"}})))
    with pytest.raises(MigrateError, match="server-error"):
        using(service, work)
    assert len(service.asked) == TRIES


@EVERY_WAY
@pytest.mark.parametrize("body", ["<html>proxy</html>", "[1]", '{"cut', "[" * 20_000])
def test_a_reply_that_is_no_object_cannot_be_used(
    work: Callable[[Services], Awaitable[object]], body: str
) -> None:
    """A library's own exceptions never come out."""
    with pytest.raises(MigrateError, match="bad-reply"):
        using(Scripted(in_turn(Answer(200, body))), work)


@EVERY_WAY
def test_a_disabled_service_is_named_alike(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """What a library made an exception of has the words and the problem of a raw reply."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": "x.googleapis.com", "consumer": "projects/4711"},
    }
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": "m", "details": [info]}
    with pytest.raises(MigrateError, match="api-disabled"):
        using(Scripted(in_turn(Answer(403, {"error": error}))), work)


@LISTS
def test_a_list_that_leads_back_to_itself_ends(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """A page that names a page which was there before is a reply that cannot be used."""
    tokens = iter("abab")
    service = Scripted(lambda _: Answer(200, {"nextPageToken": next(tokens)}))
    with pytest.raises(MigrateError, match=r"bad-reply.*does not end"):
        using(service, work)
    assert len(service.asked) == 3


@LISTS
def test_pages_are_asked_for_when_they_are_wanted(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """Who stops after the first row has not made the service list the rest."""
    path = "projects/builds/locations/us/repositories/team"
    page = {
        "packages": [{"name": f"{path}/packages/a"}],
        "dockerImages": [{"uri": f"us-docker.pkg.dev/builds/team/a@sha256:{'0' * 64}"}],
        "nextPageToken": "more",
    }
    service = Scripted(in_turn(Answer(200, page)))

    async def first_only(services: Services) -> None:
        contents = services.contents
        is_raw = work is by_raw_call
        rows: AsyncIterator[Any] = (
            contents.docker_images(RESOURCE) if is_raw else contents.packages(RESOURCE)
        )
        assert (await anext(rows)).path == "a"

    using(service, first_only)
    assert len(service.asked) == 1
    assert "pageSize=1000" in service.asked[0].target


@EVERY_WAY
def test_a_redirect_does_not_carry_the_login_away(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """Whoever a service points to does not see who we are."""
    with Scripted(in_turn(Answer())) as other:
        onward = Answer(307, {}, {"location": f"{other.url}/elsewhere"})
        using(Scripted(in_turn(onward)), work)
        assert other.asked
        assert all("authorization" not in one.headers for one in other.asked)


def test_a_redirected_write_is_not_followed() -> None:
    """A library that wants to create something creates it where it was told to, or nowhere."""
    with Scripted(in_turn(Answer())) as other:
        service = Scripted(in_turn(Answer(302, {}, {"location": f"{other.url}/elsewhere"})))
        with pytest.raises(MigrateError, match=r"bad-reply.*redirect not followed"):
            using(service, lambda s: s.repositories.create(RESOURCE, RepositorySettings()))
        assert not other.asked


ENVIRONMENT = {
    "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
    "API_ENDPOINT_OVERRIDE": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "elsewhere.example",
    "GOOGLE_API_USE_MTLS_ENDPOINT": "always",
    "GOOGLE_CLOUD_PROJECT": "another",
    "GOOGLE_CLOUD_QUOTA_PROJECT": "another",
    "GOOGLE_APPLICATION_CREDENTIALS": "/nonexistent",
}


@EVERY_WAY
def test_the_environment_does_not_move_a_library(
    work: Callable[[Services], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the wire decides on addresses and proxies, and only our own login is used."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    service = Scripted(in_turn(Answer()))
    using(service, work)
    assert service.asked
    for one in service.asked:
        assert one.headers["authorization"] == "Bearer t"
        assert "x-goog-user-project" not in one.headers


def test_a_library_that_cannot_be_set_up_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that the library refuses is no defect of this tool."""
    monkeypatch.setenv("GOOGLE_API_USE_MTLS_ENDPOINT", "nonsense")
    with pytest.raises(MigrateError, match=r"bad-credentials.*GOOGLE_API_USE_MTLS_ENDPOINT"):
        using(Scripted(in_turn(Answer())), by_artifact_registry)


@EVERY_WAY
def test_calls_say_who_pays_and_bear_one_name(
    work: Callable[[Services], Awaitable[object]],
) -> None:
    """The quota project goes with every call, and so does the name of this tool."""
    with Scripted(in_turn(Answer())) as service:
        clients.using(service.endpoints, work, "t", payer="payer")
    assert service.asked
    for one in service.asked:
        assert one.headers["x-goog-user-project"] == "payer"
        assert one.headers["user-agent"] == "gcr-migrate"


@EVERY_WAY
def test_a_compressed_reply_is_read(work: Callable[[Services], Awaitable[object]]) -> None:
    """A body that was decoded on its way is not decoded again."""
    body = gzip.compress(json.dumps({"permissions": []}).encode())
    service = Scripted(in_turn(Answer(200, body, {"content-encoding": "gzip"})))
    using(service, work)
    assert service.asked


def test_an_operation_with_a_newer_repository_is_done() -> None:
    """Its result may have fields and types that the library's parser refuses."""
    name = "projects/builds/locations/us/operations/1"
    made = {"@type": "type.googleapis.com/google.devtools.artifactregistry.v9.Repository", "x": 1}

    def answer(asked: Asked) -> Answer:
        if asked.method == "POST":
            return Answer(200, {"name": name})
        done = {"name": name, "done": True, "response": made}
        shown = {"name": RESOURCE, "format": "DOCKER"}
        return Answer(200, done if "/operations/" in asked.target else shown)

    service = Scripted(answer)
    using(service, lambda s: s.repositories.create(RESOURCE, RepositorySettings()))
    assert [one.method for one in service.asked] == ["POST", "GET", "GET"]


def test_many_calls_at_once_have_their_own_subjects() -> None:
    """Threads do not mix up what their errors are about."""
    service = Scripted(in_turn(Answer(404, {"error": {"status": "NOT_FOUND"}})))

    async def work(services: Services) -> None:
        names = [f"p{number}" for number in range(12)]
        found = await asyncio.gather(
            *(listed(services.contents.tags(RESOURCE, name)) for name in names),
            return_exceptions=True,
        )
        subjects = [one.subject for one in found if isinstance(one, MigrateError)]
        assert subjects == [f"{RESOURCE}/packages/{name}" for name in names]

    using(service, work)


def test_closing_lets_waiting_threads_go() -> None:
    """A service that never answers does not hold up the end of a command."""
    hold = threading.Event()
    asked = threading.Event()

    def answer(_: Asked) -> Answer:
        asked.set()
        hold.wait(60)
        return Answer()

    async def run(endpoints: Endpoints) -> float:
        with ThreadPoolExecutor(1) as threads:
            async with Wire(endpoints) as wire:
                services = Services(wire, Login("t"), threads)
                call = asyncio.create_task(by_artifact_registry(services))
                await asyncio.to_thread(asked.wait, 10)
                begun = time.monotonic()
                services.close()
                with pytest.raises(asyncio.CancelledError):
                    await call
        return time.monotonic() - begun

    with Scripted(answer) as service:
        took_s = asyncio.run(run(service.endpoints))
        hold.set()
    assert took_s < 30


def test_a_call_as_a_whole_has_an_end() -> None:
    """What a thread waits for longer than it may is cancelled, and named."""

    async def run() -> bool:
        loop, cancelled = asyncio.get_running_loop(), asyncio.Event()

        async def endless() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with Wire(Endpoints()) as wire:
            bridge = Bridge(wire, loop)
            with pytest.raises(MigrateError, match=r"unreachable.*gs://b.*no answer within"):
                await asyncio.to_thread(bridge.run, endless, timeout_s=0.05, subject="gs://b")
            async with asyncio.timeout(5):
                await cancelled.wait()
            return cancelled.is_set()

    assert asyncio.run(run())


def test_a_closed_bridge_starts_nothing() -> None:
    """A thread that comes too late does not wait for a loop that has gone."""

    async def run() -> None:
        async with Wire(Endpoints()) as wire:
            bridge = Bridge(wire, asyncio.get_running_loop())
            bridge.close()
            sent = asyncio.to_thread(bridge.send, "GET", "https://a.example/", {}, None, "a")
            with pytest.raises(asyncio.CancelledError):
                await sent

    asyncio.run(run())
