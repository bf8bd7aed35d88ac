"""The check-list by tables and properties: from answers to lines, with nobody asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.doctor.above import policy_permission
from gcr_migrate.doctor.answers import Answers, HostAnswers, Pull
from gcr_migrate.doctor.case import case_of_name, case_of_spec
from gcr_migrate.doctor.checks import Area, Status, Step
from gcr_migrate.doctor.judge import judge
from gcr_migrate.doctor.permissions import NEEDS, least_roles
from gcr_migrate.doctor.rules import CONSTRAINTS, KEYS, MEMBERS, RESOURCE_LOCATIONS, may_use
from gcr_migrate.doctor.services import SCANNING, SERVICES
from gcr_migrate.doctor.usage import pointless
from gcr_migrate.errors import CATALOGUE, Exit, MigrateError, Problem
from gcr_migrate.model.address import Range, Reach, Way, range_of
from gcr_migrate.model.caller import ANONYMOUS
from gcr_migrate.model.cloud import (
    OrgPolicy,
    ProjectFacts,
    Redirection,
    RedirectSettings,
)
from gcr_migrate.model.names import GCR_HOSTS
from gcr_migrate.report.checklist import checklist_lines
from gcr_migrate.report.checks import CheckListFact, DoctorFacts
from gcr_migrate.sandbox import permissions as sandbox
from gcr_migrate.spec import load_spec
from tests.doctor import (
    ALL,
    BUCKET,
    CASE,
    DISABLED,
    NEVER,
    NOW,
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
from tests.made import made

_OK, _UNASKED, _WARNING, _MISSING = Status.OK, Status.NOT_ASKED, Status.WARNING, Status.MISSING


def test_nothing_amiss_is_all_ok() -> None:
    """A project in order gives a list without a single other status."""
    assert {check.status for check in judge(well())} == {Status.OK}


@pytest.mark.parametrize(
    ("answers", "area", "subject", "verdicts", "saw"),
    [
        (
            well_but(caller=ANONYMOUS),
            Area.CREDENTIALS,
            "anonymous",
            {Step.PLAN: _MISSING},
            "none were found",
        ),
        (
            well_but(caller=a_caller(renewable=False, expires_at=NOW - 60)),
            Area.CREDENTIALS,
            "bot@",
            {Step.VERIFY: _MISSING},
            "ended at",
        ),
        (
            well_but(caller=a_caller(renewable=False, expires_at=NOW + 1800)),
            Area.CREDENTIALS,
            "bot@",
            {Step.APPLY: _WARNING, Step.DISCOVER: _OK},
            "in 30 min",
        ),
        (
            well_but(caller=a_caller(renewable=False, expires_at=NOW + 60)),
            Area.CREDENTIALS,
            "bot@",
            {Step.APPLY: _WARNING, Step.DISCOVER: _WARNING},
            "in 1 min",
        ),
        (
            well_but(caller=an_error(errors.TOKEN_EXPIRED)),
            Area.CREDENTIALS,
            "login",
            {Step.PLAN: _MISSING},
            "has ended",
        ),
        (
            well_but(held=an_error(errors.UNAUTHORIZED, "401 invalid")),
            Area.CREDENTIALS,
            "bot@",
            {Step.PLAN: _MISSING},
            "401 invalid",
        ),
        (well(skew_s=61.0), Area.CLOCK, "clock", {Step.PLAN: _WARNING}, "61 s ahead"),
        (well(skew_s=-301.0), Area.CLOCK, "clock", {Step.PLAN: _MISSING}, "301 s behind"),
        (well(skew_s=None), Area.CLOCK, "clock", {Step.PLAN: _UNASKED}, "no answer"),
        (
            well_but(facts=REFUSED),
            Area.PROJECT,
            "builds",
            {Step.PLAN: _UNASKED},
            "hidden from this caller",
        ),
        (
            well_but(facts=ProjectFacts("builds", "123", "", active=False)),
            Area.PROJECT,
            "builds",
            {Step.PLAN: _MISSING},
            "deleted",
        ),
        (
            well_but(enabled=frozenset(SERVICES) - {"artifactregistry.googleapis.com"}),
            Area.SERVICE,
            "artifactregistry",
            {Step.PLAN: _MISSING, Step.RESCUE: _MISSING},
            "not enabled",
        ),
        (
            well_but(locations=an_error(errors.API_DISABLED, "403 SERVICE_DISABLED")),
            Area.SERVICE,
            "artifactregistry",
            {Step.PLAN: _MISSING},
            "403 SERVICE_DISABLED",
        ),
        (
            well_but(enabled=frozenset(SERVICES)),
            Area.SERVICE,
            SCANNING,
            {Step.APPLY: _WARNING, Step.RESCUE: _WARNING},
            "for a fee",
        ),
        (
            well_but(enabled=REFUSED),
            Area.SERVICE,
            "artifactregistry",
            {Step.PLAN: _OK},
            "it answers",
        ),
        (
            well_but(
                redirection=an_error(errors.PERIMETER, "vpcServiceControlsUniqueIdentifier: X1")
            ),
            Area.REFUSAL,
            "artifactregistry",
            {Step.PLAN: _MISSING},
            "X1",
        ),
        (
            well_but(facts=an_error(errors.PERIMETER, "X2")),
            Area.REFUSAL,
            "cloudresourcemanager",
            {Step.PLAN: _WARNING},
            "X2",
        ),
        (
            well_but(redirection=an_error(errors.PERIMETER, "X1")),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _UNASKED},
            "perimeter",
        ),
        (
            well_but(held=ALL - {"artifactregistry.projectsettings.update"}),
            Area.PERMISSION,
            "projectsettings.update",
            {Step.REDIRECT: _MISSING, Step.RESCUE: _MISSING},
            "not held on the project builds",
        ),
        (
            well_but(held=ALL - {"cloudasset.assets.searchAllResources"}),
            Area.PERMISSION,
            "searchAllResources",
            {Step.DISCOVER: _WARNING},
            "not held",
        ),
        (
            well_but(held=an_error(errors.API_DISABLED)),
            Area.PERMISSION,
            "repositories.create",
            {Step.APPLY: _UNASKED},
            "not enabled",
        ),
        (
            host_but("us.gcr.io", pull=REFUSED),
            Area.PULL,
            "us.gcr.io",
            {Step.PLAN: _MISSING},
            "though",
        ),
        (
            host_but("us.gcr.io", pull=an_error(errors.REQUEST_REFUSED)),
            Area.PULL,
            "us.gcr.io",
            {Step.PLAN: _MISSING},
            "refused a request",
        ),
        (
            host_but("us.gcr.io", pull=an_error(errors.BAD_REPLY, "a web page")),
            Area.REFUSAL,
            "us.gcr.io",
            {Step.PLAN: _MISSING},
            "a web page",
        ),
        (
            well_but(locations=an_error(errors.UNTRUSTED, "self-signed certificate")),
            Area.REFUSAL,
            "artifactregistry",
            {Step.PLAN: _MISSING},
            "self-signed",
        ),
        (
            well_but(repositories=dict.fromkeys(("us", "europe", "asia"), ())),
            Area.HOST,
            "us.gcr.io",
            {Step.PLAN: _OK},
            "its images are in Artifact Registry",
        ),
        (
            host_but("us.gcr.io", pull=an_error(errors.BLOB_UNKNOWN)),
            Area.PULL,
            "us.gcr.io",
            {Step.PLAN: _WARNING},
            "blob is not there",
        ),
        (
            host_but("us.gcr.io", pull=None),
            Area.PULL,
            "us.gcr.io",
            {Step.PLAN: _OK},
            "no image is there",
        ),
        (
            host_but("asia.gcr.io", pull=an_error(errors.NAME_UNKNOWN), bucket=BUCKET),
            Area.HOST,
            "asia.gcr.io/builds",
            {Step.REDIRECT: _MISSING, Step.PLAN: _WARNING, Step.DISCOVER: _OK},
            "repository is missing though its bucket is there",
        ),
        (
            host_but("asia.gcr.io", pull=NEVER, bucket=BUCKET, redirection=DISABLED),
            Area.HOST,
            "asia.gcr.io/builds",
            {Step.PLAN: _MISSING, Step.RESCUE: _OK, Step.DISCOVER: _OK},
            "never migrated",
        ),
        (
            host_but("asia.gcr.io", pull=NEVER, redirection=DISABLED),
            Area.HOST,
            "asia.gcr.io/builds",
            {Step.PLAN: _MISSING, Step.RESCUE: _MISSING},
            "its bucket is gone",
        ),
        (
            host_but("asia.gcr.io", pull=NEVER, bucket=BUCKET, redirection=DISABLED),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _MISSING, Step.RESCUE: _OK},
            "needs a rescue",
        ),
        (
            well_but(redirection=DISABLED),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _OK, Step.VERIFY: _WARNING},
            "not redirected, though",
        ),
        (
            well_but(redirection=RedirectSettings(Redirection.UNKNOWN, "BRAND_NEW")),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _WARNING, Step.REDIRECT: _MISSING},
            "BRAND_NEW: a word that this version does not know",
        ),
        (
            well_but(redirection=RedirectSettings(Redirection.PARTIAL_AND_COPYING, "P", 30)),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _WARNING, Step.RESCUE: _WARNING},
            "30 % of reads",
        ),
        (
            well_but(redirection=RedirectSettings(Redirection.ENABLED_AND_COPYING, "E")),
            Area.REDIRECT,
            "builds",
            {Step.PLAN: _WARNING, Step.REDIRECT: _OK},
            "copies what it lacks",
        ),
        (
            host_but("us.gcr.io", pull=Pull("x", 1), bucket=REFUSED),
            Area.BUCKET,
            "us.gcr.io",
            {Step.RESCUE: _WARNING},
            "hidden from this caller",
        ),
        (
            well_but(locations=("europe",)),
            Area.LOCATION,
            "us for builds",
            {Step.APPLY: _MISSING},
            "no such location",
        ),
        (
            well_but(policies={RESOURCE_LOCATIONS: OrgPolicy("c", allowed=("in:eu-locations",))}),
            Area.POLICY,
            RESOURCE_LOCATIONS,
            {Step.APPLY: _MISSING},
            "forbids us",
        ),
        (
            well_but(policies={KEYS: OrgPolicy("c", denied=("artifactregistry.googleapis.com",))}),
            Area.POLICY,
            KEYS,
            {Step.APPLY: _WARNING},
            "need an encryption key",
        ),
        (
            well_but(policies={MEMBERS: OrgPolicy("c", allowed=("C0abc",))}),
            Area.POLICY,
            MEMBERS,
            {Step.APPLY: _OK},
            "only to members of C0abc",
        ),
        (
            well_but(policies={MEMBERS: REFUSED}),
            Area.POLICY,
            MEMBERS,
            {Step.APPLY: _UNASKED},
            "access is denied",
        ),
    ],
)
def test_an_answer_leads_to_its_line(
    answers: Answers, area: Area, subject: str, verdicts: dict[Step, Status], saw: str
) -> None:
    """Each answer that is not the usual one is told, and weighed for each step by itself."""
    check = line_of(answers, area, subject)
    assert {step: check.verdicts[step] for step in verdicts} == verdicts
    assert saw in check.saw
    assert check.remedy or check.status in {Status.OK, Status.NOT_ASKED}


def test_a_refusal_with_one_cause_is_told_once() -> None:
    """Nine questions that one perimeter refuses give one missing line; the rest are not asked."""
    refused = an_error(errors.PERIMETER, "vpcServiceControlsUniqueIdentifier: X1")
    place = a_place(
        redirection=refused,
        locations=refused,
        repositories=dict.fromkeys(("us", "europe", "asia"), refused),
        held_on={US: refused},
    )
    hosts = {host: HostAnswers(None, refused) for host in GCR_HOSTS}
    checks = judge(well(places=(place,), hosts=hosts))
    missing = [check for check in checks if check.status is Status.MISSING]
    assert [(one.area, one.code) for one in missing] == [(Area.REFUSAL, "perimeter")]
    assert all("X1" not in one.saw for one in checks if one.area is not Area.REFUSAL)


@pytest.mark.parametrize(
    ("problem", "command"),
    [
        (errors.BILLING_OFF, "gcloud billing projects link builds --billing-account=ACCOUNT"),
        (
            errors.QUOTA_PROJECT,
            (
                "gcloud projects add-iam-policy-binding shared-quota "
                "--member=serviceAccount:bot@builds.iam.gserviceaccount.com "
                "--role=roles/serviceusage.serviceUsageConsumer --condition=None"
            ),
        ),
        (errors.API_DISABLED, "gcloud services enable artifactregistry.googleapis.com"),
    ],
)
def test_a_cause_brings_its_command(problem: Problem, command: str) -> None:
    """Billing, quota project and a disabled service are mended by a command that is shown."""
    saw = "403 Caller does not have required permission to use project shared-quota. Grant"
    answers = well_but(redirection=an_error(problem, saw))
    found = [check for check in judge(answers) if check.code == problem.code and check.commands]
    assert [one.status for one in found] == [Status.MISSING]
    assert found[0].commands[0].startswith(command)


def test_a_grant_names_the_caller_and_the_least_role() -> None:
    """Somebody who may only pull is told the role of a migrator, once, with their own name."""
    held = frozenset({"artifactregistry.repositories.downloadArtifacts"})
    answers = well_but(
        held=frozenset(), held_on={US: held}, caller=a_caller(account="ada@example.com")
    )
    checks = [one for one in judge(answers) if one.area is Area.PERMISSION and one.commands]
    role = "roles/artifactregistry.containerRegistryMigrationAdmin"
    assert {
        (
            "gcloud projects add-iam-policy-binding builds --member=user:ada@example.com "
            f"--role={role} --condition=None"
        )
    } == {c for one in checks for c in one.commands if "artifactregistry" in one.subject}


def test_a_pull_alone_is_granted_on_the_repository() -> None:
    """Who lacks nothing but the pull from one repository is given the reader's role there."""
    answers = well_but(held=frozenset(), held_on={US: frozenset()}, place=SOURCE_ONLY)
    answers = replace(answers, steps=frozenset({Step.VERIFY}))
    check = line_of(answers, Area.PERMISSION, "downloadArtifacts")
    assert check.verdicts == {Step.VERIFY: Status.MISSING}
    assert check.commands == (
        (
            "gcloud artifacts repositories add-iam-policy-binding us.gcr.io --location=us "
            "--project=builds --member=serviceAccount:bot@builds.iam.gserviceaccount.com "
            "--role=roles/artifactregistry.reader"
        ),
    )


