"""Buckets of Cloud Storage, by Google's client library; only ever read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import DENIED, MigrateError
from gcr_migrate.google.libraries import CALL
from gcr_migrate.model.cloud import BucketFacts

if TYPE_CHECKING:
    from gcr_migrate.google.libraries import Libraries

_READ: Final = frozenset({"storage.objects.list", "storage.objects.get"})


class CloudStorage:
    """The service.

    Args:
        libraries: Google's client libraries.
    """

    def __init__(self, libraries: Libraries) -> None:
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
