"""A snapshot as what should be there: images, tags, manifests and blobs, of both versions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest, Manifest, fallback_tag
from gcr_migrate.model.inventory import ImageContent, Node
from gcr_migrate.model.plan import Source
from gcr_migrate.state.baseline import Baseline
from gcr_migrate.state.snapshot import APPLICATION_ID, create_snapshot, open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = Source("us.gcr.io/builds", "us-docker.pkg.dev", "builds/us.gcr.io", "artifact-registry")
NOW = datetime(2026, 11, 27, tzinfo=UTC)


def _image(name: str, subject: Manifest | None = None) -> Manifest:
    layer = {"mediaType": "x", "digest": str(Digest.of(name.encode())), "size": len(name)}
    config = {"mediaType": "x", "digest": str(Digest.of(b"{}")), "size": 2}
    body = {"mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
    if subject:
        body["subject"] = {"mediaType": OCI_MANIFEST, "digest": str(subject.digest), "size": 1}
    return Manifest.read(json.dumps(body).encode(), OCI_MANIFEST)


def _index(*children: Manifest) -> Manifest:
    entries = [{"mediaType": OCI_MANIFEST, "digest": str(c.digest), "size": 1} for c in children]
    return Manifest.read(json.dumps({"manifests": entries}).encode(), OCI_INDEX)


def _node(manifest: Manifest, uploaded_ms: int) -> Node:
    children = tuple(one.digest for one in manifest.children)
    subject = manifest.subject.digest if manifest.subject else None
    return Node(manifest.digest, manifest.media_type, 1, False, children, subject, uploaded_ms)  # noqa: FBT003  # a row


def _taken(path: Path, manifests: list[Manifest], tags: dict[str, Digest]) -> None:
    with create_snapshot(path) as draft:
        id_ = draft.add_source(SOURCE)
        draft.add_fact(id_, "only", ["app"])
        for manifest in manifests:
            draft.add_manifest(manifest)
        nodes = {one.digest: _node(one, at) for at, one in enumerate(manifests)}
        draft.add_image(id_, "app", ImageContent("us.gcr.io/builds/app", tags, nodes))
        draft.seal(target="builds", complete=True, tool_version="1", taken_at=(NOW, NOW))


def test_a_snapshot_promises_what_it_shows(tmp_path: Path) -> None:
    """Each blob of an image once, with its size; what an index names and nobody has is told."""
    first, second, lost = _image("a"), _image("b"), _image("c")
    index = _index(first, lost)
    tags = {"1": first.digest, "2": index.digest}
    _taken(tmp_path / "s", [first, second, index], tags)
    with open_snapshot(tmp_path / "s") as snapshot:
        baseline = Baseline(snapshot)
        (image,) = baseline.images()
        assert baseline.sources() == {1: SOURCE}
        assert baseline.facts(1) == {"only": ["app"]}
        assert dict(baseline.tags(image.id)) == tags
        assert set(baseline.manifests(image.id)) == {one.digest for one in (first, second, index)}
        blobs = dict(baseline.blobs(image.id))
        assert blobs == {one.digest: one.size for one in (*first.blobs, *second.blobs)}
        assert list(baseline.missing_children(image.id)) == [(str(index.digest), str(lost.digest))]
        assert baseline.version(image.id, first.digest) == (("1",), 0, 2)
        assert list(baseline.needing(image.id, first.blobs[1].digest)) == [first.digest]
        assert baseline.image(1, "app") == image
        assert baseline.image(1, "other") is None


@pytest.mark.parametrize("sizes", [(3, 4), (4, 3), (3, 4, 3), (4, 3, 3)])
def test_a_size_about_which_manifests_differ_is_not_promised(
    tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    """Whichever was read first: a right layer must not be told as a wrong one."""
    digest = str(Digest.of(b"..."))
    manifests = []
    for number, size in enumerate(sizes):
        layer = {"mediaType": "x", "digest": digest, "size": size}
        body = {"config": layer, "layers": [], "annotations": {"n": str(number)}}
        manifests.append(Manifest.read(json.dumps(body).encode(), OCI_MANIFEST))
    _taken(tmp_path / "s", manifests, {})
    with open_snapshot(tmp_path / "s") as snapshot:
        baseline = Baseline(snapshot)
        (image,) = baseline.images()
        assert [size < 0 for _, size in baseline.blobs(image.id)] == [True]


def test_lists_that_a_registry_makes_itself_are_not_promised(tmp_path: Path) -> None:
    """They change whenever something is attached; what is attached is promised."""
    image = _image("a")
    signature = _image("sig", subject=image)
    listed = _index(signature)
    tags = {"1": image.digest, fallback_tag(image.digest): listed.digest}
    _taken(tmp_path / "s", [image, signature, listed], tags)
    with open_snapshot(tmp_path / "s") as snapshot:
        baseline = Baseline(snapshot)
        assert dict(baseline.tags(1)) == {"1": image.digest}
        assert set(baseline.manifests(1)) == {image.digest, signature.digest}


def test_a_snapshot_of_the_first_version_can_be_read(tmp_path: Path) -> None:
    """It tells no blobs and no facts; one of a version to come is refused."""
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        schema = resources.files("gcr_migrate.state") / "schema" / "snapshot-0001.sql"
        connection.executescript(schema.read_text("utf-8"))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
        about = {"target": "builds", "complete": "true", "tool_version": "0"}
        about |= dict.fromkeys(("began_at", "ended_at"), NOW.isoformat())
        connection.executemany("INSERT INTO meta VALUES (?, ?)", about.items())
        row = (SOURCE.shown, SOURCE.registry, SOURCE.prefix, SOURCE.dialect)
        connection.execute(
            "INSERT INTO source (shown, registry, prefix, dialect) VALUES (?,?,?,?)", row
        )
        connection.execute("INSERT INTO image (source_id, path, name) VALUES (1, 'app', 'x')")
        connection.commit()
    with open_snapshot(tmp_path / "s") as snapshot:
        baseline = Baseline(snapshot)
        assert baseline.sources() == {1: SOURCE}
        assert (baseline.schema, baseline.facts(1), list(baseline.blobs(1))) == (1, {}, [])
        assert [one.path for one in baseline.images()] == ["app"]
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MigrateError) as refused, open_snapshot(tmp_path / "s"):
        pass
    assert refused.value.problem.code == "file-version"
