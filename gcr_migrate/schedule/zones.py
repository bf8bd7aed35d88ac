"""Time zones by the names that every scheduler knows."""

from __future__ import annotations

from zoneinfo import available_timezones

from gcr_migrate.schedule.job import bad


def check_zone(name: str) -> None:
    """Refuse what is no time zone.

    Args:
        name: such as `Europe/Berlin`.

    Raises:
        MigrateError: `bad-schedule`.
    """
    if name != "UTC" and name not in available_timezones():
        raise bad("--timezone", name, "no such zone in this machine's database of time zones")
