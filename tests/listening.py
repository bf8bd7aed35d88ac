"""A port of loopback, each connection of which is served by a function in a thread of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 65_536


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen while the block runs, and give the port; a connection ends with its function."""

    def one(client: socket.socket) -> None:
        with client, suppress(OSError):
            serve(client)

    def accept(door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = door.accept()
                threading.Thread(target=one, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as door:
        thread = threading.Thread(target=accept, args=(door,), daemon=True)
        thread.start()
        try:
            yield int(door.getsockname()[1])
        finally:
            door.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def read_head(peer: socket.socket) -> tuple[bytes, bytes]:
    """Read up to the empty line; return the lines before it, and what came after it."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = peer.recv(PIECE)
        if not piece:
            return b"", b""
        seen += piece
    head, _, rest = seen.partition(b"\r\n\r\n")
    return head + b"\r\n", rest
