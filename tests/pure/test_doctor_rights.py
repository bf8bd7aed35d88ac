"""Which rights doctor finds missing, for whom, and what it proposes: by examples."""

from __future__ import annotations

from typing import Any, Final

import pytest
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.doctor.answers import Answers, HostAnswers
from gcr_migrate.doctor.case import case_of_spec
from gcr_migrate.doctor.checks import Area, Check, Status, Step
from gcr_migrate.doctor.judge import judge
from gcr_migrate.doctor.rules import RESOURCE_LOCATIONS
from gcr_migrate.doctor.services import SCANNING, SERVICES
from gcr_migrate.errors import CATALOGUE, Problem
from gcr_migrate.model.cloud import OrgPolicy, RepositoryFacts
from gcr_migrate.model.names import GCR_HOSTS
from gcr_migrate.spec import load_spec
from tests.doctor import (
    ALL,
    CASE,
    REFUSED,
    SOURCE_ONLY,
    US,
    a_caller,
    a_place,
    an_error,
    host_but,
    line_of,
    well,
    well_but,
)

_OK, _WARNING, _MISSING = Status.OK, Status.WARNING, Status.MISSING
_WEB: Final = "projects/new-builds/locations/us/repositories/web"
_API: Final = "projects/new-builds/locations/us/repositories/api"
_TWO: Final = """\
source: {project: builds, hosts: [us.gcr.io]}
target: {project: new-builds}
routes:
  - {match: "web/**", repository: web, access: {grant: [&grant {role: artifactregistry.reader,
     members: ["group:a@example.com"]}]}}
  - {match: "api/**", repository: api, access: {grant: [*grant]}}
"""


def _two_targets(**change: Any) -> Answers:
    """Return answers about a spec with two target repositories, for somebody with a few rights."""
    case = case_of_spec(load_spec(_TWO, "spec.yaml"), "spec.yaml")
    source, target = case.places
    places = (a_place(place=source), a_place(**({"place": target, "held": frozenset()} | change)))
    return replace(well(places=places, case=case), steps=frozenset({Step.PLAN, Step.APPLY}))


def _repository(resource: str) -> RepositoryFacts:
    return RepositoryFacts(resource, "DOCKER", "STANDARD_REPOSITORY", 1)


def _on_target(answers: Answers) -> list[Check]:
    """Return the lines about what is needed in target projects; not about what is optional."""
    lines = [one for one in judge(answers) if one.area is Area.PERMISSION and "new-" in one.subject]
    return [one for one in lines if one.subject.startswith("artifactregistry.")]


OPTIONAL = {
    "pubsub.topics.get": "roles/pubsub.viewer",
    "pubsub.subscriptions.get": "roles/pubsub.viewer",
    "serviceusage.services.get": "roles/serviceusage.serviceUsageViewer",
}


@pytest.mark.parametrize("right", OPTIONAL)
def test_an_optional_right_stops_nothing_and_says_what_it_tells(right: str) -> None:
    """What only tells more is called so, with the role that gives it, and warns the plan alone."""
    line = line_of(well_but(held=ALL - {right}), Area.PERMISSION, right)
    assert dict(line.verdicts) == {Step.PLAN: _WARNING}
    assert "optional: it tells " in line.saw
    assert [OPTIONAL[right] in one for one in line.commands] == [True]


def test_what_is_yet_to_be_created_has_no_policy_of_its_own() -> None:
    """All rights on one of two target repositories are no rights on the one to be created."""
    change: dict[str, Any] = {"repositories": {"us": (_repository(_WEB),)}, "held_on": {_WEB: ALL}}
    rights = "artifactregistry.repositories."
    answers = _two_targets(**change, held=frozenset({f"{rights}create"}))
    lacking = {
        one.subject for one in _on_target(answers) if one.verdicts.get(Step.APPLY) is _MISSING
    }
    needed = ("get", "downloadArtifacts", "uploadArtifacts", "getIamPolicy", "setIamPolicy")
    assert lacking == {f"{rights}{word} in new-builds" for word in needed}
    commands = {command for one in _on_target(answers) for command in one.commands}
    assert len(commands) == 1
    assert all(one.startswith("gcloud projects add-iam-policy-binding") for one in commands)


