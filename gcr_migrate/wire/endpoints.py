"""Where requests for a host really go.

Names, token scopes and reports keep the real host; only the wire asks this table.
"""

from __future__ import annotations

from io import StringIO
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, field_validator

from gcr_migrate.errors import BAD_ENDPOINTS, ENDPOINT_UNMAPPED, MigrateError
from gcr_migrate.model.names import is_loopback
from gcr_migrate.model.nearest import with_question

_SERVICES: Final = {
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


class Endpoints(BaseModel):
    """The endpoints file; one that was not loaded maps nothing and refuses nothing.

    Attributes:
        registries: URL for a registry host, or for all hosts under `*.suffix`.
        artifact_registry: URL of Artifact Registry's REST API; the others likewise.
        storage: URL of Cloud Storage's JSON API.
        resource_manager: URL of Resource Manager.
        cloud_asset: URL of Cloud Asset Inventory.
        iam: URL of IAM.
        pubsub: URL of Pub/Sub.
        service_usage: URL of Service Usage.
        org_policy: URL of Organisation Policy.
        oauth2: URL that gives access tokens for keys and refresh tokens.
        sts: URL that gives access tokens for those of other identity providers.
        iam_credentials: URL that gives access tokens of service accounts to act as.
        metadata: URL of the metadata server of a machine of Google's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    registries: dict[str, str] = {}
    artifact_registry: str | None = None
    storage: str | None = None
    resource_manager: str | None = None
    cloud_asset: str | None = None
    iam: str | None = None
    pubsub: str | None = None
    service_usage: str | None = None
    org_policy: str | None = None
    oauth2: str | None = None
    sts: str | None = None
    iam_credentials: str | None = None
    metadata: str | None = None

    _loaded: bool = PrivateAttr(default=False)
    _hosts_at: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("registries")
    @classmethod
    def _registries(cls, value: dict[str, str]) -> dict[str, str]:
        return {host.lower(): _url(url) for host, url in value.items()}

    @field_validator(*dict.fromkeys(_SERVICES.values()))
    @classmethod
    def _service(cls, value: str | None) -> str | None:
        return None if value is None else _url(value)

    @classmethod
    def load(cls, text: str, filename: str) -> Endpoints:
        """Read the text of an endpoints file; raise BAD_ENDPOINTS with the key that offends."""
        # Few have such a file, and who has none need not load what reads it.
        from ruamel.yaml import YAML  # noqa: PLC0415
        from ruamel.yaml.error import YAMLError  # noqa: PLC0415

        try:
            body = YAML(typ="safe", pure=True).load(StringIO(text))
            endpoints = cls.model_validate({} if body is None else body)
        except YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "not YAML"
            raise MigrateError(BAD_ENDPOINTS, subject=filename + line, saw=problem) from error
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "(file)"
            saw = f"{key}: {first['msg']}"
            if first["type"] == "extra_forbidden":
                saw = with_question(f"{key}: unknown", str(first["loc"][-1]), cls.model_fields)
            raise MigrateError(BAD_ENDPOINTS, subject=filename, saw=saw) from error
        endpoints._loaded = True  # noqa: SLF001  # of this very class
        endpoints._hosts_at.update(endpoints._told_hosts())  # noqa: SLF001
        return endpoints

    @property
    def is_loaded(self) -> bool:
        """Whether there is a file, which then names all that may be called."""
        return self._loaded

    def resolve(self, url: str) -> str:
        """Return the address for a URL that names a real host.

        Loopback addresses and addresses that the file itself gives go unchanged.

        Raises:
            MigrateError: ENDPOINT_UNMAPPED if there is a file and it does not name the host.
        """
        if not self._loaded:
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

    def _told_hosts(self) -> dict[str, str]:
        """Return the real hosts by the addresses that are theirs alone."""
        hosts_at: dict[str, list[str]] = {}
        services = {host: getattr(self, name) for host, name in _SERVICES.items()}
        for host, url in (self.registries | services).items():
            if url and not host.startswith("*."):
                hosts_at.setdefault(urlsplit(url).netloc, []).append(host)
        return {at: hosts[0] for at, hosts in hosts_at.items() if len(hosts) == 1}

    def _base(self, host: str) -> str | None:
        if host in self.registries:
            return self.registries[host]
        if host in _SERVICES:
            url: str | None = getattr(self, _SERVICES[host])
            if url is not None:
                return url
        suffixes = [
            key for key in self.registries if key.startswith("*.") and host.endswith(key[1:])
        ]
        return self.registries[max(suffixes, key=len)] if suffixes else None

    def _mapped_hosts(self) -> set[str]:
        services = (getattr(self, name) for name in _SERVICES.values())
        return {urlsplit(url).netloc for url in (*self.registries.values(), *services) if url}


def _url(text: str) -> str:
    parts = urlsplit(text)
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        msg = f"{parts.scheme or 'text'}://{parts.hostname or ''} is not a plain http(s) URL"
        raise ValueError(msg)
    return text.rstrip("/")
