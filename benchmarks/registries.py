"""Registries of this machine: started empty, their requests counted, their content proven."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import certifi
import trustme

from benchmarks.corpus import INDEX, MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROGRAM: Final = "docker-registry"
_RELAY: Final = Path(__file__).resolve().parent / "relay.py"
_START_S: Final = 20.0
_NOT_FOUND: Final = 404
_ERROR: Final = 400
_LINE: Final = re.compile(r'"(?P<method>[A-Z]+) (?P<target>\S+) HTTP/[0-9.]+" (?P<status>\d{3}) ')
_DOCKER: Final = "application/vnd.docker.distribution.manifest"
_ACCEPT: Final = {"Accept": f"{INDEX}, {MANIFEST}, {_DOCKER}.list.v2+json, {_DOCKER}.v2+json"}
_CONFIG: Final = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage:
  filesystem: {{rootdirectory: "{storage}", maxthreads: 100}}
http: {{addr: "127.0.0.1:{port}"{tls}}}
"""
_TLS: Final = ', tls: {{certificate: "{certificate}", key: "{key}"}}'


@dataclass(frozen=True)
class Content:
    """What a registry must hold.

    Attributes:
        tags: digest by image path and tag.
        manifests: image path and digest.
        blobs: size by image path and digest, where it is known.
    """

    tags: Mapping[tuple[str, str], str]
    manifests: frozenset[tuple[str, str]]
    blobs: Mapping[tuple[str, str], int | None]


@dataclass
class Registry:
    """A `docker-registry` on loopback.

    Attributes:
        host: such as `127.0.0.1:5000`.
        log: where it writes a line for each request.
    """

    host: str
    log: Path
    _mark: int = field(default=0)

    def log_in(self, home: Path) -> dict[str, str]:  # noqa: ARG002  # of a source, see `scenes.py`
        """Do nothing: who comes is let in."""
        return {}

    def forget(self) -> None:
        """Count requests from here on."""
        time.sleep(0.05)  # the line of a request comes after its answer
        self._mark = self.log.stat().st_size

    def requests(self) -> Counter[str]:
        """Return how many requests there were since then, by kind."""
        time.sleep(0.05)
        with self.log.open("rb") as log:
            log.seek(self._mark)
            lines = log.read().decode("latin-1").splitlines()
        found = (_LINE.search(line) for line in lines)
        return Counter(
            kind_of(one["method"], one["target"], int(one["status"])) for one in found if one
        )


def kind_of(method: str, target: str, status: int) -> str:
    """Return what kind of request this was; a refused one is a kind of its own."""
    path, _, query = target.partition("?")
    if status >= _ERROR and status != _NOT_FOUND:
        return f"refused {status}"
    if "/blobs/uploads/" in path:
        if method == "POST" and "mount=" in query:
            return "mount" if status == http.client.CREATED else "mount not taken"
        return f"upload {method}"
    for part in ("/manifests/", "/blobs/", "/referrers/"):
        if part in path:
            return f"{part.strip('/').rstrip('s')} {method}"
    return "list" if path.endswith("/tags/list") else path.rstrip("/").rpartition("/")[2]


@dataclass(frozen=True)
class Secured:
    """What it takes to speak TLS, as files in PEM form.

    Attributes:
        certificate: of a registry.
        key: of that.
        trusted: what clients trust: as many authorities as usual, and the one of the certificate.
    """

    certificate: Path
    key: Path
    trusted: Path

    @classmethod
    def made(cls, folder: Path) -> Secured:
        """Make an authority of one's own, and the files."""
        authority = trustme.CA()
        leaf = authority.issue_cert("127.0.0.1")
        files = cls(folder / "certificate.pem", folder / "key.pem", folder / "trusted.pem")
        leaf.cert_chain_pems[0].write_to_path(files.certificate)
        leaf.private_key_pem.write_to_path(files.key)
        files.trusted.write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
        return files

    def variables(self, folder: Path, hosts: Mapping[str, str]) -> dict[str, str]:
        """Return variables by which clients trust registries that speak TLS.

        Args:
            folder: where it is written what our own tool has to know of them.
            hosts: where they are, by the names that they are called by.
        """
        ways, file = (
            {name: f"https://{at}" for name, at in hosts.items()},
            folder / "endpoints.yaml",
        )
        file.write_text(json.dumps({"registries": ways}), "utf-8")
        return {"SSL_CERT_FILE": str(self.trusted), "GCR_MIGRATE_ENDPOINTS": str(file)}


