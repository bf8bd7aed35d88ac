"""Routes: the case of one shared project and many teams, each refusal, and properties."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.errors import (
    BAD_NAME,
    LOCATION_MISSING,
    NAME_TOO_LONG,
    NO_IMAGE_NAME,
    ONTO_ITSELF,
    REPOSITORY_NAME_REFUSED,
    SETTINGS_DIFFER,
    STRIP_MISMATCH,
    TARGET_COLLISION,
    UNROUTED,
    MigrateError,
)
from gcr_migrate.model.access import AccessWish
from gcr_migrate.model.names import ImagePath
from gcr_migrate.model.pattern import Pattern, expand
from gcr_migrate.plan.refusals import Refusal
from gcr_migrate.plan.routes import Edge, SourcePaths, route_all
from gcr_migrate.plan.wishes import wishes_of
from gcr_migrate.spec import Spec, load_spec

if TYPE_CHECKING:
    import random

TEAMS = ("team-a/api", "team-a/api/debug", "team-a", "team-ab/web", "team_c/job", "9lives/cat")
HUB = "source: {project: hub-shared, hosts: [asia.gcr.io]}\nroutes:\n"
BY_TEAM = '  - {match: "{team}/**", repository: "{team}", strip: "{team}"}\n'
FIXES = """\
  - {match: team-a, repository: team-a, image: legacy}
  - {match: base, repository: shared-base, image: base}
  - {match: "team_c/**", repository: team-c, strip: team_c}
  - {match: "9lives/**", repository: nine-lives, strip: 9lives}
"""


def spec(text: str) -> Spec:
    """Load a spec."""
    return load_spec(text, "spec.yaml")


def under(shown: str, *paths: str, location: str | None = "us") -> SourcePaths:
    """Return a source with these paths."""
    parsed = tuple(ImagePath.parse(path) for path in paths)
    return SourcePaths(shown, shown.partition("/")[0], location, parsed)


def hub() -> SourcePaths:
    """Return the source of the case."""
    return under("asia.gcr.io/hub-shared", *TEAMS, "base", location="asia")


def one(routes: str, *paths: str) -> tuple[list[Edge], list[Refusal]]:
    """Route paths of us.gcr.io/builds by routes written as YAML in flow style."""
    text = f"source: {{project: builds, hosts: [us.gcr.io]}}\nroutes: [{routes}]\n"
    return route_all(spec(text), [under("us.gcr.io/builds", *paths)])


def test_one_run_names_all_that_cannot_be_routed() -> None:
    """A folder's own image, a path without folder and two illegal ids are named together."""
    edges, refusals = route_all(spec(HUB + BY_TEAM), [hub()])
    assert {(r.problem, r.subject) for r in refusals} == {
        (NO_IMAGE_NAME, "asia.gcr.io/hub-shared/team-a"),
        (UNROUTED, "asia.gcr.io/hub-shared/base"),
        (REPOSITORY_NAME_REFUSED, "asia.gcr.io/hub-shared/team_c/job"),
        (REPOSITORY_NAME_REFUSED, "asia.gcr.io/hub-shared/9lives/cat"),
    }
    assert {edge.repository for edge in edges} == {"team-a", "team-ab"}


def test_with_routes_for_the_four_every_image_has_its_place() -> None:
    """Nested images stay below their folder, and names that share letters stay apart."""
    edges, refusals = route_all(spec(HUB + FIXES + BY_TEAM), [hub()])
    assert refusals == []
    host = "asia-docker.pkg.dev/hub-shared"
    assert {str(edge.source_path): edge.target_name for edge in edges} == {
        "team-a/api": f"{host}/team-a/api",
        "team-a/api/debug": f"{host}/team-a/api/debug",
        "team-a": f"{host}/team-a/legacy",
        "team-ab/web": f"{host}/team-ab/web",
        "team_c/job": f"{host}/team-c/job",
        "9lives/cat": f"{host}/nine-lives/cat",
        "base": f"{host}/shared-base/base",
    }
    repositories = {edge.repository for edge in edges}
    assert repositories == {"nine-lives", "shared-base", "team-a", "team-ab", "team-c"}


