"""What a command costs: time, work of the processor, memory at its peak.

A new program inherits the peak memory of the one that started it. So this file is a program, too,
a small one that stands in between: `measure.py LIMIT RESULT COMMAND…`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SAMPLES = 64  # of memory, however long a command takes
_KIB_PER_MB = 1_000 / 1.024 if sys.platform.startswith("linux") else 1_000_000  # ru_maxrss differs


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        code: its exit code; negative where a signal ended it.
        wall_s: from its start to its end.
        cpu_s: work of the processor.
        peak_mb: most memory that it had at once.
        out: what it printed.
        err: what it complained of.
        own_cpu_s: the part of `cpu_s` that is not of processes that it started, where the system
            tells.
        memory: seconds since its start, and the MB that it and what it started had then; where the
            system tells.
    """

    code: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    out: str
    err: str
    own_cpu_s: float | None = None
    memory: list[tuple[float, float]] = field(default_factory=list)


def measure(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], limit_s: float
) -> Cost:
    """Run a command to its end and tell what it cost.

    Args:
        command: the program and its arguments.
        folder: its working folder, in which files `out`, `err` and `cost` are left.
        environ: all variables that it sees.
        limit_s: when it is killed.
    """
    result = folder / "cost"
    between = [sys.executable, "-S", str(Path(__file__).resolve()), str(limit_s), str(result)]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        subprocess.run(
            [*between, *command],
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            check=True,
        )
    said = [(folder / name).read_text("utf-8") for name in ("out", "err")]
    return Cost(**json.loads(result.read_text("utf-8")), out=said[0], err=said[1])


def _stand_between(limit_s: float, result: Path, command: list[str]) -> None:
    """Start the command, wait for it, and write what it cost."""
    start = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    memory: list[tuple[float, float]] = []
    threading.Thread(target=_sample, args=(process, start, memory), daemon=True).start()

    def too_late(*_: object) -> None:
        os.kill(process, signal.SIGKILL)

    signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    own = _own_cpu_s(process)  # what it had by itself is told until somebody has waited for it
    _, status, used = os.wait4(process, 0)
    cost = {
        "code": os.waitstatus_to_exitcode(status),
        "wall_s": round(time.monotonic() - start, 3),
        "cpu_s": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / _KIB_PER_MB, 1),
        "own_cpu_s": own,
        "memory": list(memory),
    }
    result.write_text(json.dumps(cost), encoding="utf-8")


def _sample(process: int, start: float, memory: list[tuple[float, float]]) -> None:
    """Look at how much memory a process has with those it started, less often the longer."""
    every_s = 1.0
    while (mb := resident_mb(process)) is not None:
        mb += sum(filter(None, map(resident_mb, _children(process))))
        memory.append((round(time.monotonic() - start, 1), round(mb, 1)))
        if len(memory) >= _SAMPLES:
            del memory[1::2]
            every_s *= 2
        time.sleep(every_s)


def _children(process: int) -> list[int]:
    try:
        with open(f"/proc/{process}/task/{process}/children", encoding="utf-8") as told:  # noqa: PTH123
            return [int(number) for number in told.read().split()]
    except OSError:
        return []


def a_dozen_of(memory: list[tuple[float, float]]) -> dict[str, float]:
    """Return about so many looks at memory, the last one among them: MB by seconds."""
    return {f"{at:g}": mb for at, mb in memory[:: -max(1, len(memory) // 12)][::-1]}


def resident_mb(process: int, what: str = "VmRSS") -> float | None:
    """Return the memory of a process in MB, or at its peak (`VmHWM`); None where nobody tells."""
    try:
        with open(f"/proc/{process}/status", encoding="utf-8") as status:  # noqa: PTH123
            told = next(line for line in status if line.startswith(f"{what}:"))
    except (OSError, StopIteration):  # a process that has ended has no memory
        return None
    return round(int(told.split()[1]) * 1.024 / 1_000, 1)


def _own_cpu_s(process: int) -> float | None:
    """Return the work of a process without that of those that it started and waited for."""
    try:
        said = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    user, system = said.rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    _stand_between(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
