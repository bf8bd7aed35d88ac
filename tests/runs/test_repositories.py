"""Repositories of Artifact Registry as a source: read in two views, moved, and told what is odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.store import Repository
from tests.zoo import API, US, Zoo, of_images, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = "us-docker.pkg.dev/builds/one"
ELSEWHERE = "target: europe-docker.pkg.dev/builds-new\n"
MOVE = f"source: {ONE}\n{ELSEWHERE}"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """Repository `one` with two images, one below the other, and an untagged one."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path, id_="one") as one:
        one.image("a", "1", name="a1")
        one.image("a", name="a-untagged")
        one.image("a/b", "1", "latest", name="b1")
        yield one


def _add(zoo: Zoo, id_: str, **settings: str) -> Repository:
    """Put one more repository beside the first, with an image `a:1` if it is for images."""
    key = ("builds", "us", id_)
    zoo.box.store.repositories[key] = made = Repository(*key, settings={"format": "DOCKER"})
    made.settings |= settings
    if made.settings["format"] == "DOCKER":
        first, zoo.repository = zoo.repository, made
        zoo.image("a", "1", name=id_)
        zoo.repository = first
    return made


def _codes(facts: dict[str, Any]) -> dict[str, str]:
    """Return subject and code of each of these findings."""
    return {one["subject"]: one["code"] for one in of_images(facts)}


@pytest.mark.slow
def test_a_repository_moves_whole_and_is_the_same_by_path(zoo: Zoo) -> None:
    """Read in two views that agree; planned, copied, proven; both sides' inventories are equal."""
    code, facts = zoo.plan(spec=MOVE)
    assert (code, facts["complete"], of_images(facts)) == (0, True, [])
    assert (facts["counts"]["manifests"], facts["counts"]["tags"]) == (3, 3)
    assert zoo.asked(f"{API} .*/(packages|dockerImages|versions|tags)") == 2
    assert zoo.asked(f"{US} .*/tags/list") == 3
    assert zoo.run("inventory", ONE, "-o", str(zoo.home / "before.snapshot"))[0] == 0
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0
    before, after = str(zoo.home / "before.snapshot"), "europe-docker.pkg.dev/builds-new/one"
    code, compared = zoo.run("compare", before, after)
    assert (code, compared["outcome"], compared["compared_by"]) == (0, "equal", "path")


@pytest.mark.parametrize(
    ("host", "lists", "says"),
    [
        (US, "/tags/list", "only the API lists it"),
        (API, "packages|dockerImages", "only the registry lists it"),
    ],
)
def test_what_one_view_hides_the_other_shows(zoo: Zoo, host: str, lists: str, says: str) -> None:
    """A registry without lists, an API without images: all is planned, and which one is told."""
    zoo.fault(host=host, path=lists, status=200, body='{"tags": []}')
    code, facts = zoo.plan(spec=MOVE)
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 3)
    assert _codes(facts) == {f"{ONE}/a": "views-differ", f"{ONE}/a/b": "views-differ"}
    assert all(one["saw"].startswith(says) for one in of_images(facts))


def test_a_rule_about_paths_sees_them_as_routes_do(zoo: Zoo) -> None:
    """In a repository both begin with its name."""
    code, facts = zoo.plan(spec=f"{MOVE}select: {{paths: [one/a]}}\n")
    assert (code, facts["counts"]["tags"]) == (0, 1)
    left = [(one["subject"], one["saw"]) for one in facts["left_out"]]
    assert left == [(f"{ONE}/a/b", "select.paths: none of one/a; 2 tags, 1 manifest")]


def test_an_api_that_refuses_leaves_the_view_of_the_registry(zoo: Zoo) -> None:
    """Also what kind of repository it is cannot be asked then, and the images are planned."""
    zoo.fault(host=API, path="/locations/us/repositories/one", status=403)
    code, facts = zoo.plan(spec=MOVE)
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 3)
    unseen = f"settings of {ONE}"
    assert _codes(facts) == {ONE: "one-view-only", unseen: "not-seen"}


