"""A registry, read and written end-point by end-point.

Nothing here can delete. The type under which a station gets a client says what it may do.
"""

from __future__ import annotations

import functools
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from gcr_migrate.errors import (
    BAD_MANIFEST,
    BAD_REPLY,
    DENIED,
    DIGEST_MISMATCH,
    LISTING_CUT,
    MANIFEST_UNKNOWN,
    PERIMETER,
    REQUEST_REFUSED,
    SERVER_ERROR,
    STOPPED,
    UNAUTHORIZED,
    BareError,
    MigrateError,
    says_no_manifest,
)
from gcr_migrate.model.content import (
    ACCEPT,
    NAMED_BY,
    OCI_INDEX,
    Digest,
    Manifest,
    RawManifest,
    checked,
)
from gcr_migrate.model.inventory import Listing, ManifestHead
from gcr_migrate.model.names import is_loopback
from gcr_migrate.registry.asking import MAY_LACK, NOTHING, Asking, Sent
from gcr_migrate.registry.downloads import Download
from gcr_migrate.registry.listing import Lists, hidden_next, pages
from gcr_migrate.registry.scopes import to_pull, to_push
from gcr_migrate.registry.uploads import Upload, in_query, location_of, names_another
from gcr_migrate.registry.usage import QUESTION, usage_word
from gcr_migrate.registry.writes import ManifestWrite
from gcr_migrate.wire.replies import Reply, codes_of, says_unknown, words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from gcr_migrate.interfaces import Feed
    from gcr_migrate.model.content import Descriptor
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.registry.asking import Explain
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Look, Wire

_OK: Final = 200
_CREATED: Final = 201
_ACCEPTED: Final = 202
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_NO_ENDPOINT: Final = frozenset({400, 404, 405, 501})
# Mounts may fail alone, such as where the source is hidden from us: what ails the target too, or
# the login, is told by the upload that follows.
_SENT_INSTEAD: Final = frozenset(
    {BAD_REPLY, DENIED, PERIMETER, REQUEST_REFUSED, SERVER_ERROR, UNAUTHORIZED}
)


