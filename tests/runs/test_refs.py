"""`refs scan` as people run it: on a folder of files of every kind, on a pipe, on what is odd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.conftest import Cli

CORPUS = Path(__file__).parent.parent / "data" / "refs"
ANSWERS: dict[str, Any] = YAML(typ="safe").load(CORPUS.parent / "refs.yaml")


def scan(cli: Cli, *args: str | Path, code: int = 0) -> dict[str, Any]:
    """Scan and return the result."""
    done = cli("refs", "scan", *args, "--json")
    assert done.returncode == code, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Scan the whole corpus once; return what was found by file."""
    cli = Cli(tmp_path_factory.mktemp("refs"))
    facts = scan(cli, CORPUS, "--project", "acme-prod")
    found: dict[str, list[dict[str, Any]]] = {}
    for one in facts["references"]:
        found.setdefault(str(Path(one["file"]).relative_to(CORPUS)), []).append(one)
    return found


def told(one: dict[str, Any]) -> str:
    """Return one finding as the answers have it."""
    name = "" if one["name"] == one["text"] else f" {one['name']}"
    gaps = f" without {', '.join(one['gaps'])}" if one["gaps"] else ""
    place = f"{one['line']}:{one['column']} {one['field'] or '-'}"
    return f"{place}: {one['text']} is {one['whose']}{name}{gaps}{used(one['consumer'])}"


def used(consumer: dict[str, str] | None) -> str:
    """Return who uses a name, as the answers have it."""
    if consumer is None:
        return ""
    where = "/".join(filter(None, (consumer["project"], consumer["location"])))
    return " ".join(
        filter(
            None,
            (
                f" for {consumer['kind']} {consumer['name']}",
                where and f"in {where}",
                consumer["runs_as"] and f"as {consumer['runs_as']}",
                f"pulled by {consumer['identity'] or 'nobody known'}",
            ),
        )
    )


@pytest.mark.parametrize("file", sorted(ANSWERS))
def test_each_name_is_found_in_its_field(
    scanned: dict[str, list[dict[str, Any]]], file: str
) -> None:
    """Each with its place, what it says and what is open in it; and nothing else is found."""
    found = scanned.get(file, [])
    assert {one["file_kind"] for one in found} == {ANSWERS[file]["kind"]}
    assert [told(one) for one in found] == ANSWERS[file]["names"]


def test_no_file_of_the_corpus_is_without_answers(
    scanned: dict[str, list[dict[str, Any]]],
) -> None:
    """What nobody has judged is no test."""
    assert set(scanned) == set(ANSWERS)