def test_a_pull_that_may_be_of_nothing_stops_no_step() -> None:
    """A hidden host that nobody named is not asked while another one could be pulled from."""
    listed = {"us": REFUSED, "europe": REFUSED, "asia": REFUSED}
    hosts = dict(well().hosts)
    for host in GCR_HOSTS:
        if host.name != "us.gcr.io":
            hosts[host] = HostAnswers(None, REFUSED)
    answers = replace(well_but(repositories=listed, held_on={US: ALL}), hosts=hosts)
    assert line_of(answers, Area.PULL, "asia.gcr.io/").status is Status.NOT_ASKED
    named = replace(answers, case=replace(CASE, hosts_named=True))
    assert line_of(named, Area.PULL, "asia.gcr.io/").status is Status.MISSING


_RESTRICTED, _PUBLIC = ("199.36.153.4", "199.36.153.7"), ("142.250.0.1",)


@pytest.mark.parametrize(
    ("gcr", "pkg", "statuses"),
    [
        (_PUBLIC, _PUBLIC, (_OK, _OK)),
        (_RESTRICTED, _RESTRICTED, (_OK, _OK)),
        (_RESTRICTED, _PUBLIC, (_OK, _WARNING)),
        (_RESTRICTED, None, (_OK, _MISSING)),
        (("199.36.153.8",), _PUBLIC, (_OK, _WARNING)),
        (None, _PUBLIC, (_MISSING, _OK)),
    ],
)
def test_names_of_both_worlds_have_to_resolve_alike(
    gcr: tuple[str, ...] | None, pkg: tuple[str, ...] | None, statuses: tuple[Status, Status]
) -> None:
    """A gcr.io host behind virtual addresses wants pkg.dev there too, and the commands for it."""
    ways: dict[str, Way | MigrateError] = {}
    for host, addresses in (("us.gcr.io", gcr), ("us-docker.pkg.dev", pkg)):
        lost = an_error(errors.UNREACHABLE, "no address")
        ways[host] = Way(host, Reach.DIRECT, addresses) if addresses else lost
    answers = well(ways=ways)
    found = [line_of(answers, Area.DNS, host) for host in ways]
    assert tuple(one.status for one in found) == statuses
    if gcr == _RESTRICTED and statuses[1] is not Status.OK:
        assert any("199.36.153.4" in c and "pkg.dev" in c for c in found[1].commands)


