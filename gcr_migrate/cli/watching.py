"""Who follows a run: progress for a person, metrics and traces for machines."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from gcr_migrate import logs
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.report.progress import can_draw

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from gcr_migrate.apply.pipe import Moved
    from gcr_migrate.cli.output import Output
    from gcr_migrate.model.brakes import Brakes
    from gcr_migrate.model.steps import Step
    from gcr_migrate.report.course import Course
    from gcr_migrate.report.drawn import Bars
    from gcr_migrate.report.metrics import Metrics, MetricsFile
    from gcr_migrate.report.places import Places
    from gcr_migrate.report.running import Lines
    from gcr_migrate.report.runs import ApplyFacts
    from gcr_migrate.report.services import Services
    from gcr_migrate.report.traces import Traces
    from gcr_migrate.state.ledger import Ledger
    from gcr_migrate.state.left import Left
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.wire.traffic import Traffic

MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port",
        min=1,
        max=65535,
        metavar="PORT",
        help="Serve Prometheus metrics at this port while it runs.",
    ),
]
MetricsAddress = Annotated[
    str,
    typer.Option(
        "--metrics-address", metavar="ADDRESS", help="Address for --metrics-port to listen on."
    ),
]
MetricsText = Annotated[
    Path | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE",
        help="Write Prometheus metrics into this text file, such as `builds.prom`.",
    ),
]
LOOPBACK: Final = "127.0.0.1"
_TICK_S: Final = 0.5
_FILE_EVERY_S: Final = 15.0
_NOTED_EVERY_S: Final = 5.0
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Watchers(Struct, frozen=True):
    """Who is to be told of a run beside the person who started it.

    Attributes:
        port: where metrics are served, if at all, and `address` on which address.
        file: text file of metrics.
    """

    port: int | None = None
    address: str = LOOPBACK
    file: Path | None = None


class Watched:
    """A run that is followed.

    Args:
        output: where progress goes.
        migration: the frozen plan.
        metrics: metrics that somebody wants.
        file: the text file of them.
        traces: spans that somebody wants.
    """

    def __init__(
        self,
        output: Output,
        migration: Migration,
        metrics: Metrics | None,
        file: MetricsFile | None,
        traces: Traces | None,
    ) -> None:
        self._output = output
        self._migration = migration
        self._metrics = metrics
        self._file = file
        self._traces = traces
        self._file_is_bad = False
        self._outcome = ""
        self._failures = 0

    @asynccontextmanager
    async def run(
        self, traffic: Traffic, to_do: Left, ledger: Ledger, brakes: Brakes
    ) -> AsyncIterator[Ears]:
        """Follow the run while the block goes on.

        Args:
            traffic: requests of all its connections.
            to_do: what it begins with.
            ledger: where it is noted how much was asked when.
            brakes: what it is held back by.
        """
        import asyncio

        from gcr_migrate.report.course import Course

        services = self._services(to_do, brakes)
        course = Course(to_do, traffic, brakes=brakes, services=services)
        if self._metrics:
            from gcr_migrate.report.metrics import RunMetrics

            self._metrics.source = RunMetrics(course)
        places = self._places(to_do)
        with self._display(course, places) as display:
            noting = _Noting(course, ledger)
            ticking = asyncio.create_task(self._tick(course, display, noting))
            try:
                yield Ears(course, self._traces, places)
            finally:
                ticking.cancel()
                with suppress(asyncio.CancelledError):
                    await ticking
                course.tick()
                noting.note()

    def _services(self, to_do: Left, brakes: Brakes) -> Services | None:
        """Return who measures each target service by itself, where there are several."""
        if len(to_do.by_service) < 2:  # noqa: PLR2004  # several
            return None
        from gcr_migrate.report.services import Services
        from gcr_migrate.state.left import Whereabouts

        return Services(to_do.by_service, brakes, Whereabouts(self._migration))

    def _places(self, to_do: Left) -> Places | None:
        """Return who follows single repositories, where somebody looks."""
        screen = self._output.screen
        if screen is None or not can_draw(screen):
            return None
        from gcr_migrate.report.places import Places

        return Places(self._migration, to_do)

    def _display(self, course: Course, places: Places | None) -> Bars | Lines:
        """Return who shows the run."""
        if places is None:
            from gcr_migrate.report.running import Lines

            return Lines(course)
        from gcr_migrate.report.drawn import Bars

        return Bars(self._output.err, course, places)

    async def _tick(self, course: Course, display: Bars | Lines, noting: _Noting) -> None:
        import asyncio

        told_at = written_at = noted_at = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            course.tick()
            now = time.monotonic()
            if now - told_at >= display.every_s:
                told_at = now
                display.tell()
            if now - noted_at >= _NOTED_EVERY_S:
                noted_at = now
                noting.note()
            if self._file and now - written_at >= _FILE_EVERY_S:
                written_at = now
                self._write()

    def _write(self) -> None:
        """Write the text file; what keeps it from being written does not stop a run."""
        if self._file is None or self._file_is_bad:
            return
        try:
            self._file.write()
        except MigrateError as error:
            self._file_is_bad = True
            logs.warning("metrics.not-written", file=error.subject, saw=error.saw)

    def came_out(self, facts: ApplyFacts) -> None:
        """Take note of how the run came out."""
        self._outcome, self._failures = facts.outcome, facts.counts.failed
        if self._metrics and facts.exit is Exit.OK:
            self._metrics.succeeded()

    def end(self, outcome: str) -> None:
        """Tell all who follow that it is over.

        Args:
            outcome: what ended it, if it did not come out.
        """
        self._write()
        if self._traces:
            self._traces.end(self._outcome or outcome, self._failures)


class _Noting:
    """Notes in the ledger how far the run is, and how much was asked since the last time."""

    def __init__(self, course: Course, ledger: Ledger) -> None:
        self._course = course
        self._ledger = ledger
        self._noted = course.traffic.copy()

    def note(self) -> None:
        now = self._course.traffic.copy()
        new, self._noted = now - self._noted, now
        if new.requests or new.retried:
            self._ledger.note_traffic(new.requests, new.refused, new.retried)
        self._ledger.note_how_far(self._course.how_far)


class Ears:
    """Listens to the events of a run for all who follow it.

    Args:
        course: adds up.
        traces: makes spans, if somebody wants them.
        places: follows single repositories, if somebody looks.
    """

    def __init__(self, course: Course, traces: Traces | None, places: Places | None) -> None:
        self.bytes = course.bytes  # the one call that comes for each chunk
        self._course = course
        self._traces = traces
        self._places = places

    def item(self, step: Step) -> None:
        """Something happened to one item of the plan."""
        self._course.item(step)
        if self._places:
            self._places.item(step)
        if self._traces:
            self._traces.item(step)

    def moved(self, moved: Moved) -> None:
        """A worker process tells what it did."""
        self._course.bytes(moved.count)
        self._course.traffic.add(moved.traffic)


@contextmanager
def watching(output: Output, migration: Migration, watchers: Watchers) -> Iterator[Watched]:
    """Follow a run, from before its start until it has come out.

    Raises:
        MigrateError: BAD_USAGE, the port cannot be had; FILE_MISSING, the file cannot be written.
    """
    with ExitStack() as stack:
        metrics = file = None
        if watchers.port or watchers.file:
            from gcr_migrate.report.metrics import Metrics, MetricsFile

            metrics = Metrics("apply", migration.path.name)
            if watchers.file:
                metrics.remember(watchers.file)
                file = MetricsFile(watchers.file, metrics.registry)
                file.write()
            if watchers.port:
                stack.enter_context(metrics.served(watchers.address, watchers.port))
        watched = Watched(output, migration, metrics, file, _traces(migration, os.environ))
        outcome = "interrupted"
        try:
            yield watched
        except MigrateError as error:
            outcome = error.problem.code
            raise
        finally:
            watched.end(outcome)


def _traces(migration: Migration, environ: Mapping[str, str]) -> Traces | None:
    """Return who makes spans, if the environment names somebody who takes them."""
    if not any(environ.get(name) for name in _ENDPOINTS) or _is_off(environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from gcr_migrate.report.traces import OneChance, Traces
    except ImportError:
        logs.warning(
            "traces.not-sent",
            saw="OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed",
            hint="pip install 'gcr-migrate[otel]'",
        )
        return None
    import logging

    from gcr_migrate.state.tally import subject_of

    # What goes wrong there is told once, and in our words.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    attributes = {
        "gcr_migrate.file": migration.path.name,
        "gcr_migrate.plan_digest": migration.digest,
    }
    try:
        processor = BatchSpanProcessor(OneChance(OTLPSpanExporter()))
    except ValueError as error:  # its own variables say what cannot be
        logs.warning("traces.not-sent", saw=str(error), hint="see the OTEL_ variables")
        return None
    return Traces(
        processor,
        attributes,
        lambda kind, item_id: subject_of(migration, kind, item_id),
        environ,
    )


def _is_off(environ: Mapping[str, str]) -> bool:
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return disabled or environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none"
