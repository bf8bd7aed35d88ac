"""Who is told of a proof besides the person who started it: files, gateways, webhooks.

Nothing here changes the exit status: that says what was proven. What could not be delivered is
told on stderr, and by `--alarm-state` it is delivered by a later run.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.cli.options import chosen, read_text
from gcr_migrate.errors import BAD_USAGE, BAD_WEBHOOK, MigrateError
from gcr_migrate.model.duration import read_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.cli.teller import Teller
    from gcr_migrate.wire.secret import Secret

WEBHOOK_VARIABLE: Final = "GCR_MIGRATE_WEBHOOK"
_BUCKET: Final = "gs://"


class Format(StrEnum):
    """Form of what a webhook is sent."""

    GENERIC = "generic"
    SLACK = "slack"


Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit", metavar="FILE", help="Write the result as JUnit XML, which CI systems show."
    ),
]
PushGateway = Annotated[
    str | None,
    typer.Option(
        "--push-gateway", metavar="URL", help="Push Prometheus metrics to this gateway at the end."
    ),
]
WebhookFile = Annotated[
    Path | None,
    typer.Option(
        "--webhook-file",
        metavar="FILE",
        help="File with the address to which alarms are posted; else GCR_MIGRATE_WEBHOOK has it.",
    ),
]
WebhookFormat = Annotated[
    str,
    typer.Option("--webhook-format", metavar="FORM", help="generic (JSON, see `schema`) or slack."),
]
AlarmState = Annotated[
    str | None,
    typer.Option(
        "--alarm-state",
        metavar="FILE|gs://BUCKET/OBJECT",
        help="Keep what was told here, so that the next run tells only what changed.",
    ),
]
RemindAfter = Annotated[
    str,
    typer.Option(
        "--remind-after",
        metavar="TIME",
        help="Tell again what stays so, after this time, such as 24h; needs --alarm-state.",
    ),
]
REMIND_AFTER: Final = "24h"


class Receivers(Struct, frozen=True):
    """Who is told, as the options say.

    Attributes:
        junit: file for JUnit XML.
        metrics_file: text file for metrics.
        gateway: push gateway.
        webhook: where alarms are posted.
        form: in which form.
        state: file or object that remembers what was told.
        remind_after: time after which it is told again.
    """

    junit: Path | None
    metrics_file: Path | None
    gateway: Secret | None
    webhook: Secret | None
    form: Format
    state: str
    remind_after: timedelta

    @property
    def are_any(self) -> bool:
        """Whether an option names somebody: then nobody may be looking on."""
        asked = (self.junit, self.metrics_file, self.gateway, self.webhook)
        return bool(self.state) or any(one is not None for one in asked)

    @property
    def files(self) -> dict[str, Path | None]:
        """Files of this machine that are written, by option."""
        is_local = self.state and not self.state.startswith(_BUCKET)
        state = Path(self.state) if is_local else None
        return {
            "--junit": self.junit,
            "--metrics-file": self.metrics_file,
            "--alarm-state": state,
        }

    @classmethod
    def of(
        cls,
        junit: Path | None,
        metrics_file: Path | None,
        push_gateway: str | None,
        webhook: tuple[Path | None, str],
        state: tuple[str | None, str],
        environ: Mapping[str, str] = os.environ,
    ) -> Receivers:
        """Read the options.

        Args:
            junit: of `--junit`; the others likewise.
            metrics_file: of `--metrics-file`.
            push_gateway: of `--push-gateway`.
            webhook: of `--webhook-file` and `--webhook-format`.
            state: of `--alarm-state` and `--remind-after`.
            environ: environment variables.

        Raises:
            MigrateError: `bad-usage`, `bad-webhook` or `file-missing`, before anything is asked.
        """
        from gcr_migrate.alarm.sending import checked

        (form,) = chosen("--webhook-format", Format, [webhook[1]])
        try:
            remind_after = read_duration(state[1])
        except ValueError as error:
            subject = f"--remind-after {state[1]}"
            raise MigrateError(BAD_USAGE, subject=subject, saw=str(error)) from error
        gateway = checked(push_gateway, "--push-gateway", "gateway") if push_gateway else None
        address = _webhook(webhook[0], environ)
        kept_in = state[0] or ""
        if kept_in.startswith(_BUCKET):
            object_of(kept_in)
        return cls(junit, metrics_file, gateway, address, form, kept_in, remind_after)


def _webhook(file: Path | None, environ: Mapping[str, str]) -> Secret | None:
    """Read the address of the webhook, which is never a part of a command line."""
    from gcr_migrate.alarm.sending import checked

    subject, text = WEBHOOK_VARIABLE, environ.get(WEBHOOK_VARIABLE, "")
    if file is not None:
        subject, text = f"--webhook-file {file}", read_text(file)
        if not text.strip():
            raise MigrateError(BAD_WEBHOOK, subject=subject, saw="the file is empty")
    return checked(text, subject, "webhook") if text.strip() else None


def object_of(state: str) -> tuple[str, str]:
    """Return bucket and object of `--alarm-state gs://…`; raise `bad-usage` if it has not both."""
    bucket, _, name = state.removeprefix(_BUCKET).partition("/")
    if not bucket or not name or name.endswith("/"):
        saw = "gs://BUCKET/OBJECT is needed"
        raise MigrateError(BAD_USAGE, subject=f"--alarm-state {state}", saw=saw)
    return bucket, name


@contextmanager
def telling(
    output: Output, receivers: Receivers, way: Way, targets: Sequence[str]
) -> Iterator[Teller]:
    """Tell of what came out in the block, also when the block fails.

    Args:
        output: whose log lines are for machines, or for people.
        receivers: who is told.
        way: how Google's services are reached.
        targets: all that are verified.

    Raises:
        MigrateError: `file-missing`, a file cannot be written; before anything was asked.
    """
    from gcr_migrate.cli.teller import Teller

    teller = Teller(output, receivers, way, targets)
    teller.begin()
    try:
        yield teller
    except Exception as error:
        teller.failed(error)
        teller.end()
        raise
    teller.end()


def not_told(error: MigrateError) -> None:
    """Say on stderr that somebody was not told."""
    problem = error.problem
    logs.error(
        "alarm.not-told",
        code=problem.code,
        subject=error.subject,
        saw=error.saw or problem.title,
        hint=problem.remedy,
    )
