"""The endpoints file: what may stand in it, and how it is read. Few have one."""

from __future__ import annotations

from io import StringIO
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gcr_migrate.errors import BAD_ENDPOINTS, MigrateError
from gcr_migrate.model.nearest import with_question
from gcr_migrate.wire.endpoints import SERVICES


class EndpointsFile(BaseModel):
    """The endpoints file.

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

    @field_validator("registries")
    @classmethod
    def _registries(cls, value: dict[str, str]) -> dict[str, str]:
        return {host.lower(): _url(url) for host, url in value.items()}

    @field_validator(*dict.fromkeys(SERVICES.values()))
    @classmethod
    def _service(cls, value: str | None) -> str | None:
        return None if value is None else _url(value)


def read_endpoints(text: str, filename: str) -> EndpointsFile:
    """Read the text of an endpoints file.

    Raises:
        MigrateError: `bad-endpoints` with the key that offends.
    """
    try:
        body = YAML(typ="safe", pure=True).load(StringIO(text))
        return EndpointsFile.model_validate({} if body is None else body)
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
            known = EndpointsFile.model_fields
            saw = with_question(f"{key}: unknown", str(first["loc"][-1]), known)
        raise MigrateError(BAD_ENDPOINTS, subject=filename, saw=saw) from error


def _url(text: str) -> str:
    parts = urlsplit(text)
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        msg = f"{parts.scheme or 'text'}://{parts.hostname or ''} is not a plain http(s) URL"
        raise ValueError(msg)
    return text.rstrip("/")
