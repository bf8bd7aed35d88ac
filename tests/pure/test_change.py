"""Comparing two views: nothing between equal ones, and enough to make one out of the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.change import Change, Entry, How, What, changes

_Content = dict[tuple[str, str, str], str]

_NAMES = st.sampled_from(["a", "a/b", "a-b", "b", "z", "é", "\U0001f433"])
_TAGS = st.dictionaries(_NAMES, st.sampled_from(["sha256:1", "sha256:2", "sha256:3"]))
_DIGESTS = st.sets(st.sampled_from(["sha256:1", "sha256:2", "sha256:3"]))
_CONTENTS = st.dictionaries(_NAMES, st.tuples(_DIGESTS, _TAGS))


def _entries(contents: dict[str, tuple[set[str], dict[str, str]]]) -> list[Entry]:
    """Return contents as entries in order."""
    found = [Entry(image, What.IMAGE) for image in contents]
    for image, (digests, tags) in contents.items():
        found += [Entry(image, What.MANIFEST, digest) for digest in digests]
        found += [Entry(image, What.TAG, tag, digest) for tag, digest in tags.items()]
    return sorted(found, key=lambda entry: entry.key)


def _applied(entries: list[Entry], differences: list[Change]) -> list[Entry]:
    """Make the differences at the entries, each of which has to fit."""
    content = {entry.key: entry.digest for entry in entries}
    for one in differences:
        key = (one.image, one.what.value, one.name)
        assert (key in content) == (one.how is not How.ADDED)
        assert content.pop(key, "") == one.old
        if one.how is not How.REMOVED:
            content[key] = one.new
    return [Entry(k[0], What(k[1]), k[2], digest) for k, digest in sorted(content.items())]


@given(_CONTENTS)
def test_nothing_is_different_from_itself(
    contents: dict[str, tuple[set[str], dict[str, str]]],
) -> None:
    """A view compared with itself shows no difference."""
    entries = _entries(contents)
    assert not list(changes(entries, entries))


@pytest.mark.slow
@given(_CONTENTS, _CONTENTS)
def test_the_differences_make_one_view_out_of_the_other(
    before: dict[str, tuple[set[str], dict[str, str]]],
    after: dict[str, tuple[set[str], dict[str, str]]],
) -> None:
    """Every difference is told, once, and with what was there before."""
    olds, news = _entries(before), _entries(after)
    assert _applied(olds, list(changes(olds, news))) == news


@given(_CONTENTS, _CONTENTS)
def test_differences_are_the_same_seen_from_the_other_side(
    before: dict[str, tuple[set[str], dict[str, str]]],
    after: dict[str, tuple[set[str], dict[str, str]]],
) -> None:
    """What is added from one side is removed from the other, and retagged the other way."""
    mirror = {How.ADDED: How.REMOVED, How.REMOVED: How.ADDED, How.RETAGGED: How.RETAGGED}
    there = list(changes(_entries(before), _entries(after)))
    back = [
        Change(mirror[one.how], one.image, one.what, one.name, old=one.new, new=one.old)
        for one in changes(_entries(after), _entries(before))
    ]
    assert there == back


def test_a_tag_of_which_only_the_name_is_known_is_not_called_retagged() -> None:
    """An unknown digest is no other digest; that the tag is there is known all the same."""
    unknown, known = Entry("a", What.TAG, "1"), Entry("a", What.TAG, "1", "sha256:1")
    assert not list(changes([unknown], [known]))
    assert [one.how for one in changes([unknown], [])] == [How.REMOVED]


def test_a_view_that_is_not_in_order_is_refused() -> None:
    """Out of order, entries would be told as added and removed that are on both sides."""
    entries = [Entry("b", What.IMAGE), Entry("a", What.IMAGE)]
    with pytest.raises(ValueError, match="after"):
        list(changes(entries, entries))
