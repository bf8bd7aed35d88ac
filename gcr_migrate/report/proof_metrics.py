"""A proof as Prometheus metrics: in a text file for a node's collector, or pushed to a gateway."""

from __future__ import annotations

import base64
import math
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from prometheus_client import Metric

    from gcr_migrate.report.proof import Proof

FINISHED: Final = "gcr_migrate_last_finished_timestamp_seconds"
SUCCEEDED: Final = "gcr_migrate_last_success_timestamp_seconds"
_OUTCOMES: Final = ("proven", "differs", "unproven")
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

    Attributes:
        registry: what is written or pushed.
    """

    def __init__(self, targets: Iterable[str], before: Times | None = None) -> None:
        self._targets = [*targets]
        self._times = dict(before or {})
        self._began_at = time.time()
        self._proofs: Sequence[Proof] = ()
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def came_out(self, proofs: Sequence[Proof]) -> None:
        """Take note of what was found."""
        self._proofs = proofs
        now = time.time()
        for proof in proofs:
            if proof.outcome != "unproven":
                self._times[FINISHED, proof.target] = now
            if proof.outcome == "proven":
                self._times[SUCCEEDED, proof.target] = now

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
            ((proof.target, outcome), float(proof.outcome == outcome))
            for proof in self._proofs
            for outcome in _OUTCOMES
        ]
        yield _gauge("gcr_migrate_outcome", "1 for what it came to.", ("outcome",), outcomes)
        # What could not be looked at is neither proven nor refuted: that metric is not there.
        proven = [
            ((proof.target, host.name), float(host.outcome == "proven"))
            for proof in self._proofs
            for host in proof.hosts
            if host.outcome != "unproven"
        ]
        yield _gauge("gcr_migrate_proven", "Whether it is as promised.", ("host",), proven)
        checks = [
            ((proof.target, host.name, name, result), float(getattr(level, result)))
            for proof in self._proofs
            for host in proof.hosts
            for name, level in host.levels.items()
            for result in _RESULTS
        ]
        labels = ("host", "level", "result")
        yield _gauge("gcr_migrate_checks", "What was asked of registries.", labels, checks)
        findings = [
            ((proof.target, host.name, code), float(number))
            for proof in self._proofs
            for host in proof.hosts
            for code, number in host.codes.items()
        ]
        help_text = "Errors and warnings by their code."
        yield _gauge("gcr_migrate_findings", help_text, ("host", "code"), findings)
        seconds = [((proof.target,), proof.seconds) for proof in self._proofs]
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


def pushed(proof: Proof) -> tuple[str, bytes]:
    """Return where below a gateway's address the metrics of a target go, and what they are.

    Each target is a group of its own: what is pushed replaces metrics of the same names in its
    group, and the time of the last success stays where a run has none to tell.
    """
    metrics = ProofMetrics([proof.target])
    metrics.came_out([proof])
    # A name with slashes is written in base64, as the gateway's interface has it.
    name = base64.urlsafe_b64encode(proof.target.encode()).decode()
    return f"/metrics/job/gcr-migrate/target@base64/{quote(name)}", generate_latest(
        metrics.registry
    )


def _gauge(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=("command", "target", *labels))
    for own, value in values:
        family.add_metric(["verify", *own], value)
    return family
