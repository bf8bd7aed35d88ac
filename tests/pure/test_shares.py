"""How much has arrived of blobs under way, from the time that each had of the run."""

from __future__ import annotations

import pytest

from gcr_migrate.model.shares import Shares

MANY = 10**12


class Clock:
    """A clock that goes when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


def arrived(shares: Shares, at_most: int = MANY) -> list[float]:
    """Return the bytes that have arrived of each blob under way."""
    return [part.bytes for part in shares.arrived(at_most)]


def taught(clock: Clock, *seconds_and_sizes: tuple[float, int]) -> Shares:
    """Return what has seen blobs, one after the other."""
    shares = Shares(clock)
    for number, (seconds, size) in enumerate(seconds_and_sizes):
        shares.begin(number, size)
        clock.now_s += seconds
        shares.end(number, was_sent=True)
    return shares


def test_bytes_flow_for_as_long_as_their_number_asks() -> None:
    """Blobs of 100 bytes took two seconds and such of 300 four: one, and one for each hundred."""
    clock = Clock()
    shares = taught(clock, (2, 100), (4, 300))
    shares.begin(9, 200)
    clock.now_s += 1
    assert arrived(shares) == [0]
    clock.now_s += 1
    assert arrived(shares) == [pytest.approx(100)]
    clock.now_s += 9
    assert arrived(shares) == [200]


def test_a_blob_has_arrived_to_the_part_of_the_time_that_others_of_its_size_had() -> None:
    """Where all were of one size, nobody knows when their bytes begin to flow."""
    clock = Clock()
    shares = taught(clock, (2, 200), (6, 200))
    shares.begin(9, 200)
    clock.now_s += 1
    assert arrived(shares) == [50]


def test_a_second_is_divided_among_the_blobs_under_way() -> None:
    """Two beside each other get half of it each, and no more when they are sent alone again."""
    clock = Clock()
    shares = taught(clock, (4, 400))
    shares.begin(8, 400)
    shares.begin(9, 400)
    clock.now_s += 2
    assert arrived(shares) == [100, 100]
    assert shares.end(8, was_sent=False) is None
    clock.now_s += 2
    assert arrived(shares) == [300]


def test_no_more_has_arrived_than_has_left() -> None:
    """Where blobs wait for their turn, time alone says nothing."""
    clock = Clock()
    shares = taught(clock, (4, 400))
    shares.begin(8, 400)
    shares.begin(9, 800)
    clock.now_s += 4
    assert sum(arrived(shares, 300)) == pytest.approx(300)
    assert arrived(shares, 0) == [0, 0]


def test_half_has_arrived_while_no_blob_has_ended() -> None:
    """So it is by chance, and blobs that were mounted or given up teach nothing."""
    clock = Clock()
    shares = Shares(clock)
    shares.begin(1, 100)
    clock.now_s += 5
    shares.end(1, was_sent=False)
    shares.begin(2, 100)
    assert arrived(shares) == [50]


def test_larger_blobs_never_need_less_time() -> None:
    """Where small ones happened to take longer, all need the same."""
    clock = Clock()
    shares = taught(clock, (6, 100), (2, 300))
    shares.begin(9, 1000)
    clock.now_s += 2
    assert arrived(shares) == [500]


def test_of_blobs_much_larger_than_any_that_ended_nobody_knows_what_has_arrived() -> None:
    """Buffers may hold all that has left of them, or none; of those alike others tell it."""
    clock = Clock()
    shares = taught(clock, (1, 100), (1, 200))
    shares.begin(8, 10_000)
    shares.begin(9, 100_000)
    assert (shares.untold(MANY), shares.untold(300)) == (100_000, 300)
    assert taught(clock, (1, 100_000)).untold(MANY) == 0
    shares.begin(10, MANY)
    assert shares.untold(MANY) < MANY / 100
