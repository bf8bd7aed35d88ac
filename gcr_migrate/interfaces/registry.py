"""What stations may do with registries: who copies gets a source that cannot be written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
    )
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces.feed import Feed
    from gcr_migrate.model.content import Descriptor, Digest, Manifest, RawManifest
    from gcr_migrate.model.copying import CopyQuery, CopyReply
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import Listing, ManifestHead
    from gcr_migrate.model.pulling import Pull


class SourceRegistry(Protocol):
    """A registry that is only read. Names are without host.

    Every method raises `MigrateError`: unreachable, unauthorized, denied, too-many-requests,
    server-error, bad-reply, not-migrated, and what is named at the method.
    """

    @property
    def host(self) -> str:
        """The real host, such as `us-docker.pkg.dev` or `127.0.0.1:5000`."""
        ...

    @property
    def dialect(self) -> Dialect:
        """Its habits."""
        ...

    async def listing(self, name: str) -> Listing:
        """List tags, and manifests and children where the dialect has them, over all pages.

        Raises `name-unknown` when the registry does not know the name (OCI end-8).
        """
        ...

    def catalog(self) -> AsyncIterator[str]:
        """Names of all repositories, page by page; raises when there is no catalogue."""
        ...

    async def short_catalog(self) -> frozenset[str] | None:
        """Names of all repositories if one answer has them all, else None."""
        ...

    async def manifest(self, name: str, reference: str) -> Manifest:
        """Raw bytes of a manifest by tag or digest, checked against the digest (OCI end-3).

        Raises `manifest-unknown`, `digest-mismatch`, `bad-manifest`.
        """
        ...

    async def manifest_head(self, name: str, reference: str) -> ManifestHead | None:
        """What a tag or digest resolves to, or None when it is not there (OCI end-3)."""
        ...

    async def shown(self, name: str, tag: str, head: ManifestHead) -> Digest | None:
        """What a tag leads to, of which a head has said what is hard to believe; None: it is gone.

        The manifest shows it, by its bytes; where that cannot be had, or shows something else,
        what is said twice counts. Raises what keeps the manifest from being had, if it is not.
        """
        ...

    async def blob_size(self, name: str, digest: Digest) -> int | None:
        """Size in bytes of a blob under this name, or None when it is not there (OCI end-2)."""
        ...

    async def has_blob(self, name: str, digest: Digest, size_bytes: int) -> bool:
        """Whether a blob of so many bytes, -1 for any, is there under this name (OCI end-2)."""
        ...

    def open_blob(self, name: str, blob: Descriptor) -> AbstractAsyncContextManager[Feed]:
        """Stream a blob (OCI end-2); raises `blob-unknown`; the reader checks the hash."""
        ...

    async def referrers(self, name: str, digest: Digest) -> tuple[Descriptor, ...] | None:
        """Manifests whose subject is this digest (OCI end-12); None: no such end-point."""
        ...


class Puller(Protocol):
    """Pulls as a client such as docker does, as one identity; nothing of it is kept."""

    async def pull(self, name: str, reference: str) -> Pull:
        """Go the whole way from the ping to the bytes of a blob, and tell how far that came.

        The name is without host. With an empty reference the way ends where the name itself is
        asked for. Nothing is raised: what fails is the answer.
        """
        ...


class Names(Protocol):
    """Knows names that a registry does not have."""

    async def lacks(self, name: str, of: int) -> bool:
        """Whether a name, of so many, is known not to be there; False: it has to be asked."""
        ...


class AnswerStore(Protocol):
    """Answers that a service gives only a few times a day."""

    def answer(self, question: str) -> str | None:
        """Return an answer that was kept within a day."""
        ...

    def keep_answer(self, question: str, raw: str) -> None:
        """Keep an answer for a day."""
        ...


class ManifestStore(AnswerStore, Protocol):
    """Bytes of manifests that were read before."""

    @property
    def was_empty(self) -> bool:
        """Whether it held nothing when this run began."""
        ...

    def get(self, digest: Digest) -> Manifest | None:
        """Return a manifest, checked against its digest; None where it has to be fetched."""
        ...

    def put(self, manifest: Manifest) -> None:
        """Keep a manifest."""
        ...


class TargetRegistry(SourceRegistry, Protocol):
    """A registry that is written to."""

    async def mount(
        self, name: str, digest: Digest, from_name: str, size_bytes: int = -1
    ) -> str | None:
        """Mount a blob from another name of the same registry (OCI end-11).

        Where nobody says what became of that, it is mounted if it is there and as long as it has to
        be; -1: its length is not known.

        Returns:
            None when it is mounted; else the upload session (a URL) that the registry opened
            instead, to be handed to `upload`. Any answer that opens no session gives "".
        """
        ...

    async def upload(
        self,
        name: str,
        blob: Descriptor,
        open_source: Callable[[], AbstractAsyncContextManager[Feed]],
        *,
        session: str = "",
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        """Stream a blob in one PUT, hashed on the way, never completed with wrong bytes.

        A broken transfer is restarted as a whole under a new session (OCI end-4a, end-6).
        Raises `digest-mismatch` after a second wrong read, `blob-unknown`, `blob-too-large`,
        `request-refused`.
        """
        ...

    async def put_manifest(
        self,
        name: str,
        reference: str,
        manifest: RawManifest,
        *,
        overwrites: bool = True,
        asks_first: bool = False,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Write raw manifest bytes under a tag or digest (OCI end-7).

        Unless it `overwrites`, a tag is looked at before it is written once more, before it is
        written after a wait, and with `asks_first` in any case. Each time what else can speak
        against it is asked by `check`, which raises it.

        Raises `blob-unknown` where the registry lacks what the manifest needs, `request-refused`,
        `manifest-too-large`, `immutable-tag` and `tag-conflict` where the tag points elsewhere and
        cannot or must not be moved, `digest-mismatch` when the registry names another digest, and
        `bad-reply` when it calls written what it then has not.
        """
        ...


class ServerCopy(Protocol):
    """A registry that copies from Container Registry by itself; it deletes and renames nothing."""

    async def copy(self, query: CopyQuery) -> CopyReply:
        """Have one page of one name copied, and return what came back, whatever it is.

        Raises `token-expired`, `too-many-requests`, and what stands in the way of a login.
        """
        ...
