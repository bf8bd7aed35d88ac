"""Copies between two real registries over a line that is kept slow."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from benchmarks.corpus import Corpus, Shape, make_corpus, push

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Cli, Registry

pytestmark = [pytest.mark.slow, pytest.mark.needs("docker-registry")]

# Blobs of some hundred kilobytes come in a few pieces, each of which is cut and waited for.
SHAPE = Shape(images=6, repositories=2, layers=3, median=200_000, sigma=0.3, largest=300_000)


@dataclass
class Pair:
    """Two registries, of which the first one has images, and a frozen plan between them."""

    cli: Cli
    corpus: Corpus
    target: Registry

    def uploads(self) -> list[Path]:
        """Return where blobs are on their way into the second one."""
        return [*self.target.storage.rglob("_uploads/*")]


@pytest.fixture
def pair(cli: Cli, make_registry: Callable[[], Registry]) -> Pair:
    """Fill the first registry, and plan."""
    source, target = make_registry(), make_registry()
    corpus = make_corpus(SHAPE)
    push(corpus, source.host)
    spec = f"source: {{registry: '{source.host}'}}\ntarget: {{registry: '{target.host}'}}\n"
    (cli.home / "spec.yaml").write_text(spec)
    planned = cli("plan", "spec.yaml", "-o", "m")
    assert planned.returncode == 0, planned.stderr
    return Pair(cli, corpus, target)


def test_a_cap_changes_nothing_but_the_time(pair: Pair) -> None:
    """All is copied, and verified by a second look at both."""
    sizes = [blob.size for blob in pair.corpus.blobs.values()]
    assert sum(100_000 <= size <= 300_000 for size in sizes) > 10
    applied = pair.cli("apply", "m", "--yes", "--max-bandwidth", "4MB")
    assert applied.returncode == 0, applied.stderr
    assert "Traceback" not in applied.stderr
    verified = pair.cli("verify", "m")
    assert verified.returncode == 0, verified.stdout


def test_a_second_ctrl_c_in_the_middle_of_blobs_ends_it_without_a_traceback(pair: Pair) -> None:
    """Whoever is that impatient has seen enough; the next run goes on as after a kill."""
    options = ("--yes", "--workers", "1", "--max-bandwidth", "100kB")
    with pair.cli.start("apply", "m", *options) as process:
        until = time.monotonic() + 60
        while not pair.uploads() and time.monotonic() < until:
            time.sleep(0.05)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "never" not in err
    assert pair.cli("apply", "m", "--yes").returncode == 0
