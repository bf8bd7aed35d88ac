"""A port of loopback for each host that the sandbox plays, with TLS or without."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import uvicorn

from gcr_migrate.errors import DEFECT, MigrateError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from starlette.types import ASGIApp

_LONGEST_HEAD: Final = 128 * 1024  # Artifact Registry's own headers reached 21 KB
_BACKLOG: Final = 2048
_KEEP_ALIVE_SECONDS: Final = 75  # longer than clients keep idle connections
_START_SECONDS: Final = 20.0


class Ports:
    """One port for each label, bound at once, so that addresses are known before any is served.

    Args:
        labels: registry hosts and services.
        port_base: first of consecutive ports; without it the system chooses free ones.
        tls: what serves TLS; None for plain HTTP.
        plain: labels that stay plain HTTP.
        others: what serves TLS at single labels instead.
    """

    def __init__(
        self,
        labels: Sequence[str],
        port_base: int | None,
        tls: ssl.SSLContext | None = None,
        plain: Collection[str] = (),
        others: Mapping[str, ssl.SSLContext] | None = None,
    ) -> None:
        self._tls = tls
        self._others = others or {}
        self._sockets: dict[str, socket.socket] = {}
        self._servers: list[uvicorn.Server] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()
        self._plain = frozenset(plain if tls else labels)
        for at, label in enumerate(labels):
            # asyncio sends without delay only where the protocol is named; else what follows the
            # head of an answer waits 40 ms for the client's acknowledgement.
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", 0 if port_base is None else port_base + at))
            one.listen(_BACKLOG)
            self._sockets[label] = one
        self.labels = {one.getsockname()[1]: label for label, one in self._sockets.items()}

    @property
    def addresses(self) -> dict[str, str]:
        """Return the address of each label."""
        return {
            label: f"{'http' if label in self._plain else 'https'}://127.0.0.1:{port}"
            for port, label in self.labels.items()
        }

    async def serve(self, app: ASGIApp) -> None:
        """Serve until `stop` is called; what is in flight then is broken off."""
        self._loop = asyncio.get_running_loop()
        by_context: dict[ssl.SSLContext | None, list[socket.socket]] = {}
        for label, one in self._sockets.items():
            tls = None if label in self._plain else self._others.get(label, self._tls)
            by_context.setdefault(tls, []).append(one)
        self._servers = [self._server(app, tls) for tls in by_context]
        pairs = zip(self._servers, by_context.values(), strict=True)
        async with asyncio.TaskGroup() as group:
            serving = [group.create_task(server.serve(sockets=held)) for server, held in pairs]
            await self._told.wait()
            # uvicorn's own way to end takes 0.2 s, and a second more where a request is held.
            for task in serving:
                task.cancel()
        for server in self._servers:
            await _break_off(server)

    def _server(self, app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Server:
        config = uvicorn.Config(
            app,
            lifespan="off",
            http="h11",
            ws="none",
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            backlog=_BACKLOG,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        return uvicorn.Server(config)

    def stop(self) -> None:
        """Let `serve` end; may be called from any thread, and more than once."""
        if self._loop:
            with suppress(RuntimeError):  # the loop is closed: it has ended already
                self._loop.call_soon_threadsafe(self._told.set)

    @contextmanager
    def serving(self, app: ASGIApp) -> Iterator[None]:
        """Serve in a thread of its own while the block runs."""
        thread = threading.Thread(target=lambda: asyncio.run(self.serve(app)), daemon=True)
        thread.start()
        limit = time.monotonic() + _START_SECONDS
        while not (self._servers and all(server.started for server in self._servers)):
            if not thread.is_alive() or time.monotonic() > limit:
                raise MigrateError(DEFECT, subject="sandbox", saw="did not start")
            time.sleep(0.005)
        try:
            yield
        finally:
            self.stop()
            thread.join(_START_SECONDS)


async def _break_off(server: uvicorn.Server) -> None:
    """Close what a server listens on, and its connections, whatever is under way on them."""
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    tasks = list(server.server_state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
