"""The end of a window of time, as a person writes it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.until import until_of, window_text

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = timezone(timedelta(hours=1))
NOW = datetime(2026, 11, 26, 22, 30, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("23:00", datetime(2026, 11, 26, 23, 0, tzinfo=ZONE)),
        ("6:00", datetime(2026, 11, 27, 6, 0, tzinfo=ZONE)),
        ("22:30", datetime(2026, 11, 27, 22, 30, tzinfo=ZONE)),
        ("2026-11-28T06:00", datetime(2026, 11, 28, 6, 0, tzinfo=ZONE)),
        ("2026-11-28T06:00Z", datetime(2026, 11, 28, 6, 0, tzinfo=UTC)),
        ("2026-11-28", datetime(2026, 11, 28, 0, 0, tzinfo=ZONE)),
    ],
)
def test_a_time_is_the_next_one_to_come(text: str, moment: datetime) -> None:
    """Hours and minutes mean the next such time here; a moment without a zone is one here."""
    assert until_of(text, NOW, ZONE) == moment


@pytest.mark.parametrize(
    "text", ["", "soon", "24:00", "6", "6:0", "12:60", "\u0660\u0666:\u0660\u0660", "06:00:00+"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """The error says which forms there are."""
    with pytest.raises(MigrateError, match="neither HH:MM") as caught:
        until_of(text, NOW)
    assert caught.value.problem is BAD_USAGE


def test_a_moment_that_has_gone_by_is_refused() -> None:
    """A window that is over is a slip of the pen, not a run that does nothing."""
    with pytest.raises(MigrateError, match="it is 2026-11-26T22:30"):
        until_of("2026-11-26T22:29", NOW, ZONE)


@pytest.mark.parametrize("zone", [None, UTC, ZONE, timezone(timedelta(hours=-11))])
@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00",
        "0001-01-01T00:00+14:00",
        "0001-01-01T00:00Z",
        "9999-12-31T23:59",
        "9999-12-31T23:59-11:00",
        "9999-12-31T23:59Z",
    ],
)
def test_the_first_and_the_last_moment_are_times_or_refused(
    text: str, zone: timezone | None
) -> None:
    """Where clocks here never show one it is bad usage, and whatever is taken can be told."""
    told, refused = "", None
    try:
        told = window_text(until_of(text, NOW, zone), NOW, zone)
    except MigrateError as error:
        refused = error.problem
    assert " h " in told if told else refused is BAD_USAGE
    assert not (told and text.startswith("0001"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("22:31", "22:31, in 1 min"),
        ("23:30", "23:30, in 1 h 0 min"),
        ("22:29", "Fri 2026-11-27 22:29, in 23 h 59 min"),
        ("2026-11-26T22:30:59", "22:30, in less than a minute"),
        ("2026-11-28T06:00Z", "Sat 2026-11-28 07:00, in 32 h 30 min"),
    ],
)
def test_the_end_of_a_window_is_told_with_its_day_and_how_long_it_is(text: str, told: str) -> None:
    """By the clocks here; today's needs no day."""
    assert window_text(until_of(text, NOW, ZONE), NOW, ZONE) == told


@given(st.integers(0, 23), st.integers(0, 59))
def test_a_clock_time_comes_within_a_day(hour: int, minute: int) -> None:
    """It is never now or earlier, and never later than this time tomorrow."""
    moment = until_of(f"{hour}:{minute:02}", NOW, ZONE)
    assert NOW < moment <= NOW + timedelta(days=1)
    assert (moment.hour, moment.minute) == (hour, minute)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clocks of this machine that go over to summer and back."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("text", "now", "moment"),
    [
        ("06:00", "2026-03-28T23:00+01:00", "2026-03-29T06:00+02:00"),
        ("06:00", "2026-10-24T23:00+02:00", "2026-10-25T06:00+01:00"),
        ("2026-03-29T06:00", "2026-03-28T23:00+01:00", "2026-03-29T06:00+02:00"),
        ("06:00", "2026-03-28T22:00+00:00", "2026-03-29T06:00+02:00"),
    ],
)
def test_a_window_ends_when_clocks_show_its_end(text: str, now: str, moment: str) -> None:
    """Also after a night in which they are changed."""
    assert until_of(text, datetime.fromisoformat(now)) == datetime.fromisoformat(moment)
