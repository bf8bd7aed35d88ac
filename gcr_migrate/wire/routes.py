"""Which connections requests go over: our own on asyncio, or those of httpx, the fall-back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.wire.pool import Pool

if TYPE_CHECKING:
    from gcr_migrate.wire.network import Network
    from gcr_migrate.wire.sender import Sender


def sender_for(network: Network, connections: int) -> Sender:
    """Return the connections to all hosts.

    Args:
        network: the way out of this machine, and whose connections are used.
        connections: how many may be in use at once.
    """
    if network.library == "httpx":
        from gcr_migrate.wire.by_httpx import ByHttpx  # noqa: PLC0415  # slow to load

        return ByHttpx(network, connections)
    return Pool(network, connections)
