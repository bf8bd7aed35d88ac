"""Cloud Storage's JSON API: buckets with their policies, and their objects."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from starlette.responses import FileResponse, JSONResponse, Response

from gcr_migrate.sandbox.answers import moment
from gcr_migrate.sandbox.bucket_access import BucketAccess
from gcr_migrate.sandbox.checksums import checksums
from gcr_migrate.sandbox.fields import pick, read_fields
from gcr_migrate.sandbox.object_writes import ObjectWrites, check_generation
from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.rest import take_path
from gcr_migrate.sandbox.storage_refusals import need, refusal
from gcr_migrate.sandbox.tokens import Caller

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from gcr_migrate.sandbox.states import BucketObject, BucketState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Tokens

_HOST: Final = "storage.googleapis.com"
_BINARY: Final = "application/octet-stream"
_LARGEST_PAGE: Final = 1_000
_COLLECTION: Final = 2  # parts of BUCKET/o
_MADE: Final = "2016-01-01T00:00:00.000Z"
_MULTI_REGIONS: Final = frozenset({"US", "EU", "ASIA"})


class Buckets:
    """Cloud Storage over one store.

    Args:
        store: has the buckets, and the bytes of their objects.
        tokens: who may ask; without a token one is anybody.
    """

    def __init__(self, store: Store, tokens: Tokens) -> None:
        self._store = store
        self._tokens = tokens
        self._access = BucketAccess(store)
        self._writes = ObjectWrites(store, self._access)
        self._hashes: dict[str, tuple[str, str]] = {}
        self._routes: dict[str, Callable[[Caller, Request, BucketState], dict[str, Any]]] = {
            "": self._get,
            "iam": self._access.policy,
            "iam/testPermissions": self._tested,
            "acl": self._access.bucket_list,
            "defaultObjectAcl": self._access.new_object_list,
            "o": self._list_objects,
        }

    async def answer(self, request: Request) -> Response:
        """Answer a call such as `GET /storage/v1/b/B/o`."""
        caller, (parts, _) = self._caller(request), take_path(request)
        media = request.query_params.get("alt") == "media"
        if parts[:1] == ["download"]:
            parts, media = parts[1:], True
        uploads = parts[:1] == ["upload"]
        parts = parts[1:] if uploads else parts
        if parts[:3] != ["storage", "v1", "b"]:
            raise refusal(404, "Not Found")
        named = parts[3:]
        if uploads and request.method == "POST" and named[1:] == ["o"]:
            written = await self._writes.upload(caller, request, self._find(named[0]))
            return JSONResponse(self._describe(request, written))
        if media and named[1:2] == ["o"] and len(named) > _COLLECTION and request.method == "GET":
            bucket = self._find(named[0])
            return self._download(self._object(caller, request, bucket, "/".join(named[2:])))
        try:
            wanted = read_fields(request.query_params.get("fields", ""))
        except ValueError as wrong:
            raise refusal(400, str(wrong)) from None
        return JSONResponse(pick(await self._plainly(caller, request, named), wanted))

    async def _plainly(self, caller: Caller, request: Request, named: list[str]) -> dict[str, Any]:
        """Answer with JSON, all of it.

        Args:
            caller: who asks.
            request: the request.
            named: parts of the path from the bucket's name on.
        """
        if request.method == "PUT" and named[1:] == ["iam"]:
            return await self._access.set_policy(caller, request, self._find(named[0]))
        if request.method != "GET":
            raise refusal(404, "Not Found")
        if not named:
            return self._list_buckets(caller, request)
        bucket = self._find(named[0])
        if named[1:2] == ["o"] and len(named) > _COLLECTION:
            name, last = "/".join(named[2:-1]), named[-1]
            if last == "acl" and name in bucket.objects:
                return self._access.object_list(caller, bucket, name)
            found = self._object(caller, request, bucket, "/".join(named[2:]))
            return self._describe(request, found)
        route = self._routes.get("/".join(named[1:]))
        if route is None:
            raise refusal(404, "Not Found")
        return route(caller, request, bucket)

    def _caller(self, request: Request) -> Caller:
        header = request.headers.get("authorization", "")
        caller = self._tokens.caller(header) if header else Caller(None)
        if caller is None or caller.scopes is not None:
            raise refusal(401, "Invalid Credentials")
        return caller

    def _find(self, name: str) -> BucketState:
        """Return a bucket; that there is none is told to everybody."""
        if name not in self._store.buckets:
            raise refusal(404, "The specified bucket does not exist.")
        return self._store.buckets[name]

    def _list_buckets(self, caller: Caller, request: Request) -> dict[str, Any]:
        project = request.query_params.get("project", "")
        state = self._store.find_project(project)
        has = held(self._store, caller.identity, project)
        need(caller, has, "storage.buckets.list", "project")
        found = [one for one in self._store.buckets.values() if state and one.project == state.id]
        found.sort(key=lambda one: one.name)
        items = [self._plain(one) for one in found]
        return {"kind": "storage#buckets"} | ({"items": items} if items else {})

    def _get(self, caller: Caller, request: Request, bucket: BucketState) -> dict[str, Any]:
        self._access.need(caller, bucket, "storage.buckets.get")
        plain = self._plain(bucket)
        if request.query_params.get("projection") == "full":
            plain |= self._access.lists(caller, bucket)
        return plain

    def _plain(self, bucket: BucketState) -> dict[str, Any]:
        uniform: dict[str, Any] = {"enabled": bucket.uniform}
        if bucket.uniform:
            uniform["lockedTime"] = "2016-04-01T00:00:00.000Z"
        multi = bucket.location.upper() in _MULTI_REGIONS
        return {
            "kind": "storage#bucket",
            "id": bucket.name,
            "name": bucket.name,
            "projectNumber": self._store.project(bucket.project).number,
            "location": bucket.location.upper(),
            "locationType": "multi-region" if multi else "region",
            "storageClass": "STANDARD",
            "metageneration": "1",
            "etag": "CAE=",
            "timeCreated": _MADE,
            "updated": _MADE,
            "iamConfiguration": {
                "uniformBucketLevelAccess": uniform,
                "bucketPolicyOnly": uniform,  # the same under its older name
                "publicAccessPrevention": "enforced" if bucket.never_public else "inherited",
            },
        } | bucket.settings

    def _tested(self, caller: Caller, request: Request, bucket: BucketState) -> dict[str, Any]:
        asked, has = request.query_params.getlist("permissions"), self._access.held(caller, bucket)
        granted = [one for one in asked if one in has]
        kind = {"kind": "storage#testIamPermissionsResponse"}
        return kind | ({"permissions": granted} if granted else {})

    def _list_objects(
        self, caller: Caller, request: Request, bucket: BucketState
    ) -> dict[str, Any]:
        """Answer one page of a bucket's objects by name."""
        self._access.need(caller, bucket, "storage.objects.list")
        asked = request.query_params
        prefix, delimiter = asked.get("prefix", ""), asked.get("delimiter", "")
        entries: dict[str, BucketObject | None] = {}
        for name in sorted(bucket.objects):
            folder = _folder(name, prefix, delimiter)
            if name.startswith(prefix):
                entries[folder or name] = None if folder else bucket.objects[name]
        start, limit = _start(request), _page_size(request)
        shown = list(entries.items())[start : start + limit]
        items = [self._describe(request, one) for _, one in shown if one]
        if asked.get("projection") == "full":
            self._access.add_lists(caller, bucket, items)
        prefixes = [folder for folder, one in shown if one is None]
        token = _token(start + limit) if start + limit < len(entries) else ""
        lists = {"items": items, "prefixes": prefixes, "nextPageToken": token}
        return {"kind": "storage#objects"} | {key: one for key, one in lists.items() if one}

    def _object(
        self, caller: Caller, request: Request, bucket: BucketState, name: str
    ) -> BucketObject:
        self._access.need_read(caller, bucket, name)
        found = bucket.objects.get(name)
        version = request.query_params.get("generation")
        if found is None or version not in {None, found.generation}:
            raise refusal(404, f"No such object: {bucket.name}/{name}")
        check_generation(request, found)
        return found

    def _download(self, one: BucketObject) -> Response:
        file = self._store.blob_file(one.digest)
        checksum, md5 = self._hashes_of(one)
        headers = {
            "X-Goog-Hash": f"crc32c={checksum},md5={md5}",
            "X-Goog-Generation": one.generation,
            "X-Goog-Metageneration": "1",
            "X-Goog-Stored-Content-Length": str(file.stat().st_size),
            "X-Goog-Stored-Content-Encoding": "identity",
            "X-Goog-Storage-Class": "STANDARD",
        }
        return FileResponse(file, media_type=_BINARY, headers=headers)

    def _hashes_of(self, one: BucketObject) -> tuple[str, str]:
        """Return CRC-32C and MD5, computed once for each content."""
        key = str(one.digest)
        if key not in self._hashes:
            self._hashes[key] = checksums(self._store.blob_file(one.digest).read_bytes())
        return self._hashes[key]

    def _describe(self, request: Request, one: BucketObject) -> dict[str, Any]:
        checksum, md5 = self._hashes_of(one)
        at = moment(one.updated_ms)
        place = f"/storage/v1/b/{one.bucket}/o/{quote(one.name, '')}"
        query = f"?generation={one.generation}&alt=media"
        return {
            "kind": "storage#object",
            "id": f"{one.bucket}/{one.name}/{one.generation}",
            "name": one.name,
            "bucket": one.bucket,
            "generation": one.generation,
            "metageneration": "1",
            "contentType": _BINARY,
            "storageClass": "STANDARD",
            "size": str(self._store.blob_file(one.digest).stat().st_size),
            "crc32c": checksum,
            "md5Hash": md5,
            "etag": "CAE=",
            "timeCreated": at,
            "updated": at,
            "selfLink": f"{_base(request)}{place}",
            "mediaLink": f"{_base(request)}/download{place}{query}",
        } | self._stated(one)

    def _stated(self, one: BucketObject) -> dict[str, Any]:
        """Return what a bucket says of its objects: its own class, and what their names begin."""
        bucket = self._store.buckets[one.bucket]
        found = {key: bucket.settings[key] for key in ("storageClass",) if key in bucket.settings}
        for start, more in bucket.object_settings.items():
            found |= more if one.name.startswith(start) else {}
        return found


def _base(request: Request) -> str:
    """Return where clients find this API: by the name under which this one came."""
    host = request.headers.get("host", _HOST)
    return f"https://{host}" if host == _HOST else f"{request.url.scheme}://{host}"


def _folder(name: str, prefix: str, delimiter: str) -> str:
    """Return the common beginning that stands for a name in a list with a delimiter."""
    front, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
    return f"{prefix}{front}{delimiter}" if found else ""


def _page_size(request: Request) -> int:
    asked = request.query_params.get("maxResults", "")
    return min(int(asked), _LARGEST_PAGE) if asked.isdigit() and int(asked) else _LARGEST_PAGE


def _token(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode()


def _start(request: Request) -> int:
    try:
        return int(base64.urlsafe_b64decode(request.query_params.get("pageToken") or _token(0)))
    except ValueError:
        raise refusal(400, "Invalid argument.") from None
