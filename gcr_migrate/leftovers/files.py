"""What migration files and snapshots say about the images of gcr.io hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from gcr_migrate.leftovers.evidence import Listed, Moves
from gcr_migrate.model.names import GCR_HOSTS, Project, ar_host, ar_name
from gcr_migrate.state.baseline import Baseline
from gcr_migrate.state.file import open_migration
from gcr_migrate.state.roots import (
    has_blobs,
    kept_content,
    planned_content,
    planned_targets,
)
from gcr_migrate.state.snapshot import is_snapshot, open_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gcr_migrate.model.names import GcrHost
    from gcr_migrate.model.plan import Source
    from gcr_migrate.state.roots import RootContent

Root = tuple[str, str]  # registry, and prefix of image names there


class _Said(Struct):
    """What files say of one root."""

    contents: list[tuple[Listed, RootContent]] = field(default_factory=list)
    targets: list[tuple[str, dict[str, tuple[str, str, str]]]] = field(default_factory=list)


class Files:
    """All that some files say, root by root.

    Args:
        paths: migration files, and snapshots.

    Raises:
        MigrateError: FILE_MISSING, NOT_A_MIGRATION, PLAN_DAMAGED and the like.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._said: dict[Root, _Said] = {}
        for path in paths:
            if is_snapshot(path):
                self._read_snapshot(path)
            else:
                self._read_plan(path)

    @property
    def roots(self) -> frozenset[Root]:
        """The roots that files speak of."""
        return frozenset(self._said)

    def listed(
        self, project: Project, host: GcrHost
    ) -> Iterator[tuple[Listed, frozenset[tuple[str, str]]]]:
        """Give what each file lists of a host, and the manifests that it lists."""
        for listed, content in self._of(project, host).contents:
            yield listed, content.manifests

    def moves(self, project: Project, host: GcrHost) -> Moves | None:
        """Return where the images of a host went; None if no file says it."""
        targets: dict[str, list[tuple[str, str]]] = {}
        elsewhere: dict[str, None] = {}
        said = self._of(project, host).targets
        for _, by_path in said:
            for path, (resource, shown, target_path) in by_path.items():
                if resource:
                    targets.setdefault(path, []).append((resource, target_path))
                else:
                    elsewhere[shown] = None
        if not said:
            return None
        files = tuple(file for file, _ in said)
        whither = {path: tuple(some) for path, some in targets.items()}
        return Moves(files, whither, (*elsewhere,), self._is_round(root_of(project, host)))

    def _is_round(self, root: Root) -> bool:
        """Whether images of a root come back to it, through roots of gcr.io hosts alone."""
        seen: set[Root] = set()
        following = [root]
        while following:
            new = self._onward(following.pop()) - seen
            if root in new:
                return True
            seen |= new
            following += new
        return False

    def _onward(self, root: Root) -> set[Root]:
        """Return the roots of gcr.io hosts to which images of a root go."""
        targets = self._said.get(root, _Said()).targets
        resources = {resource for _, some in targets for resource, _, _ in some.values()}
        return set(filter(None, map(_gcr_root_in, resources)))

    def _of(self, project: Project, host: GcrHost) -> _Said:
        return self._said.get(root_of(project, host), _Said())

    def _read_plan(self, path: Path) -> None:
        with open_migration(path) as migration:
            migration.check_seal()
            at, is_complete = migration.created_at.date().isoformat(), migration.complete
            for id_, source in migration.sources().items():
                content = planned_content(migration, id_)
                said = self._add(path, at, source, content, is_complete=is_complete)
                said.targets.append((str(path), planned_targets(migration, id_)))

    def _read_snapshot(self, path: Path) -> None:
        with open_snapshot(path) as snapshot:
            baseline = Baseline(snapshot)
            at = snapshot.ended_at.date().isoformat()
            is_complete = snapshot.complete and has_blobs(snapshot)
            for id_, source in baseline.sources().items():
                content = kept_content(baseline, id_)
                self._add(path, at, source, content, is_complete=is_complete)

    def _add(
        self, path: Path, at: str, source: Source, content: RootContent, *, is_complete: bool
    ) -> _Said:
        said = self._said.setdefault((source.registry, source.prefix), _Said())
        count = len(content.manifests)
        listed = Listed(str(path), at, is_complete, content.blobs, content.tags, count)
        said.contents.append((listed, content))
        return said


def _gcr_root_in(resource: str) -> Root | None:
    """Return the root of a repository, if it is one of a gcr.io host."""
    for host in GCR_HOSTS:
        end = f"/locations/{host.location}/repositories/{host.repository_id}"
        if resource.endswith(end):
            id_ = resource.removeprefix("projects/").removesuffix(end)
            return root_of(Project.parse(id_), host)
    return None


def root_of(project: Project, host: GcrHost) -> Root:
    """Return where Artifact Registry has the images of a host."""
    return ar_host(host.location), ar_name(project, host.repository_id)
