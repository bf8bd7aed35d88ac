"""Work is handed out by bytes: each process gets as much of them, whatever comes in between."""

from __future__ import annotations

import asyncio
import pickle
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from gcr_migrate.apply.workers import Workers, working
from gcr_migrate.model.content import Digest
from gcr_migrate.model.work import BlobWork, End

if TYPE_CHECKING:
    from asyncio.subprocess import Process

LAYER, CONFIG = 1_000_000, 1_000
END = End("target", "127.0.0.1:1", "plain", None, "app", "app")


class Busy:
    """The pipes of a process that never says anything, and what it was given of bytes."""

    def __init__(self) -> None:
        self.given = 0
        self.closed = False
        self.reader = asyncio.StreamReader()

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self.closed

    def write(self, data: bytes) -> None:
        """Take a piece of work."""
        task = pickle.loads(data[4:])  # noqa: S301  # ours
        self.given += getattr(getattr(task, "work", None), "size_bytes", 0)

    def close(self) -> None:
        """End it."""
        self.closed = True
        self.reader.feed_eof()

    async def wait(self) -> int:
        """Wait for its end."""
        return 0

    def process(self) -> Process:
        """Return it as a process with two pipes, which is over before anybody could end it."""
        return cast(
            "Process",
            SimpleNamespace(stdin=self, stdout=self.reader, wait=self.wait, returncode=0),
        )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_no_process_gets_all_the_layers(count: int) -> None:
    """Layers and configs come in turns, as images have them."""

    async def run() -> list[int]:
        all_of_them: list[Busy] = []

        async def start() -> Process:
            all_of_them.append(Busy())
            return all_of_them[-1].process()

        async with working(count, start, lambda _: None, asyncio.Event()) as workers:
            doing = [asyncio.create_task(one(workers, size)) for size in [LAYER, CONFIG] * 12]
            await asyncio.sleep(0.01)
            for task in doing:
                task.cancel()
            await asyncio.gather(*doing, return_exceptions=True)
        return [busy.given // LAYER for busy in all_of_them]

    assert asyncio.run(run()) == [12 // count] * count


async def one(workers: Workers, size: int) -> Any:
    """Have a blob of that size sent."""
    return await workers.do(BlobWork(END, END, Digest("sha256", "0" * 64), size))
