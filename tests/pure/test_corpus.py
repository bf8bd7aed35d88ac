"""The corpus of the benchmark of copies: the same everywhere, and its lower bound."""

from __future__ import annotations

import gzip
import hashlib
import json

from benchmarks.bound import bound
from benchmarks.corpus import (
    INDEX,
    MANIFEST,
    Blob,
    Corpus,
    Layer,
    Manifest,
    Repository,
    Shape,
    make_corpus,
)
from benchmarks.registries import kind_of
from benchmarks.table import best

_SMALL = Shape(images=6, repositories=3, layers=2, median=300, largest=900, indexes=0.5)
_TRUTH = "5296fac8eab77470164fb05ff0a851ba32ef5d1e258a326dc936fcb23b07ae82"


def test_equal_shapes_are_equal_to_the_last_digest() -> None:
    """A shape makes the same tags, manifests and blobs each time; another seed makes others."""
    first, second = make_corpus(_SMALL), make_corpus(_SMALL)
    assert first.truth() == second.truth()
    assert all(first.blobs[one].data() == second.blobs[one].data() for one in first.blobs)
    other = make_corpus(Shape(**{**_SMALL.__dict__, "seed": 2}))
    assert not other.blobs.keys() & first.blobs.keys()


def test_a_corpus_is_what_other_machines_make() -> None:
    """The digest of everything is known, so that figures of two machines are of one corpus."""
    truth = json.dumps(make_corpus(_SMALL).truth(), sort_keys=True).encode()
    assert _digest(truth) == f"sha256:{_TRUTH}"


def test_all_is_named_by_its_digest_and_size() -> None:
    """Blobs and manifests hash to their names, layers to their `diff_ids`; children are there."""
    corpus = make_corpus(_SMALL)
    for digest, blob in corpus.blobs.items():
        data = blob.data()
        assert (_digest(data), len(data)) == (digest, blob.size)
    for repository in corpus.repositories.values():
        for digest, manifest in repository.manifests.items():
            assert _digest(manifest.body) == digest
            assert {*manifest.children} <= repository.manifests.keys()
            if manifest.blobs:
                config = json.loads(corpus.blobs[manifest.blobs[0]].data())
                layers = [corpus.blobs[one].data() for one in manifest.blobs[1:]]
                unpacked = [_digest(gzip.decompress(layer)) for layer in layers]
                assert config["rootfs"]["diff_ids"] == unpacked


def test_a_corpus_has_what_its_shape_asks_for() -> None:
    """Tags, indexes of two, bases shared between repositories, and no layer over the largest."""
    corpus = make_corpus(_SMALL)
    repositories = corpus.repositories.values()
    assert [len(one.tags) for one in repositories] == [4, 4, 4]
    indexes = [
        made for one in repositories for made in one.manifests.values() if made.media_type == INDEX
    ]
    assert indexes
    assert {len(one.children) for one in indexes} == {2}
    assert bound(corpus).mounts > 0
    layers = [one.made_of for one in corpus.blobs.values() if isinstance(one.made_of, Layer)]
    assert max(layer.size for layer in layers) <= _SMALL.largest


def test_the_bound_is_what_one_counts_by_hand() -> None:
    """Two repositories share a layer; one has an index with two tags, and a child without any.

    Lists: `a`, `b`. Manifests read: the tags `1`, `2` and `x`, and the child. Blobs read: three.
    Up: three blobs at two requests each, and the layer once more as a mount. Manifests written:
    under three tags, and the child.
    """
    blobs = {name: Blob(size, b"") for name, size in (("layer", 100), ("one", 10), ("two", 20))}
    child = Manifest(MANIFEST, b"child", blobs=("one", "layer"))
    index = Manifest(INDEX, b"index..", children=("c",))
    other = Manifest(MANIFEST, b"other..", blobs=("two", "layer"))
    corpus = Corpus(_SMALL, blobs)
    corpus.repositories["a"] = Repository({"c": child, "i": index}, {"1": "i", "2": "i"})
    corpus.repositories["b"] = Repository({"o": other}, {"x": "o"})
    low = bound(corpus)
    assert (low.lists, low.manifest_reads, low.blob_reads) == (2, 4, 3)
    assert (low.uploads, low.mounts, low.manifest_writes) == (6, 1, 4)
    assert (low.apply, low.all) == (14, 20)
    assert low.bytes_up == 130 + 5 + 3 * 7


def test_requests_are_told_apart() -> None:
    """Method, target and status tell what a request was for, and whether a mount was taken."""
    seen = {
        kind_of("GET", "/v2/", 200): "v2",
        kind_of("GET", "/v2/a/b/tags/list?n=5", 200): "list",
        kind_of("HEAD", "/v2/a/b/manifests/1", 404): "manifest HEAD",
        kind_of("GET", "/v2/a/b/blobs/sha256:1", 200): "blob GET",
        kind_of("POST", "/v2/a/b/blobs/uploads/?mount=sha256:1&from=c", 201): "mount",
        kind_of("POST", "/v2/a/b/blobs/uploads/?mount=sha256:1", 202): "mount not taken",
        kind_of("PUT", "/v2/a/b/blobs/uploads/1?digest=sha256:1", 201): "upload PUT",
        kind_of("PUT", "/v2/a/b/manifests/1", 429): "refused 429",
    }
    assert all(found == right for found, right in seen.items())


def test_who_leaves_anything_out_is_not_the_best() -> None:
    """The best is the lowest median of the other tools that failed never and missed nothing."""

    def row(tool: str, wall_s: float, missing: list[str], failed: list[str]) -> dict[str, object]:
        return {"tool": tool, "wall_s": [wall_s], "missing": missing, "failed": failed}

    rows = [
        row("gcr-migrate apply", 1, [], []),
        row("hasty", 2, ["a:1"], []),
        row("broken", 3, [], ["exit code 1"]),
        row("whole", 4, [], []),
        row("slow", 5, [], []),
    ]
    assert best(rows, "wall_s") == 4
    assert best(rows[:3], "wall_s") is None


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
