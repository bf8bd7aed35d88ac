"""Virtual repositories: where one can stand over the targets of a split, and why not."""

from __future__ import annotations

import pytest

from gcr_migrate.errors import (
    BAD_SPEC,
    VIRTUAL_IMPOSSIBLE,
    VIRTUAL_POSSIBLE,
    VIRTUAL_REFUSED,
    MigrateError,
)
from gcr_migrate.model.names import ImagePath
from gcr_migrate.plan.routes import Edge, SourcePaths, route_all
from gcr_migrate.plan.virtual import UPSTREAMS_AT_MOST, offers, splits_of, virtual_repositories
from gcr_migrate.spec import load_spec

KEEPS = '{match: "{a}/**", repository: "{a}"}'
STRIPS = '{match: "{a}/**", repository: "{a}", strip: "{a}"}'
PATHS = ("one/app", "one/x/y", "two/job")


def _edges(text: str, *paths: str) -> list[Edge]:
    sources = [
        SourcePaths("us.gcr.io/builds", "us.gcr.io", "us", [ImagePath.parse(p) for p in paths])
    ]
    edges, refusals = route_all(load_spec(text, "s.yaml"), sources)
    assert not refusals
    return edges


def _spec(*routes: str, virtual: str = "") -> str:
    asked = f"virtual: [{virtual}]\n" if virtual else ""
    source = "source: {project: builds, hosts: [us.gcr.io]}\n"
    return f"{source}routes: [{', '.join(routes)}]\n{asked}"


def _offers(route: str, *paths: str) -> list[tuple[str, str, str]]:
    found = offers(splits_of(_edges(_spec(route), *paths)))
    return [(one.problem.code, one.subject, one.saw) for one in found]


def _asked(virtual: str, *routes: str, paths: tuple[str, ...] = PATHS) -> list[str]:
    """Return what is made of an entry of the spec: its upstreams, or why it is refused."""
    text = _spec(*(routes or (KEEPS,)), virtual=virtual)
    made, refusals = virtual_repositories(
        load_spec(text, "s.yaml"), splits_of(_edges(text, *paths))
    )
    assert all(one.problem is VIRTUAL_REFUSED for one in refusals)
    named = [up.rpartition("/")[2] for one in made for up in one.upstreams]
    return named + [one.saw for one in refusals]


def test_one_address_is_offered_where_paths_do_not_meet() -> None:
    """With its name, which is free, and whether paths are as they were at the source."""
    images = "us-docker.pkg.dev/builds/images"
    saw = f"virtual over one, two: all images as {images}/PATH; paths are as at the source"
    assert _offers(KEEPS, *PATHS) == [(VIRTUAL_POSSIBLE.code, images, saw)]
    ((_, _, saw),) = _offers(STRIPS, *PATHS)
    assert saw.endswith("paths are those of the split")
    ((_, subject, _),) = _offers(KEEPS, "images/a", "two/a")
    assert subject == "us-docker.pkg.dev/builds/all-images"
    assert _offers(KEEPS, "one/app") == []


def test_what_stands_against_one_address_is_told() -> None:
    """The same path in several, or more of them than a virtual repository may have."""
    ((code, _, saw),) = _offers(STRIPS, "one/app", "two/app", "two/x")
    assert (code, saw) == (VIRTUAL_IMPOSSIBLE.code, "the same path in several: app in one and two")
    many = [f"p{n}/a" for n in range(UPSTREAMS_AT_MOST + 1)]
    ((code, _, saw),) = _offers(KEEPS, *many)
    assert (code, saw) == (VIRTUAL_IMPOSSIBLE.code, "31 upstreams, 30 are allowed")
    assert _offers(KEEPS, *many[1:])[0][0] == VIRTUAL_POSSIBLE.code


def test_a_virtual_repository_stands_over_what_the_spec_names() -> None:
    """All of its location, or those named, in this order; with the readers that are named."""
    assert _asked("{repository: images}") == ["one", "two"]
    assert _asked("{repository: images, over: [two, one], location: us}") == ["two", "one"]
    text = _spec(
        KEEPS,
        virtual="{repository: images, description: All, grant: [{role: artifactregistry.reader,"
        ' members: ["group:devs@example.com"]}]}',
    )
    ((row,), _) = virtual_repositories(load_spec(text, "s"), splits_of(_edges(text, *PATHS)))
    assert row.shown == "us-docker.pkg.dev/builds/images"
    assert row.settings.description == "All"
    assert [grant.member for grant in row.grants] == ["group:devs@example.com"]
    assert row.upstreams[0] == "projects/builds/locations/us/repositories/one"


@pytest.mark.parametrize(
    ("virtual", "says"),
    [
        ("{repository: one}", "us-docker.pkg.dev/builds/one is a target itself"),
        ("{repository: v, over: [one, three]}", "three is no target of this plan in us"),
        ("{repository: v, location: asia}", "no target is in asia; they are in us"),
        ("{repository: v}, {repository: v}", "us-docker.pkg.dev/builds/v is asked for twice"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(virtual: str, says: str) -> None:
    """So that the spec is mended before anything is read."""
    assert _asked(virtual)[-1] == says


def test_targets_in_several_locations_need_a_word() -> None:
    """Unless all that are named are in one of them."""
    routes = ('{match: "one/**", repository: one, location: europe}', KEEPS)
    saw = "targets are in europe, us: it needs a `location`"
    assert _asked("{repository: v}", *routes) == [saw]
    assert _asked("{repository: v, location: europe}", *routes) == ["one"]
    assert _asked("{repository: v, over: [two]}", *routes) == ["two"]
    assert _asked("{repository: v, over: [one, two]}", *routes) == [saw]
    paths = ("one/app", "two/app")
    ((shared),) = _asked("{repository: v, over: [one, two]}", STRIPS, paths=paths)
    assert shared == "the same path in several: app in one and two"


@pytest.mark.parametrize(
    ("virtual", "says"),
    [
        ("{repository: A}", "lower-case"),
        ("{repository: v, over: []}", "one repository or more"),
        ("{repository: v, over: [a, a]}", "each once"),
        (
            "{repository: v, grant: [{role: artifactregistry.reader, members: [allUsers]}]}",
            "public",
        ),
        (
            '{repository: v, grant: [{role: artifactregistry.reader, members: ["group:{a}@x.y"]}]}',
            "{a} is a part of no route here",
        ),
    ],
)
def test_a_spec_that_asks_for_what_nobody_can_mean_is_refused(virtual: str, says: str) -> None:
    """When it is read, with the line."""
    with pytest.raises(MigrateError) as caught:
        load_spec(_spec(KEEPS, virtual=virtual), "s.yaml")
    assert caught.value.problem is BAD_SPEC
    assert says in caught.value.saw
    with pytest.raises(MigrateError) as caught:
        load_spec(
            "source: {registry: 'h:1'}\ntarget: {registry: 'h:2'}\nvirtual: [{repository: v}]\n",
            "s",
        )
    assert "only Artifact Registry has such repositories" in caught.value.saw
