"""Answers to what doctor asks, of a project in order and with changes; and lines that follow."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.doctor.answers import Answers, HostAnswers, PlaceAnswers, Pull
from gcr_migrate.doctor.case import case_of_name
from gcr_migrate.doctor.checks import Area, Check, Step
from gcr_migrate.doctor.judge import judge
from gcr_migrate.doctor.permissions import permissions_for
from gcr_migrate.doctor.rules import CONSTRAINTS
from gcr_migrate.doctor.services import SCANNING, SERVICES
from gcr_migrate.errors import MigrateError, Problem
from gcr_migrate.model.address import Reach, Way
from gcr_migrate.model.caller import Caller
from gcr_migrate.model.cloud import (
    BucketFacts,
    ProjectFacts,
    Redirection,
    RedirectSettings,
    RepositoryFacts,
)
from gcr_migrate.model.names import GCR_HOSTS, gcr_host

NOW: Final = 1_800_000_000.0
CASE: Final = case_of_name("builds")
SOURCE_ONLY: Final = replace(CASE.places[0], serves=frozenset({"source"}))
US: Final = "projects/builds/locations/us/repositories/us.gcr.io"
SERVICES_OF_RIGHTS: Final = (
    *("artifactregistry", "resourcemanager", "cloudasset", "iam", "storage"),
    *("pubsub", "serviceusage"),
)
ALL: Final = permissions_for(CASE.places[0].serves, list(Step))


def an_error(problem: Problem, saw: str = "") -> MigrateError:
    """An error of some place."""
    return MigrateError(problem, subject="somewhere", saw=saw)


def a_caller(**change: Any) -> Caller:
    """A service account whose key renews its tokens."""
    known: dict[str, Any] = {
        "source": "key file",
        "account": "bot@builds.iam.gserviceaccount.com",
        "renewable": True,
        "expires_at": NOW + 3600,
    }
    return Caller(**(known | change))


def a_place(**change: Any) -> PlaceAnswers:
    """A redirected project in order, of which the caller may do everything."""
    known: dict[str, Any] = {
        "place": CASE.places[0],
        "caller": a_caller(),
        "facts": ProjectFacts("builds", "123", "organizations/42", active=True),
        "enabled": frozenset(SERVICES) - {SCANNING},
        "redirection": RedirectSettings(Redirection.ENABLED, Redirection.ENABLED.value),
        "policies": dict.fromkeys(CONSTRAINTS),
        "locations": ("asia", "europe", "europe-west1", "us"),
        "repositories": {
            "us": (RepositoryFacts(US, "DOCKER", "STANDARD_REPOSITORY", 1),),
            "europe": (),
            "asia": (),
        },
        "held_on": {US: ALL},
    }
    held = change.get("held", ALL)
    held_of = {
        service: held
        if isinstance(held, MigrateError)
        else frozenset(one for one in held if one.startswith(f"{service}."))
        for service in SERVICES_OF_RIGHTS
    }
    return PlaceAnswers(**(known | change | {"held": held_of}))


def absent(name: str) -> HostAnswers:
    """A host without a repository and without a bucket."""
    return HostAnswers(None, an_error(errors.NAME_UNKNOWN, f"404 {name}"))


def well(**change: Any) -> Answers:
    """Return answers of a redirected project whose `us.gcr.io` is in use, and nothing is amiss."""
    pulled = HostAnswers(None, Pull("us-docker.pkg.dev/builds/us.gcr.io/app@sha256:0", 352))
    hosts = {host: pulled if host.name == "us.gcr.io" else absent(host.name) for host in GCR_HOSTS}
    names = ("us.gcr.io", "gcr.io", "us-docker.pkg.dev")
    known: dict[str, Any] = {
        "case": CASE,
        "steps": frozenset(Step),
        "places": (a_place(),),
        "hosts": hosts,
        "repository_pulls": {},
        "plain_pull": None,
        "plain_target": None,
        "ways": {name: Way(name, Reach.DIRECT, ("142.250.0.1",)) for name in names},
        "skew_s": 0.2,
        "now_s": NOW,
    }
    return Answers(**(known | change))


def well_but(**change: Any) -> Answers:
    """The same with other answers about the project."""
    return well(places=(a_place(**change),))


def host_but(name: str, *, pull: Any = None, bucket: Any = None, **change: Any) -> Answers:
    """Return answers with other ones for one host, and for the project."""
    answers = well_but(**change)
    host = gcr_host(name)
    assert host is not None
    return replace(answers, hosts={**answers.hosts, host: HostAnswers(bucket, pull)})


def line_of(answers: Answers, area: Area, subject: str) -> Check:
    """Return the one line of an area whose subject has this in it."""
    found = [one for one in judge(answers) if one.area is area and subject in one.subject]
    assert len(found) == 1, [f"{one.area} {one.subject}: {one.saw}" for one in judge(answers)]
    return found[0]


BUCKET = BucketFacts("artifacts.builds.appspot.com", "US", uniform_access=True, readable=True)
DISABLED = RedirectSettings(Redirection.DISABLED, Redirection.DISABLED.value)
NEVER = an_error(errors.NOT_MIGRATED, "412 Container Registry is deprecated")
REFUSED = an_error(errors.DENIED, "403 DENIED")