class RegistryClient:
    """One registry host; as a `TargetRegistry` it may write, as a `SourceRegistry` only read.

    Args:
        host: its real host, with a port where it has one.
        wire: connections.
        credentials: who knows how to log in to hosts.
        dialect: its habits.
        plain_http: whether to speak plain HTTP; None does so with loopback only.
        explain: tells what is behind a refusal that can mean two things.
    """

    def __init__(
        self,
        host: str,
        wire: Wire,
        credentials: CredentialSource,
        dialect: Dialect,
        *,
        plain_http: bool | None = None,
        explain: Explain | None = None,
    ) -> None:
        plain = is_loopback(host) if plain_http is None else plain_http
        if plain_http:
            wire.allow_plain(host)
        self._host = host
        self._dialect = dialect
        self._wire = wire
        self._base = f"{'http' if plain else 'https'}://{host}"
        self._asking = Asking(host, self._base, wire, credentials, explain)

    @property
    def host(self) -> str:
        """The real host."""
        return self._host

    @property
    def dialect(self) -> Dialect:
        """Its habits."""
        return self._dialect

    async def listing(self, name: str) -> Listing:
        """List tags, manifests and children of a name over all pages (OCI end-8)."""
        lists = self._lists((to_pull(name),), f"{self._host}/{name}")
        return await lists.listing(self._url(name, "tags/list"), name)

    def catalog(self) -> AsyncIterator[str]:
        """Give all repository names; raise NAME_UNKNOWN where there is no catalogue."""
        lists = self._lists(("registry:catalog:*",), f"{self._host} catalog", MAY_LACK)
        return lists.catalog(f"{self._base}/v2/_catalog")

    async def short_catalog(self) -> frozenset[str] | None:
        """Return all repository names if one answer has them; None if there are more."""
        lists = self._lists(("registry:catalog:*",), f"{self._host} catalog", MAY_LACK)
        return await lists.short_catalog(f"{self._base}/v2/_catalog")

    def _lists(self, scopes: tuple[str, ...], subject: str, sent: Sent = NOTHING) -> Lists:
        async def fetch(url: str) -> Reply:
            return await self._asking.json("GET", url, scopes, subject, sent=sent)

        return Lists(fetch, self._wire, self._dialect, subject)

    async def uses_artifact_registry(self, name: str) -> bool:
        """Whether a gcr.io host answers for this name out of Artifact Registry."""
        url = self._url(name, "tags/list?n=1")
        reply = await self._asking.call(
            "GET", url, (to_pull(name),), f"{self._host}/{name}", ok={_OK}
        )
        return reply.headers.get("x-gcr-using-artifact-registry", "").lower() == "true"

    async def gcr_usage(self, name: str) -> str:
        """Return the word of a gcr.io host on a project's use of it; empty if it says none."""
        url, subject = self._url(name, QUESTION), f"{self._host}/{name} usage"
        reply = await self._asking.sent("GET", url, (to_pull(name),), subject, {_OK}, NOTHING)
        return usage_word(reply.body)

    async def manifest(self, name: str, reference: str) -> Manifest:
        """Get a manifest's raw bytes, checked against its digest (OCI end-3).

        Bytes that are wrong are asked for once more: what was damaged on its way is whole then, and
        a page that stood in its place may be gone.
        """
        # What cannot be read though it has the digest that was asked for stays as it is.
        damaged = {DIGEST_MISMATCH} if ":" in reference else {DIGEST_MISMATCH, BAD_MANIFEST}
        try:
            return await self._manifest(name, reference)
        except MigrateError as error:
            if error.problem not in damaged:
                raise
        return await self._manifest(name, reference)

    async def _manifest(self, name: str, reference: str) -> Manifest:
        subject = self._named(name, reference)
        reply = await self._asking.call(
            "GET",
            self._manifest_url(name, reference),
            (to_pull(name),),
            subject,
            ok={_OK, _NOT_FOUND},
            sent=Sent(headers={"accept": ACCEPT}),
        )
        if reply.status == _NOT_FOUND:
            unknown = MigrateError if says_unknown(reply) else BareError
            raise unknown(MANIFEST_UNKNOWN, subject=subject, saw=words_of(reply))
        stated = reply.headers.get("docker-content-digest")
        expected = Digest.parse(reference) if ":" in reference else None
        if expected is None and stated:
            # A tag's manifest gets the name that all registries know, whatever this one calls it.
            named = _stated(stated, subject)
            if named.algorithm == NAMED_BY:
                expected = named
            elif named.verifiable:
                checked(reply.body, named)
        return Manifest.read(reply.body, reply.headers.get("content-type", ""), expected)

    async def manifest_head(self, name: str, reference: str) -> ManifestHead | None:
        """Return what a tag or digest resolves to, None when it is not there (OCI end-3)."""
        return await self._head(name, reference, to_pull(name))

    async def shown(self, name: str, tag: str, head: ManifestHead) -> Digest | None:
        """Return what a tag leads to, of which a head has said what is hard to believe."""
        of_bytes, refusal = None, None
        try:
            of_bytes = (await self.manifest(name, tag)).digest
        except MigrateError as error:
            if error.problem in {STOPPED, DIGEST_MISMATCH}:  # who contradicts himself tells nothing
                raise
            refusal = error
        if of_bytes == head.digest:
            return of_bytes
        again = await self.manifest_head(name, tag)  # those bytes may be old ones
        if again and again.digest == head.digest:
            return again.digest
        if refusal and (again or not says_no_manifest(refusal)):
            raise refusal
        return of_bytes

    async def _head(self, name: str, reference: str, scope: str) -> ManifestHead | None:
        subject = self._named(name, reference)
        reply = await self._asking.call(
            "HEAD",
            self._manifest_url(name, reference),
            (scope,),
            subject,
            ok={_OK, _NOT_FOUND},
            sent=Sent(headers={"accept": ACCEPT}),
        )
        if reply.status == _NOT_FOUND:
            return None
        media_type = reply.headers.get("content-type", "").partition(";")[0].strip()
        stated = reply.headers.get("docker-content-digest")
        if not stated or not (":" in reference or stated.startswith(f"{NAMED_BY}:")):
            # It only SHOULD be there, and may be of another algorithm: then the bytes say it.
            manifest = await self.manifest(name, reference)
            return ManifestHead(manifest.digest, manifest.media_type, len(manifest.raw))
        return ManifestHead(_stated(stated, subject), media_type, _length(reply))

    async def blob_size(self, name: str, digest: Digest) -> int | None:
        """Return the size of a blob under this name, None when it is not there (OCI end-2)."""
        reply = await self._blob_head(name, digest)
        if reply is None:
            return None
        size = _length(reply)
        if size is None:
            subject = self._named(name, str(digest))
            raise MigrateError(BAD_REPLY, subject=subject, saw="HEAD without a Content-Length")
        return size

    async def has_blob(self, name: str, digest: Digest, size_bytes: int) -> bool:
        """Whether a blob is there, and as long as it has to be (OCI end-2).

        Where an upload broke off, a registry may have kept an empty file under its digest. One that
        says no length, as it only should, has the blob.
        """
        reply = await self._blob_head(name, digest)
        if reply is None:
            return False
        size = None if "content-encoding" in reply.headers else _length(reply)
        return size is None or size_bytes in {-1, size}

    async def _blob_head(self, name: str, digest: Digest) -> Reply | None:
        subject, url = self._named(name, str(digest)), self._url(name, f"blobs/{digest}")
        reply = await self._asking.call(
            "HEAD", url, (to_pull(name),), subject, ok={_OK, _NOT_FOUND}
        )
        return None if reply.status == _NOT_FOUND else reply

    def open_blob(self, name: str, blob: Descriptor) -> AbstractAsyncContextManager[Feed]:
        """Stream a blob (OCI end-2); raise BLOB_UNKNOWN. The reader checks the hash."""
        scopes, subject = (to_pull(name),), self._named(name, str(blob.digest))
        download = Download(
            wire=self._wire,
            blob=blob,
            url=self._url(name, f"blobs/{blob.digest}"),
            subject=subject,
            at_once=self._dialect.read_bytes_at_most,
            admission=lambda: self._asking.admission(scopes, subject),
        )
        return download.open()

    async def referrers(self, name: str, digest: Digest) -> tuple[Descriptor, ...] | None:
        """Return the manifests attached to a digest; None: no such end-point (OCI end-12)."""
        subject = f"{self._named(name, str(digest))} referrers"
        scopes = (to_pull(name),)

        async def fetch(url: str) -> Reply:
            ok = {_OK, *_NO_ENDPOINT}
            return await self._asking.json("GET", url, scopes, subject, ok=ok, sent=MAY_LACK)

        found: dict[Digest, Descriptor] = {}
        first = self._url(name, f"referrers/{digest}")
        async for page in pages(first, fetch, self._wire, subject):
            if page.status != _OK:
                if found:
                    raise MigrateError(LISTING_CUT, subject=subject, saw=words_of(page))
                # Who looked for a manifest has the end-point, and says so of one without any.
                return () if "MANIFEST_UNKNOWN" in codes_of(page) else None
            index = Manifest.read(page.body, OCI_INDEX)
            found.update({child.digest: child for child in index.children})
            if doubt := hidden_next(page):
                raise MigrateError(LISTING_CUT, subject=subject, saw=doubt)
        return tuple(found.values())

    async def mount(
        self, name: str, digest: Digest, from_name: str, size_bytes: int = -1
    ) -> str | None:
        """Mount a blob from another name; see `TargetRegistry` for what is returned."""
        subject = self._named(name, str(digest))
        query = f"mount={in_query(str(digest))}&from={quote(from_name, safe='')}"
        url = self._url(name, f"blobs/uploads/?{query}")
        scopes, ok = (to_push(name), to_pull(from_name)), {_CREATED, _ACCEPTED, *_NO_ENDPOINT}
        try:
            reply = await self._asking.sent("POST", url, scopes, subject, ok, Sent(b""))
            if reply.status == _ACCEPTED:
                return location_of(reply, self._wire, subject)
        except MigrateError as error:
            if error.problem not in _SENT_INSTEAD:
                raise
            # Who stands in between may have given up what the registry did all the same.
            came = error.problem is SERVER_ERROR and await self._came(name, digest, size_bytes)
            return None if came else ""
        # Another blob than the one that was asked for: then this one is sent.
        is_other = names_another(reply.headers.get("docker-content-digest"), digest)
        return None if reply.status == _CREATED and not is_other else ""

    async def _came(self, name: str, digest: Digest, size_bytes: int) -> bool:
        """Whether a blob is there for certain."""
        with suppress(MigrateError):
            return await self.has_blob(name, digest, size_bytes)
        return False

    async def upload(
        self,
        name: str,
        blob: Descriptor,
        open_source: Callable[[], AbstractAsyncContextManager[Feed]],
        *,
        session: str = "",
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        """Stream a blob in one PUT (OCI end-4a, end-6); start over whole where that can help."""
        scopes = (to_push(name),)
        subject = self._named(name, str(blob.digest))

        async def open_session() -> str:
            url = self._url(name, "blobs/uploads/")
            reply = await self._asking.call(
                "POST", url, scopes, subject, ok={_ACCEPTED}, sent=Sent(b"")
            )
            return location_of(reply, self._wire, subject)

        async def is_there() -> bool:
            return await self.has_blob(name, blob.digest, blob.size)

        upload = Upload(
            wire=self._wire,
            blob=blob,
            subject=subject,
            open_session=open_session,
            is_there=is_there,
            admission=self._asking.admission(scopes, subject),
            on_bytes=on_bytes,
        )
        await upload.run(open_source, session)

    async def put_manifest(
        self,
        name: str,
        reference: str,
        manifest: RawManifest,
        *,
        overwrites: bool = True,
        asks_first: bool = False,
        check: Look | None = None,
    ) -> None:
        """Write a manifest's raw bytes under a tag or digest (OCI end-7); see `TargetRegistry`."""
        write = ManifestWrite(
            asking=self._asking,
            url=self._manifest_url(name, reference),
            scope=to_push(name),
            subject=self._named(name, reference),
            tag="" if ":" in reference else reference,
            manifest=manifest,
            head=lambda: self._head(name, reference, to_push(name)),
            shown=lambda head: self.shown(name, reference, head),
        )
        await write.run(overwrites=overwrites, asks_first=asks_first, check=check)

    def _url(self, name: str, tail: str) -> str:
        return f"{self._base}/v2/{_quoted(name)}/{tail}"

    def _manifest_url(self, name: str, reference: str) -> str:
        return self._url(name, f"manifests/{quote(reference, safe=':')}")

    def _named(self, name: str, reference: str) -> str:
        return f"{self._host}/{name}{'@' if ':' in reference else ':'}{reference}"


@functools.lru_cache(maxsize=256)
def _quoted(name: str) -> str:
    return quote(name)


def _stated(text: str, subject: str) -> Digest:
    try:
        return Digest.parse(text)
    except MigrateError as error:
        raise MigrateError(BAD_REPLY, subject=subject, saw=f"digest {text[:100]}") from error


def _length(reply: Reply) -> int | None:
    text = reply.headers.get("content-length", "")
    return int(text) if text.isdigit() else None
