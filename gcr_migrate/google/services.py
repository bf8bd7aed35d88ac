"""All that one side of a migration asks Google's APIs for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gcr_migrate.google.access import AccessOfGoogle
from gcr_migrate.google.api import Api
from gcr_migrate.google.assets import CloudAssets
from gcr_migrate.google.bridge import Bridge
from gcr_migrate.google.buckets import CloudStorage
from gcr_migrate.google.contents import RepositoryContents
from gcr_migrate.google.libraries import Libraries
from gcr_migrate.google.objects import CloudObject
from gcr_migrate.google.projects import GoogleProjects
from gcr_migrate.google.repositories import ArtifactRegistry
from gcr_migrate.google.stored import StoredBlobs
from gcr_migrate.google.topics import GoogleTopics

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from gcr_migrate.google.api import Authorization
    from gcr_migrate.wire.transport import Wire


class Services:
    """Clients of Google's APIs with one login; made on the event loop.

    Args:
        wire: connections.
        authorization: who we are.
        threads: where Google's client libraries work; what gives them a login works elsewhere.

    Attributes:
        repositories: Artifact Registry's repositories.
        contents: what is in them.
        projects: projects.
        buckets: buckets of Cloud Storage.
        stored: which blobs lie in buckets and repositories.
        assets: what lies below folders and organisations.
        access: who may do what with buckets and projects.
        topics: topics of Pub/Sub.
    """

    def __init__(self, wire: Wire, authorization: Authorization, threads: Executor) -> None:
        api = Api(wire, authorization)
        self._bridge = Bridge(wire, asyncio.get_running_loop())
        libraries = self._libraries = Libraries(api, self._bridge, threads)
        self.repositories = ArtifactRegistry(api, libraries)
        self.contents = RepositoryContents(api, libraries)
        self.projects = GoogleProjects(api)
        self.buckets = CloudStorage(api, libraries)
        self.stored = StoredBlobs(api)
        self.assets = CloudAssets(api)
        self.access = AccessOfGoogle(api)
        self.topics = GoogleTopics(api)

    def cloud_object(self, bucket: str, name: str) -> CloudObject:
        """Return one object of Cloud Storage, to read and replace it."""
        return CloudObject(self._libraries, bucket, name)

    def close(self) -> None:
        """Let go what threads still wait for."""
        self._bridge.close()
