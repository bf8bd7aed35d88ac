"""A plan as Terraform's configuration: only what the provider knows, escaped and formatted."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import hcl2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate.export.terraform import terraform_files
from gcr_migrate.hcl import quoted
from gcr_migrate.model.access import Grant
from gcr_migrate.model.settings import (
    CleanupCondition,
    CleanupPolicy,
    RepositorySettings,
    Scanning,
)
from tests.exporting import ALL_ROLES, ENDS, NASTY, TEXTS, everything, repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gcr_migrate.model.plan import Repository

REPOSITORY = "google_artifact_registry_repository"
MEMBER = "google_artifact_registry_repository_iam_member"
# What the provider takes (FACTS 15.1, 15.2): for an argument its type, for a block what is in it.
KNOWN: dict[str, Any] = {
    REPOSITORY: {
        "format": "string",
        "repository_id": "string",
        "location": "string",
        "project": "string",
        "description": "string",
        "cleanup_policy_dry_run": "bool",
        "labels": "map",
        "kms_key_name": "string",
        "mode": {"VIRTUAL_REPOSITORY"},
        "virtual_repository_config": {
            "upstream_policies": {"id": "string", "repository": "string", "priority": "int"}
        },
        "docker_config": {"immutable_tags": "bool"},
        "cleanup_policies": {
            "id": "string",
            "action": {"DELETE", "KEEP"},
            "condition": {
                "tag_state": {"ANY", "TAGGED", "UNTAGGED"},
                "tag_prefixes": "list",
                "version_name_prefixes": "list",
                "package_name_prefixes": "list",
                "older_than": "duration",
                "newer_than": "duration",
            },
            "most_recent_versions": {"keep_count": "int", "package_name_prefixes": "list"},
        },
        "vulnerability_scanning_config": {"enablement_config": {"INHERITED", "DISABLED"}},
        "lifecycle": {"prevent_destroy": "bool", "ignore_changes": "list"},
    },
    MEMBER: {
        "for_each": "map",
        "repository": "string",
        "project": "string",
        "location": "string",
        "role": "string",
        "member": "string",
    },
}
GRANT = Grant(ALL_ROLES[0], "group:devs@example.com")
OWN = Grant(ALL_ROLES[1], "user:a@example.com")
ENDING = replace(OWN, condition=ENDS)


def _plain(value: Any) -> Any:
    """Return strings as what they stand for; expressions keep their `${…}`."""
    if isinstance(value, dict):
        return {_plain(key): _plain(one) for key, one in value.items() if key != "__is_block__"}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, str) and value.startswith('"'):
        escapes = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
        text = re.sub(
            r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8})|(.))",
            lambda m: escapes[m[3]] if m[3] else chr(int(m[1] or m[2], 16)),
            value[1:-1],
        )
        return re.sub(r"([$%])\1\{", r"\1{", text)
    return value


def _read(files: Mapping[str, str]) -> dict[str, Any]:
    """Return the resources by type and name, as another program reads them."""
    found: dict[str, Any] = {"import": []}
    for text in files.values():
        whole = _plain(hcl2.loads(text))
        found["import"] += whole.get("import", [])
        for resource in whole.get("resource", []):
            for kind, named in resource.items():
                found.setdefault(kind, {}).update(named)
    return found


def _files(*repositories: Repository) -> dict[str, str]:
    return terraform_files(repositories, "Made by a test")


def _all_kinds(text: str) -> list[Repository]:
    """Return a repository of each kind, a text wherever one can stand."""
    grants = (GRANT, Grant(text, f"user:{text}"), ENDING)
    adopted = RepositorySettings(adopt=True, description=text, labels=(("null", text),))
    return [
        repository("one", everything(text), grants=grants),
        repository("gcr.io", adopted, exists=True, grants=grants, granted=grants[1:]),
        repository("three", everything(text), exists=True),
        repository("four", RepositorySettings(scanning=Scanning.ON), project="example.com:x"),
        repository("five", RepositorySettings(description=text), upstreams=("one", "gcr.io")),
        repository("six", upstreams=("one",), exists=True),
    ]


def _check(known: Mapping[str, Any], body: Mapping[str, Any], where: str) -> None:
    for name, value in body.items():
        wanted = known[name]
        if isinstance(wanted, dict):
            for block in value:
                _check(wanted, block, f"{where}.{name}")
            assert len(value) == 1 or name in {"cleanup_policies", "upstream_policies"}, where
        elif isinstance(value, str) and value.startswith("${"):
            assert wanted in ("bool", "string") or isinstance(wanted, set)
        elif isinstance(wanted, set):
            assert value in wanted, f"{where}.{name}"
        elif wanted == "duration":
            assert re.fullmatch(r"\d+s", value), f"{where}.{name}"
        else:
            kind = {"string": str, "bool": bool, "map": dict, "list": list, "int": int}[wanted]
            assert type(value) is kind, f"{where}.{name}"


def _terraform(*args: str, folder: Path, said: str = "") -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        ["terraform", *args],  # noqa: S607  # the one in the path
        cwd=folder,
        env=environ,
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_only_what_the_provider_knows_is_written() -> None:
    """Each argument and block of every kind of target is in the provider's table, as its type."""
    found = _read(_files(*_all_kinds("a text")))
    for kind in (REPOSITORY, MEMBER):
        for name, body in found[kind].items():
            _check(KNOWN[kind], body, name)
    assert set(found) == {"import", REPOSITORY, MEMBER}
    needed = {"project", "location", "repository_id", "format"}
    for body in found[REPOSITORY].values():
        assert needed <= set(body)
        assert body["lifecycle"][0]["prevent_destroy"] is True


