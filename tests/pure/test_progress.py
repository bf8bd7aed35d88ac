"""Progress tells how many there are, and how fast they come."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gcr_migrate.report.progress import DRAWN_EVERY_S, EVERY_S, Watch

if TYPE_CHECKING:
    import pytest


def test_a_bar_tells_counts_and_their_rate() -> None:
    """On a terminal, each kind is counted with what came in the last moment."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with Watch(console, "inventory") as watch:
        watch.listed("read", 20)
        time.sleep(DRAWN_EVERY_S + 0.05)
        watch.listed("read", 20)
        time.sleep(DRAWN_EVERY_S + 0.05)
    found = re.search(r"40 read \((\d+)/s\)", out.getvalue())
    assert found
    assert 20 < int(found[1]) <= 400


def test_log_lines_tell_counts_and_their_rate(
    monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]
) -> None:
    """Where there is no terminal, an event has both, each under its kind's name."""
    moments = iter([0.0, 2 * EVERY_S])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    Watch(None, "inventory").listed("read", 100)
    assert events[0]["event"] == "inventory.progress"
    assert (events[0]["read"], events[0]["read_per_s"]) == (100, 10.0)
