"""Sources with something odd in them: nothing is left behind unsaid, and damage has its name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest, Manifest, fallback_tag
from tests.zoo import API, SPEC, US, Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GONE = Digest.of(b"nobody has this")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty source, to be filled."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as one:
        yield one


def _sparse(zoo: Zoo, *tags: str) -> tuple[Manifest, Manifest]:
    """Push an index of two images of which one is gone; return it and the whole one."""
    whole, gone = zoo.image("app", name="whole"), zoo.image("app", name="gone")
    index = zoo.index("app", *tags, of=[whole, gone])
    zoo.lose("app", gone)
    return index, whole


def test_indexes_in_indexes_are_carried_with_all_below_them(zoo: Zoo) -> None:
    """Children at any depth are planned, though no tag and no list but the index names them."""
    leaf, other = zoo.image("app", name="leaf"), zoo.image("app", name="other")
    inner = zoo.index("app", of=[leaf])
    zoo.index("app", "1", of=[inner, other])
    for digest in (leaf.digest, other.digest, inner.digest):
        zoo.fault(host=US, path="app/tags/list", status=200, body=_listed(zoo, hide=digest))
    code, facts = zoo.plan("--detailed-exitcode")
    assert (code, facts["counts"]["manifests"], facts["left_out"]) == (10, 4, [])


def _listed(zoo: Zoo, hide: Digest) -> str:
    image = zoo.repository.images["app"]
    tags = {digest: tag for tag, digest in image.tags.items()}
    shown = {
        str(digest): {"tag": [tags[digest]] if digest in tags else []}
        for digest in image.manifests
        if digest != hide
    }
    return json.dumps({"tags": sorted(image.tags), "child": [], "manifest": shown})


def test_untagged_referrers_are_found_by_their_subject_or_not_at_all(zoo: Zoo) -> None:
    """A referrer without a tag that only the API lists is carried with its subject."""
    subject = zoo.image("app", "1")
    referrer = zoo.image("app", name="sbom", subject=subject)
    hidden = _listed(zoo, hide=referrer.digest)
    zoo.fault(host=US, path="app/tags/list", status=200, body=hidden)
    spec = SPEC + "select: {untagged: false}\n"
    code, facts = zoo.plan(spec=spec)
    assert (code, facts["counts"]["manifests"]) == (0, 2)
    assert found(facts, "views-differ").keys() == {f"app@{referrer.digest}"}
    assert found(facts, "referrers-tag-kept-by-target").keys() == {
        f"app:{fallback_tag(subject.digest)}"
    }


def test_signatures_in_the_older_scheme_are_tags_like_others(zoo: Zoo) -> None:
    """The tags that cosign makes go where the image goes."""
    signed = zoo.image("app", "1")
    hung = [f"{fallback_tag(signed.digest)}.{kind}" for kind in ("sig", "att", "sbom")]
    for tag in hung:
        zoo.image("app", tag, name=tag)
    assert zoo.plan()[0] == 0
    assert zoo.images() == {"app": sorted(["1", *hung])}


@pytest.mark.slow
def test_what_stays_behind_under_the_old_name_is_told(zoo: Zoo) -> None:
    """Statements that name the image, by image, and Google's records, by root; in both commands."""
    signed = zoo.image("app", "1")
    zoo.image("other", "1")
    for kind, type_ in {
        "sig": "application/vnd.dev.cosign.simplesigning.v1+json",
        "att": "application/vnd.dsse.envelope.v1+json",
    }.items():
        layers = [zoo.blob("app", kind.encode(), type_)]
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers}
        body["config"] = zoo.blob("app", b"{}")
        zoo.push("app", body, f"{fallback_tag(signed.digest)}.{kind}")
    plan = zoo.plan()
    taken = zoo.run("inventory", str(zoo.home / "spec.yaml"), "-o", str(zoo.home / "snapshot"))
    for code, facts in (plan, taken):
        assert code == 0
        said = "1 cosign signature, 1 in-toto attestation"
        assert found(facts, "name-embedded") == {"app": said}
        assert found(facts, "scan-history-stays").keys() == {""}
    _, facts = zoo.plan(spec=SPEC + "select: {attachments: false}\n")
    assert found(facts, "name-embedded") == {}


def test_names_that_differ_little_stay_apart(zoo: Zoo) -> None:
    """Tags that differ only in case, and a path that is an image and a folder, are all there."""
    zoo.image("app", "V1", name="upper")
    zoo.image("app", "v1", name="lower")
    zoo.image("app/v1", "1", name="below")
    zoo.image("deep/er/and/deep/er", "1", name="deep")
    code, facts = zoo.plan()
    assert (code, facts["counts"]["manifests"]) == (0, 4)
    assert zoo.images() == {"app": ["V1", "v1"], "app/v1": ["1"], "deep/er/and/deep/er": ["1"]}


