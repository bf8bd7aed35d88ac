"""Which rights doctor finds missing for reading who has access: by examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.doctor.answers import HostAnswers
from gcr_migrate.doctor.case import case_of_spec
from gcr_migrate.doctor.checks import Area, Check, Status, Step
from gcr_migrate.doctor.judge import judge
from gcr_migrate.doctor.permissions import permissions_for
from gcr_migrate.model.cloud import BucketFacts
from gcr_migrate.model.names import gcr_host
from gcr_migrate.spec import load_spec
from tests.doctor import ALL, US, a_place, an_error, well

if TYPE_CHECKING:
    from gcr_migrate.doctor.answers import Answers

OK, WARNING, MISSING, NOT_ASKED = Status.OK, Status.WARNING, Status.MISSING, Status.NOT_ASKED
BUCKET: Final = "us.artifacts.builds.appspot.com"
READS_BUCKETS: Final = frozenset(
    {
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.objects.getIamPolicy",
        "storage.objects.list",
    }
)
INHERITED: Final = frozenset(
    {
        "iam.roles.get",
        "resourcemanager.projects.get",
        "resourcemanager.projects.getIamPolicy",
    }
)


def _answers(
    access: str, *, uniform: bool | None = None, buckets: Any = READS_BUCKETS, **change: Any
) -> Answers:
    """Return answers about a plan whose access is as said, for somebody with all other rights."""
    text = (
        "source: {project: builds, hosts: [us.gcr.io]}\n"
        "routes: [{match: '**', repository: app, access: " + access + "}]\n"
    )
    case = case_of_spec(load_spec(text, "spec.yaml"), "spec.yaml")
    usual: dict[str, Any] = {"held": ALL - READS_BUCKETS, "held_on": {US: ALL}, "above": {}}
    if buckets is not None:
        usual["held_on"] = {US: ALL, f"gs://{BUCKET}": buckets}
    place = a_place(**({"place": case.places[0]} | usual | change))
    host = gcr_host("us.gcr.io")
    assert host is not None
    facts = None
    if uniform is not None:
        facts = BucketFacts(BUCKET, "US", uniform_access=uniform, readable=True)
    hosts = {host: HostAnswers(facts, well().hosts[host].pull)}
    answers = well(places=(place,), hosts=hosts, case=case)
    return replace(answers, steps=frozenset({Step.PLAN}))


def _lines(answers: Answers) -> dict[str, Check]:
    """Return the lines about permissions, by the permission."""
    found = [one for one in judge(answers) if one.area is Area.PERMISSION]
    return {one.subject.partition(" ")[0]: one for one in found}


def test_access_is_asked_for_only_where_it_is_carried_over() -> None:
    """A spec that grants something itself reads nobody else's access."""
    grant = "{grant: [{role: artifactregistry.reader, members: ['group:a@b.example']}]}"
    without, with_ = _lines(_answers(grant)), _lines(_answers("{translate: true}"))

    assert not {*READS_BUCKETS, "iam.roles.get"} & set(without)
    assert {*READS_BUCKETS, *INHERITED} <= set(with_)
    assert not permissions_for({"source"}, [Step.PLAN], frozenset()) & READS_BUCKETS
    assert {one.status for one in with_.values()} == {OK}
    assert "artifactregistry.repositories.getIamPolicy" in with_


@pytest.mark.parametrize(
    ("access", "policy", "bucket"),
    [
        ("{translate: true}", MISSING, WARNING),
        ("{translate: true, from: repository}", MISSING, WARNING),
        ("{translate: true, from: bucket}", None, MISSING),
    ],
)
def test_what_decides_has_to_be_read(access: str, policy: Status | None, bucket: Status) -> None:
    """The policy of the repository, or that of the bucket; the other one is history, or nothing."""
    nothing = ALL - {"artifactregistry.repositories.getIamPolicy"} - READS_BUCKETS
    held_on = {US: nothing, f"gs://{BUCKET}": frozenset[str]()}
    answers = _answers(access, held=nothing, held_on=held_on)
    source = replace(answers.places[0].place, serves=frozenset({"source"}))
    lines = _lines(replace(answers, places=(replace(answers.places[0], place=source),)))

    own = lines.get("artifactregistry.repositories.getIamPolicy")
    assert (own.status if own else None) is policy
    assert lines["storage.buckets.getIamPolicy"].status is bucket


