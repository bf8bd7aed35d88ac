"""The spec: what is valid, and errors that name file, line and field."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gcr_migrate.errors import BAD_SPEC, BAD_YAML, MigrateError
from gcr_migrate.spec import (
    ProjectSource,
    RegistrySource,
    Spec,
    load_spec,
    spec_json_schema,
)

FULL = """\
version: 1
source: {project: "example.com:builds", hosts: [us.gcr.io, gcr.io], paths: [a/b]}
target:
  project: builds-new
  location: europe-west1
  credentials: {key_file: keys/new.json, impersonate: [a@p.iam.gserviceaccount.com]}
routes:
  - match: "{product}/**"
    hosts: [us.gcr.io]
    repository: "{product}"
    strip: "{product}"
    location: europe
    settings:
      description: "Images of {product}"
      labels: {team: "{product}"}
      immutable_tags: true
      kms_key: projects/p/locations/europe/keyRings/r/cryptoKeys/k
    access:
      public: allow
      grant:
        - {role: artifactregistry.reader, members: ["group:{product}-devs@example.com", allUsers]}
        - {role: roles/artifactregistry.writer, members: ["serviceAccount:ci@p.iam.example.com"]}
    existing_tags: keep
    moved_tags: pin
select: {untagged: false, attachments: true}
existing_tags: overwrite
moved_tags: skip
"""
PROJECT = "source: {project: builds}\n"
PASTED = "source: us.gcr.io/builds/product1\ntarget: us-docker.pkg.dev/builds-new\n"
PLAIN = "source: {registry: '127.0.0.1:5000'}\ntarget: {registry: '127.0.0.1:5001'}\n"


def failure(text: str) -> MigrateError:
    """Load what must not load."""
    with pytest.raises(MigrateError) as caught:
        load_spec(text, "move.yaml")
    return caught.value


def test_a_project_and_nothing_else_is_a_spec() -> None:
    """All four hosts, the source's own project as target, a repository per first component."""
    spec = load_spec(PROJECT, "move.yaml")
    assert isinstance(spec.source, ProjectSource)
    assert spec.source.hosts == ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io")
    assert str(spec.target_project) == "builds"
    assert (spec.is_plain_source, spec.is_plain_target) == (False, False)
    assert [route.match for route in spec.effective_routes] == ["{repository}/**"]
    assert (spec.select.untagged, spec.existing_tags, spec.moved_tags) == (True, "fail", "fail")


def test_registries_on_both_sides_keep_paths() -> None:
    """A plain target has no project, and its default route keeps every path."""
    spec = load_spec(PLAIN, "move.yaml")
    assert isinstance(spec.source, RegistrySource)
    assert (spec.is_plain_source, spec.is_plain_target) == (True, True)
    assert (spec.source_project, spec.target_project) == (None, None)
    assert [(r.match, r.repository) for r in spec.effective_routes] == [("**", None)]


def test_every_field_can_be_written() -> None:
    """Roles get their full name, and nothing that is written is lost."""
    spec = load_spec(FULL, "move.yaml")
    access = spec.routes[0].access
    assert access is not None
    assert [rule.role for rule in access.grant] == [
        "roles/artifactregistry.reader",
        "roles/artifactregistry.writer",
    ]
    assert str(spec.source_project) == "example.com:builds"
    assert str(spec.target_project) == "builds-new"
    assert Spec.model_validate(spec.model_dump(by_alias=True)) == spec


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("project: builds\n", 1, "field source: missing"),
        ("", 1, "empty"),
        ("- a\n", 1, "not a mapping"),
        (
            "source:\n  project: builds\n  hots: []\n",
            3,
            "source.hots: unknown; did you mean `hosts",
        ),
        ("source: {project: B}\n", 1, "field source.project: project 'B': upper-case"),
        ("source: {project: 7}\n", 1, "field source.project"),
        ("source:\n  project: builds\n  hosts:\n    - us.gcr.io\n    - my.gcr.io\n", 5, "hosts[1]"),
        ("source: {registry: 'http://a'}\n", 1, "field source.registry: does not fit: HOST or"),
        ("source: {registry: 'a:1'}\n", 1, "target is needed"),
        ("source: {registry: 'a:1'}\ntarget: {location: us}\n", 1, "target.project is needed"),
        (PROJECT + "target: {project: p}\n", 2, "field target.project"),
        (PROJECT + "target: {location: eu}\n", 2, "`europe`"),
        (PROJECT + "routes:\n  - match: '**'\n", 1, "routes[0].repository is needed"),
        (PROJECT + "routes:\n  - repository: a\n", 3, "field routes[0].match: missing"),
        (PROJECT + "routes:\n  - match: 'a*'\n    repository: r\n", 3, "field routes[0].match"),
        (
            PROJECT + "routes:\n  - match: '{a}/**'\n    repository: '{b}'\n",
            4,
            "field routes[0].repository: {b} is not a named part",
        ),
        (PROJECT + "routes: [{match: a, repository: r, repo: x}]\n", 2, "routes[0].repo: unknown"),
        (PROJECT + "routes: [{match: a, repository: r, hosts: [x]}]\n", 1, "x is not a host"),
        (PROJECT + "select: {labels: true}\n", 2, "field select.labels: unknown"),
        (PROJECT + "existing_tags: delete\n", 2, "field existing_tags"),
        (PROJECT + "version: 2\n", 2, "field version"),
    ],
)
def test_an_error_names_file_line_and_field(text: str, line: int, says: str) -> None:
    """The subject leads to the line, the text to the field and to what fits there."""
    error = failure(text)
    assert error.problem is BAD_SPEC
    assert error.subject == f"move.yaml:{line}"
    assert says in error.saw


