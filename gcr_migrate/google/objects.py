"""One object of Cloud Storage that runs on several machines share, by Google's client library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_REPLY, FILE_MISSING, MigrateError
from gcr_migrate.google.libraries import CALL

if TYPE_CHECKING:
    from gcr_migrate.google.libraries import Libraries

_LARGEST: Final = 64 * 1024 * 1024
_TRIES: Final = 3


class CloudObject:
    """An object that is read and replaced as a whole (a place for what is kept between runs).

    Args:
        libraries: Google's client libraries.
        bucket: name of the bucket.
        name: of the object.

    Attributes:
        name: how a person names it.
    """

    def __init__(self, libraries: Libraries, bucket: str, name: str) -> None:
        self.name = f"gs://{bucket}/{name}"
        self._libraries = libraries
        self._bucket = bucket
        self._object = name

    async def read(self) -> tuple[bytes, str] | None:
        """Return its bytes and their generation; None: there is no such object yet.

        Raises:
            MigrateError: FILE_MISSING, there is no such bucket; DENIED; or no answer.
        """
        return await self._libraries.call(self._read, self.name)

    async def write(self, data: bytes, version: str) -> bool:
        """Replace a generation; see `read`.

        Args:
            data: what it is to hold.
            version: generation that is replaced; empty: there must be no object.

        Returns:
            False: somebody else has written meanwhile, and nothing was changed.

        Raises:
            MigrateError: as `read`.
        """

        def work() -> bool:
            from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415  # slow

            blob = self._libraries.storage().bucket(self._bucket).blob(self._object)
            try:
                blob.upload_from_string(
                    data,
                    content_type="application/json",
                    if_generation_match=int(version or 0),
                    **CALL,
                )
            except PreconditionFailed:
                # No answer may have come to a first try that was taken: then it is there.
                return self._read_data() == data
            return True

        return await self._libraries.call(work, self.name)

    def _read_data(self) -> bytes | None:
        found = self._read()
        return found[0] if found else None

    def _read(self) -> tuple[bytes, str] | None:
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  # slow to load

        bucket = self._libraries.storage().bucket(self._bucket)
        for _ in range(_TRIES):
            blob = bucket.get_blob(self._object, **CALL)
            if blob is None:
                self._check_bucket()
                return None
            if (blob.size or 0) > _LARGEST:
                saw = f"more than {_LARGEST} bytes"
                raise MigrateError(BAD_REPLY, subject=self.name, saw=saw)
            # Without what the answer said of addresses: those are not ours to follow.
            version = bucket.blob(self._object, generation=blob.generation)
            try:
                data = version.download_as_bytes(**CALL)
            except NotFound:  # it was replaced between the two calls
                continue
            return bytes(data), str(blob.generation)
        saw = "it changed while it was read"
        raise MigrateError(BAD_REPLY, subject=self.name, saw=saw)

    def _check_bucket(self) -> None:
        """Tell a bucket that is not there from one that has no such object.

        The service tells anybody which rights they have, and 404 where there is no bucket.
        """
        from google.api_core.exceptions import NotFound  # noqa: PLC0415  # slow to load

        bucket = self._libraries.storage().bucket(self._bucket)
        try:
            bucket.test_iam_permissions(["storage.objects.get"], **CALL)
        except NotFound as error:
            saw = "there is no such bucket"
            raise MigrateError(FILE_MISSING, subject=self.name, saw=saw) from error
