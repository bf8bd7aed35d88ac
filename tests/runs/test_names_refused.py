"""A source that lists names which break the grammar: they are left out, and nothing else is."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import OCI_MANIFEST
from tests.scripted import UNKNOWN, Answer, Asked, Scripted
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Cli

BAD: Final = (
    "UPPER/case",
    "a b",
    "app/../..",
    "x..y",
    "${team}",
    "\x1b[31m\ud800",
    "n" * 9_000 + "!",
    "",
)
_WRONG: Final = "path component 'UPPER': upper-case letters are not allowed"


@contextmanager
def _sides(cli: Cli, names: tuple[str, ...], more: str = "") -> Iterator[Scripted]:
    """Have a registry whose catalogue has these names beside `app`, and a spec that moves it."""

    def answer(what: Asked) -> Answer:
        path = what.target.partition("?")[0]
        if path == "/v2/_catalog":
            return Answer(body={"repositories": ["app", *names]})
        if path == "/v2/app/tags/list":
            return Answer(body={"name": "app", "tags": ["1"]})
        if path.startswith("/v2/app/manifests/"):
            config = {"mediaType": "a/b", "digest": f"sha256:{'0' * 64}", "size": 2}
            image = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
            return Answer(body=image, headers={"content-type": OCI_MANIFEST})
        return Answer() if path == "/v2/" else UNKNOWN

    def nothing(what: Asked) -> Answer:
        return Answer() if what.target == "/v2/" else UNKNOWN

    with Scripted(answer) as source, Scripted(nothing) as target:
        hosts = [one.url.removeprefix("http://") for one in (source, target)]
        sides = "source: {{registry: '{}'}}\ntarget: {{registry: '{}'}}\n".format(*hosts)
        (cli.home / "spec.yaml").write_text(f"version: 1\n{sides}{more}")
        yield source


def _made(cli: Cli, command: str, source: Scripted) -> tuple[int, list[dict[str, Any]], str]:
    """Run `plan` or `inventory`; return its status, what it leaves out, and all that it wrote."""
    host = source.url.removeprefix("http://")
    what = "spec.yaml" if command == "plan" else host
    done = cli(command, what, "-o", "out", "--json")
    left_out = json.loads(done.stdout)["left_out"]
    for one in left_out:
        one["subject"] = one["subject"].removeprefix(host)
    return done.returncode, left_out, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["plan", "inventory"])
def test_names_that_no_registry_takes_are_left_out_each_by_its_name(cli: Cli, command: str) -> None:
    """All are told in one run, which ends with 1, as with all else that could not be moved."""
    with _sides(cli, BAD) as source:
        code, left_out, _ = _made(cli, command, source)
    assert (code, {one["code"] for one in left_out}) == (1, {"name-refused"})
    shown = ("/UPPER/case", "/a b", "/app/../..", "/x..y", "/${team}", "/ [31m ", "/")
    assert {one["subject"] for one in left_out} == {*shown, f"/{'n' * 300}…"}
    assert _WRONG in {one["saw"] for one in left_out}


@pytest.mark.parametrize("command", ["plan", "inventory"])
def test_nothing_is_asked_of_a_name_that_no_registry_takes(cli: Cli, command: str) -> None:
    """It may be any text, and so lead to any address; only the image beside it is read."""
    with _sides(cli, BAD) as source:
        _made(cli, command, source)
    paths = {one.target.partition("?")[0] for one in source.asked}
    assert {path for path in paths if not path.startswith("/v2/app/")} <= {"/v2/", "/v2/_catalog"}
    assert not [path for path in paths if ".." in path]


@pytest.mark.parametrize("command", ["plan", "inventory"])
def test_names_of_a_source_are_printable_and_short_where_they_are_told(
    cli: Cli, command: str
) -> None:
    """One holds an escape sequence, another is nine thousand characters long."""
    with _sides(cli, BAD) as source:
        _, left_out, written = _made(cli, command, source)
    told = [one[key] for one in left_out for key in ("subject", "saw")]
    assert all(one.isprintable() and len(one) < 400 for one in told)
    assert "\x1b[31m" not in written


def test_a_rule_of_the_spec_leaves_such_a_name_out(cli: Cli) -> None:
    """A pattern with `*` takes it; then it was not to be moved anyway, and the plan ends with 0."""
    rule = 'select: {except_paths: ["*/case"]}\n'
    with _sides(cli, ("UPPER/case",), rule) as source:
        code, left_out, _ = _made(cli, "plan", source)
    assert (code, [one["code"] for one in left_out]) == (0, ["not-selected"])
    assert left_out[0]["saw"] == "select.except_paths: */case"


def test_a_source_of_nothing_but_such_names_is_not_called_empty(cli: Cli) -> None:
    """There is something, and it is named."""
    with _sides(cli, ("UPPER/case",)) as source:
        host = source.url.removeprefix("http://")
        (cli.home / "spec.yaml").write_text(
            (cli.home / "spec.yaml").read_text() + "select: {except_paths: [app]}\n"
        )
        done = cli("plan", "spec.yaml", "-o", "out", "--json")
    facts = json.loads(done.stdout)
    assert "source-empty" not in {one["code"] for one in facts["findings"]}
    assert f"{host}/UPPER/case" in {one["subject"] for one in facts["left_out"]}


def test_artifact_registry_may_list_such_names_too(tmp_path: Path) -> None:
    """Both of its views are read; the name is left out once, and what is beside it arrives."""
    with opened(tmp_path) as zoo:
        zoo.image("team/UPPER", "1", name="upper")
        image = zoo.image("app", "1")
        code, facts = zoo.plan(spec=SPEC)
        left_out = [(one["code"], one["subject"]) for one in facts["left_out"]]
        assert (code, left_out) == (1, [("name-refused", "us.gcr.io/builds/team/UPPER")])
        code, facts = zoo.run("apply", str(zoo.home / "m"))
        assert (code, facts["outcome"], facts["failures"]) == (1, "partial", [])
        assert zoo.read("europe-docker.pkg.dev", "builds/moved/app/manifests/1")[1] == image.raw


def test_verifying_a_snapshot_tells_of_such_a_name_and_goes_on(tmp_path: Path) -> None:
    """It counts for nothing: the snapshot has it as left out, and promises nothing about it."""
    with opened(tmp_path) as zoo:
        zoo.image("team/UPPER", "1", name="upper")
        zoo.image("app", "1")
        source, snapshot = "us.gcr.io/builds", str(zoo.home / "s.snapshot")
        zoo.run("inventory", source, "-o", snapshot, "--no-cache")
        code, facts = zoo.run("verify", source, "--baseline", snapshot)
    told = [one["subject"] for one in facts["findings"] if one["code"] == "name-refused"]
    assert (code, facts["outcome"], told) == (0, "proven", [f"{source}/team/UPPER"])
