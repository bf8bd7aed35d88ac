"""The phases of a run in their order: repositories, access, content, tags."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from gcr_migrate import errors
from gcr_migrate.apply.copy import Copier, Place, TagsNow, is_settled
from gcr_migrate.apply.journal import Journal, Listener, Outcome
from gcr_migrate.apply.provision import provision
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.tasks import a_few_of, all_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from gcr_migrate.interfaces import SourceRegistry, TargetRegistry, TargetRepositories
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.plan import Image
    from gcr_migrate.state.ledger import Ledger
    from gcr_migrate.state.migration import ManifestItem, Migration, TagItem

IMAGES_AT_ONCE = 16
BLOBS_AT_ONCE = 16  # more only adds memory: 16 and 64 were equal at a 30 ms round trip
MANIFESTS_AT_ONCE = 4  # per image path: writes start oldest first, a few in flight
_CHUNK = 64  # manifests of one path that are looked at together


class Clients(Protocol):
    """Who hands out the clients that a run needs.

    Attributes:
        creation_pause_s: seconds between two creations of repositories.
    """

    creation_pause_s: float

    def source(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001
    ) -> SourceRegistry:
        """Return a client that only reads."""
        ...

    def target(
        self,
        registry_host: str,
        dialect_name: str,
        plain_http: bool | None,  # noqa: FBT001
    ) -> TargetRegistry:
        """Return a client that writes."""
        ...

    def target_repositories(self) -> TargetRepositories:
        """Return Artifact Registry's repositories, to make those of the target."""
        ...


def check_gates(migration: Migration, *, expect_digest: str | None, allow_incomplete: bool) -> None:
    """Refuse a plan that must not run; nothing was changed then.

    Raises:
        MigrateError: `plan-digest-differs`, `plan-incomplete`, `plan-damaged`.
    """
    if expect_digest and expect_digest != migration.digest:
        saw = f"expected {expect_digest}, plan has {migration.digest}"
        raise MigrateError(errors.DIGEST_DIFFERS, subject=str(migration.path), saw=saw)
    migration.check_seal()
    if not migration.complete and not allow_incomplete:
        raise MigrateError(errors.PLAN_INCOMPLETE, subject=str(migration.path))


async def apply_migration(
    migration: Migration,
    ledger: Ledger,
    clients: Clients,
    listener: Listener,
    *,
    stop: asyncio.Event,
) -> None:
    """Bring the target to what the frozen plan says; go on from what the ledger holds.

    Failures of single items are events in the ledger, not exceptions.

    Args:
        migration: the plan; its gates were checked.
        ledger: where events go.
        clients: hands out clients.
        listener: is told of progress.
        stop: when set, what is in flight is finished and nothing new begins.

    Raises:
        MigrateError: a service is out of reach as a whole, or the migration file is.
    """
    journal = Journal(ledger, listener, stop)
    if any(repository.resource for repository in migration.repositories().values()):
        pause_s = clients.creation_pause_s
        repositories = clients.target_repositories()
        usable = await provision(migration, repositories, journal, pause_s=pause_s)
    else:
        usable = set(migration.repositories())
    run = _Content(migration, clients, journal)
    await a_few_of(run.images(usable), IMAGES_AT_ONCE)
    journal.raise_if_out_of_reach()


