"""Measure whole copies beside those of other tools: `python -m benchmarks.copying`.

Every pass of every tool goes to a registry that is empty; passes are interleaved; what counts is
the median. A tool that leaves anything out is shown, but cannot be the best. What is kept of a line
is replaced when that line is measured anew.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks import peers
from benchmarks.bound import bound
from benchmarks.corpus import add_shape, make_corpus, push, shape_of
from benchmarks.google import SPEC, google
from benchmarks.kept import provenance, replace_rows
from benchmarks.registries import Content, Secured, registry
from benchmarks.scenes import Asked, Row, Scene, interleaved
from benchmarks.table import table, write_table

if TYPE_CHECKING:
    from benchmarks.corpus import Corpus
    from benchmarks.peers import Tool

RESULTS: Final = Path(__file__).resolve().parent / "results" / "copy.json"
_SPEC: Final = """\
version: 1
source: {{registry: "{source}"}}
target: {{registry: "{target}"}}
"""


def main() -> int:
    """Measure what is asked for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.copying", description=__doc__)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--latency", type=float, nargs="*", default=[0, 30], metavar="MS")
    parser.add_argument("--only", default="", metavar="WORDS", help="tools whose name has them")
    parser.add_argument("--apply", default="", metavar="OPTIONS", help="further ones of `apply`")
    parser.add_argument("--limit", type=float, default=1_800, help="seconds of one pass")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--keep", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--no-tls", dest="tls", action="store_false")
    parser.add_argument("--no-google", dest="google", action="store_false")
    add_shape(parser)
    asked = parser.parse_args()
    how = Asked(asked.passes, asked.apply, asked.limit, asked.folder)
    built = peers.build()
    for name, why in built.absent.items():
        print(f"{name} is left out: {why}", file=sys.stderr)
    words = asked.only.split(",")

    def wanted(*tools: Tool) -> list[Tool]:
        there = [tool for tool in tools if tool.program not in built.absent]
        return [tool for tool in there if any(word in tool.name for word in words)]

    shape = shape_of(asked)
    corpus = make_corpus(shape)
    rows: list[Row] = []

    def measure(scene: Scene, *tools: Tool) -> None:
        found = interleaved(scene, wanted(*tools), how)
        rows.extend(found)
        one = facts(corpus, how, built) | {"group": scene.group, "rows": list(map(asdict, found))}
        replace_rows(asked.keep, [one], itemgetter("group"))
        print(table([one]), flush=True)

    with tempfile.TemporaryDirectory(dir=how.folder) as folder:
        content, low, stored = content_of(corpus), bound(corpus), Path(folder) / "stored"
        with registry(Path(folder) / "source", storage=stored) as source:
            push(corpus, source.host)
            for latency in asked.latency:
                name = f"Between registries, {latency:g} ms"
                scene = Scene(name, source, content, _SPEC, latency, low)
                measure(scene, *peers.OWN, *peers.BETWEEN_REGISTRIES)
        if asked.tls:
            secured = Secured.made(Path(folder))
            with registry(Path(folder) / "secured", storage=stored, secured=secured) as source:
                name = "Between registries, over TLS"
                scene = Scene(name, source, content, _SPEC, bound=low, secured=secured)
                measure(scene, *peers.OWN, *peers.OVER_TLS)
        if asked.google:
            with google(shape, Path(folder) / "google") as project:
                name = "From Google's registry, as the sandbox plays it"
                scene = Scene(name, project, project.content, SPEC)
                measure(scene, *peers.OWN, *peers.FROM_GOOGLE)
    if asked.keep == RESULTS:
        write_table(json.loads(RESULTS.read_text("utf-8")))
    return int(any(row.failed or row.missing for row in rows if row.tool.startswith("gcr-migrate")))


def content_of(corpus: Corpus) -> Content:
    """Return what a complete copy of a corpus has."""
    repositories = corpus.repositories.items()
    return Content(
        tags={(path, tag): it for path, one in repositories for tag, it in one.tags.items()},
        manifests=frozenset((path, it) for path, one in repositories for it in one.manifests),
        blobs={pair: corpus.blobs[pair[1]].size for pair in corpus.pairs()},
    )


def facts(corpus: Corpus, how: Asked, built: peers.Built) -> dict[str, Any]:
    """Return what the figures depend on."""
    low = bound(corpus)
    where = provenance()
    return {
        **where,
        "versions": where["versions"] | built.versions,
        "absent": built.absent,
        "passes": how.passes,
        "apply": how.apply,
        "corpus": asdict(corpus.shape)
        | {
            "tags": sum(len(one.tags) for one in corpus.repositories.values()),
            "manifests": sum(len(one.manifests) for one in corpus.repositories.values()),
            "blobs": len(corpus.blobs),
            "bytes": sum(blob.size for blob in corpus.blobs.values()),
        },
        "bound": asdict(low) | {"apply": low.apply, "all": low.all},
    }


if __name__ == "__main__":
    sys.exit(main())
