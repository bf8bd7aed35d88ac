"""What libraries log is told in the form that was asked for."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from typing import Any

from gcr_migrate.cli.libraries import Told

PROGRAM = """
import logging, sys
from gcr_migrate.cli.output import set_up_logs
set_up_logs(as_json=sys.argv[1] == "json")
logging.getLogger("asyncio").warning("Unknown child %d", 5)
logging.getLogger("asyncio").info("nothing")
"""


def told(form: str) -> str:
    """Return what a program with these logs writes to stderr."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, form], capture_output=True, text=True, check=True
    )
    return done.stderr


def test_for_machines_each_line_is_an_object() -> None:
    """Also what comes of a library: whoever reads stderr line by line must not stumble over it."""
    (line,) = told("json").splitlines()
    found = json.loads(line)
    words = found["event"], found["level"], found["logger"], found["saw"]
    assert words == ("library", "warning", "asyncio", "Unknown child 5")


def test_for_people_it_is_a_line_of_text() -> None:
    """As it was written."""
    assert told("text") == "WARNING:asyncio:Unknown child 5\n"


def test_an_exception_has_its_trace(events: list[dict[str, Any]]) -> None:
    """It is a defect of somebody, who wants to know where; a mere word has none."""
    error = ValueError("no")
    found = {"msg": "it went wrong", "levelno": logging.ERROR}
    Told().emit(logging.makeLogRecord({**found, "exc_info": (ValueError, error, None)}))
    Told().emit(logging.makeLogRecord({"msg": "it is over", "levelno": logging.CRITICAL}))
    assert [(one["level"], one["saw"]) for one in events] == [
        ("error", "it went wrong"),
        ("error", "it is over"),
    ]
    assert "ValueError: no" in events[0]["trace"]
    assert "trace" not in events[1]
