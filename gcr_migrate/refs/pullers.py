"""Whether who pulls an image can pull it at its new name, by a plan's rows of access: pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from gcr_migrate.access.pulled import can_pull
from gcr_migrate.model.access import Right, spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.model.access import AccessRow
    from gcr_migrate.refs.consumers import Consumer

_RUN: Final = "@serverless-robot-prod.iam.gserviceaccount.com"
_OWN: Final = "in its own project Cloud Run's agent may read by a role that no repository shows"


class Pullers:
    """Who can pull from each target after a migration.

    Args:
        rows: of a plan.
    """

    def __init__(self, rows: Iterable[AccessRow]) -> None:
        self._after: defaultdict[str, dict[str, bool | None]] = defaultdict(dict)
        for row in rows:
            after = self._after[row.target]
            if row.right is Right.PULL:
                # Rows of several sources may be about one target: the surest counts.
                member = spelled(row.member)
                told = (after.get(member, False), row.after)
                after[member] = True in told or (None if None in told else False)

    def can_read(self, consumer: Consumer, target: str) -> tuple[bool | None, str]:
        """Return whether a consumer's images can be pulled at a target; None: not known, and why.

        Args:
            consumer: has who pulls for it.
            target: whole name of an image at a target.
        """
        if not consumer.identity:
            return None, consumer.why
        above = (one for one in self._after if target.startswith(f"{one}/"))
        known = max(above, key=len, default="")
        can, why = can_pull(spelled(consumer.identity), self._after[known] if known else {})
        if can is False and not needs_grant(consumer, target):
            return None, _OWN
        return can, why


def needs_grant(consumer: Consumer, name: str) -> bool:
    """Whether who pulls for a consumer needs a right on an image's repository, for certain.

    Cloud Run's agent needs none in its own project; a number does not say which project that is.

    Args:
        consumer: has who pulls for it.
        name: whole name of the image.
    """
    if not consumer.identity.endswith(_RUN):
        return True
    known = consumer.project and not consumer.project.isdigit()
    return bool(known and f"/{consumer.project.replace(':', '/')}/" not in name)
