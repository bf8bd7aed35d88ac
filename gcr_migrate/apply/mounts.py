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
    once it is known that asking is no loss, all ask at once. A registry may also say that it has
    mounted a blob that it then lacks: a pair that no manifest has proved yet is not believed after
    that.
    """

    def __init__(self) -> None:
        self._asking: dict[Pair, tuple[int, asyncio.Future[None]]] = {}  # and the blob that asks
        self._open: set[Pair] = set()  # all ask at once
        self._useless: set[Pair] = set()
        self._proved: set[Pair] = set()
        self._unproved: dict[int, Pair] = {}  # of blobs that no manifest needed so far

    def is_useless(self, pair: Pair) -> bool:
        """Whether a mount of this pair was refused, or accepted in vain."""
        return pair in self._useless

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
            self._tell(pair)

    def answered(self, pair: Pair, blob_id: int, opened: str | None) -> None:
        """Note what came of a mount.

        Args:
            pair: where it was from, and where to.
            blob_id: what was mounted.
            opened: None if it was taken; else the upload that was begun instead, or "".
        """
        if opened is None:
            self._unproved[blob_id] = pair
        (self._useless if opened == "" else self._open).add(pair)
        self._tell(pair)

    def proved(self, blob_ids: Iterable[int]) -> None:
        """Note that a manifest was taken that needs these blobs: those mounted are there."""
        for id_ in blob_ids:
            if pair := self._unproved.pop(id_, None):
                self._proved.add(pair)

    def in_vain(self, blob_id: int) -> None:
        """Note that the registry lacks a blob that it may have said to have mounted."""
        pair = self._unproved.pop(blob_id, None)
        if pair and pair not in self._proved:
            self._useless.add(pair)

    def _tell(self, pair: Pair) -> None:
        if pair in self._asking:
            self._asking.pop(pair)[1].set_result(None)
