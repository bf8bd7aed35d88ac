"""A line with latency: passes bytes on to servers of this machine, later, and counts them.

A program of its own, so that its work is nobody else's: `relay.py MILLISECONDS PORT…` prints the
ports where it listens, one for each server, and ends when its input does; then it prints how many
bytes went up and down on each line. `MILLISECONDS:RATE` lets so many bytes go up in a second.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import dataclass

_PIECE = 1 << 17
_UNDER_WAY = 256  # pieces of one direction of a connection


@dataclass
class Line:
    """The way to one server.

    Attributes:
        port: where the server is.
        delay_s: how long bytes are under way in each direction.
        rate: bytes that all connections together send up in a second; 0: any number.
        free_at: when the line has room for the next of them.
        up: bytes that clients sent.
        down: bytes that the server sent.
    """

    port: int
    delay_s: float
    rate: float = 0.0
    free_at: float = 0.0
    up: int = 0
    down: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection until both sides are through."""
        if self.delay_s:
            await asyncio.sleep(2 * self.delay_s)  # to connect takes a round trip
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.port, limit=_PIECE
            )
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # the relay ends
            await asyncio.gather(
                self._pass_on(reader, far_writer, up=True),
                self._pass_on(far_reader, writer, up=False),
            )

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        """Pass on one direction; each piece is late by as much, and their order stays."""
        now = asyncio.get_running_loop().time
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        async with asyncio.TaskGroup() as group:
            group.create_task(_send(under_way, writer))
            piece = b"-"
            while piece:
                try:
                    piece = await reader.read(_PIECE)
                except OSError:
                    piece = b""
                if up:
                    self.up += len(piece)
                    await self._room(len(piece))
                else:
                    self.down += len(piece)
                await under_way.put((now() + self.delay_s, piece))

    async def _room(self, size: int) -> None:
        """Wait until the line has passed on so many bytes, after all that came before."""
        if self.rate:
            now = asyncio.get_running_loop().time()
            self.free_at = max(self.free_at, now) + size / self.rate
            await asyncio.sleep(self.free_at - now)


async def _send(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    """Write each piece when it is due; to one who is gone, for nothing."""
    now = asyncio.get_running_loop().time
    while True:
        due, piece = await under_way.get()
        if (wait_s := due - now()) > 0:
            await asyncio.sleep(wait_s)
        if not piece:
            writer.close()
            return
        with suppress(OSError):
            writer.write(piece)
            await writer.drain()


async def _main(milliseconds: float, rate: float, ports: list[int]) -> None:
    lines = [Line(port, milliseconds / 2_000, rate) for port in ports]
    servers = [
        await asyncio.start_server(line.serve, "127.0.0.1", 0, limit=_PIECE, backlog=256)
        for line in lines
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps([[line.up, line.down] for line in lines]), flush=True)


if __name__ == "__main__":
    milliseconds, _, rate = sys.argv[1].partition(":")
    asyncio.run(_main(float(milliseconds), float(rate or 0), [int(port) for port in sys.argv[2:]]))
