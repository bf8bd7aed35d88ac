"""Somebody on loopback who takes messages: a webhook or a push gateway, as tests want it to be."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Message:
    """What was sent."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes messages.

    Attributes:
        url: where it listens.
        taken: what was answered with success, in the order of its coming.
        refused: what was not.
        answers: statuses of the next answers; 200 after them.
        words: what it says when it refuses.
    """

    url: str = ""
    taken: list[Message] = field(default_factory=list)
    refused: list[Message] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    words: str = ""

    def told(self) -> list[Any]:
        """Return the messages that came since it was asked last, as JSON."""
        found = [one.json() for one in self.taken]
        self.taken.clear()
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Have a receiver while the block runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = receiver.answers.pop(0) if receiver.answers else 200
            pile = receiver.taken if status < 300 else receiver.refused
            pile.append(Message(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            said = b"" if status < 300 else receiver.words.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        yield receiver
        server.shutdown()
        thread.join()
