"""What is read of access, as the tool reads it: from the sandbox, and from odd services."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.access import AccessReader
from gcr_migrate.model.access import BucketRules, Level, ObjectAccess, Picture
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.wire.endpoints import Endpoints
from tests import google_clients as clients
from tests.answers import asked_of, control, google
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from gcr_migrate.google.services import Services
    from gcr_migrate.sandbox.app import Sandbox

T = TypeVar("T")

PROJECT: Final = "builds"
LISTED: Final = "artifacts.builds.appspot.com"
PLAIN: Final = "us.artifacts.builds.appspot.com"
SHUT: Final = "eu.artifacts.builds.appspot.com"
APP: Final = "projects/builds/locations/us/repositories/app"
VIEWER: Final = "roles/storage.objectViewer"
OWN: Final = "projects/builds/roles/own"
ABOVE: Final = "organizations/7/roles/above"
GET: Final = "storage.objects.get"
CONDITION: Final = {"title": "t", "expression": "x.y", "description": "d"}
AT_ORGANISATION: Final = "user:at-organisation@example.com"


def _binding(role: str, *members: str) -> dict[str, Any]:
    return {"role": role, "members": [*members]}


def _asks(who: str) -> str:
    return f"user:{who}@example.com"


SCENARIO: Final = Scenario.model_validate(
    {
        "identities": [
            {"member": _asks("owner"), "token": "owner", "roles": ["roles/owner"]},
            *(
                {"member": _asks(one), "token": one, "roles": []}
                for one in ("admin", "below", "analyst", "part", "stranger")
            ),
        ],
        "roles": [
            {"name": OWN, "permissions": [GET, "storage.objects.list"]},
            {"name": ABOVE, "permissions": ["storage.objects.create"], "stage": "DISABLED"},
            {"name": f"{ABOVE}2", "permissions": [GET], "deleted": True},
            {"name": "organizations/7/roles/hidden", "permissions": [GET]},
        ],
        "folders": [
            {
                "name": "organizations/7",
                "bindings": [
                    _binding(VIEWER, AT_ORGANISATION),
                    _binding("roles/storage.admin", _asks("admin")),
                    _binding("roles/cloudasset.viewer", _asks("analyst"), _asks("owner")),
                ],
            },
            {
                "name": "folders/70",
                "parent": "organizations/7",
                "bindings": [
                    _binding("roles/storage.objectCreator", _asks("at-folder")),
                    _binding("roles/cloudasset.viewer", _asks("part")),
                ],
            },
        ],
        "projects": [
            {
                "id": PROJECT,
                "number": "42",
                "parent": "folders/70",
                "bindings": [
                    _binding("roles/viewer", _asks("analyst"), _asks("below"), _asks("part")),
                    _binding(OWN, _asks("own")),
                ],
                "buckets": [
                    {
                        "name": LISTED,
                        "uniform": False,
                        "bindings": [
                            _binding("roles/storage.admin", "projectViewer:builds"),
                            _binding(f"{ABOVE}2", _asks("gone")),
                        ],
                        "objects": {f"containers/images/sha256:{n}": str(n) for n in range(5)}
                        | {"notes.txt": "no image"},
                        "object_lists": {
                            "containers/images/sha256:3": [
                                {"entity": "user-friend@example.com", "role": "READER"},
                                {
                                    "entity": "user-b@p.iam.gserviceaccount.com",
                                    "role": "OWNER",
                                },
                                {"entity": "group-g@example.com", "role": "READER"},
                                {"entity": "domain-example.org", "role": "READER"},
                                {"entity": "project-viewers-42", "role": "READER"},
                                {"entity": "project-owners-99", "role": "OWNER"},
                                {"entity": "allUsers", "role": "READER"},
                            ]
                        },
                    },
                    {
                        "name": PLAIN,
                        "bindings": [
                            _binding("roles/storage.admin", "projectViewer:builds", _asks("owner")),
                            _binding(ABOVE, _asks("disabled")),
                            _binding("organizations/7/roles/hidden", _asks("hidden")),
                            {
                                **_binding(VIEWER, _asks("late")),
                                "condition": {
                                    "title": "t",
                                    "expression": "x.y",
                                    "description": "d",
                                },
                            },
                        ],
                    },
                    {
                        "name": SHUT,
                        "never_public": True,
                        "bindings": [
                            _binding(VIEWER, "allUsers"),
                            _binding("roles/storage.admin", "projectViewer:builds"),
                        ],
                    },
                ],
            },
        ],
        "repositories": [
            {
                "project": PROJECT,
                "location": "us",
                "id": "app",
                "bindings": [_binding("roles/artifactregistry.reader", "group:g@example.com")],
            }
        ],
    }
)


@pytest.fixture
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with buckets of both kinds, below a folder and an organisation."""
    with running(SCENARIO, tmp_path_factory.mktemp("box")) as one:
        yield one


