"""Calls of Google's APIs as they lie on the wire: JSON, a login that may end, lists in pages.

Used where the client libraries would drop or change what a service says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.wire.replies import problem_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.transport import Wire

ARTIFACT_REGISTRY: Final = "https://artifactregistry.googleapis.com/v1/"
RESOURCE_MANAGER: Final = "https://cloudresourcemanager.googleapis.com/v3/"
PERMISSIONS_AT_ONCE: Final = 100  # in one question for those that the caller has
PAGE: Final = 1_000  # what the services give at most
_PAGES_AT_MOST: Final = 100_000
_UNAUTHORIZED: Final = 401


class Authorization(Protocol):
    """Says who we are to Google's APIs."""

    async def api_headers(self) -> dict[str, str]:
        """Header fields of a call; none where we go anonymously."""
        ...

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Take note that a service knew us by these, whatever it answered."""
        ...

    async def refused(self, sent: Mapping[str, str]) -> None:
        """Take note that a service answered 401 to these; the next ones are new.

        Raises `token-expired` where there can be no new ones.
        """
        ...


class Api:
    """Calls with our login.

    Args:
        wire: connections.
        authorization: who we are.
    """

    def __init__(self, wire: Wire, authorization: Authorization) -> None:
        self._wire = wire
        self._authorization = authorization

    async def call(
        self,
        method: str,
        url: str,
        subject: str,
        *,
        ok: Collection[int] = (200,),
        body: dict[str, Any] | None = None,
        once: bool = False,
    ) -> Reply:
        """Call a method whose body, if it has one, is JSON.

        Args:
            method: HTTP method.
            url: URL with the real host; whoever makes it quotes what is in it.
            subject: what an error is about.
            ok: statuses that the caller deals with; any other is raised as its problem.
            body: what is sent.
            once: do not try again where no answer came.
        """
        if body is None:
            return await self.send(method, url, subject, ok=ok, once=once)
        headers = {"content-type": "application/json"}
        content = json.dumps(body).encode()
        return await self.send(
            method, url, subject, ok=ok, headers=headers, body=content, once=once
        )

    async def send(
        self,
        method: str,
        url: str,
        subject: str,
        *,
        ok: Collection[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        once: bool = False,
    ) -> Reply:
        """Send a request; where the service does not take our login any more, with a new one.

        A login that is refused twice is a problem, whatever `ok` says.
        """

        async def asked(login: Mapping[str, str]) -> Reply:
            return await self._wire.request(
                method,
                url,
                ok={*ok, _UNAUTHORIZED},
                headers={**(headers or {}), **login},
                body=body,
                subject=subject,
                again=not once,
            )

        login = await self._authorization.api_headers()
        reply = await asked(login)
        if reply.status == _UNAUTHORIZED:
            await self._authorization.refused(login)
            before, login = login, await self._authorization.api_headers()
            if login != before:
                reply = await asked(login)
        if reply.status == _UNAUTHORIZED:
            raise problem_of(reply, subject)
        await self._authorization.accepted(login)
        return reply

    async def pages(
        self, url: str, member: str, subject: str
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Give a list page by page.

        Args:
            url: URL of the list, with its query but without paging.
            member: member of the reply that holds the entries; a page without it is empty.
            subject: what an error is about.
        """
        paged = f"{url}{'&' if '?' in url else '?'}pageSize={PAGE}"
        token, turned = "", PageTokens(subject)
        while True:
            onward = f"&pageToken={quote(token, safe='')}" if token else ""
            body = (await self.call("GET", paged + onward, subject)).json(subject)
            yield objects(body, member, subject)
            token = str(body.get("nextPageToken") or "")
            if not token:
                return
            turned.check(token)


class PageTokens:
    """Watches over a list in pages, so that a service which repeats itself ends it.

    Args:
        subject: what an error is about.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._seen: set[str] = set()

    def check(self, token: str) -> None:
        """Take note of the token of the next page; raise BAD_REPLY if it leads nowhere new."""
        if token in self._seen or len(self._seen) >= _PAGES_AT_MOST:
            saw = f"the list does not end: after {len(self._seen)} pages it leads back to one"
            raise MigrateError(BAD_REPLY, subject=self._subject, saw=saw)
        self._seen.add(token)


def objects(body: Mapping[str, Any], member: str, subject: str) -> list[dict[str, Any]]:
    """Return a member that is a list of JSON objects; one that is not there is empty."""
    found = body.get(member) or []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise MigrateError(BAD_REPLY, subject=subject, saw=f"`{member}` is no list of objects")
    return found


def in_parts(texts: Collection[str], size: int) -> list[list[str]]:
    """Return these texts, each once and in order, in lists of so many at most."""
    ordered = sorted(set(texts))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]
