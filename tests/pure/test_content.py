"""Manifests: bytes are kept, digests checked, needs read, and nothing is guessed."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import BAD_DIGEST, BAD_MANIFEST, DIGEST_MISMATCH, MigrateError
from gcr_migrate.model.content import (
    ACCEPT,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    LARGEST_SIZE,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    SCHEMA1,
    SCHEMA1_SIGNED,
    Digest,
    Kind,
    Manifest,
    cosign_subject,
    fallback_tag,
    is_fallback_tag,
)

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def entry(content: bytes, **more: Any) -> dict[str, Any]:
    """Return a descriptor as JSON."""
    fields = {"mediaType": LAYER_TYPE, "digest": str(Digest.of(content)), "size": len(content)}
    return {**fields, **more}


IMAGE = {"schemaVersion": 2, "config": entry(b"{}"), "layers": [entry(b"a"), entry(b"b")]}


def read(body: object, media_type: str = "", **more: Any) -> Manifest:
    """Write a body as JSON and read it as a manifest."""
    return Manifest.read(json.dumps(body).encode(), media_type, **more)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_an_image_needs_config_and_layers_once(media_type: str) -> None:
    """A layer that is listed twice is needed once; order stays."""
    got = read({**IMAGE, "layers": [entry(b"a"), entry(b"a"), entry(b"b")]}, media_type)
    assert got.kind is Kind.IMAGE
    assert [b.digest for b in got.blobs] == [Digest.of(c) for c in (b"{}", b"a", b"b")]
    assert got.children == ()


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index_has_children(media_type: str) -> None:
    """Entries keep type and size, whatever their type."""
    child = entry(b"x", mediaType="application/vnd.example.thing+json", artifactType="t/x")
    got = read({"schemaVersion": 2, "manifests": [child]}, media_type)
    assert (got.kind, got.blobs) == (Kind.INDEX, ())
    assert [(c.media_type, c.size, c.artifact_type) for c in got.children] == [
        ("application/vnd.example.thing+json", 1, "t/x")
    ]


@pytest.mark.parametrize("media_type", [OCI_INDEX, OCI_MANIFEST])
def test_a_list_that_is_null_is_empty(media_type: str) -> None:
    """Some programs write it so, and registries take it."""
    config = {"mediaType": "a/b", "digest": f"sha256:{'0' * 64}", "size": 2}
    raw = json.dumps({"config": config, "layers": None, "manifests": None}).encode()
    manifest = Manifest.read(raw, media_type)
    assert manifest.children == ()
    assert [one.size for one in manifest.blobs] == ([] if media_type == OCI_INDEX else [2])


def test_subject_artifact_type_and_urls_are_read() -> None:
    """An attached artifact says to what; a foreign layer says where it lives."""
    foreign = entry(b"f", urls=["https://vendor.example/base"])
    subject = entry(b"s", mediaType=OCI_MANIFEST)
    got = read({**IMAGE, "layers": [foreign], "subject": subject, "artifactType": "x/y"})
    assert got.subject is not None
    assert got.subject.digest == Digest.of(b"s")
    assert got.artifact_type == "x/y"
    assert got.blobs[1].urls == ("https://vendor.example/base",)


@pytest.mark.parametrize(
    ("body", "stated", "expected"),
    [
        (IMAGE, "", OCI_MANIFEST),
        (IMAGE, "application/json; charset=utf-8", OCI_MANIFEST),
        (IMAGE, f"{DOCKER_MANIFEST}; charset=utf-8", DOCKER_MANIFEST),
        ({**IMAGE, "mediaType": DOCKER_MANIFEST}, "", DOCKER_MANIFEST),
        ({"manifests": []}, "", OCI_INDEX),
        ({"fsLayers": []}, "", SCHEMA1),
        ({"fsLayers": [], "signatures": []}, "application/json", SCHEMA1_SIGNED),
        ({"blobs": []}, "application/octet-stream", OCI_ARTIFACT),
        ({"a": 1}, "Application/Vnd.Example+json", "Application/Vnd.Example+json"),
        (IMAGE, "application/vnd.example.v9+json", "application/vnd.example.v9+json"),
        ({**IMAGE, "mediaType": "no type"}, "application/vnd.a+json", "application/vnd.a+json"),
        (
            {"mediaType": "application/vnd.b+json"},
            "application/vnd.a+json",
            "application/vnd.b+json",
        ),
        ({"mediaType": "word"}, "application/vnd.a+json", "application/vnd.a+json"),
        ({"mediaType": "word"}, "text/html", "word"),
        ({"schemaVersion": 3}, "text/html", "application/json"),
    ],
)
def test_the_media_type_is_taken_from_the_best_witness(
    body: dict[str, Any], stated: str, expected: str
) -> None:
    """First the reply, then the body's own word, then its members."""
    assert read(body, stated).media_type == expected


