"""Values that are had anew ahead of their end: by one, for all who need them."""

from __future__ import annotations

import asyncio
import time

import pytest

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.wire.renewed import Renewed


class Well:
    """Gives a new number each time, when it is let.

    Attributes:
        count: how often it was asked.
        life_s: for how long what it gives is good.
        open: answers are given while it is set.
        error: is raised instead of an answer.
    """

    def __init__(self, life_s: float = 3_600) -> None:
        self.count = 0
        self.life_s = life_s
        self.open = asyncio.Event()
        self.open.set()
        self.error: MigrateError | None = None
        self.value = Renewed("well", self._fetch)

    async def _fetch(self) -> tuple[int, float]:
        self.count += 1
        await self.open.wait()
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return self.count, self.life_s


def failing() -> MigrateError:
    """Return what a service in trouble raises."""
    return MigrateError(UNREACHABLE, subject="well")


def test_fifty_who_wait_share_one_failure() -> None:
    """A service in trouble is not asked once more by each of those who wait for it."""

    async def work() -> int:
        well = Well()
        well.error = failing()
        asked = [well.value.get() for _ in range(50)]
        got = await asyncio.gather(*asked, return_exceptions=True)
        assert all(one is well.error for one in got)
        return well.count

    assert asyncio.run(work()) == 1


def test_who_comes_after_a_failure_asks_again() -> None:
    """The failure is theirs who waited for it, and nobody's later."""

    async def work() -> int:
        well = Well()
        well.error = failing()
        with pytest.raises(MigrateError):
            await well.value.get()
        well.error = None
        return await well.value.get()

    assert asyncio.run(work()) == 2


def test_nobody_waits_for_a_renewal_while_the_old_one_is_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slow service five minutes ahead of the end keeps only the one who asks it."""

    async def work() -> list[int]:
        well = Well()
        await well.value.get()
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 3_400)
        well.open.clear()
        asking = asyncio.create_task(well.value.get())
        await asyncio.sleep(0)
        others = await asyncio.gather(*(well.value.get() for _ in range(50)))
        well.open.set()
        return [await asking, *others]

    assert asyncio.run(work()) == [2, *[1] * 50]


def test_all_wait_where_the_old_one_was_refused() -> None:
    """Whatever its end was to be, it is of no use to anybody."""

    async def work() -> list[int]:
        well = Well()
        well.value.refused(await well.value.get())
        return await asyncio.gather(*(well.value.get() for _ in range(50)))

    assert asyncio.run(work()) == [2] * 50


def test_a_failed_renewal_is_not_tried_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the old one is good, one try in ten seconds is enough."""

    async def work() -> int:
        well = Well()
        await well.value.get()
        well.error = failing()
        now = time.monotonic()
        for later in (3_400, 3_405, 3_409, 3_411):
            monkeypatch.setattr(time, "monotonic", lambda later=later: now + later)
            assert await well.value.get() == 1
        return well.count

    assert asyncio.run(work()) == 3


def test_a_new_one_that_has_ended_shows_a_wrong_clock_and_is_used() -> None:
    """Where our clock is ahead, a token's end is past at once: no reason to ask for ever more."""

    async def work() -> int:
        well = Well(life_s=-1_000)
        for _ in range(50):
            await well.value.get()
        return well.count

    assert asyncio.run(work()) == 1