def test_two_sources_on_one_name_are_both_named() -> None:
    """A collision of paths is one even where no tag collides."""
    fixes = FIXES.replace("legacy", "api")
    edges, refusals = route_all(spec(HUB + fixes + BY_TEAM), [hub()])
    shown = "asia.gcr.io/hub-shared"
    assert refusals == [
        Refusal(
            TARGET_COLLISION,
            "asia-docker.pkg.dev/hub-shared/team-a/api",
            f"from {shown}/team-a and {shown}/team-a/api",
        )
    ]
    assert not {"team-a", "team-a/api"} & {str(edge.source_path) for edge in edges}


def test_the_default_routes_split_by_the_first_component() -> None:
    """A spec of a project and nothing else splits the documentation's example."""
    source = under("us.gcr.io/builds", "product1/dev/product1-app", "product2/stable/product2")
    edges, refusals = route_all(spec("source: {project: builds}"), [source])
    assert [edge.target_name for edge in edges] == [
        "us-docker.pkg.dev/builds/product1/dev/product1-app",
        "us-docker.pkg.dev/builds/product2/stable/product2",
    ]
    assert refusals == []


def inside(repository: str, *paths: str) -> SourcePaths:
    """Return paths in a repository of `builds` that is read by its own name."""
    root = under(f"us-docker.pkg.dev/builds/{repository}", *paths)
    return replace(root, repository=repository)


def test_repositories_that_move_keep_their_names_and_paths() -> None:
    """Without routes only project and location change."""
    text = "source: us-docker.pkg.dev/builds\ntarget: europe-docker.pkg.dev/builds-new"
    edges, refusals = route_all(spec(text), [inside("one", "app/web"), inside("two", "app")])
    assert [(e.source_name, e.target_name) for e in edges] == [
        (f"us-docker.pkg.dev/builds/{path}", f"europe-docker.pkg.dev/builds-new/{path}")
        for path in ("one/app/web", "two/app")
    ]
    assert [str(e.source_path) for e in edges] == ["app/web", "app"]
    assert refusals == []


def test_the_location_of_a_source_is_the_default_of_its_target() -> None:
    """Between projects nothing changes but the project."""
    text = "source: us-docker.pkg.dev/builds\ntarget: {project: builds-new}"
    edges, _ = route_all(spec(text), [inside("one", "app")])
    assert [e.target_name for e in edges] == ["us-docker.pkg.dev/builds-new/one/app"]


def test_routes_see_the_repository_before_the_path() -> None:
    """One repository is parted by team, equal paths of two are told apart."""
    text = (
        "source: us-docker.pkg.dev/builds\nroutes:\n"
        "  - {match: 'one/{team}/**', repository: '{team}', strip: 'one/{team}'}\n"
        "  - {match: '{old}/**', repository: rest}\n"
    )
    edges, refusals = route_all(spec(text), [inside("one", "a/x", "b/x"), inside("two", "a/x")])
    assert [e.target_name for e in edges] == [
        "us-docker.pkg.dev/builds/a/x",
        "us-docker.pkg.dev/builds/b/x",
        "us-docker.pkg.dev/builds/rest/two/a/x",
    ]
    assert refusals == []


def test_an_image_is_not_copied_onto_itself() -> None:
    """In a repository of its own each path that a route leaves where it is is named."""
    text = (
        "source: us-docker.pkg.dev/builds\nroutes:\n"
        "  - {match: 'one/old/**', repository: one, strip: 'one/old'}\n"
        "  - {match: 'one/**', repository: one, strip: one}\n"
    )
    edges, refusals = route_all(spec(text), [inside("one", "old/app", "tool")])
    assert [e.target_name for e in edges] == ["us-docker.pkg.dev/builds/one/app"]
    (refusal,) = refusals
    assert (refusal.problem, refusal.subject) == (ONTO_ITSELF, "us-docker.pkg.dev/builds/one/tool")
    assert refusal.saw == "routes[1] one/**"
    same = "source: {registry: 'a:1'}\ntarget: {registry: 'a:1'}"
    edges, refusals = route_all(spec(same), [under("a:1", "x", location=None)])
    assert ([r.problem for r in refusals], edges) == ([ONTO_ITSELF], [])


