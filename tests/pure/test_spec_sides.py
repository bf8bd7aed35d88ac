"""Source and target of a spec: pasted places, and who logs in on which side."""

from __future__ import annotations

import pytest

from gcr_migrate.errors import BAD_SPEC, BAD_YAML, MigrateError
from gcr_migrate.model.login import Login
from gcr_migrate.spec import ProjectSource, ProjectTarget, RepositorySource, load_spec

PROJECT = "source: {project: builds}\n"
PLAIN = "source: {registry: '127.0.0.1:5000'}\ntarget: {registry: '127.0.0.1:5001'}\n"
HEX = "0123456789abcdef" * 4
CONSOLE = "https://console.cloud.google.com"
SOME_FILE = "access.txt"
ACCOUNT = "mover@tools.iam.gserviceaccount.com"


def failure(text: str) -> MigrateError:
    """Load what must not load."""
    with pytest.raises(MigrateError) as caught:
        load_spec(text, "move.yaml")
    return caught.value


def side(*fields: str) -> str:
    """Write credentials of the source, one field to a line, the first of them on line 4."""
    return "source:\n  project: builds\n  credentials:\n" + "".join(f"    {f}\n" for f in fields)


@pytest.mark.parametrize(
    ("pasted", "project", "hosts", "below"),
    [
        ("builds", "builds", 4, ()),
        ("'example.com:builds'", "example.com:builds", 4, ()),
        ("example.com/builds", "example.com:builds", 4, ()),
        (f"{CONSOLE}/gcr/images/builds?authuser=1", "builds", 4, ()),
        ("us.gcr.io/builds", "builds", ("us.gcr.io",), ()),
        ("us.gcr.io/builds/product1", "builds", ("us.gcr.io",), ("product1",)),
        ("https://gcr.io/example.com/p/a/b/", "example.com:p", ("gcr.io",), ("a/b",)),
        ("us-docker.pkg.dev/builds/us.gcr.io/a/b", "builds", ("us.gcr.io",), ("a/b",)),
        ("projects/builds/locations/europe/repositories/eu.gcr.io", "builds", ("eu.gcr.io",), ()),
        (f"{CONSOLE}/gcr/images/builds/ASIA/a?project=x", "builds", ("asia.gcr.io",), ("a",)),
        (f"{CONSOLE}/artifacts/docker/builds/us/gcr.io", "builds", ("gcr.io",), ()),
        ("gs://eu.artifacts.builds.appspot.com", "builds", ("eu.gcr.io",), ()),
    ],
)
def test_a_pasted_source_means_what_it_says(
    pasted: str, project: str, hosts: int | tuple[str, ...], below: tuple[str, ...]
) -> None:
    """A host narrows the hosts, a path what is read of them; a project alone narrows nothing."""
    source = load_spec(f"source: {pasted}\n", "move.yaml").source
    assert isinstance(source, ProjectSource)
    assert (source.project, source.below, source.paths) == (project, below, ())
    assert hosts in (len(source.hosts), source.hosts)


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        ("us.gcr.io/builds/app:1", "write us.gcr.io/builds/app"),
        (f"us.gcr.io/builds/app@sha256:{HEX}", "write us.gcr.io/builds/app"),
        (
            f"gs://artifacts.builds.appspot.com/containers/images/sha256:{HEX}",
            "write gcr.io/builds",
        ),
        ("us-docker.pkg.dev/builds/product1/app:1", "write us-docker.pkg.dev/builds/product1/app"),
        ("gcr.io.evil.com/builds", "neither a host"),
        ("registry.example.com:5000", "a port"),
        ("gs://some-bucket", "bucket"),
        ("'gcr.io/$PROJECT/app'", "template"),
        ("ya29.a-token", "a secret is never written in a spec"),
    ],
)
def test_a_pasted_source_is_never_widened(pasted: str, says: str) -> None:
    """What says less, or another thing, than a spec can is refused with what to write."""
    error = failure(f"version: 1\nsource: {pasted}\n")
    assert error.subject == "move.yaml:2"
    assert error.saw.startswith("field source: ")
    assert says in error.saw


ELSEWHERE = "target: {project: builds-new}\n"