def test_all_errors_are_told_at_once() -> None:
    """A spec is mended in one go: the later errors carry their own lines."""
    error = failure("source:\n  project: B\nselect:\n  untaged: true\n")
    assert error.subject == "move.yaml:2"
    assert "; line 4: field select.untaged: unknown; did you mean `untagged`?" in error.saw


@pytest.mark.parametrize(
    ("access", "says"),
    [
        ("grant: [{role: reader, members: ['user:a@b.example']}]", "'reader' is no role"),
        ("grant: [{role: artifactregistry.reader, members: [bob]}]", "'bob' is no member"),
        ("grant: [{role: artifactregistry.reader, members: ['deleted:user:a@b']}]", "no member"),
        ("grant: [{role: artifactregistry.reader, members: []}]", "at least 1 item"),
        ("grant: [{role: artifactregistry.reader, members: [allUsers]}]", "`public: allow`"),
        (
            "public: allow, grant: [{role: artifactregistry.writer, members: [allUsers]}]",
            "only be artifactregistry.reader",
        ),
        ("grant: [{role: artifactregistry.reader, members: ['group:{x}@b.example']}]", "{x}"),
    ],
)
def test_access_is_never_opened_by_mistake(access: str, says: str) -> None:
    """Unknown members and roles are refused; the public needs an explicit yes."""
    error = failure(f"{PROJECT}routes: [{{match: a, repository: r, access: {{{access}}}}}]\n")
    assert error.problem is BAD_SPEC
    assert says in error.saw
    assert error.subject == "move.yaml:2"


@pytest.mark.parametrize(
    "member",
    [
        "user:a@b.example",
        "group:{team}@b.example",
        "serviceAccount:ci@p.iam.gserviceaccount.com",
        "domain:example.com",
        "principal://iam.googleapis.com/projects/1/x",
        "principalSet://iam.googleapis.com/projects/1/*",
    ],
)
def test_each_kind_of_member_is_taken(member: str) -> None:
    """Principals that Artifact Registry takes are accepted as written."""
    grant = f"grant: [{{role: artifactregistry.reader, members: ['{member}']}}]"
    route = f"{{match: '{{team}}/**', repository: r, access: {{{grant}}}}}"
    access = load_spec(f"{PROJECT}routes: [{route}]", "move.yaml").routes[0].access
    assert access is not None
    assert access.grant[0].members == (member,)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("source: {project: builds\n", "move.yaml:2"),
        ("source: {project: a, project: b}\n", "move.yaml:1"),
        ("a: b\n\tc: d\n", "move.yaml:2"),
        ("\x01", "move.yaml"),
        ("a: 2001-99-99\n", "move.yaml"),
        ("a: !!bool maybe\n", "move.yaml"),
        ("a: !!omap b\n", "move.yaml"),
        ("? {a: [b]}\n: c\n", "move.yaml"),
    ],
)
def test_broken_yaml_is_named_with_its_line(text: str, subject: str) -> None:
    """What is no YAML, or says a thing twice, is told from a spec that does not fit."""
    error = failure(text)
    assert error.problem is BAD_YAML
    assert error.subject == subject
    assert error.saw


def plain(text: str) -> Any:
    """Read YAML as plain values."""
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", [PROJECT, PLAIN, FULL, PASTED])
def test_the_json_schema_accepts_what_the_model_accepts(text: str) -> None:
    """Editors that use the schema do not complain about a valid spec."""
    schema = spec_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plain(text), schema)
    assert json.loads(json.dumps(schema)) == schema


def test_the_json_schema_refuses_unknown_fields() -> None:
    """Editors that use the schema show a typing error."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"source": {"project": "builds", "hots": []}}, spec_json_schema())


@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"# \nabsource0159", max_size=60))
def test_any_text_loads_or_is_refused_by_name(text: str) -> None:
    """No text makes the loader fail in another way."""
    problem = None
    try:
        load_spec(text, "move.yaml")
    except MigrateError as error:
        problem = error.problem
    assert problem in {None, BAD_SPEC, BAD_YAML}


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    """Nobody can listen there, so the spec's line is named before anything is asked."""
    text = f"source: {{registry: '127.0.0.1:{port}'}}\ntarget: {{registry: '127.0.0.1:5001'}}\n"
    with pytest.raises(MigrateError) as caught:
        load_spec(text, "spec.yaml")
    assert port in caught.value.saw


def test_damage_has_one_word_or_one_for_each_kind() -> None:
    """A word counts for all kinds, `copy` only for indexes; a kind that is not named is skipped."""
    base = "source: {project: builds}\ndamaged: "
    stop, copy, mixed = (
        load_spec(base + words, "spec.yaml").damaged
        for words in ("stop", "copy", "{tags: stop, children: copy}")
    )
    assert stop.stops == {"blobs", "bytes", "manifests", "tags", "children"}
    assert (copy.stops, copy.copies_sparse) == (frozenset(), True)
    assert (mixed.stops, mixed.copies_sparse) == (frozenset({"tags"}), True)
    assert not load_spec("source: {project: builds}", "spec.yaml").damaged.stops


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("copied", "'stop', 'skip' or 'copy'"),
        ("{blobs: copy}", "field damaged.blobs"),
        ("{blob: skip}", "did you mean `blobs`?"),
        ("[stop]", "field damaged"),
    ],
)
def test_a_word_that_damage_does_not_know_is_named(words: str, said: str) -> None:
    """The error names the field, its line and what can be written there."""
    with pytest.raises(MigrateError) as caught:
        load_spec(f"source: {{project: builds}}\ndamaged: {words}\n", "spec.yaml")
    assert caught.value.subject == "spec.yaml:2"
    assert said in caught.value.saw
