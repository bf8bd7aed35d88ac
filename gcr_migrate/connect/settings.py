"""What all connections of one command have in common, with what the environment says of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

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

    def backoff(self) -> Backoff:
        """Return how often and how long requests are tried again."""
        text = self.environ.get(TRIES_VARIABLE, "")
        written = int(text) if text.isascii() and text.isdigit() else Backoff().tries
        base_s = self._seconds(PAUSE_VARIABLE, Backoff().base_s)
        return Backoff(
            tries=max(1, self.tries or written),
            base_s=base_s if self.base_s is None else self.base_s,
        )

    def pilot(self) -> Pilot:
        """Return who makes requests wait for their turn under the services' quotas."""
        text = self.environ.get(PATIENCE_VARIABLE, "")
        written = float(text) if text.isascii() and text.isdigit() else PATIENCE_S
        patience_s = written if self.patience_s is None else min(written, self.patience_s)
        return Pilot(patience_s, limits=self.limits)

    def dialect(self, name: str) -> Dialect:
        """Return a dialect, with the bytes per answer that GCR_MIGRATE_READ_BYTES states."""
        text = self.environ.get(READ_VARIABLE, "")
        usable = text.isascii() and text.isdigit() and int(text)
        known = BY_NAME[name]
        return replace(known, read_bytes_at_most=int(text)) if usable else known

    def creation_pause_s(self) -> float:
        """Return the seconds between two creations of repositories."""
        return self._seconds(CREATION_PAUSE_VARIABLE, CREATION_S)

    def idle_s(self) -> float:
        """Return after how many seconds without a byte a connection is given up."""
        return self._seconds(IDLE_VARIABLE, IDLE_S) or IDLE_S

    def copy_s(self) -> float:
        """Return after how many seconds an answer of the server-side copy is given up."""
        return self._seconds(COPY_VARIABLE, COPY_TIMEOUT_S) or COPY_TIMEOUT_S

    def _seconds(self, variable: str, default: float) -> float:
        text = self.environ.get(variable, "")
        usable = text.isascii() and text.replace(".", "", 1).isdigit()
        return float(text) if usable else default
