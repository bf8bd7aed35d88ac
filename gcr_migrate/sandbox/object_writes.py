"""Objects that are written to buckets of the sandbox, under preconditions, as Cloud Storage has it.

A name has one version at a time, with a generation that grows with each write. Uploads come in
one request, plain or as two parts; those in several requests are not imitated.
"""

from __future__ import annotations

import json
from email.message import Message
from typing import TYPE_CHECKING, Any

from gcr_migrate.sandbox.answers import now_ms
from gcr_migrate.sandbox.checksums import checksums
from gcr_migrate.sandbox.states import BucketObject
from gcr_migrate.sandbox.storage_refusals import refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.bucket_access import BucketAccess
    from gcr_migrate.sandbox.states import BucketState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Caller

_NOT_MET = "At least one of the pre-conditions you specified did not hold."


class ObjectWrites:
    """Uploads into the buckets of one store.

    Args:
        store: keeps the bytes.
        access: who may do what with buckets.
    """

    def __init__(self, store: Store, access: BucketAccess) -> None:
        self._store = store
        self._access = access

    async def upload(self, caller: Caller, request: Request, bucket: BucketState) -> BucketObject:
        """Write an object; whoever replaces one needs the right to delete it, too."""
        self._access.need(caller, bucket, "storage.objects.create")
        kind = request.query_params.get("uploadType")
        if kind not in {"media", "multipart"}:
            raise refusal(400, f"Upload type {kind} is not imitated here.")
        facts: dict[str, Any] = {}
        data = await request.body()
        if kind == "multipart":
            facts, data = _parts(data, request.headers.get("content-type", ""))
        name = str(facts.get("name") or request.query_params.get("name", ""))
        if not name:
            raise refusal(400, "Required")
        before = bucket.objects.get(name)
        check_generation(request, before)
        if before:
            self._access.need(caller, bucket, "storage.objects.delete")
        stated = {"crc32c": checksums(data)[0], "md5Hash": checksums(data)[1]}
        if any(facts.get(field) not in {None, real} for field, real in stated.items()):
            raise refusal(400, "Provided checksum doesn't match calculated one.")
        at = now_ms() if before is None else max(now_ms(), before.updated_ms + 1)
        written = BucketObject(bucket.name, name, self._store.add_blob(data), at)
        bucket.objects[name] = written
        return written


def check_generation(request: Request, there: BucketObject | None) -> None:
    """Refuse a call whose generation precondition does not hold; 0 stands for no object."""
    wanted = request.query_params.get("ifGenerationMatch")
    if wanted is not None and wanted != (there.generation if there else "0"):
        raise refusal(412, _NOT_MET)


def _parts(body: bytes, content_type: str) -> tuple[dict[str, Any], bytes]:
    """Return what a body of two parts says of an object, and the object's bytes."""
    header = Message()
    header["content-type"] = content_type
    boundary = f"--{header.get_boundary('')}".encode()
    pieces = body.split(boundary)[1:-1]
    try:
        facts, data = (piece.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for piece in pieces)
        found = json.loads(facts)
    except ValueError:
        raise refusal(400, "Malformed multipart body.") from None
    if not isinstance(found, dict):
        raise refusal(400, "Malformed multipart body.")
    return found, data
