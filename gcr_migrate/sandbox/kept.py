"""What Container Registry still keeps of a project, where only the service itself can see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.model.content import Kind

if TYPE_CHECKING:
    from gcr_migrate.model.content import Descriptor, Digest
    from gcr_migrate.sandbox.copy_parts import ContainerRegistryPart
    from gcr_migrate.sandbox.images import Image, Images, Stored

DAY_MS: Final = 86_400_000


class Kept(Struct):
    """What is kept of one project, and how it is copied.

    Attributes:
        habits: what the scenario says of the copying.
        images: by gcr.io host, and by path there.
        broken: host, path and digest of what cannot be copied although all of it is there.
        stuck: host, path and tag of tags that cannot be set.
        pulled_ms: when a digest was pulled last, likewise by host and path.
    """

    habits: ContainerRegistryPart
    images: dict[str, Images] = field(default_factory=dict)
    broken: set[tuple[str, str, Digest]] = field(default_factory=set)
    stuck: set[tuple[str, str, str]] = field(default_factory=set)
    pulled_ms: dict[tuple[str, str, Digest], int] = field(default_factory=dict)

    def image(self, host: str, path: str) -> Image | None:
        """Return what is kept under a name; None for nothing."""
        return self.images[host].get(path) if host in self.images else None

    def children(self, host: str, path: str) -> list[str]:
        """Return the next path components below a name that lead to something kept."""
        return self.images[host].children(path) if host in self.images else []

    def chosen(
        self, host: str, path: str, *, since_ms: int | None, newest: int | None
    ) -> list[Stored]:
        """Return the manifests under a name that filters leave, the oldest first.

        An index takes what it lists along; `newest` counts what no index lists.

        Args:
            host: the gcr.io host.
            path: the name below the project.
            since_ms: only what was pushed or pulled since; None for all.
            newest: so many of them; None for all.
        """
        image = self.image(host, path)
        if image is None:
            return []
        below = {one.digest for stored in image.manifests.values() for one in _entries(stored)}
        tops = [stored for digest, stored in image.manifests.items() if digest not in below]
        if since_ms is not None:
            tops = [one for one in tops if self._used_ms(host, path, one) >= since_ms]
        tops.sort(key=lambda one: one.uploaded_ms)
        wanted: dict[Digest, Stored] = {}
        for top in tops if newest is None else tops[max(0, len(tops) - newest) :]:
            for digest in (*(one.digest for one in _entries(top)), top.manifest.digest):
                if digest in image.manifests:
                    wanted[digest] = image.manifests[digest]
        return [*wanted.values()]

    def _used_ms(self, host: str, path: str, stored: Stored) -> int:
        pulled = self.pulled_ms.get((host, path, stored.manifest.digest), 0)
        return max(pulled, stored.uploaded_ms)


def _entries(stored: Stored) -> tuple[Descriptor, ...]:
    manifest = stored.manifest
    return manifest.children if manifest.kind is Kind.INDEX else ()
