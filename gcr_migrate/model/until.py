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
        moment = _shown(moment, text, zone)
    if moment <= now:
        saw = f"it is {now.isoformat(timespec='minutes')} already"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    return moment


def window_text(ends_at: datetime, now: datetime, zone: tzinfo | None = None) -> str:
    """Say when a window ends, with its day where that is not today, and how long that is.

    Args:
        ends_at: when it ends, with any zone.
        now: this moment, with any zone.
        zone: by whose clocks it is told; None: those of this machine.
    """
    shown = ends_at.astimezone(zone)
    is_today = shown.date() == now.astimezone(zone).date()
    minutes = int((ends_at - now).total_seconds()) // 60
    hours = f"{minutes // 60} h " if minutes >= 60 else ""  # noqa: PLR2004  # minutes of an hour
    left = f"{hours}{minutes % 60} min" if minutes > 0 else "less than a minute"
    return f"{shown:%H:%M}, in {left}" if is_today else f"{shown:%a %Y-%m-%d %H:%M}, in {left}"


def _clock_time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    written = _CLOCK.fullmatch(text)
    if not written:
        saw = "neither HH:MM nor a time such as 2026-11-28T06:00+01:00"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw)
    shown = now.astimezone(zone).replace(tzinfo=None)
    wanted = shown.replace(hour=int(written[1]), minute=int(written[2]), second=0, microsecond=0)
    moment = _in_zone(wanted, zone)
    return moment if moment > now else _in_zone(wanted + timedelta(days=1), zone)


def _shown(moment: datetime, text: str, zone: tzinfo | None) -> datetime:
    """Return a moment as one that clocks show here; raise BAD_USAGE if none ever does.

    Within a day of the first and the last year that can be written it may be out of reach.
    """
    try:
        moment = moment if moment.tzinfo else _in_zone(moment, zone)
        moment.astimezone(zone)
    except (OverflowError, ValueError, OSError) as error:
        saw = "no clock shows it here: it is too far away"
        raise MigrateError(BAD_USAGE, subject=f"--until {text}", saw=saw) from error
    return moment


def _in_zone(shown: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment at which clocks show this."""
    return shown.replace(tzinfo=zone) if zone else shown.astimezone()
