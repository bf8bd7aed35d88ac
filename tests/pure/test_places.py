"""Places: whatever shows a name is read whole, and what is no place is refused by name."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.errors import BAD_NAME, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.names import GCR_HOSTS, ImagePath, Project, Tag, ar_host
from gcr_migrate.model.places import Place, artifacts_bucket, read_place

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
CONSOLE = "https://console.cloud.google.com"
OLDER = "https://console.developers.google.com"
WORDS = {"gcr.io": "GLOBAL", "us.gcr.io": "US", "eu.gcr.io": "EU", "asia.gcr.io": "ASIA"}

components = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
paths = st.lists(components, min_size=1, max_size=4).map(lambda c: ImagePath(tuple(c)))
projects = st.from_regex(
    r"([a-z]{2,5}(-[a-z0-9]{1,3})?\.([a-z]{2,4}\.)?(com|example):)?[a-z][a-z0-9-]{2,6}[a-z0-9]",
    fullmatch=True,
).map(Project.parse)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", fullmatch=True).map(Tag.parse)
digests = st.binary(max_size=4).map(Digest.of)
hosts = st.sampled_from([host.name for host in GCR_HOSTS])
locations = st.sampled_from(["us", "europe", "asia", "us-east1", "europe-west12"])
repositories = st.from_regex(r"[a-z]([a-z0-9-]{0,9}[a-z0-9])?", fullmatch=True)


@st.composite
def images_of_gcr(draw: st.DrawFn) -> Place:
    """A place at one of the four hosts: a project, a path, or one image of it."""
    path = draw(st.none() | paths)
    tag = draw(st.none() | tags) if path else None
    digest = draw(st.none() | digests) if path else None
    return Place("gcr", draw(projects), draw(hosts), path=path, tag=tag, digest=digest)


@st.composite
def images_of_ar(draw: st.DrawFn) -> Place:
    """A place in Artifact Registry: a location, a repository, a path, or one image of it."""
    location = draw(locations)
    served = [host.repository_id for host in GCR_HOSTS if host.location == location]
    some = repositories | st.sampled_from(served) if served else repositories
    repository = draw(st.just("") | some)
    path = draw(st.none() | paths) if repository else None
    tag = draw(st.none() | tags) if path else None
    digest = draw(st.none() | digests) if path else None
    project = draw(projects)
    host = ar_host(location)
    return Place("artifact-registry", project, host, location, repository, path, tag, digest)


def _shapes_of_gcr(place: Place) -> list[str]:
    name = str(place)
    shapes = [name, f"https://{name}", f"https://{name}/", f"docker://{name}"]
    shapes.append(name.replace(place.host, f"{place.host}:443", 1))
    word, below = WORDS[place.host], f"/{quote(str(place.path))}" if place.path else ""
    at = f"@{place.digest}" if place.digest else ""
    ask = f"tag={place.tag}" if place.tag else "authuser=1"
    for page in (CONSOLE, OLDER, CONSOLE.removeprefix("https://")):
        for project in (place.project.id, place.project.path, quote(place.project.id, safe="")):
            for region in (word, word.lower(), word.title()):
                images = f"{page}/gcr/images/{project}/{region}{below}{at}"
                shapes.append(f"{images}?project=other-project&{ask}#top")
    if place.digest:
        shapes.append(f"{CONSOLE}/gcr/images/{place.project}/{word}{below}{at}/details/info?{ask}")
    return shapes


def _shapes_of_ar(place: Place) -> list[str]:
    name = str(place)
    shapes = [name, f"https://{name}", f"{name}/", f"//{name}"]
    shapes.append(name.replace(place.host, f"docker.{place.location}.rep.pkg.dev", 1))
    image = quote(str(place.path or ""), safe="")
    shown = [place.location, place.repository, image] if place.path else [place.location]
    shown += [place.repository] if place.repository and not place.path else []
    shown += [str(place.digest)] if place.digest else []
    ask = f"?tag={place.tag}&project=x" if place.tag else "?project=x"
    for page in (f"{CONSOLE}/artifacts/docker", f"{OLDER}/artifacts/browse"):
        for project in (place.project.id, place.project.path):
            shapes.append(f"{page}/{project}/{'/'.join(shown)}{ask}")
            shapes.append(f"{page}/{project}/{'/'.join(shown).replace('%2F', '/')};tab=info{ask}")
    return shapes


@given(images_of_gcr())
def test_each_shape_of_a_gcr_name_is_the_same_place(place: Place) -> None:
    """Names with scheme, port or slash, and pages of both consoles in any case of the region."""
    assert {shape: read_place(shape) for shape in _shapes_of_gcr(place)} == dict.fromkeys(
        _shapes_of_gcr(place), place
    )


@given(images_of_ar())
def test_each_shape_of_an_artifact_registry_name_is_the_same_place(place: Place) -> None:
    """Names at both kinds of host, and pages of the console with escaped and plain slashes."""
    assert {shape: read_place(shape) for shape in _shapes_of_ar(place)} == dict.fromkeys(
        _shapes_of_ar(place), place
    )


@given(images_of_ar())
def test_resource_names_of_the_api_are_the_same_place(place: Place) -> None:
    """With the project's colon plain or escaped, alone or below the service's address."""
    for project in (place.project.id, quote(place.project.id, safe="")):
        name = f"projects/{project}/locations/{place.location}"
        name += f"/repositories/{place.repository}" if place.repository else ""
        image = quote(str(place.path or ""), safe="")
        expected = replace(place, tag=None, digest=None)
        if place.digest:
            expected = replace(place, tag=None)
            assert read_place(f"{name}/packages/{image}/versions/{place.digest}") == expected
            name += f"/dockerImages/{image}@{place.digest}"
        elif place.tag:
            expected = place
            name += f"/packages/{image}/tags/{place.tag}"
        elif place.path:
            name += f"/packages/{image}"
        for before in ("", "//artifactregistry.googleapis.com/"):
            assert read_place(f"{before}{name}") == expected
        assert read_place(f"https://artifactregistry.googleapis.com/v1/{name}") == expected


@given(projects, hosts, st.none() | digests)
def test_each_shape_of_a_bucket_is_the_same_place(
    project: Project, host: str, digest: Digest | None
) -> None:
    """Buckets of plain and domain-scoped projects, by every address that Cloud Storage has."""
    bucket = artifacts_bucket(host, project)
    blob = f"containers/images/{digest}" if digest else "containers/images"
    escaped = quote(blob, safe="")
    shapes = [
        f"gs://{bucket}/{blob}",
        f"{bucket}/{blob}",
        f"https://storage.googleapis.com/{bucket}/{blob}?X-Goog-Signature=abc",
        f"//storage.googleapis.com/{bucket}/{blob}",
        f"https://{bucket}.storage.googleapis.com/{blob}",
        f"https://storage.cloud.google.com/{bucket}/{quote(blob)}?authuser=0",
        f"https://www.googleapis.com/storage/v1/b/{bucket}/o/{escaped}?alt=media",
        f"https://storage.googleapis.com/storage/v1/b/{bucket}/o/{escaped}",
        f"{CONSOLE}/storage/browser/{bucket}/{blob};tab=objects?prefix=&project=x",
        f"{CONSOLE}/storage/browser/_details/{bucket}/{blob}",
        f"{CONSOLE}/storage/browser/{bucket}?prefix={escaped}",
        f"{CONSOLE}/storage/browser/{bucket}/containers/images?prefix={digest or ''}",
    ]
    whole = [f"gs://{bucket}", f"gs://{bucket}/", f"{CONSOLE}/storage/browser/{bucket}"]
    whole += [
        bucket,
        f"https://www.googleapis.com/storage/v1/b/{bucket}/o",
        f"{bucket}/containers/",
    ]
    place = Place("bucket", project, host, digest=digest)
    assert {shape: read_place(shape) for shape in shapes} == dict.fromkeys(shapes, place)
    everything = replace(place, digest=None)
    assert {shape: read_place(shape) for shape in whole} == dict.fromkeys(whole, everything)
    assert read_place(str(place)) == place


@given(projects)
def test_each_shape_of_a_project_is_the_same_place(project: Project) -> None:
    """Its id, the path form, and the pages and resource names that say no more."""
    shapes = [
        project.id,
        project.path,
        f" {project.id}\n",
        f"projects/{project.id}",
        f"projects/{quote(project.id, safe='')}/",
        f"{CONSOLE}/gcr/images/{project.id}",
        f"{CONSOLE}/gcr/images/{project.path}?project=other-project",
        f"{CONSOLE}/gcr/images?authuser=2&project={project.id}",
        f"{OLDER}/gcr?project={quote(project.id, safe='')}",
        f"{CONSOLE}/artifacts?project={project.id}#x",
        f"{CONSOLE}/artifacts/docker/{project.id}?authuser=1",
        f"{CONSOLE}/home/dashboard?project={project.id}",
        f"{CONSOLE}/gcr/settings?project={project.id}",
        f"{CONSOLE}/artifacts/settings?project={project.id}",
        f"{CONSOLE}/?project={project.id}",
    ]
    expected = dict.fromkeys(shapes, Place("project", project))
    assert {shape: read_place(shape) for shape in shapes} == expected
    assert str(expected[project.id]) == project.id


@pytest.mark.parametrize(
    ("host", "plain", "scoped"),
    [
        ("gcr.io", "artifacts.builds.appspot.com", "artifacts.p.example.com.a.appspot.com"),
        (
            "us.gcr.io",
            "us.artifacts.builds.appspot.com",
            "us.artifacts.p.example.com.a.appspot.com",
        ),
        (
            "eu.gcr.io",
            "eu.artifacts.builds.appspot.com",
            "eu.artifacts.p.example.com.a.appspot.com",
        ),
        (
            "asia.gcr.io",
            "asia.artifacts.builds.appspot.com",
            "asia.artifacts.p.example.com.a.appspot.com",
        ),
    ],
)
def test_buckets_have_the_names_that_container_registry_gave(
    host: str, plain: str, scoped: str
) -> None:
    """Each host has a bucket of its own; a domain stands behind the project's name, reversed."""
    assert artifacts_bucket(host, "builds") == plain
    assert artifacts_bucket(host, "example.com:p") == artifacts_bucket(host, "example.com/p")
    assert artifacts_bucket(host, Project("example.com:p")) == scoped


