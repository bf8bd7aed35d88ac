"""What happened to each item of a run, as it goes to the ledger and to whoever listens."""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from gcr_migrate import errors
from gcr_migrate.apply.reach import Reach
from gcr_migrate.errors import Exit, MigrateError
from gcr_migrate.model.steps import Event, Kind, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.model.policies import ExactPolicy
    from gcr_migrate.state.ledger import Ledger

_LOGIN_GONE = frozenset({errors.TOKEN_EXPIRED, errors.BAD_CREDENTIALS})


class Listener(Protocol):
    """Who is told of a run's progress."""

    def item(self, step: Step) -> None:
        """Take note that something happened to one item."""
        ...

    def bytes(self, count: int) -> None:
        """Take note that so many bytes of blobs have left for the target; negative: in vain."""
        ...


class Outcome(Enum):
    """How one item came out of this run."""

    DONE = "done"
    FAILED = "failed"
    GONE = "gone"  # the source has it no more, and the spec says to leave it then
    PENDING = "pending"


class Journal:
    """Records events, tells the listener, and decides when going on is pointless.

    Args:
        ledger: where events are kept.
        listener: who is told.
        stop: set by a person who wants an orderly stop, and here when a service is gone.
        names: how many image paths there are.
    """

    def __init__(
        self, ledger: Ledger, listener: Listener, stop: asyncio.Event, *, names: int = 1
    ) -> None:
        self._ledger = ledger
        self.listener = listener
        self.stop = stop
        self._reach = Reach(names)
        self._fatal: MigrateError | None = None
        self._unseen: MigrateError | None = None
        self._moving: set[tuple[Kind, int]] = set()
        # Many manifests ask for one blob. These came out and may not be on disk yet, where the
        # plan's rows would show it; and these failed, and are not tried twice in a run.
        self._fresh_blobs: set[int] = set()
        ledger.on_settled = self._fresh_blobs.clear
        self._failed_blobs: set[int] = set()

    def is_over(self, name: int) -> bool:
        """Whether nothing of an image path, named by its number, is to be begun any more."""
        return self.stop.is_set() or self._reach.is_lost(name)

    def came_out(self, blob_id: int) -> Outcome | None:
        """Return what became of a blob in this run, where its row may not tell it yet."""
        if blob_id in self._failed_blobs:
            return Outcome.FAILED
        return Outcome.DONE if blob_id in self._fresh_blobs else None

    def begins(self, kind: Kind, item_id: int) -> None:
        """Record the start of what may be done twice, and need not wait for the disk."""
        self._ledger.record(kind, item_id, Event.STARTED)
        self._moving.add((kind, item_id))
        self.listener.item(Step(kind, item_id, Event.STARTED))

    async def started(
        self, kind: Kind, item_id: int, size_bytes: int = 0, *, operation: str = ""
    ) -> None:
        """Return when the start is on disk, so that no byte leaves before.

        Args:
            kind: what the item is.
            item_id: which one.
            size_bytes: bytes that are to move.
            operation: name of the service's operation that a later run can ask for, if any.
        """
        self._ledger.record(kind, item_id, Event.STARTED, how=operation)
        await self._ledger.written()
        if operation:  # it goes on without us, whatever becomes of this run
            self._moving.discard((kind, item_id))
        else:
            self._moving.add((kind, item_id))
        self.listener.item(Step(kind, item_id, Event.STARTED, size_bytes))

    async def sending(self, kind: Kind, item_ids: Iterable[int]) -> None:
        """Return when the start of all these is on disk, of which one request is to be sent.

        What becomes of a request is not known until it is answered: they stay started if it never
        is, until somebody looks.
        """
        ids = list(item_ids)
        on_disk = []
        for id_ in ids:
            self._ledger.record(kind, id_, Event.STARTED)
            on_disk.append(self._ledger.written())
        await asyncio.gather(*on_disk)
        for id_ in ids:
            self.listener.item(Step(kind, id_, Event.STARTED))

    def refused(self, kind: Kind, item_id: int) -> None:
        """Record that what was started is not at the target, so that it is planned as before."""
        self._ledger.record(kind, item_id, Event.LOST)
        self.listener.item(Step(kind, item_id, Event.LOST))

    def lost(self, kind: Kind, item_id: int, size_bytes: int = 0) -> None:
        """Record that what had counted as there is not at the target; a blob, with its length."""
        self._ledger.record(kind, item_id, Event.LOST)
        self.listener.item(Step(kind, item_id, Event.LOST, size_bytes, how="believed"))

    def doubted(self, item_id: int, size_bytes: int, *, is_sent: bool) -> None:
        """Record that a blob which had counted as there may be lost, and has to be looked for.

        Args:
            item_id: which one.
            size_bytes: its length.
            is_sent: it has to be sent if it is lost; else it can be mounted from another name.
        """
        self._ledger.record(Kind.BLOB, item_id, Event.LOST)
        self._ledger.record(Kind.BLOB, item_id, Event.STARTED)  # who goes on with it asks, too
        how = "believed" if is_sent else "elsewhere"
        self.listener.item(Step(Kind.BLOB, item_id, Event.LOST, size_bytes, how=how))

    def undone(self, kind: Kind, item_id: int) -> None:
        """Record that what a run had added was taken back."""
        self._ledger.record(kind, item_id, Event.UNDONE)
        self.listener.item(Step(kind, item_id, Event.UNDONE))

    def keep_policy(self, repository_id: int, policy: ExactPolicy) -> None:
        """Keep a policy as it was read before a write; it is on disk on return.

        Raises:
            MigrateError: the migration file cannot be written.
        """
        etag = policy.policy.etag
        self._ledger.keep_policy(repository_id, policy.resource, etag, policy.raw)

    def settle(self) -> None:
        """Have the plan's rows show everything that has happened."""
        self._ledger.settle()

    def keep_settings(self, repository_id: int, raw: str) -> None:
        """Keep a repository as it was read before a change; it is on disk on return.

        Raises:
            MigrateError: the migration file cannot be written.
        """
        self._ledger.keep_settings(repository_id, raw)

    def confirmed(
        self, kind: Kind, item_id: int, *, how: str, size_bytes: int = 0, of: int | None = None
    ) -> Outcome:
        """Record presence.

        Args:
            kind: what the item is.
            item_id: which one.
            how: `uploaded`, `mounted`, `written`, `created`, or `present`.
            size_bytes: of a blob or manifest, its length.
            of: number of the image path that it belongs to, if it does.
        """
        self._reach.done(of)
        self._moving.discard((kind, item_id))
        self._ledger.record(kind, item_id, Event.CONFIRMED, how=how, size_bytes=size_bytes)
        if kind is Kind.BLOB:
            self._fresh_blobs.add(item_id)
        self.listener.item(Step(kind, item_id, Event.CONFIRMED, size_bytes, how))
        return Outcome.DONE

    def skipped(
        self, kind: Kind, item_id: int, *, code: str, saw: str, size_bytes: int = 0
    ) -> Outcome:
        """Record that a rule of the spec leaves the item as it is; a blob, with its length."""
        self._ledger.record(kind, item_id, Event.SKIPPED, code=code, saw=saw)
        if kind is Kind.BLOB:
            self._fresh_blobs.add(item_id)
        self.listener.item(Step(kind, item_id, Event.SKIPPED, size_bytes, code=code))
        return Outcome.DONE

    def gave_up(
        self, kind: Kind, item_id: int, error: MigrateError, *, of: int | None = None
    ) -> Outcome:
        """Record a failure with its reason; it ends the item, not the run.

        A login that has ended is no failure of the item, nor is a wish to stop: it is given back,
        for another run, and nothing new begins in this one.

        Args:
            kind: what the item is.
            item_id: which one.
            error: why.
            of: number of the image path that it belongs to, if it does.

        Raises:
            MigrateError: the migration file itself cannot be written.
        """
        if error.problem in errors.FILE_TROUBLES:
            raise error
        was_moving = (kind, item_id) in self._moving
        self._moving.discard((kind, item_id))
        if error.problem in _LOGIN_GONE or error.problem is errors.STOPPED:
            # Nothing was sent after a wish to stop; whose login ended may have had an answer lost.
            if was_moving and error.problem is errors.STOPPED:
                self.refused(kind, item_id)
            if error.problem in _LOGIN_GONE:
                self._fatal = self._fatal or error
                self.stop.set()
            return Outcome.PENDING
        code, saw = error.problem.code, f"{error.subject}: {error.saw}".removesuffix(": ")
        self._ledger.record(kind, item_id, Event.GAVE_UP, code=code, saw=saw)
        if kind is Kind.BLOB:
            self._failed_blobs.add(item_id)
        self.listener.item(Step(kind, item_id, Event.GAVE_UP, code=code))
        self._out_of_reach(error, of)
        return Outcome.FAILED

    def unseen(self, error: MigrateError, *, of: int) -> None:
        """Note that nobody can tell whether the target still has what it had of an image path."""
        self._unseen = self._unseen or error
        self._out_of_reach(error, of)

    def _out_of_reach(self, error: MigrateError, of: int | None) -> None:
        """Count what is out of reach, and stop where that is too much in a row."""
        if error.problem.exit is Exit.OUT_OF_REACH:
            self._reach.failed(error, of)
            if self._reach.fatal:
                self.stop.set()

    def raise_if_out_of_reach(self) -> None:
        """Raise the cause when a service was gone, or nothing at all could be reached.

        And when a part of the target could not be looked at: what it should have is not proven.

        Raises:
            MigrateError: that cause; what is not done stays pending or failed in the ledger.
        """
        if error := self._fatal or self._reach.why_not() or self._unseen:
            raise error
