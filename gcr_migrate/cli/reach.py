"""How a command reaches the services, and how fast it asks them: what shared options say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.limits import LEAST_PER_SECOND, MOST_AT_ONCE, Limits, read_bandwidth
from gcr_migrate.model.login import Login
from gcr_migrate.model.names import check_service_account
from gcr_migrate.model.places import read_project

if TYPE_CHECKING:
    from gcr_migrate.connect import Connections
    from gcr_migrate.wire.endpoints import Endpoints
    from gcr_migrate.wire.transport import Wire


class Pace(Struct, frozen=True):
    """What options say instead of the limits of a spec; None where they say nothing.

    Attributes:
        max_rate: requests per second to each service.
        bytes_per_s: bytes of blobs per second.
        blobs_at_once: blobs on their way at once.
    """

    max_rate: float | None = None
    bytes_per_s: float | None = None
    blobs_at_once: int | None = None

    @classmethod
    def of(
        cls,
        max_rate: float | None,
        max_bandwidth: str | None = None,
        concurrency: int | None = None,
    ) -> Pace:
        """Return what the shared options tell.

        Raises:
            MigrateError: `bad-usage`.
        """
        if max_rate is not None and not LEAST_PER_SECOND <= max_rate < float("inf"):
            saw = f"at least {LEAST_PER_SECOND} requests per second are needed"
            raise MigrateError(BAD_USAGE, subject=f"--max-rate {max_rate:g}", saw=saw)
        if concurrency is not None and not 1 <= concurrency <= MOST_AT_ONCE:
            saw = f"a number from 1 to {MOST_AT_ONCE} is needed"
            raise MigrateError(BAD_USAGE, subject=f"--concurrency {concurrency}", saw=saw)
        try:
            bytes_per_s = None if max_bandwidth is None else read_bandwidth(max_bandwidth)
        except ValueError as error:
            subject = f"--max-bandwidth {max_bandwidth}"
            raise MigrateError(BAD_USAGE, subject=subject, saw=str(error)) from error
        return cls(max_rate, bytes_per_s, concurrency)

    def over(self, limits: Limits) -> Limits:
        """Return the limits that count."""
        return limits.but(
            max_rate=self.max_rate,
            bytes_per_s=self.bytes_per_s,
            blobs_at_once=self.blobs_at_once,
        )


class Way(Struct, frozen=True):
    """How a command reaches the services: what its options say.

    Attributes:
        endpoints: endpoints file.
        login: how a side logs in to Google, where the spec does not say it.
        pace: how fast services are asked, where not as the spec says.
    """

    endpoints: Path | None
    login: Login
    pace: Pace = Pace()

    @classmethod
    def of(
        cls,
        endpoints: Path | None,
        access_token_file: Path | None = None,
        impersonate: str | None = None,
        quota_project: str | None = None,
        *,
        pace: Pace | None = None,
    ) -> Way:
        """Return the way that the shared options tell.

        Raises:
            MigrateError: `bad-name`.
        """
        chain = [one.strip() for one in impersonate.split(",")] if impersonate else []
        for account in chain:
            check_service_account(account)
        login = Login(
            access_token_file=str(access_token_file or ""),
            impersonate=tuple(chain),
            quota_project=read_project(quota_project).id if quota_project else "",
        )
        return cls(endpoints, login, pace or Pace())

    def open(
        self,
        source: Login | None = None,
        target: Login | None = None,
        *,
        limits: Limits | None = None,
        tries: int | None = None,
        patience_s: float | None = None,
    ) -> Connections:
        """Return the connections; use them in an `async with`.

        Args:
            source: how the source logs in, where it was said.
            target: how the target does.
            limits: how fast services are asked, where no option says it.
            tries: requests sent at most for one call; None: as the environment says.
            patience_s: seconds of waiting for a quota; None: as the environment says.
        """
        from gcr_migrate.connect import Connections, Settings

        settings = Settings(
            endpoints=self._where(),
            login=self.login,
            limits=self.pace.over(limits or Limits()),
            tries=tries,
            patience_s=patience_s,
        )
        return Connections(settings, source, target)

    def outside(self) -> Wire:
        """Return connections to those who are told of a run; use them in an `async with`."""
        from gcr_migrate.connect import Settings, outside

        return outside(Settings(endpoints=self._where()))

    def _where(self) -> Endpoints:
        from gcr_migrate.wire.endpoints import Endpoints

        if not self.endpoints:
            return Endpoints()
        from gcr_migrate.cli.options import read_text

        return Endpoints.load(read_text(self.endpoints), str(self.endpoints))
