"""The walk over what a service copies: its sums against the truth that the service knows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import (
    AGENT_DENIED,
    BAD_REPLY,
    COPY_TIMEOUT,
    COPY_UNAVAILABLE,
    DENIED,
    NAME_UNKNOWN,
)
from gcr_migrate.model.copying import CopyReply, read_page
from gcr_migrate.rescue.folder import LARGEST_PART, TRIES
from gcr_migrate.rescue.walk import DEEPEST, Ask, Walk
from tests.copying_server import Manifest, Name, Server, Trouble
from tests.made import made

PATHS = st.lists(st.sampled_from("abc"), max_size=4).map("/".join)
NAMES = made(
    Name,
    manifests=st.lists(st.sampled_from(["whole", "whole", "damaged", "broken"]), max_size=7),
    page_size=st.integers(1, 4),
    as_text=st.booleans(),
    repeats=st.booleans(),
    lists_page=st.booleans(),
)
TREES = st.dictionaries(PATHS, NAMES, max_size=8)
TROUBLES: st.SearchStrategy[list[Trouble]] = st.lists(
    st.sampled_from(["", "", "", "before", "after", "part", "cut", "token"]), max_size=40
)


def _drive(walk: Walk, server: Server, most: int = 10_000) -> list[tuple[Ask, CopyReply]]:
    """Answer all that a walk asks; return what was said, in its order."""
    queue, said = [*walk.asks()], []
    while queue:
        ask = queue.pop(0)
        said.append((ask, server.answer(ask.path, ask.step)))
        queue += walk.take(*said[-1])
        assert len(said) < most
    return said


def _clean(walk: Walk) -> bool:
    return all(one.ended and one.problem is None for one in walk.folders.values())


def _copied(walk: Walk) -> int:
    return sum(one.copied for one in walk.folders.values())


@given(TREES, TROUBLES)
def test_sums_are_those_that_the_service_knows(
    names: dict[str, Name], troubles: list[Trouble]
) -> None:
    """Whatever goes wrong with any page, what was told is counted, and once.

    Where all of a name was gone through, its failures are exactly the true ones; where every name
    was, all that can be copied is.
    """
    server = Server(names, troubles)
    walk = Walk([""], None)
    _drive(walk, server)
    assert _copied(walk) == server.new - server.untold
    for (_, path), folder in walk.folders.items():
        name = names.get(path, Name())
        if folder.ended and folder.problem is None:
            assert folder.failures.failed == name.ends("damaged", "broken")
            assert folder.failures.not_found == name.ends("damaged")
            assert len(name.copied) == name.ends("whole")
        else:
            assert folder.problem in {BAD_REPLY, COPY_TIMEOUT} or folder.saw.startswith("400")
    if _clean(walk):
        assert {path for path, name in names.items() if name.manifests} <= {*server.asked}


@given(TREES, TROUBLES, st.integers(0, 30), st.integers(0, 3))
def test_a_walk_that_was_killed_goes_on_where_it_stood(
    names: dict[str, Name], troubles: list[Trouble], kept: int, more_runs: int
) -> None:
    """Replies that were kept lead to the same place; runs after it come to a clean end."""
    server = Server(names, troubles)
    said = _drive(Walk([""], None), server)[:kept]
    again = Walk([""], None)
    for ask, reply in said:
        assert ask in [*again.asks()]
        again.take(ask, reply)
    sums = [page.copied for _, one in said if one.problem is None and (page := read_page(one.body))]
    assert _copied(again) == sum(sums)
    for _ in range(more_runs + 1):
        again.reopen()
        _drive(again, server)
    done = {path for path, name in names.items() if len(name.copied) == name.ends("whole")}
    assert not _clean(again) or done == {*names}


@given(TREES)
def test_without_trouble_each_page_is_asked_for_once(names: dict[str, Name]) -> None:
    """No name is gone through twice, however often the service tells it; the first asks little."""
    server = Server(names, [])
    walk = Walk([""], None)
    said = _drive(walk, server)
    pages = [(ask.path, ask.step.page) for ask, _ in said if ask.step.versions is None]
    assert len(pages) == len(set(pages)) == len(said) - 1
    assert said[0][0] == Ask(0, "", said[0][0].step)
    assert said[0][0].step.versions == 1
    assert _clean(walk)
    again = Walk([""], None)
    for one in said:
        again.take(*one)
    again.reopen()
    failed = {path for path in server.asked if names.get(path, Name()).ends("damaged", "broken")}
    assert {ask.path for ask in again.asks()} == (failed if walk.told else {*server.asked})


def test_a_page_that_takes_too_long_is_parted() -> None:
    """After some tries the newest versions come first, more of them each time, then the rest.

    That some of them cannot be copied is no sign that there are no more.
    """
    manifests: list[Manifest] = ["whole"] * 30
    names = {"": Name([*manifests, "broken"], page_size=100)}
    troubles: list[Trouble] = ["before"] * TRIES
    server = Server(names, ["", *troubles])
    walk = Walk([""], None)
    said = _drive(walk, server)
    versions = [ask.step.versions for ask, _ in said]
    assert versions == [1, *[None] * TRIES, 1, 4, 16, 64, None]
    assert _copied(walk) == 30
    assert walk.folders[0, ""].timeouts == TRIES
    assert _clean(walk)


@pytest.mark.parametrize("lists_page", [True, False])
def test_a_part_of_several_pages_is_as_large_as_all_of_them(*, lists_page: bool) -> None:
    """That the last page of a part is short says nothing of how many versions there are."""
    names = {"": Name(["whole"] * 30, page_size=5, lists_page=lists_page)}
    slow: list[Trouble] = ["before"] * TRIES
    said = _drive(walk := Walk([""], None), Server(names, ["", *slow]))
    parts = [ask.step.versions for ask, _ in said if not ask.step.page]
    assert parts == [1, *[None] * TRIES, 1, 4, 16, 64, None]
    assert _copied(walk) == 30


def test_plain_lists_are_asked_again_by_the_next_run() -> None:
    """A service that says nothing of copies has shown no name to be done; one that does has."""
    names = {"a": Name(["whole"]), "b/c": Name(["whole"])}
    walk = Walk([""], None)
    queue, plain = [*walk.asks()], Server(names, [])
    while queue:
        ask = queue.pop(0)
        body = json.dumps({"child": plain.children(ask.path)}).encode()
        queue += walk.take(ask, CopyReply(200, body))
    assert _clean(walk)
    assert not walk.told
    walk.reopen()
    assert {ask.path for ask in walk.asks()} == {"", "a", "b", "b/c"}
    _drive(walk, Server(names, []))
    assert _copied(walk) == 2
    walk.reopen()
    assert not [*walk.asks()]


def test_a_page_that_never_comes_is_given_up() -> None:
    """The parts are asked for as often, and no more."""
    walk = Walk([""], None)
    slow: list[Trouble] = ["before"] * 100
    server = Server({"": Name(["whole"])}, ["", *slow])
    said = _drive(walk, server)
    assert len(said) == 1 + 2 * TRIES
    assert walk.folders[0, ""].problem is COPY_TIMEOUT
    probe = Walk([""], None)
    assert len(_drive(probe, Server({}, slow))) == TRIES
    assert LARGEST_PART > TRIES


def test_names_below_names_end_somewhere() -> None:
    """A service that tells the same name below each name is left at a certain depth."""
    walk, queue = Walk([""], None), [*Walk([""], None).asks()]
    count = 0
    while queue:
        count += 1
        queue += walk.take(queue.pop(), CopyReply(200, b'{"child": ["a"]}'))
    assert count == DEEPEST + 2
    assert not _clean(walk)


def test_pages_that_lead_back_are_left() -> None:
    """Two pages that lead to each other count once each."""
    walk = Walk([""], None)
    queue = [*walk.asks()]
    for count in range(10):
        ask = queue.pop()
        body = {"manifestsCopied": 1, "nextPage": f"page {count % 2}"}
        queue += walk.take(ask, CopyReply(200, json.dumps(body).encode()))
        if not queue:
            break
    folder = walk.folders[0, ""]
    assert folder.problem is BAD_REPLY
    assert folder.copied == 3


def test_what_is_refused_for_all_names_ends_a_target_and_no_other() -> None:
    """No name of it is asked any more until the next run; a 404 at its start is the service's."""
    walk = Walk(["", "x"], None)
    first, second = walk.asks()
    assert not walk.take(first, CopyReply(403, b"", AGENT_DENIED, "requires a@b to have"))
    assert [*walk.asks()] == [second]
    walk.take(second, CopyReply(404, b"", NAME_UNKNOWN, "404"))
    assert walk.closed == {0: (AGENT_DENIED, "requires a@b to have"), 1: (COPY_UNAVAILABLE, "404")}
    walk.reopen()
    assert [*walk.asks()] == [first, second]


