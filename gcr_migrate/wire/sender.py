"""What sends requests, by whatever library, and what comes back."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, Self

import httpx

from gcr_migrate.wire.pieces import Iterated, pulled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gcr_migrate.interfaces import Feed, Take

Limits = dict[str, float | None]


class Answer(Protocol):
    """The head of an answer, whose body is still to come: go through it for its pieces.

    Attributes:
        status: HTTP status.
        headers: header fields; names in any case.
    """

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the body in pieces as they come, as they were sent."""
        ...

    async def into(self, take: Take) -> None:
        """Give the whole body to who takes it, at a lower cost; see `Feed`."""
        ...

    async def aclose(self) -> None:
        """Give the connection back, or drop it if something is still to come."""
        ...


class Sender(Protocol):
    """Connections to all hosts."""

    async def send(
        self,
        method: str,
        address: str,
        fields: dict[str, str],
        body: bytes | Feed | None,
        limits: Limits,
    ) -> Answer:
        """Send a request, once, and return as soon as the head of the answer is there.

        Args:
            method: HTTP method.
            address: URL, which goes out byte for byte.
            fields: header fields, names in lower case.
            body: what is sent; pieces need a `content-length` among the fields.
            limits: seconds for `connect`, `pool`, `read` and `write`.

        Raises:
            httpx.TransportError: by the phase in which it failed.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class ByHttpx:
    """Sends by a transport of httpx.

    Args:
        transport: whose connections are used.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

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
        request = httpx.Request(
            method, address, headers=fields, content=content, extensions={"timeout": limits}
        )
        return _Response(await self._transport.handle_async_request(request))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


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
        return await anext(self._pieces)

    async def into(self, take: Take) -> None:
        await Iterated(self).into(take)

    async def aclose(self) -> None:
        await self._response.aclose()


def unpacked(answer: Answer, body: bytes) -> bytes:
    """Return a body as it was before a server packed it, though it was asked not to.

    Raises:
        httpx.DecodingError: it is not what its head says.
    """
    packed = answer.headers.get("content-encoding")
    if not packed or packed == "identity":
        return body
    return httpx.Response(answer.status, headers={"content-encoding": packed}, content=body).content
