"""Is the time left that `apply` tells the truth? Real runs at constant rates, told and seen.

`python -m benchmarks.time_left --latency-ms 30 --concurrency 2`, or `--bytes-per-s 2000000`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Final

from benchmarks.corpus import add_shape, make_corpus, push, shape_of
from benchmarks.registries import lines, registry

HONEST: Final = 0.25  # of the truth
_TOLD_TO_S: Final = 1.0  # a second is as exact as it is told
_FROM, _TO = 0.2, 0.9  # parts of the run within which it is to be honest


def main() -> int:
    """Copy a corpus over a line and compare; 1 if what was told is too far off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="of a round trip")
    parser.add_argument("--bytes-per-s", type=float, default=0.0, help="of the way to the target")
    parser.add_argument("--concurrency", type=int, default=16)
    add_shape(parser)
    asked = parser.parse_args()
    corpus = make_corpus(shape_of(asked))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with registry(folder / "source") as source, registry(folder / "target") as target:
            push(corpus, source.host)
            ways = (source.host, target.host)
            with lines(asked.latency_ms, *ways, bytes_per_s=asked.bytes_per_s) as line:
                told, seconds = _run(folder, line.hosts, asked.concurrency)
    return _report(told, seconds)


def _run(
    folder: Path, hosts: list[str], concurrency: int
) -> tuple[list[tuple[float, float | None]], float]:
    """Plan and apply; return when how much time was told to be left, and how long all took."""
    spec, plan = folder / "spec.yaml", folder / "plan.migration"
    spec.write_text(f"source: {{registry: '{hosts[0]}'}}\ntarget: {{registry: '{hosts[1]}'}}\n")
    tool = [sys.executable, "-m", "gcr_migrate"]
    subprocess.run([*tool, "plan", str(spec), "-o", str(plan)], check=True, capture_output=True)
    begun, told = time.monotonic(), list[tuple[float, float | None]]()
    command = [*tool, "apply", str(plan), "--json", "--concurrency", str(concurrency)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr  # noqa: S101  # asked for above
        told.extend(_told(run.stderr, begun))
    if run.returncode:
        raise SystemExit(f"apply ended with {run.returncode}")
    return told, time.monotonic() - begun


def _told(lines_: IO[str], begun: float) -> list[tuple[float, float | None]]:
    told = []
    for line in lines_:
        fields = json.loads(line) if line.startswith("{") else {}
        if "time_left" in fields:
            told.append((time.monotonic() - begun, _seconds(fields["time_left"])))
    return told


def _seconds(text: str) -> float | None:
    """Read `0:01:23`; None for `unknown`."""
    if text == "unknown":
        return None
    hours, minutes, seconds = (float(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def _report(told: list[tuple[float, float | None]], seconds: float) -> int:
    worst, wrong = 0.0, 0
    print(f"{seconds:.1f} s in all")
    for at, says in told:
        left, part = seconds - at, at / seconds
        off = None if says is None else says - left
        is_wrong = (
            off is not None and _FROM <= part <= _TO and abs(off) > max(HONEST * left, _TOLD_TO_S)
        )
        print(
            f"at {part:4.0%}: {left:5.1f} s left, told",
            "unknown" if off is None else f"{says:5.0f} ({off:+.1f} s, {off / left:+.0%})",
            "WRONG" if is_wrong else "",
        )
        wrong += is_wrong
        if off is not None and _FROM <= part <= _TO:
            worst = max(worst, abs(off) / left)
    print(f"off by {worst:.0%} at most, from {_FROM:.0%} to {_TO:.0%} of the run; {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
