"""What sends requests, by whatever library, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

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
            trouble.TransportError: by the phase in which it failed.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