@pytest.mark.parametrize(
    ("written", "project", "location", "below"),
    [
        ("us-docker.pkg.dev/builds/product1", "builds", "us", ("product1",)),
        ("us-docker.pkg.dev/builds", "builds", "us", ()),
        ("asia-docker.pkg.dev/example.com/p/r/a/b", "example.com:p", "asia", ("r/a/b",)),
        ("projects/builds/locations/europe-west1/repositories/r", "builds", "europe-west1", ("r",)),
        (f"{CONSOLE}/artifacts/docker/builds/us/product1/app", "builds", "us", ("product1/app",)),
        ("{project: builds, location: us, below: [a, b/c]}", "builds", "us", ("a", "b/c")),
    ],
)
def test_a_source_in_artifact_registry_is_a_project_in_a_location(
    written: str, project: str, location: str, below: tuple[str, ...]
) -> None:
    """Its paths begin with the repository, as they do after the project in names of images."""
    spec = load_spec(f"source: {written}\n{ELSEWHERE}", "move.yaml")
    source = spec.source
    assert isinstance(source, RepositorySource)
    assert (source.project, source.location, source.below) == (project, location, below)
    assert source.repositories == tuple(path.partition("/")[0] for path in below)
    assert not spec.is_plain_source
    assert (spec.source_project and spec.source_project.id) == project


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{project: builds, location: us, paths: [product1]}", "write below: [product1]"),
        ("{project: builds, location: us, paths: [a/b], below: [a]}", "one of them at most"),
        (
            "{project: builds, location: us, below: [us-docker.pkg.dev/builds/a]}",
            "a path is what follows us-docker.pkg.dev/builds/",
        ),
        ("{project: builds, location: us, repositories: [a]}", "as in below: [product1]"),
        ("{project: builds, location: us, hosts: [gcr.io]}", "hosts: unknown beside location"),
        ("{project: builds, location: eu}", "the location is `europe` here"),
        ("{registry: us-docker.pkg.dev, paths: [builds/r/app]}", "location: us, paths: [r/app]"),
        ("{registry: 'US-docker.pkg.dev:443'}", "write source: us-docker.pkg.dev/PROJECT"),
        (
            "{registry: us-docker.pkg.dev, paths: [a/r/x, b/r/x]}",
            "write source: us-docker.pkg.dev/",
        ),
    ],
)
def test_a_source_in_artifact_registry_says_what_to_write_instead(source: str, says: str) -> None:
    """What would be read in part, or in one view only, is refused with the form that is whole."""
    error = failure(f"version: 1\nsource: {source}\n{ELSEWHERE}")
    assert error.subject == "move.yaml:2"
    assert says in error.saw


def test_a_stated_dialect_makes_a_plain_registry_of_artifact_registry() -> None:
    """Who says how to read it gets what they say."""
    plain = "{registry: us-docker.pkg.dev, paths: [builds/r/app], dialect: distribution}"
    assert load_spec(f"source: {plain}\n{ELSEWHERE}", "move.yaml").is_plain_source


@pytest.mark.parametrize("host", ["us-docker.pkg.dev", "US-docker.pkg.dev:443"])
def test_a_target_in_artifact_registry_is_no_plain_registry(host: str) -> None:
    """Neither its repositories nor their access would be known, nor what it makes by itself."""
    error = failure(f"version: 1\nsource: us.gcr.io/builds\ntarget: {{registry: '{host}'}}\n")
    assert error.subject == "move.yaml:3"
    assert "write target: {project: PROJECT, location: us}" in error.saw


def test_a_source_in_artifact_registry_has_to_go_somewhere() -> None:
    """Neither target nor routes would copy every image onto itself; routes alone can split."""
    text = "source: us-docker.pkg.dev/builds/product1\n"
    assert "copied onto themselves" in failure(text).saw
    split = "routes: [{match: 'product1/{team}/**', repository: '{team}'}]\n"
    spec = load_spec(text + split, "move.yaml")
    assert spec.target_project == spec.source_project


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("us.gcr.io/builds", "write project: builds, hosts: [us.gcr.io]"),
        ("us.gcr.io/builds/a/b:1", "write project: builds, hosts: [us.gcr.io], below: [a/b]"),
        ("gs://eu.artifacts.builds.appspot.com", "write project: builds, hosts: [eu.gcr.io]"),
        ("us-docker.pkg.dev/builds/r", "write project: builds, location: us, below: [r]"),
    ],
)
def test_a_project_field_takes_no_more_than_a_project(field: str, says: str) -> None:
    """The refusal names the fields that say the rest."""
    error = failure(f"source:\n  project: {field}\n")
    assert error.subject == "move.yaml:2"
    assert error.saw.startswith("field source.project: ")
    assert says in error.saw


