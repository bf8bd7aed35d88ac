"""Whose login a command uses on each side, and what has to be said of it before it begins."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.model.names import ar_host, is_google_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.cli.output import Output
    from gcr_migrate.connect import Connections, Side
    from gcr_migrate.model.caller import Caller
    from gcr_migrate.model.login import Login
    from gcr_migrate.spec import Spec
    from gcr_migrate.state.migration import Migration

_SIDES: Final[tuple[Side, Side]] = ("source", "target")


def logins(migration: Migration) -> tuple[Login, Login]:
    """Return how source and target of a plan log in."""
    return migration.login("source"), migration.login("target")


def hosts_of(migration: Migration) -> dict[Side, set[str]]:
    """Return the registry hosts of each side of a plan."""
    return {
        "source": {one.registry for one in migration.sources().values()},
        "target": {one.registry for one in migration.repositories().values()},
    }


def hosts_of_spec(spec: Spec) -> dict[Side, set[str]]:
    """Return a host of each side of a spec: of Google's, or the registry that it names."""
    return {"source": host_of(spec.source), "target": host_of(spec.target)}


def host_of(side: object) -> set[str]:
    """Return the registry that a side of a spec names, else one of Google's, whichever."""
    return {getattr(side, "registry", ar_host("us"))}


async def announce(
    output: Output, connections: Connections, hosts: Mapping[Side, set[str]]
) -> None:
    """Say of each login that nobody can renew when it ends, and what happens then.

    Args:
        output: where it is said.
        connections: know the logins.
        hosts: registry hosts of each side; only Google's are logged in to this way.
    """
    told: dict[Caller, list[str]] = {}
    for side in _SIDES:
        if any(map(is_google_host, hosts[side])):
            caller = await connections.caller(side)
            if not caller.renewable:
                told.setdefault(caller, []).append(side)
    for caller, sides in told.items():
        ends = caller.expires_at
        moment = datetime.fromtimestamp(ends, UTC) if ends is not None else None
        if not output.is_news((caller, *sides)):
            continue
        if output.as_json:
            logs.warning(
                "login.ends",
                sides=sides,
                source=caller.source,
                account=caller.account,
                ends_at=moment.isoformat(timespec="seconds") if moment else None,
            )
        else:
            for line in _lines(caller, sides, moment):
                output.err.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(caller: Caller, sides: list[str], ends: datetime | None) -> list[str]:
    whose = f" of {caller.account}" if caller.account else ""
    when = f"ends at {ends:%Y-%m-%d %H:%M:%S} UTC" if ends else "lasts at most 60 minutes"
    return [
        f"Login of {' and '.join(sides)}: {caller.source}{whose}.",
        f"  It {when} and cannot be renewed: what runs stops then, in order;",
        "  the same command with a fresh token goes on.",
    ]
