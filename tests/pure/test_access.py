"""Access to a target: what is granted, and what that does to everybody."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gcr_migrate.access import SourceAccess, settle
from gcr_migrate.access.conditions import Fate, fate_of
from gcr_migrate.model.access import (
    PUBLIC,
    AccessWish,
    Binding,
    Condition,
    Grant,
    Level,
    ObjectAccess,
    Picture,
    Policy,
    PolicyOn,
    Right,
    Verdict,
)

NOW_MS = 1_795_000_000_000  # in November 2026
READER, WRITER, ADMIN = (
    f"roles/artifactregistry.{name}" for name in ("reader", "writer", "repoAdmin")
)
ENDED = 'request.time < timestamp("2024-12-31T00:00:00Z")'
OLD = Condition("until 2024", ENDED)
BUCKET = (
    Binding(
        "roles/storage.objectViewer",
        (
            "allUsers",
            "serviceAccount:ci@acme-web.iam.gserviceaccount.com",
            "group:devs@acme.example",
            "deleted:serviceAccount:old@acme-web.iam.gserviceaccount.com?uid=777",
        ),
    ),
    Binding("roles/storage.objectViewer", ("user:contractor@partner.example",), OLD),
    Binding("roles/storage.objectAdmin", ("user:rel@acme.example",)),
    Binding(
        "roles/storage.objectCreator", ("serviceAccount:build@acme-web.iam.gserviceaccount.com",)
    ),
    Binding("roles/storage.legacyBucketOwner", ("projectOwner:acme-web", "projectEditor:acme-web")),
    Binding(
        "roles/storage.admin",
        ("serviceAccount:service-42@containerregistry.iam.gserviceaccount.com",),
    ),
)
PROJECT = PolicyOn(
    Level.PROJECT,
    "projects/acme-web",
    Policy(
        (
            Binding(
                "roles/storage.objectViewer",
                ("serviceAccount:gke-nodes@acme-web.iam.gserviceaccount.com",),
            ),
        ),
        "e",
    ),
)
SOURCE = Picture(
    "us.gcr.io/acme-web",
    Level.BUCKET,
    "acme-web",
    (
        PolicyOn(Level.BUCKET, "gs://us.artifacts.acme-web.appspot.com", Policy(BUCKET, "e")),
        PROJECT,
    ),
)
TARGET = Picture("us-docker.pkg.dev/acme-web/site", Level.REPOSITORY, "acme-web", (PROJECT,))
WISH = AccessWish(
    translate=True, basis="bucket", grants=(Grant(READER, "group:site-ops@acme.example"),)
)


def test_the_bucket_of_a_project_becomes_the_policy_of_a_repository() -> None:
    """Each right follows by the narrowest role; what comes by the project is granted too."""
    settled = settle(TARGET, [SourceAccess(SOURCE, WISH)], NOW_MS)
    assert {(grant.role, grant.member) for grant in settled.grants} == {
        (READER, "group:devs@acme.example"),
        (READER, "group:site-ops@acme.example"),
        (READER, "serviceAccount:ci@acme-web.iam.gserviceaccount.com"),
        (READER, "serviceAccount:gke-nodes@acme-web.iam.gserviceaccount.com"),
        (WRITER, "serviceAccount:build@acme-web.iam.gserviceaccount.com"),
        (ADMIN, "user:rel@acme.example"),
    }
    assert [(row.member, row.right, row.verdict) for row in settled.rows if row.needs_consent] == [
        ("allUsers", Right.PULL, Verdict.LOST)
    ]
    told = {(row.member.partition("@")[0], row.right): row.verdict for row in settled.rows}
    assert told["user:contractor", Right.PULL] is Verdict.EXCUSED
    assert told["deleted:serviceAccount:old", Right.PULL] is Verdict.EXCUSED
    assert told["serviceAccount:service-42", Right.DELETE] is Verdict.EXCUSED
    assert told["projectEditor:acme-web", Right.PUSH] is Verdict.SAME
    assert told["serviceAccount:build", Right.PULL] is Verdict.IMPLIED
    assert told["group:site-ops", Right.PULL] is Verdict.GAINED  # which the spec says itself


def test_what_is_there_already_is_not_granted_twice() -> None:
    """After the grants are made, the same question gives the same grants and nothing else."""
    first = settle(TARGET, [SourceAccess(SOURCE, WISH)], NOW_MS)
    policy = Policy((), "e").added(first.grants)
    own = PolicyOn(Level.REPOSITORY, "projects/acme-web/locations/us/repositories/site", policy)
    made = Picture(TARGET.shown, Level.REPOSITORY, "acme-web", (own, PROJECT))
    again = settle(made, [SourceAccess(SOURCE, WISH)], NOW_MS)
    assert again.grants == first.grants
    assert policy.added(again.grants) == policy


def test_consent_to_the_owners_of_a_project_is_consent_to_each_as_such() -> None:
    """Who has more than that role there, another such role, or is denied, has to be named."""
    people = {one: f"user:{one}@acme.example" for one in ("boss", "both", "dev", "out")}
    there = Policy(
        (
            Binding("roles/owner", tuple(people[one] for one in ("boss", "both", "out"))),
            Binding("roles/editor", (people["dev"],)),
            Binding(READER, (people["both"],)),
        ),
        "e",
    )
    target = Picture(
        "us-docker.pkg.dev/acme-ops/site",
        Level.REPOSITORY,
        "acme-ops",
        (PolicyOn(Level.PROJECT, "projects/acme-ops", there),),
    )
    wish = replace(
        WISH,
        public=True,
        deny=(people["out"],),
        accept=(("projectOwner:acme-ops", "gained", "they run it"),),
    )
    rows = settle(target, [SourceAccess(SOURCE, wish)], NOW_MS).rows
    consents = {(row.member, row.right): row.consent for row in rows if row.verdict == "gained"}
    assert {consents[people["boss"], right] for right in Right} == {"they run it"}
    assert {right for right in Right if consents[people["both"], right]} == {
        Right.PUSH,
        Right.DELETE,
    }
    open_still = {row.member for row in rows if row.needs_consent}
    assert open_still == {people[one] for one in ("both", "dev", "out")}


def test_prevented_public_access_is_no_loss_and_is_not_carried() -> None:
    """Where nothing lets everybody in, nobody loses what the policy and the lists say of them."""
    lists = ObjectAccess((("allAuthenticatedUsers", 3), ("user:lists@acme.example", 3)), 3)
    shut = replace(SOURCE, never_public=True, objects=lists)
    settled = settle(TARGET, [SourceAccess(shut, replace(WISH, public=True))], NOW_MS)
    public = {row.member: row for row in settled.rows if row.member in PUBLIC}

    assert set(public) == PUBLIC
    assert {row.verdict for row in public.values()} == {Verdict.EXCUSED}
    assert {row.why for row in public.values()} == {"public access is prevented there"}
    granted = {grant.member for grant in settled.grants}
    assert not PUBLIC & granted
    assert "user:lists@acme.example" in granted


@pytest.mark.parametrize(
    ("expression", "fate"),
    [
        (ENDED, Fate.ENDED),
        ('timestamp("2024-12-31T00:00:00Z") >= request.time', Fate.ENDED),
        (
            f"{ENDED} && request.time.getHours() > 8",
            Fate.ENDED,
        ),
        (
            f"{ENDED} || request.time.getHours() > 8",
            Fate.CARRIED,
        ),
        ('request.time < timestamp("2034-12-31T00:00:00Z")', Fate.CARRIED),
        (f"!({ENDED})", Fate.CARRIED),
        (f"{ENDED} ? false : true", Fate.CARRIED),
        (f"false == (true && {ENDED} && true)", Fate.CARRIED),
        ('resource.name.startsWith("projects/_/buckets/b")', Fate.STAYS),
        (f'{ENDED} && resource.name == "x"', Fate.STAYS),
        ('request.auth.claims.x == "request.time"', Fate.STAYS),
        ("", Fate.STAYS),
    ],
)
def test_only_a_condition_of_time_can_be_judged(expression: str, fate: str) -> None:
    """It has ended only where that is certain; what asks for more stays behind."""
    assert fate_of(Condition("c", expression), NOW_MS) == fate