def using(box: Sandbox, who: str, work: Callable[[Services], Awaitable[T]]) -> T:
    """Work with clients that log in as somebody."""
    # JSON is YAML; what was not loaded from a file would lead to the real hosts.
    return clients.using(Endpoints.load(json.dumps(box.endpoints), "endpoints"), work, who)


def read_bucket(box: Sandbox, who: str, name: str) -> Picture:
    """Read the picture of a bucket as somebody."""

    async def work(services: Services) -> Picture:
        return await AccessReader(services.access, services.repositories).bucket(
            "gcr.io/builds", name, PROJECT
        )

    return using(box, who, work)


def problem(box: Sandbox, who: str, work: Callable[[Services], Awaitable[object]]) -> str:
    """Return the code of what goes wrong."""
    with pytest.raises(MigrateError) as caught:
        using(box, who, work)
    return caught.value.problem.code


def test_policies_are_read_whole(box: Sandbox) -> None:
    """Of buckets, projects and what is above them, with their conditions."""
    for resource, role in {
        f"gs://{PLAIN}": VIEWER,
        "projects/builds": OWN,
        "organizations/7": VIEWER,
    }.items():
        policy = using(box, "owner", lambda s, name=resource: s.access.policy(name))  # type: ignore[misc]
        assert role in {one.role for one in policy.bindings}
        assert policy.etag
    policy = using(box, "owner", lambda s: s.access.policy(f"gs://{PLAIN}"))
    (condition,) = [one.condition for one in policy.bindings if one.condition]
    assert (condition.title, condition.expression, condition.description) == ("t", "x.y", "d")


@pytest.mark.parametrize(
    ("who", "resource", "code"),
    [
        ("stranger", f"gs://{PLAIN}", "denied"),
        ("stranger", "projects/builds", "denied"),
        ("below", "organizations/7", "denied"),
        ("owner", "gs://nobodys-bucket", "name-unknown"),
        ("owner", "folders/71", "denied"),
    ],
)
def test_a_refusal_is_told_as_it_is(box: Sandbox, who: str, resource: str, code: str) -> None:
    """What is hidden and what is not there differ only where the service lets them."""
    assert problem(box, who, lambda s: s.access.policy(resource)) == code


def test_what_a_project_lies_in_is_told_from_below(box: Sandbox) -> None:
    """Its folders and its organisation; who may not see the project is told that."""
    found = using(box, "below", lambda s: s.access.above(PROJECT))
    assert found == ("folders/70", "organizations/7")
    assert problem(box, "stranger", lambda s: s.access.above(PROJECT)) == "denied"


@pytest.mark.parametrize(
    ("who", "name", "expected"),
    [
        ("owner", OWN, {GET, "storage.objects.list"}),
        ("owner", ABOVE, set()),  # it is disabled
        ("owner", f"{ABOVE}2", set()),  # it was deleted
        ("owner", f"{ABOVE}3", None),  # there is none
        ("below", "organizations/7/roles/hidden", None),
        ("stranger", "roles/storage.objectCreator", {"storage.objects.create"}),
    ],
)
def test_roles_are_opened(box: Sandbox, who: str, name: str, expected: set[str] | None) -> None:
    """What gives nothing differs from what is not known."""
    found = using(box, who, lambda s: s.access.role(name))
    decisive = {GET, "storage.objects.list", "storage.objects.create"}
    assert (found if found is None else found & decisive) == expected


def test_rules_of_buckets_are_read(box: Sandbox) -> None:
    """Uniform or not, public or never, by the bucket itself or by its organisation."""

    def rules(name: str) -> BucketRules:
        return using(box, "below", lambda s: s.access.rules(name, PROJECT))

    assert rules(LISTED) == BucketRules(uniform=False, never_public=False, project_number="42")
    assert rules(SHUT) == BucketRules(uniform=True, never_public=True, project_number="42")
    prevention = {"storage.publicAccessPrevention": {"enforce": True}}
    box.store.project(PROJECT).org_policies = prevention
    assert not rules(LISTED).never_public  # this caller does not see it
    as_owner = using(box, "admin", lambda s: s.access.rules(LISTED, PROJECT))
    assert not as_owner.never_public  # nor does this one
    box.store.project(PROJECT).bindings.append(
        _binding("roles/orgpolicy.policyViewer", _asks("below"))
    )
    assert rules(LISTED).never_public