@pytest.mark.slow
@given(text=TEXTS)
def test_texts_come_out_as_they_went_in(text: str) -> None:
    """Whatever stands in descriptions, labels, prefixes, roles and members means itself."""
    found = _read(_files(*_all_kinds(text)))
    new, there = found[REPOSITORY]["us_one"], found[REPOSITORY]["us_gcr_io"]
    assert new.get("description", "") == there.get("description", "") == text
    assert new["cleanup_policies"][1]["condition"][0]["package_name_prefixes"] == ["web", text]
    assert there["labels"] == {"null": text}
    each = found[MEMBER]["us_one"]["for_each"]
    assert each[f"{text} user:{text}"] == {"role": text, "member": f"user:{text}"}
    ids = [one["id"] for one in found["import"]]
    assert f"projects/builds/locations/us/repositories/gcr.io {text} user:{text}" in ids


@pytest.mark.slow
@given(ids=st.lists(st.sampled_from(["a-b", "a.b", "a_b", "a_b_2", "1", "gcr.io"]), max_size=8))
def test_no_two_repositories_have_one_name(ids: list[str]) -> None:
    """Names are legal, and as many as repositories, whatever is alike in their ids."""
    targets = [repository(id_, project=f"p{at}") for at, id_ in enumerate(ids)]
    found = _read(_files(*targets)).get(REPOSITORY, {})
    assert len(found) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in found)


def test_what_exists_is_imported() -> None:
    """Repositories and grants that are there have an import by full name; new ones have none."""
    old = repository("old", exists=True, grants=(GRANT, OWN), granted=(GRANT,))
    found = _read(_files(old, repository("new", grants=(GRANT,))))
    full = "projects/builds/locations/us/repositories/old"
    assert found["import"] == [
        {"to": f"${{{REPOSITORY}.us_old}}", "id": full},
        {
            "to": f'${{{MEMBER}.us_old["{GRANT.role} {GRANT.member}"]}}',
            "id": f"{full} {GRANT.role} {GRANT.member}",
        },
    ]


def test_what_exists_stays_as_it_is_without_adopt() -> None:
    """Nothing of it is stated, and nothing that it has counts as a difference."""
    body = _read(_files(repository("old", everything(), exists=True)))[REPOSITORY]["us_old"]
    assert set(body) == {"project", "location", "repository_id", "format", "lifecycle"}
    assert {*body["lifecycle"][0]["ignore_changes"]} == {
        "description",
        "labels",
        "cleanup_policies",
        "cleanup_policy_dry_run",
        "docker_config",
        "vulnerability_scanning_config",
        "kms_key_name",
    }


