"""A plan as a shell script: every text arrives as one word, and nothing is done twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from gcr_migrate.export.gcloud import gcloud_script
from gcr_migrate.model.access import Grant
from gcr_migrate.model.settings import RepositorySettings
from tests.exporting import ALL_ROLES, ENDS, NASTY, TEXTS, everything, repository

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.plan import Repository

# Stands where gcloud stands, and notes the words and the input that it is called with.
NOTING = """#!/usr/bin/env bash
[[ $3 == describe ]] && exit 1
[[ $3 == set-cleanup-policies || "$*" == *virtual-repository* ]] && said=$(cat)
printf '%s\\0' "$@" "${said:-}" END-OF-CALL >>"$0.calls"
"""


def _targets(*texts: str) -> list[Repository]:
    return [
        repository(
            f"r{at}",
            everything(text),
            grants=(Grant(ALL_ROLES[0], f"user:{text}"),),
        )
        for at, text in enumerate(texts)
    ]


def _calls(script: str, folder: Path, *args: str) -> list[tuple[list[str], str]]:
    """Run a script; return what it called gcloud with."""
    program = folder / "gcloud"
    program.write_text(NOTING)
    program.chmod(0o755)
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-s", *args],
        input=script,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    noted = (folder / "gcloud.calls").read_bytes().decode().split("\0END-OF-CALL\0")[:-1]
    return [(words, said) for *words, said in (call.split("\0") for call in noted)]


def _option(words: list[str], name: str) -> str:
    found = [word.partition("=")[2] for word in words if word.partition("=")[0] == f"--{name}"]
    assert len(found) == 1
    return found[0]


def test_each_text_is_one_word(tmp_path: Path) -> None:
    """Descriptions and members reach gcloud as they are, and nothing in them is run."""
    calls = _calls(gcloud_script(_targets(*NASTY), "Made by a test"), tmp_path)
    made = [words for words, _ in calls if "create" in words]
    grants = [words for words, _ in calls if "add-iam-policy-binding" in words]
    assert [_option(words, "description") for words in made] == [*NASTY]
    assert [_option(words, "member") for words in grants] == [f"user:{text}" for text in NASTY]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["gcloud", "gcloud.calls"]


def test_what_would_meet_the_copy_is_done_when_told(tmp_path: Path) -> None:
    """Fixed tags, scans and clean-up are no part of the first call, and all of the second."""
    script = gcloud_script(_targets(*NASTY), "Made by a test")
    words = [word for words, _ in _calls(script, tmp_path) for word in words]
    assert "--immutable-tags" not in words
    assert "--allow-vulnerability-scanning" not in words
    (tmp_path / "gcloud.calls").unlink()
    calls = _calls(script, tmp_path, "after-copy")
    assert len(calls) == 2 * len(NASTY)
    for (update, _), (_, policies), text in zip(calls[::2], calls[1::2], NASTY, strict=True):
        assert update[-2:] == ["--immutable-tags", "--allow-vulnerability-scanning"]
        assert json.loads(policies)[1]["condition"]["packageNamePrefixes"] == ["web", text]


def test_a_virtual_repository_is_made_over_its_upstreams(tmp_path: Path) -> None:
    """After them, by a file that gcloud reads from its input; one that exists is left."""
    targets = [
        repository("one"),
        repository("all", upstreams=("one", "gcr.io")),
        repository("old", upstreams=("one",), exists=True),
    ]
    calls = _calls(gcloud_script(targets, "Made by a test"), tmp_path)
    made = [(words, said) for words, said in calls if "create" in words]
    assert [words[3] for words, _ in made] == ["one", "all", "old"]
    words, said = made[1]
    assert "--mode=virtual-repository" in words
    assert not {"--disable-vulnerability-scanning"} & set(words)
    upstreams = [(one["id"], one["priority"]) for one in json.loads(said)]
    assert upstreams == [("u1-one", 2), ("u2-gcr-io", 1)]


def test_a_condition_is_never_dropped(tmp_path: Path) -> None:
    """A grant under one is named and not made, as gcloud does not ask for conditions."""
    grants = (Grant("roles/x", "user:a"), Grant("roles/x", "user:b", ENDS))
    script = gcloud_script([repository(grants=grants)], "Made by a test")
    made = [words for words, _ in _calls(script, tmp_path) if "add-iam-policy-binding" in words]
    assert [_option(words, "member") for words in made] == ["user:a"]
    named = f"# roles/x for user:b on us-docker.pkg.dev/builds/one if {ENDS.expression}"
    assert named in script.splitlines()


@pytest.mark.parametrize("adopt", [True, False])
def test_what_exists_is_changed_only_if_adopted(*, adopt: bool) -> None:
    """Also then, the clean-up policies of others are not replaced: a comment tells."""
    settings = RepositorySettings(description="x", cleanup=everything().cleanup, adopt=adopt)
    script = gcloud_script([repository(settings=settings, exists=True)], "Made by a test")
    assert ("  update builds us one --description=x" in script.splitlines()) is adopt
    assert "\n  cleanup" not in script
    assert ("# Not here" in script) is adopt


@given(text=TEXTS)
def test_a_script_is_always_one(text: str) -> None:
    """Whatever text is in it, bash can read it to its end."""
    script = gcloud_script(_targets(text), "Made by a test")
    done = subprocess.run(
        ["bash", "-n"],  # noqa: S607  # the one in the path
        input=script.encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.needs("shellcheck")
def test_shellcheck_finds_nothing() -> None:
    """A reader of shell scripts has nothing to say about any part."""
    script = gcloud_script(_targets("a text"), "Made by a test")
    done = subprocess.run(
        ["shellcheck", "-"],  # noqa: S607  # the one in the path
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")