def test_a_project_may_have_an_unlucky_id() -> None:
    """Words that begin other shapes are project ids where they stand alone."""
    for word in ("projects", "console", "storage"):
        assert read_place(f"projects/{word}") == read_place(word) == Place("project", Project(word))


def test_no_other_host_has_such_a_bucket() -> None:
    """Artifact Registry keeps its images elsewhere."""
    with pytest.raises(MigrateError) as caught:
        artifacts_bucket("us-docker.pkg.dev", "builds")
    assert caught.value.problem is BAD_NAME


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("us.gcr.io/builds/a", "us.gcr.io"),
        ("us-docker.pkg.dev/builds/us.gcr.io/a", "us.gcr.io"),
        ("us-docker.pkg.dev/builds/gcr.io", "gcr.io"),
        ("gs://eu.artifacts.builds.appspot.com", "eu.gcr.io"),
        ("us-docker.pkg.dev/builds/a/b", None),
        ("us-docker.pkg.dev/builds", None),
        ("builds", None),
    ],
)
def test_a_place_knows_which_gcr_host_it_belongs_to(text: str, host: str | None) -> None:
    """Old name, new name and bucket of one host's images lead to that host."""
    found = read_place(text).gcr_host
    assert (found.name if found else None) == host


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("gcr.io", "only a host"),
        ("https://us-docker.pkg.dev/", "only a host"),
        ("gcr.io.evil.com/builds", "neither a host that is known here nor a domain"),
        ("https://gcr.io.evil.com/builds", "host 'gcr.io.evil.com': not gcr.io"),
        ("notgcr.io/builds", "'notgcr.io'"),
        ("x-gcr.io/builds/a", "host 'x-gcr.io'"),
        ("foo.gcr.io/builds/a", "host 'foo.gcr.io'"),
        ("gcrxio/builds/a", "host 'gcrxio'"),
        ("us-docker.pkg.dev.evil.com/builds", "neither a host"),
        ("evil-us-docker-pkg.dev/builds/a/b", "host 'evil-us-docker-pkg.dev'"),
        ("docker.us.rep.pkg.dev.evil.com/p/a", "host"),
        ("https://console.cloud.google.com.evil.com/gcr/images/builds", "host"),
        ("https://console.cloud.google.com@evil.com/gcr/images/builds", "`@`"),
        ("artifacts.builds.appspot.com.evil.com", "a project id has no dot"),
        ("gs://artifacts.builds.appspot.com.evil.com", "bucket"),
        ("gs://evil.artifacts.builds.appspot.com", "bucket"),
        ("gs://artifacts.builds.a.appspot.com", "bucket"),
        ("gs://some-bucket", "bucket 'some-bucket'"),
        ("https://artifacts.builds.appspot.com", "host"),  # an app, not the bucket of that name
        ("gs://artifacts.builds.appspot.com/containers/other", "object"),
        ("gs://artifacts.builds.appspot.com/containers/images/sha256:12", "sha256"),
        ("https://www.googleapis.com/compute/v1/projects/builds", "not an address of a bucket"),
        ("mirror.gcr.io/library/nginx", "leave them alone"),
        ("https://k8s.gcr.io/pause:3", "leave them alone"),
        ("gcr.io/$PROJECT_ID/app:$SHORT_SHA", "template"),
        ("{{ .Values.registry }}/x", "template"),
        (f"{CONSOLE}/gcr/images/${{project}}/GLOBAL", "template"),
        ("eu-docker.pkg.dev/builds", "`europe`"),
        ("us-docker.pkg.dev/builds/eu.gcr.io/a", "exists in europe only"),
        ("us-docker.pkg.dev/builds/my_team/a", "lower-case letters"),
        ("us-docker.pkg.dev/builds//a", "lower-case letters"),
        (f"{CONSOLE}/artifacts/docker/builds/us//a", "lower-case letters"),
        (f"{CONSOLE}/storage/browser/artifacts.builds.appspot.com?prefix=other", "object 'other'"),
        (f"{CONSOLE}/storage/browser/artifacts.builds.appspot.com?prefix=a&prefix=b", "more than"),
        ("us.gcr.io/example.com:p/img", "us.gcr.io/example.com/p/img"),
        ("gcr.io/example.com", "is a domain"),
        ("gcr.io/v2/builds/app/tags/list", "/v2/"),
        ("gcr.io/builds:1", "no image that has it"),
        (f"us-docker.pkg.dev/builds/r@{DIGEST}", "no image that has it"),
        ("gcr.io/builds/app?tag=1", "no `?`"),
        ("ghcr.io/owner", "neither a host that is known here nor a domain"),
        ("docker.io/library/nginx", "host 'docker.io'"),
        ("127.0.0.1:5000", "a port"),
        ("registry.example.com:5000", "a port"),
        ("builds/app", "gcr.io/builds/"),
        ("123456789012", "the number of a project"),
        ("projects/123456789012/locations/us", "the number of a project"),
        ("Builds", "upper-case"),
        ("projects/builds/locations/us/repositories", "a resource name is"),
        ("projects/builds/serviceAccounts/x", "a resource name is"),
        ("projects/builds/locations/us/repositories//packages/a", "nothing after repositories/"),
        (f"{CONSOLE}/gcr/images/builds/MOON/app", "GLOBAL"),
        (f"{CONSOLE}/gcr/images/builds?tag=1", "GLOBAL"),
        (f"{CONSOLE}/gcr/images/builds/EU/app:1?tag=2", "two tags"),
        (f"{CONSOLE}/gcr/images/builds/EU/app?tag=1&tag=2", "more than once"),
        (f"{CONSOLE}/gcr/images/builds/EU/app@{DIGEST}/more", "after a digest"),
        (f"{CONSOLE}/gcr/images", "names no project"),
        (f"{CONSOLE}/artifacts/npm/builds/us/r?project=builds", "the console's page"),
        (f"{CONSOLE}/run/detail?project=builds", "the console's page"),
        (f"{CONSOLE}/artifacts/docker/builds/eu/r", "`europe`"),
    ],
)
def test_what_is_no_place_is_refused_in_words(text: str, says: str) -> None:
    """Hosts are anchored on both sides, and nothing that a text says is left out."""
    with pytest.raises(MigrateError) as caught:
        read_place(text)
    assert caught.value.problem is BAD_NAME
    assert says in caught.value.saw