def test_what_git_ignores_is_left_out_unless_it_is_wanted(cli: Cli) -> None:
    """The nearest file of rules counts, as for git; its own folder is never read."""
    files = {
        ".gitignore": "*.log\n/out/\n",
        "a.log": "gcr.io/acme-prod/a",
        "out/b.yaml": "x: gcr.io/acme-prod/b",
        "deep/.gitignore": "!kept.log\n",
        "deep/kept.log": "gcr.io/acme-prod/kept",
        "deep/out/c.yaml": "x: gcr.io/acme-prod/c",
        ".git/config": "gcr.io/acme-prod/git",
    }
    for name, text in files.items():
        (cli.home / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        (cli.home / "repo" / name).write_text(text)
    names = [one["name"].rpartition("/")[2] for one in scan(cli, "repo")["references"]]
    assert names == ["kept", "c"]
    names = [
        one["name"].rpartition("/")[2] for one in scan(cli, "repo", "--all-files")["references"]
    ]
    assert names == ["a", "kept", "c", "b"]


def test_odd_trees_are_read_to_their_ends(cli: Cli) -> None:
    """Rules that are none, links in circles, a line end in a name, a file named twice."""
    repo = cli.home / "repo"
    deep = repo / "d/e/f"
    deep.mkdir(parents=True)
    (repo / "loop").symlink_to(repo)
    (repo / ".gitignore").write_text("!\n/\n[\n*.log\n")
    for path in (repo / "a.yaml", repo / "a.log", repo / "b\n.yaml", deep / "c.yaml"):
        path.write_text("x: gcr.io/acme-prod/a\n")
    found = scan(cli, "repo", "./repo", "repo/a.yaml")["references"]
    assert len(found) == 3


def test_a_clone_that_is_not_whole_says_which_file_it_lacks(cli: Cli) -> None:
    """And the others are read."""
    repo = cli.home / "repo"
    repo.mkdir()
    for name in ("a", "b"):
        (repo / name).write_text(f"gcr.io/acme-prod/{name}\n")
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=repo, check=True)  # noqa: S607
    lost = subprocess.run(
        ["git", "rev-parse", "HEAD:a"],  # noqa: S607
        cwd=repo,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (repo / ".git/objects" / lost[:2] / lost[2:]).unlink()
    facts = scan(cli, "repo", "--revision", "HEAD", code=1)
    assert [one["name"] for one in facts["references"]] == ["gcr.io/acme-prod/b"]
    assert [one["file"] for one in facts["unread"]] == ["a"]


def test_texts_of_other_encodings_are_read_and_binaries_are_not(cli: Cli) -> None:
    """A file of a Windows editor is a text; a program with a name in it is none."""
    (cli.home / "wide.txt").write_text("gcr.io/acme-prod/wide", encoding="utf-16")
    (cli.home / "latin.txt").write_bytes(b"caf\xe9: gcr.io/acme-prod/latin")
    (cli.home / "program").write_bytes(b"\x7fELF\0\0gcr.io/acme-prod/binary")
    found = scan(cli, "wide.txt", "latin.txt", "program")["references"]
    assert [(one["name"], one["column"]) for one in found] == [
        ("gcr.io/acme-prod/wide", 1),
        ("gcr.io/acme-prod/latin", 7),
    ]


@pytest.mark.slow
def test_a_pipe_is_read_and_gaps_are_filled(cli: Cli) -> None:
    """What a person knows counts for more than what the text has itself."""
    text = "image: gcr.io/$PROJECT_ID/app:${TAG:-v1}\n"
    done = subprocess.run(
        [sys.executable, "-m", "gcr_migrate", "refs", "scan", "-", "--set", "PROJECT_ID=acme-prod",
         "--set", "TAG=v2", "--project", "acme-prod", "--json"],
        input=text,
        capture_output=True,
        text=True,
        env=cli.environment(),
        timeout=60,
        check=True,
    )  # fmt: skip
    (found,) = json.loads(done.stdout)["references"]
    assert (found["name"], found["whose"]) == ("gcr.io/acme-prod/app:v2", "ours")
    assert found["assumed"] == {}


@pytest.mark.slow
def test_many_files_give_the_same_as_few(cli: Cli) -> None:
    """Several processes read them; the order is that of their names."""
    folder = cli.home / "many"
    folder.mkdir()
    for number in range(1200):
        (folder / f"{number:04}.txt").write_text(f"gcr.io/acme-prod/app-{number:04}\n")
    found = scan(cli, folder)["references"]
    assert [one["name"] for one in found] == [
        f"gcr.io/acme-prod/app-{number:04}" for number in range(1200)
    ]


def test_what_cannot_be_read_is_told_and_is_no_success(cli: Cli) -> None:
    """A file that is not there, an option without a value, a file too large."""
    done = cli("refs", "scan", "nowhere", "--json")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (2, "file-missing")
    done = cli("refs", "scan", ".", "--set", "PROJECT", "--json")
    assert (done.returncode, json.loads(done.stdout)["code"]) == (2, "bad-usage")
    with (cli.home / "large.txt").open("wb") as large:
        large.truncate((256 << 20) + 1)
    facts = scan(cli, "large.txt", code=1)
    assert [one["file"] for one in facts["unread"]] == ["large.txt"]
