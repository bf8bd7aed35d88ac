"""A proof as Prometheus metrics: in a text file for a node's collector, or pushed to a gateway."""

from __future__ import annotations

import base64
import math
import time
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from gcr_migrate.verify.result import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Metric

    from gcr_migrate.report.standing import Standing

FINISHED: Final = "gcr_migrate_last_finished_timestamp_seconds"
SUCCEEDED: Final = "gcr_migrate_last_success_timestamp_seconds"
_RESULTS: Final = ("ok", "wrong", "unchecked")
_HELP: Final = {
    FINISHED: "When all was looked at last, whatever was found.",
    SUCCEEDED: "When it was proven last.",
}
Times = dict[tuple[str, str], float]
"""When something was last, by name of the metric and target."""


class ProofMetrics(Collector):
    """Metrics of a verification, in a registry of its own.

    Args:
        targets: all that are verified.
        before: when each ended last, as an earlier run told it.
        began_at: when it began, in seconds since 1970; None: now.

    Attributes:
        registry: what is written or pushed.
    """

    def __init__(
        self,
        targets: Iterable[str],
        before: Times | None = None,
        began_at: float | None = None,
    ) -> None:
        self._targets = [*targets]
        self._times = dict(before or {})
        self._began_at = time.time() if began_at is None else began_at
        self._standings: Sequence[Standing] = ()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def came_out(self, standings: Sequence[Standing]) -> None:
        """Take note of what was found."""
        self._standings = standings
        now = time.time()
        for standing in standings:
            if standing.outcome is not Outcome.UNPROVEN:
                self._times[FINISHED, standing.target] = now
            if standing.outcome is Outcome.PROVEN:
                self._times[SUCCEEDED, standing.target] = now

    def collect(self) -> Iterable[Metric]:
        """Go through all metrics; for the registry."""
        return (family for family in self._families() if family.samples)

    def _families(self) -> Iterator[Metric]:
        began = [((target,), self._began_at) for target in self._targets]
        yield _gauge("gcr_migrate_started_timestamp_seconds", "When it began.", (), began)
        for name in (FINISHED, SUCCEEDED):
            told = [((target,), at) for (what, target), at in self._times.items() if what == name]
            yield _gauge(name, _HELP[name], (), told)
        yield from self._found()

    def _found(self) -> Iterator[Metric]:
        outcomes = [
            ((standing.target, str(outcome)), float(standing.outcome is outcome))
            for standing in self._standings
            for outcome in Outcome
        ]
        yield _gauge("gcr_migrate_outcome", "1 for what it came to.", ("outcome",), outcomes)
        # What could not be looked at is neither proven nor refuted: that metric is not there.
        proven = [
            ((standing.target, host.name), float(host.outcome is Outcome.PROVEN))
            for standing in self._standings
            for host in standing.hosts
            if host.outcome is not Outcome.UNPROVEN
        ]
        yield _gauge("gcr_migrate_proven", "Whether it is as promised.", ("host",), proven)
        checks = [
            ((standing.target, host.name, name, result), float(getattr(level, result)))
            for standing in self._standings
            for host in standing.hosts
            for name, level in host.levels.items()
            for result in _RESULTS
        ]
        labels = ("host", "level", "result")
        yield _gauge("gcr_migrate_checks", "What was asked of registries.", labels, checks)
        findings = [
            ((standing.target, host.name, code), float(number))
            for standing in self._standings
            for host in standing.hosts
            for code, number in host.codes.items()
        ]
        help_text = "Errors and warnings by their code."
        yield _gauge("gcr_migrate_findings", help_text, ("host", "code"), findings)
        seconds = [
            ((standing.target,), standing.seconds)
            for standing in self._standings
            if standing.seconds is not None
        ]
        yield _gauge("gcr_migrate_duration_seconds", "How long it took.", (), seconds)


def times_in(path: Path) -> Times:
    """Return when targets ended last, as a text file of an earlier run tells it."""
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):  # there is none yet, or it is not one
        return {}
    return {
        (sample.name, sample.labels["target"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name in _HELP
        and sample.labels.get("command") == "verify"
        and "target" in sample.labels
        and math.isfinite(sample.value)
    }


def pushed(standing: Standing, began_at: float | None = None) -> tuple[str, bytes]:
    """Return where below a gateway's address the metrics of a target go, and what they are.

    Each target is a group of its own: what is pushed replaces metrics of the same names in its
    group, and the time of the last success stays where a run has none to tell.
    """
    metrics = ProofMetrics([standing.target], began_at=began_at)
    metrics.came_out([standing])
    # A name with slashes is written in base64, as the gateway's interface has it.
    name = base64.urlsafe_b64encode(standing.target.encode()).decode()
    return f"/metrics/job/gcr-migrate/target@base64/{name}", generate_latest(metrics.registry)


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=("command", "target", *labels))
    for own, value in values:
        family.add_metric(["verify", *own], value)
    return family
