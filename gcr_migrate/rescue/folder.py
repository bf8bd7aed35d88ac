"""The copying of one name, page by page, as a state machine: no clock, no network, no file.

The service tells the names below a name, and copies none of them. It counts what is new with each
request, and what fails with each round anew; so copies are summed over all requests and failures
over the pages of one round.

A page that runs out of time has copied an unknown part. It is asked for again a few times; after
that the name is gone through in parts, the newest versions first and four times as many each time,
until the whole of it can be asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.errors import (
    BAD_REPLY,
    COPY_TIMEOUT,
    REQUEST_REFUSED,
    SERVER_ERROR,
    UNREACHABLE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.errors import Problem
    from gcr_migrate.model.copying import CopyPage

TRIES: Final = 4
LARGEST_PART: Final = 1024
_GROWTH: Final = 4
_RESTARTS: Final = 2
_PAGES: Final = 100_000
_EXAMPLES: Final = 10
_SLOW: Final = frozenset({SERVER_ERROR, UNREACHABLE})


class Step(Struct, frozen=True):
    """One request.

    Attributes:
        versions: only so many of the newest versions; None for all.
        page: what leads to the page; empty for the first.
        tries: how often this very page was asked for in vain.
    """

    versions: int | None = None
    page: str = ""
    tries: int = 0


class Failures(Struct):
    """What one round says that it could not do.

    Attributes:
        failed: manifests that could not be copied, those of `not_found` included.
        not_found: those of which a part is gone at the source.
        tags_failed: tags that could not be set.
        examples: the service's words on some failures.
        lost: its words on some of those in `not_found`.
        odd: what of its answers could not be read.
    """

    failed: int = 0
    not_found: int = 0
    tags_failed: int = 0
    examples: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def add(self, page: CopyPage) -> None:
        """Take in a page."""
        self.failed += page.failed
        self.not_found += page.not_found
        self.tags_failed += page.tags_failed
        _add_some(self.examples, page.examples)
        _add_some(self.lost, page.lost)
        self.odd += [one for one in page.odd if one not in self.odd]

    def __bool__(self) -> bool:
        """Whether anything failed."""
        return bool(self.failed or self.tags_failed or self.odd)

    def at_least(self, other: Failures) -> Failures:
        """Return the worse of two rounds, of which none may have gone to its end."""
        return max(self, other, key=lambda one: (one.failed + one.tags_failed, len(one.odd)))


def _add_some(examples: list[str], more: Iterable[str]) -> None:
    new = [one for one in more if one not in examples]
    examples += new[: max(0, _EXAMPLES - len(examples))]


class Folder:
    """One name: an image, a folder of names, or both.

    Args:
        limit: only so many of the newest versions are wanted; None for all.
        probing: begin with the smallest request that there is.

    Attributes:
        copied: manifests that were new, over all requests.
        tags_copied: tags that were set, likewise.
        children: names below it that were told, over all pages.
        timeouts: requests that ran out of time, and whose work nobody has counted.
        ended: it was gone through to its end, or given up.
        problem: why it was given up; None if it was not.
        saw: what was seen then.
    """

    def __init__(self, limit: int | None, *, probing: bool = False) -> None:
        self._limit = limit
        self.copied = 0
        self.tags_copied = 0
        self.children: dict[str, None] = {}
        self.timeouts = 0
        self.ended = False
        self.problem: Problem | None = None
        self.saw = ""
        self._probing = probing
        self._in_parts = False
        self._restarts = 0
        self._round = Failures()
        self._before = Failures()
        self._seen: set[str] = set()
        self._listed: set[str] = set()
        self._step = Step(self._part(1) if probing else limit)

    @property
    def step(self) -> Step | None:
        """What is to be asked next; None if nothing is."""
        return None if self.ended else self._step

    @property
    def failures(self) -> Failures:
        """What failed in the last round; of one that was broken off, or the one before, the worse.

        A broken round may not have come to what the one before it told.
        """
        whole = self.ended and self.problem is None
        return self._round if whole else self._round.at_least(self._before)

    @property
    def is_clean(self) -> bool:
        """Whether all of it was gone through and nothing failed."""
        return self.ended and self.problem is None and not self._round

    def page(self, page: CopyPage) -> None:
        """Take in an answer."""
        self.copied += page.copied
        self.tags_copied += page.tags_copied
        self._round.add(page)
        if self._step.versions != self._limit:  # else nothing hangs on how many there are
            self._listed |= page.digests  # those of the page, or all that the target has
        self.children.update(dict.fromkeys(page.children))
        if not page.next_page:
            self._end_of_round()
        elif page.next_page in self._seen or len(self._seen) >= _PAGES:
            self.give_up(BAD_REPLY, "its pages never end: one leads back to another")
        else:
            self._seen.add(page.next_page)
            self._step = Step(self._step.versions, page.next_page)

    def failure(self, problem: Problem, saw: str) -> None:
        """Take in that nothing usable came back."""
        if problem in _SLOW or problem is BAD_REPLY:
            self._again(problem, saw)
        elif problem is REQUEST_REFUSED and self._step.page and self._restarts < _RESTARTS:
            # What leads to a page need not be good for long, such as from one run to the next.
            self._restarts += 1
            self._begin(self._step.versions)
        else:
            self.give_up(problem, saw)

    def give_up(self, problem: Problem, saw: str) -> None:
        """Leave it as it is."""
        self.ended, self.problem, self.saw = True, problem, saw

    def reopen(self, *, trusted: bool) -> None:
        """Begin another run: what did not go well is asked for anew, what is open goes on.

        Args:
            trusted: whether the service was seen to copy; else what ended well says nothing.
        """
        if self.is_clean and trusted:
            return
        if self.ended:
            self.ended, self.problem, self.saw = False, None, ""
            self._in_parts = False
            self._begin(self._limit)
        self._restarts = 0
        self._step = Step(self._step.versions, self._step.page)

    def _again(self, problem: Problem, saw: str) -> None:
        self.timeouts += problem in _SLOW
        tries, step = self._step.tries + 1, self._step
        if tries < TRIES:
            self._step = Step(step.versions, step.page, tries)
        elif problem is BAD_REPLY:
            self.give_up(problem, saw)
        elif self._probing or self._in_parts or self._limit == 1:
            self.give_up(COPY_TIMEOUT, saw)
        else:
            self._in_parts = True
            self._begin(self._part(1))

    def _end_of_round(self) -> None:
        versions = self._step.versions
        probed, self._probing = self._probing, False
        listed = len(self._listed) + self._round.failed
        if versions == self._limit:
            self.ended = True
        elif probed or versions is None or listed < versions or versions >= LARGEST_PART:
            self._begin(self._limit)  # there are no more versions than that, or the most are copied
        else:
            self._begin(self._part(versions * _GROWTH))

    def _part(self, versions: int) -> int:
        return versions if self._limit is None else min(versions, self._limit)

    def _begin(self, versions: int | None) -> None:
        """Begin a round."""
        self._before, self._round = self._round.at_least(self._before), Failures()
        self._seen, self._listed = set(), set()
        self._step = Step(versions)
