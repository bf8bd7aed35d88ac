"""A service on loopback that answers what a test tells it to."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

from gcr_migrate.wire.endpoints import Endpoints

if TYPE_CHECKING:
    from collections.abc import Callable

_SERVICES = (
    "artifact_registry",
    "cloud_asset",
    "iam",
    "org_policy",
    "pubsub",
    "resource_manager",
    "service_usage",
    "storage",
)


@dataclass(frozen=True)
class Asked:
    """A request as it came; `target` is path and query, names of header fields in small letters."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What is answered; a `body` that is no text or bytes goes as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        """Return the body's bytes."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


UNKNOWN = Answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]})


class Scripted:
    """Answers each request by a function; starts as a context.

    Attributes:
        asked: requests in their order.
    """

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def endpoints(self) -> Endpoints:
        """An endpoints file that leads all of Google's APIs to it."""
        return Endpoints.load("".join(f"{one}: {self.url}\n" for one in _SERVICES), "endpoints")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            return self._answer(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or each answer waits for a late ACK

            def handle_any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", "0")))
                if headers.get("transfer-encoding") == "chunked":
                    body = self.chunks()
                answer = service._reply(Asked(self.command, self.path, headers, body))
                content = answer.content()
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if not {*answer.headers} & {"content-length", "transfer-encoding"}:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def chunks(self) -> bytes:
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815  # as the base

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    """Give these answers one after the other, the last one again and again."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
