"""A relay between the tool and a server that breaks, stalls, cuts or changes what passes it."""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final, Literal

from tests.listening import PIECE, listening, read_head

if TYPE_CHECKING:
    from collections.abc import Iterator

Lie = Literal[
    "clock",
    "corrupt",
    "corrupt-request",
    "cut",
    "extra",
    "longer",
    "reset-after",
    "reset-before",
    "reset-within",
    "shorter",
    "stall",
    "tls",
    "unmarked",
]
_IN_BODY: Final = frozenset({"corrupt", "cut", "extra", "longer", "shorter"})
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset
_CLOCK_OFF: Final = timedelta(days=1)


@dataclass
class Relay:
    """Passes requests on, each over a connection of its own, and lies about some.

    Attributes:
        upstream: port of loopback where the server is.
        path: regular expression searched in the target of a request, and in the target of the
            one that was sent there: where a redirect or an upload session is, tells nothing.
        lie: what happens to these. The reply: `cut` ends it in the middle of the body, `corrupt`
            changes one byte, `stall` sends half of it and nothing more, `extra` sends more than
            was promised, `longer` and `shorter` promise another length, `clock` moves its date
            by a day, `unmarked` takes off the fields that say who answers, `tls` breaks the
            encryption below it, `reset-after` resets the connection instead. The request:
            `reset-before` resets the connection before anything is passed on, `reset-within` after
            half of the body, `corrupt-request` changes a byte.
        times: how often it lies; None for always.
        skip: so many of these requests pass first.
        method: regular expression of their methods.
        tls: what it serves TLS with; the server itself is spoken to without.
        port: where the relay listens.
        told: how often it lied.
    """

    upstream: int
    path: str
    lie: Lie
    times: int | None = None
    skip: int = 0
    method: str = ""
    tls: ssl.SSLContext | None = None
    port: int = 0
    told: int = 0
    _passed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _led_by: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Where clients come."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The same, as an address."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    @contextmanager
    def running(self) -> Iterator[Relay]:
        """Listen while the block runs."""
        with listening(self._serve) as self.port:
            yield self

    def _serve(self, client: socket.socket) -> None:
        if self.tls is None:
            while self._one(client):
                pass
            return
        with suppress(ssl.SSLError), self.tls.wrap_socket(client, server_side=True) as inner:
            while self._one(inner):
                pass

    def _one(self, client: socket.socket) -> bool:
        """Pass on one request and its reply; return whether another one may follow."""
        head, body = read_head(client)
        if not head:
            return False
        method, target, _ = head.decode("latin-1").split(" ", 2)
        lie = self._lie_about(method, target)
        while len(body) < _length(head) and (piece := client.recv(PIECE)):
            body += piece
        if lie == "reset-before":
            return _reset(client)
        if lie == "corrupt-request":
            body, lie = _changed(body), None
        reply_head, reply = self._asked(head, body, within=lie == "reset-within")
        if lie in {"reset-after", "reset-within"}:
            return _reset(client)
        self._learn(target, reply_head)
        return self._answer(client, reply_head, reply, lie)

    def _lie_about(self, method: str, target: str) -> Lie | None:
        led_by = self._led_by.get(target.partition("?")[0], "")
        if not re.search(self.method, method):
            return None
        if not (re.search(self.path, target) or (led_by and re.search(self.path, led_by))):
            return None
        with self._lock:
            self._passed += 1
            if self._passed <= self.skip or self.told == self.times:
                return None
            self.told += 1
        return self.lie

    def _spared(self) -> None:
        """Take back that it lied: there was no body to change."""
        with self._lock:
            self.told -= 1

    def _asked(self, head: bytes, body: bytes, *, within: bool) -> tuple[bytes, bytes]:
        """Ask the server, or leave it in the middle of the request; return its whole reply."""
        with socket.create_connection(("127.0.0.1", self.upstream), 10) as server:
            onward = re.sub(rb"(?im)^connection:.*\r\n", b"", head)
            with suppress(OSError):  # it may have answered early, and closed
                server.sendall(onward + b"connection: close\r\n\r\n")
                server.sendall(body[: len(body) // 2] if within else body)
            if within:
                return b"", b""
            reply_head, reply = read_head(server)
            with suppress(OSError):
                while piece := server.recv(PIECE):
                    reply += piece
        return reply_head, reply

    def _learn(self, target: str, reply_head: bytes) -> None:
        found = re.search(rb"(?im)^location:\s*(\S+)", reply_head)
        if found:
            onward = re.sub(r"^https?://[^/]*", "", found[1].decode("latin-1"))
            self._led_by[onward.partition("?")[0]] = target

    def _answer(self, client: socket.socket, head: bytes, body: bytes, lie: Lie | None) -> bool:
        """Send the reply, as it is or not; return whether another request may follow."""
        head = re.sub(rb"(?im)^connection:.*\r\n", b"", head)
        if self.tls:  # the server cannot know that it is reached so
            head = head.replace(b'realm="http:', b'realm="https:')
        sized = re.search(rb"(?im)^content-length:", head) is not None
        middle = len(body) // 2
        head = re.sub(rb"(?im)^x-gcr-.*\r\n", b"", head) if lie == "unmarked" else head
        if lie in _IN_BODY and not body:
            lie = None
            self._spared()
        if lie == "clock":
            head = _with_field(head, "date", format_datetime(datetime.now(UTC) + _CLOCK_OFF, True))  # noqa: FBT003
        elif lie == "corrupt":
            body = _changed(body)
        elif lie == "extra":
            body += b"HTTP/1.1 200 OK\r\nand something else"
        elif lie in {"longer", "shorter"}:
            size = len(body) + (7 if lie == "longer" else -7)
            head = _with_field(head, "content-length", str(size))
        broken = lie in {"cut", "stall", "tls"}
        goes_on = sized and not broken and lie not in {"longer", "shorter"}
        if broken and not body:
            head = head[: len(head) // 2]
            client.sendall(head)
        else:
            head += b"" if goes_on else b"connection: close\r\n"
            client.sendall(head + b"\r\n" + (body[:middle] if broken else body))
        if lie == "stall":
            client.recv(PIECE)  # until the client has had enough of it
        if lie == "tls":
            os.write(client.fileno(), b"\x17\x03\x03\x00\x20" + b"no record, no key, no way at all")
        return goes_on


def _reset(client: socket.socket) -> bool:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    return False


def _changed(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :] if body else body


def _with_field(head: bytes, name: str, value: str) -> bytes:
    others = re.sub(rb"(?im)^" + name.encode() + rb":.*\r\n", b"", head)
    return others + f"{name}: {value}\r\n".encode()


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return int(found[1]) if found else 0
