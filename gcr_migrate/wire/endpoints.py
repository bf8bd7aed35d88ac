"""Where requests for a host really go.

Names, token scopes and reports keep the real host; only the wire asks this table.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, field

from gcr_migrate.errors import ENDPOINT_UNMAPPED, MigrateError
from gcr_migrate.model.names import is_loopback

SERVICES: Final = {
    "artifactregistry.googleapis.com": "artifact_registry",
    "storage.googleapis.com": "storage",
    "cloudresourcemanager.googleapis.com": "resource_manager",
    "cloudasset.googleapis.com": "cloud_asset",
    "iam.googleapis.com": "iam",
    "pubsub.googleapis.com": "pubsub",
    "serviceusage.googleapis.com": "service_usage",
    "orgpolicy.googleapis.com": "org_policy",
    "oauth2.googleapis.com": "oauth2",
    "sts.googleapis.com": "sts",
    "iamcredentials.googleapis.com": "iam_credentials",
    "metadata.google.internal": "metadata",
    "169.254.169.254": "metadata",  # its address, which is asked where names are not to be had
}


class Endpoints(Struct, frozen=True, dict=True):
    """The addresses of an endpoints file; without a file nothing is mapped and nothing refused.

    Attributes:
        registries: URL for a registry host, or for all hosts under `*.suffix`.
        services: URL of each service that the file names, by its key in the file.
        is_loaded: whether there is a file, which then names all that may be called.
    """

    registries: dict[str, str] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    is_loaded: bool = False

    @classmethod
    def load(cls, text: str, filename: str) -> Endpoints:
        """Read the text of an endpoints file.

        Raises:
            MigrateError: `bad-endpoints` with the key that offends.
        """
        # Few have such a file, and who has none need not load what reads it.
        from gcr_migrate.wire.endpoints_file import read_endpoints  # noqa: PLC0415

        file = read_endpoints(text, filename)
        named = {name: getattr(file, name) for name in SERVICES.values()}
        services = {name: url for name, url in named.items() if url is not None}
        return cls(file.registries, services, is_loaded=True)

    @property
    def metadata(self) -> str | None:
        """The URL of the metadata server of a machine of Google's, where the file names it."""
        return self.services.get("metadata")

    def resolve(self, url: str) -> str:
        """Return the address for a URL that names a real host.

        Loopback addresses and addresses that the file itself gives go unchanged.

        Raises:
            MigrateError: ENDPOINT_UNMAPPED if there is a file and it does not name the host.
        """
        if not self.is_loaded:
            return url
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2].lower()
        base = self._base(host) or self._base(host.removesuffix(":443"))
        if base is not None:
            tail = f"?{parts.query}" if parts.query else ""
            return base + (parts.path or "/") + tail
        if is_loopback(host) or host in self._mapped_hosts():
            return url
        raise MigrateError(ENDPOINT_UNMAPPED, subject=host, saw="the tool was about to call it")

    def real_host(self, host: str) -> str:
        """Return whose address this is, where only one real host is mapped to it; else itself."""
        return self._hosts_at.get(host, host)

    @cached_property
    def _hosts_at(self) -> dict[str, str]:
        """Return the real hosts by the addresses that are theirs alone."""
        hosts_at: dict[str, list[str]] = {}
        services = {host: self.services.get(name) for host, name in SERVICES.items()}
        for host, url in (self.registries | services).items():
            if url and not host.startswith("*."):
                hosts_at.setdefault(urlsplit(url).netloc, []).append(host)
        return {at: hosts[0] for at, hosts in hosts_at.items() if len(hosts) == 1}

    def _base(self, host: str) -> str | None:
        if host in self.registries:
            return self.registries[host]
        if (url := self.services.get(SERVICES.get(host, ""))) is not None:
            return url
        suffixes = [
            key for key in self.registries if key.startswith("*.") and host.endswith(key[1:])
        ]
        return self.registries[max(suffixes, key=len)] if suffixes else None

    def _mapped_hosts(self) -> set[str]:
        addresses = (*self.registries.values(), *self.services.values())
        return {urlsplit(url).netloc for url in addresses}
