"""What all connections of one command have in common, with what the environment says of it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.errors import BAD_VARIABLE, MigrateError, printable
from gcr_migrate.model.dialect import BY_NAME
from gcr_migrate.model.limits import CREATION_S, Limits
from gcr_migrate.model.login import Login
from gcr_migrate.registry.copying import TIMEOUT_S as COPY_TIMEOUT_S
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import PATIENCE_S, Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import IDLE_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.dialect import Dialect

TRIES_VARIABLE: Final = "GCR_MIGRATE_RETRY_TRIES"
PAUSE_VARIABLE: Final = "GCR_MIGRATE_RETRY_PAUSE_S"
IDLE_VARIABLE: Final = "GCR_MIGRATE_IDLE_TIMEOUT_S"
COPY_VARIABLE: Final = "GCR_MIGRATE_COPY_TIMEOUT_S"
PATIENCE_VARIABLE: Final = "GCR_MIGRATE_QUOTA_WAIT_S"
READ_VARIABLE: Final = "GCR_MIGRATE_READ_BYTES"
CREATION_PAUSE_VARIABLE: Final = "GCR_MIGRATE_CREATION_PAUSE_S"
# The least that each can hold; those of whole numbers take no others.
_LEAST: Final[dict[str, float]] = {
    TRIES_VARIABLE: 1,
    PAUSE_VARIABLE: 0.0,
    IDLE_VARIABLE: 0.1,
    COPY_VARIABLE: 0.1,
    PATIENCE_VARIABLE: 0.0,
    READ_VARIABLE: 1,
    CREATION_PAUSE_VARIABLE: 0.0,
}
_MOST: Final = {TRIES_VARIABLE: 100}  # waits of up to 20 s between them: half an hour
_WHOLE: Final = re.compile("[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"[0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What all connections of one command have in common.

    Attributes:
        endpoints: where hosts are.
        login: how both sides log in to Google, where a side does not say it otherwise.
        limits: how fast services are asked, and how much is on its way at once.
        environ: environment variables.
        tries: requests sent at most for one call; None takes GCR_MIGRATE_RETRY_TRIES or 6.
        base_s: upper bound of the first wait between them, in seconds; None takes
            GCR_MIGRATE_RETRY_PAUSE_S or 0.2.
        patience_s: seconds for which requests wait at most until a quota has room; None takes
            GCR_MIGRATE_QUOTA_WAIT_S or 150.
    """

    endpoints: Endpoints = field(default_factory=Endpoints)
    login: Login = field(default_factory=Login)
    limits: Limits = field(default_factory=Limits)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    tries: int | None = None
    base_s: float | None = None
    patience_s: float | None = None

    def __post_init__(self) -> None:
        """Look at all numbers now, and not in mid-run.

        Raises:
            MigrateError: BAD_VARIABLE.
        """
        for variable in _LEAST:
            self._number(variable)

    def backoff(self) -> Backoff:
        """Return how often and how long requests are tried again."""
        usual = Backoff()
        base_s = self._number(PAUSE_VARIABLE, usual.base_s)
        return Backoff(
            tries=self.tries or int(self._number(TRIES_VARIABLE, usual.tries)),
            base_s=base_s if self.base_s is None else self.base_s,
        )

    def pilot(self) -> Pilot:
        """Return who makes requests wait for their turn under the services' quotas."""
        written = self._number(PATIENCE_VARIABLE, PATIENCE_S)
        patience_s = written if self.patience_s is None else min(written, self.patience_s)
        return Pilot(patience_s, limits=self.limits)

    def dialect(self, name: str) -> Dialect:
        """Return a dialect, with the bytes per answer that GCR_MIGRATE_READ_BYTES states."""
        known = BY_NAME[name]
        at_most = int(self._number(READ_VARIABLE, 0))
        return replace(known, read_bytes_at_most=at_most) if at_most else known

    def creation_pause_s(self) -> float:
        """Return the seconds between two creations of repositories."""
        return self._number(CREATION_PAUSE_VARIABLE, CREATION_S)

    def idle_s(self) -> float:
        """Return after how many seconds without a byte a connection is given up."""
        return self._number(IDLE_VARIABLE, IDLE_S)

    def copy_s(self) -> float:
        """Return after how many seconds an answer of the server-side copy is given up."""
        return self._number(COPY_VARIABLE, COPY_TIMEOUT_S)

    def _number(self, variable: str, usual: float = 0.0) -> float:
        """Return what a variable states, or what counts where it is not set."""
        text, least, most = self.environ.get(variable, ""), _LEAST[variable], _MOST.get(variable)
        if not text:
            return usual
        kind, form = ("whole number", _WHOLE) if type(least) is int else ("number", _DECIMAL)
        if form.fullmatch(text) and least <= float(text) <= (most or float("inf")):
            return float(text)
        span = f"from {least:g} to {most:g}" if most else f"of {least:g} or more"
        saw = f"it is no {kind} {span}"
        raise MigrateError(BAD_VARIABLE, subject=f"{variable}={printable(text)}", saw=saw)
