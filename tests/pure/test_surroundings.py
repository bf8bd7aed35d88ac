"""Findings about what surrounds targets: places, gcr.io names, listeners, scans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import (
    GCR_NAME_NOT_SERVED,
    GCR_NAME_SERVED,
    LOCATION_UNKNOWN,
    ONTO_ITSELF,
    REPOSITORY_NAME_REFUSED,
)
from gcr_migrate.model.cloud import Redirection, RedirectSettings, Subscriber
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.locations import area_of
from gcr_migrate.model.names import ImagePath
from gcr_migrate.model.plan import Repository
from gcr_migrate.model.settings import RepositorySettings, Scanning
from gcr_migrate.plan.distances import Streamed, location_finding, unknown_locations
from gcr_migrate.plan.gcr_targets import gcr_name_of, served_finding
from gcr_migrate.plan.routes import SourcePaths, route_all
from gcr_migrate.plan.scans import scan_finding, scans_the_copy
from gcr_migrate.plan.subscribers import subscriber_finding
from gcr_migrate.spec import load_spec

SOME = Streamed(blobs=3, size_bytes=2_500_000, unknown=1)
KNOWN = ("asia-northeast1", "europe-west1", "us-central1", "us-east1")


@pytest.mark.parametrize(
    ("source", "target", "severity", "where"),
    [
        ("us", "europe", Severity.WARNING, "data leaves the United States for Europe"),
        ("us", "us-central1", Severity.INFO, "data stays in the United States, in one region"),
        ("us", "northamerica-northeast1", Severity.WARNING, "leaves the United States for Canada"),
        ("europe", "europe-west2", Severity.WARNING, "United Kingdom, outside the European Union"),
        ("us-east1", "us-central1", Severity.INFO, "in another region"),
        ("us-east1", "us", Severity.INFO, "in several regions"),
        ("us", "mars-north1", Severity.WARNING, "where mars-north1 is, is not known here"),
    ],
)
def test_another_location_is_told_with_what_it_means(
    source: str, target: str, severity: Severity, where: str
) -> None:
    """Leaving a country or continent is a warning, staying in it is not."""
    found = location_finding(source, target, SOME)
    assert (found.severity, found.subject) == (severity, f"{source} -> {target}")
    assert where in found.saw
    assert "2.5 MB in 2 blobs and 1 blobs of unknown size are streamed, not mounted" in found.saw


def test_a_price_that_is_not_known_is_never_nothing() -> None:
    """Only from a region to its own multi-region a transfer is known to be free."""
    nothing = Streamed(0, 0)
    assert "is free" in location_finding("us-east1", "us", nothing).saw
    for source, target in (("us", "us-east1"), ("us-east1", "europe"), ("mars", "us")):
        assert "price per GB: unknown" in location_finding(source, target, nothing).saw
    assert "no blob has to be sent" in location_finding("us", "europe", nothing).saw


@given(st.text("abc-1", max_size=9))
def test_any_text_is_in_some_area_or_in_none(text: str) -> None:
    """What is not known is no place, and no error."""
    assert isinstance(area_of(text), str)


def test_a_location_that_there_is_not_is_refused_with_the_nearest() -> None:
    """All at once; nothing is refused where nobody could say which there are."""
    found = unknown_locations(["us-centrall", "europe-west1", "mars"], KNOWN)
    assert [(one.problem, one.subject) for one in found] == [
        (LOCATION_UNKNOWN, "mars"),
        (LOCATION_UNKNOWN, "us-centrall"),
    ]
    assert found[0].saw == "there are asia-northeast1, europe-west1, us-central1, us-east1"
    assert found[1].saw == "nearest: us-central1"
    assert unknown_locations(["mars"], ()) == []


def _routed(
    route: str, target: str = "builds-new", shown: str = "eu.gcr.io/builds"
) -> tuple[list[str], list[tuple[str, str]]]:
    host = shown.partition("/")[0]
    text = f"source: {{project: builds, hosts: [{host}]}}\ntarget: {target}\nroutes: [{route}]\n"
    source = SourcePaths(shown, host, "europe", [ImagePath.parse("app/web")])
    edges, refusals = route_all(load_spec(text, "s.yaml"), [source])
    return [one.target_name for one in edges], [(one.problem.code, one.saw) for one in refusals]


def test_a_gcr_repository_is_a_target_in_its_own_location() -> None:
    """Which needs no word, wherever the source is; any other location is refused with why."""
    own = '{match: "**", repository: us.gcr.io}'
    wanted = ["us-docker.pkg.dev/builds-new/us.gcr.io/app/web"]
    assert _routed(own) == (wanted, [])
    assert _routed('{match: "**", repository: us.gcr.io, location: us}') == (wanted, [])
    assert _routed('{match: "{a}/**", repository: "us.gcr.io", strip: "{a}"}')[0] == [
        "us-docker.pkg.dev/builds-new/us.gcr.io/web"
    ]
    for route, target in (
        ('{match: "**", repository: us.gcr.io, location: europe}', "builds-new"),
        (own, "{project: builds-new, location: europe}"),
    ):
        saw = "repository us.gcr.io exists in us only, not europe"
        assert _routed(route, target) == ([], [(REPOSITORY_NAME_REFUSED.code, saw)])
    assert _routed('{match: "**", repository: fr.gcr.io}')[1][0][0] == REPOSITORY_NAME_REFUSED.code


def test_a_gcr_repository_is_not_filled_from_its_own_name() -> None:
    """`eu.gcr.io/builds/a` and `europe-docker.pkg.dev/builds/eu.gcr.io/a` are one image."""
    found = _routed('{match: "**", repository: eu.gcr.io}', "builds")
    assert [code for code, _ in found[1]] == [ONTO_ITSELF.code]
    assert _routed('{match: "**", repository: asia.gcr.io}', "builds")[1] == []


def _target(id_: str, project: str = "builds") -> Repository:
    resource = f"projects/{project}/locations/us/repositories/{id_}"
    return Repository("us-docker.pkg.dev", f"{project}/{id_}", "", resource, exists=True)


@pytest.mark.parametrize("state", Redirection)
def test_a_gcr_name_serves_only_in_states_that_are_known_to(state: Redirection) -> None:
    """A state that is not known, or that serves a part of the reads, is told as not serving."""
    serves = {Redirection.ENABLED, Redirection.FINALIZED, Redirection.ENABLED_AND_COPYING}
    found = served_finding(_target("us.gcr.io"), RedirectSettings(state, state.value, 20))
    assert found.problem is (GCR_NAME_SERVED if state in serves else GCR_NAME_NOT_SERVED)
    assert state.value in found.saw
    assert found.subject == "us-docker.pkg.dev/builds/us.gcr.io"


def test_the_gcr_name_of_a_target_has_the_project_as_a_path() -> None:
    """Also where a domain scopes it; other repositories have none."""
    assert gcr_name_of(_target("us.gcr.io", "example.com:p-one")) == "us.gcr.io/example.com/p-one"
    assert gcr_name_of(_target("one")) == ""
    assert gcr_name_of(Repository("h", "", "", "", exists=True)) == ""


def test_a_subscriber_is_told_without_what_may_be_secret() -> None:
    """The address of a push often has a token in its query, or a password before its host."""
    push = Subscriber("projects/p/subscriptions/s", "push", "https://u:pw@ci.example.com/x?token=t")
    found = subscriber_finding(push, 7)
    assert found.severity is Severity.WARNING
    assert found.saw == "push to ci.example.com; about 7 messages from this plan"
    odd = subscriber_finding(Subscriber("s", "push", "https://[bad?token=t"), 1)
    assert odd.saw == "push to an address that cannot be read; about 1 message from this plan"
    assert subscriber_finding(Subscriber("s", "pull"), 0).severity is Severity.INFO
    gone = subscriber_finding(
        Subscriber("s", "BigQuery export", "p.d.t", 'attributes.x = "y"', "RESOURCE_ERROR", True),  # noqa: FBT003
        3,
    )
    assert gone.severity is Severity.INFO
    assert gone.saw.startswith("BigQuery export to p.d.t; filter attributes.x")
    assert "state RESOURCE_ERROR; detached" in gone.saw


def test_a_scan_costs_where_the_copy_is_scanned() -> None:
    """What is made is off during the copy unless the spec says `on`; what is there stays."""
    on, off = RepositorySettings(scanning=Scanning.ON), RepositorySettings(scanning=Scanning.OFF)
    after = RepositorySettings(scanning=Scanning.AFTER_COPY)
    assert [scans_the_copy(one, None) for one in (on, off, after, RepositorySettings())] == [
        True,
        *[False] * 3,
    ]
    assert scans_the_copy(off, on)
    assert not scans_the_copy(on, off)
    spared, paid = scan_finding("p", 150, scanned=0), scan_finding("p", 150, scanned=100)
    assert (spared.severity, paid.severity) == (Severity.INFO, Severity.WARNING)
    assert "scans would cost about $39.00 at $0.26" in spared.saw
    assert paid.saw.startswith("100 of 150 image digests are scanned as they come: about $26.00")
