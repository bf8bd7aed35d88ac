"""How long connections to a server are not kept that ends them without a word."""

from __future__ import annotations

from gcr_migrate.wire.keeping import Keeping


class Clock:
    """A clock that a test moves.

    Attributes:
        now: what it tells, in seconds.
    """

    now = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def _paused(keeping: Keeping[str], clock: Clock) -> float:
    """Return for how many seconds nothing is kept from now on, and let them pass."""
    began = clock.now
    while not keeping.is_of_use("a"):
        clock.now += 0.5
    return clock.now - began


def test_a_server_that_goes_on_is_doubted_for_longer_each_time() -> None:
    """From a second up to a minute."""
    clock = Clock()
    keeping = Keeping[str](clock)
    pauses = []
    for _ in range(8):
        keeping.ended("a")
        pauses.append(_paused(keeping, clock))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_connections_that_end_together_count_once() -> None:
    """They were kept at the same time."""
    clock = Clock()
    keeping = Keeping[str](clock)
    for _ in range(20):
        keeping.ended("a")
    assert _paused(keeping, clock) == 1


def test_a_kept_connection_that_serves_again_ends_all_doubt() -> None:
    """An answer that comes in the pause does not: it was asked for before."""
    clock = Clock()
    keeping = Keeping[str](clock)
    keeping.ended("a")
    keeping.served("a")
    assert _paused(keeping, clock) == 1
    keeping.served("a")
    keeping.ended("a")
    assert _paused(keeping, clock) == 1


def test_another_server_is_not_doubted_with_it() -> None:
    """Each has habits of its own."""
    keeping = Keeping[str]()
    keeping.ended("a")
    assert keeping.is_of_use("b")
