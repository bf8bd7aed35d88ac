"""Repositories whose tags are immutable, and signatures that come after the image."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Digest, fallback_tag
from gcr_migrate.sandbox.scenarios import RepositoryPart
from tests import shapes
from tests.zoo import Zoo, described, found, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Manifest

pytestmark = pytest.mark.slow

EUROPE, TARGET = "europe-docker.pkg.dev", "builds/rel/app"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: rel}]
"""
A = "sha256:3768c1d8b6a3f4d8f47ac345eaf6e040339de2ef3dc80f1457c278e983bee089"
B = "sha256:aa67cae178fbf6b46409625bedebd7c29d2b05876cf4f8ff051841fb81d9a692"
R1 = "sha256:aa80fe0430c6c00e527d7d073e2a76961680d187d9835676dcb0b90371397136"
R2 = "sha256:25210b9b2b3c3a7425ceca5a31f8bf8dff80b0714e338c52e96a607735a5e114"
NOTATION = "application/vnd.cncf.notary.signature"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
LIST = fallback_tag(Digest.parse(A))


_ANY = r"(\S+-docker\.pkg\.dev|artifact_registry) "


class Release:
    """Two images of which the first is signed, and a target whose tags are immutable."""

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        self.image = self._image("1.0", b"release one\n")
        other = self._image("1.1", b"release two\n")
        signature = self._signed(NOTATION, b"signature 1")
        self._list(signature)
        digests = [str(one.digest) for one in (self.image, other, signature)]
        assert digests == [A, B, R1]

    def _image(self, tag: str, layer: bytes) -> Manifest:
        for data in (shapes.AMD64, layer):
            self.zoo.blob("app", data)
        raw = shapes.docker(shapes.entry(shapes.DOCKER_LAYER, layer))
        return self.zoo.push_raw("app", raw, DOCKER_MANIFEST, tag)

    def _signed(self, artifact_type: str, payload: bytes) -> Manifest:
        """Attach something to the first image; the source's list of it is another's work."""
        for data in (shapes.EMPTY, payload):
            self.zoo.blob("app", data)
        raw = shapes.oci(
            shapes.entry(shapes.OCI_EMPTY, shapes.EMPTY),
            shapes.entry("application/octet-stream", payload),
            artifactType=artifact_type,
            subject=described(self.image),
        )
        return self.zoo.keep("app", raw, OCI_MANIFEST)

    def _list(self, *attached: Manifest) -> None:
        entries = [described(one) for one in attached]
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        self.zoo.push_raw("app", json.dumps(body, indent=1).encode(), OCI_INDEX, LIST)

    def sign_again(self) -> None:
        """Attach a second signature; the first list stays behind without a tag."""
        second = self._signed(BUNDLE, b"bundle 2")
        assert str(second.digest) == R2
        image = self.zoo.repository.images["app"]
        self._list(image.manifests[Digest.parse(R1)].manifest, second)

    def writes(self) -> list[str]:
        """What was sent to registries and their API since the last look."""
        sent = [one for one in self.zoo.requests() if re.match(f"(PUT|POST|PATCH) {_ANY}", one)]
        self.zoo.forget()
        return sent

    def puts(self) -> list[str]:
        """Which manifests were written since the last look, by what they were written as."""
        names = (one.rpartition("/manifests/")[2] for one in self.writes() if "/manifests/" in one)
        return [name.removesuffix("?") for name in names]

    def target(self) -> Any:
        """What the target's store has of the image."""
        return self.zoo.box.store.repositories["builds", "europe", "rel"].images["app"]


@pytest.fixture(params=[True, False], ids=["target moves its own tag", "target leaves its own tag"])
def release(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Release]:
    """A signed image; whether Artifact Registry moves the tag that it made is not known."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    target = RepositoryPart(
        project="builds",
        location="europe",
        id="rel",
        immutable_tags=True,
        server_moves_own_tags=request.param,
    )
    with opened(tmp_path, target) as zoo:
        yield Release(zoo)


def test_a_signature_that_comes_later_is_one_manifest(release: Release) -> None:
    """Each tag is written once and after its content, the target's own never; then only news."""
    zoo = release.zoo
    assert zoo.migrate(SPEC) == (0, 0, 0)
    puts = release.puts()
    assert sorted(puts) == sorted([A, R1, "1.0", "1.1"])  # what is not signed: by its tag alone
    assert puts.index(A) < puts.index(R1) < puts.index("1.0")
    theirs, ours = release.target().tags[LIST], zoo.repository.images["app"].tags[LIST]
    assert theirs != ours  # other bytes for the same set

    assert zoo.migrate(SPEC) == (0, 0, 0)
    assert release.writes() == []

    release.sign_again()
    assert zoo.migrate(SPEC) == (0, 0, 0)
    sent = release.writes()
    assert [one.rpartition("/manifests/")[2] for one in sent if "/manifests/" in one] == [f"{R2}?"]
    uploads = [one for one in sent if one.startswith("PUT") and " /artifacts-uploads/" in one]
    assert [Digest.of(b"bundle 2").encoded in one for one in uploads] == [True]
    there = json.loads(zoo.read(EUROPE, f"{TARGET}/referrers/{A}")[1])
    assert {one["digest"] for one in there["manifests"]} == {R1, R2}
    zoo.plan("--detailed-exitcode", spec=SPEC)
    assert release.writes() == []


def test_an_immutable_tag_of_somebody_else_is_a_conflict(release: Release) -> None:
    """Both digests are named, the tag stays, and all the rest is done."""
    zoo = release.zoo
    theirs = zoo.image("elsewhere", name="Z")
    target = zoo.box.store.repositories["builds", "europe", "rel"]
    target.put_manifest("app", theirs, "1.1")
    code, facts = zoo.plan(spec=SPEC)
    assert code == 1
    assert found(facts, "tag-conflict") == {"app:1.1": f"target has {theirs.digest}, planned {B}"}
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, [one["code"] for one in facts["failures"]]) == (1, ["tag-conflict"])
    image = release.target()
    assert image.tags["1.1"] == theirs.digest
    assert str(image.tags["1.0"]) == A
    assert {A, B, R1} <= set(map(str, image.manifests))
