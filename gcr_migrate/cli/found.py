"""What became of all targets of a verification."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gcr_migrate.errors import MigrateError
from gcr_migrate.plan.refusals import Refused

if TYPE_CHECKING:
    from gcr_migrate.cli.proving import Proving
    from gcr_migrate.report.proof import VerifyFacts


class Found:
    """What became of all targets of a run.

    Args:
        names: the targets, in the order in which they are told.

    Attributes:
        failed: those that could not be verified, each with all that speaks against it.
        seconds: how long each took.
        requests: sent for all of them.
    """

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.failed: dict[str, list[MigrateError]] = {}
        self.seconds: dict[str, float] = {}
        self.requests = 0
        self._proofs: dict[str, VerifyFacts] = {}

    async def add(self, proving: Proving, name: str) -> None:
        """Prove one target, and keep what came of it."""
        began = time.monotonic()
        try:
            self._proofs[name] = await proving.prove(name)
        except Refused as refused:
            self.failed[name] = [
                MigrateError(one.problem, subject=one.subject, saw=one.saw)
                for one in refused.refusals
            ]
        except MigrateError as error:
            self.failed[name] = [error]
        self.seconds[name] = time.monotonic() - began

    @property
    def proofs(self) -> list[VerifyFacts]:
        """What was found of those that could be verified."""
        return [self._proofs[name] for name in self.names if name in self._proofs]

    @property
    def first_errors(self) -> list[tuple[str, MigrateError]]:
        """The others, each with its first error."""
        return [(name, self.failed[name][0]) for name in self.names if name in self.failed]
