"""Whole migrations between two real registries, of images that skopeo put there.

The content is real too: files of packages that are on every machine which runs these tests.
"""

from __future__ import annotations

import email
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
import zstandard

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("docker-registry"),
    pytest.mark.needs("skopeo"),
]

PLANS: Final = Path(__file__).parents[2] / "plans"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Cli(Protocol):
    """The tool as a process, see `tests/conftest.py`."""

    home: Path

    def __call__(self, *args: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        ...


class Registry(Protocol):
    """A real registry on loopback, see `tests/conftest.py`."""

    host: str
    storage: Path


def _tar(folder: Path) -> bytes:
    """Return the files of a folder as a layer."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                tar.add(file, f"opt/{folder.name}/{file.name}", recursive=False)
    return target.getvalue()


_PYTHON: Final = Path(email.__file__).parent  # the standard library's package `email`


@dataclass(frozen=True)
class Layer:
    """One layer: what is in it, and how it is packed."""

    tar: bytes
    packed: bytes
    packing: str

    @classmethod
    def of(cls, folder: Path, packing: str) -> Layer:
        """Pack the files of a folder."""
        tar = _tar(folder)
        if packing == "zstd":
            return cls(tar, zstandard.ZstdCompressor().compress(tar), packing)
        return cls(tar, gzip.compress(tar, mtime=0), packing)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _entry(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}


def _config(layers: list[Layer], architecture: str) -> bytes:
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/true"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer.tar) for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": "copy"} for _ in layers],
    }
    return json.dumps(config).encode()


def oci_layout(folder: Path, layers: list[Layer], architecture: str = "amd64") -> str:
    """Write an image in OCI's layout, and return how skopeo names it."""
    config = _config(layers, architecture)
    body = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": _entry(OCI_CONFIG, config),
        "layers": [_entry(f"{OCI_LAYER}+{one.packing}", one.packed) for one in layers],
    }
    manifest = json.dumps(body, indent=3).encode()  # spaces that no program would write again
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for data in (config, manifest, *(layer.packed for layer in layers)):
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    named = _entry(OCI, manifest) | {"annotations": {"org.opencontainers.image.ref.name": "one"}}
    index = {"schemaVersion": 2, "manifests": [named]}
    (folder / "index.json").write_text(json.dumps(index))
    return f"oci:{folder}:one"


def docker_folder(folder: Path, layers: list[Layer]) -> str:
    """Write an image of Docker's schema 2 as a folder, and return how skopeo names it."""
    config = _config(layers, "amd64")
    body = {
        "schemaVersion": 2,
        "mediaType": DOCKER,
        "config": _entry(DOCKER_CONFIG, config),
        "layers": [_entry(DOCKER_LAYER, one.packed) for one in layers],
    }
    folder.mkdir()
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").write_bytes(json.dumps(body, indent=3).encode())
    for data in (config, *(layer.packed for layer in layers)):
        (folder / hashlib.sha256(data).hexdigest()).write_bytes(data)
    return f"dir:{folder}"


def skopeo(*args: str) -> str:
    """Run skopeo and return what it prints."""
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, check=False)  # noqa: S607  # the user's own skopeo
    assert done.returncode == 0, done.stderr
    return done.stdout


def push(image: str, to: str) -> str:
    """Let skopeo push an image as it is, and return its digest at the registry."""
    skopeo("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", image, f"docker://{to}")
    return _digest(raw(to))


def raw(name: str) -> bytes:
    """Return the manifest under a name, byte by byte, as skopeo gets it."""
    return skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{name}").encode()


