"""When a job runs: five fields of cron, of which every scheduler understands the same."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cronsim import CronSim, CronSimError
from msgspec import Struct

from gcr_migrate.errors import BAD_SCHEDULE, MigrateError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELDS: Final = ("minute", "hour", "day of the month", "month", "day of the week")
_WORD: Final = re.compile(r"[0-9A-Za-z*,/-]+")
_PORTABLE: Final = re.compile(r"\*|(?:0|[1-9]\d?)(?:-[1-9]\d?)?(?:,(?:0|[1-9]\d?)(?:-[1-9]\d?)?)*")
_STEPS: Final = re.compile(r"\*/[1-9]\d?")
_FULL: Final = tuple(map(frozenset, (range(60), range(24), range(1, 32), range(1, 13), range(7))))
_SUNDAY: Final = 7
_NAMES: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_DAY_S: Final = 86_400
# Whoever looks at so many years has seen every order of days, months and weekdays.
_FIRST: Final = date(2001, 1, 1)
_YEARS: Final = 28


class Cron(Struct, frozen=True):
    """An expression that means one thing to every scheduler.

    Attributes:
        text: its five fields, written so that every scheduler reads them alike.
        minutes: 0 to 59.
        hours: 0 to 23.
        days: of the month; all of them where the field has a star.
        months: 1 to 12.
        weekdays: 0 to 6 from Sunday on; all of them where the field has a star.
    """

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression.

        Raises:
            MigrateError: `bad-schedule`, with the field that is at fault.
        """
        words = text.upper().split()
        if len(words) != len(_FIELDS):
            raise _bad(text, f"{len(words)} fields; there are five: {', '.join(_FIELDS)}")
        for word, name in zip(words, _FIELDS, strict=True):
            if not _WORD.fullmatch(word):
                raise _bad(text, f"{name}: only numbers, names and * , - / are read alike")
        found = _sets(text, words)
        days, weekdays = words[2], words[4]
        stars = [word.startswith("*") for word in (days, weekdays)]
        every = [found[2] == _FULL[2], found[4] == _FULL[4]]
        if any(s and not e for s, e in zip(stars, every, strict=True)) and not (
            (stars[0] and every[0]) or (stars[1] and every[1])
        ):
            saw = "a day of the month and of the week, one with */: schedulers disagree on these"
            raise _bad(text, saw)
        if not any(stars) and any(every):  # either of them is enough, and one is always so
            found[2], found[4] = _FULL[2], _FULL[4]
        fields = zip(words, found, _FULL, strict=True)
        portable = " ".join(_portable(*one) for one in fields)
        return cls(portable, *found)

    def gaps_s(self) -> tuple[int, int]:
        """Return the shortest and the longest time between two runs, in seconds of a plain day."""
        times = sorted(h * 3_600 + m * 60 for h in self.hours for m in self.minutes)
        inside = [later - one for one, later in itertools.pairwise(times)]
        days = [*self._days()]
        across = {
            (later - one).days * _DAY_S + times[0] - times[-1]
            for one, later in itertools.pairwise(days)
        }
        found = [*inside, *across]
        return min(found), max(found)

    def _days(self) -> Iterator[date]:
        for at in range(_YEARS * 366):
            day = _FIRST + timedelta(days=at)
            if day.month in self.months and self._is_day(day):
                yield day

    def _is_day(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month or in_week) if self._either else (in_month and in_week)

    @property
    def _either(self) -> bool:
        """Whether one of the two kinds of day is enough: cron's rule where both are given."""
        return self.days != _FULL[2] and self.weekdays != _FULL[4]

    def calendar(self, zone: str) -> tuple[str, ...]:
        """Return the same times as systemd's OnCalendar has them: a line, or two.

        There a date and a weekday must both fit; two lines say that either is enough.
        """
        month = _listed(self.months, _FULL[3])
        time = f"{_listed(self.hours, _FULL[1])}:{_listed(self.minutes, _FULL[0])}:00 {zone}"
        by_date = f"*-{month}-{_listed(self.days, _FULL[2])} {time}"
        names = ",".join(_NAMES[one] for one in sorted(self.weekdays))
        by_week = f"{names} *-{month}-* {time}"
        if self._either:
            return by_date, by_week
        return (by_date,) if self.weekdays == _FULL[4] else (by_week,)


def _sets(text: str, words: list[str]) -> list[frozenset[int]]:
    """Return what each field picks."""
    try:
        read = CronSim(" ".join(words), datetime(_FIRST.year, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise _bad(text, str(error)) from error
    weekdays = {one for one in read.weekdays if isinstance(one, int)}
    if len(weekdays) < len(read.weekdays):
        weekdays.add(CronSim.LAST)
    picked = (read.minutes, read.hours, read.days, read.months, weekdays)
    for one, name in zip(picked, _FIELDS, strict=True):
        if min(one) < 0:
            raise _bad(text, f"{name}: L, W and # are not known to every scheduler")
    found = [frozenset(one) for one in picked]
    found[4] = frozenset(at % _SUNDAY for at in found[4])
    return found


def _portable(word: str, picked: frozenset[int], full: frozenset[int]) -> str:
    """Return a field in numbers: as it was written, if that is read alike everywhere."""
    if picked == full:
        return "*"
    seven = len(full) == _SUNDAY and str(_SUNDAY) in word  # Sunday, to some
    if not seven and (_STEPS.fullmatch(word) or _PORTABLE.fullmatch(word)):
        return word
    return ",".join(map(str, sorted(picked)))


def _listed(picked: frozenset[int], full: frozenset[int]) -> str:
    return "*" if picked == full else ",".join(f"{one:02d}" for one in sorted(picked))


def _bad(text: str, saw: str) -> MigrateError:
    return MigrateError(BAD_SCHEDULE, subject=f"--time {text[:100]!r}", saw=saw)
