"""What registries hold: digests, descriptors, manifests.

A manifest is kept as the bytes that came from the wire. It is read to learn what it needs, and
never written again from what was read: a digest covers the bytes, blanks and key order included.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, Protocol

from msgspec import Struct

from gcr_migrate.errors import BAD_DIGEST, BAD_MANIFEST, DIGEST_MISMATCH, MigrateError

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
OCI_ARTIFACT: Final = "application/vnd.oci.artifact.manifest.v1+json"  # of drafts of OCI 1.1
_JSON: Final = "application/json"

_DIGEST = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)")
_USUAL_DIGEST = re.compile(r"sha256:[a-f0-9]{64}")  # nearly all are: read in one step
_MEDIA_TYPE = re.compile(r"[!-~]{1,255}")  # it is sent on in a header
# More is a lie, of a blob and of all that one manifest needs: no store keeps an object of 64 TiB.
# A hundred thousand such lies still add up in SQLite, whose integers end at 2^63.
LARGEST_SIZE: Final = 1 << 46
_HEX_LENGTH: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX: Final = {name: re.compile(f"[a-f0-9]{{{length}}}") for name, length in _HEX_LENGTH.items()}
_FALLBACK_TAG = re.compile(r"sha256-([a-f0-9]{64})")
_COSIGN_TAG = re.compile(r"sha256-([a-f0-9]{64})\.(?:sig|att|sbom)")
# The types of manifests look so; any other, such as text/html, tells nothing of one.
_OF_A_KIND = re.compile(r"(?=.{,255}$)[!-~]+/(?:vnd\.[!-~]+|[!-~]+\+json)", re.IGNORECASE)


class Hasher(Protocol):
    """The part of a hashlib object that a stream needs."""

    def update(self, data: bytes, /) -> None:
        """Take in the next bytes."""

    def hexdigest(self) -> str:
        """Return the hash of everything taken in so far."""


class Digest(Struct, frozen=True, order=True):
    """The name of some bytes: the hash over them.

    Attributes:
        algorithm: such as `sha256`.
        encoded: the hash itself, hexadecimal for the algorithms that this tool can compute.
    """

    algorithm: str
    encoded: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read `algorithm:encoded`; raise BAD_DIGEST for anything else."""
        if _USUAL_DIGEST.fullmatch(text):
            return cls("sha256", text.removeprefix("sha256:"))
        found = _DIGEST.fullmatch(text)
        if not found:
            raise MigrateError(BAD_DIGEST, subject=text[:200] or "(empty)", saw="no algorithm:hash")
        algorithm, encoded = found.groups()
        form = _HEX.get(algorithm)
        if form and not form.fullmatch(encoded):
            saw = f"{algorithm} needs {_HEX_LENGTH[algorithm]} lower-case hexadecimal digits"
            raise MigrateError(BAD_DIGEST, subject=text[:200], saw=saw)
        return cls(sys.intern(algorithm), encoded)  # the same few words a million times

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Return the sha256 digest of these bytes."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    @property
    def verifiable(self) -> bool:
        """Whether this tool can compute the algorithm."""
        return self.algorithm in _HEX_LENGTH

    def hasher(self) -> Hasher:
        """Start a hash of this digest's algorithm; raise BAD_DIGEST if it cannot be computed."""
        if not self.verifiable:
            raise MigrateError(BAD_DIGEST, subject=str(self), saw="algorithm cannot be computed")
        return hashlib.new(self.algorithm)

    def matches(self, data: bytes) -> bool:
        """Whether these bytes have this digest."""
        hasher = self.hasher()
        hasher.update(data)
        return hasher.hexdigest() == self.encoded

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"


class Kind(StrEnum):
    """What a manifest is, as far as copying cares."""

    INDEX = "index"
    IMAGE = "image"
    ARTIFACT = "artifact"
    SCHEMA1 = "schema1"
    UNKNOWN = "unknown"


_KINDS: Final = {
    OCI_INDEX: Kind.INDEX,
    OCI_MANIFEST: Kind.IMAGE,
    DOCKER_LIST: Kind.INDEX,
    DOCKER_MANIFEST: Kind.IMAGE,
    SCHEMA1_SIGNED: Kind.SCHEMA1,
    SCHEMA1: Kind.SCHEMA1,
    OCI_ARTIFACT: Kind.ARTIFACT,
}
NAMED_BY: Final = "sha256"  # the algorithm that every registry names content by
ACCEPT: Final = ", ".join([*_KINDS, "*/*"])


class Descriptor(Struct, frozen=True):
    """What a manifest says about something that it needs.

    Attributes:
        media_type: type of the thing, as stated.
        digest: its digest.
        size: its length in bytes, -1 where the manifest does not say (schema 1).
        urls: addresses outside the registry, for layers that live there.
        artifact_type: type of an artifact, on the children of an index.
    """

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    artifact_type: str | None = None


