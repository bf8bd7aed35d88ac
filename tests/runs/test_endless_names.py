"""A source that shows names below names without end: the plan has an end all the same."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Digest
from tests.scripted import UNKNOWN, Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Cli

pytestmark = pytest.mark.slow

_CONFIG = {"mediaType": "a/b", "digest": f"sha256:{'0' * 64}", "size": 2}
_IMAGE = json.dumps(
    {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": _CONFIG, "layers": []}
).encode()


@contextmanager
def _planned(
    cli: Cli, children: Callable[[str], list[str]]
) -> Iterator[tuple[int, dict[str, Any], list[str]]]:
    """Plan the move of a project of which each name has these children and, at `app`, a tag."""

    def answer(what: Asked) -> Answer:
        path = what.target.partition("?")[0].removeprefix("/v2/builds")
        if path.endswith("/tags/list"):
            path = path.removesuffix("/tags/list").removeprefix("/")
            has = {str(Digest.of(_IMAGE)): {"tag": ["1"], "mediaType": OCI_MANIFEST}}
            image = path.endswith("app")
            return Answer(
                body={"child": children(path), "tags": [], "manifest": has if image else {}}
            )
        if "/manifests/" in path:
            return Answer(body=_IMAGE, headers={"content-type": OCI_MANIFEST})
        return Answer() if path == "/v2/" else UNKNOWN

    def nothing(what: Asked) -> Answer:
        return Answer() if what.target == "/v2/" else UNKNOWN

    with Scripted(answer) as source, Scripted(nothing) as target:
        endpoints = cli.home / "endpoints.yaml"
        endpoints.write_text(f"registries: {{gcr.io: '{source.url}'}}\n")
        (cli.home / "spec.yaml").write_text(
            "version: 1\nsource: {project: builds, hosts: [gcr.io], dialect: gcr}\n"
            f"target: {{registry: '{target.url.removeprefix('http://')}'}}\n"
        )
        done = cli(
            *("plan", "spec.yaml", "-o", "m", "--json"),
            timeout_s=60,
            GCR_MIGRATE_ENDPOINTS=str(endpoints),
            GCR_MIGRATE_ACCESS_TOKEN="token",  # noqa: S106  # nobody asks for it
            GCR_MIGRATE_RETRY_TRIES="1",
        )
        assert "findings" in done.stdout, done.stdout + done.stderr
        yield done.returncode, json.loads(done.stdout), [one.target for one in source.asked]


def _failed(facts: dict[str, Any]) -> dict[str, str]:
    told = facts["findings"]
    return {one["subject"]: one["saw"] for one in told if one["code"] == "listing-failed"}


_BRANCHES = ["x" * 30, "y" * 30]


def _with_apps(path: str) -> list[str]:
    """Show a good image beside a tree that doubles with each level, and the same within it."""
    if path in {"", _BRANCHES[0]}:
        return ["app", *_BRANCHES]
    return [] if path.endswith("app") else _BRANCHES


def test_a_name_that_is_too_long_for_a_client_is_refused_and_not_asked_for(cli: Cli) -> None:
    """Nothing can be below it: what is there would have a longer name still."""
    with _planned(cli, lambda _: ["x" * 50]) as (code, facts, asked):
        refused = [one for one in facts["left_out"] if one["code"] == "name-refused"]
        lists = [one for one in asked if "/tags/list" in one]
    assert (code, len(refused), len(lists)) == (1, 1, 5)
    assert refused[0]["saw"] == "261 characters; no client takes more than 255"


def test_a_tree_that_doubles_without_end_is_given_up_and_named(cli: Cli) -> None:
    """One long name is soon seen; all that are shorter never."""
    with _planned(cli, _with_apps) as (code, facts, _):
        assert (code, facts["complete"]) == (3, False)
        why = "bad-reply: names below names without end, of more than 255 characters at last"
        assert _failed(facts) == {f"gcr.io/builds/{one}": why for one in _BRANCHES}


def test_images_beside_a_tree_without_end_are_planned(cli: Cli) -> None:
    """They are listed by the root, which is not given up."""
    with _planned(cli, _with_apps) as (_, facts, _asked):
        assert facts["counts"]["images"] >= 1


def test_a_root_with_many_trees_without_end_is_given_up(cli: Cli) -> None:
    """Each of a hundred would take its time; what was listed before is planned."""
    tops, long = [f"top{one}" for one in range(100)], [f"{one}{'x' * 100}" for one in range(4)]

    def shown(path: str) -> list[str]:
        return [] if path == "app" else long if path else ["app", *tops]

    with _planned(cli, shown) as (code, facts, asked):
        assert (code, facts["complete"], facts["counts"]["images"]) == (3, False, 1)
        assert "gcr.io/builds" in _failed(facts)
        assert len({one.split("/")[3] for one in asked if "/top" in one}) < 100


def test_long_names_just_below_the_root_are_refused_each_by_itself(cli: Cli) -> None:
    """Nothing is below them, so they are no sign of a tree without end."""
    names = [f"{number:02}{'n' * 300}" for number in range(20)]
    with _planned(cli, lambda path: [] if path else ["app", *names]) as (code, facts, _):
        assert (code, facts["complete"], facts["counts"]["images"]) == (1, True, 1)
        assert len([one for one in facts["left_out"] if one["code"] == "name-refused"]) == 20
