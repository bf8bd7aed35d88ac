"""Names: what is accepted, what is refused and why, and that printing undoes parsing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import BAD_DIGEST, BAD_NAME, REPOSITORY_NAME_REFUSED, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.names import (
    GCR_HOSTS,
    ArImage,
    ImagePath,
    Project,
    Reference,
    Tag,
    ar_name,
    check_location,
    check_repository_id,
    gcr_host,
    is_google_host,
    is_loopback,
    repository_resource,
)

HEX = "0123456789abcdef" * 4

components = st.from_regex(r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
image_paths = st.lists(components, min_size=1, max_size=4).map(lambda c: ImagePath(tuple(c)))
projects = st.from_regex(r"([a-z]{2,5}\.(com|example):)?[a-z][a-z0-9]{3,6}", fullmatch=True).map(
    Project.parse
)
tags = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True).map(Tag.parse)
digests = st.binary().map(Digest.of)
repository_ids = st.from_regex(r"[a-z]([a-z0-9-]{0,9}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "project", "path", "tag"),
    [
        (
            "us.gcr.io/builds/product1/dev/product1-app:beta-2.0",
            "builds",
            "product1/dev/product1-app",
            "beta-2.0",
        ),
        (f"gcr.io/example.com/my-project/img@sha256:{HEX}", "example.com:my-project", "img", None),
        ("gcr.io/p-roject/a__b", "p-roject", "a__b", None),
        ("gcr.io/p-roject/a--b", "p-roject", "a--b", None),
        ("gcr.io/p-roject/a.b", "p-roject", "a.b", None),
        ("gcr.io:443/p/i", "p", "i", None),
        ("https://gcr.io/p/i", "p", "i", None),
        ("asia.gcr.io/p/a/b/c/d:_x", "p", "a/b/c/d", "_x"),
    ],
)
def test_a_legal_reference_is_taken_apart(
    text: str, project: str, path: str, tag: str | None
) -> None:
    """Project, path and tag are told apart, with scheme and standard port taken off."""
    got = Reference.parse(text)
    assert (str(got.project), str(got.path)) == (project, path)
    assert (got.tag and str(got.tag)) == tag
    assert str(got) == text.removeprefix("https://").replace(":443", "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        *((f"gcr.io/p-roject/{bad}", repr(bad)) for bad in ("a___b", "a..b", "a._b", "_b", "a-")),
        ("gcr.io/p-roject/-b", "'-b'"),
        ("gcr.io/p-roject/Img", "upper-case"),
        ("gcr.io/p-roject/a//b", "empty"),
        ("gcr.io/p-roject/a/", "empty"),
        ("gcr.io/p-roject/a+b", "'+'"),
        ("gcr.io/p-roject/a%2Fb", "'%'"),
        ("gcr.io/p-roject/a\n", r"'\n'"),
        ("us.gcr.io/example.com:p/img", "us.gcr.io/example.com/p/img"),
        ("gcr.io/my-project", "not an image"),
        ("gcr.io/example.com/my-project", "not an image"),
        ("gcr.io/example.com", "domain"),
        ("gcr.io", "only a host"),
        ("gcrxio/p/img", "'gcrxio'"),
        ("foo.gcr.io/p/img", "'foo.gcr.io'"),
        ("gcr.io.evil.com/p/img", "'gcr.io.evil.com'"),
        ("notgcr.io/p/img", "'notgcr.io'"),
        ("x-gcr.io/p/img", "'x-gcr.io'"),
        ("http://gcr.io/p/i", "'http:'"),
        ("mirror.gcr.io/library/nginx", "Google's own"),
        ("k8s.gcr.io/pause", "Google's own"),
        ("gcr.io/$PROJECT_ID/app:$SHORT_SHA", "$PROJECT_ID"),
        ("gcr.io/${p}/x", "${p}"),
        ("{{ .Values.registry }}/x", "{{ .Values.registry }}"),
        *((f"gcr.io/p/i:{bad}", "tag") for bad in (".x", "-x", "v1+build", "", "x" * 129)),
    ],
)
def test_an_illegal_reference_is_refused_with_the_part_that_offends(text: str, says: str) -> None:
    """Nothing illegal is mended or let through, and the error names the part."""
    with pytest.raises(MigrateError) as caught:
        Reference.parse(text)
    assert caught.value.problem is BAD_NAME
    assert says in caught.value.saw


@pytest.mark.parametrize("text", ["_x", "A.B", "x" * 128])
def test_a_legal_tag_is_taken(text: str) -> None:
    """Case, leading underscore and the full length of 128 are legal."""
    assert str(Tag.parse(text)) == text


@pytest.mark.parametrize("text", ["product1", "p", "a-1", "a" * 63])
def test_a_legal_repository_id_is_taken(text: str) -> None:
    """Lower-case letters, digits and hyphens pass, up to 63."""
    check_repository_id(text)


@pytest.mark.parametrize(
    "text", ["1p", "product_1", "product.1", "Product", "product1-", "", "a" * 64, "gcr.io", "a\n"]
)
def test_an_illegal_repository_id_is_refused(text: str) -> None:
    """What Artifact Registry refuses is refused before anything is asked of it."""
    with pytest.raises(MigrateError) as caught:
        check_repository_id(text)
    assert caught.value.problem is REPOSITORY_NAME_REFUSED


def test_the_four_hosts_know_location_and_repository() -> None:
    """`eu` becomes `europe`, and each host is a repository of its own name."""
    assert {h.name: h.location for h in GCR_HOSTS} == {
        "gcr.io": "us",
        "us.gcr.io": "us",
        "eu.gcr.io": "europe",
        "asia.gcr.io": "asia",
    }
    assert all(h.repository_id == h.name and gcr_host(h.name) is h for h in GCR_HOSTS)
    assert gcr_host("mirror.gcr.io") is None


def test_a_domain_scoped_project_has_two_spellings() -> None:
    """Both spellings give one project; names take the slash, REST resources the colon."""
    project = Project.parse("example.com/my-project")
    assert project == Project.parse("example.com:my-project")
    assert ar_name(project, "eu.gcr.io") == "example.com/my-project/eu.gcr.io"
    resource = "projects/example.com:my-project/locations/us/repositories/r"
    assert repository_resource("example.com:my-project", "us", "r") == resource


@pytest.mark.parametrize("text", ["p", "1project", "project-", "a" * 31])
def test_a_target_project_obeys_the_rules_of_today(text: str) -> None:
    """Sources may have old ids; new ones are checked strictly."""
    with pytest.raises(MigrateError) as caught:
        Project(text).check_new()
    assert caught.value.problem is BAD_NAME


@pytest.mark.parametrize("text", ["", "a:b", "EXAMPLE.com:p", "example.com:", "a.b", "x/y/z"])
def test_an_illegal_project_is_refused(text: str) -> None:
    """A domain has a dot, a project has none."""
    with pytest.raises(MigrateError):
        Project.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "eu-docker.pkg.dev/builds/r/i",
        "docker.pkg.dev/builds/r/i",
        "us-docker.pkg.dev.evil.com/builds/r/i",
        "us-docker.pkg.dev/builds/r",
        "us-docker.pkg.dev/builds/my_repo/i",
        "us-docker.pkg.dev/builds/eu.gcr.io/i",
    ],
)
def test_an_illegal_artifact_registry_name_is_refused(text: str) -> None:
    """Wrong hosts, missing parts, and gcr.io repositories in a wrong location are refused."""
    with pytest.raises(MigrateError):
        ArImage.parse(text)


def test_a_gcr_repository_is_legal_in_its_own_location() -> None:
    """The dotted ids of the four hosts are legal where they live."""
    text = "europe-docker.pkg.dev/example.com/p/eu.gcr.io/a/b:1"
    got = ArImage.parse(text)
    assert (got.location, got.repository, str(got.path)) == ("europe", "eu.gcr.io", "a/b")
    assert (got.host, str(got)) == ("europe-docker.pkg.dev", text)


def test_eu_is_not_a_location() -> None:
    """The error says that the location is `europe`."""
    with pytest.raises(MigrateError, match="europe"):
        check_location("eu")


@pytest.mark.parametrize(
    ("host", "google"),
    [
        ("gcr.io", True),
        ("us.gcr.io:443", True),
        ("us-docker.pkg.dev", True),
        ("artifactregistry.googleapis.com", True),
        ("evilgcr.io", False),
        ("gcr.io.evil.com", False),
        ("pkg.dev", False),
        ("us.gcr.io@evil.com", False),
        ("evil.com/x.gcr.io", False),
    ],
)
def test_google_credentials_have_few_destinations(*, host: str, google: bool) -> None:
    """Only Google's own hosts count, anchored on both sides."""
    assert is_google_host(host) is google


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("[::1]:5000", True),
        ("::1", True),
        ("127.0.0.1.evil.com", False),
        ("localhost.evil.com:80", False),
        ("10.0.0.1:5000", False),
        ("::1%x@evil.com", False),
        ("::1%x@evil.com:80", False),
        ("127.0.0.1:80@evil.com", False),
    ],
)
def test_loopback_is_told_from_what_looks_like_it(*, host: str, loopback: bool) -> None:
    """Plain HTTP without asking is for addresses that never leave the machine."""
    assert is_loopback(host) is loopback


