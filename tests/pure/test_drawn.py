"""A run on terminals of all widths: what matters most is told, and no number is cut."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from gcr_migrate.model.steps import Event, Kind, Step
from gcr_migrate.report.course import Course
from gcr_migrate.report.drawn import Bars
from gcr_migrate.report.places import Places
from gcr_migrate.report.running import time_text
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.left import Left, left
from gcr_migrate.wire.traffic import Traffic
from tests.pure.test_ledger import write_plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024
WIDTHS = (300, 140, 120, 100, 80, 60, 50, 40, 30, 20)


@pytest.fixture
def run() -> Course:
    """A long run in its middle: of everything that can be told of one, there is some."""
    planned = dict.fromkeys(Kind, 0) | {Kind.BLOB: 23_456, Kind.MANIFEST: 7_891, Kind.TAG: 9_123}
    size = 23_456 * 3 * MIB
    moments = [0.0]
    one = Course(Left(planned, {**planned}, size, size, 0, 23_456), Traffic(), lambda: moments[0])
    for item_id in range(100, 1_400):
        one.item(Step(Kind.BLOB, item_id, Event.STARTED, 3 * MIB))
        one.bytes(3 * MIB)
        one.traffic.add(Traffic(3, item_id % 9 == 0, item_id % 7 == 0))
        moments[0] += 0.1
        if item_id % 5:
            one.item(Step(Kind.BLOB, item_id, Event.CONFIRMED, 3 * MIB, "uploaded"))
        else:
            one.bytes(-3 * MIB)
            one.item(Step(Kind.BLOB, item_id, Event.GAVE_UP, 3 * MIB, "", "bad-reply"))
        one.tick()
    for item_id in range(1, 5):  # of the plan that `places` know
        one.item(Step(Kind.BLOB, item_id, Event.STARTED, 1_023 * MIB))
    moments[0] += 4
    one.tick()
    return one


@pytest.fixture
def places(tmp_path: Path) -> Iterator[Places]:
    """Two repositories that move."""
    write_plan(tmp_path / "a.migration", repositories=2)
    with open_migration(tmp_path / "a.migration") as migration:
        found = Places(migration, left(migration))
        found.item(Step(Kind.BLOB, 1, Event.CONFIRMED, MIB, "uploaded"))
        yield found


def lines(run: Course, places: Places, width: int) -> list[str]:
    """Return what a terminal of this width shows, line by line."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=width, height=40, color_system=None)
    with Bars(console, run, places) as display:
        display.tell()
    found = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", out.getvalue())
    return [line for line in re.split(r"[\r\n]+", found) if line.strip()]


def numbers(told: list[str]) -> set[str]:
    """Return numbers with all that belongs to them, names left out."""
    text = "\n".join(re.sub(r"\S*/\S+|\S+…", "", line) for line in told)
    return set(re.findall(r"\d[\d.:]*(?: [KMGT]?i?B)?", text))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(run: Course, places: Places, width: int) -> None:
    """Whatever is told in a narrow terminal is told so in a wide one; the rest is left out."""
    told = lines(run, places, width)
    assert max(map(len, told)) <= width
    assert not [line for line in told if re.search(r"(^|[ .:])[\d.:]+…", line)]
    assert numbers(told) <= numbers(lines(run, places, 300))


@pytest.mark.parametrize("width", WIDTHS)
def test_time_left_and_failures_are_told_in_any_width(
    run: Course, places: Places, width: int
) -> None:
    """They say whether somebody has to do something now."""
    assert run.time_left_s
    told = lines(run, places, width)
    assert f"time left {time_text(run.time_left_s)}" in told[0]
    assert "260 failed" in told[1]


@pytest.mark.parametrize("width", [width for width in WIDTHS if width >= 80])
def test_a_usual_terminal_tells_all(run: Course, places: Places, width: int) -> None:
    """On two lines below the bar, where one is not enough."""
    text = "\n".join(lines(run, places, width))
    for part in (
        "GiB of 68.0 GiB",
        "1300 of 23456 blobs",
        "0 of 7891 manifests",
        "0 of 9123 tags",
        "MiB/s",
        "requests/s",
        "144 refused by quota",
        "185 tried again",
        "4 in flight",
        "builds/product1",
        "1 of 9 items",
    ):
        assert part in text


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_tells_bytes_and_blobs(run: Course, places: Places, width: int) -> None:
    """And what finds room beside them; a repository has its count, however much of its name."""
    text = "\n".join(lines(run, places, width))
    assert "GiB of 68.0 GiB" in text
    assert "1300 of 23456 blobs" in text
    assert re.search(r"1 of 9( items)? *$", text, re.MULTILINE)


def test_in_the_narrowest_terminal_the_time_stands_alone(places: Places) -> None:
    """Such as `12 days, 3:00:00` in one of twenty columns."""
    planned = dict.fromkeys(Kind, 0) | {Kind.BLOB: 3}
    run = Course(Left(planned, planned, MIB, MIB, 0, 3), Traffic())
    assert lines(run, places, 17)[0].strip() == "time left unknown"
    assert lines(run, places, 12)[0].strip() == "unknown"
