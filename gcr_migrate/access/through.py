"""Who pulls images of a target through a virtual repository that stands over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gcr_migrate.access.held import Standing, holdings
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.model.access import Level, Right, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.model.access import AccessRow, Picture


def pullers_through(
    virtual: Picture, rows: Iterable[AccessRow], now_ms: int
) -> tuple[tuple[str, ...], str]:
    """Compare who may read a virtual repository with who may pull from the target below it.

    Whoever may read it reads all of its upstreams; what reaches both from above gives nobody more.

    Args:
        virtual: what was read about it.
        rows: what becomes of access to the target.
        now_ms: milliseconds since 1970, for conditions.

    Returns:
        Members who pull through it, or may, and are not known to pull from the target; and why
        its policy was not seen, if so.
    """
    own = tuple(on for on in virtual.policies if on.level is Level.REPOSITORY)
    hidden = next((on.why for on in own if on.policy is None), "")
    held = holdings(replace(virtual, policies=own), now_ms)
    known = {spelled(row.member) for row in rows if row.right is Right.PULL and row.after}
    names = (
        member
        for member in held.members
        if kind_of(member) in {Kind.CARRIED, Kind.PUBLIC}
        and held.of(member, Right.PULL).standing > Standing.ENDED
    )
    return tuple(one for one in names if one not in known), hidden
