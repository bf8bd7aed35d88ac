"""What was asked of the sandbox, and what shall go wrong with it.

The log is how tests count requests; a fault is how they make a server slow, broken or out of
reach at a chosen request. Rules come and go over HTTP, so that any program can set them.
"""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from typing import Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import asdict
from pydantic import BaseModel, ConfigDict, PrivateAttr

_KEPT: Final = 100_000
_NAMED: Final = re.compile(r"/v2/(.+?)/(manifests|blobs|tags|referrers)(?:/|$)")
_SECRET: Final = re.compile(r"((?:^|&)access_token=)[^&]*")


class Entry(Struct):
    """One request, and what became of it.

    Attributes:
        n: its place in the order of arrival.
        host: the registry host or service that was asked, as the endpoints file names it.
        method: its method.
        path: its path.
        query: its query.
        name: the registry name that it is about, if there is one.
        authorization: whether credentials came with it.
        member: whose they were, as policies name it; empty where they were good for nobody.
        status: how the work ended; 0 while it is not done.
        told: the status that was sent; 0 while nothing was.
        bytes_in: bytes of its body that arrived.
        at: when it arrived, in seconds since 1970.
    """

    n: int
    host: str
    method: str
    path: str
    query: str
    name: str
    authorization: bool
    member: str = ""
    status: int = 0
    told: int = 0
    bytes_in: int = 0
    at: float = field(default_factory=time.time)


class Log(Struct):
    """The requests since the start or the last reset, as far as they are kept, and their count.

    Attributes:
        entries: the last of them.
        counts: how many there were of each method, host and kind, those that are gone included.
    """

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=_KEPT))
    counts: Counter[str] = field(default_factory=Counter)
    _count: int = 0

    def open(self, host: str, method: str, path: str, query: str, *, authorization: bool) -> Entry:
        """Note a request as it arrives."""
        found = _NAMED.match(path)
        self._count += 1
        self.counts[f"{method} {host} {found[2] if found else _kind(path)}"] += 1
        name = found[1] if found else ""
        query = _SECRET.sub(r"\1***", query)
        entry = Entry(self._count, host, method, path, query, name, authorization)
        self.entries.append(entry)
        return entry

    def reset(self) -> None:
        """Forget all of them."""
        self.entries.clear()
        self.counts.clear()

    def plain(self) -> list[dict[str, Any]]:
        """Return the entries as plain data."""
        return [asdict(entry) for entry in self.entries]


def _kind(path: str) -> str:
    """Return the collection that a path is about, which names and ids alternate with."""
    _, _, *words = path.split("/")
    return (words[-1 if len(words) % 2 else -2] if words else "") or "/"


Phase = Literal[
    "token",
    "listing",
    "manifest-read",
    "blob-read",
    "upload-start",
    "upload-body",
    "upload-end",
    "mount",
    "manifest-write",
    "tag-write",
]
_UPLOAD: Final = ("PUT PATCH", "^/artifacts-uploads/")
_PHASES: Final[dict[Phase, tuple[str, str]]] = {
    "token": ("GET POST", "^/v2/token"),
    "listing": ("GET", "/tags/list"),
    "manifest-read": ("GET HEAD", "^/v2/.*/manifests/"),
    "blob-read": ("GET HEAD", "^/v2/.*/blobs/[^/]+$|^/artifacts-downloads/"),
    "upload-start": ("POST", "/blobs/uploads/(?!.*[?&]mount=)"),
    "upload-body": _UPLOAD,
    "upload-end": _UPLOAD,
    "mount": ("POST", "/blobs/uploads/.*[?&]mount="),
    "manifest-write": ("PUT", "/manifests/[a-z0-9]+(:|%3A)"),
    "tag-write": ("PUT", "/manifests/(?![a-z0-9]+(:|%3A))"),
}


class Fault(BaseModel):
    """One rule of what goes wrong.

    Attributes:
        phase: only requests of this step of a migration; in `upload-body` an answer comes before
            the body was read.
        host: only requests to this registry host or service.
        method: only this method.
        path: regular expression searched in path and query.
        skip: so many matching requests pass first.
        times: so many are hit after those; None for all.
        status: answer with this instead; None to delay only.
        headers: headers of that answer.
        body: body of that answer.
        delay_s: seconds to wait.
        ends_tokens: end all registry tokens there are at this moment, and go on.
        ends_logins: end all access tokens there are too, and go on.
        when: `before` the work, which then is not done if a status is set; or `after` it, with
            the work done and nobody told yet: the moment at which to kill a client.
    """

    model_config = ConfigDict(extra="forbid")

    phase: Phase | None = None
    host: str | None = None
    method: str | None = None
    path: re.Pattern[str] = re.compile("")
    skip: int = 0
    times: int | None = None
    status: int | None = None
    headers: dict[str, str] = {}
    body: str = ""
    delay_s: float = 0.0
    ends_tokens: bool = False
    ends_logins: bool = False
    when: Literal["before", "after"] = "before"
    _seen: int = PrivateAttr(default=0)
    _hits: int = PrivateAttr(default=0)

    def strikes(self, host: str, method: str, target: str) -> bool:
        """Whether this request is hit; counts it."""
        if self.host not in {None, host} or self.method not in {None, method}:
            return False
        if not self.path.search(target) or not self._in_phase(method, target):
            return False
        self._seen += 1
        if self._seen <= self.skip or (self.times is not None and self._hits >= self.times):
            return False
        self._hits += 1
        return True

    def _in_phase(self, method: str, target: str) -> bool:
        if self.phase is None:
            return True
        methods, pattern = _PHASES[self.phase]
        return method in methods.split() and re.search(pattern, target) is not None

    def plain(self) -> dict[str, Any]:
        """Return the rule and its hits as plain data."""
        return self.model_dump(mode="json") | {"hits": self._hits, "seen": self._seen}


class Faults(Struct):
    """The rules in force; the first that matches strikes."""

    rules: list[Fault] = field(default_factory=list)

    def find(self, host: str, method: str, target: str) -> Fault | None:
        """Return the rule that strikes this request."""
        return next((rule for rule in self.rules if rule.strikes(host, method, target)), None)

    def plain(self) -> list[dict[str, Any]]:
        """Return all rules and their hits as plain data."""
        return [rule.plain() for rule in self.rules]
