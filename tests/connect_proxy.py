"""A proxy as companies have them: it opens tunnels (CONNECT) and alone knows where hosts are."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.listening import PIECE, listening, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class ConnectProxy:
    """Opens a tunnel to the port of loopback that plays a host.

    Attributes:
        ports: port of loopback for each `host:port` that it knows.
        login: `user:password` that it asks for; empty lets everybody in.
        port: where it listens.
        asked: each `host:port` that a tunnel was asked for.
    """

    ports: Mapping[str, int]
    login: str = ""
    port: int = 0
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address without a login."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[ConnectProxy]:
        """Listen while the block runs."""
        with listening(self._one) as self.port:
            yield self

    def _one(self, client: socket.socket) -> None:
        head, _ = read_head(client)
        if not head:
            return
        answer, port = self._judge(head.decode("latin-1"))
        if port is None:
            client.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        with socket.create_connection(("127.0.0.1", port), 10) as server:
            server.settimeout(None)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(10)

    def _judge(self, head: str) -> tuple[str, int | None]:
        method, target, _ = head.partition("\r\n")[0].split(" ", 2)
        wanted = "basic " + base64.b64encode(self.login.encode()).decode().lower()
        if self.login and f"proxy-authorization: {wanted}" not in head.lower():
            return "407 Proxy Authentication Required", None
        self.asked.append(target)
        if method != "CONNECT" or target not in self.ports:
            return "502 Bad Gateway", None
        return "200 OK", self.ports[target]


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
