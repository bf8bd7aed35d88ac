"""A TCP relay that lies: between the tool and a server, it cuts or corrupts chosen replies."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = 65_536


@dataclass
class Relay:
    """Passes each request on over a connection of its own.

    Attributes:
        upstream: port of loopback where the server is.
        path: regular expression of the request targets whose replies are lied about.
        lie: `cut` breaks off in the middle of the body, `corrupt` changes one byte of it.
        port: where the relay listens.
        told: how often it lied.
    """

    upstream: int
    path: str
    lie: Literal["cut", "corrupt"]
    port: int = 0
    told: int = 0
    _socket: socket.socket = field(default_factory=socket.socket)

    @property
    def url(self) -> str:
        """Where clients come."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[Relay]:
        """Listen while the block runs."""
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        """Pass on one request and its reply; the connection ends with it."""
        with (
            client,
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.upstream), 10) as server,
        ):
            head, body = _head(client)
            if not head:
                return
            server.sendall(
                re.sub(rb"(?im)^connection:.*\r\n", b"", head) + b"connection: close\r\n\r\n"
            )
            left = _length(head) - len(body)
            server.sendall(body)
            while left > 0 and (piece := client.recv(_PIECE)):
                server.sendall(piece)
                left -= len(piece)
            target = head.split(b" ", 2)[1].decode("ascii")
            reply_head, reply = _head(server)
            while piece := server.recv(_PIECE):
                reply += piece
            client.sendall(reply_head + b"\r\n" + self._lied(target, reply))

    def _lied(self, target: str, body: bytes) -> bytes:
        if not body or not re.search(self.path, target):
            return body
        self.told += 1
        middle = len(body) // 2
        if self.lie == "cut":
            return body[:middle]
        return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _head(peer: socket.socket) -> tuple[bytes, bytes]:
    """Read up to the empty line; return the lines before it, and what came after it."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = peer.recv(_PIECE)
        if not piece:
            return b"", b""
        seen += piece
    head, _, rest = seen.partition(b"\r\n\r\n")
    return head + b"\r\n", rest


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return int(found[1]) if found else 0
