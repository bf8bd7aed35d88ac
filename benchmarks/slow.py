"""A source that gives blobs of any size, and a target that takes them slowly and keeps none.

A program of its own, so that its work is nobody else's: `slow.py BLOBS BYTES BYTES_PER_S` prints
where source and target listen, and ends when its input does; then it prints how many layers were
under way at once, and how many bytes came.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

NAME: Final = "images"  # the path that has all of them
OF_ONE: Final = 4  # layers of an image
_PIECE: Final = 1 << 18
_CONFIG_BYTES: Final = 64
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Blob:
    """Bytes that are made when they are asked for: one word, again and again.

    Attributes:
        word: the word, 8 bytes long.
        size: how many bytes.
    """

    word: bytes
    size: int

    def pieces(self) -> Iterator[bytes]:
        """Go through its bytes."""
        piece = self.word * (_PIECE // len(self.word))
        for at in range(0, self.size, _PIECE):
            yield piece[: self.size - at]

    def described(self, media_type: str) -> dict[str, str | int]:
        """Return its description, as a manifest has it."""
        computed = hashlib.sha256()
        for piece in self.pieces():
            computed.update(piece)
        digest = f"sha256:{computed.hexdigest()}"
        return {"mediaType": media_type, "size": self.size, "digest": digest}


@dataclass
class Registry:
    """Both registries.

    Attributes:
        source: port of the source; whoever comes by another one asks the target, which is empty.
        bytes_per_s: how fast each upload is taken.
        manifests: of the source, by tag and by digest.
        blobs: of the source, by digest.
        uploads: how many layers are under way now, and `most` how many were at once.
        taken: bytes that came.
    """

    source: int
    bytes_per_s: float
    manifests: dict[str, bytes] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    uploads: int = 0
    most: int = 0
    taken: int = 0

    def fill(self, blobs: int, size: int) -> None:
        """Make images of so many layers in all."""
        for number in range(0, blobs, OF_ONE):
            words = range(number, min(blobs, number + OF_ONE))
            config = self._add(Blob(number.to_bytes(8), _CONFIG_BYTES), _CONFIG)
            layers = [self._add(Blob((1 << 32 | word).to_bytes(8), size), _LAYER) for word in words]
            manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config}
            raw = json.dumps(manifest | {"layers": layers}).encode()
            self.manifests[f"sha256:{hashlib.sha256(raw).hexdigest()}"] = raw
            self.manifests[f"v{number}"] = raw

    def _add(self, blob: Blob, media_type: str) -> dict[str, str | int]:
        described = blob.described(media_type)
        self.blobs[str(described["digest"])] = blob
        return described

    def app(self) -> Starlette:
        """Return what answers."""
        name = "/v2/{name:path}"
        return Starlette(
            routes=[
                Route("/v2/", lambda _: JSONResponse({})),
                Route(f"{name}/tags/list", self._tags),
                Route(f"{name}/manifests/{{reference}}", self._manifest),
                Route(f"{name}/manifests/{{reference}}", self._write, methods=["PUT"]),
                Route(f"{name}/blobs/uploads/", self._open, methods=["POST"]),
                Route(f"{name}/blobs/uploads/{{id}}", self._take, methods=["PATCH", "PUT"]),
                Route(f"{name}/blobs/{{digest}}", self._blob),
            ]
        )

    def _has(self, request: Request) -> bool:
        return request.url.port == self.source and request.path_params["name"] == NAME

    async def _tags(self, request: Request) -> Response:
        if not self._has(request):
            return _nothing("NAME_UNKNOWN")
        tags = [one for one in self.manifests if not one.startswith("sha256:")]
        return JSONResponse({"name": NAME, "tags": tags})

    async def _manifest(self, request: Request) -> Response:
        raw = self.manifests.get(request.path_params["reference"])
        if raw is None or not self._has(request):
            return _nothing("MANIFEST_UNKNOWN")
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        return Response(raw, headers={"Docker-Content-Digest": digest}, media_type=_MANIFEST)

    async def _blob(self, request: Request) -> Response:
        blob = self.blobs.get(request.path_params["digest"])
        if blob is None or not self._has(request):
            return _nothing("BLOB_UNKNOWN")

        async def pieces() -> AsyncIterator[bytes]:
            for piece in blob.pieces():
                yield piece

        return StreamingResponse(pieces(), headers={"Content-Length": str(blob.size)})

    async def _open(self, request: Request) -> Response:
        place = f"/v2/{request.path_params['name']}/blobs/uploads/{time.monotonic_ns()}"
        return Response(status_code=202, headers={"Location": place, "Range": "0-0"})

    async def _take(self, request: Request) -> Response:
        """Take a body, no faster than is allowed; it is counted and forgotten."""
        is_layer = int(request.headers.get("Content-Length", 0)) > _CONFIG_BYTES
        self.uploads += is_layer
        self.most = max(self.most, self.uploads)
        computed, taken, began = hashlib.sha256(), 0, time.monotonic()
        try:
            async for piece in request.stream():
                taken += len(piece)
                computed.update(piece)
                await asyncio.sleep(began + taken / self.bytes_per_s - time.monotonic())
        finally:
            self.uploads -= is_layer
            self.taken += taken
        if request.method == "PATCH":
            return Response(status_code=202, headers={"Location": request.url.path})
        digest = f"sha256:{computed.hexdigest()}"
        if taken and digest not in self.blobs:
            return _nothing("DIGEST_INVALID")
        return Response(status_code=201)

    async def _write(self, request: Request) -> Response:
        digest = f"sha256:{hashlib.sha256(await request.body()).hexdigest()}"
        return Response(status_code=201, headers={"Docker-Content-Digest": digest})


def _nothing(code: str) -> Response:
    return JSONResponse({"errors": [{"code": code}]}, status_code=404)


async def _main(blobs: int, size: int, bytes_per_s: float) -> None:
    sockets = [socket.create_server(("127.0.0.1", 0), backlog=256) for _ in range(2)]
    ports = [one.getsockname()[1] for one in sockets]
    held = Registry(ports[0], bytes_per_s)
    held.fill(blobs, size)
    server = uvicorn.Server(uvicorn.Config(held.app(), log_level="error", access_log=False))
    print(json.dumps([f"127.0.0.1:{port}" for port in ports]), flush=True)
    serving = asyncio.create_task(server.serve(sockets))
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps({"most": held.most, "taken": held.taken}), flush=True)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
