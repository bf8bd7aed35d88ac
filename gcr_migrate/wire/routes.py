"""Which connections requests go over: our own on asyncio, or those of httpx, the fall-back."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import httpx

from gcr_migrate.wire.pool import Pool
from gcr_migrate.wire.sender import ByHttpx

if TYPE_CHECKING:
    from gcr_migrate.wire.network import Network, Proxy
    from gcr_migrate.wire.sender import Sender


def sender_for(network: Network, connections: int) -> Sender:
    """Return what sends requests over the connections of `transport_for`, at the least cost."""
    transport = transport_for(network, connections)
    return ByHttpx(transport) if network.library == "httpx" else cast("Sender", transport)


def transport_for(network: Network, connections: int) -> httpx.AsyncBaseTransport:
    """Return the connections to all hosts, as httpx takes them.

    Args:
        network: the way out of this machine.
        connections: how many may be in use at once.
    """
    if network.library == "httpx":
        return _of_httpx(network, connections)
    return Pool(network, connections)


def _of_httpx(network: Network, connections: int) -> httpx.AsyncBaseTransport:
    # httpx's connections look for this module at each request; where it is not installed, the
    # search costs an eighth of what a command computes. None says that there is no use in it.
    if "sniffio" not in sys.modules and not find_spec("sniffio"):
        sys.modules["sniffio"] = None  # type: ignore[assignment]
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    if network.proxies:
        return _Routes(network, limits)
    return httpx.AsyncHTTPTransport(verify=network.trust, trust_env=False, limits=limits)


class _Routes(httpx.AsyncBaseTransport):
    """One pool of connections without a proxy, and one for each proxy."""

    def __init__(self, network: Network, limits: httpx.Limits) -> None:
        self._network = network
        self._pools: dict[Proxy | None, httpx.AsyncHTTPTransport] = {
            proxy: httpx.AsyncHTTPTransport(
                verify=network.trust,
                trust_env=False,
                limits=limits,
                proxy=_for_library(proxy, network) if proxy else None,
            )
            for proxy in (None, *network.proxies)
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        pool = self._pools[self._network.proxy_for(url.scheme, url.host, url.port)]
        return await pool.handle_async_request(request)

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()


def _for_library(proxy: Proxy, network: Network) -> httpx.Proxy:
    trust = network.trust if proxy.url.startswith("https:") else None
    return httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=trust)
