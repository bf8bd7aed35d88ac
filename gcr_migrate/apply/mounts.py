"""What a registry made of mounts, by pair of repositories: one asks first, the others wait."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gcr_migrate.model.work import End, Origin


class Pair(NamedTuple):
    """Two repositories of one registry, or two names where it has none.

    Attributes:
        registry: its host.
        origin: where blobs are mounted from, and `target` where they are mounted.
    """

    registry: str
    origin: str
    target: str

    @classmethod
    def of(cls, origin: Origin, target: End) -> Pair:
        """Return the pair that a mount is about."""
        return cls(target.registry, origin.scope, target.scope)


class Mounts:
    """Remembers which pairs are worth asking.

    A mount that is refused costs a request and gives nothing, and what refuses one refuses all
    between the same two. So of each pair one blob asks first, and the others wait for that answer;
    once it is known that asking is no loss, all ask at once. A registry that begins an upload in
    place of a mount is no loss either, as the blob goes there; but an upload that is left for the
    mount of another origin is, and so only a registry that takes mounts is asked for another.

    A registry may also say that it has mounted a blob that it then lacks: a pair that no manifest
    has proved yet is not believed after that, nor is any pair of a registry that has none proved.
    """

    def __init__(self) -> None:
        self._asking: dict[Pair, tuple[int, asyncio.Future[None]]] = {}  # and the blob that asks
        self._open: set[Pair] = set()  # all ask at once
        self._useless: set[Pair] = set()
        self._begun: set[Pair] = set()  # uploads were begun in place of mounts
        self._taken: set[Pair] = set()
        self._taking: set[str] = set()  # the registries of those
        self._proved: set[Pair] = set()
        self._proving: set[str] = set()  # the registries of those
        self._in_vain: set[str] = set()  # registries that said to have mounted what they lacked
        self._unproved: dict[int, Pair] = {}  # of blobs that no manifest needed so far
        self._broken: dict[int, Pair] = {}  # of blobs whose mounts got no answer
        self._silent: set[str] = set()  # registries that did not answer, though they were there

    def is_useless(self, pair: Pair) -> bool:
        """Whether a mount of this pair was refused, accepted in vain, or would not be answered."""
        is_liar = pair.registry in self._in_vain and pair.registry not in self._proving
        is_silent = pair.registry in self._silent and pair.registry not in self._taking
        return pair in self._useless or is_liar or is_silent

    def has_declined(self, pair: Pair) -> bool:
        """Whether uploads were begun in place of its mounts so far, and none was taken."""
        return pair in self._begun and pair not in self._taken

    def may_be_left_for(self, pair: Pair) -> bool:
        """Whether to ask for this mount though an upload has begun, which would be in vain then."""
        return pair.registry in self._taking

    def first_answer(self, pair: Pair, blob_id: int) -> asyncio.Future[None] | None:
        """Return what a blob has to wait for before it may ask; None: nothing."""
        by, answer = self._asking.get(pair, (blob_id, None))
        return answer if by != blob_id else None

    @contextmanager
    def asking(self, pair: Pair, blob_id: int) -> Iterator[None]:
        """Let the others wait for what a blob is told in the block, if nothing is known yet.

        If it does not come to ask, another one may. After an error nobody waits any more: what
        ails a service as a whole is not for one after the other to find out.
        """
        if pair in self._open or pair in self._asking:
            yield
            return
        self._asking[pair] = blob_id, asyncio.get_running_loop().create_future()
        try:
            yield
        except BaseException:
            self._open.add(pair)
            raise
        finally:
            self.leave(pair, blob_id)

    def leave(self, pair: Pair, blob_id: int) -> None:
        """Note that a blob does not ask, or not any more: nobody waits for it while it waits."""
        by, answer = self._asking.get(pair, (-1, None))
        if answer and by == blob_id:
            del self._asking[pair]
            answer.set_result(None)

    def answered(self, pair: Pair, blob_id: int, opened: str | None) -> None:
        """Note what came of a mount.

        Args:
            pair: where it was from, and where to.
            blob_id: what was mounted.
            opened: None if it was taken; else the upload that was begun instead, or "".
        """
        if opened is None:
            self._unproved[blob_id] = pair
            self._taken.add(pair)
            self._taking.add(pair.registry)
        elif opened:
            self._begun.add(pair)
        (self._useless if opened == "" else self._open).add(pair)
        self.leave(pair, blob_id)

    def refused(self, pair: Pair, blob_id: int) -> None:
        """Note that a mount was refused by itself, while its service takes what else it is asked.

        Where others of its pair were taken, that is a matter of this one.
        """
        if pair not in self._taken:
            self._useless.add(pair)
        self.leave(pair, blob_id)

    def broke(self, pair: Pair, blob_id: int) -> None:
        """Note that a mount got no answer, however often it was asked for."""
        self._broken[blob_id] = pair
        self._open.add(pair)
        self.leave(pair, blob_id)

    def is_unanswered(self, blob_id: int) -> bool:
        """Whether a blob's mount got no answer, and may have been done all the same."""
        return blob_id in self._broken

    def came(self, blob_id: int) -> None:
        """Note that a blob whose mount got no answer is there: it was taken."""
        if pair := self._broken.pop(blob_id, None):
            self.answered(pair, blob_id, None)

    def sent(self, blob_id: int) -> None:
        """Note that a blob was sent: whoever did not answer its mount is there, and mounts none.

        If it has mounted others of the pair before, it was away for a while; and if it mounts any,
        that is a matter of this pair alone.
        """
        pair = self._broken.pop(blob_id, None)
        if pair and pair not in self._taken:
            self._useless.add(pair)
            self._silent.add(pair.registry)

    def proved(self, blob_ids: Iterable[int]) -> None:
        """Note that a manifest was taken that needs these blobs: those mounted are there."""
        for id_ in blob_ids:
            if pair := self._unproved.pop(id_, None):
                self._proved.add(pair)
                self._proving.add(pair.registry)

    def in_vain(self, blob_id: int) -> None:
        """Note that the registry lacks a blob that it may have said to have mounted."""
        pair = self._unproved.pop(blob_id, None)
        if pair and pair not in self._proved:
            self._useless.add(pair)
            self._in_vain.add(pair.registry)