@pytest.mark.parametrize(
    ("pasted", "project", "location"),
    [
        ("builds-new", "builds-new", None),
        ("us-docker.pkg.dev/builds-new", "builds-new", "us"),
        ("europe-west1-docker.pkg.dev/example.com/builds", "example.com:builds", "europe-west1"),
        ("projects/builds-new/locations/asia", "builds-new", "asia"),
        ("{project: example.com/builds}", "example.com:builds", None),
        (f"{{project: '{CONSOLE}/artifacts/docker/builds-new'}}", "builds-new", None),
    ],
)
def test_a_pasted_target_means_what_it_says(
    pasted: str, project: str, location: str | None
) -> None:
    """A project alone, or one with its location."""
    target = load_spec(f"{PROJECT}target: {pasted}\n", "move.yaml").target
    assert isinstance(target, ProjectTarget)
    assert (target.project, target.location) == (project, location)


@pytest.mark.parametrize(
    ("pasted", "says"),
    [
        ("us-docker.pkg.dev/builds-new/r/a", "write target: us-docker.pkg.dev/builds-new and, in"),
        ("us-docker.pkg.dev/builds-new/r", "repository: r"),
        ("eu.gcr.io/builds-new", "write target: builds-new and, in a route, repository: eu.gcr.io"),
        ("tiny", "6 to 30"),
        ("us-docker.pkg.dev/tiny", "field target.project: project 'tiny'"),
        ("{project: us-docker.pkg.dev/builds-new}", "write project: builds-new, location: us"),
        ("{project: gcr.io/builds-new}", "says more than a project; write project: builds-new"),
    ],
)
def test_a_pasted_target_is_never_widened(pasted: str, says: str) -> None:
    """Repositories are named by routes, and gcr.io names are no place to write to."""
    error = failure(f"{PROJECT}target: {pasted}\n")
    assert error.subject == "move.yaml:2"
    assert says in error.saw


def test_paths_and_below_exclude_each_other() -> None:
    """One lists images, the other whole folders: together they would say two things."""
    error = failure("source:\n  project: builds\n  paths: [a]\n  below: [b]\n")
    assert "paths and below: one of them at most" in error.saw


@pytest.mark.parametrize("field", ["paths", "below"])
def test_a_whole_name_is_no_path(field: str) -> None:
    """Host and project are not part of a path; another project's name in it may well be."""
    source = "source: {project: 'example.com:p', %s: [%s]}\n"
    error = failure(source % (field, "gcr.io/example.com/p/app"))
    assert "gcr.io/example.com/p/app: a path is what follows gcr.io/example.com/p/" in error.saw
    mirrored = load_spec(source % (field, "gcr.io/distroless/static"), "move.yaml").source
    assert "gcr.io/distroless/static" in (*mirrored.paths, *getattr(mirrored, "below", ()))


def test_each_side_can_log_in_in_its_own_way() -> None:
    """What is written for a side is its login, and one account may stand alone."""
    text = side(f"access_token_file: {SOME_FILE}", f"impersonate: {ACCOUNT}") + (
        "target:\n  credentials: {key_file: k.json, quota_project: 'example.com:billing'}\n"
    )
    spec = load_spec(text, "move.yaml")
    assert spec.source_login == Login(access_token_file=SOME_FILE, impersonate=(ACCOUNT,))
    assert spec.target_login == Login(key_file="k.json", quota_project="example.com:billing")


@pytest.mark.parametrize(
    ("target", "login"),
    [
        ("", Login(key_file="k.json")),
        ("target: {location: europe}\n", Login(key_file="k.json")),
        ("target: us-docker.pkg.dev/builds-new\n", Login(key_file="k.json")),
        ("target: {credentials: {}}\n", Login()),
        ("target: {registry: '127.0.0.1:5000'}\n", Login()),
    ],
)
def test_a_target_logs_in_as_the_source_unless_it_says_otherwise(target: str, login: Login) -> None:
    """Empty credentials say: what the environment has; a plain registry never gets Google's."""
    spec = load_spec(side("key_file: k.json") + target, "move.yaml")
    assert spec.target_login == login


