"""Where URLs lead to, whose quota they count against, and what is never sent there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from gcr_migrate.errors import BAD_REPLY, UNREACHABLE, MigrateError
from gcr_migrate.model.names import is_google_host, is_loopback
from gcr_migrate.wire.network import PORTS
from gcr_migrate.wire.services import API, service_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.wire.endpoints import Endpoints

_FRONT: Final = re.compile(r"[^/?#]*//[^/?#]*")  # of a URL: what is before its path
_PLACES_AT_MOST: Final = 256


class _Place(NamedTuple):
    """Where URLs with one beginning lead to.

    Attributes:
        base: what stands before their path instead.
        service: whose quota they count against; of `API` only the path says it.
    """

    base: str
    service: str


class Places:
    """The places that requests may go to; the beginning of a URL is looked at once for each.

    Args:
        endpoints: where hosts are.
        plain_hosts: hosts to which plain HTTP may go, loopback apart.
    """

    def __init__(self, endpoints: Endpoints, plain_hosts: Iterable[str]) -> None:
        self._endpoints = endpoints
        self._plain_hosts = set(plain_hosts)
        self._known: dict[str, _Place] = {}

    def allow_plain(self, host: str) -> None:
        """Let plain HTTP go to this host, because a person said so; never to Google's."""
        if not is_google_host(host):
            self._plain_hosts.add(host)
            self._known.clear()

    def find(self, url: str, subject: str) -> tuple[str, str]:
        """Return the address for a URL, and the service that is asked.

        Raises:
            MigrateError: nothing may be sent there.
        """
        front = _front(url)
        place = self._known.get(front)
        if place is None:
            base = self._endpoints.resolve(f"{front}/").removesuffix("/")
            self._refuse_plain(base, front, subject)
            place = _Place(base, service_of(front, self._endpoints))
            if len(self._known) >= _PLACES_AT_MOST:
                self._known.clear()
            self._known[front] = place
        path = url[len(front) :]
        address = place.base + (path if path.startswith("/") else f"/{path}")
        is_known = place.service != API
        return address, place.service if is_known else service_of(url, self._endpoints)

    def service(self, url: str) -> str:
        """Return whose quota a request counts against."""
        place = self._known.get(_front(url))
        if place is None or place.service == API:
            return service_of(url, self._endpoints)
        return place.service

    def same_origin(self, old: str, new: str) -> bool:
        """Whether a URL in a reply of `old` is at the same service as `old`."""
        if _front(new) == _front(old):
            return True
        return _origin(new) in {_origin(old), _origin(self._endpoints.resolve(old))}

    def refuse_downgrade(self, old: str, new: str, subject: str) -> None:
        """Refuse to follow a redirect from TLS to a place without it.

        Raises:
            MigrateError: BAD_REPLY.
        """
        before, after = self._endpoints.resolve(old), self._endpoints.resolve(new)
        scheme, host = urlsplit(after).scheme, _host_in(after)
        if urlsplit(before).scheme != "https" or scheme == "https":
            return
        if not is_loopback(host):
            saw = f"redirect from https to {scheme}://{host}"
            raise MigrateError(BAD_REPLY, subject=subject, saw=saw)

    def _refuse_plain(self, address: str, url: str, subject: str) -> None:
        host = _host_in(address)
        if urlsplit(address).scheme == "https" or is_loopback(host):
            return
        if not self._plain_hosts & {host, _host_in(url)}:
            saw = f"plain HTTP to {host} would show credentials to the network"
            raise MigrateError(UNREACHABLE, subject=subject, saw=saw)


def _front(url: str) -> str:
    found = _FRONT.match(url)
    return found[0] if found else ""


def _host_in(url: str) -> str:
    """Return host and port of a URL, without a login that may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)
