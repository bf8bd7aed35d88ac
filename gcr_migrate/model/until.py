"""The end of a maintenance window, as a person writes it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from datetime import tzinfo

_CLOCK: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def until_of(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Read a time such as `06:00`, or a moment in ISO 8601.

    Args:
        text: as written; hours and minutes are the next ones that the clocks show.
        now: this moment, with any zone.
        zone: where clocks are meant that name none; None: those of this machine. In a night it may
            go over from winter to summer.

    Raises:
        MigrateError: BAD_USAGE if it is neither, or has gone by.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = _clock_time(text, now, zone)
    else:
        moment = moment if moment.tzinfo else _in_zone(moment, zone)
    if moment <= now:
        saw = f"it is {now.isoformat(timespec='minutes')} already"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    return moment


def _clock_time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    written = _CLOCK.fullmatch(text)
    if not written:
        saw = "neither HH:MM nor a time such as 2026-11-28T06:00+01:00"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    shown = now.astimezone(zone).replace(tzinfo=None)
    wanted = shown.replace(hour=int(written[1]), minute=int(written[2]), second=0, microsecond=0)
    moment = _in_zone(wanted, zone)
    return moment if moment > now else _in_zone(wanted + timedelta(days=1), zone)


def _in_zone(shown: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment at which clocks show this."""
    return shown.replace(tzinfo=zone) if zone else shown.astimezone()
