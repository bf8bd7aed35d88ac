"""Draws worlds of policies: any member in any role under any condition, on any level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from tests.access_judge import Wish
from tests.evaluator import World
from tests.made import made

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from tests.evaluator import BindingList

POOL: Final = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/Pool"
PEOPLE: Final = (
    "user:ada@x.example",
    "user:Ada@X.example",  # the same
    "group:devs@x.example",
    "serviceAccount:ci@p.iam.gserviceaccount.com",
    "serviceAccount:42@cloudbuild.gserviceaccount.com",
    "domain:x.example",
    f"principal:{POOL}/subject/Sub",
    f"principalSet:{POOL}/*",
)
OTHERS: Final = (
    "allUsers",
    "allAuthenticatedUsers",
    "deleted:user:old@x.example?uid=1",
    "serviceAccount:service-42@containerregistry.iam.gserviceaccount.com",
    "serviceAccount:service-42@gcp-sa-artifactregistry.iam.gserviceaccount.com",
)
GROUPS: Final = ("projectOwner:p", "projectEditor:p", "projectViewer:p")
CUSTOM: Final = {
    "projects/p/roles/hidden": None,
    "projects/p/roles/puller": ["storage.objects.get", "storage.objects.list"],
    "projects/p/roles/remover": ["storage.objects.delete"],
    "organizations/7/roles/both": [
        "storage.objects.get",
        "artifactregistry.repositories.downloadArtifacts",
        "artifactregistry.repositories.uploadArtifacts",
    ],
    "projects/p/roles/gone": [],
}
STORAGE: Final = (
    *CUSTOM,  # what comes first is drawn more often
    *(
        f"roles/storage.{name}"
        for name in (
            "admin",
            "objectAdmin",
            "objectUser",
            "objectViewer",
            "objectCreator",
            "legacyBucketOwner",
            "legacyBucketWriter",
            "legacyBucketReader",
            "legacyObjectOwner",
            "legacyObjectReader",
        )
    ),
)
ARTIFACTS: Final = (
    *(
        f"roles/artifactregistry.{name}"
        for name in ("reader", "writer", "repoAdmin", "admin", "createOnPushWriter")
    ),
    "organizations/7/roles/both",
)
BASIC: Final = ("roles/owner", "roles/editor", "roles/viewer", "roles/browser")
ABOVE: Final = (
    "roles/storage.admin",
    "roles/storage.objectViewer",
    "roles/storage.objectCreator",
    "roles/storage.objectAdmin",
    "roles/cloudbuild.builds.builder",
    "roles/artifactregistry.reader",
    "roles/artifactregistry.writer",
    "projects/p/roles/puller",
    "organizations/7/roles/both",
)
PAST, EARLY, LATE = (f'timestamp("{year}-01-01T00:00:00Z")' for year in (2020, 2030, 2035))
TIMES: Final = (
    'request.time < timestamp("2020-01-01T00:00:00Z")',
    'request.time < timestamp("2040-01-01T00:00:00Z")',
    'timestamp("2040-01-01T00:00:00Z") > request.time',
    'request.time >= timestamp("2030-06-01T00:00:00+02:00")',
    f"request.time > {EARLY} && request.time < {LATE}",
    f"request.time < {PAST} || request.time > {LATE}",
    '!(request.time > timestamp("2040-01-01T00:00:00Z"))',
    '!(request.time < timestamp("2020-01-01T00:00:00Z"))',
    f'!(request.time.getHours("UTC") < 12 && request.time < {PAST} && request.time < {LATE})',
    'request.time.getHours("Europe/Berlin") < 18',
    'request.time < timestamp("2024-12-31T00:00:00Z") && request.time.getHours("UTC") < 12',
    "request.time.getFullYear() < 2030",
)
NAMES: Final = (
    'resource.name.endsWith("sha256:a")',
    'resource.name.endsWith("sha256:a") && request.time < timestamp("2040-01-01T00:00:00Z")',
    'resource.name.endsWith("sha256:a") || request.time < timestamp("2040-01-01T00:00:00Z")',
    'resource.type == "storage.googleapis.com/Object"',
    'resource.type == "artifactregistry.googleapis.com/Repository"',
)


def bindings(
    roles: tuple[str, ...], members: tuple[str, ...], conditions: tuple[str, ...]
) -> SearchStrategy[BindingList]:
    """Draw a policy; IAM takes no conditions on basic and legacy roles, nor for everybody."""
    one = made(
        _binding,
        st.sampled_from(roles),
        st.lists(st.sampled_from(members), min_size=1, max_size=3, unique=True),
        st.sampled_from((None,) * 4 + conditions),
    )
    return st.lists(one, max_size=4)


def _binding(role: str, members: list[str], expression: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {"role": role, "members": members}
    bare = role in BASIC or role.startswith("roles/storage.legacy") or {*members} & {*OTHERS[:2]}
    if expression and not bare:
        made["condition"] = {"title": "limited", "expression": expression}
    return made


@st.composite
def sources(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a world's source is."""
    is_bucket = draw(st.booleans())
    at_bucket = (*STORAGE, "roles/cloudbuild.builds.builder")
    members = PEOPLE + OTHERS + (GROUPS if is_bucket else ())
    objects = None
    if is_bucket and draw(st.booleans()):
        readers = st.lists(st.sampled_from(PEOPLE + GROUPS + OTHERS[:1]), max_size=2, unique=True)
        objects = {name: draw(readers) for name in ("a", "b")}
    return {
        "source": draw(bindings(at_bucket if is_bucket else ARTIFACTS, members, TIMES + NAMES)),
        "is_bucket": is_bucket,
        "objects": objects,
        "never_public": is_bucket and draw(st.booleans()),
    }


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, Wish]:
    """Draw a world and what a spec says of it."""
    inherited = bindings(ABOVE + BASIC, PEOPLE, TIMES + NAMES)
    world = World(
        project="p",
        above={
            "p": [draw(inherited), draw(inherited), draw(inherited)],
            "q": [draw(bindings(ABOVE + BASIC, PEOPLE, TIMES + NAMES))],
        },
        custom=dict(CUSTOM),
        target_project=draw(st.sampled_from("pq")),
        target=draw(bindings(ARTIFACTS, PEOPLE, TIMES + NAMES)),
        **draw(sources()),
    )
    some = st.lists(st.sampled_from(PEOPLE), max_size=1)
    changes = st.tuples(st.sampled_from(PEOPLE + OTHERS[:2]), st.sampled_from(("lost", "gained")))
    wish = Wish(
        public=draw(st.booleans()),
        deny=tuple(draw(some)),
        accept=tuple(draw(st.lists(changes, max_size=2))),
        grant=tuple(("roles/artifactregistry.reader", who) for who in draw(some)),
    )
    return world, wish
