"""How a host is reached: by the endpoints file, by a proxy, or by addresses looked up here."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.model.address import NO_ADDRESS, Reach, Way

if TYPE_CHECKING:
    from gcr_migrate.wire.endpoints import Endpoints
    from gcr_migrate.wire.network import Network

_PORT: Final = 443
_LOOKUP_S: Final = 20.0


async def way_to(host: str, endpoints: Endpoints, network: Network) -> Way:
    """Tell how requests to a host leave this machine.

    Args:
        host: real host, without a port.
        endpoints: where hosts are.
        network: proxies.

    Raises:
        MigrateError: ENDPOINT_UNMAPPED; UNREACHABLE if the name has no address.
    """
    url = f"https://{host}/"
    address = endpoints.resolve(url)
    if address != url:
        return Way(host, Reach.MAPPED, via=urlsplit(address).netloc)
    proxy = network.proxy_for("https", host, _PORT)
    if proxy:
        return Way(host, Reach.PROXY, via=proxy.url)
    return Way(host, Reach.DIRECT, await _addresses(host))


async def _addresses(host: str) -> tuple[str, ...]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_LOOKUP_S):
            found = await loop.getaddrinfo(host, _PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        words = getattr(error, "strerror", "") or type(error).__name__
        raise MigrateError(UNREACHABLE, subject=host, saw=f"{NO_ADDRESS}{words}") from error
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))
