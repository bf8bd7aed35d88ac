"""Clients of Google's APIs with tokens of a test's own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from gcr_migrate.google.services import Services
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from gcr_migrate.wire.endpoints import Endpoints

T = TypeVar("T")

TRIES = 3


class Login:
    """Logs in with one token after the other, as they are refused."""

    def __init__(self, *tokens: str, payer: str = "") -> None:
        self._tokens = list(tokens)
        self._payer = payer

    async def api_headers(self) -> dict[str, str]:
        """Return the first token that was not refused, and who pays if that was said."""
        who = {"authorization": f"Bearer {self._tokens[0]}"}
        return who | ({"x-goog-user-project": self._payer} if self._payer else {})

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Remember nothing."""

    async def refused(self, sent: Mapping[str, str]) -> None:
        """Go on to the next token, if there is one."""
        assert sent["authorization"] == f"Bearer {self._tokens[0]}"
        if len(self._tokens) > 1:
            del self._tokens[0]


def using(
    endpoints: Endpoints, work: Callable[[Services], Awaitable[T]], *tokens: str, payer: str = ""
) -> T:
    """Work with the clients of services, in a loop that ends with the work."""

    async def run() -> T:
        backoff = Backoff(tries=TRIES, base_s=0.001)
        with ThreadPoolExecutor(4) as threads:
            async with Wire(endpoints, backoff=backoff) as wire:
                return await work(Services(wire, Login(*tokens, payer=payer), threads))

    return asyncio.run(run())


async def listed(rows: AsyncIterator[T]) -> list[T]:
    """Take all rows of a list."""
    return [row async for row in rows]
