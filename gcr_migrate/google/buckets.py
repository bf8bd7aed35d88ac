"""Buckets of Cloud Storage; only ever read.

Facts by Google's client library; settings and objects by raw calls, a few fields of each, as the
library would ask for all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from gcr_migrate.errors import BAD_REPLY, DENIED, MigrateError
from gcr_migrate.google.api import PAGE, PageTokens, objects
from gcr_migrate.google.libraries import CALL
from gcr_migrate.model.cloud import BucketFacts
from gcr_migrate.model.storage import BucketSettings, StoredObject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.libraries import Libraries

_READ: Final = frozenset({"storage.objects.list", "storage.objects.get"})
_BUCKETS: Final = "https://storage.googleapis.com/storage/v1/b/"
_OK: Final = 200
_NOT_FOUND: Final = 404
_SETTINGS: Final = (
    "name,projectNumber,location,locationType,storageClass,retentionPolicy,softDeletePolicy,"
    "defaultEventBasedHold,versioning,lifecycle"
)
_OBJECT: Final = (
    "name,size,storageClass,timeCreated,temporaryHold,eventBasedHold,retentionExpirationTime,"
    "retention"
)


class CloudStorage:
    """The service.

    Args:
        api: raw calls.
        libraries: Google's client libraries.
    """

    def __init__(self, api: Api, libraries: Libraries) -> None:
        self._api = api
        self._libraries = libraries

    async def get(self, name: str) -> BucketFacts | None:
        """Return facts of a bucket, None when it does not exist.

        Who may read its objects need not be allowed to see its settings: their place stays empty.
        """
        subject = f"gs://{name}"
        readable = await self._readable(name, subject)
        if readable is None:
            return None

        def settings() -> dict[str, Any]:
            bucket = self._libraries.storage().bucket(name)
            bucket.reload(**CALL)
            uniform = bucket.iam_configuration.uniform_bucket_level_access_enabled
            return {"location": str(bucket.location or ""), "uniform_access": bool(uniform)}

        try:
            found = await self._libraries.call(settings, subject)
        except MigrateError as error:
            if error.problem is not DENIED or not readable:
                raise
            found = {"location": "", "uniform_access": False}
        return BucketFacts(name=name, readable=readable, **found)

    async def _readable(self, name: str, subject: str) -> bool | None:
        """Whether the caller may list and read the objects; None if there is no such bucket.

        The service tells anybody which permissions they have, and 404 where there is nothing.
        """

        def ask() -> bool | None:
            from google.api_core.exceptions import NotFound  # noqa: PLC0415  # slow to load

            bucket = self._libraries.storage().bucket(name)
            try:
                return set(bucket.test_iam_permissions(sorted(_READ), **CALL)) >= _READ
            except NotFound:
                return None

        return await self._libraries.call(ask, subject)

    async def settings(self, name: str) -> BucketSettings | None:
        """Return what decides about the end of a bucket; None when it does not exist."""
        subject = f"gs://{name}"
        url = f"{_BUCKETS}{quote(name, safe='')}?{urlencode({'fields': _SETTINGS})}"
        reply = await self._api.call("GET", url, subject, ok={_OK, _NOT_FOUND})
        if reply.status == _NOT_FOUND:
            return None
        body = reply.json(subject)
        retention = _object(body, "retentionPolicy")
        rules = objects(_object(body, "lifecycle"), "rule", subject)
        return BucketSettings(
            name=name,
            project_number=str(body.get("projectNumber") or ""),
            location=str(body.get("location") or ""),
            is_multi_region=body.get("locationType") == "multi-region",
            storage_class=str(body.get("storageClass") or ""),
            retention_s=_number(retention.get("retentionPeriod"), subject),
            retention_locked=retention.get("isLocked") is True,
            holds_new_objects=body.get("defaultEventBasedHold") is True,
            soft_delete_s=_number(
                _object(body, "softDeletePolicy").get("retentionDurationSeconds"), subject
            ),
            versioned=_object(body, "versioning").get("enabled") is True,
            deletes_by_itself=any(_object(one, "action").get("type") == "Delete" for one in rules),
        )

    async def objects(self, name: str) -> AsyncIterator[StoredObject]:
        """Give the objects of a bucket, older versions too."""
        subject = f"gs://{name}"
        fields = f"items({_OBJECT}),nextPageToken"
        query = {"versions": "true", "maxResults": str(PAGE), "fields": fields}
        turned = PageTokens(subject)
        while True:
            url = f"{_BUCKETS}{quote(name, safe='')}/o?{urlencode(query)}"
            body = (await self._api.call("GET", url, subject)).json(subject)
            for one in objects(body, "items", subject):
                yield _stored(one, subject)
            token = str(body.get("nextPageToken") or "")
            if not token:
                return
            turned.check(token)
            query["pageToken"] = token


def _stored(one: Mapping[str, Any], subject: str) -> StoredObject:
    return StoredObject(
        name=str(one.get("name") or ""),
        size_bytes=_number(one.get("size"), subject),
        storage_class=str(one.get("storageClass") or ""),
        created_ms=_moment(one.get("timeCreated")),
        is_held=one.get("temporaryHold") is True or one.get("eventBasedHold") is True,
        retained_until_ms=max(
            (
                at
                for text in (
                    one.get("retentionExpirationTime"),
                    _object(one, "retention").get("retainUntilTime"),
                )
                if (at := _moment(text)) is not None
            ),
            default=None,
        ),
    )


def _object(body: Mapping[str, Any], member: str) -> dict[str, Any]:
    found = body.get(member)
    return found if isinstance(found, dict) else {}


def _number(value: object, subject: str) -> int:
    """Read a number that the service writes as text; nothing is 0."""
    text = str(value or 0)
    if not (text.isascii() and text.isdigit()):
        raise MigrateError(BAD_REPLY, subject=subject, saw=f"{text[:40]!r} for a number")
    return int(text)


def _moment(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