@pytest.mark.parametrize(
    ("way", "saw"),
    [
        (Way("us.gcr.io", Reach.MAPPED, via="127.0.0.1:5000"), "endpoints file"),
        (Way("us.gcr.io", Reach.PROXY, via="http://proxy.example:3128"), "proxy.example:3128"),
    ],
)
def test_a_name_that_others_resolve_is_not_asked(way: Way, saw: str) -> None:
    """With an endpoints file or a proxy in force it is said that the name is not looked up."""
    check = line_of(well(ways={"us.gcr.io": way}), Area.DNS, "us.gcr.io")
    assert check.status is Status.NOT_ASKED
    assert saw in check.saw


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("199.36.153.3", Range.PUBLIC),
        ("199.36.153.4", Range.RESTRICTED),
        ("199.36.153.7", Range.RESTRICTED),
        ("199.36.153.8", Range.PRIVATE),
        ("199.36.153.11", Range.PRIVATE),
        ("199.36.153.12", Range.PUBLIC),
        ("2600:2d00::1", Range.PUBLIC),
        ("no address", Range.PUBLIC),
    ],
)
def test_virtual_addresses_are_told_apart(address: str, expected: Range) -> None:
    """Two ranges of four addresses each are Google's virtual ones, and no other is."""
    assert range_of(address) is expected


