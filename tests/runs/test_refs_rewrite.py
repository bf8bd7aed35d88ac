"""`refs check` and `refs rewrite` with a plan in hand, on files as people keep them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

NEW = "europe-docker.pkg.dev/builds/moved"
FILES = {
    "k8s/web.yaml": "apiVersion: v1\nkind: Pod\nspec:\n  imagePullSecrets: [{name: s}]\n"
    "  containers:\n  - image: us.gcr.io/builds/web:1\n"
    "  - image: us-docker.pkg.dev/builds/us.gcr.io/web:1\n",
    "values.yaml": "web:\r\n  registry: us.gcr.io\r\n  repository: builds/team/api\r\n"
    "  tag: 'v2'\r\n",
    "run.sh": "#!/bin/sh\ngcloud auth configure-docker us.gcr.io\n"
    "docker pull us.gcr.io/$PROJECT_ID/web:$TAG",
    "README.md": "Nothing here.\n",
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """A planned source of two images."""
    with opened(tmp_path_factory.mktemp("refs")) as found:
        found.image("web", "1")
        found.image("team/api", "v2", name="y")
        assert found.plan()[0] == 0
        yield found


@pytest.fixture(name="repo")
def _repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files under git."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, newline="")
    (tmp_path / "run.sh").chmod(0o755)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)  # noqa: S607
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refs(zoo: Zoo, word: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Run a command on the current folder, with the plan in hand."""
    plan = ("--plan", str(zoo.home / "m"))
    return zoo.run_here("refs", word, ".", *plan, *options)


def test_a_rewrite_is_shown_first_then_made_and_then_there_is_nothing_to_do(
    zoo: Zoo, repo: Path
) -> None:
    """Modes and line ends stay; what else the files need is told."""
    values = ("--set", "PROJECT_ID=builds")
    code, facts = refs(zoo, "rewrite", *values)
    assert (code, facts["written"], len(facts["renamed"])) == (0, False, 4)
    assert {name: (repo / name).read_bytes().decode() for name in FILES} == FILES
    assert {one["text"] for one in facts["hints"]} == {"us.gcr.io", "imagePullSecrets"}

    patched = facts["patch"]
    code, facts = refs(zoo, "rewrite", *values, "--write")
    assert (code, facts["written"], facts["patch"]) == (0, True, patched)
    written = {name: (repo / name).read_bytes().decode() for name in FILES}
    assert written == {
        "k8s/web.yaml": FILES["k8s/web.yaml"]
        .replace("us.gcr.io/builds/web", f"{NEW}/web")
        .replace("us-docker.pkg.dev/builds/us.gcr.io/web", f"{NEW}/web"),
        "values.yaml": FILES["values.yaml"]
        .replace("us.gcr.io", "europe-docker.pkg.dev")
        .replace("builds/team/api", "builds/moved/team/api"),
        "run.sh": FILES["run.sh"].replace(
            "us.gcr.io/$PROJECT_ID/web", "europe-docker.pkg.dev/$PROJECT_ID/moved/web"
        ),
        "README.md": FILES["README.md"],
    }
    assert stat.S_IMODE((repo / "run.sh").stat().st_mode) == 0o755
    assert refs(zoo, "rewrite", *values)[1]["renamed"] == []

    subprocess.run(["git", "checkout", "-q", "."], cwd=repo, check=True)  # noqa: S607
    subprocess.run(["git", "apply", "-"], cwd=repo, input=patched, text=True, check=True)  # noqa: S607
    assert {name: (repo / name).read_bytes().decode() for name in FILES} == written


@pytest.mark.slow
def test_links_odd_paths_and_other_bytes_stay_what_they_are(zoo: Zoo, repo: Path) -> None:
    """A link still leads to its file, a file named twice changes once, and the patch applies."""
    text = b"# caf\xe9\nimage: us.gcr.io/builds/web:1\n"
    odd = ["two words.yaml", "line\nend.yaml", 'quo"te.yaml']
    (repo / "odd").mkdir()
    for name in odd:
        (repo / "odd" / name).write_bytes(text)
    (repo / "link.yaml").symlink_to(repo / "odd" / odd[0])
    plan = ("--plan", str(zoo.home / "m"))
    words = [sys.executable, "-m", "gcr_migrate", "refs", "rewrite", "odd", *plan]
    patch = subprocess.run([*words, "--format", "patch"], capture_output=True, check=True).stdout
    subprocess.run(["git", "apply", "--check", "-"], cwd=repo, input=patch, check=True)  # noqa: S607
    code, facts = zoo.run_here("refs", "rewrite", "link.yaml", "odd", "./odd", *plan, "--write")
    assert (code, len(facts.get("renamed", []))) == (0, len(odd)), facts
    assert (repo / "link.yaml").is_symlink()
    new = text.replace(b"us.gcr.io/builds", NEW.encode())
    assert {(repo / "odd" / name).read_bytes() for name in odd} == {new}
    assert len(list((repo / "odd").iterdir())) == len(odd)


