"""Google's client libraries, as they are loaded: without a login or a connection of their own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, TypeVar

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]

from gcr_migrate.errors import BAD_CREDENTIALS, BAD_REPLY, MigrateError
from gcr_migrate.google.adapter import WireAdapter
from gcr_migrate.wire.replies import Reply, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud.artifactregistry_v1 import ArtifactRegistryClient
    from google.cloud.storage import Client as StorageClient  # type: ignore[import-untyped]

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.bridge import Bridge

T = TypeVar("T")

_ARTIFACT_REGISTRY: Final = "https://artifactregistry.googleapis.com"
_STORAGE: Final = "https://storage.googleapis.com"
# What the libraries raise over JSON of another shape than they expect.
_ODD_REPLY: Final = (ValueError, TypeError, AttributeError, KeyError, RecursionError)


class Clients:
    """The clients; each is loaded when it is first wanted.

    Args:
        bridge: the way back to the loop.
        api: calls with our login.
    """

    def __init__(self, bridge: Bridge, api: Api) -> None:
        self._adapter = WireAdapter(bridge, api)
        self._one_at_a_time = threading.Lock()
        self._artifact_registry: ArtifactRegistryClient | None = None
        self._storage: StorageClient | None = None

    def artifact_registry(self) -> ArtifactRegistryClient:
        """Return the client of Artifact Registry."""
        with self._one_at_a_time:
            if self._artifact_registry is None:
                self._artifact_registry = self._open_artifact_registry()
            return self._artifact_registry

    def storage(self) -> StorageClient:
        """Return the client of Cloud Storage."""
        with self._one_at_a_time:
            if self._storage is None:
                self._storage = self._open_storage()
            return self._storage

    def translated(self, work: Callable[[], T], subject: str) -> T:
        """Do something with a client.

        Args:
            work: uses one, with a time limit and without tries of its own.
            subject: what an error is about.

        Raises:
            MigrateError: what the service said, in the same words as elsewhere.
        """
        self._adapter.about(subject)
        try:
            return work()
        except GoogleAPICallError as error:
            raise _problem(error, subject) from error
        except (ParseError, requests.RequestException, *_ODD_REPLY) as error:
            saw = f"the client library made {type(error).__name__} of it"
            raise MigrateError(BAD_REPLY, subject=subject, saw=saw) from error
        except GoogleAuthError as error:  # such as of a variable that has no such value
            saw = f"the client library: {error}"[:200]
            raise MigrateError(BAD_CREDENTIALS, subject=subject, saw=saw) from error

    def _open_artifact_registry(self) -> ArtifactRegistryClient:
        from google.cloud import artifactregistry_v1  # noqa: PLC0415  # slow to load

        client = artifactregistry_v1.ArtifactRegistryClient(
            transport="rest",
            credentials=_nobody(),
            client_options={"api_endpoint": _ARTIFACT_REGISTRY},
        )
        session: requests.Session = vars(client.transport)["_session"]  # there is no other way
        self._mount(session, _ARTIFACT_REGISTRY)
        return client

    def _open_storage(self) -> StorageClient:
        from google.cloud import storage  # noqa: PLC0415  # slow to load

        session = requests.Session()
        self._mount(session, _STORAGE)
        # The end-point is named, or else a variable of the environment would move it.
        client = storage.Client(
            project="-",
            credentials=_nobody(),
            client_options={"api_endpoint": _STORAGE},
            _http=session,
        )
        # There is no public way to either. For its traces it would ask for each bucket once more,
        # in a thread that nobody waits for; and a variable would send it to another host.
        client._bucket_metadata_cache = None  # noqa: SLF001
        client._connection.API_BASE_MTLS_URL = _STORAGE  # noqa: SLF001
        return client

    def _mount(self, session: requests.Session, base: str) -> None:
        """Leave a session this one way out: nobody else's host sees our login."""
        session.trust_env = False  # neither a proxy nor a login of its own
        session.adapters.clear()
        session.mount(f"{base}/", self._adapter)


def _nobody() -> AnonymousCredentials:
    """Return credentials for a library whose requests the adapter authorises."""
    return AnonymousCredentials()  # type: ignore[no-untyped-call]


def _problem(error: GoogleAPICallError, subject: str) -> MigrateError:
    """Return what the reply says that the library made an exception of."""
    response = error.response
    if not isinstance(response, requests.Response):
        return MigrateError(BAD_REPLY, subject=subject, saw=type(error).__name__)
    reply = Reply(response.status_code, response.headers, response.content, response.url)
    return problem_of(reply, subject)
