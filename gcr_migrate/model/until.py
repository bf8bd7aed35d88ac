"""The end of a maintenance window, as a person writes it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from gcr_migrate.errors import BAD_USAGE, MigrateError

_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def until_of(text: str, now: datetime) -> datetime:
    """Read a time such as `06:00`, or a moment in ISO 8601.

    Args:
        text: as written; hours and minutes are the next ones to come, here.
        now: this moment, with its zone; a moment without a zone is meant in the same one.

    Raises:
        MigrateError: BAD_USAGE if it is neither, or has gone by.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _clock_time(text, now)
    else:
        moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    if moment <= now:
        saw = f"it is {now.isoformat(timespec='minutes')} already"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    return moment


def _clock_time(text: str, now: datetime) -> datetime:
    written = _CLOCK.fullmatch(text)
    if not written:
        saw = "neither HH:MM nor a time such as 2026-11-28T06:00+01:00"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    moment = now.replace(hour=int(written[1]), minute=int(written[2]), second=0, microsecond=0)
    return moment if moment > now else moment + timedelta(days=1)