@pytest.mark.parametrize(
    "text",
    [
        "https://storage.googleapis.com/other/x?X-Goog-Signature=hush",
        "https://someone:hush@gcr.io/builds/app",
        "someone:hush@gcr.io/builds/app",
        f"{CONSOLE}/run?access_token=hush",
        "https://example.com/x#access_token=hush",
    ],
)
def test_a_refusal_shows_no_secret_of_an_address(text: str) -> None:
    """Signatures, passwords and tokens in a pasted address stay out of the error."""
    with pytest.raises(MigrateError) as caught:
        read_place(text)
    assert "hush" not in f"{caught.value} {caught.value.__cause__}"


_pieces = st.sampled_from(
    [
        *("gcr.io", "us.gcr.io", "us-docker.pkg.dev", "docker.us.rep.pkg.dev", CONSOLE, OLDER),
        *("gs://", "https://", "//", "/", ":", "@", "?", "#", "%2F", "%", ";", "..", "=", "&", "$"),
        *("gcr/images", "artifacts/docker", "storage/browser", "_details", "GLOBAL", "project="),
        *("storage.googleapis.com", "storage/v1/b", "/o/", "artifacts.", ".a.appspot.com", "tag="),
        *("projects/", "/locations/", "/repositories/", "/dockerImages/", "/packages/", "[", "us"),
        *("sha256:", DIGEST, "example.com", "builds", "İ", "\x00", "A", "containers/images/"),
    ]
)


@given(st.text() | st.lists(_pieces, max_size=12).map("".join))
def test_any_text_is_a_place_or_a_bad_name(text: str) -> None:
    """No text ends in another error; what is read prints as a name that reads back."""
    problem = None
    try:
        place = read_place(text)
    except MigrateError as error:
        problem = error.problem
    else:
        assert read_place(str(place)) == place
    assert problem in {None, BAD_NAME}


@pytest.mark.parametrize("piece", ["$", "{", "a/", "a-", "%2F", "..", "gcr.io/"])
@pytest.mark.parametrize("start", ["", "gcr.io/builds/", "gs://", f"{CONSOLE}/gcr/images/"])
def test_a_refusal_is_short_whatever_was_pasted(start: str, piece: str) -> None:
    """A whole file on the clipboard does not fill the screen."""
    with pytest.raises(MigrateError) as caught:
        read_place(start + piece * 20_000 + "!")
    assert len(str(caught.value)) < 1_000
