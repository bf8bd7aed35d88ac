"""A small registry with small pages, and the API beside it, for lists that change or fail."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.inventory.collect import ImageReader
from gcr_migrate.inventory.gather import Gathered, Wanted, gather
from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.model.plan import Source
from gcr_migrate.state.listings import open_shelf
from gcr_migrate.wire.endpoints import Endpoints
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.inventory import ImageContent, Listing
    from gcr_migrate.state.listings import Listings

HOST = "us-docker.pkg.dev"
RESOURCE = "projects/builds/locations/us/repositories/us.gcr.io"
ROOT = "builds/us.gcr.io"
_LIST = re.compile(r"/v2/(?P<name>.+)/tags/list")
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")
_IN_PACKAGE = re.compile(r"/v1/.*/packages/(?P<path>[^/]+)/(?P<kind>versions|tags)")


@dataclass
class Held:
    """One image path: digests by tag, and bytes by digest."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)

    def push(self, raw: bytes, *tags: str) -> str:
        """Keep a manifest under tags, or none."""
        digest = str(Digest.of(raw))
        self.manifests[digest] = raw
        self.tags |= dict.fromkeys(tags, digest)
        return digest


def image(name: str, subject: str = "") -> bytes:
    """Make an image whose digest follows from its name and subject."""
    config = {"mediaType": "x", "digest": str(Digest.of(name.encode())), "size": 1}
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    body |= {"config": config, "layers": []}
    if subject:
        body["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    return json.dumps(body).encode()


def index(children: list[str]) -> bytes:
    """Make an index of digests."""
    entries = [{"mediaType": OCI_MANIFEST, "digest": one, "size": 1} for one in children]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return json.dumps(body).encode()


@dataclass
class Tiny:
    """Serves content as Artifact Registry does, or as a plain registry.

    Attributes:
        content: what it holds, by image path.
        plain: it is a plain registry: no map of manifests, no API; paths are whole names.
        page: entries of a page.
        by_number: pages go on at a number, so that a push shifts them; else after a name.
        links: a page tells where the next one is.
        before: is told each list request, and may change the content or answer instead.
    """

    content: dict[str, Held]
    plain: bool = False
    page: int = 3
    by_number: bool = False
    links: bool = True
    before: Callable[[str], Answer | None] = lambda _: None

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        path = urlsplit(asked.target).path
        if path == "/v2/":
            return Answer()
        found = _MANIFEST.fullmatch(path)
        if found:
            return self._manifest(self._path(found["name"]), unquote(found["reference"]))
        if "/referrers/" in path:
            return Answer(404)
        return self.before(asked.target) or self._list(asked.target, path)

    def _list(self, target: str, path: str) -> Answer:
        found = _LIST.fullmatch(path)
        if path == "/v2/_catalog":
            return self._linked(target, "repositories", sorted(self.content), {})
        if found:
            return self._tags(target, self._path(found["name"]))
        package = _IN_PACKAGE.fullmatch(path)
        if package:
            return self._in_package(target, unquote(unquote(package["path"])), package["kind"])
        if path.endswith("/packages"):
            rows = [{"name": f"{RESOURCE}/packages/{quote(one, '')}"} for one in self.content]
            return self._paged(target, "packages", rows)
        return self._paged(target, "dockerImages", self._images())

    def _path(self, name: str) -> str:
        return name if self.plain else name.removeprefix(ROOT).removeprefix("/")

    def _manifest(self, path: str, reference: str) -> Answer:
        held = self.content.get(path, Held())
        raw = held.manifests.get(held.tags.get(reference, reference))
        if raw is None:
            return Answer(404)
        headers = {"content-type": json.loads(raw)["mediaType"]}
        return Answer(body=raw, headers=headers)

    def _tags(self, target: str, path: str) -> Answer:
        held = self.content.get(path, Held())
        if self.plain:
            return self._linked(target, "tags", sorted(held.tags), {})
        below = f"{path}/" if path else ""
        children = {
            one[len(below) :].partition("/")[0] for one in self.content if one.startswith(below)
        }
        shown = {
            digest: {"tag": [tag for tag, at in held.tags.items() if at == digest]}
            for digest in held.manifests
        }
        more = {"child": sorted(children), "manifest": shown}
        return self._linked(target, "tags", sorted(held.tags), more)

    def _linked(self, target: str, member: str, names: list[str], more: dict[str, Any]) -> Answer:
        query = {key: values[0] for key, values in parse_qs(urlsplit(target).query).items()}
        if self.by_number:
            left = names[int(query.get("from", "0")) :]
        else:
            left = [name for name in names if name > query.get("last", "")]
        shown, headers = left[: self.page], {}
        tags = set(shown)
        if "manifest" in more:  # as it does: of a page, its own tags, and what has none
            more = more | {"manifest": _cut(more["manifest"], tags)}
        if len(left) > len(shown) and self.links:
            onward = f"from={len(names) - len(left) + len(shown)}"
            onward = onward if self.by_number else f"last={shown[-1]}"
            headers["link"] = f'<{urlsplit(target).path}?{onward}>; rel="next"'
        return Answer(body={member: shown, **more}, headers=headers)

    def _images(self) -> list[dict[str, Any]]:
        return [
            {
                "uri": f"{HOST}/{ROOT}/{path}@{digest}",
                "tags": [tag for tag, at in held.tags.items() if at == digest],
            }
            for path, held in sorted(self.content.items())
            for digest in sorted(held.manifests)
        ]

    def _in_package(self, target: str, path: str, kind: str) -> Answer:
        package = f"{RESOURCE}/packages/{quote(path, '')}"
        held = self.content.get(path, Held())
        if kind == "versions":
            rows = [{"name": f"{package}/versions/{one}"} for one in sorted(held.manifests)]
        else:
            rows = [
                {"name": f"{package}/tags/{tag}", "version": f"{package}/versions/{digest}"}
                for tag, digest in sorted(held.tags.items())
            ]
        return self._paged(target, kind, rows)

    def _paged(self, target: str, member: str, rows: list[dict[str, Any]]) -> Answer:
        start = int(parse_qs(urlsplit(target).query).get("pageToken", ["0"])[0])
        body: dict[str, Any] = {member: rows[start : start + self.page]}
        if start + self.page < len(rows):
            body["nextPageToken"] = str(start + self.page)
        return Answer(body=body)


def _cut(shown: dict[str, Any], tags: set[str]) -> dict[str, Any]:
    return {
        digest: {"tag": sorted(tags & set(entry["tag"]))}
        for digest, entry in shown.items()
        if not entry["tag"] or tags & set(entry["tag"])
    }


@dataclass(frozen=True)
class Inventory:
    """What the tool found."""

    gathered: Gathered
    images: dict[str, ImageContent]

    @property
    def complete(self) -> bool:
        """Whether it is called complete."""
        return self.gathered.complete and not self.gathered.failed

    @property
    def plain(self) -> dict[str, tuple[dict[str, str], set[str]]]:
        """Tags and digests by path, as plain data."""
        return {
            path: (
                {tag: str(digest) for tag, digest in content.tags.items()},
                set(map(str, content.nodes)),
            )
            for path, content in self.images.items()
        }


class Readers:
    """Reads one source after the other with the same clients, over real sockets."""

    def __init__(self) -> None:
        self._tiny = Tiny({})
        self._server = Scripted(self._answer)
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._server.__enter__()
        url = self._server.url
        text = f"registries: {{{HOST}: {url}}}\nartifact_registry: {url}\n"
        settings = Settings(
            Endpoints.load(text, "endpoints"),
            environ={"GCR_MIGRATE_ACCESS_TOKEN": "ya29.x"},
            tries=1,
            base_s=0.001,
        )
        self._clients = Connections(settings)
        self._runner.run(self._clients.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._clients.__aexit__(None, None, None))
        self._runner.close()
        self._server.__exit__()

    def _answer(self, asked: Asked) -> Answer:
        return self._tiny.answer(asked)

    def inventory_of(self, tiny: Tiny) -> Inventory:
        """Read everything that is there."""
        self._tiny = tiny
        return self._runner.run(self._read())

    def gather(self, tiny: Tiny) -> tuple[Gathered, dict[str, Listing]]:
        """Read its lists only; return them by path."""
        self._tiny = tiny
        with open_shelf() as shelf:
            listings = shelf.add_root()
            _, found = self._runner.run(self._gather(listings))
            return found, {path: listings[path] for path in listings}

    async def _read(self) -> Inventory:
        with open_shelf() as shelf:
            listings = shelf.add_root()
            registry, found = await self._gather(listings)
            reader = ImageReader(registry, lambda _: None, lambda _: None, lambda _: None)
            images = {path: await reader.read(path, listings[path]) for path in listings}
        return Inventory(found, images)

    async def _gather(self, listings: Listings) -> tuple[SourceRegistry, Gathered]:
        api = None
        if self._tiny.plain:
            source = Source(HOST, HOST, "", DISTRIBUTION.name)
        else:
            source = Source("us.gcr.io/builds", HOST, ROOT, ARTIFACT_REGISTRY.name)
            api = (self._clients.contents("source"), RESOURCE)
        registry = self._clients.source(source.registry, source.dialect, source.plain_http)
        found = await gather(registry, source, api, Wanted(), listings, lambda _, __: None)
        return registry, found
