"""Measure `verify` on giants, in its memory above all: `python -m benchmarks.proving 10000 100000`.

Each size is measured twice: as that many tags of one image, and as that many images. What should
be there is a snapshot, which is made here and not read from the sandbox; all of it is proven.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.inventory import HEAD, Row, keep, line
from benchmarks.stage import Stage, stage
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.model.inventory import ImageContent, Node
from gcr_migrate.model.plan import Source
from gcr_migrate.sandbox.giant import Giant
from gcr_migrate.sandbox.giant_images import make_image
from gcr_migrate.state.snapshot import SnapshotDraft, create_snapshot

_SHOWN: Final = "us.gcr.io/giant"
_MANIFESTS: Final = 2_000  # of the one image that has all tags
_COMMAND: Final = ("verify", "snapshot", "--level", "tags")


def main() -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proving", description=__doc__)
    parser.add_argument("sizes", nargs="+", type=int, metavar="SIZE", help="tags, and images")
    parser.add_argument("--limit", type=float, default=3_600, help="seconds of one command")
    parser.add_argument("--only", choices=["tags", "images"], help="measure only one of the two")
    asked = parser.parse_args()
    print(HEAD, flush=True)
    rows: list[Row] = []
    try:
        for size in asked.sizes:
            for kind, giant in giants(size).items():
                if asked.only in {None, kind}:
                    rows.append(measured(f"{size} {kind}", giant, asked.limit))
                    print(line(rows[-1]), flush=True)
    finally:
        keep(rows)
    return 0


def giants(size: int) -> dict[str, Giant]:
    """Return an image with so many tags, and so many images with one tag each."""
    return {
        "tags": Giant(seed=3, images=1, manifests=_MANIFESTS, tags=size, layers=2),
        "images": Giant(seed=3, images=size, manifests=1, tags=1, layers=2),
    }


def measured(size: str, giant: Giant, limit_s: float) -> Row:
    """Prove a giant; what the tool says must be what the giant holds."""
    with tempfile.TemporaryDirectory() as name, stage(giant, Path(name)) as one:
        counts = giant.counts()
        write_snapshot(Path(name) / "snapshot", giant)
        cost, requests = one.run(*_COMMAND, limit_s=limit_s)
        if cost.code:
            raise SystemExit(f"{size}: exit code {cost.code} in {cost.wall_s} s\n{cost.err}")
        facts = json.loads(cost.out)
        ok, tags = facts["levels"]["tags"]["ok"], counts.tags - counts.referrers
        if ok != tags or facts["findings"]:
            raise SystemExit(f"{size}: {ok} tags are right of {tags}, {facts['findings'][:3]}")
        return row(size, counts.manifests, one, (cost.wall_s, cost.cpu_s, cost.peak_mb), requests)


def row(
    size: str,
    manifests: int,
    one: Stage,
    cost: tuple[float, float, float],
    requests: dict[str, int],
) -> Row:
    """Return the row of a proof."""
    return Row(size, "verify", manifests, *cost, one.server_mb(), requests)


def write_snapshot(path: Path, giant: Giant) -> None:
    """Write what `inventory` would say of a giant."""
    now = datetime.now(UTC)
    with create_snapshot(path) as draft:
        prefix = "giant/us.gcr.io"
        source = Source(_SHOWN, "us-docker.pkg.dev", prefix, ARTIFACT_REGISTRY.name)
        root = draft.add_source(source)
        for number in range(giant.images):
            _write_image(draft, root, giant, number)
        draft.seal(target=_SHOWN, complete=True, tool_version="benchmark", taken_at=(now, now))


def _write_image(draft: SnapshotDraft, root: int, giant: Giant, number: int) -> None:
    image, path = make_image(giant, number), giant.path(number)
    nodes = {}
    for digest, stored in image.manifests.items():
        one = stored.manifest
        draft.add_manifest(one)
        children = tuple(child.digest for child in one.children)
        subject = one.subject.digest if one.subject else None
        nodes[digest] = Node(
            digest,
            one.media_type,
            len(one.raw),
            is_schema1=False,
            children=children,
            subject=subject,
            uploaded_ms=stored.uploaded_ms,
        )
    content = ImageContent(f"{_SHOWN}/{path}", dict(image.tags), nodes)
    draft.add_image(root, path, content)


if __name__ == "__main__":
    sys.exit(main())