@given(st.sampled_from(GCR_HOSTS), projects, image_paths, st.none() | tags, st.none() | digests)
def test_printing_a_reference_undoes_parsing(
    host: object, project: Project, path: ImagePath, tag: Tag | None, digest: Digest | None
) -> None:
    """Every reference that can be built parses back to itself."""
    reference = Reference(getattr(host, "name", ""), project, path, tag, digest)
    assert Reference.parse(str(reference)) == reference


@given(
    st.sampled_from(["us", "europe", "asia", "europe-west1"]),
    projects,
    repository_ids,
    image_paths,
    st.none() | tags,
    st.none() | digests,
)
def test_printing_an_artifact_registry_name_undoes_parsing(  # one per part
    location: str,
    project: Project,
    repository: str,
    path: ImagePath,
    tag: Tag | None,
    digest: Digest | None,
) -> None:
    """Every Artifact Registry name that can be built parses back to itself."""
    image = ArImage(location, project, repository, path, tag, digest)
    assert ArImage.parse(str(image)) == image


@pytest.mark.slow
@given(image_paths, image_paths)
def test_strip_undoes_joining(above: ImagePath, below: ImagePath) -> None:
    """What stands below a folder is what was joined to it, component by component."""
    whole = ImagePath(above.components + below.components)
    assert whole.strip(above) == below
    assert whole.strip(whole) is None
    assert ImagePath.parse(str(whole)) == whole


@given(st.text())
def test_any_text_parses_or_is_refused_by_name(text: str) -> None:
    """No text makes a parser fail in another way, and what is accepted prints as it was."""
    for parse in (ImagePath.parse, Tag.parse, Reference.parse, ArImage.parse, Digest.parse):
        problem = None
        try:
            assert str(parse(text)) == text
        except MigrateError as error:
            problem = error.problem
        assert problem in {None, BAD_NAME, BAD_DIGEST, REPOSITORY_NAME_REFUSED}
