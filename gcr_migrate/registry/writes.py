"""One manifest on its way to a target, and whether it came there, whatever was answered."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.errors import (
    BAD_REPLY,
    BLOB_UNKNOWN,
    DIGEST_MISMATCH,
    IMMUTABLE_TAG,
    MANIFEST_TOO_LARGE,
    SERVER_ERROR,
    TAG_CONFLICT,
    MigrateError,
)
from gcr_migrate.registry.asking import Asking, Sent
from gcr_migrate.registry.uploads import names_another
from gcr_migrate.wire.replies import Reply, codes_of, problem_of, refusal_of, words_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.model.content import Digest, RawManifest
    from gcr_migrate.model.inventory import ManifestHead
    from gcr_migrate.wire.transport import Look

_CREATED: Final = 201
_DONE_SOMEHOW: Final = frozenset({200, 202, 204})  # in place of 201
_TOO_LARGE: Final = 413
_TAG_STAYS: Final = frozenset({400, 409, 412})  # which one it is, is not written anywhere
_WRITES_AT_MOST: Final = 2
_ANY_DIGEST: Final = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")


class _ThereError(Exception):
    """The tag leads to the manifest already, as where a try was done and nobody answered it."""


class ManifestWrite(Struct):
    """One manifest and where it goes.

    Attributes:
        asking: asks the registry.
        url: of the manifest there.
        scope: what the token has to be good for.
        subject: its full name, for errors.
        tag: what it is written under; empty: its digest.
        manifest: its raw bytes.
        head: asks what is there now (OCI end-3), with the token that writes.
        shown: asks what the tag leads to, of which a head has said what is hard to believe.
    """

    asking: Asking
    url: str
    scope: str
    subject: str
    tag: str
    manifest: RawManifest
    head: Callable[[], Awaitable[ManifestHead | None]]
    shown: Callable[[ManifestHead], Awaitable[Digest | None]]
    _damaged: list[str] = field(default_factory=list[str])  # digests of what the registry got

    async def run(self, *, overwrites: bool, asks_first: bool, check: Look | None) -> None:
        """Write it; see `TargetRegistry` for what is given and raised.

        What the registry got damaged is sent once more: under a tag it may have kept it. Whatever
        is sent once more may have been waited for, and the tag may be somebody else's by then.
        """

        async def look() -> None:
            if check:
                await check()
            if not overwrites:
                await self._look()

        looks = look if self.tag and (check or not overwrites) else None
        wrong = ""
        try:
            for number in range(_WRITES_AT_MOST):
                if looks and (asks_first or number):
                    await looks()
                wrong = await self._once(looks)
                if not wrong:
                    return
                self._damaged.extend(_ANY_DIGEST.findall(wrong))
        except _ThereError:
            return
        raise MigrateError(DIGEST_MISMATCH, subject=self.subject, saw=wrong)

    async def _look(self) -> None:
        """Raise TAG_CONFLICT if the tag is somebody else's, and end the writing if it is ours.

        A registry that has called what it got damaged is not believed that much.
        """
        there = await self.head()
        if there is None:
            return
        if there.digest == self.manifest.digest and not self._damaged:
            raise _ThereError
        ours = {str(self.manifest.digest), *self._damaged}
        if str(there.digest) in ours:
            return
        theirs = await self.shown(there)
        if theirs and str(theirs) not in ours:
            raise MigrateError(TAG_CONFLICT, subject=self.subject, saw=self._instead(theirs))

    async def _once(self, look: Look | None) -> str:
        """Write it once; return in which words the registry says that it got other bytes."""
        try:
            reply = await self.asking.call(
                "PUT",
                self.url,
                (self.scope,),
                self.subject,
                ok={_CREATED, _TOO_LARGE, *_DONE_SOMEHOW, *_TAG_STAYS},
                sent=Sent(self.manifest.raw, {"content-type": self.manifest.media_type}, look),
            )
        except MigrateError as error:
            # Who stands in between may have given up what the registry did all the same.
            if error.problem is SERVER_ERROR and await self._is_there():
                return ""
            raise
        if reply.status == _CREATED:
            stated = reply.headers.get("docker-content-digest")
            is_other = names_another(stated, self.manifest.digest)
            return f"the registry names it {stated}"[:200] if is_other else ""
        if reply.status in _DONE_SOMEHOW:
            if await self._is_there():
                return ""
            saw = f"{reply.status} to a write, after which it is not there"
            raise MigrateError(BAD_REPLY, subject=self.subject, saw=saw)
        if reply.status == _TOO_LARGE:
            raise MigrateError(MANIFEST_TOO_LARGE, subject=self.subject, saw=words_of(reply))
        if "DIGEST_INVALID" in codes_of(reply):
            return words_of(reply)
        await self._stays(reply)
        return ""

    async def _is_there(self) -> bool:
        """Whether it is there for certain."""
        with suppress(MigrateError):
            there = await self.head()
            return there is not None and there.digest == self.manifest.digest
        return False

    async def _stays(self, reply: Reply) -> None:
        """Judge a refusal to write: a tag that cannot move is fine where it points already."""
        if "MANIFEST_BLOB_UNKNOWN" in codes_of(reply):  # a blob or a child
            raise MigrateError(BLOB_UNKNOWN, subject=self.subject, saw=words_of(reply))
        if not self.tag or not refusal_of(reply).immutable_tag:
            raise problem_of(reply, self.subject)
        there = await self.head()
        if there is None or there.digest != self.manifest.digest:
            found = there.digest if there else f"no such tag: {words_of(reply)}"
            raise MigrateError(IMMUTABLE_TAG, subject=self.subject, saw=self._instead(found))

    def _instead(self, found: object) -> str:
        return f"target has {found}, planned {self.manifest.digest}"