def test_access_lists_of_all_images_are_counted(box: Sandbox) -> None:
    """Members are spelled as in policies; what is no image is not looked at."""
    found = using(box, "below", lambda s: s.access.objects(LISTED, PROJECT, "42", 100))

    assert (found.seen, found.complete, found.why) == (5, True, "")
    assert dict(found.readers) == {
        "projectOwner:builds": 4,
        "projectEditor:builds": 4,
        "projectViewer:builds": 5,
        "projectOwner:99": 1,  # of a project that is not this one
        "user:friend@example.com": 1,
        "serviceAccount:b@p.iam.gserviceaccount.com": 1,
        "group:g@example.com": 1,
        "domain:example.org": 1,
        "allUsers": 1,
    }
    assert len(asked_of(box, "storage", "/o")) == 1


def test_a_sample_says_that_it_is_one(box: Sandbox) -> None:
    """So many objects and no more; exactly all of them is no sample."""
    some = using(box, "below", lambda s: s.access.objects(LISTED, PROJECT, "42", 3))
    all_ = using(box, "below", lambda s: s.access.objects(LISTED, PROJECT, "42", 5))

    assert (some.seen, some.complete) == (3, False)
    assert "the first 3 objects" in some.why
    assert (all_.seen, all_.complete) == (5, True)


def test_hidden_lists_are_no_empty_ones(box: Sandbox) -> None:
    """Who may not see them knows nothing of them, and says why."""
    box.store.buckets[LISTED].bindings = [
        _binding("roles/storage.legacyBucketOwner", "projectViewer:builds")
    ]
    found = using(box, "below", lambda s: s.access.objects(LISTED, PROJECT, "42", 5))
    assert (found.readers, found.complete) == ((), False)
    assert "storage.objects.getIamPolicy" in found.why


def test_a_bucket_is_read_with_all_above_it(box: Sandbox) -> None:
    """Its policy first, then the project's and what is above; unknown roles are opened."""
    found = read_bucket(box, "owner", PLAIN)

    assert [(on.level, on.resource, on.policy is not None) for on in found.policies] == [
        (Level.BUCKET, f"gs://{PLAIN}", True),
        (Level.PROJECT, "projects/builds", True),
        (Level.FOLDER, "folders/70", True),
        (Level.ORGANIZATION, "organizations/7", True),
    ]
    known_here = {name: some for name, some in found.roles if not name.startswith("roles/")}
    assert known_here == {
        OWN: frozenset({GET, "storage.objects.list"}),
        ABOVE: frozenset(),
        "organizations/7/roles/hidden": frozenset({GET}),
    }
    assert (found.objects, found.never_public) == (None, False)
    assert read_bucket(box, "below", SHUT).never_public


def test_a_bucket_with_lists_is_read_with_them(box: Sandbox) -> None:
    """Who may not see the bucket's settings does not know whether there are any."""
    listed = read_bucket(box, "below", LISTED).objects
    assert listed
    assert listed.complete
    box.store.buckets[LISTED].bindings = []
    unknown = read_bucket(box, "owner", LISTED).objects
    assert unknown == ObjectAccess(complete=False, why=unknown.why if unknown else "")
    assert "storage.buckets.get" in unknown.why


@pytest.mark.parametrize(("name", "code"), [("nobodys-bucket", "name-unknown"), (PLAIN, "denied")])
def test_a_bucket_that_cannot_be_read_is_told_so(box: Sandbox, name: str, code: str) -> None:
    """Its policy is not known; nothing is made up for it, and no lists are looked for."""
    picture = read_bucket(box, "stranger", name)
    own, project, above = picture.policies

    assert (own.policy, own.why.partition(":")[0]) == (None, code)
    assert (project.policy, above.policy, picture.objects) == (None, None, None)
    assert "projects/builds lies in" in above.resource