def test_without_credentials_nothing_is_said_about_a_login() -> None:
    """The command line and the environment decide then, for both sides."""
    for text in (PROJECT, PLAIN):
        spec = load_spec(text, "move.yaml")
        assert (spec.source_login, spec.target_login) == (Login(), Login())


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("impersonate: bob", "'bob' is no service account"),
        (f"impersonate: 'serviceAccount:{ACCOUNT}'", "without `serviceAccount:`"),
        (f"impersonate: '{ACCOUNT},{ACCOUNT}'", "is no service account"),
        (f"impersonate: [{ACCOUNT}, {ACCOUNT}]", "names an account twice"),
        ("impersonate: bob@example.com", "is no service account"),
        (f"impersonate: {ACCOUNT}.evil.com", "is no service account"),
        ("quota_project: gcr.io/billing", "says more than a project"),
        ("key_file: ''", "not the path of a file"),
        ("key_file: ~/key.json", "write the whole path"),
        ("keyfile: a", "did you mean `key_file`"),
    ],
)
def test_credentials_that_cannot_be_are_refused(field: str, says: str) -> None:
    """Accounts, projects and files are checked before anybody is asked."""
    error = failure(side(field))
    assert error.problem is BAD_SPEC
    assert says in error.saw
    assert error.subject in {"move.yaml:3", "move.yaml:4"}


def test_one_side_has_one_file() -> None:
    """A token and a key at once would leave open which of them counts."""
    error = failure(side("access_token_file: a", "key_file: b"))
    assert "access_token_file and key_file: one of them at most" in error.saw


@pytest.mark.parametrize(
    "text",
    [
        side("access_token: hush"),
        side("token: hush"),
        side("password: hush"),
        side("private_key: hush"),
        side("json: hush"),
        side("access_token_file: ya29.hush"),
        side('key_file: \'{"private_key": "hush"}\''),
        side("key_file: {private_key: hush}"),
        side("key_file: |", "  -----BEGIN PRIVATE KEY-----", "  hush"),
        side(f"key_file: {'hush' * 100}"),
        side("impersonate: ya29.hush"),
        side("{ya29.hush}"),
        "source:\n  project: builds\n  credentials: hush\n",
        "source:\n  project: builds\n  secret: hush\n",
        "source: ya29.hush\n",
        "source: https://storage.googleapis.com/artifacts.b.appspot.com?X-Goog-Signature=hush\n",
        "source: builds\ntarget: {credentials: ya29.hush}\n",
        "source: {registry: 'a:1', password: hush}\ntarget: {registry: 'a:2'}\n",
    ],
)
def test_no_secret_can_be_written_in_a_spec(text: str) -> None:
    """A spec is kept in every migration file: what looks like a secret is refused, not shown."""
    error = failure(text)
    assert error.problem is BAD_SPEC
    assert "hush" not in f"{error} {error.__cause__}"


@pytest.mark.parametrize("field", ["token: hush", "access_token: hush", "key_file: ya29.hush"])
def test_a_secret_leads_to_the_fields_that_name_a_file(field: str) -> None:
    """The refusal says where a secret belongs."""
    error = failure(side(field))
    assert error.subject == "move.yaml:4"
    assert "a secret is never written in a spec; name a file" in error.saw


@pytest.mark.parametrize("which", ["source", "target"])
def test_plain_registries_have_no_credentials_in_a_spec(which: str) -> None:
    """Theirs are Docker's, and the refusal says so."""
    other = "target" if which == "source" else "source"
    text = f"{other}: {{registry: 'a:1'}}\n{which}: {{registry: 'a:2', credentials: {{}}}}\n"
    error = failure(text)
    assert error.subject == "move.yaml:2"
    assert "Docker's configuration" in error.saw


def test_a_field_that_is_there_twice_shows_neither_value() -> None:
    """The YAML library would show both, and they may be secrets."""
    error = failure(side("token: hush", "token: hush-hush"))
    assert error.problem is BAD_YAML
    assert 'duplicate key "token"' in error.saw
    assert "hush" not in f"{error} {error.__cause__}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source: [builds]\n", "a mapping of fields is needed"),
        ("source:\n", "a mapping of fields is needed"),
        ("source: {project: builds, below: team}\n", "a list is needed"),
        ("source: {project: 5}\n", "a text is needed"),
        ("source: builds\nroutes: {match: '**'}\n", "a list is needed"),
        ("source: 127.0.0.1:5000\n", "a registry is written as {registry: '127.0.0.1:5000'}"),
        ("source: builds\ntarget: r.example.com\n", "written as {registry: 'r.example.com'}"),
        (side("quota_project: us.gcr.io/builds"), "more than a project; write builds"),
    ],
)
def test_another_shape_is_told_in_words(text: str, says: str) -> None:
    """What is needed is said as a person writes it, without names out of the program."""
    error = failure(text)
    assert error.problem is BAD_SPEC
    assert says in error.saw
    assert "Source" not in error.saw
