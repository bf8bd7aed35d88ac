"""A TCP relay that lies: between the tool and a server, it cuts or corrupts chosen replies."""

from __future__ import annotations

import re
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.listening import PIECE, listening, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Relay:
    """Passes each request on over a connection of its own.

    Attributes:
        upstream: port of loopback where the server is.
        path: regular expression of the request targets whose replies are lied about.
        lie: `cut` breaks off in the middle of the body, `corrupt` changes one byte of it.
        times: how often it lies; None for always.
        port: where the relay listens.
        told: how often it lied.
    """

    upstream: int
    path: str
    lie: Literal["cut", "corrupt"]
    times: int | None = None
    port: int = 0
    told: int = 0

    @property
    def url(self) -> str:
        """Where clients come."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Relay]:
        """Listen while the block runs."""
        with listening(self._one) as self.port:
            yield self

    def _one(self, client: socket.socket) -> None:
        """Pass on one request and its reply; the connection ends with it."""
        with socket.create_connection(("127.0.0.1", self.upstream), 10) as server:
            head, body = read_head(client)
            if not head:
                return
            server.sendall(
                re.sub(rb"(?im)^connection:.*\r\n", b"", head) + b"connection: close\r\n\r\n"
            )
            left = _length(head) - len(body)
            server.sendall(body)
            while left > 0 and (piece := client.recv(PIECE)):
                server.sendall(piece)
                left -= len(piece)
            target = head.split(b" ", 2)[1].decode("ascii")
            reply_head, reply = read_head(server)
            while piece := server.recv(PIECE):
                reply += piece
            client.sendall(reply_head + b"\r\n" + self._lied(target, reply))

    def _lied(self, target: str, body: bytes) -> bytes:
        if not body or self.told == self.times or not re.search(self.path, target):
            return body
        self.told += 1
        middle = len(body) // 2
        if self.lie == "cut":
            return body[:middle]
        return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return int(found[1]) if found else 0