@pytest.mark.parametrize(
    ("allowed", "denied", "location", "expected"),
    [
        ((), (), "us", True),
        (("in:us-locations",), (), "us", True),
        (("in:us-locations",), (), "us-east1", True),
        (("in:us-locations",), (), "europe", False),
        (("in:us-east1-locations",), (), "us-east1", True),
        (("in:us-east1-locations",), (), "us-east4", False),
        (("is:europe-west1",), (), "europe-west1", True),
        (("europe-west1",), (), "europe", False),
        (("in:eu-locations",), (), "europe", True),
        (("in:eu-locations",), (), "europe-west2", None),
        (("in:europe-locations",), (), "europe-west2", True),
        (("in:low-carbon-locations",), (), "us", None),
        ((), ("in:us-locations",), "us-east1", False),
        ((), ("in:low-carbon-locations",), "us", None),
    ],
)
def test_a_policy_of_locations(
    allowed: tuple[str, ...], denied: tuple[str, ...], location: str, *, expected: bool | None
) -> None:
    """Values, groups of a region or continent, and groups that only Google can resolve."""
    assert may_use(OrgPolicy("c", allowed=allowed, denied=denied), location) is expected


def test_a_policy_that_denies_everything() -> None:
    """Nothing is allowed where every value is denied."""
    assert may_use(OrgPolicy("c", deny_all=True), "us") is False


