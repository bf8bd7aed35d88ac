"""Google's client libraries for one side of a migration: in threads, over the wire.

They are loaded when the first call needs them, as loading takes its time.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gcr_migrate.google.api import PageTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from concurrent.futures import Executor

    from google.cloud.artifactregistry_v1 import ArtifactRegistryClient
    from google.cloud.storage import Client as StorageClient  # type: ignore[import-untyped]

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.bridge import Bridge
    from gcr_migrate.google.clients import Clients

T = TypeVar("T")

# Every call of a library names both. Without them it would wait for ever, or try again on top of
# the wire's own tries: so none of its retries, and a time that covers all tries of the wire.
CALL: Final[dict[str, Any]] = {"timeout": 900.0, "retry": None}


class Libraries:
    """The clients, and the threads that they work in.

    Args:
        api: calls with our login.
        bridge: the way back to the loop.
        threads: where the clients work; nothing that they wait for may run there.
    """

    def __init__(self, api: Api, bridge: Bridge, threads: Executor) -> None:
        self._api = api
        self._bridge = bridge
        self._threads = threads
        self._one_at_a_time = threading.Lock()
        self._clients: Clients | None = None

    async def call(self, work: Callable[[], T], subject: str) -> T:
        """Do something with a client in a thread.

        Args:
            work: uses `artifact_registry()` or `storage()`, with `**CALL` at each call.
            subject: what an error is about.

        Raises:
            MigrateError: what the service said, in the same words as elsewhere.
        """
        loop = asyncio.get_running_loop()

        def translated() -> T:
            return self._loaded().translated(work, subject)

        return await loop.run_in_executor(self._threads, translated)

    async def pages(
        self, opened: Callable[[], Any], rows: Callable[[Any], list[T]], subject: str
    ) -> AsyncIterator[list[T]]:
        """Give a list page by page; the next page is asked for when it is wanted.

        Args:
            opened: calls a list method, and returns its pager.
            rows: makes rows of one page, in the thread.
            subject: what an error is about.
        """
        turned = PageTokens(subject)
        pager = await self.call(opened, subject)
        pages: Iterator[Any] = iter(pager.pages)

        def turn() -> tuple[list[T], str] | None:
            page = next(pages, None)
            return None if page is None else (rows(page), page.next_page_token)

        while (found := await self.call(turn, subject)) is not None:
            page_rows, onward = found
            yield page_rows
            if onward:
                turned.check(onward)

    def artifact_registry(self) -> ArtifactRegistryClient:
        """Return the client of Artifact Registry; from a thread of ours only."""
        return self._loaded().artifact_registry()

    def storage(self) -> StorageClient:
        """Return the client of Cloud Storage; from a thread of ours only."""
        return self._loaded().storage()

    def _loaded(self) -> Clients:
        from gcr_migrate.google.clients import Clients  # noqa: PLC0415  # as said above

        with self._one_at_a_time:
            if self._clients is None:
                self._clients = Clients(self._bridge, self._api)
            return self._clients