def push_index(host: str, name: str, tag: str, children: dict[str, str], media_type: str) -> str:
    """Put an index of manifests that are there, and return its digest.

    Args:
        host: the registry.
        name: the image path.
        tag: tag of the index.
        children: digest by architecture.
        media_type: of OCI or of Docker.
    """
    entries = []
    for architecture, digest in children.items():
        child = raw(f"{host}/{name}@{digest}")
        platform = {"platform": {"architecture": architecture, "os": "linux"}}
        entries.append(_entry(json.loads(child)["mediaType"], child) | platform)
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
    data = json.dumps(body, indent=3).encode()
    request = urllib.request.Request(  # loopback only
        f"http://{host}/v2/{name}/manifests/{tag}",
        data,
        {"Content-Type": media_type},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback only
        assert answer.status == 201
    return _digest(data)


@dataclass(frozen=True)
class Pair:
    """Two registries, the tool between them, and what the source has: digest by name and tag."""

    source: Registry
    target: Registry
    cli: Cli
    content: dict[str, str]

    def run(self, *args: str | Path, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and return its object, after a check of the exit code."""
        done = self.cli(*args, "--json")
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def spec(self) -> Path:
        """Write the sample of two plain registries, with the addresses of these two."""
        text = (PLANS / "registry-to-registry.yaml").read_text()
        assert "127.0.0.1:5000" in text
        text = text.replace("127.0.0.1:5000", self.source.host)
        path = self.cli.home / "spec.yaml"
        path.write_text(text.replace("127.0.0.1:5001", self.target.host))
        return path


@pytest.fixture
def pair(make_registry: Callable[[], Registry], cli: Cli, tmp_path: Path) -> Pair:
    """Two registries; the first with images of every kind."""
    source, target = make_registry(), make_registry()
    mime = Layer.of(_PYTHON / "mime", "gzip")
    whole = Layer.of(_PYTHON, "gzip")
    packed = Layer.of(_PYTHON, "zstd")
    content = {
        name: push(image, f"{source.host}/{name}")
        for name, image in {
            "docker/mail:1.0": docker_folder(tmp_path / "docker", [mime, whole]),
            "oci/mail:1.0": oci_layout(tmp_path / "oci", [mime, whole]),
            "oci/mail:zstd": oci_layout(tmp_path / "zstd", [mime, packed]),
            "multi/mail:amd64": oci_layout(tmp_path / "amd64", [whole]),
            "multi/mail:arm64": oci_layout(tmp_path / "arm64", [packed], "arm64"),
            "multi/old:amd64": docker_folder(tmp_path / "listed", [whole]),
        }.items()
    }
    two = {one: content[f"multi/mail:{one}"] for one in ("amd64", "arm64")}
    content["multi/mail:1.0"] = push_index(source.host, "multi/mail", "1.0", two, INDEX)
    one = {"amd64": content["multi/old:amd64"]}
    content["multi/old:1.0"] = push_index(source.host, "multi/old", "1.0", one, DOCKER_LIST)
    return Pair(source, target, cli, content)


def test_the_sources_are_of_every_kind(pair: Pair) -> None:
    """What skopeo pushed kept its form: schema 2 and OCI, gzip and zstd, and indexes."""
    found = {name: json.loads(raw(f"{pair.source.host}/{name}")) for name in pair.content}
    types = {name: body["mediaType"] for name, body in found.items()}
    assert types["docker/mail:1.0"] == DOCKER
    assert types["oci/mail:1.0"] == OCI
    assert types["multi/mail:1.0"] == INDEX
    assert types["multi/old:1.0"] == DOCKER_LIST
    packings = [layer["mediaType"] for layer in found["oci/mail:zstd"]["layers"]]
    assert packings == [f"{OCI_LAYER}+gzip", f"{OCI_LAYER}+zstd"]


def test_all_goes_over_with_equal_digests(pair: Pair, tmp_path: Path) -> None:
    """Plan, apply and verify succeed; skopeo reads every image back, byte by byte."""
    plan = pair.run("plan", pair.spec(), "-o", "m", "--detailed-exitcode", code=10)
    assert plan["complete"]
    assert plan["left_out"] == []
    assert [one["code"] for one in plan["findings"]] == ["no-referrers"]
    wanted = {"images": 4, "manifests": 8, "tags": 8}
    assert wanted.items() <= plan["counts"].items()
    applied = pair.run("apply", "m", "--expect-digest", plan["digest"])
    assert applied["outcome"] == "complete"
    assert applied["bytes"]["transferred"] == plan["bytes"]["to_transfer"] > 0
    assert applied["bytes"]["mounted"] == plan["bytes"]["to_mount"] > 0
    verified = pair.run("verify", "m")
    assert verified["outcome"] == "proven"
    assert verified["levels"]["tags"] == {"checked": 8, "ok": 8, "wrong": 0, "unchecked": 0}
    for name, digest in pair.content.items():
        bytes_there = raw(f"{pair.target.host}/{name}")
        assert bytes_there == raw(f"{pair.source.host}/{name}")
        assert _digest(bytes_there) == digest
    for at, name in enumerate(pair.content):
        copied = tmp_path / f"copied-{at}"
        image = f"docker://{pair.target.host}/{name}"
        skopeo("copy", "-q", "-a", "--src-tls-verify=false", image, f"dir:{copied}")
        assert _digest((copied / "manifest.json").read_bytes()) == pair.content[name]


def test_a_second_plan_has_nothing_to_do(pair: Pair) -> None:
    """After a migration, plan and apply again: nothing to do, and nothing changes on disk."""
    pair.run("plan", pair.spec(), "-o", "m")
    pair.run("apply", "m")
    before = _files(pair.target.storage)
    plan = pair.run("plan", pair.spec(), "-o", "m2", "--detailed-exitcode")
    assert set(plan["todo"].values()) == {0}
    assert plan["bytes"]["to_transfer"] == plan["bytes"]["to_mount"] == 0
    applied = pair.run("apply", "m2")
    assert applied["outcome"] == "complete"
    assert applied["bytes"]["transferred"] == applied["bytes"]["mounted"] == 0
    assert _files(pair.target.storage) == before


def test_a_tag_lost_at_the_target_is_found_and_brought_back(pair: Pair) -> None:
    """Verify names a tag that was deleted at the target; the next plan sets just that one."""
    pair.run("plan", pair.spec(), "-o", "m")
    pair.run("apply", "m")
    tags = pair.target.storage / "docker/registry/v2/repositories/docker/mail/_manifests/tags"
    (tags / "1.0" / "current" / "link").unlink()
    verified = pair.run("verify", "m", code=1)
    findings = [(one["code"], one["subject"]) for one in verified["findings"]]
    assert findings == [("tag-gone", f"{pair.target.host}/docker/mail:1.0")]
    plan = pair.run("plan", pair.spec(), "-o", "m2")
    assert plan["todo"] == {
        "repositories": 0,
        "grants": 0,
        "manifests": 0,
        "tags": 1,
        "settings": 0,
    }
    pair.run("apply", "m2")
    assert pair.run("verify", "m2")["outcome"] == "proven"


def test_a_name_without_tags_is_told_and_makes_no_plan_incomplete(pair: Pair) -> None:
    """The catalogue names it, and its list of tags answers 404: nothing can be missing silently."""
    base = f"http://{pair.source.host}/v2/loose"
    image = raw(f"{pair.source.host}/docker/mail:1.0")
    body = json.loads(image)
    for blob in (body["config"], *body["layers"]):
        query = f"mount={blob['digest']}&from=docker/mail"
        mounted = urllib.request.urlopen(f"{base}/blobs/uploads/?{query}", b"", 10)  # noqa: S310
        mounted.close()
        assert mounted.status == 201
    request = urllib.request.Request(  # noqa: S310  # loopback
        f"{base}/manifests/{_digest(image)}",
        image,
        {"Content-Type": body["mediaType"]},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback
    plan = pair.run("plan", pair.spec(), "-o", "m")
    assert plan["complete"]
    told = {one["subject"] for one in plan["findings"] if one["code"] == "name-without-tags"}
    assert told == {f"{pair.source.host}/loose"}


def _files(folder: Path) -> dict[str, int]:
    """Return every file with its time of change."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}