def test_a_check_fails_for_what_the_plan_does_not_cover(zoo: Zoo, repo: Path) -> None:
    """Each name with its verdict; and in SARIF what fails alone."""
    assert refs(zoo, "check", "--set", "PROJECT_ID=builds")[0] == 0
    (repo / "more.yaml").write_text(
        "a: us.gcr.io/builds/unknown:1\nb: us.gcr.io/builds/web:gone\nc: gcr.io/distroless/static\n"
    )
    code, facts = refs(zoo, "check", "--sarif", "out.sarif")
    assert (code, facts["outcome"]) == (1, "not-covered")
    failing = {one["text"]: one["verdict"] for one in facts["references"] if one["fails"]}
    assert failing == {
        "us.gcr.io/builds/unknown:1": "not-in-plan",
        "us.gcr.io/builds/web:gone": "gone",
    }
    sarif = json.loads((repo / "out.sarif").read_text())
    jsonschema.validate(sarif, SARIF)
    told = [(one["ruleId"], one["locations"][0]["physicalLocation"]["region"]["startLine"])
            for one in sarif["runs"][0]["results"]]  # fmt: skip
    assert told == [("not-in-plan", 1), ("gone", 2)]
    assert refs(zoo, "check", "--fail-on", "moves")[0] == 1


@pytest.mark.usefixtures("repo")
def test_without_a_plan_old_names_of_ones_own_fail(zoo: Zoo) -> None:
    """A gate against new ones, in front of a repository that has been cleaned."""
    code, facts = zoo.run_here("refs", "check", ".", "--project", "builds")
    assert (code, set(facts["counts"])) == (1, {"old-name", "open", "by-hand"})
    code, facts = zoo.run_here("refs", "check", "README.md", "--project", "builds")
    assert (code, facts["outcome"]) == (0, "covered")
    code, facts = zoo.run_here("refs", "check", ".")
    assert (code, facts["code"]) == (2, "bad-usage")


@pytest.mark.usefixtures("repo")
def test_a_rewrite_needs_a_plan_and_files(zoo: Zoo) -> None:
    """What cannot be done is said before anything is read."""
    assert zoo.run_here("refs", "rewrite", ".")[1]["code"] == "bad-usage"
    assert refs(zoo, "rewrite", "-")[1]["code"] == "bad-usage"
    assert refs(zoo, "rewrite", "--format", "odd")[1]["code"] == "bad-usage"


def test_a_repository_is_read_as_it_was(zoo: Zoo, repo: Path) -> None:
    """Whatever its files are now; an odd revision is told in git's words."""
    now = refs(zoo, "check", "--set", "PROJECT_ID=builds")[1]
    (repo / "values.yaml").unlink()
    (repo / "k8s/web.yaml").write_text("")
    was = refs(zoo, "check", "--set", "PROJECT_ID=builds", "--revision", "HEAD")[1]
    assert [one["text"] for one in was["references"]] == [one["text"] for one in now["references"]]
    assert was["references"][0]["file"] == "k8s/web.yaml"
    code, facts = refs(zoo, "check", "--revision", "--nowhere")
    assert (code, facts["code"]) == (2, "bad-usage")


def test_a_file_that_cannot_be_written_stays_whole(zoo: Zoo, repo: Path) -> None:
    """The error names it; nothing is half written."""
    for one in repo.glob("k8s/*"):
        one.chmod(0o444)
    (repo / "k8s").chmod(0o555)
    try:
        code, facts = zoo.run_here(
            "refs", "rewrite", "k8s", "--plan", str(zoo.home / "m"), "--write"
        )
    finally:
        (repo / "k8s").chmod(0o755)
    text = (repo / "k8s/web.yaml").read_text()
    if code:  # the superuser may write anywhere
        assert (code, facts["code"], text) == (3, "not-writable", FILES["k8s/web.yaml"])
    assert list(repo.glob("k8s/.*")) == []


# The part of the standard's schema that readers insist on (FACTS section 15.9).
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "$schema": {"type": "string"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "items": {
                                            "type": "object",
                                            "required": ["id", "shortDescription"],
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["ruleId", "message", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"type": "object", "required": ["text"]},
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_what_a_file_beside_says_is_rewritten_there_or_told(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compose names no host itself; what git ignores is not touched, and what it says is told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("REG=us.gcr.io/builds\nWEB=us.gcr.io/builds/web:1\n")
    (tmp_path / "compose.yaml").write_text("a: {image: $WEB}\nb: {image: '${REG}/web:1'}\n")
    code, facts = refs(zoo, "rewrite", "--write")
    assert (code, [one["text"] for one in facts["left"]]) == (1, ["${REG}/web:1"])
    assert (tmp_path / ".env").read_text() == f"REG=us.gcr.io/builds\nWEB={NEW}/web:1\n"
    (tmp_path / ".gitignore").write_text(".env\n")
    (tmp_path / ".env").write_text("WEB=us.gcr.io/builds/web:1\n")
    code, facts = refs(zoo, "rewrite", "--write")
    assert (code, facts["left"][0]["why"]) == (1, "its value stands in .env, which was not read")
