"""Results that are kept: when they were measured, with what, on which machine."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def provenance(*libraries: str) -> dict[str, Any]:
    """Return what figures depend on: the day, the versions of these libraries, the machine."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("gcr-migrate", *libraries)},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }


def load() -> float:
    """Return who else ran in the last minute: the clock says little beside it."""
    return round(os.getloadavg()[0], 1)


def write(path: Path, result: object) -> None:
    """Write a file of results, in place of an older one."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def replace_rows(
    path: Path, rows: Iterable[dict[str, Any]], kind_of: Callable[[dict[str, Any]], object]
) -> None:
    """Write rows into a file of results, in place of older ones of the same kind.

    Args:
        path: the file.
        rows: what was measured.
        kind_of: tells the kind of a row, a value that can be compared.
    """
    kept: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    new = list(rows)
    done = {kind_of(one) for one in new}
    write(path, [*(one for one in kept if kind_of(one) not in done), *new])
