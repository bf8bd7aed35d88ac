"""Why no plan can be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.errors import Problem


class Refusal(Struct, frozen=True):
    """Why a path cannot be planned.

    Attributes:
        problem: which problem of the catalogue.
        subject: full name of the image at the source; for a collision, at the target; the route or
            repository itself where the spec asks for what cannot be.
        saw: what was seen there.
    """

    problem: Problem
    subject: str
    saw: str


class Refused(Exception):  # noqa: N818  # it carries refusals, each with a problem of its own
    """No plan can be made: every path that cannot be planned, named at once."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__(f"{len(refusals)} names cannot be planned")
        self.refusals = tuple(refusals)
