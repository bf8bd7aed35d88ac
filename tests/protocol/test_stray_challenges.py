"""What a 401 says of one request, and what it says of others: at registries that differ by name."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.secret import Nobody
from gcr_migrate.wire.transport import Wire
from tests.feeds import one_piece, whole
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


HOST = "registry.example"
BLOB = Descriptor("x", Digest.of(b"{}"), 2)


def bearer(realm: str) -> str:
    """Return a challenge that leads to this path of the registry."""
    return f'Bearer realm="https://{HOST}{realm}",service="s"'


class Registry:
    """A registry that asks nobody for a login, unless it is told to.

    Attributes:
        asks_all: the challenge of its end-1; empty where that is open.
        strays: challenges of its next answers that are no tokens, whatever is asked; each once.
        wanting: names that are given to who has a token for them.
        closed: names that nobody is given.
        checks: whether it refuses a token of another realm, be the name open or not.
        services: status of each token service, by the path of its realm; others answer 401.
        private: names for which no token service has a token.
        asked: requests in their order: method, path and query, and what they were sent with.
    """

    def __init__(self) -> None:
        self.asks_all = ""
        self.strays: list[str] = []
        self.wanting: set[str] = set()
        self.closed: set[str] = set()
        self.checks = False
        self.services: dict[str, int] = {}
        self.private: set[str] = set()
        self.asked: list[tuple[str, str, str]] = []
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Answer:
        """Answer one request."""
        login = asked.headers.get("authorization", "")
        with self._lock:
            self.asked.append((asked.method, asked.target, login))
            if asked.target == "/v2/":
                return self._refusal(self.asks_all) if self.asks_all else Answer()
            if "/token" in asked.target:
                return self._token(asked.target)
            if self.strays:
                return self._refusal(self.strays.pop(0))
            name = asked.target.split("/")[2]
            if name in self.closed or not self._lets_in(name, login):
                return self._refusal(self.asks_all or bearer("/token"))
        return self._given(asked)

    def _lets_in(self, name: str, login: str) -> bool:
        if self.checks and login and "of /token " not in login:
            return False
        return bool(login) or not (self.asks_all or name in self.wanting)

    def _token(self, target: str) -> Answer:
        parts = urlsplit(target)
        scope = parse_qs(parts.query)["scope"][0]
        status = self.services.get(parts.path, 401)
        if status != 200 or scope.split(":")[1] in self.private:
            return Answer(401 if status == 200 else status, "no such account")
        return Answer(body={"token": f"of {parts.path} {scope}", "expires_in": 3600})

    def _given(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            return Answer(202, headers={"location": f"{asked.target}session"})
        if asked.method == "PUT":
            return Answer(201)
        return Answer(body={"tags": []} if "/tags/" in asked.target else {})

    @staticmethod
    def _refusal(challenge: str) -> Answer:
        return Answer(401, headers={"www-authenticate": challenge})

    def requests(self, part: str) -> list[str]:
        """Return with a token of which realm those with this part of a path came; or empty."""
        return [
            login.removeprefix("Bearer of ").partition(" ")[0]
            for _, target, login in self.asked
            if part in target
        ]


def using(registry: Registry, work: Callable[[RegistryClient], Awaitable[object]]) -> None:
    """Work with a client of the registry that has no login."""

    async def run(endpoints: Endpoints) -> None:
        async with Wire(endpoints, Backoff(tries=2, base_s=0.001)) as wire:
            await work(RegistryClient(HOST, wire, Nobody(), DISTRIBUTION))

    with Scripted(registry.answer) as server:
        mapped = {"registries": {HOST: server.url}}
        asyncio.run(run(Endpoints.load(json.dumps(mapped), "endpoints.yaml")))


def listing(*names: str) -> Callable[[RegistryClient], Awaitable[None]]:
    """Return work that lists names, one after the other."""

    async def work(client: RegistryClient) -> None:
        for name in names:
            await client.listing(name)

    return work


async def _read(client: RegistryClient) -> None:
    async with client.open_blob("a", BLOB) as feed:
        assert await whole(feed) == b"{}"


async def _write(client: RegistryClient) -> None:
    session = f"https://{HOST}/v2/a/blobs/uploads/session"
    await client.upload("a", BLOB, lambda: one_piece(b"{}"), session=session)


@pytest.mark.parametrize("work", [listing("a"), _read, _write], ids=["list", "read", "write"])
@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_one_stray_401_is_survived(
    work: Callable[[RegistryClient], Awaitable[None]], status: int
) -> None:
    """Its token service gives nothing, so what was refused is asked for once more as it was."""
    registry = Registry()
    registry.strays = [bearer("/token")]
    registry.services["/token"] = status
    using(registry, work)
    assert registry.requests("/v2/a/")[:2] == ["", ""]


@pytest.mark.parametrize("realm", ["http://elsewhere.example/token", "/token", ""])
def test_a_stray_401_with_a_realm_that_cannot_be_asked_is_survived(realm: str) -> None:
    """Nothing is sent there, and the request goes as it was."""
    registry = Registry()
    registry.strays = [f'Bearer realm="{realm}"']
    using(registry, listing("a"))
    assert registry.requests("/token") == []


def test_after_a_stray_401_other_names_ask_for_no_token() -> None:
    """It was about one request; what was taken without a token is sent without one."""
    registry = Registry()
    registry.strays = [bearer("/token")]
    using(registry, listing("a", "b", "c"))
    assert len(registry.requests("/token")) == 1
    assert registry.requests("/tags/") == ["", "", "", ""]


def test_a_name_that_is_always_refused_fails_alone() -> None:
    """Names before and after it are listed without a token."""
    registry = Registry()
    registry.closed = {"a"}

    async def work(client: RegistryClient) -> None:
        for _ in range(3):
            with pytest.raises(MigrateError, match="unauthorized"):
                await client.listing("a")
            await client.listing("b")

    using(registry, work)
    assert registry.requests("/v2/b/") == ["", "", ""]


def test_a_name_that_is_always_refused_is_told_in_the_words_of_its_token_service() -> None:
    """That knows what is wrong with the login; the registry said only that it wants one."""
    registry = Registry()
    registry.closed = {"a"}
    with pytest.raises(MigrateError, match="no such account"):
        using(registry, listing("a"))


def test_a_name_that_is_always_refused_is_asked_for_twice_with_one_token_request() -> None:
    """No storm comes of it."""
    registry = Registry()
    registry.closed = {"a"}
    with pytest.raises(MigrateError, match="unauthorized"):
        using(registry, listing("a"))
    assert len(registry.requests("/v2/a/")) == 2
    assert len(registry.requests("/token")) == 1


def test_where_each_name_wants_a_token_only_the_first_is_refused() -> None:
    """End-1 asks for nothing; once a token was taken the others come with theirs at once."""
    registry = Registry()
    registry.wanting = {"a", "b", "c"}
    registry.services["/token"] = 200
    using(registry, listing("a", "b", "c"))
    assert registry.requests("/tags/") == ["", "/token", "/token", "/token"]
    assert len(registry.requests("/token")) == 3


def test_a_name_without_a_token_is_asked_for_without_where_others_want_one() -> None:
    """Its token is refused once, and from then on it goes as at a registry that asks for none."""
    registry = Registry()
    registry.wanting = {"a", "b"}
    registry.private = {"open"}
    registry.services["/token"] = 200
    using(registry, listing("a", "open", "b", "open", "open"))
    assert registry.requests("/v2/open/") == ["", "", ""]
    assert len(registry.requests("%3Aopen%3A")) == 1


def test_a_name_that_came_to_want_a_token_gets_one() -> None:
    """What was taken without one for a while is refused, and the token service has one by then."""
    registry = Registry()
    registry.wanting = {"a"}
    registry.private = {"b"}
    registry.services["/token"] = 200

    async def work(client: RegistryClient) -> None:
        await listing("a", "b")(client)
        registry.private, registry.wanting = set(), {"a", "b"}
        await client.listing("b")

    using(registry, work)
    assert registry.requests("/v2/b/") == ["", "", "/token"]


def test_anonymous_pulls_go_on_after_a_push_was_refused() -> None:
    """A registry may want a login of who writes only."""

    class Pushing(Registry):
        def answer(self, asked: Asked) -> Answer:
            self.closed = {"a"} if asked.method == "POST" else set()
            return super().answer(asked)

    registry = Pushing()

    async def work(client: RegistryClient) -> None:
        with pytest.raises(MigrateError, match="unauthorized"):
            await client.upload("a", BLOB, lambda: pytest.fail("the source was opened"))
        await client.listing("a")

    using(registry, work)
    assert registry.requests("/tags/") == [""]


def test_a_stray_challenge_of_another_realm_leaves_a_registry_its_own() -> None:
    """Who asks everybody for tokens is asked with those, also by the request that was refused."""
    registry = Registry()
    registry.asks_all = bearer("/token")
    registry.services["/token"] = 200
    registry.strays = [bearer("/proxy/token")]
    using(registry, listing("a", "b"))
    assert registry.requests("/proxy/token") == [""]
    assert set(registry.requests("/tags/")) == {"/token"}


def test_a_token_that_was_not_taken_is_bought_for_no_other_name() -> None:
    """A proxy's token service gives tokens to everybody, and the registry knows none of them."""
    registry = Registry()
    registry.checks = True
    registry.strays = [bearer("/proxy/token")]
    registry.services["/proxy/token"] = 200

    async def work(client: RegistryClient) -> None:
        with pytest.raises(MigrateError, match="unauthorized"):
            await client.listing("a")
        await client.listing("b")

    using(registry, work)
    assert registry.requests("/v2/b/") == [""]


def test_while_a_token_service_is_down_nothing_is_sent_without_a_token() -> None:
    """It has given tokens before, so the registry is not asked for what it would refuse."""
    registry = Registry()
    registry.wanting = {"a", "b"}
    registry.services["/token"] = 200

    async def work(client: RegistryClient) -> None:
        await client.listing("a")
        registry.services["/token"] = 500
        with pytest.raises(MigrateError, match="server-error"):
            await client.listing("b")

    using(registry, work)
    assert registry.requests("/v2/b/") == []