@contextmanager
def registry(
    folder: Path, *, storage: Path | None = None, secured: Secured | None = None
) -> Iterator[Registry]:
    """Start a registry that keeps everything in this folder; it and the folder end with the block.

    Args:
        folder: its own; it is made.
        storage: where content lies that outlives it; None: in its folder.
        secured: makes it speak TLS.

    Raises:
        SystemExit: it does not start.
    """
    folder.mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config, log = folder / "config.yaml", folder / "log"
    tls = _TLS.format(certificate=secured.certificate, key=secured.key) if secured else ""
    text = _CONFIG.format(storage=storage or folder / "storage", port=port, tls=tls)
    config.write_text(text, encoding="utf-8")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "OTEL_TRACES_EXPORTER": "none"}
    program = shutil.which(PROGRAM)
    if program is None:
        raise SystemExit(f"{PROGRAM} is missing")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "serve", str(config)], stdout=out, stderr=subprocess.DEVNULL, env=environ
        )
    try:
        found = Registry(f"127.0.0.1:{port}", log)
        _wait(found.host, process)
        found.forget()
        yield found
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def _wait(host: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until it answers; one that speaks TLS refuses a plain question, which will do."""
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            connection = http.client.HTTPConnection(host, timeout=2)
            connection.request("GET", "/v2/")
            connection.getresponse().read()
            connection.close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"{PROGRAM} did not start")


@dataclass
class Lines:
    """Ways to servers.

    Attributes:
        hosts: where to go instead, in the order of the servers.
        up: bytes that went up on each; known when all is done.
    """

    hosts: list[str]
    up: list[int] = field(default_factory=list)


@contextmanager
def lines(latency_ms: float, *servers: str, bytes_per_s: float = 0) -> Iterator[Lines]:
    """Put a relay in front of servers of this machine while the block runs."""
    command = [
        sys.executable,
        str(_RELAY),
        f"{latency_ms}:{bytes_per_s}",
        *(one.rpartition(":")[2] for one in servers),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as relay:
        assert relay.stdin  # noqa: S101  # asked for above
        assert relay.stdout  # noqa: S101
        try:
            found = Lines([f"127.0.0.1:{port}" for port in json.loads(relay.stdout.readline())])
            yield found
            relay.stdin.close()
            found.up = [up for up, _ in json.loads(relay.stdout.readline())]
        finally:
            relay.terminate()


def missing(content: Content, host: str) -> list[str]:
    """Return what of this a registry does not give, byte by byte.

    Each manifest is fetched by each of its names, each distinct blob once; in further
    repositories a blob is asked for.
    """
    connection = http.client.HTTPConnection(host, timeout=60)

    def digest_of(target: str) -> str:
        connection.request("GET", target, headers=_ACCEPT)
        answer = connection.getresponse()
        computed = hashlib.sha256()
        while piece := answer.read(1 << 20):
            computed.update(piece)
        return f"sha256:{computed.hexdigest()}" if answer.status == http.client.OK else ""

    def has(target: str, size: int | None) -> bool:
        connection.request("HEAD", target)
        answer = connection.getresponse()
        answer.read()
        told = int(answer.headers.get("Content-Length") or 0)
        return answer.status == http.client.OK and size in {None, told}

    named = {f"{path}/manifests/{tag}": digest for (path, tag), digest in content.tags.items()}
    named |= {f"{path}/manifests/{digest}": digest for path, digest in content.manifests}
    lost = [name for name, digest in named.items() if digest_of(f"/v2/{name}") != digest]
    read: set[str] = set()
    for (path, digest), size in content.blobs.items():
        target = f"/v2/{path}/blobs/{digest}"
        good = has(target, size) if digest in read else digest_of(target) == digest
        read.add(digest)
        if not good:
            lost.append(f"{path}/blobs/{digest}")
    connection.close()
    return lost
