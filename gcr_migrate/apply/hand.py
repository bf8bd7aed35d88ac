"""The hand of a run: does one piece of work with the registries, and keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from gcr_migrate import errors
from gcr_migrate.errors import BareError, MigrateError
from gcr_migrate.model.content import Descriptor
from gcr_migrate.model.work import (
    BlobWork,
    HasWork,
    HeadWork,
    ListWork,
    ManifestWork,
    MountWork,
    Tags,
    Work,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import Feed, SourceRegistry, TargetRegistry
    from gcr_migrate.model.content import Digest, RawManifest
    from gcr_migrate.model.limits import Asked
    from gcr_migrate.model.work import End

R = TypeVar("R")


class Registries(Protocol):
    """Who hands out clients of registries."""

    def source(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001
    ) -> SourceRegistry:
        """Return a client that only reads."""
        ...

    def target(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001
    ) -> TargetRegistry:
        """Return a client that writes."""
        ...


class Hands(Protocol):
    """Who does work: a hand in this process, or many in others.

    Attributes:
        count: how many there are.
    """

    count: int

    async def do(self, work: Work[R]) -> R:
        """Do a piece of work and return what it gives; raise what speaks against it.

        Raises:
            MigrateError: whatever a registry answers.
        """
        ...

    def asked(self) -> list[dict[str, Asked]]:
        """Return what each of the other processes asked of services, when they have ended."""
        ...


class Hand:
    """Does work in this process.

    Args:
        registries: hands out clients.
        manifest: gives a planned manifest's bytes.
        on_bytes: is told of a blob's bytes as they leave; of negative ones if they were in vain.
    """

    count = 1

    def __init__(
        self,
        registries: Registries,
        manifest: Callable[[Digest], RawManifest],
        on_bytes: Callable[[int], None],
    ) -> None:
        self._registries = registries
        self._manifest = manifest
        self._on_bytes = on_bytes

    def asked(self) -> list[dict[str, Asked]]:
        """There are no other processes."""
        return []

    async def do(self, work: Work[R]) -> R:
        """Do a piece of work; see `Hands`."""
        return cast("R", await self._do(work))

    async def _do(self, work: Work[object]) -> object:
        match work:
            case BlobWork():
                return await self._blob(work)
            case MountWork(target, digest, origin, size):
                return await self._writer(target).mount(target.name, digest, origin, size)
            case ManifestWork():
                await self._write(work)
                return None
            case ListWork(end, whole):
                return await self._tags(end, whole=whole)
            case HeadWork():
                return await self._head(work)
            case HasWork(end, digest, size):
                return await self._reader(end).has_blob(end.name, digest, size)
            case _:
                raise TypeError(type(work).__name__)

    async def _write(self, work: ManifestWork) -> None:
        async def still_there() -> None:
            source = cast("End", work.source)
            asked = HeadWork(source, work.reference, known=True, likely=(work.digest,))
            found = await self._head(asked)
            if found != work.digest:
                subject = f"{source.registry}/{source.name}:{work.reference}"
                saw = f"source has {found or 'no such tag'}, planned {work.digest}"
                raise MigrateError(errors.TAG_MOVED, subject=subject, saw=saw)

        await self._writer(work.target).put_manifest(
            work.target.name,
            work.reference,
            self._manifest(work.digest),
            overwrites=work.overwrites,
            asks_first=work.asks_first,
            check=still_there if work.source else None,
        )

    async def _blob(self, work: BlobWork) -> str:
        writer, name = self._writer(work.target), work.target.name
        # A start without an end: the target may have it, and what it has is never sent again.
        if work.asks_first and await self._has(work):
            return "present"
        blob = Descriptor("application/octet-stream", work.digest, work.size_bytes)
        reader = self._reader(work.source)

        def open_source() -> AbstractAsyncContextManager[Feed]:
            return reader.open_blob(work.source.name, blob)

        await writer.upload(name, blob, open_source, session=work.session, on_bytes=self._on_bytes)
        return "uploaded"

    async def _has(self, work: BlobWork) -> bool:
        target = work.target
        try:
            writer = self._writer(target)
            return await writer.has_blob(target.name, work.digest, work.size_bytes)
        except MigrateError as error:
            if error.problem is not errors.DENIED:  # who may not ask can still send
                raise
            return False

    async def _head(self, work: HeadWork) -> Digest | None:
        reader, name = self._reader(work.end), work.end.name
        if found := await reader.manifest_head(name, work.tag):
            if not work.likely or found.digest in work.likely:
                return found.digest
            return await reader.shown(name, work.tag, found)
        if not work.known:
            return None
        try:  # a 404 without a body may be anybody's
            return (await reader.manifest(name, work.tag)).digest
        except MigrateError as error:
            if errors.says_no_manifest(error):
                return None
            raise

    async def _tags(self, end: End, *, whole: bool) -> Tags:
        try:
            listing = await self._reader(end).listing(end.name)
        except MigrateError as error:
            if error.problem not in errors.NOT_THERE:
                raise
            # Who does not say why may lack the list, and not the name: each tag is asked for.
            return Tags({}, is_cut=isinstance(error, BareError), is_named=False)
        tells = whole and listing.manifests is not None
        manifests = frozenset(one.digest for one in listing.manifests or ()) if tells else None
        return Tags(dict(listing.tags), is_cut=bool(listing.cut), manifests=manifests)

    def _reader(self, end: End) -> SourceRegistry:
        if end.side == "target":
            return self._writer(end)
        return self._registries.source(end.registry, end.dialect, end.plain_http)

    def _writer(self, end: End) -> TargetRegistry:
        return self._registries.target(end.registry, end.dialect, end.plain_http)