def test_a_plain_target_keeps_paths() -> None:
    """Between plain registries no repository, project or location is needed."""
    text = "source: {registry: '127.0.0.1:5000'}\ntarget: {registry: '127.0.0.1:5001'}"
    edges, refusals = route_all(spec(text), [under("127.0.0.1:5000", "a", "a/b", location=None)])
    assert [edge.target_name for edge in edges] == ["127.0.0.1:5001/a", "127.0.0.1:5001/a/b"]
    assert refusals == []
    assert (edges[0].project, edges[0].location, edges[0].repository) == (None, None, None)


def test_names_of_a_plain_target_collide_by_their_whole() -> None:
    """Where prefix and path are cut does not matter to a registry."""
    text = (
        "source: {registry: 'a:1'}\ntarget: {registry: 'b:2'}\nroutes:\n"
        "  - {match: x, repository: p, image: q/r}\n  - {match: y, repository: p/q, image: r}\n"
    )
    _, refusals = route_all(spec(text), [under("a:1", "x", "y", location=None)])
    assert [(r.problem, r.subject) for r in refusals] == [(TARGET_COLLISION, "b:2/p/q/r")]


def test_hosts_that_share_a_location_collide() -> None:
    """The same path under gcr.io and us.gcr.io is two images for one target name."""
    sources = [under("gcr.io/builds", "a/b"), under("us.gcr.io/builds", "a/b")]
    _, refusals = route_all(spec("source: {project: builds}"), sources)
    assert [r.problem for r in refusals] == [TARGET_COLLISION]
    assert "gcr.io/builds/a/b and us.gcr.io/builds/a/b" in refusals[0].saw


def test_a_route_can_be_for_some_hosts_only() -> None:
    """A route for other hosts is passed over."""
    text = (
        "source: {project: builds, hosts: [gcr.io, us.gcr.io]}\nroutes:\n"
        "  - {match: '**', hosts: [gcr.io], repository: world}\n"
        "  - {match: '**', repository: states}\n"
    )
    sources = [under("gcr.io/builds", "a"), under("us.gcr.io/builds", "a")]
    edges, _ = route_all(spec(text), sources)
    assert [(e.source_shown, e.repository) for e in edges] == [
        ("gcr.io/builds", "world"),
        ("us.gcr.io/builds", "states"),
    ]


@pytest.mark.parametrize(
    ("routes", "path", "problem"),
    [
        ("{match: '**', repository: r, strip: b}", "a/c", STRIP_MISMATCH),
        ("{match: '**', repository: r, strip: a}", "ab/c", STRIP_MISMATCH),
        ("{match: '{t}', repository: r, strip: '{t}'}", "a", NO_IMAGE_NAME),
        ("{match: 'x/**', repository: r}", "x", UNROUTED),
        ("{match: '**', repository: 'R'}", "a", REPOSITORY_NAME_REFUSED),
        ("{match: '{t}/**', repository: '{t}'}", "x.y/a", REPOSITORY_NAME_REFUSED),
        ("{match: '**', repository: r, image: 'A'}", "a", BAD_NAME),
        ("{match: '**', repository: r, location: eu}", "a", BAD_NAME),
        ("{match: '{t}', repository: r, settings: {labels: {t: '{t}'}}}", "a.b", BAD_NAME),
    ],
)
def test_what_a_route_cannot_do_is_refused(routes: str, path: str, problem: object) -> None:
    """Nothing is cleaned or left out silently: each path gets its own problem."""
    edges, refusals = one(routes, path)
    assert edges == []
    assert [(r.problem, r.subject) for r in refusals] == [(problem, f"us.gcr.io/builds/{path}")]


def test_a_name_may_have_255_characters_and_no_more() -> None:
    """The limit counts host, slash and name of the target."""
    room = 255 - len("us-docker.pkg.dev/builds/r/")
    edges, refusals = one("{match: '**', repository: r}", "a" * room, "b" * (room + 1))
    assert [len(edge.target_name) for edge in edges] == [255]
    assert [r.problem for r in refusals] == [NAME_TOO_LONG]


def test_a_plain_source_implies_no_location() -> None:
    """Artifact Registry needs a location from the spec then; the route's word counts first."""
    text = "source: {registry: 'a:1'}\ntarget: {project: builds}\n"
    source = under("a:1", "x/y", location=None)
    _, refusals = route_all(spec(text), [source])
    assert [r.problem for r in refusals] == [LOCATION_MISSING]
    edges, _ = route_all(spec(text.replace("builds", "builds, location: europe-west1")), [source])
    assert edges[0].registry == "europe-west1-docker.pkg.dev"


