"""Which mounts are worth asking for: one of a pair asks first, and the rest go by its answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from gcr_migrate.apply.mounts import Mounts, Pair

PAIR: Final = Pair("registry.example", "from", "to")
OTHER: Final = Pair("registry.example", "elsewhere", "to")
AWAY: Final = Pair("another.example", "from", "to")
FIRST, SECOND, THIRD = 1, 2, 3


def run(coroutine: Any) -> None:
    """Run a test's coroutine; nothing in it may take long."""

    async def bounded() -> None:
        async with asyncio.timeout(5):
            await coroutine

    asyncio.run(bounded())


def test_others_wait_for_the_first_of_their_pair_alone() -> None:
    """Who asks first does not wait for itself, nor does another pair wait for it."""

    async def steps() -> None:
        mounts = Mounts()
        with mounts.asking(PAIR, FIRST):
            answer = mounts.first_answer(PAIR, SECOND)
            assert answer
            assert not answer.done()
            assert mounts.first_answer(PAIR, FIRST) is None
            assert mounts.first_answer(OTHER, SECOND) is None
        assert answer.done()

    run(steps())


def test_who_leaves_a_pair_is_not_waited_for_and_ends_no_wait_of_others() -> None:
    """One that goes on to another pair holds up nobody: two that change places would for ever."""

    async def steps() -> None:
        mounts = Mounts()
        with mounts.asking(PAIR, FIRST):
            answer = mounts.first_answer(PAIR, SECOND)
            mounts.leave(PAIR, SECOND)
            assert answer
            assert not answer.done()
            mounts.leave(PAIR, FIRST)
            assert answer.done()
            with mounts.asking(PAIR, SECOND):
                mounts.leave(PAIR, FIRST)
                assert mounts.first_answer(PAIR, THIRD)

    run(steps())


@pytest.mark.parametrize(("opened", "useless"), [(None, False), ("/an/upload", False), ("", True)])
def test_the_first_answer_counts_for_all(opened: str | None, useless: bool) -> None:  # noqa: FBT001  # a table
    """At once, though the first goes on to send its bytes; then nobody waits for another."""

    async def steps() -> None:
        mounts = Mounts()
        with mounts.asking(PAIR, FIRST):
            answer = mounts.first_answer(PAIR, SECOND)
            mounts.answered(PAIR, FIRST, opened)
            assert answer
            assert answer.done()
            assert mounts.is_useless(PAIR) is useless
            assert not mounts.is_useless(OTHER)
            if not useless:
                with mounts.asking(PAIR, SECOND), mounts.asking(PAIR, THIRD):
                    assert mounts.first_answer(PAIR, FIRST) is None

    run(steps())


def test_who_was_not_asked_leaves_it_to_the_next() -> None:
    """A blob that was there after all has learned nothing: another one asks first."""

    async def steps() -> None:
        mounts = Mounts()
        with mounts.asking(PAIR, FIRST):
            pass
        assert mounts.first_answer(PAIR, SECOND) is None
        with mounts.asking(PAIR, SECOND):
            assert mounts.first_answer(PAIR, THIRD)

    run(steps())


def test_nobody_waits_for_one_that_failed_or_was_cancelled() -> None:
    """The others ask for themselves then, all at once; a refusal counts even so."""

    async def steps() -> None:
        mounts = Mounts()

        async def asks_for_ever() -> None:
            with mounts.asking(PAIR, FIRST):
                await asyncio.sleep(3600)

        first = asyncio.create_task(asks_for_ever())
        await asyncio.sleep(0)
        answer = mounts.first_answer(PAIR, SECOND)
        assert answer
        first.cancel()
        await asyncio.wait([answer])
        with mounts.asking(PAIR, SECOND):
            assert mounts.first_answer(PAIR, THIRD) is None
            mounts.answered(PAIR, SECOND, "")
        assert mounts.is_useless(PAIR)

    run(steps())


