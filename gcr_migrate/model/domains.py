"""The gcr.io names of a project at one host, and what a snapshot keeps of who answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct
from msgspec.structs import asdict

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import Project, ar_host, ar_name, gcr_host, repository_resource

if TYPE_CHECKING:
    from gcr_migrate.model.names import GcrHost

FACT: Final = "domain"
"""Name under which a snapshot keeps it."""


class Domain(Struct, frozen=True):
    """All names of a project at one of the four hosts, such as `us.gcr.io/builds`.

    Attributes:
        host: the host.
        project: the project.
    """

    host: GcrHost
    project: Project

    @classmethod
    def at(cls, registry: str, prefix: str) -> Self | None:
        """Return the domain that a root of images lies in, under either of its two names.

        Args:
            registry: the host that is asked, `us.gcr.io` or `us-docker.pkg.dev`.
            prefix: what stands before image paths there: `builds`, or `builds/us.gcr.io`.
        """
        host = gcr_host(registry)
        project = prefix
        if host is None:
            project, _, repository = prefix.rpartition("/")
            host = gcr_host(repository)
            if host is None or ar_host(host.location) != registry:
                return None
        try:
            return cls(host, Project.parse(project))
        except MigrateError:
            return None

    @property
    def shown(self) -> str:
        """The name that people know."""
        return f"{self.host.name}/{self.project.path}"

    @property
    def resource(self) -> str:
        """The repository behind it by Artifact Registry's API."""
        return repository_resource(self.project, self.host.location, self.host.repository_id)

    @property
    def ar_registry(self) -> str:
        """The host under which Artifact Registry itself serves it."""
        return ar_host(self.host.location)

    @property
    def ar_prefix(self) -> str:
        """What stands before image paths there."""
        return ar_name(self.project, self.host.repository_id)


class DomainFacts(Struct, frozen=True):
    """What a snapshot keeps of a domain, as far as it could be seen.

    Attributes:
        answered_by: who answered, see `Answerer`; empty if nobody knows.
        redirection: the project's redirect setting in the service's own word; empty likewise.
        public: whether anybody could see what is there; None if it was not seen.
    """

    answered_by: str = ""
    redirection: str = ""
    public: bool | None = None

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def read(cls, value: object) -> Self | None:
        """Read what `plain` gave, also that of another version; None where nothing was kept."""
        if not isinstance(value, dict):
            return None
        public = value.get("public")
        return cls(
            str(value.get("answered_by") or ""),
            str(value.get("redirection") or ""),
            public if isinstance(public, bool) else None,
        )
