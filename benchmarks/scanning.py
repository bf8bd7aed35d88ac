"""Measure `refs scan` on a large tree: `python -m benchmarks.scanning --files 100000`.

The tree is made from a seed: texts of many lengths, one in fifty of which names images, in the
forms of the tests' corpus. What is found must be what was written, or the run fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.kept import load, provenance, write
from benchmarks.measure import measure

RESULTS = Path(__file__).resolve().parent / "results" / "refs.json"
_ONE_IN = 50
_LENGTHS = (0.1, 0.5, 1.0, 2.4)  # of texts, in their mean
_WORDS = ("image", "name", "value: true", "spec", "template", "labels", "containers", "data", "x-")
_FORMS = (
    ("deploy-{n}.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  image: gcr.io/acme-prod/app-{n}:1\n"),
    ("values.yaml", "image:\n  repository: gcr.io/acme-prod/app-{n}\n  tag: '2'\n"),
    ("Dockerfile.{n}", "FROM gcr.io/acme-prod/app-{n}:3\nRUN true\n"),
    ("main-{n}.tf", 'locals {{ image = "gcr.io/acme-prod/app-{n}:4" }}\n'),
    ("run-{n}.sh", "docker pull gcr.io/acme-prod/app-{n}:5\n"),
)


def main() -> int:
    """Measure; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scanning", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--limit", type=float, default=600, help="seconds of the command")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = int(asked.gigabytes * 1e9 / asked.files)
        named = make(root / "tree", asked.files, size)
        command = [sys.executable, "-m", "gcr_migrate", "refs", "scan", "tree", "--json"]
        environ = {"PATH": os.environ["PATH"], "HOME": folder}
        cost = measure(command, root, environ, asked.limit)
    if cost.code:
        print(f"wrong: exit code {cost.code}\n{cost.err}", file=sys.stderr)
        return 1
    found = len(json.loads(cost.out)["references"])
    if found != named:
        print(f"wrong: {found} names were found, {named} were written", file=sys.stderr)
        return 1
    row = {
        "files": asked.files,
        "gigabytes": asked.gigabytes,
        "names": named,
        "wall_s": round(cost.wall_s, 1),
        "cpu_s": round(cost.cpu_s, 1),
        "peak_mb": round(cost.peak_mb),
        "load": load(),
    } | provenance()
    print(json.dumps(row))
    write(RESULTS, row)
    return 0


def make(root: Path, files: int, size: int) -> int:
    """Write a tree of texts; return how many names are in it."""
    chance, named = random.Random(1), 0  # noqa: S311  # no secret
    filler = "".join(f"  {chance.choice(_WORDS)}: {chance.random()}\n" for _ in range(20_000))
    endless = filler * (2 + int(size * max(_LENGTHS)) // len(filler))
    for number in range(files):
        folder = root / f"{number // 1000:03}" / f"{number % 1000:03}"
        folder.mkdir(parents=True)
        length = int(size * chance.choice(_LENGTHS))
        begin = chance.randrange(len(filler))
        text = endless[begin : begin + length]
        name = f"{number}.yaml"
        if number % _ONE_IN == 0:
            form, lines = chance.choice(_FORMS)
            comment = "".join(f"# {line}\n" for line in text[: length // 4].split("\n"))
            name, text = form.format(n=number), lines.format(n=number) + comment
            named += 1
        (folder / name).write_text(text, encoding="utf-8")
    return named


if __name__ == "__main__":
    sys.exit(main())
