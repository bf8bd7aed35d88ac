"""A source that a test fills manifest by manifest, and the plan that the tool makes of it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import urllib.request
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from gcr_migrate.cli.main import outcome
from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest, Manifest
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.images import Image, Stored
from gcr_migrate.sandbox.scenarios import LimitsPart, RepositoryPart, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US, API = "us-docker.pkg.dev", "artifact_registry"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: moved}]
"""
# What plans say of targets as most tests have them, whatever their images are.
AROUND = frozenset(
    {"access-not-carried", "location-changes", "scan-fee", "virtual-impossible", "virtual-possible"}
)
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Zoo:
    """A repository of `builds` in `us`, such as the one behind `us.gcr.io`, in its own sandbox.

    Attributes:
        box: the sandbox.
        home: folder of specs and migration files.
        repository: where images are pushed.
    """

    def __init__(self, box: Sandbox, home: Path, id_: str) -> None:
        self.box, self.home = box, home
        self.repository = box.store.repositories["builds", "us", id_]
        (home / "token").write_text(box.token)
        box.write_endpoints(home / "endpoints.yaml")

    def blob(self, path: str, data: bytes, media_type: str = _LAYER) -> dict[str, Any]:
        """Put a blob under a path and return its descriptor."""
        digest = self.box.store.add_blob(data)
        self.repository.images.setdefault(path, Image()).blobs.add(digest)
        return {"mediaType": media_type, "digest": str(digest), "size": len(data)}

    def blob_of_sha512(self, path: str, data: bytes) -> dict[str, Any]:
        """Put a blob under a path by its longer digest and return its descriptor."""
        digest = Digest("sha512", hashlib.sha512(data).hexdigest())
        file = self.box.store.blob_file(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.repository.images.setdefault(path, Image()).blobs.add(digest)
        return {"mediaType": _LAYER, "digest": str(digest), "size": len(data)}

    def image(
        self, path: str, *tags: str, name: str = "x", subject: Manifest | None = None
    ) -> Manifest:
        """Push an image of one layer, which is named after it."""
        body: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(path, b"{}", _CONFIG),
            "layers": [self.blob(path, name.encode())],
        }
        if subject:
            body["subject"] = described(subject)
        return self.push(path, body, *tags)

    def index(self, path: str, *tags: str, of: list[Manifest]) -> Manifest:
        """Push an index of some manifests, which are not pushed with it."""
        entries = [described(one) for one in of]
        return self.push(
            path, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, *tags
        )

    def push(self, path: str, body: dict[str, Any], *tags: str) -> Manifest:
        """Keep a manifest under its tags, or under its digest alone."""
        return self.push_raw(path, json.dumps(body).encode(), str(body["mediaType"]), *tags)

    def push_raw(
        self, path: str, raw: bytes, media_type: str, *tags: str, digest: str = ""
    ) -> Manifest:
        """Keep a manifest of these bytes, under their digest or the one that is stated."""
        manifest = Manifest.read(raw, media_type, Digest.parse(digest) if digest else None)
        for tag in tags or (None,):
            self.repository.put_manifest(path, manifest, tag)
        return manifest

    def lose(self, path: str, manifest: Manifest) -> None:
        """Forget a manifest, as if it had been damaged; its tags stay."""
        del self.repository.images[path].manifests[manifest.digest]

    def fault(self, **rule: Any) -> None:
        """Let something go wrong from now on."""
        url, body = f"{self.box.control_url}/faults", json.dumps(rule).encode()
        request = urllib.request.Request(url, body)  # noqa: S310  # loopback
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        url = f"{self.box.control_url}/faults"
        request = urllib.request.Request(url, method="DELETE")  # noqa: S310  # loopback
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback

    def keep(self, path: str, raw: bytes, media_type: str) -> Manifest:
        """Keep a manifest and nothing more: no list of referrers is made of its subject."""
        manifest = Manifest.read(raw, media_type)
        self.repository.images[path].manifests[manifest.digest] = Stored(manifest, 0, 0)
        return manifest

    def read(self, host: str, path: str) -> tuple[str, bytes]:
        """Read from a registry host as any client would; return media type and bytes."""
        accept = f"{OCI_INDEX}, {OCI_MANIFEST}, */*"
        headers = {"authorization": f"Bearer {self.box.token}", "accept": accept}
        request = urllib.request.Request(f"{self.box.addresses[host]}/v2/{path}", headers=headers)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return answer.headers["content-type"], answer.read()

    def run(self, *args: str) -> tuple[int, dict[str, Any]]:
        """Run a command in this process; return its exit status and its object."""
        options = ("--endpoints", self.home / "endpoints.yaml")
        login = ("--access-token-file", self.home / "token", "--json")
        return _outcome([*args, *map(str, (*options, *login))])

    def run_here(self, *args: str) -> tuple[int, dict[str, Any]]:
        """Run a command that asks nobody; return its exit status and its object."""
        return _outcome([*args, "--json"])

    def plan(
        self, *options: str, spec: str = SPEC, cached: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """Plan anew, without a cache if none is wished, over a plan that is not begun."""
        (self.home / "spec.yaml").write_text(spec)
        file = str(self.home / "m")
        spec_file = str(self.home / "spec.yaml")
        options = options if cached else ("--no-cache", *options)
        return self.run("plan", spec_file, "-o", file, *options)

    def migrate(self, spec: str = SPEC) -> tuple[int, int, int]:
        """Plan anew, apply and verify; return the exit statuses."""
        file = str(self.home / "m")
        (self.home / "m").unlink(missing_ok=True)
        return self.plan(spec=spec)[0], self.run("apply", file)[0], self.run("verify", file)[0]

    def images(self) -> dict[str, list[str]]:
        """Tags by image path, as the plan that was made last has them."""
        code, facts = _outcome(["show", str(self.home / "m"), "--json"])
        assert code == 0
        above = "us.gcr.io/builds/"
        return {one["source"].removeprefix(above): one["tags"] for one in facts["images"]}

    def asked(self, pattern: str) -> int:
        """How many requests were made of this form."""
        return sum(1 for line in self.requests() if re.search(pattern, line))

    def requests(self) -> list[str]:
        """Return all requests since the last `forget`, as method, host, path and query."""
        url = f"{self.box.control_url}/requests"
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # loopback
            entries = json.load(answer)
        return [f"{one['method']} {one['host']} {one['path']}?{one['query']}" for one in entries]

    def forget(self) -> None:
        """Forget all requests so far."""
        url = f"{self.box.control_url}/requests/reset"
        request = urllib.request.Request(url, b"")  # noqa: S310  # loopback
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback


def _outcome(args: list[str]) -> tuple[int, dict[str, Any]]:
    """Run a command in this process; return its exit status and its object."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = outcome(args)
    return code, json.loads(out.getvalue())


def described(manifest: Manifest) -> dict[str, Any]:
    """Return the descriptor of a manifest."""
    size, digest = len(manifest.raw), str(manifest.digest)
    return {"mediaType": manifest.media_type, "digest": digest, "size": size}


def found(facts: dict[str, Any], code: str) -> dict[str, str]:
    """What a plan's findings of one code saw, by what they are about, without the root's name."""
    return {
        one["subject"].removeprefix("us.gcr.io/builds").removeprefix("/"): one.get("saw", "")
        for one in (*facts["findings"], *facts["left_out"])
        if one["code"] == code
    }


def of_images(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """A plan's findings without those that are told of what surrounds any target."""
    return [one for one in facts["findings"] if one["code"] not in AROUND]


def grave(facts: dict[str, Any]) -> list[str]:
    """Codes of these findings that are more than a piece of information."""
    return [one["code"] for one in of_images(facts) if one["severity"] != "info"]


@contextmanager
def opened(
    folder: Path,
    *more: RepositoryPart,
    id_: str = "us.gcr.io",
    limits: LimitsPart | None = None,
) -> Iterator[Zoo]:
    """Open an empty source, and further repositories, while the block runs."""
    home = folder / "home"
    home.mkdir()
    part = RepositoryPart(project="builds", location="us", id=id_)
    scenario = Scenario(repositories=(part, *more), limits=limits or LimitsPart())
    with running(scenario, folder / "box") as box:
        yield Zoo(box, home, id_)
