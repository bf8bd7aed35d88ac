"""What answers at each service's port, by the labels of the endpoints file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from gcr_migrate.sandbox.artifact_registry import ArtifactRegistry
from gcr_migrate.sandbox.assets import CloudAsset
from gcr_migrate.sandbox.buckets import Buckets
from gcr_migrate.sandbox.gates import Gates
from gcr_migrate.sandbox.iam import PubSub, Roles
from gcr_migrate.sandbox.login import IamCredentials, OAuth, Sts
from gcr_migrate.sandbox.metadata import Metadata
from gcr_migrate.sandbox.projects import OrgPolicy, ResourceManager, ServiceUsage
from gcr_migrate.sandbox.rest import SignedIn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gcr_migrate.sandbox.scenarios import Scenario
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Tokens

API: Final = "artifact_registry"
METADATA: Final = "metadata"
OAUTH: Final = "oauth2"
SERVICES: Final = (
    API,
    "resource_manager",
    "iam",
    "storage",
    "cloud_asset",
    "pubsub",
    "service_usage",
    "org_policy",
    OAUTH,
    "sts",
    "iam_credentials",
    METADATA,
)


class Service(Protocol):
    """One of Google's APIs."""

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        ...


class Gate(Protocol):
    """What stands before registries and services alike, such as a disabled API."""

    def closed(self, host: str, request: Request) -> Response | None:
        """Return the refusal; None to let a request for a host or service pass."""
        ...


def make_services(
    store: Store, tokens: Tokens, scenario: Scenario, addresses: Mapping[str, str]
) -> dict[str, Service]:
    """Return the services that there are, by label; others answer that there is no such method."""
    signed_in = {
        API: ArtifactRegistry(store, scenario.operation_polls).answer,
        "resource_manager": ResourceManager(store).answer,
        "cloud_asset": CloudAsset(store).answer,
        "iam": Roles(store).answer,
        "pubsub": PubSub(store).answer,
        "service_usage": ServiceUsage(store).answer,
        "org_policy": OrgPolicy(store).answer,
    }
    return {label: SignedIn(tokens, work) for label, work in signed_in.items()} | {
        "storage": Buckets(store, tokens),
        OAUTH: OAuth(tokens, addresses[OAUTH]),
        "sts": Sts(tokens, scenario.identity_pools),
        "iam_credentials": IamCredentials(tokens, scenario.service_accounts),
        METADATA: Metadata(tokens, scenario.metadata),
    }


def make_gates(store: Store, tokens: Tokens, scenario: Scenario) -> list[Gate]:
    """Return what is asked, in this order, before a request is answered."""
    return [Gates(store, tokens, scenario)]