def test_a_buckets_own_policy_is_enough() -> None:
    """Nobody needs a right in all of the project for one bucket."""
    lines = _lines(_answers("{translate: true, from: bucket}"))
    assert {lines[one].status for one in READS_BUCKETS} == {OK}
    assert lines["storage.buckets.get"].saw == f"held on {BUCKET}"


def test_several_roles_together_give_what_no_one_does() -> None:
    """Each command mends the lines that it is at; together they mend all, without an admin's."""
    answers = _answers("{translate: true, from: bucket}", held=frozenset(), buckets=frozenset())
    lines = _lines(answers)
    roles = {
        permission: {command.partition("--role=")[2].split()[0] for command in line.commands}
        for permission, line in lines.items()
    }
    reviewer = {"roles/iam.securityReviewer"}
    assert roles["storage.buckets.getIamPolicy"] == reviewer
    assert roles["storage.objects.getIamPolicy"] == reviewer
    assert roles["storage.objects.list"] == reviewer
    assert roles["storage.buckets.get"] == {"roles/storage.bucketViewer"}
    assert roles["iam.roles.get"] == {"roles/iam.roleViewer"}
    assert roles["resourcemanager.projects.getIamPolicy"] == {"roles/browser"}
    assert all(
        "projects add-iam-policy-binding builds" in c for c in lines["iam.roles.get"].commands
    )


@pytest.mark.parametrize(("uniform", "status"), [(True, OK), (False, WARNING), (None, WARNING)])
def test_lists_of_objects_matter_only_where_there_are_some(
    uniform: bool | None,  # noqa: FBT001  # an example
    status: Status,
) -> None:
    """A bucket whose policy alone decides has none; one of which that is not known may have."""
    held = READS_BUCKETS - {"storage.objects.list", "storage.objects.getIamPolicy"}
    lines = _lines(_answers("{translate: true}", uniform=uniform, buckets=held))
    assert lines["storage.objects.getIamPolicy"].status is status
    assert lines["storage.objects.list"].status is status


def test_without_a_bucket_nothing_is_asked_of_one() -> None:
    """Nor is a line made up for it."""
    assert not READS_BUCKETS & set(_lines(_answers("{translate: true}", buckets=None)))


def test_what_could_not_be_asked_proves_nothing() -> None:
    """A refusal at the bucket, at a folder, or of all that the project lies in stops nothing."""
    denied = an_error(errors.DENIED, "403")
    some = {"folders/70": denied, "organizations/7": True}
    lines = _lines(_answers("{translate: true, from: bucket}", buckets=denied, above=some))
    hidden = _lines(_answers("{translate: true}", above=denied))

    assert lines["storage.buckets.getIamPolicy"].status is NOT_ASKED
    assert lines["resourcemanager.folders.getIamPolicy"].status is NOT_ASKED
    assert lines["resourcemanager.organizations.getIamPolicy"].status is OK
    assert hidden["folders"].status is NOT_ASKED


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("folders/70", "gcloud resource-manager folders add-iam-policy-binding 70"),
        ("organizations/7", "gcloud organizations add-iam-policy-binding 7"),
    ],
)
def test_policies_above_are_granted_where_they_are(name: str, command: str) -> None:
    """Without them a plan can be made, which names what it did not see."""
    (line,) = (
        one
        for subject, one in _lines(_answers("{translate: true}", above={name: False})).items()
        if name.partition("/")[0] in subject
    )
    assert line.verdicts == {Step.PLAN: WARNING}
    assert line.commands[0].startswith(command)
    assert "--role=roles/iam.securityReviewer --condition=None" in line.commands[0]
