"""How a host is reached: told by the endpoints file, the proxy, or this machine's own look-up."""

from __future__ import annotations

import asyncio

import pytest

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.model.address import Range, Reach
from gcr_migrate.wire.dns import way_to
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.network import Network


def test_a_name_is_looked_up_here() -> None:
    """Without proxy and file the addresses are those that this machine finds, each once."""
    way = asyncio.run(way_to("localhost", Endpoints(), Network()))
    assert way.reach is Reach.DIRECT
    assert {"127.0.0.1", "::1"} & set(way.addresses)
    assert len(way.addresses) == len(set(way.addresses))
    assert way.range is Range.PUBLIC


def test_a_name_that_cannot_be_one_has_no_address() -> None:
    """A label longer than names can have is found out of reach, with no server asked."""
    host = f"{'a' * 64}.example"
    with pytest.raises(MigrateError) as raised:
        asyncio.run(way_to(host, Endpoints(), Network()))
    assert raised.value.problem is UNREACHABLE
    assert raised.value.subject == host


def test_a_mapped_name_is_not_looked_up() -> None:
    """With an endpoints file it counts where that sends the host."""
    text = "registries: {gcr.io: 'http://127.0.0.1:5000'}"
    way = asyncio.run(way_to("gcr.io", Endpoints.load(text, "e.yaml"), Network()))
    assert (way.reach, way.via, way.addresses) == (Reach.MAPPED, "127.0.0.1:5000", ())


def test_a_proxy_looks_names_up() -> None:
    """Behind a proxy no name is looked up here, and its password is not shown."""
    network = Network({"HTTPS_PROXY": "http://ada:secret@proxy.example:3128"})
    way = asyncio.run(way_to("gcr.io", Endpoints(), network))
    assert (way.reach, way.via) == (Reach.PROXY, "http://proxy.example:3128")
    assert "secret" not in repr(way)
