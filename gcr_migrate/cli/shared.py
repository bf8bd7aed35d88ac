"""Connections that several targets of one command share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate.cli.logins import announce

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.connect import Connections, Side
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.login import Login
    from gcr_migrate.wire.budget import Budget


class Shared(Struct):
    """Connections by how they log in and how fast they ask, each opened once."""

    output: Output
    way: Way
    stack: AsyncExitStack
    budget: Budget
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: dict[tuple[Login | None, Login | None, Limits | None], Connections] = field(
        default_factory=dict
    )

    async def connections(
        self,
        source: Login | None,
        target: Login | None,
        limits: Limits | None,
        hosts: Mapping[Side, set[str]],
    ) -> Connections:
        """Return connections; whose login ends is told when they are opened."""
        key = (source, target, limits)
        async with self._opening:  # of several who want the same, one opens it
            if key not in self._open:
                opened = self.way.open(source, target, limits=limits)
                opened.pilot.budget = self.budget
                self._open[key] = await self.stack.enter_async_context(opened)
                await announce(self.output, self._open[key], hosts)
        return self._open[key]

    @property
    def requests(self) -> int:
        """How many were sent over all of them."""
        return sum(one.traffic.requests for one in self._open.values())
