"""Which of the things that a run found are told: a pure state machine, without a clock.

What is new is told, always, and so is what changed or weighs more or less. What was told is told
again only after a set time. What is over is told once, and only a run that looked for it can say
so. What could not be delivered counts as not told: it is told twice rather than never.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from gcr_migrate.alarm.trouble import Key, Look, Trouble


# A run of every night begins some seconds earlier or later than the one before: a reminder after 24
# hours that waits for the whole of them would come every second night.
_EARLY: Final = 0.95


class Known(Struct, frozen=True):
    """A trouble that is remembered.

    Attributes:
        trouble: as it was seen last.
        since: when it was found first.
        seen_at: when it was seen last.
        told_at: when somebody was told of it last; None: nobody was yet.
    """

    trouble: Trouble
    since: datetime
    seen_at: datetime
    told_at: datetime | None = None


class News(Struct, frozen=True):
    """What is to be told of one target.

    Attributes:
        target: as the command line names it.
        new: found for the first time, or changed, or never told.
        reminders: found before, and told so long ago that it is time again.
        over: no longer so.
        still: found before, and told not long ago: these are kept back.
    """

    target: str
    new: tuple[Known, ...] = ()
    reminders: tuple[Known, ...] = ()
    over: tuple[Known, ...] = ()
    still: tuple[Known, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.new or self.reminders or self.over)


def news_of(known: Iterable[Known], look: Look, remind_after: timedelta) -> News:
    """Compare what one run found with what is remembered of its target.

    Args:
        known: what is remembered.
        look: what the run found, and what it looked at.
        remind_after: after so long a trouble that stays is told again, or a twentieth of it sooner.
    """
    before = {one.trouble.key: one for one in known}
    piles: dict[str, list[Known]] = {"new": [], "reminders": [], "over": [], "still": []}
    for one in _seen_again(before, look):
        piles[_pile(before, one, look, remind_after)].append(one)
    for one in _not_seen(before, look):
        over = look.was_made_for(one.trouble)
        piles["over" if over else _pile(before, one, look, remind_after)].append(one)
    return News(look.target, **{name: tuple(pile) for name, pile in piles.items()})


def remembered(
    known: Iterable[Known], news: News, at: datetime, told: Mapping[Key, str] | None
) -> tuple[Known, ...]:
    """Return what is to be remembered of a target after its news.

    Args:
        known: what was remembered before.
        news: what came of it.
        at: when it was told.
        told: by key, the marks of what was delivered; None: nothing was.
    """
    before = {one.trouble.key: one for one in known}
    after: list[Known] = list(news.still)
    for one in (*news.new, *news.reminders):
        if _was_delivered(one, told):
            after.append(replace(one, told_at=at))
        else:  # it is as untold as before; what changed has not been told as it is now
            old = before.get(one.trouble.key)
            same = old is not None and not one.trouble.is_news_after(old.trouble)
            after.append(one if same else replace(one, told_at=None))
    after += [one for one in news.over if not _was_delivered(one, told)]
    return tuple(after)


def delivered(news: News) -> dict[Key, str]:
    """Return what `remembered` is to be told when all of this was delivered."""
    return {one.trouble.key: one.trouble.mark for one in (*news.new, *news.reminders, *news.over)}


def _was_delivered(one: Known, told: Mapping[Key, str] | None) -> bool:
    return told is not None and told.get(one.trouble.key) == one.trouble.mark


def _seen_again(before: Mapping[Key, Known], look: Look) -> Iterator[Known]:
    for trouble in look.troubles:
        old = before.get(trouble.key)
        if old is None:
            yield Known(trouble, look.at, look.at)
            continue
        # What the narrower run saw, it would see again: later runs need no more to clear it.
        levels = trouble.levels & old.trouble.levels or trouble.levels
        yield Known(replace(trouble, levels=levels), old.since, look.at, old.told_at)


def _not_seen(before: Mapping[Key, Known], look: Look) -> Iterator[Known]:
    """Give what is remembered and was not found, unless it lives on under another name.

    Where there come to be too many of a kind, one trouble stands for them, and the other way round.
    """
    now = {trouble.key for trouble in look.troubles}
    kinds = Counter((trouble.kind, trouble.is_many) for trouble in look.troubles)
    for key, one in before.items():
        trouble = one.trouble
        lives_on = kinds[trouble.kind, not trouble.is_many] > 0
        if lives_on and trouble.is_many:  # only some of them may have been looked at
            lives_on = look.was_made_for(trouble)
        if key not in now and not lives_on:
            yield one


def _pile(before: Mapping[Key, Known], one: Known, look: Look, remind_after: timedelta) -> str:
    old = before.get(one.trouble.key)
    if old is None or old.told_at is None or one.trouble.is_news_after(old.trouble):
        return "new"
    passed = look.at - old.told_at
    # A clock that was wrong must not silence anybody: what was told in the future is told again.
    due = passed >= remind_after * _EARLY or old.told_at > look.at
    return "reminders" if due else "still"
