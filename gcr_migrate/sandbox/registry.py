"""The `/v2/` dialect of Artifact Registry: manifests, tags and referrers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from gcr_migrate.errors import DIGEST_MISMATCH, MigrateError
from gcr_migrate.model.content import OCI_INDEX, Digest, Kind, Manifest
from gcr_migrate.model.names import gcr_host
from gcr_migrate.sandbox.blobs import Blobs
from gcr_migrate.sandbox.calls import Call, refuse
from gcr_migrate.sandbox.images import referrers_index
from gcr_migrate.sandbox.server_copy import COPY, ServerCopy
from gcr_migrate.sandbox.store import missing_parts, place
from gcr_migrate.sandbox.tokens import Caller, Tokens, allowed, exchange
from gcr_migrate.sandbox.usage import usage_word
from gcr_migrate.sandbox.virtual import is_virtual, seen_through

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gcr_migrate.sandbox.images import Stored
    from gcr_migrate.sandbox.scenarios import LimitsPart
    from gcr_migrate.sandbox.store import Place, Repository, Store

LONGEST_LIST: Final = 10_000
_DEFAULT_LIST: Final = 1_000
_NOT_MIGRATED: Final = 412
_ROUTE = re.compile(
    r"/v2/(?P<name>.+?)/"
    r"(?P<what>manifests|blobs/uploads|blobs|tags/list|referrers)(?:/(?P<ref>[^/]*))?"
)
_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_SHUT_DOWN: Final = (
    "Container Registry is deprecated and shutting down, please use the auto migration tool to "
    "migrate to Artifact Registry (gcloud artifacts docker upgrade migrate --projects={}).\n"
)


class Registry:
    """All registry hosts over one store.

    Args:
        store: what they serve.
        tokens: who may ask.
        limits: what they take and give at most.
        downloads: origin that the bytes of blobs come from; empty for the host itself.
    """

    def __init__(
        self, store: Store, tokens: Tokens, limits: LimitsPart, downloads: str = ""
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._limits = limits
        self._blobs = Blobs(store, limits, downloads)
        self._copies = ServerCopy(store)
        self._routes: dict[str, Callable[[Call], Awaitable[Response]]] = {
            "GET manifests": self._get_manifest,
            "HEAD manifests": self._get_manifest,
            "PUT manifests": self._put_manifest,
            "GET tags/list": self._list_tags,
            "GET referrers": self._get_referrers,
            "GET blobs": self._blobs.get,
            "HEAD blobs": self._blobs.head,
            "POST blobs/uploads": self._post_upload,
        }

    async def answer(self, host: str, request: Request) -> Response:
        """Answer a request as the registry host of this name would."""
        response = await self._answer(host, request)
        if gcr_host(host) and response.status_code != _NOT_MIGRATED:
            response.headers["X-Gcr-Using-Artifact-Registry"] = "true"
        return response

    async def download(self, request: Request) -> Response:
        """Give the bytes of a blob at an address that a registry host gave."""
        return await self._blobs.at_location(request)

    async def _answer(self, host: str, request: Request) -> Response:
        path = request.url.path
        if path == "/v2/token":
            return exchange(self._tokens, self._store, host, request)
        if path.startswith(("/artifacts-downloads/", "/artifacts-uploads/")):
            return await self._blobs.at_location(request)  # these addresses authorise themselves
        caller = self._tokens.caller(request.headers.get("authorization", ""))
        if caller is None or caller.signed:
            return _challenge(host, request)
        if path in {"/v2/", "/v2"}:
            return JSONResponse({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})
        found = _ROUTE.fullmatch(path)
        if not found or not _NAME.fullmatch(found["name"]):
            return refuse(404, "NAME_INVALID", f"no such end-point or illegal name: {path}")
        return await self._dispatch(host, request, caller, found)

    async def _dispatch(
        self, host: str, request: Request, caller: Caller, found: re.Match[str]
    ) -> Response:
        name, what = found["name"], found["what"]
        where = place(host, name)
        if where is None:
            return refuse(404, "NAME_UNKNOWN", f"{name} names no repository")
        action = "pull" if request.method in {"GET", "HEAD"} else "push"
        said = self._container_registry(host, request, caller, where, name)
        most = self._limits.name_characters
        if len(f"{host}/{name}") > most:
            said = refuse(400, "NAME_INVALID", f"a name has {most} characters at most")
        if said:
            return said
        if not allowed(caller, self._store, where, name, action):
            return refuse(403, "DENIED", f'"{action}" denied on {name} (or it may not exist)')
        repository = self._store.get(where.key)
        if repository is None:
            return refuse(404, "NAME_UNKNOWN", f'Repository "{where.repository}" not found')
        route = self._routes.get(f"{request.method} {what}")
        why = _read_only(repository, name) if action == "push" else ""
        if route is None or why:  # blob and chunk deletion included; nothing ever deletes
            return refuse(405, "UNSUPPORTED", f"{request.method} {what} is not supported{why}")
        shown = seen_through(self._store, repository, where.path)
        return await route(Call(host, request, caller, name, where, shown, found["ref"] or ""))

    def _container_registry(
        self, host: str, request: Request, caller: Caller, where: Place, name: str
    ) -> Response | None:
        """Return what a gcr.io host itself says, before Artifact Registry answers for it."""
        project = self._store.find_project(where.project)
        if gcr_host(host) is None or project is None:
            return None
        word = usage_word(self._store, host, project.id, request)
        if word and allowed(caller, self._store, where, name, "pull"):
            return JSONResponse({"usage": word})
        if project.redirects(write=request.method not in {"GET", "HEAD"}):
            return None
        # Container Registry's last answer: plain text, which JSON parsers break on.
        return PlainTextResponse(_SHUT_DOWN.format(where.project), _NOT_MIGRATED)

    async def _get_manifest(self, call: Call) -> Response:
        stored = None
        if _TAG.fullmatch(call.reference) or _digest(call.reference):
            if call.image.find(call.reference) is None:
                self._copies.on_demand(call)
            stored = call.image.find(call.reference)
        if stored is None:
            return refuse(404, "MANIFEST_UNKNOWN", f'Failed to fetch "{call.reference}"')
        manifest = stored.manifest
        if not _accepts(call.request.headers.getlist("accept"), manifest.media_type):
            # A type that was not asked for is not served: send the whole Accept list.
            return refuse(404, "MANIFEST_UNKNOWN", f"is {manifest.media_type}, not accepted")
        headers = {
            "Docker-Content-Digest": str(manifest.digest),
            "Content-Length": str(len(manifest.raw)),
        }
        body = b"" if call.request.method == "HEAD" else manifest.raw
        return Response(body, media_type=manifest.media_type, headers=headers)

    async def _put_manifest(self, call: Call) -> Response:
        most = self._limits.manifest_bytes
        raw = await _body(call.request, most)
        if raw is None:
            return refuse(413, "MANIFEST_INVALID", f"manifest is larger than {most} bytes")
        wanted = _digest(call.reference)
        if wanted is None and not _TAG.fullmatch(call.reference):
            return refuse(400, "MANIFEST_INVALID", f"bad tag or digest: {call.reference}")
        try:
            manifest = Manifest.read(raw, call.request.headers.get("content-type", ""), wanted)
        except MigrateError as error:
            code = "DIGEST_INVALID" if error.problem is DIGEST_MISMATCH else "MANIFEST_INVALID"
            return refuse(400, code, error.saw)
        refusal = self._refusal(call, manifest, None if wanted else call.reference)
        if refusal:
            return refusal
        return self._keep(call, manifest, None if wanted else call.reference)

    def _refusal(self, call: Call, manifest: Manifest, tag: str | None) -> Response | None:
        """Return why a manifest cannot be taken, if so."""
        if manifest.kind is Kind.SCHEMA1:
            # Whether Artifact Registry takes schema 1 is not known; the harder answer is given.
            return refuse(400, "MANIFEST_INVALID", "schema 1 manifests are not supported")
        missing = missing_parts(self._store, call.image, manifest)
        if missing:
            text = f"missing: {', '.join(str(one.digest) for one in missing[:5])}"
            return refuse(400, "MANIFEST_BLOB_UNKNOWN", text)
        now = call.image.tags.get(tag or "")
        if call.repository.immutable_tags and now not in {None, manifest.digest}:
            text = f"The repository has enabled tag immutability; tag {tag} is {now}"
            return refuse(400, "FAILED_PRECONDITION", text)
        return None

    def _keep(self, call: Call, manifest: Manifest, tag: str | None) -> Response:
        call.repository.put_manifest(call.where.path, manifest, tag)
        headers = {
            "Location": f"/v2/{call.name}/manifests/{manifest.digest}",
            "Docker-Content-Digest": str(manifest.digest),
        }
        if manifest.subject:
            headers["OCI-Subject"] = str(manifest.subject.digest)
        return Response(status_code=201, headers=headers)

    async def _list_tags(self, call: Call) -> Response:
        query = call.request.query_params
        asked = query.get("n", "")
        limit = min(int(asked), LONGEST_LIST) if asked.isdigit() else _DEFAULT_LIST
        image = call.image
        ordered, last = sorted(image.tags), query.get("last", "")
        tags = [tag for tag in ordered if tag > last] if last else ordered
        shown = tags[:limit]
        body = {
            "child": call.repository.children(call.where.path),
            "manifest": _manifest_map(call, shown, cut=shown != ordered),
            "name": call.name,
            "tags": shown,
        }
        if COPY in query:
            return self._copies.answer(call, body)
        headers = {}
        if len(shown) < len(tags) and 0 < limit < LONGEST_LIST and asked:
            # A list that fills the largest page ends there without a Link, and without a word.
            onward = f"/v2/{call.name}/tags/list?n={limit}&last={shown[-1]}"
            headers["Link"] = f'<{onward}>; rel="next"'
        return JSONResponse(body, headers=headers)

    async def _get_referrers(self, call: Call) -> Response:
        digest = _digest(call.reference)
        if digest is None:
            return refuse(400, "DIGEST_INVALID", f"not a digest: {call.reference}")
        # Artifact Registry was seen to state wrong sizes here: only the digests can be trusted.
        index: dict[str, Any] = referrers_index(call.image.referrers(digest), size=0)
        wanted, headers = call.request.query_params.get("artifactType"), {}
        if wanted:
            entries = [one for one in index["manifests"] if one.get("artifactType") == wanted]
            index, headers = index | {"manifests": entries}, {"OCI-Filters-Applied": "artifactType"}
        return Response(json.dumps(index), media_type=OCI_INDEX, headers=headers)

    async def _post_upload(self, call: Call) -> Response:
        query = call.request.query_params
        digest, origin = _digest(query.get("mount", "")), query.get("from", "")
        if digest and self._mountable(call, digest, origin):
            call.repository.images.setdefault(call.where.path, call.image).blobs.add(digest)
            headers = {
                "Location": f"/v2/{call.name}/blobs/{digest}",
                "Docker-Content-Digest": str(digest),
            }
            return Response(status_code=201, headers=headers)
        return self._blobs.start(call)

    def _mountable(self, call: Call, digest: Digest, origin: str) -> bool:
        """Whether a blob can be mounted: same location, and the token may pull at the origin.

        `from` has no host. It is read as the name that it has at `LOCATION-docker.pkg.dev`, and
        at a gcr.io host also as that host would read it.
        """
        for host in (call.host, f"{call.where.location}-docker.pkg.dev"):
            where = place(host, origin) if origin else None
            repository = self._store.get(where.key) if where else None
            if where is None or repository is None or where.location != call.where.location:
                continue
            image = repository.image(where.path)
            if digest not in image.blobs:
                continue
            if allowed(call.caller, self._store, where, origin, "pull"):
                if digest in image.made_up:
                    self._store.add_blob(image.made_up[digest])
                return True
        return False


def _read_only(repository: Repository, name: str) -> str:
    """Say why nothing can be pushed to a repository; empty if it can be."""
    if is_virtual(repository):
        return f": {name} is virtual"
    return f": {name} is made from a seed" if repository.giant else ""


def _challenge(host: str, request: Request) -> Response:
    # Who came under another name than the host's own, past a relay or without an endpoints file,
    # can only reach the token end-point where he reached this one.
    came_by = request.headers.get("host", host)
    base = f"https://{host}" if came_by == host else f"{request.url.scheme}://{came_by}"
    value = f'Bearer realm="{base}/v2/token",service="{host}"'
    return refuse(401, "UNAUTHORIZED", "authentication failed", {"WWW-Authenticate": value})


def _digest(text: str) -> Digest | None:
    try:
        return Digest.parse(text)
    except MigrateError:
        return None


def _accepts(accept: list[str], media_type: str) -> bool:
    types = {one.partition(";")[0].strip() for line in accept for one in line.split(",")}
    return not types or bool(types & {media_type, "*/*", "application/*"})


async def _body(request: Request, most: int) -> bytes | None:
    """Return the body, or None as soon as it is too large."""
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            return None
        parts.append(chunk)
    return b"".join(parts)


def _manifest_map(call: Call, shown: list[str], *, cut: bool) -> dict[str, Any]:
    """Return Google's map of manifests: untagged ones too, unless the list of tags is cut."""
    image = call.image
    # Container Registry told the time of an upload as text; Artifact Registry tells a number.
    time_of = str if call.repository.times_as_text else int
    tags: dict[Digest, list[str]] = {}
    for tag in shown:
        tags.setdefault(image.tags[tag], []).append(tag)
    return {
        str(digest): _info(stored, tags.get(digest, []))
        | {"timeUploadedMs": time_of(stored.uploaded_ms)}
        for digest, stored in image.manifests.items()
        if digest in tags or not cut
    }


def _info(stored: Stored, tags: list[str]) -> dict[str, Any]:
    return {
        "imageSizeBytes": str(stored.size_bytes),
        "layerId": "",
        "mediaType": stored.manifest.media_type,
        "tag": tags,
        "timeCreatedMs": str(stored.created_ms),
    }
