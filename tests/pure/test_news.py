"""Only changes are told: the state machine of alarms, without clock, network or disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.alarm.memory import Memory
from gcr_migrate.alarm.news import Known, News, delivered, news_of, remembered
from gcr_migrate.alarm.trouble import (
    MOST_OF_A_KIND,
    Look,
    Trouble,
    most_of_a_kind,
    seen,
    told_apart,
)
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.finding import Severity
from tests.made import made

DAY = timedelta(hours=24)
NIGHT = datetime(2026, 11, 27, 3, tzinfo=UTC)
ALL = frozenset({"tags", "blobs"})
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
HOSTS = ("us.gcr.io/builds", "eu.gcr.io/builds")


def gone(name: str, host: str = HOSTS[0], levels: frozenset[str] = ALL, saw: str = "") -> Trouble:
    """Return a tag that is not there."""
    return seen("tag-gone", Severity.ERROR, f"{host}/{name}", saw, host=host, levels=levels)


def look(*troubles: Trouble, at: datetime = NIGHT, whole: frozenset[str] = ALL) -> Look:
    """Return what a run saw that looked at all of both hosts at these levels."""
    return Look("builds", at, told_apart(troubles), dict.fromkeys(HOSTS, whole))


@dataclass
class Watchman:
    """A schedule: looks again and again, tells, and remembers."""

    known: tuple[Known, ...] = ()
    told: list[News] = field(default_factory=list)

    def sees(self, one: Look, *, delivers: bool = True) -> News:
        """Take one look, and return its news."""
        news = news_of(self.known, one, DAY)
        told = delivered(news) if delivers else None
        self.known = remembered(self.known, news, one.at, told)
        return news


def names(pile: tuple[Known, ...]) -> list[str]:
    """Return subjects without their hosts."""
    return sorted(known.trouble.subject.rpartition("/")[2] for known in pile)


def test_what_is_new_is_told_once_and_its_end_too() -> None:
    """Night by night: told, kept back, told to be over, and then forgotten."""
    man = Watchman()
    hour = timedelta(hours=1)
    first = man.sees(look(gone("a:1")))
    second = man.sees(look(gone("a:1"), gone("a:2"), at=NIGHT + hour))
    third = man.sees(look(gone("a:2"), at=NIGHT + 2 * hour))
    fourth = man.sees(look(gone("a:2"), at=NIGHT + 3 * hour))

    assert names(first.new) == ["a:1"]
    assert (names(second.new), names(second.still)) == (["a:2"], ["a:1"])
    assert (names(third.over), names(third.still)) == (["a:1"], ["a:2"])
    assert fourth.is_empty
    assert fourth.still[0].since == NIGHT + hour


def test_a_tag_that_moves_once_more_is_told_again() -> None:
    """Other digests are news; other words about the same are not."""
    man = Watchman()
    man.sees(look(gone("a:1", saw=f"{A}, after 3 s")))
    words = man.sees(look(gone("a:1", saw=f"{A}, after 4 s")))
    moved = man.sees(look(gone("a:1", saw=f"{B}, after 4 s")))

    assert words.is_empty
    assert names(moved.new) == ["a:1"]


def test_what_becomes_less_grave_is_told_and_so_is_its_return() -> None:
    """An error that leaves a warning behind does not stay; of both at once the graver counts."""
    man = Watchman()
    error = gone("a:1")
    warning = replace(error, severity=Severity.WARNING)
    told = [man.sees(look(one)).new for one in (error, warning, error, warning)]
    both = man.sees(look(replace(warning, mark="z"), error, warning)).new

    grave = [[known.trouble.severity for known in pile] for pile in [*told, both]]
    assert grave == [[Severity.ERROR], [Severity.WARNING]] * 2 + [[Severity.ERROR]]


def test_what_a_run_did_not_look_at_is_not_over() -> None:
    """A run of fewer levels, one with a gap at that host, and one that failed, clear nothing."""
    man = Watchman()
    man.sees(look(gone("a:1")))
    fewer = man.sees(look(whole=frozenset({"tags"})))
    gap = man.sees(Look("builds", NIGHT, (), {HOSTS[0]: frozenset(), HOSTS[1]: ALL}))
    failed = man.sees(Look("builds", NIGHT))
    whole = man.sees(look())

    assert [names(one.over) for one in (fewer, gap, failed, whole)] == [[], [], [], ["a:1"]]


def test_a_host_that_is_no_more_is_over_when_all_others_were_looked_at() -> None:
    """A project that could not be read, or what is in no baseline now, is not told for ever."""
    man = Watchman()
    lost = seen("unreachable", Severity.ERROR, "builds", "", host="builds", levels=ALL)
    man.sees(Look("builds", NIGHT, (lost,), {"builds": frozenset()}))
    failed = man.sees(Look("builds", NIGHT))
    gap = man.sees(Look("builds", NIGHT, (), {HOSTS[0]: ALL, HOSTS[1]: frozenset({"tags"})}))
    whole = man.sees(look())

    assert [names(one.over) for one in (failed, gap, whole)] == [[], [], ["builds"]]
    assert man.sees(look(at=NIGHT + DAY)).is_empty


def test_a_narrow_run_clears_what_it_found_itself() -> None:
    """What a run of one level saw is over for a later run of that level, whoever saw it too."""
    tags = frozenset({"tags"})
    man = Watchman()
    man.sees(look(gone("a:1")))
    man.sees(look(gone("a:1", levels=tags), whole=tags))
    cleared = man.sees(look(whole=tags))

    assert names(cleared.over) == ["a:1"]


def test_what_could_not_be_delivered_is_told_again() -> None:
    """New, reminders and ends stay untold until somebody has heard of them."""
    man = Watchman()
    for _ in range(2):
        assert names(man.sees(look(gone("a:1")), delivers=False).new) == ["a:1"]
    man.sees(look(gone("a:1")))
    for hours in (24, 25):
        late = look(gone("a:1"), at=NIGHT + timedelta(hours=hours))
        assert names(man.sees(late, delivers=False).reminders) == ["a:1"]
    for _ in range(2):
        assert names(man.sees(look(), delivers=False).over) == ["a:1"]
    man.sees(look())
    assert man.sees(look()).is_empty


def test_a_clock_from_the_future_silences_nobody() -> None:
    """What was told at a time that has not come yet is told again."""
    man = Watchman()
    man.sees(look(gone("a:1"), at=NIGHT + timedelta(days=400)))

    assert names(man.sees(look(gone("a:1"))).reminders) == ["a:1"]


@pytest.mark.parametrize(("early", "pile"), [(600, "reminders"), (5_400, "still")])
def test_a_night_that_begins_earlier_reminds_all_the_same(early: int, pile: str) -> None:
    """A timer is not exact: who is to be reminded each day is not reminded every second one."""
    man = Watchman()
    man.sees(look(gone("a:1")))
    next_night = man.sees(look(gone("a:1"), at=NIGHT + DAY - timedelta(seconds=early)))
    assert names(getattr(next_night, pile)) == ["a:1"]


def test_many_of_a_kind_are_told_as_one() -> None:
    """One entry stands for all of a code at a host; it is news when it stands for others."""
    many = [gone(f"a:{n}") for n in range(MOST_OF_A_KIND + 1)]
    man = Watchman()
    first = man.sees(look(*many))
    same = man.sees(look(*reversed(many)))
    others = man.sees(look(*many[1:], gone("b:1")))
    few = man.sees(look(*many[:2]))
    none = man.sees(look())

    (one,) = first.new
    assert (one.trouble.subject, one.trouble.count) == (HOSTS[0], MOST_OF_A_KIND + 1)
    assert same.is_empty
    assert others.new[0].trouble.count == MOST_OF_A_KIND + 1
    assert (names(few.new), few.over) == (["a:0", "a:1"], ())
    assert names(none.over) == ["a:0", "a:1"]
    assert man.known == ()


def test_many_stay_known_when_only_some_were_looked_at() -> None:
    """A run with a gap that finds two of many does not forget the others."""
    man = Watchman()
    man.sees(look(*(gone(f"a:{n}") for n in range(MOST_OF_A_KIND + 1))))
    some = man.sees(look(gone("a:1"), whole=frozenset({"tags"})))

    assert [known.trouble.count for known in some.still] == [MOST_OF_A_KIND + 1]


@given(st.integers(0, 10_000))
def test_a_message_of_many_targets_stays_small(targets: int) -> None:
    """The more targets, the fewer of a kind are told one by one, and never none."""
    assert 5 <= most_of_a_kind(targets) <= MOST_OF_A_KIND
    assert most_of_a_kind(targets) * min(targets, 400) <= 2_000


KEYS = [(host, name) for host in HOSTS for name in ("a:1", "a:2")]
SIGHTS = st.dictionaries(
    st.sampled_from(KEYS),
    st.tuples(st.sampled_from(["", A, B]), st.sampled_from([Severity.WARNING, Severity.ERROR])),
)
STEPS = st.lists(
    st.tuples(
        SIGHTS,
        st.dictionaries(st.sampled_from(HOSTS), st.sampled_from([ALL, frozenset({"tags"})])),
        st.integers(0, 40),
        st.booleans(),
    ),
    max_size=12,
)


@given(STEPS)
def test_nobody_is_kept_in_the_dark_and_nobody_is_told_twice(
    steps: list[
        tuple[dict[tuple[str, str], tuple[str, Severity]], dict[str, frozenset[str]], int, bool]
    ],
) -> None:
    """Through any nights: new is told, the same is kept back, a reminder comes, an end once."""
    man, at = Watchman(), NIGHT
    heard: dict[tuple[str, str], tuple[tuple[str, Severity], datetime]] = {}
    rumours: set[tuple[str, str]] = set()  # found, and nobody heard of it yet
    last: dict[tuple[str, str], tuple[str, Severity]] = {}
    for sights, whole, hours, delivers in steps:
        at += timedelta(hours=hours)
        last |= sights
        troubles = [
            replace(gone(name, host, saw=saw), severity=severity)
            for (host, name), (saw, severity) in sights.items()
        ]
        one = Look("builds", at, told_apart(troubles), whole)
        news = man.sees(one, delivers=delivers)
        piles = {
            (known.trouble.host, known.trouble.subject.rpartition("/")[2]): pile
            for pile in ("new", "reminders", "over", "still")
            for known in getattr(news, pile)
        }
        expected = {}
        for key in sights.keys() | heard.keys() | rumours:
            sight, before = sights.get(key), heard.get(key)
            if sight is None and _all_was_seen(key[0], whole):
                expected[key] = "over"
            elif before is None or (sight and _is_other(sight, before[0])) or key in rumours:
                expected[key] = "new"
            else:
                expected[key] = "reminders" if at - before[1] >= DAY * 0.95 else "still"
        assert piles == expected

        for key, pile in expected.items():
            if delivers and pile == "over":
                heard.pop(key, None)
                rumours.discard(key)
            elif delivers and pile != "still":
                heard[key] = (last[key], at)
                rumours.discard(key)
            elif pile == "new":
                rumours.add(key)
            if key in sights and key in heard and pile in {"still", "reminders"}:
                heard[key] = (sights[key], heard[key][1])


def _all_was_seen(host: str, whole: dict[str, frozenset[str]]) -> bool:
    """Whether a run looked at a host, or at all that there is where it is no longer one."""
    return whole[host] == ALL if host in whole else set(whole.values()) == {ALL}


def _is_other(now: tuple[str, Severity], before: tuple[str, Severity]) -> bool:
    return now != before


TROUBLES = made(
    seen,
    st.text(min_size=1, max_size=20),
    st.sampled_from(Severity),
    st.text(max_size=400),
    st.text(max_size=400),
    host=st.text(max_size=20),
    levels=st.frozensets(st.sampled_from(sorted(ALL))),
)


@given(st.lists(TROUBLES, max_size=20), st.text(max_size=20))
def test_what_is_remembered_is_read_back(troubles: list[Trouble], target: str) -> None:
    """Any words of strangers go through the file unchanged, and the file is the same each time."""
    kept = tuple(Known(one, NIGHT, NIGHT, None) for one in told_apart(troubles))
    written = Memory.empty().but(target, kept, NIGHT).written()
    read = Memory.read(written, "s")

    assert set(read.known(target)) == set(kept)
    assert read.but(target, read.known(target), NIGHT).written() == written


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"format": "gcr-migrate/alarm-state", "version": 2}',
        b'{"format": "another", "version": 1}',
        b'{"format": "gcr-migrate/alarm-state", "version": 1, "targets": {"a": [{}]}}',
        b'{"format": "gcr-migrate/alarm-state", "version": 1, "later": 1}',
    ],
)
def test_what_is_no_memory_is_refused(data: bytes) -> None:
    """Half a file, another one and that of a later version are told apart from an empty memory."""
    with pytest.raises(MigrateError) as caught:
        Memory.read(data, "s.json")

    assert (caught.value.problem.code, caught.value.subject) == ("bad-alarm-state", "s.json")
