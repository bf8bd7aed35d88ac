"""Where requests go is found out once for each server, and is still right for each request."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gcr_migrate.errors import ENDPOINT_UNMAPPED, MigrateError
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.transport import Wire
from tests.peer import Peer, script

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
resolved: Counter[str] = Counter()


class Counting(Endpoints, frozen=True):
    """Counts what it is asked."""

    def resolve(self, url: str) -> str:
        """Return the address for a URL."""
        resolved[url] += 1
        return super().resolve(url)


def asked(text: str, *urls: str, table: type[Endpoints] = Endpoints) -> tuple[list[str], Pilot]:
    """Ask URLs through an endpoints file, with `AT` for a server; return what came, and whom."""
    pilot = Pilot()

    async def work() -> list[str]:
        peer = Peer(script(*[ANSWER] * len(urls)))
        async with peer.running():
            endpoints = table.load(text.replace("AT", peer.url), "endpoints.yaml")
            async with Wire(endpoints, pilot=pilot) as wire:
                for url in urls:
                    await wire.request("GET", url, ok={200})
        return [head.splitlines()[0].split()[1] for head in peer.heads]

    return asyncio.run(work()), pilot


def test_a_server_is_looked_up_once() -> None:
    """Not once for each request to it."""
    resolved.clear()

    came, _ = asked(
        "registries: {a.example: AT}",
        *[f"https://a.example/v2/{number}?n={number}" for number in range(20)],
        table=Counting,
    )

    assert came == [f"/v2/{number}?n={number}" for number in range(20)]
    assert resolved.total() == 1


def test_every_path_follows_the_address_that_a_file_gives() -> None:
    """Also one that is empty, or only a query, where the address has a path of its own."""
    came, _ = asked(
        "registries: {a.example: AT/below}",
        "https://a.example",
        "https://a.example/",
        "https://a.example?n=1",
        "https://a.example/v2/%3A//x",
    )

    assert came == ["/below/", "/below/", "/below/?n=1", "/below/v2/%3A//x"]


def test_locations_of_one_address_are_counted_apart() -> None:
    """Artifact Registry counts what its API is asked by location, which only the path says."""
    at = "https://artifactregistry.googleapis.com/v1/projects/p/locations"

    _, pilot = asked("artifact_registry: AT", f"{at}/us/x", f"{at}/europe/x", f"{at}/us/y", at)

    assert {name: one.requests for name, one in pilot.counts().items()} == {
        "artifactregistry.googleapis.com": 1,
        "europe-docker.pkg.dev": 1,
        "us-docker.pkg.dev": 2,
    }


@pytest.mark.slow
def test_more_servers_than_are_remembered_are_found_all_the_same() -> None:
    """However many there are, each is at its own address."""
    hosts = [f"h{number}.example" for number in range(300)]
    table = ", ".join(f"{host}: AT/{host}" for host in hosts)

    came, _ = asked(f"registries: {{{table}}}", *[f"https://{host}/x" for host in hosts])

    assert came == [f"/{host}/x" for host in hosts]


def test_a_server_that_a_file_does_not_name_is_refused_each_time() -> None:
    """What may not be asked is not remembered as if it might be."""

    async def work() -> list[str]:
        refused = []
        async with Wire(Endpoints.load("registries: {}", "endpoints.yaml")) as wire:
            for _ in range(2):
                try:
                    await wire.request("GET", "https://a.example/v2/", ok={200})
                except MigrateError as error:
                    refused.append(error.problem.code)
        return refused

    assert asyncio.run(work()) == [ENDPOINT_UNMAPPED.code] * 2
