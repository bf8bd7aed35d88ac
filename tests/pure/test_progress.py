"""Progress tells how many there are, and how fast they come."""

from __future__ import annotations

import asyncio
import io
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from rich.console import Console

from gcr_migrate import logs
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.watching import Watched
from gcr_migrate.model.brakes import Brakes
from gcr_migrate.report.progress import DRAWN_EVERY_S, EVERY_S, Watch
from gcr_migrate.state.file import lock, open_migration
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.left import left
from gcr_migrate.wire.traffic import Traffic
from tests.pure.test_ledger import write_plan

if TYPE_CHECKING:
    from pathlib import Path

DUMB = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})


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


@pytest.mark.parametrize(
    "screen",
    [None, Console(file=io.StringIO()), DUMB],
    ids=["for machines", "no terminal", "a dumb one"],
)
def test_log_lines_tell_counts_and_their_rate(
    screen: Console | None, monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]
) -> None:
    """Where nothing can be drawn, an event has both, each under its kind's name."""
    moments = iter([0.0, 2 * EVERY_S])
    monkeypatch.setattr("time.monotonic", lambda: next(moments))
    Watch(screen, "inventory").listed("read", 100)
    assert events[0]["event"] == "inventory.progress"
    assert (events[0]["read"], events[0]["read_per_s"]) == (100, 10.0)


def test_a_run_on_a_terminal_that_cannot_draw_is_told_by_log_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[dict[str, Any]]
) -> None:
    """Nothing that is drawn there would be seen."""
    monkeypatch.setattr("gcr_migrate.report.running.LOGGED_EVERY_S", 0.0)
    monkeypatch.setattr("gcr_migrate.cli.watching._TICK_S", 0.01)
    path = tmp_path / "a.migration"
    write_plan(path)
    output = Output(as_json=False)
    monkeypatch.setattr(output, "err", DUMB, raising=False)

    async def run() -> None:
        ledger = Ledger(migration)
        watched = Watched(output, migration, None, None, None)
        async with watched.run(Traffic(), left(migration), ledger, Brakes()):
            await asyncio.sleep(0.1)
        await ledger.close()

    with lock(path), open_migration(path) as migration:
        asyncio.run(run())
    assert "apply.progress" in {event["event"] for event in events}


@pytest.mark.parametrize("kind", ["xterm", "dumb"])
def test_log_lines_have_colours_only_where_these_are_seen(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that cannot draw would show them as signs between the words."""
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("gcr_migrate.logs._tell", [])
    monkeypatch.setenv("TERM", kind)
    monkeypatch.delenv("NO_COLOR", raising=False)
    before = structlog.get_config()
    try:
        logs.set_up(as_json=False)
        logs.info("apply.progress", bytes=5)
    finally:
        structlog.configure(**before)
    assert ("\x1b" in stream.getvalue()) is (kind == "xterm")