def test_an_empty_name_is_mentioned(zoo: Zoo) -> None:
    """A name that is listed and holds nothing is told of, and makes no plan incomplete."""
    zoo.image("app", "1")
    body = json.dumps({"name": "x", "child": ["app", "c"], "tags": [], "manifest": {}})
    zoo.fault(host=US, path="/v2/builds/us.gcr.io/tags/list", status=200, body=body)
    code, facts = zoo.plan()
    assert (code, facts["complete"]) == (0, True)
    assert found(facts, "name-empty").keys() == {"c"}


def test_an_index_whose_child_is_gone_is_left_out_and_the_rest_is_not(zoo: Zoo) -> None:
    """By default the sparse index stays behind, with its tag; its other child goes."""
    index, _ = _sparse(zoo, "1")
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["manifests"]) == (1, True, 1)
    assert found(facts, "child-missing").keys() == {f"app@{index.digest}"}
    assert found(facts, "blocked").keys() == {"app:1"}


def test_a_spec_can_say_to_copy_an_index_whose_child_is_gone(zoo: Zoo) -> None:
    """With `damaged: copy` the index goes too, and what it lacks is a warning."""
    index, _ = _sparse(zoo, "1")
    code, facts = zoo.plan(spec=SPEC + "damaged: copy\n")
    assert (code, facts["counts"]["manifests"], facts["left_out"]) == (0, 2, [])
    assert found(facts, "child-missing").keys() == {f"app@{index.digest}"}


def test_a_spec_can_say_to_stop_at_damage(zoo: Zoo) -> None:
    """With `damaged: stop` no plan is made, and everything damaged is named at once."""
    index, _ = _sparse(zoo, "1")
    lost = zoo.image("lost", "1")
    zoo.lose("lost", lost)
    zoo.image("lost", "2", name="kept")
    code, facts = zoo.plan(spec=SPEC + "damaged: stop\n")
    assert (code, facts["code"]) == (2, "source-damaged")
    assert [one["subject"] for one in facts["errors"]] == [
        f"us.gcr.io/builds/app@{index.digest}",
        f"us.gcr.io/builds/lost@{lost.digest}",
    ]
    assert not (zoo.home / "m").exists()


@pytest.mark.slow
def test_each_kind_of_damage_has_its_own_word(zoo: Zoo) -> None:
    """Only what is damaged in a kind that says stop ends planning; `copy` takes the whole rest."""
    broken, whole = zoo.image("app", "1", name="lost"), zoo.image("app", "2", name="kept")
    index = zoo.index("app", "all", of=[broken, whole])
    above = zoo.index("app", "above", of=[index])
    zoo.repository.images["app"].blobs.remove(Digest.of(b"lost"))
    gone = zoo.image("app", "3", name="gone")
    zoo.lose("app", gone)
    kinds = "damaged: {{blobs: {}, children: {}, tags: {}}}\n"

    def stopped(*words: str) -> list[tuple[str, str]]:
        code, facts = zoo.plan("--check-source", spec=SPEC + kinds.format(*words))
        assert (code, facts["code"]) == (2, "source-damaged")
        told = ((one["saw"].partition(":")[0], one["subject"]) for one in facts["errors"])
        return [(kind, subject.rpartition("/")[2]) for kind, subject in told]

    assert stopped("stop", "skip", "skip") == [("blobs", f"app@{broken.digest}")]
    assert stopped("skip", "stop", "skip") == [("children", f"app@{index.digest}")]
    assert stopped("skip", "skip", "stop") == [("tags", f"app@{gone.digest}")]
    code, facts = zoo.plan("--check-source", spec=SPEC + kinds.format("skip", "copy", "skip"))
    assert (code, facts["counts"]["manifests"]) == (1, 3)
    assert zoo.images() == {"app": ["2", "above", "all"]}
    assert found(facts, "child-missing") == {
        f"app@{index.digest}": f"{broken.digest}: blob is not there"
    }
    assert grave(facts) == ["child-missing"]
    code, facts = zoo.plan("--check-source")
    assert found(facts, "child-missing").keys() == {f"app@{one.digest}" for one in (index, above)}


def test_a_tag_that_points_to_nothing_is_named(zoo: Zoo) -> None:
    """The tag is left out by its name, with the digest that is gone; other images go."""
    zoo.image("app", "2", name="kept")
    lost = zoo.image("app", "1")
    zoo.lose("app", lost)
    code, facts = zoo.plan()
    assert (code, facts["counts"]["tags"]) == (1, 1)
    assert found(facts, "blocked") == {"app:1": f"{lost.digest} cannot be read"}