class RawManifest(Struct, frozen=True):
    """A manifest as received: all that it takes to send it on.

    Attributes:
        raw: the bytes from the wire; what is sent on.
        media_type: the type under which to send it on.
        digest: the digest of the bytes.
    """

    raw: bytes
    media_type: str
    digest: Digest


class Manifest(RawManifest, frozen=True):
    """A manifest, and what it needs.

    Attributes:
        kind: what it is.
        children: the entries of an index.
        blobs: config and layers, or the blobs of an artifact; each digest once, in order.
        subject: the manifest that this one is attached to.
        artifact_type: what the artifact is, if it is one.
    """

    kind: Kind
    children: tuple[Descriptor, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None

    @classmethod
    def read(cls, raw: bytes, media_type: str, expected: Digest | None = None) -> Manifest:
        """Check the bytes against the digest that was asked for, then learn what they need.

        Args:
            raw: body of the reply, unchanged.
            media_type: the reply's Content-Type; where it is none of a manifest the body decides.
            expected: digest under which it was asked for.

        Raises:
            MigrateError: DIGEST_MISMATCH; BAD_MANIFEST if it cannot be read; BAD_DIGEST if it was
                asked for by a digest that cannot be checked.
        """
        digest = checked(raw, expected)
        name = str(digest)
        body = _json_object(raw, name)
        type_ = sys.intern(_media_type(body, media_type, name))
        kind = _KINDS.get(type_, Kind.UNKNOWN)
        artifact_type = body.get("artifactType")
        children, blobs = _children(body, kind, name), _blobs(body, kind, name)
        if (size := sum(max(0, one.size) for one in (*children, *blobs))) > LARGEST_SIZE:
            raise _bad(name, f"it states {size} bytes in all, more than there can be")
        return cls(
            raw=raw,
            media_type=type_,
            digest=digest,
            kind=kind,
            children=children,
            blobs=blobs,
            subject=_subject(body, kind, name),
            artifact_type=artifact_type if isinstance(artifact_type, str) else None,
        )


def checked(raw: bytes, expected: Digest | None) -> Digest:
    """Return the digest of a manifest's bytes, which is the one that was asked for.

    Args:
        raw: the bytes.
        expected: digest under which they were asked for, if they were.

    Raises:
        MigrateError: DIGEST_MISMATCH; BAD_DIGEST if it is one that cannot be checked.
    """
    digest = Digest.of(raw)
    if expected is None or expected == digest or expected.matches(raw):
        return expected or digest
    if _unsigned_matches(raw, expected):
        return expected  # the digest of a signed schema 1 leaves its signatures out
    raise MigrateError(DIGEST_MISMATCH, subject=str(expected), saw=f"bytes hash to {digest}")


def fallback_tag(digest: Digest) -> str:
    """Return the tag that lists the referrers of a digest where no API does (OCI end-12)."""
    illegal = re.compile(r"[^a-zA-Z0-9._-]")
    return illegal.sub("-", digest.algorithm[:32]) + "-" + illegal.sub("-", digest.encoded[:64])


def is_fallback_tag(tag: str) -> Digest | None:
    """Return the digest whose referrers this tag lists, if it is such a tag."""
    found = _FALLBACK_TAG.fullmatch(tag)
    return Digest("sha256", found[1]) if found else None


def cosign_subject(tag: str) -> Digest | None:
    """Return the digest that cosign's older tag scheme signs or describes by this tag."""
    found = _COSIGN_TAG.fullmatch(tag)
    return Digest("sha256", found[1]) if found else None


def _bad(name: str, saw: str) -> MigrateError:
    return MigrateError(BAD_MANIFEST, subject=name, saw=saw)


def _json_object(raw: bytes, name: str) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _bad(name, f"not JSON: {type(error).__name__}") from error
    if not isinstance(body, dict):
        raise _bad(name, f"JSON, but {type(body).__name__} and not an object")
    return body


def _media_type(body: dict[str, Any], stated: str, name: str) -> str:
    """Return the type under which a manifest is read and sent on, as the best witness has it.

    One that is known, in small letters, as types ignore case: first the reply's, then the body's.
    Else the body's, as the two have to match; else the reply's, or what its members look like.
    """
    stated, own = stated.partition(";")[0].strip(), body.get("mediaType")
    own = own if isinstance(own, str) else ""
    for one in (stated.lower(), own.lower()):
        if one in _KINDS:
            return one
    for one in (own, stated):
        if _OF_A_KIND.fullmatch(one):
            return one
    if own and not _MEDIA_TYPE.fullmatch(own):
        raise _bad(name, "its mediaType is no media type")
    best = own or _type_by_members(body)
    if not best:  # such as the error of a proxy, with a 200
        raise _bad(name, "JSON without a media type or any member of a manifest")
    return best


def _type_by_members(body: dict[str, Any]) -> str:
    """Return the type whose members a body has; empty if it shows no sign of a manifest."""
    if isinstance(body.get("manifests"), list):
        return OCI_INDEX
    if isinstance(body.get("fsLayers"), list):
        return SCHEMA1_SIGNED if "signatures" in body else SCHEMA1
    if isinstance(body.get("config"), dict) and isinstance(body.get("layers"), list):
        return OCI_MANIFEST
    if isinstance(body.get("blobs"), list):
        return OCI_ARTIFACT
    return _JSON if "schemaVersion" in body else ""


def _children(body: dict[str, Any], kind: Kind, name: str) -> tuple[Descriptor, ...]:
    if kind is Kind.UNKNOWN:
        return _once(_apparent(body, "manifests"))
    return _once(_listed(body, "manifests", name)) if kind is Kind.INDEX else ()


def _blobs(body: dict[str, Any], kind: Kind, name: str) -> tuple[Descriptor, ...]:
    if kind is Kind.IMAGE:
        config = _descriptor(body.get("config"), f"{name} config")
        return _once([config, *_listed(body, "layers", name)])
    if kind is Kind.ARTIFACT:
        return _once(_listed({"blobs": [], **body}, "blobs", name))  # it may go without
    if kind is Kind.SCHEMA1:
        layers = body.get("fsLayers")
        if not isinstance(layers, list):
            raise _bad(name, "no list `fsLayers`")
        return _once([_schema1_layer(layer, name) for layer in layers])
    return _once(_apparent(body, "config", "layers", "blobs")) if kind is Kind.UNKNOWN else ()


def _schema1_layer(layer: object, name: str) -> Descriptor:
    blob_sum = layer.get("blobSum") if isinstance(layer, dict) else None
    if not isinstance(blob_sum, str):
        raise _bad(name, "an entry of `fsLayers` has no blobSum")
    return Descriptor("", _digest(blob_sum, name), -1)


def _listed(body: dict[str, Any], member: str, name: str) -> list[Descriptor]:
    entries = body.get(member)
    if entries is None and member in body:  # programs in Go write an empty list so, and read it
        return []
    if not isinstance(entries, list):
        raise _bad(name, f"no list `{member}`")
    return [_descriptor(one, f"{name} {member}[{at}]") for at, one in enumerate(entries)]


def _apparent(body: dict[str, Any], *members: str) -> list[Descriptor]:
    """Return all that reads as a descriptor in members of a kind that nobody knows."""
    found = []
    for member in members:
        entries = body.get(member)
        for entry in entries if isinstance(entries, list) else [entries]:
            with suppress(MigrateError):
                found.append(_descriptor(entry, member))
    return found


def _subject(body: dict[str, Any], kind: Kind, name: str) -> Descriptor | None:
    if kind is Kind.UNKNOWN:
        return next(iter(_apparent(body, "subject")), None)
    if kind is Kind.SCHEMA1 or body.get("subject") is None:
        return None
    return _descriptor(body["subject"], f"{name} subject")


def _descriptor(entry: object, name: str) -> Descriptor:
    if not isinstance(entry, dict):
        raise _bad(name, "no descriptor")
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str):
        raise _bad(name, "descriptor has no digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= LARGEST_SIZE:
        raise _bad(name, "descriptor has no size, or one that nothing can have")
    media_type, urls = entry.get("mediaType"), entry.get("urls")
    artifact = entry.get("artifactType")
    return Descriptor(
        media_type if isinstance(media_type, str) else "",
        _digest(digest, name),
        size,
        tuple(u for u in urls if isinstance(u, str)) if isinstance(urls, list) else (),
        artifact if isinstance(artifact, str) else None,
    )


def _digest(text: str, name: str) -> Digest:
    try:
        return Digest.parse(text)
    except MigrateError as error:
        raise _bad(name, f"bad digest {text[:200]}") from error


def _once(descriptors: list[Descriptor]) -> tuple[Descriptor, ...]:
    first: dict[Digest, Descriptor] = {}
    for descriptor in descriptors:
        first.setdefault(descriptor.digest, descriptor)
    return tuple(first.values())


def _unsigned_matches(raw: bytes, expected: Digest) -> bool:
    """Whether these are a signed schema 1 whose payload, signatures taken out, has the digest."""
    try:
        protected = json.loads(_unbase64(json.loads(raw)["signatures"][0]["protected"]))
        payload = raw[: protected["formatLength"]] + _unbase64(protected["formatTail"])
    except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
        return False  # not of that form: the mismatch stands
    return expected.matches(payload)


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
