"""A run as OpenTelemetry spans, for who sets OTEL_EXPORTER_OTLP_ENDPOINT.

Nothing of a URL is ever in them: names, digests, sizes and codes of the catalogue are.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from gcr_migrate import logs
from gcr_migrate.errors import named
from gcr_migrate.model.steps import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    from gcr_migrate.model.steps import Step

SLOW_S: Final = 1.0
_GOOD: Final = frozenset({"complete", "partial", "pending", "time-is-up"})
_ALWAYS: Final = frozenset({Kind.REPOSITORY, Kind.GRANT, Kind.SETTING})


class OneChance(SpanExporter):
    """Sends spans until somebody does not take them; says that once, and then drops the others.

    The library tries again by itself, for as long as OTEL_EXPORTER_OTLP_TIMEOUT says. Who cannot
    be reached after that must not hold up a migration again and again.

    Args:
        exporter: sends them.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._gone = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans."""
        if self._gone:
            return SpanExportResult.FAILURE
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._gone = True
            hint = "is somebody listening at OTEL_EXPORTER_OTLP_ENDPOINT?"
            logs.warning("traces.not-sent", saw="they were not taken", hint=hint)
        return result

    def shutdown(self) -> None:
        """End."""
        self._exporter.shutdown()


class Traces:
    """Listens to a run, and makes a span of it and of its items.

    Repositories, grants, settings and what failed always have one; blobs, manifests and tags only
    if they took long: a span for each of a million would tell nobody anything.

    Args:
        processor: takes the spans that have ended.
        attributes: of the run's span.
        subject: gives the full target name of an item.
        environ: environment variables; a name of the service that is given there stays.
        slow_s: seconds from which on an item has a span.
    """

    def __init__(
        self,
        processor: SpanProcessor,
        attributes: Mapping[str, str],
        subject: Callable[[Kind, int], str],
        environ: Mapping[str, str],
        slow_s: float = SLOW_S,
    ) -> None:
        named_already = "OTEL_SERVICE_NAME" in environ or "service.name=" in environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        resource = Resource.create({} if named_already else {"service.name": "gcr-migrate"})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("gcr_migrate")
        self._run = self._tracer.start_span("apply", attributes=dict(attributes))
        self._inside = set_span_in_context(self._run)
        self._subject = subject
        self._slow_ns = int(slow_s * 1e9)
        self._began_ns: dict[tuple[Kind, int], int] = {}

    def item(self, step: Step) -> None:
        """Take note that something happened to one item."""
        now_ns, key = time.time_ns(), (step.kind, step.item_id)
        if step.event is Event.STARTED:
            self._began_ns.setdefault(key, now_ns)
            return
        began_ns = self._began_ns.pop(key, now_ns)
        failed = step.event is Event.GAVE_UP
        if not failed and step.kind not in _ALWAYS and now_ns - began_ns < self._slow_ns:
            return
        attributes: dict[str, str | int] = {
            "gcr_migrate.name": self._subject(step.kind, step.item_id),
            "gcr_migrate.outcome": step.how or step.event.value,
        }
        if step.size_bytes > 0:
            attributes["gcr_migrate.size_bytes"] = step.size_bytes
        if step.code:
            attributes["error.type" if failed else "gcr_migrate.code"] = step.code
        span = self._tracer.start_span(
            step.kind.value, self._inside, start_time=began_ns, attributes=attributes
        )
        if failed:
            span.set_status(Status(StatusCode.ERROR, f"{step.code}: {named(step.code).title}"))
        span.end(now_ns)

    def bytes(self, count: int) -> None:
        """Pass over the bytes: they are no events."""

    def end(self, outcome: str, failures: int) -> None:
        """End the run's span and send what is left; who does not take it is told of, no more.

        Args:
            outcome: how the run ended, or the code of what ended it.
            failures: number of items that were given up.
        """
        self._run.set_attributes({"gcr_migrate.outcome": outcome, "gcr_migrate.failures": failures})
        if failures or outcome not in _GOOD:
            self._run.set_status(Status(StatusCode.ERROR, f"{outcome}, {failures} failed"))
        self._run.end()
        self._provider.shutdown()