@pytest.mark.slow
def test_all_repositories_of_a_location_move_with_their_names(zoo: Zoo) -> None:
    """Those of images, that is, and standard ones; what is left out of these is told."""
    _add(zoo, "two")
    _add(zoo, "maven", format="MAVEN")
    _add(zoo, "hub", mode="REMOTE_REPOSITORY")
    code, facts = zoo.plan(spec=f"source: us-docker.pkg.dev/builds\n{ELSEWHERE}")
    assert (code, facts["complete"], facts["counts"]["images"]) == (0, True, 3)
    assert _codes(facts) == {"us-docker.pkg.dev/builds/hub": "repository-not-standard"}
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    held = zoo.box.store.repositories
    moved = {key[2]: {*one.images} for key, one in held.items() if key[0] == "builds-new"}
    assert moved == {"one": {"a", "a/b"}, "two": {"a"}}


def test_what_is_named_is_read_or_told(zoo: Zoo) -> None:
    """A proxy is read, and told; so is a path that its own repository lacks."""
    _add(zoo, "hub", mode="REMOTE_REPOSITORY")
    below = "{project: builds, location: us, below: [hub/a, hub/a/b, one/a/b, one/x]}"
    code, facts = zoo.plan(spec=f"source: {below}\n{ELSEWHERE}")
    assert (code, facts["complete"], facts["counts"]["images"]) == (0, True, 2)
    assert _codes(facts) == {
        f"{ONE}/x": "path-empty",
        "us-docker.pkg.dev/builds/hub/a/b": "path-empty",
        "us-docker.pkg.dev/builds/hub": "repository-not-standard",
    }
    paths = "{project: builds, location: us, paths: [one/a]}"
    code, facts = zoo.plan("--new", spec=f"source: {paths}\n{ELSEWHERE}")
    assert (code, facts["counts"]["images"], of_images(facts)) == (0, 1, [])


def test_a_repository_that_is_not_there_makes_no_plan_or_an_incomplete_one(zoo: Zoo) -> None:
    """Alone it is an error with a remedy; beside another it is what the plan lacks."""
    code, error = zoo.plan(spec=f"source: us-docker.pkg.dev/builds/nope\n{ELSEWHERE}")
    assert (code, error["code"]) == (2, "repository-missing")
    assert error["subject"] == "projects/builds/locations/us/repositories/nope"
    code, error = zoo.plan(spec=f"source: asia-docker.pkg.dev/builds\n{ELSEWHERE}")
    assert (code, error["code"]) == (2, "repository-missing")
    both = "{project: builds, location: us, below: [nope, one]}"
    code, facts = zoo.plan("--new", spec=f"source: {both}\n{ELSEWHERE}")
    assert (code, facts["complete"], facts["counts"]["images"]) == (3, False, 2)
    assert _codes(facts) == {"us-docker.pkg.dev/builds/nope": "listing-failed"}


def test_a_repository_of_another_format_is_refused(zoo: Zoo) -> None:
    """It has no images, and nobody takes that for an empty one."""
    _add(zoo, "maven", format="MAVEN")
    code, error = zoo.plan(spec=f"source: us-docker.pkg.dev/builds/maven\n{ELSEWHERE}")
    assert (code, error["code"], error["saw"]) == (2, "not-docker", "its format is MAVEN")


def test_nothing_is_copied_onto_itself(zoo: Zoo) -> None:
    """Every image that would be is named at once, and no file is written."""
    code, error = zoo.plan(spec=f"source: {ONE}\ntarget: us-docker.pkg.dev/builds\n")
    assert code == 2
    assert [(one["code"], one["subject"]) for one in error["errors"]] == [
        ("onto-itself", f"{ONE}/a"),
        ("onto-itself", f"{ONE}/a/b"),
    ]
    assert not (zoo.home / "m").exists()
