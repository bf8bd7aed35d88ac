"""A source that a test fills manifest by manifest, and the plan that the tool makes of it."""

from __future__ import annotations

import io
import json
import re
import urllib.request
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

from gcr_migrate.cli.main import outcome
from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Manifest
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.images import Image
from gcr_migrate.sandbox.scenarios import RepositoryPart, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US, API = "us-docker.pkg.dev", "artifact_registry"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: moved}]
"""
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
        manifest = Manifest.read(json.dumps(body).encode(), str(body["mediaType"]))
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
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  # loopback

    def run(self, *args: str) -> tuple[int, dict[str, Any]]:
        """Run a command in this process; return its exit status and its object."""
        options = ("--endpoints", self.home / "endpoints.yaml")
        login = ("--access-token-file", self.home / "token", "--json")
        return _outcome([*args, *map(str, (*options, *login))])

    def plan(self, *options: str, spec: str = SPEC) -> tuple[int, dict[str, Any]]:
        """Plan anew, without a cache."""
        (self.home / "spec.yaml").write_text(spec)
        file = str(self.home / "m")
        spec_file = str(self.home / "spec.yaml")
        return self.run("plan", spec_file, "-o", file, "--no-cache", *options)

    def images(self) -> dict[str, list[str]]:
        """Tags by image path, as the plan that was made last has them."""
        code, facts = _outcome(["show", str(self.home / "m"), "--json"])
        assert code == 0
        above = "us.gcr.io/builds/"
        return {one["source"].removeprefix(above): one["tags"] for one in facts["images"]}

    def asked(self, pattern: str) -> int:
        """How many requests were made of this form."""
        url = f"{self.box.control_url}/requests"
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # loopback
            entries = json.load(answer)
        lines = [f"{one['method']} {one['host']} {one['path']}?{one['query']}" for one in entries]
        return sum(1 for line in lines if re.search(pattern, line))


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


@contextmanager
def opened(folder: Path, id_: str = "us.gcr.io") -> Iterator[Zoo]:
    """Open an empty source while the block runs."""
    home = folder / "home"
    home.mkdir()
    part = RepositoryPart(project="builds", location="us", id=id_)
    with running(Scenario(repositories=(part,)), folder / "box") as box:
        yield Zoo(box, home, id_)
