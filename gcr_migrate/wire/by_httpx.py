"""What httpx does for us: its connections are the fall-back.

It is slow to load, so nothing imports this module before it is needed.
"""

from __future__ import annotations

import sys
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

import httpx

from gcr_migrate.wire import trouble
from gcr_migrate.wire.pieces import Iterated, pulled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from gcr_migrate.interfaces import Feed, Take
    from gcr_migrate.wire.network import Network, Proxy
    from gcr_migrate.wire.sender import Answer, Limits


class ByHttpx:
    """Sends over connections of httpx: one pool of them without a proxy, and one for each proxy.

    Args:
        network: the way out of this machine.
        connections: how many of a pool may be in use at once.
    """

    def __init__(self, network: Network, connections: int) -> None:
        # httpx's connections look for this module at each request; where it is not installed, the
        # search costs an eighth of what a command computes. None says that there is no use in it.
        if "sniffio" not in sys.modules and not find_spec("sniffio"):
            sys.modules["sniffio"] = None  # type: ignore[assignment]
        self._network = network
        self._pools: dict[Proxy | None, httpx.AsyncHTTPTransport] = {
            proxy: httpx.AsyncHTTPTransport(
                verify=network.trust,
                trust_env=False,
                limits=httpx.Limits(
                    max_connections=connections, max_keepalive_connections=connections
                ),
                proxy=_for_library(proxy, network) if proxy else None,
            )
            for proxy in (None, *network.proxies)
        }

    async def send(
        self,
        method: str,
        address: str,
        fields: dict[str, str],
        body: bytes | Feed | None,
        limits: Limits,
    ) -> Answer:
        """Send a request; see `Sender`."""
        if body is None or isinstance(body, bytes):
            return await self._sent(method, address, fields, body, limits)
        async with aclosing(pulled(body)) as pieces:
            return await self._sent(method, address, fields, pieces, limits)

    async def _sent(
        self,
        method: str,
        address: str,
        fields: dict[str, str],
        content: bytes | AsyncIterator[bytes] | None,
        limits: Limits,
    ) -> Answer:
        with _as_ours():
            request = httpx.Request(
                method, address, headers=fields, content=content, extensions={"timeout": limits}
            )
            url = request.url
            pool = self._pools[self._network.proxy_for(url.scheme, url.host, url.port)]
            return _Response(await pool.handle_async_request(request))

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()


class _Response:
    """A response of httpx."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._pieces = response.aiter_raw()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        with _as_ours():
            return await anext(self._pieces)

    async def into(self, take: Take) -> None:
        await Iterated(self).into(take)

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _as_ours() -> Iterator[None]:
    """Turn what httpx raises into what has the same name here, or the name of its nearest base."""
    try:
        yield
    except (httpx.TransportError, httpx.InvalidURL, httpx.DecodingError) as error:
        kinds = (getattr(trouble, kind.__name__, None) for kind in type(error).__mro__)
        raise next(filter(None, kinds))(str(error)) from error


def _for_library(proxy: Proxy, network: Network) -> httpx.Proxy:
    trust = network.trust if proxy.url.startswith("https:") else None
    return httpx.Proxy(proxy.url, auth=proxy.auth, ssl_context=trust)