@pytest.mark.parametrize("listed", [(_repository(_WEB), _repository(_API)), REFUSED])
def test_rights_on_each_repository_are_enough_where_all_are_there(listed: Any) -> None:
    """Nobody needs a role on a project for that, listed or told by rights that are held there."""
    held = ALL - {"artifactregistry.repositories.create"}
    answers = _two_targets(repositories={"us": listed}, held_on={_WEB: held, _API: held})
    assert {one.status for one in _on_target(answers)} == {_OK}


def test_a_plan_reads_no_policy_where_nothing_is() -> None:
    """Only apply needs to see policies of target repositories that do not exist yet."""
    may_see = frozenset(
        {"artifactregistry.repositories.get", "artifactregistry.repositories.downloadArtifacts"}
    )
    answers = _two_targets(repositories={"us": ()}, held_on={}, held=may_see)
    (line,) = [one for one in _on_target(answers) if "getIamPolicy" in one.subject]
    assert line.verdicts == {Step.PLAN: _OK, Step.APPLY: _MISSING}
    assert {one.verdicts.get(Step.PLAN, _OK) for one in _on_target(answers)} == {_OK}


def test_a_plan_by_pattern_reads_no_policy_where_only_the_source_is() -> None:
    """The source's own repository is none of the targets that a pattern makes."""
    rule = "access: {grant: [{role: artifactregistry.reader, members: ['group:a@x.com']}]}"
    text = f"source: us.gcr.io/builds\nroutes: [{{match: '{{a}}/**', repository: '{{a}}', {rule}}}]"
    case = case_of_spec(load_spec(text, "spec.yaml"), "spec.yaml")
    held = ALL - {"artifactregistry.repositories.getIamPolicy"}
    place = a_place(place=case.places[0], held=held, held_on={US: held})
    answers = well(places=(place,), case=case)
    line = line_of(answers, Area.PERMISSION, "getIamPolicy")
    assert line.verdicts[Step.PLAN] is _OK
    assert line.verdicts[Step.APPLY] is _MISSING


def test_a_pull_and_its_permission_have_one_remedy() -> None:
    """Whoever is granted the missing permission needs no second grant in order to pull."""
    held = frozenset({"artifactregistry.repositories.get"})
    answers = host_but("us.gcr.io", pull=REFUSED, held=held, held_on={US: frozenset()})
    pull = line_of(answers, Area.PULL, "us.gcr.io")
    permission = line_of(answers, Area.PERMISSION, "downloadArtifacts")
    assert (pull.remedy, pull.commands) == (permission.remedy, permission.commands)
    assert pull.commands


def test_a_hidden_host_of_a_spec_stops_a_plan() -> None:
    """A spec without hosts visits all four, so one that nobody may look into is missing."""
    listed = {"us": REFUSED, "europe": REFUSED, "asia": REFUSED}
    hosts = {**well().hosts, GCR_HOSTS[0]: HostAnswers(None, REFUSED)}
    place = a_place(place=SOURCE_ONLY, repositories=listed, held=frozenset(), held_on={US: ALL})
    answers = well(places=(place,), hosts=hosts, case=replace(CASE, has_spec=True))
    lines = [one for one in judge(answers) if one.area is Area.PULL]
    (line,) = [one for one in lines if one.status is _MISSING]
    assert line.subject == f"{GCR_HOSTS[0].name}/builds"
    assert "leave the host out" in line.remedy
    assert "--role=roles/artifactregistry.reader" in line.commands[0]


@pytest.mark.parametrize(("has_spec", "expected"), [(False, set()), (True, {Area.REFUSAL})])
def test_a_host_that_nobody_uses_may_be_out_of_order(
    expected: set[Area],
    has_spec: bool,  # noqa: FBT001  # an example
) -> None:
    """What goes wrong at a host without a repository stops only a spec that visits it."""
    answers = host_but("asia.gcr.io", pull=an_error(errors.SERVER_ERROR, "500"))
    answers = replace(answers, case=replace(CASE, has_spec=has_spec))
    assert {one.area for one in judge(answers) if one.status is _MISSING} == expected


def test_targets_for_unused_hosts_are_not_expected() -> None:
    """A spec that leaves its hosts open gets no repository where no image comes from."""
    text = "source: builds\nroutes: [{match: '**', repository: app}]\n"
    case = case_of_spec(load_spec(text, "spec.yaml"), "spec.yaml")
    found = [one.subject for one in judge(well(case=case)) if one.area is Area.REPOSITORY]
    assert found == ["projects/builds/locations/us/repositories/app"]


