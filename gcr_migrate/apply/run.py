"""The phases of a run in their order: repositories, access, content, what comes after it."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.apply.copy import LARGE_BYTES, Blobs, Place
from gcr_migrate.apply.finish import finish
from gcr_migrate.apply.journal import Journal, Listener, Outcome
from gcr_migrate.apply.path import Path, Tools
from gcr_migrate.apply.room import Room
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.limits import PATHS_AT_ONCE
from gcr_migrate.model.names import ImagePath
from gcr_migrate.model.steps import State
from gcr_migrate.tasks import a_few_of, all_of

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator

    from gcr_migrate.apply.hand import Hands
    from gcr_migrate.interfaces import TargetRepositories
    from gcr_migrate.model.pattern import Pattern
    from gcr_migrate.model.plan import Image
    from gcr_migrate.state.items import BlobItem
    from gcr_migrate.state.ledger import Ledger
    from gcr_migrate.state.migration import Migration

REQUESTS_AT_ONCE: Final = 32
_WINDOW: Final = 256  # manifests that are looked at together: enough that the line is never idle
_LARGE_AT_ONCE: Final = 4
_SHARES: Final = 4  # of what a place on the line has to send: a blob as long as one begins early
_EARLY_LEAST: Final = 256 * 1024  # a smaller one takes hardly longer than its requests
WORKER_BYTES: Final = 4 * 1024**3  # ten seconds of a core's work


class Provider(Protocol):
    """Who hands out what makes repositories.

    Attributes:
        creation_pause_s: seconds between two creations of repositories.
        blobs_at_once: transfers in flight, to each target host and for each hand.
    """

    creation_pause_s: float
    blobs_at_once: int

    def target_repositories(self) -> TargetRepositories:
        """Return Artifact Registry's repositories, to make those of the target."""
        ...


def check_gates(migration: Migration, *, expected: Collection[str], allow_incomplete: bool) -> None:
    """Refuse a plan that must not run; nothing was changed then.

    Args:
        migration: the plan.
        expected: digests of plans that were reviewed; none: any will do.
        allow_incomplete: also a plan that may miss images.

    Raises:
        MigrateError: `plan-digest-differs`, `plan-incomplete`, `plan-damaged`.
    """
    if expected and migration.digest not in expected:
        wanted = next(iter(expected)) if len(expected) == 1 else f"one of {len(expected)}"
        saw = f"expected {wanted}, plan has {migration.digest}"
        raise MigrateError(errors.DIGEST_DIFFERS, subject=str(migration.path), saw=saw)
    migration.check_seal()
    if not migration.complete and not allow_incomplete:
        raise MigrateError(errors.PLAN_INCOMPLETE, subject=str(migration.path))


def early_from(to_send: int, at_once: int) -> int:
    """Return from how many bytes on a blob is begun early, as it could be what all wait for.

    What is a large part of a place's share of the line does that, and there are only few of such.

    Args:
        to_send: bytes that are to be sent in all; 0: it is not known, or nothing is.
        at_once: blobs on their way at once.
    """
    share = to_send // (_SHARES * at_once)
    return min(LARGE_BYTES, max(_EARLY_LEAST, share)) if to_send else LARGE_BYTES