def test_a_name_that_is_denied_leaves_the_others_alone() -> None:
    """At the start of a target it is the whole target that is."""
    walk = Walk([""], 1)
    (start,) = walk.asks()
    one, _ = walk.take(start, CopyReply(200, b'{"child": ["a", "b"]}'))
    walk.take(one, CopyReply(403, b"", DENIED, "403"))
    assert not walk.closed
    assert [ask.path for ask in walk.asks()] == ["b"]
    other = Walk([""], 1)
    other.take(start, CopyReply(403, b"", DENIED, "403"))
    assert other.closed == {0: (DENIED, "403")}


@pytest.mark.parametrize(
    ("body", "copied", "odd"),
    [
        ({"manifestsCopied": "12"}, 12, 0),
        ({"manifestsCopied": None}, 0, 0),
        ({}, 0, 0),
        ({"name": "p/gcr.io/app", "tags": []}, 0, 0),
        ({"child": [], "errors": [{"code": "DENIED"}]}, 0, 1),
        ({"manifestsCopied": -1}, 0, 1),
        ({"manifestsCopied": True}, 0, 1),
        ({"manifestsCopied": 1.5, "tagsCopied": []}, 0, 2),
        ({"child": "app", "manifest": [], "exampleFailures": 3, "nextPage": 7}, 0, 4),
        ({"child": ["ok", "..", "A", "a/b", 4, "x\ny"]}, 0, 5),
        ({"manifestsFailed": 1, "manifestsFailedWithNotFound": 2}, 0, 1),
        ({"nextPage": "\ud800"}, 0, 1),
    ],
)
def test_an_answer_is_read_as_far_as_it_makes_sense(
    body: dict[str, Any], copied: int, odd: int
) -> None:
    """Texts are numbers, what is left out is zero; the rest is odd, and spoils itself alone."""
    page = read_page(json.dumps(body).encode())
    assert page
    assert page.copied == copied
    assert len(page.odd) == odd
    assert page.told == bool(body.keys() - {"child", "manifest", "name", "tags", "errors"})


