"""A client of a registry that answers what a test tells it to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.model.login import Login
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.scripted import Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.wire.pilot import Pilot
    from tests.scripted import Answer, Asked

T = TypeVar("T")


def using(
    answer: Callable[[Asked], Answer],
    work: Callable[[RegistryClient], Awaitable[T]],
    dialect: Dialect = DISTRIBUTION,
    pilot: Pilot | None = None,
) -> T:
    """Return what work with a client comes to, which logs in as nobody and tries all twice."""

    async def run(host: str) -> T:
        async with Wire(Endpoints(), Backoff(tries=2, base_s=0.001), pilot=pilot) as wire:
            return await work(RegistryClient(host, wire, Credentials(Login(), {}, wire), dialect))

    with Scripted(answer) as server:
        return asyncio.run(run(server.url.removeprefix("http://")))