def workers_for(left_bytes: int, cores: int) -> int:
    """Return how many processes are worth their start for so many bytes to move."""
    return max(1, min(cores, left_bytes // WORKER_BYTES))


class Choice(Struct, frozen=True):
    """Which part of a plan a run is about.

    Attributes:
        only: patterns of image paths at the source; empty: all.
        failed: only paths of which something is given up.
        content_only: others look after repositories and access; nothing of these is written.
    """

    only: tuple[Pattern, ...] = ()
    failed: bool = False
    content_only: bool = False

    def part(self, migration: Migration) -> Part:
        """Find the image paths that are chosen, once: what the run does changes what has failed."""
        if not self.only and not self.failed:
            return Part(content_only=self.content_only)
        taken: set[int] = set()
        repositories = migration.failed_repositories() if self.failed and not self.only else set()
        states = migration.repository_states()
        for image in filter(self.fits, migration.images()):
            lost = states[image.repository_id] is State.FAILED
            if not self.failed or lost or migration.has_failed(image.id):
                taken.add(image.id)
                repositories.add(image.repository_id)
        return Part(frozenset(taken), frozenset(repositories), content_only=self.content_only)

    def fits(self, image: Image) -> bool:
        """Whether the patterns take an image path."""
        path = ImagePath.parse(image.path)
        return not self.only or any(one.match(path) is not None for one in self.only)


class Part(Struct, frozen=True):
    """The part of a plan that a run does.

    Attributes:
        image_ids: its image paths; None: all.
        repository_ids: the repositories that it is about; None: all.
        content_only: others look after repositories and access.
        to_send: bytes of its blobs that are to be sent, as far as is known.
    """

    image_ids: frozenset[int] | None = None
    repository_ids: frozenset[int] | None = None
    content_only: bool = False
    to_send: int = 0

    def takes(self, image: Image) -> bool:
        """Whether an image path is to be worked on."""
        return self.image_ids is None or image.id in self.image_ids


async def apply_migration(  # what a run is made of
    migration: Migration,
    ledger: Ledger,
    provider: Provider,
    hands: Hands,
    listener: Listener,
    *,
    stop: asyncio.Event,
    part: Part | None = None,
) -> None:
    """Bring the target to what the frozen plan says; go on from what the ledger holds.

    Failures of single items are events in the ledger, not exceptions.

    Args:
        migration: the plan; its gates were checked.
        ledger: where events go.
        provider: hands out what makes repositories.
        hands: do what is done with registries.
        listener: is told of progress.
        stop: when set, what is in flight is finished and nothing new begins.
        part: which part of the plan; None: all.

    Raises:
        MigrateError: a service is out of reach as a whole, or the migration file is.
    """
    part = part or Part()
    names = sum(1 for _ in islice(filter(part.takes, migration.images()), PATHS_AT_ONCE))
    journal = Journal(ledger, listener, stop, names=names)
    try:
        await _phases(migration, provider, hands, journal, part, several=names > 1)
    except MigrateError as error:
        if error.problem is not errors.STOPPED:  # which is an orderly end
            raise
    journal.raise_if_out_of_reach()


async def _phases(
    migration: Migration,
    provider: Provider,
    hands: Hands,
    journal: Journal,
    part: Part,
    *,
    several: bool,
) -> None:
    wanted = part.repository_ids
    if wanted is None:
        wanted = frozenset(migration.repositories())
    if any(repository.resource for repository in migration.repositories().values()):
        pause_s = provider.creation_pause_s
        repositories = provider.target_repositories()
        # Registries elsewhere have nothing of this, and it takes a while to load.
        if part.content_only:
            from gcr_migrate.apply.others import look_for_repositories  # noqa: PLC0415

            usable = await look_for_repositories(migration, wanted, repositories, journal)
        else:
            from gcr_migrate.apply.provision import provision  # noqa: PLC0415

            usable = await provision(migration, wanted, repositories, journal, pause_s=pause_s)
    else:
        usable = set(wanted)
    # Each host has its own slots: what waits for one's quota takes no room from the others.
    at_once = provider.blobs_at_once * hands.count
    contents = [
        Content(
            Tools(
                migration,
                journal,
                hands,
                Blobs(migration, journal, hands, at_once, several=several),
                asyncio.Semaphore(_WINDOW * hands.count),
                Room(REQUESTS_AT_ONCE * hands.count, several=several),
            ),
            repository_ids,
            part,
        )
        for repository_ids in _by_host(migration, usable)
    ]
    early = early_from(part.to_send, at_once)
    large_at_once = min(_LARGE_AT_ONCE * hands.count, max(1, at_once // 2))
    large = [a_few_of(one.large_blobs(early), large_at_once) for one in contents]
    paths = [a_few_of(one.paths(), PATHS_AT_ONCE * hands.count) for one in contents]
    await all_of([*large, *paths])
    if migration.setting_states() and part.content_only:
        from gcr_migrate.apply.others import look_for_settings  # noqa: PLC0415

        await look_for_settings(migration, provider.target_repositories(), journal)
    elif migration.setting_states():
        await finish(migration, provider.target_repositories(), journal, usable)


def _by_host(migration: Migration, usable: set[int]) -> list[set[int]]:
    """Part the ids of target repositories by the hosts that these are at."""
    hosts: dict[str, set[int]] = {}
    for id_, repository in migration.repositories().items():
        if id_ in usable:
            hosts.setdefault(repository.registry, set()).add(id_)
    return list(hosts.values())


class Content:
    """The content of all image paths of a run."""

    def __init__(self, tools: Tools, usable: set[int], part: Part) -> None:
        self._tools = tools
        self._migration = tools.migration
        self._usable = usable
        self._part = part
        self._sources = tools.migration.sources()
        self._repositories = tools.migration.repositories()

    def paths(self) -> Iterator[Coroutine[None, None, None]]:
        """Go through the work on each image path, until a stop is wanted."""
        for image in self._migration.images():
            if self._tools.journal.stop.is_set():
                return
            if self._takes(image):
                yield Path(self._tools, self._place(image)).run()

    def large_blobs(self, at_least: int) -> Iterator[Coroutine[None, None, None]]:
        """Go through the largest blobs: begun early, they are not what all wait for at the end."""
        for item in self._migration.large_blobs(at_least):
            if self._tools.journal.stop.is_set():
                return
            yield self._large(item)

    async def _large(self, item: BlobItem) -> None:
        await asyncio.sleep(0)  # there may be many with nothing to do: others get their turn
        image = self._migration.image(item.image_id)
        if not self._takes(image):
            return
        item = self._migration.blob_item(item.id)  # its path may have brought it meanwhile
        brought = self._tools.blobs.bring(self._place(image), item)
        if not isinstance(brought, Outcome):
            await asyncio.shield(brought)

    def _takes(self, image: Image) -> bool:
        return image.repository_id in self._usable and self._part.takes(image)

    def _place(self, image: Image) -> Place:
        return Place(image, self._sources[image.source_id], self._repositories[image.repository_id])