@pytest.mark.parametrize("step", Step)
def test_the_least_roles_of_a_step_suffice_and_no_smaller_one_would(step: Step) -> None:
    """By another table of roles: all that is needed is given, and no role in it has less."""
    wanted = {need.permission for need in NEEDS[step]}
    roles = least_roles(wanted)
    given = frozenset().union(*(sandbox.ROLES[role] for role in roles))
    assert wanted <= given
    for role in roles:
        share = wanted & sandbox.ROLES[role]
        service = role.removeprefix("roles/").partition(".")[0]
        smaller = [
            other
            for other, gives in sandbox.ROLES.items()
            if other.startswith(f"roles/{service}.") and gives < sandbox.ROLES[role]
        ]
        assert not [other for other in smaller if share <= sandbox.ROLES[other]]


@examples(st.sets(st.sampled_from(sorted(ALL)), min_size=1), st.booleans())
def test_least_roles_give_what_is_asked(
    permissions: set[str],
    repository: bool,  # noqa: FBT001  # an example
) -> None:
    """Whatever is lacking, the roles that are named give all of it."""
    if repository:
        permissions = {one for one in permissions if ".repositories." in one} - {
            "artifactregistry.repositories.create"
        }
    roles = least_roles(permissions, repository=repository)
    assert permissions <= frozenset().union(*(sandbox.ROLES[role] for role in roles))


_ANY: Final = st.sampled_from(sorted(CATALOGUE)).map(lambda code: an_error(CATALOGUE[code], "seen"))
_STEPS: Final = st.frozensets(st.sampled_from(list(Step)), min_size=1)


