"""Tells of a verification: in files, in the log, and to those who listen elsewhere."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate import logs
from gcr_migrate.cli.files import write_parts
from gcr_migrate.cli.interrupt import in_a_loop
from gcr_migrate.cli.telling import not_told
from gcr_migrate.errors import NOT_WRITABLE, MigrateError, printable
from gcr_migrate.report.standing import Standing
from gcr_migrate.verify.result import worst

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcr_migrate.cli.found import Found
    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.cli.telling import Receivers

_BUCKET: Final = "gs://"


class Teller:
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
        self._standings: list[Standing] = []
        self._requests = 0
        self._began_at = time.monotonic()
        self._began_by_clock = time.time()  # what is told at the end has both ends

    def begin(self) -> None:
        """Check what can be checked, and leave nothing that looks as if all were well.

        Raises:
            MigrateError: `not-writable`, a file cannot be written.
        """
        if self._receivers.junit:
            from gcr_migrate.report.junit import unfinished_text

            write_parts(self._receivers.junit, [unfinished_text(self._targets)])
        self._write_metrics()
        state = self._receivers.state
        if state and not state.startswith(_BUCKET) and not Path(state).parent.is_dir():
            raise MigrateError(NOT_WRITABLE, subject=state, saw="its folder does not exist")

    def came_out(self, found: Found) -> None:
        """Take note of what was found."""
        proofs = {proof.target: proof for proof in found.proofs}
        errors = dict(found.first_errors)
        self._requests = found.requests
        for name in found.names:
            seconds = found.seconds.get(name)
            if name in proofs:
                self._standings.append(Standing.of(proofs[name], seconds))
            else:
                self._standings.append(Standing.failed(name, errors.get(name), seconds))

    def failed(self, error: Exception) -> None:
        """Take note of what ended the run before anything came out."""
        reason = error if isinstance(error, MigrateError) else None
        if not self._standings:
            self._standings = [Standing.failed(name, reason) for name in self._targets]

    def end(self) -> None:
        """Tell everybody; what keeps one from being told does not keep the others."""
        self._log()
        if self._receivers.junit:
            from gcr_migrate.report.junit import junit_text

            self._try(write_parts, self._receivers.junit, [junit_text(self._standings)])
        self._try(self._write_metrics)
        if self._receivers.webhook or self._receivers.state or self._receivers.gateway:
            in_a_loop(self._tell_far())

    def _log(self) -> None:
        """One line for each host; who reads the table at a terminal has them already."""
        is_log = self._receivers.are_any and not self._output.err.is_terminal
        if not (self._output.as_json or is_log):
            return
        for standing in self._standings:
            seconds = standing.seconds and round(standing.seconds, 3)
            for host in standing.hosts:
                logs.info(
                    "verify.host",
                    target=standing.target,
                    host=host.name,
                    outcome=str(host.outcome),
                    checked=host.count("checked"),
                    wrong=host.count("wrong"),
                    unchecked=host.count("unchecked"),
                    codes=host.codes,
                    seconds=seconds,
                )
            if not standing.hosts:
                codes = [one.code for one in standing.findings]
                outcome = str(standing.outcome)
                logs.info("verify.target", target=standing.target, outcome=outcome, codes=codes)
        logs.info(
            "verify.done",
            outcome=str(worst(one.outcome for one in self._standings)),
            targets=len(self._standings),
            requests=self._requests,
            seconds=round(time.monotonic() - self._began_at, 3),
        )

    def _write_metrics(self) -> None:
        file = self._receivers.metrics_file
        if file is None:
            return
        from gcr_migrate.report.metrics import MetricsFile
        from gcr_migrate.report.proof_metrics import ProofMetrics, times_in

        metrics = ProofMetrics(self._targets, times_in(file), self._began_by_clock)
        metrics.came_out(self._standings)
        MetricsFile(file, metrics.registry).write()

    async def _tell_far(self) -> None:
        from gcr_migrate.cli.alarming import alarm, push

        receivers = self._receivers
        if receivers.webhook or receivers.state:
            await alarm(receivers, self._way, self._standings)
        if receivers.gateway:
            await push(receivers.gateway, self._way, self._standings, self._began_by_clock)

    def _try(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except MigrateError as error:
            not_told(error)
