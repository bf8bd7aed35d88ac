"""What somebody may have meant who wrote a name that there is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import UNROUTED, MigrateError
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.names import ImagePath, Reference
from gcr_migrate.model.nearest import nearest
from gcr_migrate.model.places import read_place
from gcr_migrate.plan.routes import SourcePaths, route_all
from gcr_migrate.plan.unused import unused_limits, unused_routes, with_hints
from gcr_migrate.spec import load_spec
from gcr_migrate.wire.endpoints import Endpoints


@given(st.text(), st.lists(st.text(min_size=1)))
def test_what_is_meant_is_a_name_that_there_is(written: str, known: list[str]) -> None:
    """Whatever was written, nothing is suggested that does not exist."""
    assert nearest(written, known) in {"", *known}


@pytest.mark.parametrize(
    ("written", "meant"),
    [("us-gcr.io", "us.gcr.io"), ("GCR.IO", "gcr.io"), ("eugcr.io", "eu.gcr.io"), ("quay", "")],
)
def test_a_host_that_is_nearly_one(written: str, meant: str) -> None:
    """A slip of the hand finds its host; another word finds none."""
    assert nearest(written, ["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"]) == meant


@pytest.mark.parametrize(
    "text", ["us-gcr.io/builds", "us-gcr.io/builds/app", "https://us-gcr.io/p"]
)
def test_a_pasted_place_with_a_wrong_host(text: str) -> None:
    """A name whose host there is not is asked about."""
    with pytest.raises(MigrateError) as caught:
        read_place(text)
    assert "did you mean `us.gcr.io`?" in caught.value.saw


def test_an_image_with_a_wrong_host() -> None:
    """So is a full name of an image."""
    with pytest.raises(MigrateError) as caught:
        Reference.parse("usgcr.io/builds/app:1")
    assert "did you mean `us.gcr.io`?" in caught.value.saw


SOURCE = "source: {project: builds, hosts: [us.gcr.io]}\n"
ROUTE = 'routes: [{match: "{team}/**", repository: "{team}", '


@pytest.mark.parametrize(
    ("text", "question"),
    [
        (f"{SOURCE}existing_tags: overwite", "`overwrite`"),
        (f"{SOURCE}moved_tags: pinn", "`pin`"),
        (f"{SOURCE}damaged: skp", "`skip`"),
        (f"{SOURCE}damaged: {{blobs: stpo}}", "`stop`"),
        (f"{SOURCE}rotues: []", "`routes`"),
        ("source: {project: builds, hosts: [us-gcr.io]}", "`us.gcr.io`"),
        ("source: {project: builds, host: [gcr.io]}", "`hosts`"),
        (f"{SOURCE}{ROUTE} strp: '{{team}}'}}]", "`strip`"),
        (f"{SOURCE}{ROUTE} strip: '{{tam}}'}}]", "`team`"),
        (f"{SOURCE}{ROUTE} hosts: [usgcr.io]}}]", "`us.gcr.io`"),
        (f"{SOURCE}{ROUTE} access: {{from: buckt}}}}]", "`bucket`"),
        (
            f"{SOURCE}{ROUTE} settings: {{cleanup_policies: [{{id: a, actoin: keep}}]}}}}]",
            "`action`",
        ),
    ],
)
def test_a_field_or_word_of_the_spec(text: str, question: str) -> None:
    """An unknown field and a value that a field cannot have are asked about."""
    with pytest.raises(MigrateError) as caught:
        load_spec(text, "spec.yaml")
    assert f"did you mean {question}?" in caught.value.saw


def test_a_key_of_the_endpoints_file() -> None:
    """An unknown key of the endpoints file is asked about."""
    with pytest.raises(MigrateError) as caught:
        Endpoints.load("registrys: {}", "endpoints.yaml")
    assert "did you mean `registries`?" in caught.value.saw


def sources(*paths: str) -> list[SourcePaths]:
    """Return `us.gcr.io/builds` with these images."""
    listed = [ImagePath.parse(path) for path in paths]
    return [SourcePaths("us.gcr.io/builds", "us.gcr.io", "us", listed)]


def test_a_path_without_a_route_names_the_route_that_was_mistyped() -> None:
    """What nothing takes is told with the route that takes nothing and is nearly it."""
    spec = load_spec(f'{SOURCE}routes: [{{match: "prodct1/**", repository: a}}]', "spec.yaml")
    found = sources("product1/dev/app", "other/app")
    edges, refusals = route_all(spec, found)
    hinted = {one.subject: one.saw for one in with_hints(spec, found, refusals, edges)}
    assert {one.problem for one in refusals} == {UNROUTED}
    assert "routes[0] prodct1/**" in hinted["us.gcr.io/builds/product1/dev/app"]
    assert "routes[0]" not in hinted["us.gcr.io/builds/other/app"]


def test_a_route_that_takes_nothing_is_a_finding() -> None:
    """It warns where a path is near that no route names; else it only tells."""
    text = (
        f'{SOURCE}routes: [{{match: "prodct1/**", repository: a}},'
        ' {match: "later/**", repository: b}, {match: "**", repository: c}]'
    )
    spec = load_spec(text, "spec.yaml")
    found = sources("product1/dev/app")
    edges, _ = route_all(spec, found)
    told = {one.subject: one for one in unused_routes(spec, found, edges)}
    mistyped, later = told["routes[0] prodct1/**"], told["routes[1] later/**"]
    assert (mistyped.severity, mistyped.saw) == (Severity.WARNING, "did you mean `product1`?")
    assert (later.severity, later.saw) == (Severity.INFO, "")


def test_a_limit_for_nobody_is_a_finding() -> None:
    """It warns where a name is near; a host of a source counts as the location that it is at."""
    text = (
        f'{SOURCE}routes: [{{match: "**", repository: a}}]\n'
        "limits: {at: {us.gcr.io: {headroom: 0%}, europe: {headroom: 0%},"
        " oci.example: {headroom: 0%}}}"
    )
    told = {
        one.subject: one
        for one in unused_limits(
            load_spec(text, "spec.yaml"), ["us-docker.pkg.dev", "europe-west1-docker.pkg.dev"]
        )
    }
    assert list(told) == ["limits.at.europe", "limits.at.oci.example"]
    near, other = told.values()
    assert (near.severity, near.saw) == (Severity.WARNING, "did you mean `europe-west1`?")
    assert (other.severity, other.saw) == (Severity.INFO, "")
