"""Options and arguments that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError
from gcr_migrate.model.limits import LEAST_PER_SECOND, MOST_AT_ONCE, Limits, read_bandwidth
from gcr_migrate.model.login import Login
from gcr_migrate.model.names import check_service_account
from gcr_migrate.model.nearest import did_you_mean
from gcr_migrate.model.places import read_project

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.connect import Connections
    from gcr_migrate.wire.endpoints import Endpoints as EndpointsFile
    from gcr_migrate.wire.transport import Wire

E = TypeVar("E", bound=StrEnum)

Json = Annotated[
    bool,
    typer.Option("--json", help="One JSON object on stdout; log lines on stderr are JSON too."),
]
Endpoints = Annotated[
    Path | None,
    typer.Option(
        "--endpoints",
        envvar="GCR_MIGRATE_ENDPOINTS",
        metavar="FILE",
        help="YAML file that maps hosts and services to other addresses, such as a sandbox.",
    ),
]
AccessTokenFile = Annotated[
    Path | None,
    typer.Option(
        "--access-token-file",
        metavar="FILE",
        help="File with a Google access token, for a side for which the spec names no login.",
    ),
]
Impersonate = Annotated[
    str | None,
    typer.Option(
        "--impersonate-service-account",
        metavar="ACCOUNT",
        help="Service account to act as; of several with commas the last, by way of the others.",
    ),
]
QuotaProject = Annotated[
    str | None,
    typer.Option(
        "--quota-project",
        metavar="PROJECT",
        help="Project that calls of Google's APIs are counted for and billed to.",
    ),
]
MaxRate = Annotated[
    float | None,
    typer.Option(
        "--max-rate",
        metavar="N",
        help="Requests per second to each service at most, instead of what the spec says.",
    ),
]
MaxBandwidth = Annotated[
    str | None,
    typer.Option(
        "--max-bandwidth",
        metavar="BYTES",
        help="Bytes of blobs sent per second at most, such as 100MB, instead of the spec's.",
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        metavar="N",
        help="Blobs on their way at once to each target host, instead of the spec's.",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Fetch every manifest anew, and keep none in SOURCE.cache beside the file.",
    ),
]
AuditLog = Annotated[
    Path | None,
    typer.Option(
        "--audit-log",
        metavar="FILE",
        help="Data Access entries of Artifact Registry, exported as JSON: who really pulls what.",
    ),
]
MigrationFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Migration file that `plan` wrote.")
]


SPEC_SUFFIXES: Final = (".yaml", ".yml")
SNAPSHOT_SUFFIX: Final = ".snapshot"


@dataclass(frozen=True, slots=True)
class Pace:
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


@dataclass(frozen=True, slots=True)
class Way:
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

    def _where(self) -> EndpointsFile:
        from gcr_migrate.wire.endpoints import Endpoints as EndpointsFile

        if not self.endpoints:
            return EndpointsFile()
        return EndpointsFile.load(read_text(self.endpoints), str(self.endpoints))


def chosen(option: str, kind: type[E], named: list[str]) -> frozenset[E]:
    """Return the values of an option that may be repeated.

    Args:
        option: its name, such as `--level`.
        kind: the values that it may have.
        named: those that were written.

    Raises:
        MigrateError: `bad-usage` with the values that there are.
    """
    check_known(option, [str(value) for value in kind], named)
    return frozenset(map(kind, named))


def check_known(option: str, known: Sequence[str], named: Iterable[str]) -> None:
    """Refuse what is none of the values that there are, with the one that is nearest.

    Args:
        option: what the value was written for, such as `--level`.
        known: the values that there are.
        named: those that were written.

    Raises:
        MigrateError: `bad-usage`.
    """
    unknown = sorted(set(named) - set(known))
    if unknown:
        question = did_you_mean(unknown[0], known)
        saw = f"{question} It is one of {', '.join(known)}".strip()
        raise MigrateError(BAD_USAGE, subject=f"{option} {unknown[0]}", saw=saw)


def read_text(path: Path) -> str:
    """Return the text of a file that a person named.

    Raises:
        MigrateError: `file-missing`.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        saw = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise MigrateError(FILE_MISSING, subject=str(path), saw=saw or "") from error


def is_file(text: str) -> bool:
    """Whether a person named a file that is there; a name that no system takes is none."""
    try:
        return Path(text).is_file()
    except OSError:
        return False


def is_folder(text: str) -> bool:
    """Whether a person named a folder that is there; a name that no system takes is none."""
    try:
        return Path(text).is_dir()
    except OSError:
        return False