@pytest.mark.parametrize("stated", [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST])
def test_media_types_ignore_case(stated: str) -> None:
    """One that is known is read as such, and sent on as registries write it."""
    body = {**IMAGE, "manifests": [entry(b"x")]}
    got, usual = read(body, stated.upper()), read(body, stated)
    assert (got.media_type, got) == (stated, usual)
    assert read({**body, "mediaType": stated.title()}, "").media_type == stated


@pytest.mark.parametrize(
    "stated",
    ["binary/octet-stream", "application/octet-stream", "text/html", "text/plain", "image/png", ""],
)
@pytest.mark.parametrize("own", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_type_that_is_none_of_a_manifest_leaves_it_to_the_body(stated: str, own: str) -> None:
    """What it needs is known, and it is sent on under the type that it has itself."""
    got = read({**IMAGE, "mediaType": own}, stated)
    assert (got.media_type, got.kind, len(got.blobs)) == (own, Kind.IMAGE, 3)
    assert read(IMAGE, stated).media_type == OCI_MANIFEST


def test_a_type_that_nobody_knows_gives_way_to_one_that_the_body_has() -> None:
    """The two have to match, so that a known one is right."""
    got = read({**IMAGE, "mediaType": DOCKER_MANIFEST}, "application/vnd.example.v9+json")
    assert (got.media_type, got.kind) == (DOCKER_MANIFEST, Kind.IMAGE)


@pytest.mark.parametrize("stated", [OCI_ARTIFACT, "application/octet-stream"])
def test_an_artifact_needs_its_blobs(stated: str) -> None:
    """The manifest of OCI 1.1's drafts has them in place of config and layers; it may have none."""
    body = {"mediaType": OCI_ARTIFACT, "artifactType": "x/y", "subject": entry(b"s")}
    got = read({**body, "blobs": [entry(b"a"), entry(b"b"), entry(b"a")]}, stated)
    assert (got.media_type, got.kind) == (OCI_ARTIFACT, Kind.ARTIFACT)
    assert [one.digest for one in got.blobs] == [Digest.of(b"a"), Digest.of(b"b")]
    assert got.subject is not None
    assert got.subject.digest == Digest.of(b"s")
    assert read(body, stated).blobs == read({**body, "blobs": None}, stated).blobs == ()


def test_an_artifact_with_a_broken_blob_is_a_bad_manifest() -> None:
    """What is known is read strictly."""
    with pytest.raises(MigrateError) as caught:
        read({"blobs": [{"size": 1}]}, OCI_ARTIFACT)
    assert caught.value.problem is BAD_MANIFEST


def test_an_unknown_kind_needs_what_looks_like_descriptors() -> None:
    """Where other kinds have them, it is taken to mean the same by them."""
    body = {
        **IMAGE,
        "blobs": [entry(b"c")],
        "manifests": [entry(b"x")],
        "subject": entry(b"s"),
    }
    got = read(body, "application/vnd.example.v9+json")
    assert (got.kind, got.media_type) == (Kind.UNKNOWN, "application/vnd.example.v9+json")
    assert [b.digest for b in got.blobs] == [Digest.of(c) for c in (b"{}", b"a", b"b", b"c")]
    assert [one.digest for one in got.children] == [Digest.of(b"x")]
    assert got.subject is not None
    assert got.subject.digest == Digest.of(b"s")


@pytest.mark.parametrize("odd", [7, None, "text", {}, {"digest": "sha256:zz", "size": 1}, [[]]])
def test_what_does_not_look_so_is_no_need_of_an_unknown_kind(odd: object) -> None:
    """Its members may mean anything; what beside them is a descriptor counts."""
    body = {"config": odd, "layers": [odd, entry(b"a")], "manifests": odd, "subject": odd}
    got = read(body, "application/vnd.example.v9+json")
    assert [one.digest for one in got.blobs] == [Digest.of(b"a")]
    assert (got.children, got.subject) == ((), None)


def test_bytes_are_kept_as_received() -> None:
    """Odd blanks, key order and a newline at the end stay, and the digest covers them."""
    raw = b'{ "layers": [],\n  "config": %s}\n' % json.dumps(entry(b"{}")).encode()
    got = Manifest.read(raw, OCI_MANIFEST)
    assert got.raw is raw
    assert str(got.digest) == "sha256:" + hashlib.sha256(raw).hexdigest()


def test_wrong_bytes_are_a_mismatch() -> None:
    """Bytes that do not hash to the digest that was asked for are never passed on."""
    with pytest.raises(MigrateError) as caught:
        read(IMAGE, OCI_MANIFEST, expected=Digest.of(b"other"))
    assert caught.value.problem is DIGEST_MISMATCH


def test_a_digest_of_another_algorithm_is_kept() -> None:
    """A sha512 that was asked for is checked and stays the manifest's digest."""
    raw = json.dumps(IMAGE).encode()
    digest = Digest.parse("sha512:" + hashlib.sha512(raw).hexdigest())
    assert Manifest.read(raw, OCI_MANIFEST, digest).digest == digest
    with pytest.raises(MigrateError) as caught:
        Manifest.read(raw, OCI_MANIFEST, Digest.parse("blake3:abc"))
    assert caught.value.problem is BAD_DIGEST


PAYLOAD = (
    b'{"schemaVersion":1,"name":"acme/old","tag":"1","architecture":"amd64","fsLayers":[{"blobSum":'
    b'"sha256:2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"}],'
    b'"history":[{"v1Compatibility":"{}"}]}'
)


def signed(payload: bytes) -> bytes:
    """Return the payload with a `signatures` member in it, as registries serve it."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head = {"formatLength": len(payload) - 1, "formatTail": encode(b"}")}
    signature = {"header": {}, "signature": "x", "protected": encode(json.dumps(head).encode())}
    return payload[:-1] + b',"signatures":[' + json.dumps(signature).encode() + b"]}"


def test_signed_schema_1_has_the_digest_of_its_payload() -> None:
    """It is recognised, its layers are known, and its signatures are no mismatch."""
    digest = Digest.parse("sha256:1c05e712863f002162979a2c3817c905a36a8b84ae046a879e997753d44b0535")
    got = Manifest.read(signed(PAYLOAD), SCHEMA1_SIGNED, digest)
    assert (got.kind, got.digest) == (Kind.SCHEMA1, digest)
    assert [b.size for b in got.blobs] == [-1]
    with pytest.raises(MigrateError) as caught:
        Manifest.read(signed(PAYLOAD.replace(b"acme", b"evil")), SCHEMA1_SIGNED, digest)
    assert caught.value.problem is DIGEST_MISMATCH


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"<html>",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        b'{"config": {}, "layers": []}',
        json.dumps({**IMAGE, "layers": [entry(b"a", size=-1)]}).encode(),
        json.dumps({**IMAGE, "layers": [entry(b"a", size=True)]}).encode(),
        json.dumps({**IMAGE, "layers": [entry(b"a", size=10**30)]}).encode(),
        json.dumps({**IMAGE, "layers": [entry(b"a", size=LARGEST_SIZE + 1)]}).encode(),
        json.dumps({**IMAGE, "layers": [entry(b"a", size=LARGEST_SIZE - 1)]}).encode(),
        json.dumps(
            {"manifests": [entry(one, size=1 << 45) for one in (b"a", b"b", b"c")]}
        ).encode(),
        json.dumps({**IMAGE, "mediaType": "half/\ud800"}).encode(),
        json.dumps({**IMAGE, "mediaType": f"application/vnd.{'x' * 256}"}).encode(),
        json.dumps({**IMAGE, "mediaType": "a\r\nheader: of its own"}).encode(),
        json.dumps({**IMAGE, "layers": [entry(b"a", digest="sha256:zz")]}).encode(),
        json.dumps({"manifests": [7]}).encode(),
        json.dumps({"fsLayers": [{}]}).encode(),
    ],
)
def test_what_cannot_be_read_is_a_bad_manifest(raw: bytes) -> None:
    """Broken JSON, other JSON, and what lacks a size or states more than there can be."""
    with pytest.raises(MigrateError) as caught:
        Manifest.read(raw, "")
    assert caught.value.problem is BAD_MANIFEST


def test_large_layers_are_no_bad_manifest() -> None:
    """Ten of the largest objects that any store keeps, less a few."""
    layers = [entry(bytes([one]), size=5 << 40) for one in range(10)]
    assert sum(one.size for one in read({**IMAGE, "layers": layers}).blobs) > 50 << 40


@pytest.mark.parametrize("body", [{}, {"errors": [{"code": "UNKNOWN"}]}, {"config": {}}])
@pytest.mark.parametrize(
    "stated",
    ["", "application/json", "Application/JSON; charset=utf-8", "text/html", "binary/octet-stream"],
)
def test_json_that_shows_no_sign_of_a_manifest_is_none(
    body: dict[str, object], stated: str
) -> None:
    """What a proxy says with a 200 is not taken for a manifest of an unknown kind."""
    with pytest.raises(MigrateError) as caught:
        read(body, stated)
    assert caught.value.problem is BAD_MANIFEST


@pytest.mark.parametrize(
    ("body", "stated"),
    [
        ({"schemaVersion": 3}, "application/json"),
        ({"mediaType": "application/vnd.example.v9+json"}, "application/json"),
        ({}, "application/vnd.example.v9+json"),
    ],
)
def test_one_sign_of_a_manifest_is_enough(body: dict[str, object], stated: str) -> None:
    """A kind that nobody knows yet is carried."""
    assert read(body, stated).kind is Kind.UNKNOWN


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "sha256:AB", "sha256:" + "A" * 64, ":a"])
def test_an_illegal_digest_is_refused(text: str) -> None:
    """Known algorithms have a fixed length in lower case."""
    with pytest.raises(MigrateError) as caught:
        Digest.parse(text)
    assert caught.value.problem is BAD_DIGEST


@given(st.binary())
def test_a_digest_matches_its_bytes_only(data: bytes) -> None:
    """A digest prints, parses back, matches its bytes and no others."""
    digest = Digest.of(data)
    assert Digest.parse(str(digest)) == digest
    assert digest.matches(data)
    assert not digest.matches(data + b"x")


@given(st.binary())
def test_tags_of_referrers_lead_back_to_their_subject(data: bytes) -> None:
    """The fallback tag and cosign's tags name the digest; ordinary tags name none."""
    digest = Digest.of(data)
    tag = fallback_tag(digest)
    assert is_fallback_tag(tag) == digest
    assert cosign_subject(tag) is None
    for suffix in ("sig", "att", "sbom"):
        assert cosign_subject(f"{tag}.{suffix}") == digest
        assert is_fallback_tag(f"{tag}.{suffix}") is None


MEMBERS = ["config", "layers", "blobs", "manifests", "digest", "size", "subject", "fsLayers"]
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
flat = leaves | st.lists(leaves, max_size=3)
shallow = flat | st.dictionaries(st.sampled_from(MEMBERS), flat, max_size=4)
json_values = shallow | st.dictionaries(st.sampled_from(MEMBERS), st.lists(shallow) | shallow)


TYPES = ["", OCI_INDEX, OCI_MANIFEST, OCI_ARTIFACT, SCHEMA1_SIGNED, "x/y", "x/vnd.y"]


@given(json_values, st.sampled_from(TYPES))
def test_any_json_is_read_or_refused_by_name(body: object, media_type: str) -> None:
    """No body makes the reader fail in another way."""
    problem = None
    try:
        assert json.loads(read(body, media_type).raw) == body
    except MigrateError as error:
        problem = error.problem
    assert problem in {None, BAD_MANIFEST}


def test_every_type_is_asked_for() -> None:
    """A registry that is not asked for a type may convert, which would change the digest."""
    types = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST, SCHEMA1, OCI_ARTIFACT)
    assert all(one in ACCEPT for one in types)
    assert ACCEPT.endswith("*/*")
