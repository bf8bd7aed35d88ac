"""Whose quota a request counts against."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gcr_migrate.model.limits import quota_host
from gcr_migrate.model.names import ar_host

if TYPE_CHECKING:
    from gcr_migrate.wire.endpoints import Endpoints

API: Final = "artifactregistry.googleapis.com"
_LOCATION: Final = re.compile(r"/v[0-9][a-z0-9]*/projects/[^/]+/locations/([a-z0-9-]+)(?:/|$)")


def service_of(url: str, endpoints: Endpoints) -> str:
    """Return the service of a URL: a host, or for Artifact Registry that of a location.

    It counts what its registry and its API are asked together, by location and project (FACTS
    section 8). Projects are not told apart: those of one location wait for each other.
    """
    parts = urlsplit(url)
    host = endpoints.real_host(parts.netloc.rpartition("@")[2].lower())
    if host == API:
        found = _LOCATION.match(parts.path)
        return ar_host(found[1]) if found else host
    return quota_host(host)
