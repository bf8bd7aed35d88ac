"""Which blobs lie in an old bucket, and which in a repository: by their names, in pages."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from gcr_migrate.google.api import ARTIFACT_REGISTRY, PageTokens, objects

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gcr_migrate.google.api import Api

_STORAGE: Final = "https://storage.googleapis.com/storage/v1/b/"
_IMAGES: Final = "containers/images/"
_PAGE: Final = 1_000
_HASH: Final = re.compile(r"sha256:([0-9a-f]{64})$")
_SHA256_BYTES: Final = 32


class StoredBlobs:
    """Lists of sha256 hashes in hexadecimal digits; what has another name is no blob.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def in_bucket(self, name: str) -> AsyncIterator[list[str]]:
        """Give the blobs that Container Registry kept in a bucket."""
        subject = f"gs://{name}"
        fields = "items(name),nextPageToken"
        query = {"prefix": _IMAGES, "maxResults": str(_PAGE), "fields": fields}
        turned = PageTokens(subject)
        while True:
            url = f"{_STORAGE}{quote(name, safe='')}/o?{urlencode(query)}"
            body = (await self._api.call("GET", url, subject)).json(subject)
            names = (str(one.get("name") or "") for one in objects(body, "items", subject))
            yield [found[1] for one in names if (found := _HASH.search(one))]
            token = str(body.get("nextPageToken") or "")
            if not token:
                return
            turned.check(token)
            query["pageToken"] = token

    async def in_repository(self, resource: str) -> AsyncIterator[list[str]]:
        """Give the files of a repository of Artifact Registry: its blobs and manifests."""
        url = f"{ARTIFACT_REGISTRY}{quote(resource)}/files"
        async for page in self._api.pages(url, "files", resource):
            yield [hash_ for row in page if (hash_ := _hash_of(row))]


def _hash_of(row: dict[str, Any]) -> str:
    hashes = row.get("hashes")
    for one in hashes if isinstance(hashes, list) else []:
        if isinstance(one, dict) and one.get("type") == "SHA256":
            try:
                raw = base64.b64decode(str(one.get("value")), validate=True)
            except binascii.Error:
                continue
            if len(raw) == _SHA256_BYTES:
                return raw.hex()
    found = _HASH.search(str(row.get("name") or ""))
    return found[1] if found else ""
