"""A pull from end to end, as a client such as docker makes it: every step anew, none left out.

Other clients of this tool keep challenges and tokens, and stop at what they need. This one proves
that the whole way works for somebody who comes with nothing but a login.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import ACCEPT, Digest, Manifest
from gcr_migrate.model.names import is_loopback
from gcr_migrate.model.pulling import HEADER, Pull, PullMarks, PullStep
from gcr_migrate.registry.auth import Authorizer
from gcr_migrate.registry.scopes import to_pull
from gcr_migrate.wire.replies import codes_of, problem_of, words_of

if TYPE_CHECKING:
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Wire

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
# Answers that are looked at for their marks before they are told.
_ANSWERS: Final = frozenset({200, 400, 401, 403, 404, 412})
_MOST_BYTES: Final = 64 * 1024 * 1024  # a blob that is larger is not read for this
_DEEPEST: Final = 4  # indexes in indexes


class DockerClient:
    """Pulls from one registry host as one identity.

    Args:
        host: its real host.
        wire: connections; a redirect to another host takes no credentials along.
        credentials: who comes.
    """

    def __init__(self, host: str, wire: Wire, credentials: CredentialSource) -> None:
        self._host = host
        self._wire = wire
        self._credentials = credentials

    async def pull(self, name: str, reference: str) -> Pull:
        """Ping, get a token, get the manifest and one blob of an image, and check their hashes.

        Args:
            name: without host.
            reference: tag or digest; empty to see only whether the name may be asked for.

        Returns:
            How far it came. Nothing is raised: what fails is the answer.
        """
        walk = _Walk(self._host, self._wire, self._credentials, name)
        try:
            await walk.run(reference)
        except MigrateError as error:
            return replace(walk.pull, failed=walk.step, error=error)
        return walk.pull


class _Walk:
    """One pull under way."""

    def __init__(self, host: str, wire: Wire, credentials: CredentialSource, name: str) -> None:
        self._host, self._wire, self._name = host, wire, name
        self._base = f"{'http' if is_loopback(host) else 'https'}://{host}"
        self._auth = Authorizer(host, self._base, wire, credentials)
        self._scopes = (to_pull(name),)
        self._login: dict[str, str] = {}
        self.step = PullStep.PING
        self.pull = Pull()

    async def run(self, reference: str) -> None:
        await self._ping()
        self.step = PullStep.TOKEN
        try:
            self._login = await self._auth.headers(self._scopes)
        except MigrateError as error:
            self._mark(refusal=error.saw)
            raise
        self.step = PullStep.MANIFEST
        if not reference:
            await self._get(f"{self._host}/{self._name}", "tags/list?n=1")
            return
        manifest = await self._manifest(reference)
        self.pull = replace(self.pull, digest=manifest.digest)
        for _ in range(_DEEPEST):
            if not manifest.children:
                break
            manifest = await self._manifest(str(manifest.children[0].digest))
        self.step = PullStep.BLOB
        # The first one is the config, where there is one.
        own = (one for one in manifest.blobs if not one.urls and one.size <= _MOST_BYTES)
        if blob := next(own, None):
            await self._blob(blob.digest)

    async def _ping(self) -> None:
        """Ask for the challenge (OCI end-1); a host that asks for nothing is fine."""
        reply = await self._wire.request(
            "GET", f"{self._base}/v2/", ok=_ANSWERS, subject=self._host
        )
        self._see(reply)
        if reply.status not in {_OK, _UNAUTHORIZED}:
            raise problem_of(reply, self._host)
        own = self._wire.same_origin(self._base, reply.url)
        challenge = reply.headers.get("www-authenticate") if own else None
        if reply.status == _UNAUTHORIZED and not challenge:
            saw = "401 without a challenge: a client cannot know where to get a token"
            raise MigrateError(errors.BAD_REPLY, subject=self._host, saw=saw)
        self._auth.challenged(challenge)

    async def _manifest(self, reference: str) -> Manifest:
        subject = f"{self._host}/{self._name}{'@' if ':' in reference else ':'}{reference}"
        tail = f"manifests/{quote(reference, safe=':')}"
        reply = await self._get(subject, tail, accept=ACCEPT)
        stated = reply.headers.get("docker-content-digest")
        text = reference if ":" in reference else stated
        expected = Digest.parse(text) if text else None
        media_type = reply.headers.get("content-type", "")
        try:
            return Manifest.read(reply.body, media_type, expected)
        except MigrateError as error:  # which knows the digest alone
            raise MigrateError(error.problem, subject=subject, saw=error.saw) from error

    async def _blob(self, digest: Digest) -> None:
        subject = f"{self._host}/{self._name}@{digest}"
        url = self._url(f"blobs/{digest}")
        ok = _ANSWERS
        reply = await self._wire.request("GET", url, ok=ok, headers=self._login, subject=subject)
        if reply.url != url and self._wire.same_origin(self._base, reply.url):
            self._mark(blob_from=urlsplit(reply.url).path.split("/")[1])
        if reply.status != _OK:
            if reply.status == _NOT_FOUND:
                raise MigrateError(errors.BLOB_UNKNOWN, subject=subject, saw=words_of(reply))
            raise problem_of(reply, subject)
        if digest.verifiable and not digest.matches(reply.body):
            saw = f"bytes hash to {Digest.of(reply.body)}"
            raise MigrateError(errors.DIGEST_MISMATCH, subject=subject, saw=saw)

    async def _get(self, subject: str, tail: str, **fields: str) -> Reply:
        """Get what is under the name, and see by which marks it is answered."""
        sent = {**self._login, **fields}
        reply = await self._wire.request(
            "GET", self._url(tail), ok=_ANSWERS, headers=sent, subject=subject
        )
        self._see(reply)
        if reply.status == _OK:
            return reply
        self._mark(refusal=words_of(reply))
        if reply.status == _NOT_FOUND and "NAME_UNKNOWN" not in codes_of(reply):
            raise MigrateError(errors.MANIFEST_UNKNOWN, subject=subject, saw=words_of(reply))
        raise problem_of(reply, subject)

    def _see(self, reply: Reply) -> None:
        """Take note of the mark of who answers; what was marked once need not be again."""
        self._mark(header=reply.headers.get(HEADER.lower()) or self.pull.marks.header)

    def _mark(self, **found: str) -> None:
        marks: PullMarks = replace(self.pull.marks, **found)
        self.pull = replace(self.pull, marks=marks)

    def _url(self, tail: str) -> str:
        return f"{self._base}/v2/{quote(self._name)}/{tail}"