def test_the_words_about_access_take_the_parts_of_the_path() -> None:
    """Members and reasons may name what the route's pattern took."""
    routes = (
        "{match: '{team}/**', repository: '{team}', access: {translate: true, from: bucket,"
        " deny: ['group:{team}-old@b.example'],"
        " accept: [{principal: allUsers, change: lost, reason: '{team} is closed'}]}}"
    )
    edges, _ = one(routes, "web/app")
    assert edges[0].wish == AccessWish(
        translate=True,
        basis="bucket",
        deny=("group:web-old@b.example",),
        accept=(("allUsers", "lost", "web is closed"),),
    )


def test_routes_to_one_repository_share_what_is_said_about_access() -> None:
    """Its policy counts for all that is in it; two answers to `from` are refused."""
    first = (
        "{match: 'a/**', repository: r, access: {translate: true, from: %s, deny: ['user:x@b.c']}}"
    )
    second = "{match: '**', repository: r, access: {translate: true, public: allow}}"
    wishes, refusals = wishes_of(one(f"{first % 'auto'}, {second}", "a/x", "b")[0])
    assert [list(by_source.values()) for by_source in wishes.values()] == [
        [AccessWish(translate=True, public=True, deny=("user:x@b.c",))]
    ]
    assert not refusals
    _, refusals = wishes_of(one(f"{first % 'bucket'}, {second}", "a/x", "b")[0])
    assert [r.problem for r in refusals] == [SETTINGS_DIFFER]


def test_a_route_without_settings_does_not_take_those_of_another_away() -> None:
    """All images of a repository agree on how it is created, whichever comes first."""
    edges, refusals = one(
        "{match: t, repository: t, image: t},"
        " {match: 't/**', repository: t, strip: t, settings: {immutable_tags: true}}",
        "t",
        "t/a",
    )
    assert refusals == []
    assert [edge.settings.immutable_tags for edge in edges] == [True, True]


def test_different_settings_for_one_repository_are_refused() -> None:
    """None of them is chosen silently."""
    routes = "{match: '{t}/*', repository: r, settings: {description: 'of {t}'}}"
    _, refusals = one(routes, "a/x", "b/y", "b/z")
    assert [(r.problem, r.subject) for r in refusals] == [
        (SETTINGS_DIFFER, "us-docker.pkg.dev/builds/r")
    ]
    assert "us.gcr.io/builds/a/x and routes[0] for us.gcr.io/builds/b/y" in refusals[0].saw


def test_named_parts_reach_every_field() -> None:
    """Repository, image, location, members, description and labels take the matched parts."""
    routes = (
        "{match: 'from-{where}/{product}-{env}', repository: '{product}', image: 'at/{env}',"
        " location: '{where}', settings: {description: 'of {product}', labels: {env: '{env}'}},"
        " access: {grant: [{role: artifactregistry.reader,"
        " members: ['group:{product}-{env}@example.com', 'user:z@example.com']}]},"
        " existing_tags: keep, moved_tags: pin}"
    )
    edges, refusals = one(routes, "from-asia/my-shop-dev")
    assert refusals == []
    edge = edges[0]
    assert edge.target_name == "asia-docker.pkg.dev/builds/my-shop/at/dev"
    assert (edge.existing_tags, edge.moved_tags) == ("keep", "pin")
    assert (edge.settings.description, edge.settings.labels) == ("of my-shop", (("env", "dev"),))
    assert [(g.role, g.member) for g in edge.wish.grants] == [
        ("roles/artifactregistry.reader", "group:my-shop-dev@example.com"),
        ("roles/artifactregistry.reader", "user:z@example.com"),
    ]
    assert edge.captures == (("env", "dev"), ("product", "my-shop"), ("where", "asia"))


@pytest.mark.parametrize(
    ("pattern", "path", "parts"),
    [
        ("a/b", "a/b", {}),
        ("a/b", "a/b/c", None),
        ("*", "a", {}),
        ("*", "a/b", None),
        ("**", "a/b", {}),
        ("a/**", "a", None),
        ("a/**", "ab/c", None),
        ("**/z", "a/b/z", {}),
        ("a.b", "axb", None),
        ("{t}/x/*", "a/x/b", {"t": "a"}),
        ("{p}-{e}", "a-b-c", {"p": "a-b", "e": "c"}),
        ("{p}/**/{p}", "a/b/a", {"p": "a"}),
        ("{p}/**/{p}", "a/b/c", None),
    ],
)
def test_patterns_match_by_components(
    pattern: str, path: str, parts: dict[str, str] | None
) -> None:
    """A pattern takes whole paths; a part stays inside its component; a repeated part is equal."""
    assert Pattern.parse(pattern).match(ImagePath.parse(path)) == parts


