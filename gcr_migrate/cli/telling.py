"""Who is told of a proof besides the person who started it: files, gateways, webhooks.

Nothing here changes the exit status: that says what was proven. What could not be delivered is
told on stderr, and by `--alarm-state` it is delivered by a later run.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer

from gcr_migrate.cli.options import chosen, read_text
from gcr_migrate.errors import BAD_USAGE, BAD_WEBHOOK, FILE_MISSING, MigrateError, printable
from gcr_migrate.model.duration import read_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gcr_migrate.cli.options import Way
    from gcr_migrate.cli.output import Output
    from gcr_migrate.report.standing import Standing
    from gcr_migrate.wire.secret import Secret

WEBHOOK_VARIABLE: Final = "GCR_MIGRATE_WEBHOOK"
_BUCKET: Final = "gs://"
_log = structlog.get_logger()


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


@dataclass(frozen=True, slots=True)
class Receivers:
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


class Telling:
    """Tells of one run.

    Args:
        output: whose log lines are for machines, or for people.
        receivers: who is told.
        way: how Google's services are reached.
        targets: all that are verified.
    """

    def __init__(
        self, output: Output, receivers: Receivers, way: Way, targets: Sequence[str]
    ) -> None:
        self._output = output
        self._receivers = receivers
        self._way = way
        self._targets = [printable(one) for one in targets]
        self.standings: list[Standing] = []

    def begin(self) -> None:
        """Check what can be checked, and leave nothing that looks as if all were well.

        Raises:
            MigrateError: `file-missing`, a file cannot be written.
        """
        if self._receivers.junit:
            from gcr_migrate.report.junit import unfinished_text

            _write(self._receivers.junit, unfinished_text(self._targets))
        if self._receivers.metrics_file:
            self._write_metrics()
        state = self._receivers.state
        if state and not state.startswith(_BUCKET) and not Path(state).parent.is_dir():
            raise MigrateError(FILE_MISSING, subject=state, saw="its folder does not exist")

    def end(self) -> None:
        """Tell everybody; what keeps one from being told does not keep the others."""
        self._log_hosts()
        if self._receivers.junit:
            from gcr_migrate.report.junit import junit_text

            self._try(_write, self._receivers.junit, junit_text(self.standings))
        if self._receivers.metrics_file:
            self._try(self._write_metrics)
        asyncio.run(self._tell_far())

    def _log_hosts(self) -> None:
        """One line for each host; at a terminal the table has them already."""
        if self._output.err.is_terminal and not self._output.as_json:
            return
        for standing in self.standings:
            for host in standing.hosts:
                _log.info(
                    "verify.host",
                    target=standing.target,
                    host=host.name,
                    outcome=host.outcome,
                    checked=host.count("checked"),
                    wrong=host.count("wrong"),
                    unchecked=host.count("unchecked"),
                    codes=host.codes,
                )
            _log.info(
                "verify.target",
                target=standing.target,
                outcome=standing.outcome,
                hosts=len(standing.hosts),
                seconds=standing.seconds and round(standing.seconds, 3),
                requests=standing.requests,
            )

    def _write_metrics(self) -> None:
        from gcr_migrate.report.metrics import MetricsFile
        from gcr_migrate.report.proof_metrics import ProofMetrics, times_in

        file = self._receivers.metrics_file
        if file is None:
            return
        metrics = ProofMetrics(self._targets, times_in(file))
        metrics.came_out(self.standings)
        MetricsFile(file, metrics.registry).write()

    async def _tell_far(self) -> None:
        receivers = self._receivers
        if receivers.webhook or receivers.state:
            from gcr_migrate.cli.alarming import alarm

            await alarm(receivers, self._way, self.standings)
        if receivers.gateway:
            from gcr_migrate.cli.alarming import push

            await push(receivers.gateway, self._way, self.standings)

    def _try(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except MigrateError as error:
            not_told(error)


@contextmanager
def telling(
    output: Output, receivers: Receivers, way: Way, targets: Sequence[str]
) -> Iterator[list[Standing]]:
    """Tell of what the block puts into the list, also when the block fails.

    Args:
        output: whose log lines are for machines, or for people.
        receivers: who is told.
        way: how Google's services are reached.
        targets: all that are verified.

    Raises:
        MigrateError: `file-missing`, a file cannot be written; before anything was asked.
    """
    from gcr_migrate.report.standing import Standing

    told = Telling(output, receivers, way, targets)
    told.begin()
    try:
        yield told.standings
    except Exception as error:
        done = {standing.target for standing in told.standings}
        reason = error if isinstance(error, MigrateError) else None
        left = [one for one in targets if printable(one) not in done]
        told.standings += [Standing.failed(one, reason) for one in left]
        told.end()
        raise
    told.end()


def not_told(error: MigrateError) -> None:
    """Say on stderr that somebody was not told."""
    problem = error.problem
    _log.error(
        "alarm.not-told",
        code=problem.code,
        subject=error.subject,
        saw=error.saw or problem.title,
        hint=problem.remedy,
    )


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def _write(path: Path, text: str) -> None:
    """Write a file in one move, so that no reader sees half of it."""
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        saw = error.strerror or type(error).__name__
        raise MigrateError(FILE_MISSING, subject=str(path), saw=saw) from error
