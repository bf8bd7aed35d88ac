"""What doctor says of repositories that a spec reads by their own names, with nobody asked."""

from __future__ import annotations

from typing import Any, Final

import pytest
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.doctor.answers import Answers, Pull
from gcr_migrate.doctor.case import case_of_spec
from gcr_migrate.doctor.checks import Area, Status, Step
from gcr_migrate.doctor.judge import judge
from gcr_migrate.doctor.permissions import DOWNLOAD, LIST_IMAGES, permissions_for
from gcr_migrate.doctor.usage import pointless
from gcr_migrate.model.cloud import RepositoryFacts
from gcr_migrate.spec import load_spec
from tests.doctor import REFUSED, a_place, an_error, line_of, well

ONE: Final = "projects/builds/locations/us/repositories/one"
SHOWN: Final = "us-docker.pkg.dev/builds/one"
READS: Final = {Step.PLAN, Step.APPLY, Step.VERIFY}
RIGHTS: Final = permissions_for({"source"}, READS)
STANDARD: Final = RepositoryFacts(ONE, "DOCKER", "STANDARD_REPOSITORY", 1)


def _asked(source: str, pulls: Any = None, **change: Any) -> Answers:
    """Return answers to a spec that moves repositories of `builds` to another project."""
    text = f"source: {source}\ntarget: {{project: builds-new, location: asia}}\n"
    case = case_of_spec(load_spec(text, "move.yaml"), "move.yaml")
    known: dict[str, Any] = {
        "place": case.places[0],
        "redirection": None,
        "repositories": {"us": (STANDARD,)},
        "held_on": {ONE: RIGHTS},
    }
    pulls = {ONE: Pull(f"{SHOWN}/app@sha256:0", 352)} if pulls is None else pulls
    steps = frozenset(READS)
    place = a_place(**(known | change))
    return well(case=case, steps=steps, places=(place,), hosts={}, repository_pulls=pulls)


def _named(**change: Any) -> Answers:
    return _asked(SHOWN, **change)


def test_a_repository_in_order_is_ok_and_gcr_names_are_no_concern() -> None:
    """Nothing is said of hosts, buckets or a redirect, and their steps have nothing to do."""
    answers = _named()
    assert {check.status for check in judge(answers)} == {Status.OK}
    assert not {check.area for check in judge(answers)} & {Area.HOST, Area.BUCKET, Area.REDIRECT}
    assert pointless(answers) == set(Step) - READS
    assert line_of(answers, Area.PULL, SHOWN).saw.startswith("manifest pulled")


@pytest.mark.parametrize(
    ("listed", "status", "code"),
    [
        ((), Status.MISSING, "repository-missing"),
        ((replace(STANDARD, format="MAVEN"),), Status.MISSING, "not-docker"),
        (
            (replace(STANDARD, mode="REMOTE_REPOSITORY"),),
            Status.WARNING,
            "repository-not-standard",
        ),
        ((replace(STANDARD, mode=""),), Status.OK, ""),
        (REFUSED, Status.NOT_ASKED, "denied"),
    ],
)
def test_a_source_has_to_be_a_repository_of_images(listed: Any, status: Status, code: str) -> None:
    """A plan would stop, or would know less than there seems to be."""
    line = line_of(_named(repositories={"us": listed}), Area.REPOSITORY, ONE)
    assert (line.status, line.code) == (status, code)
    assert set(line.verdicts) == READS


def test_a_right_is_looked_for_on_the_repository_itself() -> None:
    """What its own policy gives is enough; what it lacks can be granted there."""
    assert {one.status for one in judge(_named(held=frozenset()))} == {Status.OK}
    answers = _named(held=frozenset(), held_on={ONE: frozenset()}, pulls={ONE: REFUSED})
    line = line_of(answers, Area.PERMISSION, DOWNLOAD)
    assert (line.status, line.saw) == (Status.MISSING, "not held on one")
    assert "repositories add-iam-policy-binding one --location=us" in line.commands[0]
    assert line_of(answers, Area.PERMISSION, LIST_IMAGES).status is Status.WARNING
    pull = line_of(answers, Area.PULL, SHOWN)
    assert (pull.status, pull.commands) == (Status.MISSING, line.commands)


@pytest.mark.parametrize(
    ("error", "status", "mends"),
    [(errors.DENIED, Status.MISSING, True), (errors.API_DISABLED, Status.NOT_ASKED, False)],
)
def test_a_location_whose_repositories_are_not_listed(
    error: errors.Problem, status: Status, *, mends: bool
) -> None:
    """The plan would stop; a cause that is told elsewhere is not told twice."""
    answers = _asked("us-docker.pkg.dev/builds", pulls=an_error(error, "no"))
    line = line_of(answers, Area.REPOSITORY, "repositories of builds in us")
    assert (line.status, bool(line.commands)) == (status, mends)


def test_a_path_without_an_image_is_worth_a_look() -> None:
    """An empty repository is none: nothing was asked for in it."""
    nothing = {ONE: None}
    assert line_of(_named(pulls=nothing), Area.PULL, SHOWN).status is Status.OK
    line = line_of(_asked(f"{SHOWN}/app", pulls=nothing), Area.PULL, SHOWN)
    assert (line.status, line.saw) == (Status.WARNING, "no image is at one/app")