def test_a_pair_is_believed_until_a_mount_was_in_vain() -> None:
    """What no manifest has proved yet is not believed then; what one has proved is."""

    async def steps() -> None:
        mounts = Mounts()
        for pair, blob in ((PAIR, FIRST), (OTHER, SECOND), (OTHER, THIRD)):
            mounts.answered(pair, blob, None)
        mounts.proved([SECOND])
        for blob in (FIRST, SECOND, THIRD):
            mounts.in_vain(blob)
        assert mounts.is_useless(PAIR)
        assert not mounts.is_useless(OTHER)

    run(steps())


def test_one_mount_in_vain_is_enough_where_none_was_proved() -> None:
    """No other pair of that registry is asked any more; those of other registries are."""
    mounts = Mounts()
    mounts.answered(PAIR, FIRST, None)
    mounts.in_vain(FIRST)
    assert mounts.is_useless(OTHER)
    assert not mounts.is_useless(AWAY)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_mount_in_vain_is_the_fault_of_its_pair_where_another_was_proved(
    *, is_first: bool
) -> None:
    """Whichever of the two was seen first."""
    mounts = Mounts()
    mounts.answered(PAIR, FIRST, None)
    mounts.answered(OTHER, SECOND, None)
    if is_first:
        mounts.proved([SECOND])
    mounts.in_vain(FIRST)
    mounts.proved([SECOND])
    assert mounts.is_useless(PAIR)
    assert not mounts.is_useless(OTHER)


def test_an_upload_is_left_only_for_a_registry_that_takes_mounts() -> None:
    """One that has taken none so far would begin another upload, and leave the first in vain."""
    mounts = Mounts()
    mounts.answered(PAIR, FIRST, None)
    mounts.answered(AWAY, SECOND, "/an/upload")
    assert mounts.may_be_left_for(OTHER)
    assert not mounts.may_be_left_for(AWAY)


def test_a_mount_without_an_answer_holds_up_nobody() -> None:
    """The others ask at once, and do not find out one after the other."""

    async def steps() -> None:
        mounts = Mounts()
        with mounts.asking(PAIR, FIRST):
            answer = mounts.first_answer(PAIR, SECOND)
            mounts.broke(PAIR, FIRST)
            assert answer
            assert answer.done()
        assert mounts.first_answer(PAIR, THIRD) is None
        assert not mounts.is_useless(PAIR)

    run(steps())


@pytest.mark.parametrize("has_mounted", [False, True])
def test_a_blob_that_is_sent_after_its_mount_broke_tells_what_ails(has_mounted: bool) -> None:  # noqa: FBT001  # a table
    """Mounts, unless one was taken before: then the registry was away for a while."""

    async def steps() -> None:
        mounts = Mounts()
        if has_mounted:
            mounts.answered(PAIR, FIRST, None)
        mounts.broke(PAIR, SECOND)
        mounts.sent(THIRD)
        assert not mounts.is_useless(PAIR)
        mounts.sent(SECOND)
        assert mounts.is_useless(PAIR) is not has_mounted

    run(steps())


def test_a_registry_that_answers_no_mount_is_found_out_once() -> None:
    """Not for each two of its names anew, as each time takes as long as a time-out."""
    mounts = Mounts()
    mounts.broke(PAIR, FIRST)
    assert not mounts.is_useless(OTHER)
    mounts.sent(FIRST)
    assert mounts.is_useless(PAIR)
    assert mounts.is_useless(OTHER)
    assert not mounts.is_useless(AWAY)
    mounts.answered(OTHER, SECOND, None)
    assert mounts.is_useless(PAIR)
    assert not mounts.is_useless(OTHER)


def test_a_mount_that_was_done_without_an_answer_is_one_that_was_taken() -> None:
    """The next one that gets no answer tells nothing against its pair, or the registry."""
    mounts = Mounts()
    mounts.broke(PAIR, FIRST)
    assert mounts.is_unanswered(FIRST)
    mounts.came(FIRST)
    assert not mounts.is_unanswered(FIRST)
    mounts.broke(PAIR, SECOND)
    mounts.sent(SECOND)
    assert not mounts.is_useless(PAIR)
    assert not mounts.is_useless(OTHER)