@pytest.mark.parametrize("text", ["", "a//b", "/a", "a*", "***", "{a}{b}", "{A}", "{a", "A", "a b"])
def test_an_illegal_pattern_is_refused(text: str) -> None:
    """What could never match, or in more than one way, is an error at once."""
    with pytest.raises(MigrateError) as caught:
        Pattern.parse(text)
    assert caught.value.problem is BAD_NAME


def test_expand_knows_its_parts() -> None:
    """Every part is put in; an unknown part or a stray brace is an error."""
    assert expand("x-{a}/{b}{a}", {"a": "1", "b": "2"}) == "x-1/21"
    for bad in ("{c}", "{", "a}", "{A}"):
        with pytest.raises(MigrateError):
            expand(bad, {"a": "1"})


names = st.sampled_from(["a", "b", "team-a", "team_c", "9x", "a.b"])
path_lists = st.lists(
    st.lists(names, min_size=1, max_size=3).map(lambda c: ImagePath(tuple(c))), max_size=12
)
patterns = st.lists(st.sampled_from(["a", "team-a", "*", "**", "{p}"]), min_size=1, max_size=3).map(
    "/".join
)
routes_written = st.lists(
    st.fixed_dictionaries(
        {"match": patterns, "repository": st.sampled_from(["r", "s", "team-a"])},
        optional={"strip": st.sampled_from(["a", "team-a"]), "image": st.just("i")},
    ),
    min_size=1,
    max_size=3,
)


@given(path_lists, routes_written, st.randoms())
def test_each_path_has_one_edge_or_one_refusal_in_any_order(
    paths: list[ImagePath], routes: list[dict[str, str]], order: random.Random
) -> None:
    """No path is lost or doubled, no two edges share a name, and order does not matter."""
    rules = Spec.model_validate({"source": {"project": "builds"}, "routes": routes})
    edges, refusals = route_all(rules, [SourcePaths("gcr.io/builds", "gcr.io", "us", paths)])
    collided = [r for r in refusals if r.problem is TARGET_COLLISION]
    alone = [r.subject for r in refusals if r.problem is not TARGET_COLLISION]
    shared = [name for r in collided for name in r.saw.removeprefix("from ").split(" and ")]
    if not any(name.endswith(" more") for name in shared):
        counted = Counter([*(e.source_name for e in edges), *alone, *shared])
        assert counted == Counter({f"gcr.io/builds/{path}" for path in paths})
    targets = Counter(edge.target_name for edge in edges)
    assert all(count == 1 for count in targets.values())
    shuffled = [*paths]
    order.shuffle(shuffled)
    again = route_all(rules, [SourcePaths("gcr.io/builds", "gcr.io", "us", shuffled)])
    assert again == (edges, refusals)


@given(path_lists)
def test_repository_and_stripped_path_give_the_path_back(paths: list[ImagePath]) -> None:
    """Under the default route nothing of a path is lost or changed."""
    rules = spec("source: {project: builds}")
    edges, _ = route_all(rules, [SourcePaths("gcr.io/builds", "gcr.io", "us", paths)])
    for edge in edges:
        assert f"{edge.repository}/{edge.target_path}" == str(edge.source_path)


@given(path_lists)
def test_moved_repositories_differ_in_project_and_location_only(paths: list[ImagePath]) -> None:
    """Under the default route every path below every repository is kept, whatever it is."""
    text = "source: us-docker.pkg.dev/builds\ntarget: asia-docker.pkg.dev/builds-new"
    roots = [replace(inside(name), paths=paths) for name in ("one", "two")]
    edges, refusals = route_all(spec(text), roots)
    assert refusals == []
    assert len(edges) == 2 * len(set(paths))
    for edge in edges:
        kept = edge.source_name.removeprefix("us-docker.pkg.dev/builds/")
        assert edge.target_name == f"asia-docker.pkg.dev/builds-new/{kept}"
