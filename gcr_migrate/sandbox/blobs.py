"""Blobs: downloads through a redirect, uploads in one piece.

Artifact Registry answers a blob GET with 302 and a relative Location under
`/artifacts-downloads/`, and opens uploads under `/artifacts-uploads/`; both on the same host,
with opaque queries, and authorising themselves.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from msgspec import Struct
from starlette.responses import FileResponse, Response

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.sandbox.calls import NAME, Call, refuse
from gcr_migrate.sandbox.store import hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from gcr_migrate.sandbox.scenarios import LimitsPart
    from gcr_migrate.sandbox.store import Repository, Store

_BINARY: Final = "application/octet-stream"
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")


class _Upload(Struct):
    """An upload that was opened and not finished."""

    name: str
    repository: Repository
    path: str
    file: Path
    patched: bool = False


class Blobs:
    """The blob end-points of all hosts.

    Args:
        store: where blobs lie.
        limits: how much goes in one request.
        downloads: origin that the bytes of blobs come from; empty for the registry host itself.
    """

    def __init__(self, store: Store, limits: LimitsPart, downloads: str = "") -> None:
        self._store = store
        self._limits = limits
        self._origin = downloads
        self._uploads: dict[str, _Upload] = {}
        self._downloads: dict[str, tuple[str, Path | bytes]] = {}

    async def head(self, call: Call) -> Response:
        """Answer whether a name holds a blob (whether AR redirects HEAD too is not known)."""
        digest = self._held(call)
        if digest is None:
            return refuse(404, "BLOB_UNKNOWN", f"{call.name} has no blob {call.reference}")
        made_up = call.image.made_up.get(digest)
        size = self._store.blob_file(digest).stat().st_size if made_up is None else len(made_up)
        headers = {"Content-Length": str(size), "Docker-Content-Digest": str(digest)}
        return Response(status_code=200, headers=headers, media_type=_BINARY)

    async def get(self, call: Call) -> Response:
        """Send the caller on to where the bytes are."""
        digest = self._held(call)
        if digest is None:
            return refuse(404, "BLOB_UNKNOWN", f"{call.name} has no blob {call.reference}")
        id_ = secrets.token_urlsafe(24)
        made_up = call.image.made_up.get(digest)
        source = self._store.blob_file(digest) if made_up is None else made_up
        self._downloads[id_] = call.name, source
        location = f"{self._origin}{_location(call, 'downloads', id_)}"
        return Response(status_code=302, headers={"Location": location})

    def start(self, call: Call) -> Response:
        """Open an upload; a `digest` in the query of the POST is passed over."""
        id_ = secrets.token_urlsafe(24)
        file = self._store.uploads / id_
        self._uploads[id_] = _Upload(call.name, call.repository, call.where.path, file)
        query = f"?opaque={secrets.token_urlsafe(48)}"  # to be kept, never rebuilt
        headers = {"Location": _location(call, "uploads", id_) + query, "Range": "0-0"}
        return Response(status_code=202, headers=headers)

    async def at_location(self, request: Request) -> Response:
        """Answer at an address that an earlier answer gave."""
        id_ = request.url.path.rpartition("/")[2]
        if request.url.path.startswith("/artifacts-downloads/"):
            return self._download(request, id_)
        upload = self._uploads.get(id_)
        if upload is None or not request.query_params.get("opaque"):
            return refuse(404, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        request.scope[NAME] = upload.name
        if request.method == "PATCH":
            return await self._patch(request, upload)
        if request.method == "PUT":
            return await self._put(request, upload, id_)
        return refuse(405, "UNSUPPORTED", f"{request.method} on an upload")

    def _download(self, request: Request, id_: str) -> Response:
        name, source = self._downloads.get(id_, ("", None))
        if source is None or request.method not in {"GET", "HEAD"}:
            return refuse(404, "BLOB_UNKNOWN", "no such download")
        if self._origin and "authorization" in request.headers:
            # An address that is signed takes no login besides, and least of all a registry's.
            return refuse(400, "UNSUPPORTED", "only one way to authorise is allowed")
        request.scope[NAME] = name
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if _asked(request, size) > self._limits.read_bytes:
            text = f"one request gives {self._limits.read_bytes} bytes at most"
            return refuse(400, "SIZE_INVALID", text)
        if isinstance(source, bytes):
            return Response(source, media_type=_BINARY)
        return FileResponse(source, media_type=_BINARY)

    async def _patch(self, request: Request, upload: _Upload) -> Response:
        if upload.patched:
            return refuse(405, "UNSUPPORTED", "uploads come in one piece")  # no chunks, no resume
        upload.patched = True
        size = await _receive(request, upload.file, "wb")
        location = f"{request.url.path}?{request.url.query}"
        return Response(status_code=202, headers={"Location": location, "Range": f"0-{size - 1}"})

    async def _put(self, request: Request, upload: _Upload, id_: str) -> Response:
        if "content-length" not in request.headers and "transfer-encoding" in request.headers:
            return refuse(411, "SIZE_INVALID", "Content-Length is required")
        try:
            digest = Digest.parse(request.query_params.get("digest", ""))
        except MigrateError as error:
            return refuse(400, "DIGEST_INVALID", error.saw)
        if not digest.verifiable:
            return refuse(400, "DIGEST_INVALID", f"unknown algorithm {digest.algorithm}")
        most, stated = self._limits.upload_bytes, request.headers.get("content-length", "0")
        if most is not None and int(stated) > most:
            return refuse(413, "SIZE_INVALID", f"one request takes {most} bytes at most")
        # A stream that breaks off leaves the upload open; the next PUT starts it afresh.
        await _receive(request, upload.file, "ab" if upload.patched else "wb")
        if hash_file(upload.file, digest.algorithm) != digest.encoded:
            upload.file.unlink()
            self._uploads.pop(id_, None)
            return refuse(400, "DIGEST_INVALID", f"bytes are not {digest}")
        self._store.adopt(upload.file, digest)
        self._uploads.pop(id_, None)
        upload.repository.images.setdefault(
            upload.path, upload.repository.image(upload.path)
        ).blobs.add(digest)
        headers = {
            "Location": f"/v2/{upload.name}/blobs/{digest}",
            "Docker-Content-Digest": str(digest),
        }
        return Response(status_code=201, headers=headers)

    def _held(self, call: Call) -> Digest | None:
        try:
            digest = Digest.parse(call.reference)
        except MigrateError:
            return None
        image = call.image
        lies_there = digest in image.made_up or self._store.blob_file(digest).exists()
        return digest if digest in image.blobs and lies_there else None


def _location(call: Call, kind: str, id_: str) -> str:
    project, repository = quote(call.where.project), call.where.repository
    return f"/artifacts-{kind}/namespaces/{project}/repositories/{repository}/{kind}/{id_}"


def _asked(request: Request, size: int) -> int:
    """Return how many bytes a request asks for."""
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if not found:
        return size
    last = min(int(found[2] or size), size - 1)
    return last - int(found[1]) + 1


async def _receive(request: Request, file: Path, mode: str) -> int:
    """Write a body to disk as it comes; return the size of the file then."""
    with file.open(mode) as target:
        async for chunk in request.stream():
            target.write(chunk)
        return target.tell()
