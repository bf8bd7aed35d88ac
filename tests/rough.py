"""Two registries that keep to the letter of HTTP and to nothing else, each with a bearer token.

Bytes of blobs come from another origin by signed addresses; uploads go to an address of 9 KB that
a head of 21 KB tells; and each of three layers meets its own accident, once.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from gcr_migrate.model.content import OCI_MANIFEST
from tests import shapes
from tests.listening import PIECE, listening, read_head

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

MIB: Final = 1 << 20
SIGNATURE: Final = "X-Signature=c2lnbmVkLXF1ZXJ5LW9mLWEtYmxvYg"
LETTERS: Final = "q" * 9_000
SOURCE_TOKEN, TARGET_TOKEN = "bearer-of-the-source", "bearer-of-the-target"
_BLOB: Final = re.compile(r"/v2/app/blobs/(sha256:[0-9a-f]{64})")
_MANIFEST: Final = re.compile(r"/v2/app/manifests/(.+)")


@dataclass
class Ask:
    """A request without its body."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def range(self) -> str:
        """What of a blob it asks for; empty for all of it."""
        return self.headers.get("range", "")


@dataclass
class Put:
    """An upload: its address and how many bytes came."""

    digest: str
    session: str
    received: int


@dataclass
class Rough:
    """The source's registry and storage, and the target.

    Attributes:
        blobs: what the source has: the config and three layers, of which the first's upload is
            cut, the second's download breaks off, and the third's has one byte flipped.
        raw: the source's manifest, under the tag `1`.
        kept: what the target has, by digest, and its tags.
        asked: requests to `source`, `storage` and `target`.
        puts: uploads to the target, in the order in which they ended.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    raw: bytes = b""
    kept: dict[str, bytes] = field(default_factory=dict)
    asked: dict[str, list[Ask]] = field(default_factory=dict)
    puts: list[Put] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def layers(self) -> list[str]:
        """Digests of the three layers."""
        return [f"sha256:{one['digest'][7:]}" for one in json.loads(self.raw)["layers"]]

    @contextmanager
    def running(self) -> Iterator[Rough]:
        """Listen at three ports while the block runs."""
        layers = [random.Random(number).randbytes(8 * MIB) for number in (1, 2, 3)]  # noqa: S311
        for data in (shapes.AMD64, *layers):
            self.blobs[_digest(data)] = data
        config = shapes.entry(shapes.OCI_CONFIG, shapes.AMD64)
        self.raw = shapes.oci(config, *(shapes.entry(shapes.OCI_LAYER, one) for one in layers))
        serve = {"source": self._source, "storage": self._storage, "target": self._target}
        with ExitStack() as stack:
            for name, one in serve.items():
                self.asked[name] = []
                self.ports[name] = stack.enter_context(listening(one))
            yield self

    def forget(self) -> None:
        """Forget all requests so far."""
        for asked in self.asked.values():
            asked.clear()

    def _read(self, name: str, peer: socket.socket) -> tuple[Ask, bytes] | None:
        head, rest = read_head(peer)
        if not head:
            return None
        first, *lines = head.decode("latin-1").splitlines()
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        ask = Ask(method, target, {key.strip().lower(): text.strip() for key, _, text in pairs})
        with self._lock:
            self.asked[name].append(ask)
        return ask, rest

    def _nth(self, name: str, ask: Ask) -> int:
        """How often this path was asked for by this method, this time included."""
        with self._lock:
            return sum((o.method, o.path) == (ask.method, ask.path) for o in self.asked[name])

    def _refused(self, name: str, ask: Ask, token: str) -> bytes | None:
        """Give out a token, or refuse whoever comes without it."""
        if ask.path == "/token":
            return _answer(200, json.dumps({"token": token}).encode())
        if ask.headers.get("authorization") == f"Bearer {token}":
            return None
        realm = f'Bearer realm="http://127.0.0.1:{self.ports[name]}/token",service="{name}"'
        return _answer(401, b"", f"WWW-Authenticate: {realm}")

    def _source(self, peer: socket.socket) -> None:
        read = self._read("source", peer)
        if read:
            ask, _ = read
            answer = self._refused("source", ask, SOURCE_TOKEN) or self._of_source(ask)
            peer.sendall(_to(ask, answer))

    def _of_source(self, ask: Ask) -> bytes:
        found = _BLOB.fullmatch(ask.path)
        if found and ask.method == "GET":
            address = f"http://127.0.0.1:{self.ports['storage']}/{found[1]}?{SIGNATURE}"
            return _answer(302, b"", f"Location: {address}")
        if found:
            return _answer(200, self.blobs[found[1]], only_head=True)
        if _MANIFEST.fullmatch(ask.path):
            accepted = OCI_MANIFEST in ask.headers.get("accept", "")
            if not accepted or not ask.path.endswith(("/1", _digest(self.raw))):
                return _error(404, "MANIFEST_UNKNOWN")
            fields = (
                f"Content-Type: {OCI_MANIFEST}",
                f"Docker-Content-Digest: {_digest(self.raw)}",
            )
            return _answer(200, self.raw, *fields, only_head=ask.method == "HEAD")
        return _lists(ask, ["1"])

    def _storage(self, peer: socket.socket) -> None:
        read = self._read("storage", peer)
        if not read:
            return
        ask, _ = read
        if "authorization" in ask.headers:
            peer.sendall(_error(400, "TWO_AUTHORIZATIONS"))
            return
        digest = ask.path.removeprefix("/")
        data = self.blobs[digest]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", ask.range)
        first = int(found[1]) if found else 0
        last = int((found and found[2]) or len(data) - 1)
        stated = (f"Content-Range: bytes {first}-{last}/{len(data)}",) if found else ()
        answer = _answer(206 if found else 200, data[first : last + 1], *stated)
        place = [*self.layers, digest].index(digest)
        if self._nth("storage", ask) == 1 and place == 1:
            answer = answer[: len(answer) - 5 * MIB]
        if self._nth("storage", ask) == 1 and place == 2:  # the third
            answer = answer[:-MIB] + bytes([answer[-MIB] ^ 1]) + answer[1 - MIB :]
        peer.sendall(answer)

    def _target(self, peer: socket.socket) -> None:
        read = self._read("target", peer)
        if not read:
            return
        ask, body = read
        refusal = self._refused("target", ask, TARGET_TOKEN)
        if refusal is None and ask.path.startswith("/artifacts-uploads/"):
            refusal = self._upload(ask, peer, body)
        elif refusal is None and ask.method == "PUT":
            refusal = self._put_manifest(ask, peer, body)
        peer.sendall(_to(ask, refusal if refusal is not None else self._of_target(ask)))

    def _upload(self, ask: Ask, peer: socket.socket, body: bytes) -> bytes:
        if ask.method != "PUT":
            return _error(405, "UNSUPPORTED")
        digest = parse_qs(urlsplit(ask.target).query)["digest"][0]
        hasher, received = hashlib.sha256(body), len(body)
        with self._lock:
            is_cut = digest == self.layers[0] and all(one.digest != digest for one in self.puts)
            put = Put(digest, ask.path.rpartition("/")[2], received)
            self.puts.append(put)
        while received < int(ask.headers["content-length"]):
            piece = peer.recv(PIECE)
            if not piece or (is_cut and received >= MIB):
                return b""
            hasher.update(piece)
            received += len(piece)
            put.received = received
        if f"sha256:{hasher.hexdigest()}" != digest:
            return _error(400, "DIGEST_INVALID")
        self.kept[digest] = b""
        return _answer(201, b"", f"Docker-Content-Digest: {digest}")

    def _put_manifest(self, ask: Ask, peer: socket.socket, body: bytes) -> bytes:
        while len(body) < int(ask.headers["content-length"]):
            body += peer.recv(PIECE)
        lacks = [one for one in (*self.layers, _digest(shapes.AMD64)) if one not in self.kept]
        if lacks:
            return _error(400, "MANIFEST_BLOB_UNKNOWN")
        self.kept |= {_digest(body): body, ask.path.rpartition("/")[2]: body}
        return _answer(201, b"", f"Docker-Content-Digest: {_digest(body)}")

    def _of_target(self, ask: Ask) -> bytes:
        if ask.method == "POST":
            with self._lock:
                number = len([one for one in self.asked["target"] if one.method == "POST"])
            session = f"/artifacts-uploads/namespaces/p/uploads/{number}-{LETTERS}"
            return _answer(
                202, b"", f"Location: {session}", *(f"X-{n}: {'h' * 3_000}" for n in "abcd")
            )
        found = _BLOB.fullmatch(ask.path)
        if found and found[1] in self.kept:
            return _answer(200, self.blobs[found[1]], only_head=True)
        named = _MANIFEST.fullmatch(ask.path)
        if named and named[1] in self.kept:
            raw = self.kept[named[1]]
            fields = (f"Content-Type: {OCI_MANIFEST}", f"Docker-Content-Digest: {_digest(raw)}")
            return _answer(200, raw, *fields, only_head=ask.method == "HEAD")
        if found or named:
            return _error(404, "BLOB_UNKNOWN" if found else "MANIFEST_UNKNOWN")
        return _lists(ask, [name for name in self.kept if ":" not in name])


def _lists(ask: Ask, tags: list[str]) -> bytes:
    lists = {"/v2/_catalog": {"repositories": ["app"]}, "/v2/": {}}
    if ask.path == "/v2/app/tags/list":
        return _answer(200, json.dumps({"name": "app", "tags": tags}).encode())
    if ask.path in lists:
        return _answer(200, json.dumps(lists[ask.path]).encode())
    return _error(404, "UNSUPPORTED")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _to(ask: Ask, answer: bytes) -> bytes:
    """Leave out the body where a HEAD asked: what is sent after its head breaks the protocol."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    return head + end if ask.method == "HEAD" else answer


def _error(status: int, code: str) -> bytes:
    return _answer(status, json.dumps({"errors": [{"code": code, "message": code}]}).encode())


def _answer(status: int, body: bytes, *fields: str, only_head: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if only_head else body)
