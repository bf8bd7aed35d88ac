"""A run as Prometheus metrics: for a scraper, or in a text file for batch jobs."""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gcr_migrate.errors import BAD_USAGE, NOT_WRITABLE, MigrateError
from gcr_migrate.model.steps import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client import Metric

    from gcr_migrate.report.course import Course

LAST_SUCCESS: Final = "gcr_migrate_last_success_timestamp_seconds"
_OUTCOMES: Final = ("done", "skipped", "failed")


class Source(Protocol):
    """What is measured."""

    def metrics(self, labels: Mapping[str, str]) -> Iterator[Metric]:
        """Go through the metrics as they are now, each with these labels."""
        ...


class Metrics(Collector):
    """Metrics of one command, in a registry of its own.

    Args:
        command: `apply`.
        migration: name of the migration file; two files of one machine may not tell the same.

    Attributes:
        labels: that each of them has.
        source: what is measured, once there is something.
        succeeded_at: when the command last ended well, in seconds since 1970; None: not yet.
    """

    def __init__(self, command: str, migration: str) -> None:
        self.labels = {"command": command, "migration": migration}
        self._began_at = time.time()
        self.source: Source | None = None
        self.succeeded_at: float | None = None
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Go through all metrics; for the registry."""
        yield _gauge("started_timestamp_seconds", "When it began.", self.labels, self._began_at)
        if self.succeeded_at is not None:
            help_text = "When it last ended with success."
            name = LAST_SUCCESS.removeprefix("gcr_migrate_")
            yield _gauge(name, help_text, self.labels, self.succeeded_at)
        if self.source:
            yield from self.source.metrics(self.labels)

    def succeeded(self) -> None:
        """Take note that the command ends with success now."""
        self.succeeded_at = time.time()

    def remember(self, path: Path) -> None:
        """Keep what an earlier command wrote of its success: that is what alarms are about."""
        self.succeeded_at = _last_success(path, self)

    @contextlib.contextmanager
    def served(self, address: str, port: int) -> Iterator[None]:
        """Serve them by HTTP while the block runs.

        Raises:
            MigrateError: BAD_USAGE, the port cannot be had.
        """
        try:
            server, thread = start_http_server(port, address, registry=self.registry)
        except (OSError, UnicodeError) as error:  # the latter of a name that can be none
            subject = f"--metrics-port {port}"
            saw = f"{address}: {getattr(error, 'strerror', '') or error}"
            raise MigrateError(BAD_USAGE, subject=subject, saw=saw) from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class MetricsFile:
    """The text file of a batch job, written as a whole each time.

    Args:
        path: where it lies; the collector of a node takes only names in `.prom`.
        registry: what is written.
    """

    def __init__(self, path: Path, registry: CollectorRegistry) -> None:
        self._path = path
        self._registry = registry

    def write(self) -> None:
        """Write it.

        Raises:
            MigrateError: NOT_WRITABLE, it cannot be written there.
        """
        try:
            write_to_textfile(os.fspath(self._path), self._registry)
        except OSError as error:
            saw = error.strerror or str(error)
            raise MigrateError(NOT_WRITABLE, subject=str(self._path), saw=saw) from error


def _last_success(path: Path, metrics: Metrics) -> float | None:
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # there is none yet, or it is not one
        return None
    mine = [
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == LAST_SUCCESS
        and sample.labels == metrics.labels
        and math.isfinite(sample.value)
    ]
    return mine[0] if mine else None


class RunMetrics:
    """What `apply` measures.

    Args:
        course: how far the run is.
    """

    def __init__(self, course: Course) -> None:
        self._course = course

    def metrics(self, labels: Mapping[str, str]) -> Iterator[Metric]:
        """Go through the metrics as they are now; see `Source`."""
        course, traffic = self._course, self._course.traffic
        outcomes = course.outcomes.copy()
        items = [
            ({"kind": kind.value, "outcome": outcome}, outcomes[kind, outcome])
            for kind in Kind
            for outcome in _OUTCOMES
        ]
        pending = [({"kind": kind.value}, course.pending(kind)) for kind in Kind]
        sent = course.bytes_sent + course.bytes_in_vain
        yield _counters("items", "Items of the plan that came to an end.", labels, items)
        yield _gauges("items_left", "Items that are still to be done.", labels, pending)
        yield _counter("sent_bytes", "Bytes of blobs sent to the target.", labels, sent)
        yield _counter(
            "resent_bytes",
            "Bytes of blobs that were sent in vain.",
            labels,
            course.bytes_in_vain,
        )
        yield _gauge("left_bytes", "Bytes of blobs to be sent.", labels, course.bytes_left)
        yield _counter("requests", "Requests sent and answered.", labels, traffic.requests)
        yield _counter("refused_requests", "Requests answered by 429.", labels, traffic.refused)
        flying = len(course.in_flight)
        yield _gauge("in_flight", "Items that are under way.", labels, flying)
        left_s = course.time_left_s
        if left_s is not None:  # a metric that is not there is one that nobody knows
            yield _gauge("time_left_seconds", "Seconds until all is there.", labels, left_s)


def _gauge(name: str, text: str, labels: Mapping[str, str], value: float) -> Metric:
    return _gauges(name, text, labels, [({}, value)])


def _gauges(
    name: str,
    text: str,
    labels: Mapping[str, str],
    values: Iterable[tuple[dict[str, str], float]],
) -> Metric:
    return _filled(GaugeMetricFamily, name, text, labels, values)


def _counter(name: str, text: str, labels: Mapping[str, str], value: float) -> Metric:
    return _counters(name, text, labels, [({}, value)])


def _counters(
    name: str,
    text: str,
    labels: Mapping[str, str],
    values: Iterable[tuple[dict[str, str], float]],
) -> Metric:
    return _filled(CounterMetricFamily, name, text, labels, values)


def _filled(
    family_of: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    text: str,
    labels: Mapping[str, str],
    values: Iterable[tuple[dict[str, str], float]],
) -> Metric:
    told = list(values)
    names = [*labels, *told[0][0]] if told else [*labels]
    family = family_of(f"gcr_migrate_{name}", text, labels=names)
    for more, value in told:
        family.add_metric([*labels.values(), *more.values()], value)
    return family