def test_a_tag_whose_digest_no_view_tells_is_named(zoo: Zoo) -> None:
    """The registry is asked where such a tag points; that it points nowhere is told."""
    zoo.image("app", "2", name="kept")
    zoo.lose("app", zoo.image("app", "1"))
    zoo.fault(host=API, path="packages|dockerImages", status=403)
    code, facts = zoo.plan()
    assert (code, facts["counts"]["tags"]) == (1, 1)
    assert found(facts, "manifest-unknown").keys() == {"app:1"}


@pytest.mark.parametrize(
    ("body", "what"),
    [("{}", "digest-mismatch"), ("no JSON", "digest-mismatch")],
)
def test_bytes_that_are_not_a_digest_s_own_are_named(zoo: Zoo, body: str, what: str) -> None:
    """A manifest whose bytes are others is left out, and so is its tag."""
    manifest = zoo.image("app", "1")
    zoo.image("app", "2", name="kept")
    headers = {"content-type": OCI_MANIFEST, "docker-content-digest": str(manifest.digest)}
    path = f"/manifests/{manifest.digest}"
    zoo.fault(host=US, method="GET", path=path, status=200, body=body, headers=headers)
    code, facts = zoo.plan()
    assert (code, facts["counts"]["tags"]) == (1, 1)
    assert found(facts, what).keys() == {f"app@{manifest.digest}"}


def test_a_manifest_that_cannot_be_read_is_named(zoo: Zoo) -> None:
    """What has its digest and is no manifest is left out, and the rest is planned."""
    zoo.image("app", "2", name="kept")
    raw = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": "none"}).encode()
    digest = Digest.of(raw)
    headers = {"content-type": OCI_INDEX, "docker-content-digest": str(digest)}
    zoo.fault(host=US, path=f"/manifests/{digest}", status=200, body=raw.decode(), headers=headers)
    image = zoo.repository.images["app"]
    body = json.loads(_listed(zoo, hide=GONE))
    body["manifest"][str(digest)] = {"tag": ["1"]}
    zoo.fault(host=US, path="app/tags/list", status=200, body=json.dumps(body))
    code, facts = zoo.plan()
    assert len(image.manifests) == 1
    assert (code, facts["counts"]["tags"]) == (1, 1)
    assert found(facts, "bad-manifest").keys() == {f"app@{digest}"}


def test_blobs_that_are_gone_are_found_when_asked_for(zoo: Zoo) -> None:
    """`--check-source` asks for each blob once per name, and names the images that lack one."""
    broken, whole = zoo.image("app", "1", name="lost"), zoo.image("app", "2", name="kept")
    index = zoo.index("app", "all", of=[broken, whole])
    zoo.image("app/other", "1", name="kept")
    assert zoo.plan()[0] == 0
    assert zoo.asked("HEAD .*/blobs/") == 0
    zoo.repository.images["app"].blobs.remove(Digest.of(b"lost"))
    code, facts = zoo.plan("--check-source")
    assert (code, facts["complete"]) == (1, True)
    assert found(facts, "blob-unknown") == {
        f"app@{broken.digest}": f"{Digest.of(b'lost')} is not there"
    }
    assert found(facts, "child-missing").keys() == {f"app@{index.digest}"}
    assert found(facts, "blocked").keys() == {"app:1", "app:all"}
    assert zoo.asked("HEAD .*/blobs/") == 5


def test_a_blob_of_another_size_is_damage(zoo: Zoo) -> None:
    """A size that the manifest does not state is as good as another content."""
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": zoo.blob("app", b"{}"),
        "layers": [zoo.blob("app", b"layer") | {"size": 4}],
    }
    manifest = zoo.push("app", body, "1")
    zoo.image("app", "2", name="kept")
    code, facts = zoo.plan("--check-source")
    saw = f"{Digest.of(b'layer')} has 5 bytes, the manifest says 4"
    assert (code, found(facts, "digest-mismatch")) == (1, {f"app@{manifest.digest}": saw})


def test_two_indexes_that_lack_the_same_child_are_both_named(zoo: Zoo) -> None:
    """Each index that is damaged is listed, not only the last one read."""
    gone, whole = zoo.image("app", name="gone"), zoo.image("app", name="whole")
    indexes = [zoo.index("app", "1", of=[gone]), zoo.index("app", "2", of=[gone, whole])]
    zoo.lose("app", gone)
    _, facts = zoo.plan()
    assert found(facts, "child-missing").keys() == {f"app@{one.digest}" for one in indexes}


def test_an_image_below_a_list_that_fails_is_planned_where_the_api_names_it(zoo: Zoo) -> None:
    """The subtree is in doubt and named; what the other view shows of it is not lost."""
    zoo.image("app", "1")
    zoo.image("app/below/deep", "1", name="deep")
    zoo.fault(host=US, path="us.gcr.io/app/tags/list", status=403)
    code, facts = zoo.plan()
    assert (code, facts["complete"]) == (3, False)
    assert found(facts, "listing-failed").keys() == {"app"}
    assert zoo.images() == {"app": ["1"], "app/below/deep": ["1"]}