def _or_error(value: Any) -> st.SearchStrategy[Any]:
    return st.just(value) | _ANY


_ANSWERS: Final = made(
    lambda place, hosts, steps, skew, named: well(
        places=(place,),
        hosts=dict(zip(GCR_HOSTS, hosts, strict=True)),
        steps=steps,
        skew_s=skew,
        case=replace(CASE, hosts_named=named, repositories=(US,), grants=True),
    ),
    made(
        a_place,
        caller=_or_error(a_caller()),
        facts=_or_error(ProjectFacts("builds", "1", "", active=True)),
        enabled=_or_error(frozenset(SERVICES)),
        held=_or_error(ALL) | st.frozensets(st.sampled_from(sorted(ALL))),
        redirection=_or_error(DISABLED)
        | st.sampled_from(Redirection).map(lambda one: RedirectSettings(one, one.value)),
        policies=st.fixed_dictionaries({one: _or_error(None) for one in CONSTRAINTS}),
        locations=_or_error(("us",)),
        repositories=st.fixed_dictionaries(
            {one: _or_error(()) for one in ("us", "europe", "asia")}
        ),
        held_on=st.fixed_dictionaries({US: _or_error(ALL)}),
    ),
    st.lists(
        made(HostAnswers, _or_error(None) | st.just(BUCKET), _or_error(Pull("a", 1))),
        min_size=4,
        max_size=4,
    ),
    _STEPS,
    st.none() | st.floats(-1e6, 1e6),
    st.booleans(),
)


@pytest.mark.slow
@examples(_ANSWERS)
def test_any_answers_give_a_list(answers: Answers) -> None:
    """Whatever is refused: only asked steps are judged, and who is stopped is told a remedy."""
    for check in judge(answers):
        assert set(check.verdicts) <= answers.steps
        assert check.subject
        assert check.remedy or check.status is not Status.MISSING


@examples(_ANSWERS)
def test_fewer_steps_never_stop_more(answers: Answers) -> None:
    """What stops a step stops it too when that step alone is asked for."""

    def stopped(one: Answers) -> set[Step]:
        return {
            step
            for check in judge(one)
            for step, status in check.verdicts.items()
            if status is Status.MISSING
        }

    single = [replace(answers, steps=frozenset({one})) for one in answers.steps]
    assert set().union(*map(stopped, single)) == stopped(answers)


@examples(_ANSWERS)
def test_exit_code_says_whether_something_is_missing(answers: Answers) -> None:
    """Out of reach exactly if a step that was asked for lacks something."""
    checks = judge(answers)
    facts = DoctorFacts.of_all([CheckListFact.of(CASE, answers.steps, checks)])
    missing = any(check.status is Status.MISSING for check in checks)
    assert facts.exit is (Exit.OUT_OF_REACH if missing else Exit.OK)
    assert sum(facts.counts.values()) == len(checks)


@examples(_ANSWERS, st.sampled_from([20, 80, 100, 240]))
def test_every_name_and_command_is_shown(answers: Answers, width: int) -> None:
    """On a terminal of any width each line's subject and each command stands in the text."""
    listed = CheckListFact.of(CASE, answers.steps, judge(answers))
    text = "\n".join(str(one) for one in checklist_lines(DoctorFacts.of_all([listed]), width))
    for check in listed.checks:
        assert check.subject.removesuffix(" in builds").removesuffix(" on builds") in text
        shown = check.status is not Status.OK
        assert not shown or all(command in text for command in check.commands)


def test_what_is_done_is_not_asked_for() -> None:
    """A redirected project needs no rescue; a final one no redirect either."""
    assert pointless(well()) == {Step.RESCUE}
    final = RedirectSettings(Redirection.FINALIZED, Redirection.FINALIZED.value)
    assert pointless(well_but(redirection=final)) == {Step.RESCUE, Step.REDIRECT}
    assert pointless(well_but(redirection=DISABLED)) == set()
    lost = host_but("asia.gcr.io", pull=an_error(errors.NAME_UNKNOWN), bucket=BUCKET)
    assert pointless(lost) == set()


_SPEC: Final = """\
source: {project: builds, hosts: [us.gcr.io], credentials: {key_file: reader.json}}
target: {project: new-builds, location: europe-west1, credentials: {key_file: writer.json}}
routes:
  - {match: "app/**", repository: app, strip: app,
     access: {grant: [{role: artifactregistry.reader, members: ["group:a@example.com"]}]}}
  - {match: "{team}/**", repository: "{team}", strip: "{team}"}
"""