def test_a_virtual_repository_follows_its_upstreams() -> None:
    """By references, so that they are made before; one that exists keeps what it stands over."""
    found = _read(_files(*_all_kinds("a text")))[REPOSITORY]
    new, there = found["us_five"], found["us_six"]
    assert new["mode"] == there["mode"] == "VIRTUAL_REPOSITORY"
    assert new["virtual_repository_config"][0]["upstream_policies"] == [
        {"id": "u1-one", "repository": f"${{{REPOSITORY}.us_one.id}}", "priority": 2},
        {"id": "u2-gcr-io", "repository": f"${{{REPOSITORY}.us_gcr_io.id}}", "priority": 1},
    ]
    assert not {"virtual_repository_config", "vulnerability_scanning_config"} & set(there)
    assert "virtual_repository_config" in there["lifecycle"][0]["ignore_changes"]


def test_what_would_meet_the_copy_waits_for_it() -> None:
    """Fixed tags, clean-up and scans depend on a variable that is false by itself."""
    files = _files(repository("one", everything()))
    body = _read(files)[REPOSITORY]["us_one"]
    assert body["docker_config"] == [{"immutable_tags": "${var.copied}"}]
    assert body["cleanup_policy_dry_run"] == "${!var.copied}"
    scanning = body["vulnerability_scanning_config"]
    assert scanning == [{"enablement_config": '${var.copied ? "INHERITED" : "DISABLED"}'}]
    variable = hcl2.loads(files["versions.tf"])["variable"][0]['"copied"']
    assert variable["default"] is False
    assert "variable" not in _files(repository("one"))["versions.tf"]


def test_a_condition_is_never_dropped() -> None:
    """A grant under a condition is no resource, as it would count always; a comment names it."""
    files = _files(repository(grants=(GRANT, ENDING)))
    assert set(_read(files)[MEMBER]["us_one"]["for_each"]) == {f"{GRANT.role} {GRANT.member}"}
    assert f"#   {OWN.role} for {OWN.member} on us-docker.pkg.dev/builds/one" in files["access.tf"]
    assert ENDS.expression in files["access.tf"]


@pytest.mark.parametrize("deletes", [True, False])
def test_a_policy_that_cannot_be_said_whole_is_left_out(*, deletes: bool) -> None:
    """So that nothing more is deleted: with one that keeps, those that delete go too."""
    stale = CleanupCondition(more_stale_than_s=60)
    policies = (
        CleanupPolicy("a", deletes=deletes, condition=stale),
        CleanupPolicy("b", deletes=True, condition=CleanupCondition(older_than_s=60)),
    )
    files = _files(repository(settings=RepositorySettings(cleanup=policies)))
    body = _read(files)[REPOSITORY]["us_one"]
    kept = [one["id"] for one in body.get("cleanup_policies", [])]
    assert kept == (["b"] if deletes else [])
    assert "clean-up policy a of us-docker.pkg.dev/builds/one" in files["repositories.tf"]


def _written(folder: Path, text: str) -> Iterator[str]:
    for name, content in _files(*_all_kinds(text)).items():
        (folder / name).write_text(content)
        yield name


@pytest.mark.needs("terraform")
def test_terraform_would_format_it_so(tmp_path: Path) -> None:
    """`terraform fmt` finds nothing to change in any of the files, whatever text is in them."""
    for at, text in enumerate(NASTY):
        (tmp_path / str(at)).mkdir()
        assert [*_written(tmp_path / str(at), text)]
    done = _terraform("fmt", "-check", "-diff", "-recursive", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.needs("terraform")
def test_terraform_reads_texts_as_they_are(tmp_path: Path) -> None:
    """Terraform itself evaluates each nasty text to what went in."""
    asked = f"base64encode(jsonencode([{', '.join(map(quoted, NASTY))}]))\n"
    done = _terraform("console", folder=tmp_path, said=asked)
    assert done.returncode == 0, done.stderr
    assert json.loads(base64.b64decode(done.stdout.strip().strip('"'))) == [*NASTY]