@pytest.mark.parametrize("body", [[], {"errors": [{"code": "DENIED"}]}, {"error": {"code": 403}}])
def test_what_is_no_list_is_no_answer(body: Any) -> None:
    """An error with the status of success is asked for again, and never an empty name."""
    walk = Walk([""], 1)
    queue, asked = [*walk.asks()], 0
    while queue:
        asked += 1
        queue += walk.take(queue.pop(), CopyReply(200, json.dumps(body).encode()))
    assert asked == TRIES
    assert walk.folders[0, ""].problem is BAD_REPLY


def test_an_odd_page_makes_its_name_unclean_and_no_more() -> None:
    """The pages after it are asked for, and the next run asks for the name again."""
    walk = Walk([""], 1)
    (ask,) = walk.asks()
    (second,) = walk.take(ask, CopyReply(200, b'{"tagsFailed": "many", "nextPage": "2"}'))
    assert second.step.page == "2"
    assert not walk.take(second, CopyReply(200, b'{"manifestsCopied": 2}'))
    folder = walk.folders[0, ""]
    assert folder.problem is None
    assert folder.copied == 2
    assert not folder.is_clean
    walk.reopen()
    assert [*walk.asks()] == [ask]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"nan", b"{", b'{"a":' * 100_000])
def test_what_is_no_object_is_asked_for_again(body: bytes) -> None:
    """It may be whole at the next try; after some it is given up."""
    walk = Walk([""], None)
    queue = [*walk.asks()]
    count = 0
    while queue:
        count += 1
        queue += walk.take(queue.pop(), CopyReply(200, body))
    assert count == TRIES
    assert walk.folders[0, ""].problem is BAD_REPLY