def test_a_spec_says_what_is_asked_about() -> None:
    """Projects, hosts, location, named repositories, grants and both logins come from a spec."""
    case = case_of_spec(load_spec(_SPEC, "spec.yaml"), "spec.yaml")
    assert [(one.side, str(one.project)) for one in case.places] == [
        ("source", "builds"),
        ("target", "new-builds"),
    ]
    assert [host.name for host in case.hosts] == ["us.gcr.io"]
    assert case.locations == ("europe-west1",)
    assert case.repositories == ("projects/new-builds/locations/europe-west1/repositories/app",)
    told = (case.hosts_named, case.grants, case.one_login, case.has_key, case.all_named)
    assert told == (True, True, False, False, False)


@pytest.mark.parametrize(
    ("text", "hosts", "repositories"),
    [
        ("builds", 4, ()),
        ("us.gcr.io/builds/app", 1, ()),
        ("us-docker.pkg.dev/builds/us.gcr.io/app", 1, ()),
        (
            "europe-west1-docker.pkg.dev/builds/app/web:1",
            4,
            ("projects/builds/locations/europe-west1/repositories/app",),
        ),
        ("gs://eu.artifacts.builds.appspot.com", 1, ()),
        ("https://console.cloud.google.com/gcr/images/builds", 4, ()),
    ],
)
def test_a_pasted_name_says_what_is_asked_about(
    text: str, hosts: int, repositories: tuple[str, ...]
) -> None:
    """Whatever is pasted leads to its project, and to the host or repository that it names."""
    case = case_of_name(text)
    assert (str(case.source), len(case.hosts), case.repositories) == ("builds", hosts, repositories)


def test_a_gcr_repository_as_a_target_is_asked_about_where_it_is() -> None:
    """In its one location, wherever the source is."""
    text = (
        "source: {project: builds, hosts: [eu.gcr.io]}\ntarget: builds-new\n"
        'routes: [{match: "**", repository: us.gcr.io}]\n'
    )
    case = case_of_spec(load_spec(text, "spec.yaml"), "spec.yaml")
    wanted = ("projects/builds-new/locations/us/repositories/us.gcr.io",)
    assert (case.locations, case.repositories) == (("us",), wanted)


@pytest.mark.parametrize(("number", "project"), [("123", "builds"), ("999", "999")])
def test_a_service_is_enabled_where_the_refusal_says(number: str, project: str) -> None:
    """A refusal that names another project, such as that of the login, has it enabled there."""
    service = "artifactregistry.googleapis.com"
    saw = f"403 SERVICE_DISABLED; gcloud services enable {service} --project={number}"
    check = line_of(well_but(redirection=an_error(errors.API_DISABLED, saw)), Area.SERVICE, service)
    assert check.commands == (f"gcloud services enable {service} --project={project}",)


def test_the_page_names_all_that_is_asked() -> None:
    """The reference page has each status, step, area and permission, and no other permission."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "doctor.md").read_text("utf-8")
    named = set(re.findall(r"`([^`]+)`", page))
    needs = {need.permission for step in Step for need in NEEDS[step]}
    needs |= {policy_permission(name) for name in ("folders/1", "organizations/1")}
    assert {*Status, *Step, *Area, *needs, *CONSTRAINTS} <= named
    assert {one for one in named if re.fullmatch(r"\w+\.\w+\.\w+", one)} - needs == {
        "containerscanning.googleapis.com"
    }


def test_who_may_only_push_needs_no_right_to_create() -> None:
    """Where every target repository is named and there, its own policy is enough to apply."""
    held = ALL - {"artifactregistry.repositories.create"}
    answers = well_but(held=frozenset(), held_on={US: held})
    case = replace(CASE, repositories=(US,), all_named=True)
    answers = replace(answers, case=case, steps=frozenset({Step.APPLY}))
    assert {c.status for c in judge(answers) if c.area is Area.PERMISSION} == {Status.OK}
    more = replace(answers, case=replace(case, all_named=False))
    create = line_of(more, Area.PERMISSION, "create")
    assert create.status is Status.MISSING
    assert "not there yet" in create.saw
