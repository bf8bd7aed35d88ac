"""Names that a registry lacks, by its catalogue: only where that can be relied on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.wire.endpoints import Endpoints
from tests.scripted import Answer, Asked, Scripted

NO_NAME = Answer(404, {"errors": [{"code": "NAME_UNKNOWN", "message": "no such name"}]})
ASKED_FOR = ("team/app", "team/new", "team/other")


def _lacking(catalogue: Answer, there: set[str], *, of: int = 10) -> tuple[set[str], list[str]]:
    """Return which names are said to be lacking, and what a server was asked for that.

    Args:
        catalogue: its answer to who asks for all names.
        there: names that have a list of tags.
        of: how many names will be asked for in all.
    """

    def answer(asked: Asked) -> Answer:
        path = asked.target.partition("?")[0].removeprefix("/v2/")
        if path == "_catalog":
            return catalogue
        name, _, tail = path.rpartition("/tags/")
        if not tail:
            return Answer()
        return Answer(200, {"name": name, "tags": ["1"]}) if name in there else NO_NAME

    async def ask(host: str) -> set[str]:
        settings = Settings(Endpoints(), environ={}, tries=1)
        async with Connections(settings) as connections:
            names = connections.target_names(host, "distribution", plain_http=True)
            found = [await names.lacks(name, of=of) for name in ASKED_FOR]
        return {name for name, lacks in zip(ASKED_FOR, found, strict=True) if lacks}

    with Scripted(answer) as server:
        lacking = asyncio.run(ask(server.url.removeprefix("http://")))
        asked = [one.target.partition("?")[0] for one in server.asked]
    return lacking, asked


def _names(*names: str) -> Any:
    return {"repositories": list(names)}


def test_one_catalogue_tells_of_all_names() -> None:
    """What it lacks is lacking; one name only is asked for itself, as a test."""
    lacking, asked = _lacking(Answer(200, _names("team/app")), {"team/app"})
    assert lacking == {"team/new", "team/other"}
    assert asked == ["/v2/", "/v2/_catalog", "/v2/team/new/tags/list"]


@pytest.mark.parametrize(
    "catalogue",
    [
        pytest.param(Answer(404, "no such page"), id="is not there"),
        pytest.param(Answer(403, {"errors": [{"code": "DENIED"}]}), id="is forbidden"),
        pytest.param(Answer(200, "no JSON"), id="is none"),
        pytest.param(
            Answer(200, _names("a"), {"Link": '</v2/_catalog?last=a&n=1000>; rel="next"'}),
            id="goes on",
        ),
        pytest.param(
            Answer(200, _names(*(f"a/{one}" for one in range(1_000)))), id="may be cut short"
        ),
    ],
)
def test_a_catalogue_that_may_not_tell_all_tells_nothing(catalogue: Answer) -> None:
    """Then no name is called lacking, not even one that is: each is asked for itself."""
    lacking, asked = _lacking(catalogue, {"team/new", "team/other"})
    assert lacking == set()
    assert asked.count("/v2/_catalog") == 1


def test_a_catalogue_that_hides_a_name_tells_nothing() -> None:
    """The first name that it lacks is there after all: then it may hide others, too."""
    lacking, _ = _lacking(Answer(200, _names()), {*ASKED_FOR})
    assert lacking == set()


def test_a_few_names_are_asked_for_themselves() -> None:
    """A catalogue and its test would cost as much."""
    lacking, asked = _lacking(Answer(200, _names()), set(), of=3)
    assert (lacking, asked) == (set(), [])