def test_nothing_at_a_named_path_is_worth_a_look() -> None:
    """A path that is spelt wrong is told, though its host is in order."""
    answers = replace(host_but("us.gcr.io"), case=replace(CASE, paths=("ap",)))
    line = line_of(answers, Area.PULL, "us.gcr.io")
    assert (line.status, line.saw) == (_WARNING, "no image is at ap")


@pytest.mark.parametrize(
    ("source", "commands"),
    [
        ("access token in VARIABLE", ('export VARIABLE="$(gcloud auth print-access-token)"',)),
        ("access token file a b", ("gcloud auth print-access-token > 'a b'",)),
        ("gcloud, impersonating x@y.z", ("gcloud auth login",)),
        ("application default credentials /x", ("gcloud auth application-default login",)),
        ("credential file key.json", ()),
        ("metadata server", ()),
    ],
)
def test_a_login_is_renewed_where_it_was_found(source: str, commands: tuple[str, ...]) -> None:
    """The command renews what is used, and not another login that would never be looked at."""
    answers = well_but(caller=a_caller(source=source), facts=an_error(errors.UNAUTHORIZED))
    assert line_of(answers, Area.CREDENTIALS, "").commands == commands


def test_a_login_is_not_nobody_for_the_words_it_is_told_in() -> None:
    """A token in a file of any name is a token, also where nobody can tell whose it is."""
    caller = a_caller(source="access token file anonymous.txt", account="")
    line = line_of(well_but(caller=caller), Area.CREDENTIALS, "")
    assert _MISSING not in line.verdicts.values()


@pytest.mark.parametrize("problem", CATALOGUE.values(), ids=CATALOGUE)
def test_without_a_token_no_step_can_begin(problem: Problem) -> None:
    """Whatever keeps a login from its token is missing for every step."""
    line = line_of(well_but(caller=an_error(problem, "seen")), Area.CREDENTIALS, "login")
    assert set(line.verdicts.values()) == {_MISSING}


def test_nobody_is_granted_what_an_impersonated_account_would_need() -> None:
    """Where an account cannot be acted as, that is the one finding, with the role for it."""
    refused = an_error(errors.IMPERSONATION_REFUSED, "404 no such account")
    place = a_place(
        caller=refused,
        facts=refused,
        held=refused,
        redirection=refused,
        repositories=dict.fromkeys(("us", "europe", "asia"), refused),
        held_on={US: refused},
    )
    hosts = {host: HostAnswers(refused, refused) for host in GCR_HOSTS}
    checks = judge(well(places=(place,), hosts=hosts))
    assert [one.area for one in checks if one.status is _MISSING] == [Area.CREDENTIALS]
    commands = {command for one in checks for command in one.commands}
    assert [one.split()[:3] for one in commands] == [["gcloud", "iam", "service-accounts"]]


def test_a_source_is_not_written_to_by_apply() -> None:
    """What the source's organisation forbids, or charges for, does not stop a copy elsewhere."""
    case = case_of_spec(load_spec(_TWO, "spec.yaml"), "spec.yaml")
    only_eu = {RESOURCE_LOCATIONS: OrgPolicy("c", allowed=("in:eu-locations",))}
    source = a_place(place=case.places[0], policies=only_eu, enabled=frozenset(SERVICES))
    answers = well(places=(source, a_place(place=case.places[1])), case=case)
    about = {Area.POLICY, Area.SERVICE}
    lines = [one for one in judge(answers) if one.area in about and one.status is not _OK]
    assert {one.subject for one in lines} == {
        f"{RESOURCE_LOCATIONS} on builds",
        f"{SCANNING} in builds",
    }
    assert {step for one in lines for step in one.verdicts} == {Step.RESCUE}


def test_a_target_out_of_reach_does_not_stop_the_source() -> None:
    """Where only the target's host has no address, the source can be looked into and redirected."""
    case = case_of_spec(load_spec(_TWO, "spec.yaml"), "spec.yaml")
    ways = {"europe-west1-docker.pkg.dev": an_error(errors.UNREACHABLE, "no address")}
    answers = well(case=replace(case, locations=("europe-west1",)), ways=ways)
    line = line_of(answers, Area.DNS, "europe")
    assert set(line.verdicts) == {Step.PLAN, Step.APPLY, Step.VERIFY}
    assert line.status is _MISSING
