"""Times of a schedule: the same ones in every dialect, or a refusal."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from cronsim import CronSim
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.schedule.cron import Cron

START = datetime(2027, 1, 1, tzinfo=UTC)


def _field(first: int, last: int) -> st.SearchStrategy[str]:
    number = st.integers(first, last)
    ranges = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    steps = st.integers(2, last).map(lambda step: f"*/{step}")
    part = st.one_of(number.map(str), ranges)
    lists = st.lists(part, min_size=1, max_size=3).map(",".join)
    stepped = st.tuples(ranges, st.integers(1, 9)).map(lambda two: f"{two[0]}/{two[1]}")
    return st.one_of(st.just("*"), lists, steps, stepped)


EXPRESSIONS = st.tuples(
    _field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 7)
).map(" ".join)


def _read(text: str) -> Cron:
    try:
        return Cron.parse(text)
    except MigrateError:
        reject()


def _times(text: str, count: int) -> list[datetime]:
    return [*islice(CronSim(text, START), count)]


@given(EXPRESSIONS)
def test_the_portable_text_means_the_same(text: str) -> None:
    """What is written into the files has the times of what was asked for."""
    cron = _read(text)
    assert _times(cron.text, 20) == _times(text, 20)
    assert "7" not in cron.text.split()[4]
    assert Cron.parse(cron.text) == cron


@pytest.mark.slow
@given(EXPRESSIONS)
def test_gaps_hold_whatever_time_passes(text: str) -> None:
    """No two runs are nearer or further apart than is said."""
    shortest, longest = _read(text).gaps_s()
    seen = {(later - one).total_seconds() for one, later in pairwise(_times(text, 30))}
    assert shortest <= min(seen)
    assert max(seen) <= longest


@pytest.mark.needs("systemd-analyze")
@settings(max_examples=40)
@given(EXPRESSIONS)
def test_systemd_has_the_same_times(text: str) -> None:
    """Its own reader of calendars goes through the same moments, by one line or by two."""
    cron = _read(text)
    seen: set[str] = set()
    count = 10
    for line in cron.calendar("UTC"):
        done = subprocess.run(
            [  # noqa: S607  # the one in the path
                "systemd-analyze",
                "calendar",
                f"--iterations={count}",
                f"--base-time={START - timedelta(seconds=1):%Y-%m-%d %H:%M:%S} UTC",
                line,
            ],
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        told = [one.strip().partition(": ") for one in done.stdout.splitlines()]
        seen |= {at for what, _, at in told if what == "Next elapse" or what.startswith("Iter.")}
    wanted = [
        f"{one:%a %Y-%m-%d %H:%M:%S} UTC"
        for one in islice(CronSim(text, START - timedelta(seconds=1)), count)
    ]
    assert sorted(seen, key=lambda one: one[4:])[:count] == wanted


@pytest.mark.parametrize(
    ("text", "saw"),
    [
        ("4 4 * *", "4 fields"),
        ("0 17 4 * * *", "6 fields"),
        ("@daily", "1 fields"),
        ("60 4 * * *", "Bad minute"),
        ("17 24 * * *", "Bad hour"),
        ("17 4 31 2 *", "Bad day-of-month"),
        ("17 4 L * *", "not known to every scheduler"),
        ("17 4 * * 1L", "not known to every scheduler"),
        ("17 4 * * 1#2", "are read alike"),
        ("17 4 ? * *", "are read alike"),
        ("17 4 */2 * 1", "schedulers disagree"),
        ("17 4 1 * */2", "schedulers disagree"),
        ("17 4 \u0661 * *", "are read alike"),
        ("17 4 * * *\nx", "6 fields"),
        ("$(x) 4 * * *", "are read alike"),
    ],
)
def test_what_schedulers_read_differently_is_refused(text: str, saw: str) -> None:
    """Each refusal names the field, or what is not alike everywhere."""
    with pytest.raises(MigrateError) as refused:
        Cron.parse(text)
    assert refused.value.problem.code == "bad-schedule"
    assert saw in refused.value.saw
