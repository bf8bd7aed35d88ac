"""The walk over all names of one rescue: each once, whatever the service tells of them.

It is fed with replies and says what to ask next, so that replies which were kept lead it again to
where it stood: that is how a rescue goes on after it was killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import BAD_REPLY, COPY_UNAVAILABLE
from gcr_migrate.model.copying import read_page
from gcr_migrate.rescue.folder import Folder, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.copying import CopyReply

DEEPEST: Final = 64  # components of a path; a name of 255 characters can have no more than twice
# What is refused for one name is refused for all of its target. DENIED need not be.
_FOR_ALL: Final = frozenset(
    {
        errors.AGENT_DENIED,
        errors.API_DISABLED,
        errors.BILLING_OFF,
        errors.NOT_MIGRATED,
        errors.PERIMETER,
        errors.QUOTA_PROJECT,
        errors.TOO_MANY_REQUESTS,
        errors.UNAUTHORIZED,
    }
)
_AT_START: Final = errors.NOT_THERE | {errors.DENIED}


class Ask(Struct, frozen=True):
    """One request of the walk.

    Attributes:
        target: number of the target.
        path: name below it; empty for the target itself.
        step: which part and page of the name.
    """

    target: int
    path: str
    step: Step


class Walk:
    """All names of a rescue.

    Args:
        starts: for each target the name below it where to begin; empty for all of it.
        limit: only so many of the newest versions are wanted; None for all.

    Attributes:
        folders: by target and name.
        closed: targets that answer nobody any more, and why.
        told: targets of which an answer said something that a plain list does not.
    """

    def __init__(self, starts: Sequence[str], limit: int | None) -> None:
        self._limit = limit
        self._starts = {(target, start) for target, start in enumerate(starts)}
        self.folders: dict[tuple[int, str], Folder] = {}
        self.closed: dict[int, tuple[Problem, str]] = {}
        self.told: set[int] = set()
        for key in sorted(self._starts):
            self.folders[key] = Folder(limit, probing=True)

    def asks(self) -> Iterator[Ask]:
        """Return what can be asked now, one request for each name that is open."""
        for (target, path), folder in self.folders.items():
            if folder.step and target not in self.closed:
                yield Ask(target, path, folder.step)

    def take(self, ask: Ask, reply: CopyReply) -> list[Ask]:
        """Take in a reply; return what can be asked because of it."""
        folder = self.folders.get((ask.target, ask.path))
        if folder is None:
            return []
        known = set(folder.children)
        self._judge(ask, folder, reply)
        below = [self._child(ask, child) for child in folder.children if child not in known]
        found = [one for one in below if one]
        if folder.step and ask.target not in self.closed:
            found.append(Ask(ask.target, ask.path, folder.step))
        return found

    def close(self, target: int, problem: Problem, saw: str) -> None:
        """Ask nothing more of a target, for the first reason that was told."""
        self.closed.setdefault(target, (problem, saw))

    def reopen(self) -> None:
        """Begin another run: ask anew for all that did not go well, or was told by plain lists."""
        self.closed.clear()
        for (target, _), folder in self.folders.items():
            folder.reopen(trusted=target in self.told)

    def _judge(self, ask: Ask, folder: Folder, reply: CopyReply) -> None:
        if reply.problem is None:
            page = read_page(reply.body)
            if page is None:
                saw = f"{len(reply.body)} bytes that are no whole list"
                folder.failure(BAD_REPLY, saw)
                return
            if page.told:
                self.told.add(ask.target)
            folder.page(page)
        elif reply.problem in _FOR_ALL:
            self.close(ask.target, reply.problem, reply.saw)
        elif reply.problem in _AT_START and (ask.target, ask.path) in self._starts:
            denied = reply.problem is errors.DENIED
            self.close(ask.target, errors.DENIED if denied else COPY_UNAVAILABLE, reply.saw)
        else:
            folder.failure(reply.problem, reply.saw)

    def _child(self, ask: Ask, child: str) -> Ask | None:
        """Take in a name below another; nothing but the name above it tells of it."""
        path = f"{ask.path}/{child}" if ask.path else child
        folder = self.folders[ask.target, path] = Folder(self._limit)
        if path.count("/") >= DEEPEST:
            folder.give_up(BAD_REPLY, f"names below names without end, {DEEPEST} deep already")
            return None
        return Ask(ask.target, path, folder.step or Step(self._limit))