def test_repositories_are_read_with_what_they_inherit(box: Sandbox) -> None:
    """One that is yet to be made has no policy of its own; each policy is read once for both."""

    async def work(services: Services) -> tuple[Picture, Picture]:
        reader = AccessReader(services.access, services.repositories)
        new = f"{APP}2"
        return (
            await reader.repository("app", APP, PROJECT),
            await reader.repository("app2", new, PROJECT, exists=False),
        )

    there, new = using(box, "owner", work)
    assert [on.level for on in there.policies] == [
        Level.REPOSITORY,
        Level.PROJECT,
        Level.FOLDER,
        Level.ORGANIZATION,
    ]
    assert new.policies == there.policies[1:]
    assert (there.exists, new.exists) == (True, False)
    assert len(asked_of(box, "resource_manager", "getIamPolicy")) == 3
    assert len(asked_of(box, "iam", "roles/own")) == 1


def _hidden(picture: Picture) -> dict[str, str]:
    return {on.resource: on.why for on in picture.policies if on.policy is None}


def _members(picture: Picture, resource: str) -> set[str]:
    return {
        member
        for on in picture.policies
        if on.resource == resource and on.policy
        for binding in on.policy.bindings
        for member in binding.members
    }


def test_an_analysis_shows_what_is_hidden_above(box: Sandbox) -> None:
    """Who may analyse the organisation needs none of the policies in it."""
    box.store.buckets[PLAIN].bindings = box.store.buckets[PLAIN].bindings[:1]
    found = read_bucket(box, "analyst", PLAIN)

    assert not _hidden(found)
    assert AT_ORGANISATION in _members(found, "organizations/7")
    assert {on.read_by for on in found.policies} == {"policies", "policy analysis"}


def test_an_analysis_of_a_folder_shows_nothing_above_it(box: Sandbox) -> None:
    """What the organisation grants stays hidden, however fully the folder was explored."""
    box.store.buckets[PLAIN].bindings = box.store.buckets[PLAIN].bindings[:1]
    found = read_bucket(box, "part", PLAIN)

    assert _members(found, "folders/70") == {_asks("at-folder")}
    (hidden,) = _hidden(found)
    assert hidden == "organizations/7"
    assert "policy analysis" in _hidden(found)[hidden]


def test_an_analysis_that_is_not_whole_proves_nothing(box: Sandbox) -> None:
    """A role that it could not open may give anything: all that was hidden stays so."""
    found = read_bucket(box, "analyst", PLAIN)

    assert set(_hidden(found)) == {"folders/70", "organizations/7"}
    assert all("did not see everything" in why for why in _hidden(found).values())
    assert dict(found.roles)["organizations/7/roles/hidden"] is None
    assert dict(found.roles)[OWN] == frozenset({GET, "storage.objects.list"})


def test_no_analysis_is_asked_that_could_not_help(box: Sandbox) -> None:
    """Neither where all is seen, nor of a folder where only its organisation is hidden."""
    read_bucket(box, "owner", PLAIN)
    assert not asked_of(box, "cloud_asset", "analyze")
    folder = box.store.folders["folders/70"]
    folder.bindings.append(_binding("roles/iam.securityReviewer", _asks("part")))
    assert set(_hidden(read_bucket(box, "part", PLAIN))) == {"organizations/7"}
    assert asked_of(box, "cloud_asset", "analyze") == ["/v1/organizations/7:analyzeIamPolicy"]


def test_a_role_that_was_deleted_gives_nothing_whatever_is_hidden(box: Sandbox) -> None:
    """It was opened: that nothing was said of it elsewhere does not make it unknown."""
    box.store.buckets[PLAIN].bindings = [
        _binding("roles/storage.admin", "projectViewer:builds"),
        _binding(f"{ABOVE}2", _asks("gone")),
    ]
    box.store.folders["organizations/7"].bindings.append(
        _binding("roles/iam.roleViewer", _asks("analyst"))
    )
    assert dict(read_bucket(box, "analyst", PLAIN).roles)[f"{ABOVE}2"] == frozenset()


@pytest.mark.parametrize(
    ("host", "path", "work"),
    [
        ("storage", "/iam", lambda s: s.access.policy(f"gs://{PLAIN}")),
        ("storage", PLAIN, lambda s: s.access.rules(PLAIN, PROJECT)),
        ("storage", "/o", lambda s: s.access.objects(LISTED, PROJECT, "42", 10)),
        ("resource_manager", "getIamPolicy", lambda s: s.access.policy("folders/70")),
        ("resource_manager", "getAncestry", lambda s: s.access.above(PROJECT)),
        ("iam", "roles", lambda s: s.access.role(OWN)),
    ],
)
def test_a_service_that_falters_is_asked_again(
    box: Sandbox, host: str, path: str, work: Callable[[Services], Awaitable[object]]
) -> None:
    """After 503 and 429 the same answer comes; when it does not end, that is the problem."""
    who = "owner" if host != "storage" else "below"
    expected = using(box, who, work)
    for status in (503, 429):
        rule = {"host": host, "path": path, "status": status, "times": 1, "when": "before"}
        control(box, "POST", rule)
        assert using(box, who, work) == expected
    control(box, "POST", {"host": host, "path": path, "status": 500, "times": 99})
    assert problem(box, who, work) == "server-error"


