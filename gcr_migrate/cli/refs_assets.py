"""Names in use by what runs in a project, read from Cloud Asset Inventory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gcr_migrate.cli.logins import announce, host_of
from gcr_migrate.refs.consumers import KINDS
from gcr_migrate.refs.files import Unread, scan_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.refs.files import Found


async def in_use(
    projects: Iterable[str], way: Way, output: Output, unread: list[Unread]
) -> list[Found]:
    """Return the names that resources of some projects have; a record is a line.

    Args:
        projects: ids.
        way: how the service is reached.
        output: where something has to be said of the login.
        unread: gets what could not be understood.

    Raises:
        MigrateError: the service is not there, or does not let us.
    """
    found: list[Found] = []
    async with way.open() as connections:
        await announce(output, connections, {"source": host_of(None), "target": set()})
        for project in projects:
            listed = connections.assets("source").resources(f"projects/{project}", KINDS)
            text = "\n".join([json.dumps(one) async for one in listed])
            for one in scan_bytes(f"(assets of {project})", text.encode()):
                if isinstance(one, Unread):
                    unread.append(one)
                else:
                    found.append(one)
    return found