class _Content:
    """The content of all images of a run."""

    def __init__(self, migration: Migration, clients: Clients, journal: Journal) -> None:
        self._migration = migration
        self._clients = clients
        self._journal = journal
        self._copier = Copier(migration, journal, BLOBS_AT_ONCE)
        self._sources = migration.sources()
        self._repositories = migration.repositories()

    def place(self, image: Image) -> Place:
        """Where an image is read and written."""
        source = self._sources[image.source_id]
        repository = self._repositories[image.repository_id]
        return Place(
            image,
            source,
            repository,
            self._clients.source(source.registry, source.dialect, source.plain_http),
            self._clients.target(repository.registry, repository.dialect, repository.plain_http),
        )

    def images(self, usable: set[int]) -> Iterator[Coroutine[None, None, None]]:
        """Go through the work on each image of these repositories, until a stop is wanted."""
        for image in self._migration.images():
            if self._journal.stop.is_set():
                return
            if image.repository_id in usable:
                yield self.image(image.id, self.place(image))

    async def image(self, image_id: int, place: Place) -> None:
        """Blobs, then manifests bottom-up and oldest first, then tags."""
        outcomes: dict[int, Outcome] = {}
        blob_outcomes: dict[int, Outcome] = {}
        ranks: dict[int, int] = {}
        after = 0
        while items := self._migration.manifests(image_id, after_id=after, limit=_CHUNK):
            after = items[-1].id
            ranks |= {item.id: item.rank for item in items}
            await self._chunk(place, items, outcomes, blob_outcomes)
        await self._tags(image_id, place, outcomes, ranks)

    async def _chunk(
        self,
        place: Place,
        items: list[ManifestItem],
        outcomes: dict[int, Outcome],
        blob_outcomes: dict[int, Outcome],
    ) -> None:
        """Start blobs of all, and write each manifest when what it needs is there."""
        blobs: dict[int, asyncio.Task[Outcome]] = {}
        slots = asyncio.Semaphore(MANIFESTS_AT_ONCE)
        tasks: dict[int, asyncio.Task[Outcome]] = {}

        async def write(item: ManifestItem, blob_ids: list[int]) -> Outcome:
            needs = [tasks[need] for need in item.needs if need in tasks]
            needed = [blobs[blob_id] for blob_id in blob_ids if blob_id in blobs]
            came_out = [await task for task in (*needed, *needs)]
            came_out += [blob_outcomes[one] for one in blob_ids if one not in blobs]
            came_out += [outcomes[need] for need in item.needs if need not in tasks]
            if Outcome.PENDING in came_out:
                return Outcome.PENDING
            if Outcome.FAILED in came_out:
                blocked = MigrateError(errors.BLOCKED, subject=f"{place.shown}@{item.digest}")
                return self._journal.gave_up(Kind.MANIFEST, item.id, blocked)
            async with slots:
                return await self._copier.manifest(place, item)

        async with asyncio.TaskGroup() as group:
            for item in items:
                if item.present or item.state is State.PRESENT:
                    outcomes[item.id] = Outcome.DONE
                    continue
                needed = self._migration.blobs_of(item.id)
                for blob in needed:
                    if blob.id not in blobs and blob.id not in blob_outcomes:
                        blobs[blob.id] = group.create_task(self._copier.blob(place, blob))
                tasks[item.id] = group.create_task(write(item, [blob.id for blob in needed]))
        outcomes |= {item_id: task.result() for item_id, task in tasks.items()}
        blob_outcomes |= {blob_id: task.result() for blob_id, task in blobs.items()}

    async def _tags(
        self, image_id: int, place: Place, outcomes: dict[int, Outcome], ranks: dict[int, int]
    ) -> None:
        """Set tags last, so that no reader ever sees one whose content is not complete."""
        open_tags: list[TagItem] = []
        for item in self._migration.tags(image_id):
            if is_settled(item) or self._journal.stop.is_set():
                continue
            if self._is_lost(place, item, outcomes):
                continue
            open_tags.append(item)
        if not open_tags:
            return
        try:
            now = await tags_now(place, [item.tag for item in open_tags])
        except MigrateError as error:
            for item in open_tags:
                self._journal.gave_up(Kind.TAG, item.id, error)
            return
        slots = asyncio.Semaphore(MANIFESTS_AT_ONCE)

        async def one(item: TagItem) -> None:
            async with slots:
                await self._copier.tag(place, item, now[item.tag])

        # A tag writes its manifest again, and a registry on a plain disk does so in place: an
        # index must not be checked there while a tag of what it lists is set.
        waves: dict[int, list[TagItem]] = {}
        for item in open_tags:
            waves.setdefault(ranks[item.manifest_item_id], []).append(item)
        for _, wave in sorted(waves.items()):
            await all_of(one(item) for item in wave)

    def _is_lost(self, place: Place, item: TagItem, outcomes: dict[int, Outcome]) -> bool:
        """Whether a tag cannot be set, as its manifest is not there."""
        outcome = outcomes.get(item.manifest_item_id, Outcome.DONE)
        if outcome is Outcome.PENDING:
            return True
        subject = f"{place.shown}:{item.tag}"
        if outcome is Outcome.FAILED:
            blocked = MigrateError(errors.BLOCKED, subject=subject, saw=str(item.digest))
            self._journal.gave_up(Kind.TAG, item.id, blocked)
        return outcome is Outcome.FAILED


async def tags_now(place: Place, tags: list[str]) -> dict[str, TagsNow]:
    """Ask both sides what these tags resolve to now: one list each where lists tell digests.

    Raises:
        MigrateError: a side does not answer.
    """
    source, target = await all_of(
        [
            _resolve(place.reader, place.source_name, tags),
            _resolve(place.writer, place.target_name, tags),
        ]
    )
    return {tag: TagsNow(source[tag], target[tag]) for tag in tags}


async def _resolve(
    registry: SourceRegistry, name: str, tags: list[str]
) -> dict[str, Digest | None]:
    known: dict[str, Digest | None] = {}
    if registry.dialect.lists_manifests:
        try:
            listing = await registry.listing(name)
        except MigrateError as error:
            if error.problem not in errors.NOT_THERE:
                raise
            return dict.fromkeys(tags)
        known = {tag: digest for tag, digest in listing.tags.items() if digest}
        if not listing.cut:
            return {tag: known.get(tag) for tag in tags}
    unknown = [tag for tag in tags if tag not in known]
    slots = asyncio.Semaphore(BLOBS_AT_ONCE)

    async def head(tag: str) -> Digest | None:
        async with slots:
            found = await registry.manifest_head(name, tag)
            return found.digest if found else None

    known |= dict(zip(unknown, await all_of(head(tag) for tag in unknown), strict=True))
    return {tag: known[tag] for tag in tags}