async def _analysed(services: Services) -> object:
    raw = await services.access.analysis("organizations/7", "b", [GET])
    return services.access.analysed(raw, "b")


ODD: Final[list[Any]] = [None, 1, "x", [], [1], [[]], {"x": 1}, [{"x": 1}]]
SHAPES: Final[dict[str, tuple[tuple[str, ...], Callable[[Services], Awaitable[object]]]]] = {
    "policy": (("bindings", "etag"), lambda s: s.access.policy("projects/p")),
    "above": (("ancestor",), lambda s: s.access.above("p")),
    "role": (("includedPermissions", "deleted", "stage"), lambda s: s.access.role("roles/x")),
    "rules": (("iamConfiguration", "projectNumber"), lambda s: s.access.rules("b", "p")),
    "objects": (("items", "nextPageToken"), lambda s: s.access.objects("b", "p", "1", 10)),
    "analysis": (("mainAnalysis",), _analysed),
}


@pytest.mark.parametrize("name", SHAPES)
def test_odd_answers_are_told_or_passed_over(name: str) -> None:
    """Whatever a member is, it is a bad reply or counts as nothing; never a traceback."""
    members, work = SHAPES[name]
    bodies = [{member: odd} for member in members for odd in ODD]
    bodies += [{"items": [{"acl": odd}]} for odd in ODD]
    bodies += [{"bindings": [{"role": odd, "members": ["user:a@b.example"]}]} for odd in ODD]
    bodies += [{"bindings": [{"role": "r", "members": odd}]} for odd in ODD]
    bodies += [{"mainAnalysis": {"analysisResults": odd}} for odd in ODD]
    bodies += [{"mainAnalysis": {"analysisResults": [{"iamBinding": odd}]}} for odd in ODD]
    bodies += [{"ancestor": [{"resourceId": odd}]} for odd in ODD]
    now: list[dict[str, Any]] = [{}]

    async def ask_all(services: Services) -> set[str]:
        found = set()
        for now[0] in bodies:
            try:
                await work(services)
            except MigrateError as error:
                found.add(error.problem.code)
        return found

    service = Scripted(lambda _: Answer(200, now[0]))
    with service:
        assert clients.using(service.endpoints, ask_all, "t") <= {"bad-reply"}


def test_pages_that_lead_nowhere_end() -> None:
    """A listing that repeats itself is a bad reply, and no endless one."""

    def answer(_: Asked) -> Answer:
        item = {"name": "n", "acl": [{"entity": "allUsers", "role": "READER"}]}
        return Answer(200, {"items": [item], "nextPageToken": "again"})

    service = Scripted(answer)
    with service, pytest.raises(MigrateError, match="leads back"):
        clients.using(service.endpoints, lambda s: s.access.objects("b", "p", "1", 1_000), "t")


def test_a_days_analyses_that_are_used_up_are_not_waited_for() -> None:
    """A 429 of this one call ends it at once: tomorrow there are new ones."""
    service = Scripted(lambda _: Answer(429, google("RESOURCE_EXHAUSTED", "per day")))
    with service, pytest.raises(MigrateError) as caught:
        clients.using(
            service.endpoints, lambda s: s.access.analysis("organizations/7", "b", [GET]), "t"
        )
    assert caught.value.problem.code == "too-many-requests"
    assert len(service.asked) == 1


def test_names_are_quoted_in_addresses() -> None:
    """The colon of a domain-scoped project and a bucket's odd name stay what they are."""
    service = Scripted(lambda _: Answer(200, {"ancestor": [{"resourceId": {"type": "project"}}]}))

    async def work(services: Services) -> None:
        await services.access.above("example.com:builds")
        await services.access.policy("projects/example.com:builds")
        await services.access.objects("a/b", "p", "1", 1)

    with service:
        clients.using(service.endpoints, work, "t")
    targets = [one.target for one in service.asked]
    assert targets[0] == "/v1/projects/example.com%3Abuilds:getAncestry"
    assert targets[1] == "/v3/projects/example.com%3Abuilds:getIamPolicy"
    assert targets[2].startswith("/storage/v1/b/a%2Fb/o?")
