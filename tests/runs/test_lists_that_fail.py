"""Lists that fail once or for good: nothing below them is lost, and no doubt goes unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML

from gcr_migrate.sandbox.images import Image
from tests.conftest import Cli
from tests.relay import Relay
from tests.zoo import SPEC as ZOO_SPEC
from tests.zoo import Zoo, found, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

US = "us.gcr.io"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: gcr}
target: {location: europe}
routes: [{match: "**", repository: moved}]
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A tree of which one branch fails for good, two fail once, and one is empty."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "3")
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as one:
        for name in ("1", "2", "3"):
            one.image("a", name=name)
        one.image("a/x", "1", name="x1")
        one.image("a/x", "2", name="x2")
        one.image("a/y", "1", name="y")
        one.image("b", "1", name="hidden")
        one.repository.images["c"] = Image()
        one.fault(host=US, path="/builds/a/tags/list", times=1, status=503)
        one.fault(host=US, path="/builds/b/tags/list", status=403)
        endpoints = one.box.endpoints
        port = int(endpoints["registries"][US].rpartition(":")[2])
        with Relay(port, "/builds/a/y/tags/list", "cut", times=1).running() as relay:
            endpoints["registries"][US] = relay.url
            with (one.home / "endpoints.yaml").open("w") as stream:
                YAML().dump(endpoints, stream)
            yield one
            assert relay.told == 1


@pytest.mark.parametrize("more", ["", "select: {except_tags: [old]}\n"])
def test_a_source_without_images_is_told(tmp_path: Path, more: str) -> None:
    """It may be another one than was meant: nothing is said of what the target has, or of rules."""
    with opened(tmp_path) as one:
        code, facts = one.plan(spec=f"{ZOO_SPEC}{more}")
        shown = Cli(one.home)("show", "m").stdout
        Cli(one.home)("report", "m", "--html", "m.html")
        page = (one.home / "m.html").read_text()
    assert (code, facts["complete"], facts["counts"]["images"]) == (0, True, 0)
    told = {(one["code"], one["severity"], one["subject"]) for one in facts["findings"]}
    assert told == {("source-empty", "warning", "us.gcr.io/builds")}
    assert "Nothing to do: the plan has no image." in shown
    assert "target has everything" not in shown
    assert "The plan has no image" in page
    assert "Nothing of the plan is left" not in page


def test_a_source_of_which_a_list_fails_is_not_called_empty(tmp_path: Path) -> None:
    """Nobody knows what it has."""
    with opened(tmp_path) as one:
        one.image("b", "1", name="hidden")
        one.fault(host=US, path="/builds/b/tags/list", status=403)
        code, facts = one.plan(spec=SPEC)
    assert (code, facts["complete"]) == (3, False)
    assert {one["code"] for one in facts["findings"]} >= {"listing-failed"}
    assert not found(facts, "source-empty")


@pytest.mark.slow
def test_what_fails_once_is_asked_again_and_what_is_denied_is_told(zoo: Zoo) -> None:
    """Requests are as few as can be; the rest is copied by consent only, and is never a success."""
    code, facts = zoo.plan(spec=SPEC)
    assert (code, facts["complete"], facts["counts"]["manifests"]) == (3, False, 6)
    asked = {
        path: zoo.asked(f"GET {US} /v2/builds{path}/tags/list")
        for path in ("", "/a", "/a/x", "/a/y", "/b", "/c")
    }
    assert asked == {"": 1, "/a": 2, "/a/x": 1, "/a/y": 2, "/b": 1, "/c": 1}
    assert found(facts, "name-empty").keys() == {"c"}
    denied = next(one for one in facts["findings"] if one["code"] == "listing-failed")
    assert denied["subject"] == "us.gcr.io/builds/b"
    assert "403 can also mean: no such name" in denied["message"]
    assert zoo.images() == {"a": [], "a/x": ["1", "2"], "a/y": ["1"]}

    zoo.forget()
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, facts["code"]) == (3, "plan-incomplete")
    assert zoo.requests() == []
    code, facts = zoo.run("apply", str(zoo.home / "m"), "--allow-incomplete")
    assert (code, facts["outcome"], facts["failures"]) == (1, "partial", [])
    assert [one["subject"] for one in facts["could_not_be_listed"]] == ["us.gcr.io/builds/b"]
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, facts["outcome"], facts["complete"]) == (4, "unproven", False)
    assert all(level["wrong"] == level["unchecked"] == 0 for level in facts["levels"].values())
    assert [one["subject"] for one in facts["findings"]] == ["us.gcr.io/builds/b"]
    there = zoo.box.store.repositories["builds", "europe", "moved"].images
    counts = {path: len(image.manifests) for path, image in there.items()}
    assert counts == {"a": 3, "a/x": 2, "a/y": 1}
