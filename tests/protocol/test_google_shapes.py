"""What Google's APIs are asked on the wire, and what is made of answers in odd shapes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import RepositoryFacts
from tests import google_clients as clients
from tests.google_clients import listed
from tests.scripted import Answer, Scripted, in_turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gcr_migrate.google.services import Services

T = TypeVar("T")

RESOURCE = "projects/builds/locations/us/repositories/team"


def using(service: Scripted, work: Callable[[Services], Awaitable[T]], *tokens: str) -> T:
    """Work with clients of a service that runs meanwhile."""
    with service:
        return clients.using(service.endpoints, work, *(tokens or ("t",)))


DOMAIN = "example.com:builds"
SCOPED = f"projects/{DOMAIN}/locations/us/repositories/team"
ON_THE_WIRE: list[tuple[Callable[[Services], Awaitable[object]], str]] = [
    (lambda s: s.repositories.get(SCOPED), "v1/{p}/locations/us/repositories/team"),
    (lambda s: s.repositories.in_location(DOMAIN, "us"), "v1/{p}/locations/us/repositories?"),
    (lambda s: listed(s.contents.packages(SCOPED)), "v1/{p}/locations/us/repositories/team/pack"),
    (
        lambda s: listed(s.contents.tags(SCOPED, "a/b")),
        "v1/{p}/locations/us/repositories/team/packages/a%252Fb/tags?",
    ),
    (lambda s: listed(s.contents.docker_images(SCOPED)), "v1/{p}/locations/us/repositories/team/d"),
    (lambda s: s.projects.redirection(DOMAIN), "v1/{p}/projectSettings"),
    (lambda s: s.projects.facts(DOMAIN), "v3/{p}"),
    (lambda s: s.projects.held(DOMAIN, {"a.b.c"}), "v3/{p}:testIamPermissions"),
    (
        lambda s: s.projects.org_policy(DOMAIN, "constraints/gcp.resourceLocations"),
        "v2/{p}/policies/gcp.resourceLocations:getEffectivePolicy",
    ),
    (lambda s: s.projects.enabled(DOMAIN, {"a.example"}), "v1/{p}/services:batchGet?names="),
]


@pytest.mark.parametrize(
    ("work", "target"), ON_THE_WIRE, ids=[str(number) for number in range(len(ON_THE_WIRE))]
)
def test_names_are_quoted_for_the_wire(
    work: Callable[[Services], Awaitable[object]], target: str
) -> None:
    """The colon of a domain is quoted; slashes of image paths are, by the library twice."""
    service = Scripted(in_turn(Answer()))
    with contextlib.suppress(MigrateError):  # there is nothing in the answer
        using(service, work)
    assert service.asked[0].target.startswith(
        "/" + target.format(p="projects/example.com%3Abuilds")
    )


def test_formats_that_no_library_knows_are_told() -> None:
    """A number without a word is shown as it is, and no warning disturbs."""
    row = {"name": RESOURCE, "format": 77, "mode": 2, "novelty": 1, "sizeBytes": "12"}
    service = Scripted(in_turn(Answer(200, {"repositories": [row]})))
    found = using(service, lambda s: s.repositories.in_location("builds", "us"))
    assert found == (RepositoryFacts(RESOURCE, "77", "VIRTUAL_REPOSITORY", 12),)


@pytest.mark.parametrize(
    ("told", "is_standard"),
    [("NOVEL_REPOSITORY", False), ("MODE_UNSPECIFIED", True), (None, True)],
)
def test_modes_that_no_library_knows_are_told(told: str | None, *, is_standard: bool) -> None:
    """In a list such a word looks like none at all, which stands for a standard repository."""
    row: dict[str, Any] = {"name": RESOURCE, "format": "DOCKER"}
    if told:
        row["mode"] = told
    service = Scripted(in_turn(Answer(200, {"repositories": [row]}), Answer(200, row)))
    (found,) = using(service, lambda s: s.repositories.in_location("builds", "us"))
    assert found.is_standard is is_standard
    assert found.mode == (told or "")


def test_a_mode_that_cannot_be_read_is_not_taken_for_a_usual_one() -> None:
    """Neither list nor repository tells it: that is an error, and no repository for images."""
    row = {"name": RESOURCE, "format": "DOCKER"}
    service = Scripted(in_turn(Answer(200, {"repositories": [row]}), Answer(403, {})))
    with pytest.raises(MigrateError, match="denied"):
        using(service, lambda s: s.repositories.in_location("builds", "us"))


def test_modes_that_are_known_cost_no_request() -> None:
    """Nor do those of other formats, to which no image goes."""
    rows = [
        {"name": RESOURCE, "format": "DOCKER", "mode": "REMOTE_REPOSITORY"},
        {"name": RESOURCE, "format": "MAVEN"},
    ]
    service = Scripted(in_turn(Answer(200, {"repositories": rows})))
    found = using(service, lambda s: s.repositories.in_location("builds", "us"))
    assert [one.has_images for one in found] == [False, False]
    assert len(service.asked) == 1


ODD: list[Any] = [None, 1, -1, 1e400, "x", "", True, [], [1], ["x"], [[]], {}, {"x": 1}, [{"x": 1}]]
MEMBERS = {
    "repositories.get": ("dockerConfig", "labels", "format", "mode"),
    "repositories.policy": ("bindings", "etag", "version"),
    "repositories.held": ("permissions",),
    "repositories.in_location": ("repositories", "nextPageToken"),
    "repositories.locations": ("locations", "nextPageToken"),
    "contents.packages": ("packages", "nextPageToken"),
    "contents.versions": ("versions",),
    "contents.tags": ("tags",),
    "contents.docker_images": ("dockerImages", "nextPageToken"),
    "projects.facts": ("name", "parent", "state", "projectId"),
    "projects.held": ("permissions",),
    "projects.enabled": ("services",),
    "projects.redirection": ("legacyRedirectionState", "pullPercent"),
    "projects.org_policy": ("spec",),
    "buckets.get": ("permissions", "location", "iamConfiguration"),
}
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "repositories.held": (RESOURCE, ["a.b.c"]),
    "repositories.in_location": ("builds", "us"),
    "repositories.locations": ("builds",),
    "contents.versions": (RESOURCE, "a"),
    "contents.tags": (RESOURCE, "a"),
    "projects.held": ("builds", ["a.b.c"]),
    "projects.enabled": ("builds", ["a.example"]),
    "projects.org_policy": ("builds", "constraints/a.b"),
    "buckets.get": ("bucket",),
}


def ask_in_turn(name: str, bodies: list[dict[str, Any]]) -> int:
    """Call a method once for each body that the service answers; return how often it was asked."""
    body: list[dict[str, Any]] = [{}]

    async def ask_all(services: Services) -> None:
        part, _, method = name.partition(".")
        call = getattr(getattr(services, part), method)
        for body[0] in bodies:
            outcome = call(*ARGUMENTS.get(name, (RESOURCE,)))
            with contextlib.suppress(MigrateError):
                await (listed(outcome) if part == "contents" else outcome)

    service = Scripted(lambda _: Answer(200, body[0]))
    using(service, ask_all)
    return len(service.asked)


@pytest.mark.parametrize("name", MEMBERS)
def test_odd_members_are_odd_replies_and_never_defects(name: str) -> None:
    """Whatever stands where a list or an object should, a value or a named problem comes out."""
    bodies = [{member: odd} for member in MEMBERS[name] for odd in ODD]
    assert ask_in_turn(name, bodies) >= len(bodies)


DIGEST = f"sha256:{'a' * 64}"
PACKAGE = f"{RESOURCE}/packages/a"
VERSION = {
    "name": f"{PACKAGE}/versions/{DIGEST}",
    "createTime": None,
    "relatedTags": None,
    "metadata": {"imageSizeBytes": None, "subjectDigest": None},
}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "repositories.in_location": (
        "repositories",
        {"name": RESOURCE, "format": None, "mode": None, "sizeBytes": None},
    ),
    "contents.packages": ("packages", {"name": PACKAGE, "createTime": None}),
    "contents.versions": ("versions", VERSION),
    "contents.tags": ("tags", {"name": f"{PACKAGE}/tags/x", "version": VERSION["name"]}),
    "contents.docker_images": (
        "dockerImages",
        {
            "uri": f"us-docker.pkg.dev/builds/team/a@{DIGEST}",
            "tags": None,
            "imageSizeBytes": None,
            "uploadTime": None,
            "subjectDigest": None,
        },
    ),
}
ODD_VALUES = [
    *ODD,
    float("nan"),
    -1e300,
    5.5,
    10**30,
    "9999-99-99",
    "0001-01-01T00:00:00Z",
    "\ud800",
]


def odd_rows(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give a row with each odd value in the place of each of its members, however deep."""
    for key, value in row.items():
        yield from ({**row, key: odd} for odd in ODD_VALUES)
        if isinstance(value, dict):
            yield from ({**row, key: inner} for inner in odd_rows(value))


@pytest.mark.parametrize("name", ROWS)
def test_odd_rows_are_odd_replies_and_never_defects(name: str) -> None:
    """What stands in a row is a value or a named problem: infinite sizes, days of no year."""
    member, row = ROWS[name]
    asked = ask_in_turn(name, [{member: [one]} for one in odd_rows(row)])
    assert asked >= len(ODD_VALUES)
