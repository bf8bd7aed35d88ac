"""Many tags that fail for one cause: it is told once, and stops nothing but them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from gcr_migrate.cli.main import outcome
from gcr_migrate.report.fleet import file_fact
from gcr_migrate.report.html.migration import report_page
from gcr_migrate.report.planned import report_facts
from gcr_migrate.state.file import open_migration
from tests.conftest import docker_registry
from tests.relay import Relay
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

EUROPE = "europe-docker.pkg.dev"
IMAGE: Final = f"{EUROPE}/builds/moved/app/b"
TAGS: Final = [f"t{number:02}" for number in range(40)]


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A plan of an image with forty tags between two others; nothing is tried again."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    with opened(tmp_path) as found:
        for path, tags in {"app/a": ["1"], "app/b": TAGS, "app/c": ["1"]}.items():
            found.image(path, *tags, name=path)
        assert found.plan()[0] == 0
        yield found


def apply(zoo: Zoo) -> tuple[int, dict[str, Any]]:
    """Apply the plan in this process."""
    return zoo.run("apply", str(zoo.home / "m"))


@pytest.mark.parametrize(("status", "code"), [(403, "denied"), (503, "server-error")])
def test_a_list_of_tags_that_fails_is_told_once(zoo: Zoo, status: int, code: str) -> None:
    """With the names of all that it befell, and their number; each of them stays failed."""
    zoo.fault(host=EUROPE, path="app/b/tags/list", method="GET", status=status)
    exit_code, facts = apply(zoo)

    assert (exit_code, facts["outcome"]) == (1, "failed")
    (failure,) = facts["failures"]
    assert (failure["kind"], failure["code"], failure["count"]) == ("tag", code, 40)
    assert failure["saw"].startswith(f"{IMAGE}: {status}")
    names = {failure["subject"], *failure["others"]}
    assert names == {f"{IMAGE}:{tag}" for tag in TAGS}
    assert facts["kinds"]["tag"]["failed"] == 40


def test_a_list_of_tags_that_fails_stops_nothing_else(zoo: Zoo) -> None:
    """One cause is no service that is gone: all other items of the plan are done.

    Nor is the list asked for again by each of the tags.
    """
    zoo.fault(host=EUROPE, path="app/b/tags/list", method="GET", status=503)
    _, facts = apply(zoo)

    counts = facts["counts"]
    assert (counts["failed"], counts["pending"]) == (40, 0)
    assert facts["kinds"]["manifest"]["done"] == facts["kinds"]["manifest"]["planned"]
    assert zoo.asked(r"^GET .*/app/b/tags/list") < 10

    zoo.box.faults.rules.clear()
    exit_code, facts = apply(zoo)
    assert (exit_code, facts["outcome"], facts["failures"]) == (0, "complete", [])


@pytest.mark.needs("docker-registry")
def test_tags_of_one_image_that_cannot_be_looked_at_stop_nothing_else(
    zoo: Zoo, tmp_path: Path
) -> None:
    """Where a source is asked for each tag by itself, too: what fails at once has one cause."""
    file = zoo.home / "endpoints.yaml"
    to_one = "source: {project: builds, hosts: [us.gcr.io]}\ntarget: {registry: one.example}\n"
    onward = "source: {registry: one.example}\ntarget: {registry: two.example}\n"
    with docker_registry(tmp_path / "1") as one, docker_registry(tmp_path / "2") as two:
        straight: dict[str, dict[str, str]] = yaml.safe_load(file.read_text())
        straight["registries"] |= {"one.example": one.url, "two.example": two.url}
        file.write_text(yaml.safe_dump(straight))
        assert zoo.plan(spec=to_one)[0] == 0
        assert apply(zoo)[0] == 0
        (zoo.home / "m").unlink()
        assert zoo.plan(spec=onward)[0] == 0
        port = int(one.host.rpartition(":")[2])
        relay = Relay(port, "/app/b/manifests/t", "reset-before", method="HEAD")
        with relay.running():
            crooked = {**straight["registries"], "one.example": relay.url}
            file.write_text(yaml.safe_dump({**straight, "registries": crooked}))
            exit_code, facts = apply(zoo)

        assert (exit_code, facts["outcome"]) == (1, "failed")
        assert (facts["counts"]["failed"], facts["counts"]["pending"]) == (40, 0)
        assert facts["kinds"]["manifest"]["done"] == facts["kinds"]["manifest"]["planned"]
        assert [(o["code"], o["count"]) for o in facts["failures"]] == [("unreachable", 40)]

        file.write_text(yaml.safe_dump(straight))
        exit_code, facts = apply(zoo)
        assert (exit_code, facts["outcome"], facts["failures"]) == (0, "complete", [])


def test_tags_that_are_refused_one_by_one_are_told_once(zoo: Zoo) -> None:
    """Each has its own request; what it was told is the same, but for the tag."""
    zoo.fault(host=EUROPE, path="app/b/manifests/t0[0-5]", method="PUT", status=403)
    _, facts = apply(zoo)

    (failure,) = facts["failures"]
    assert (failure["code"], failure["count"]) == ("denied", 6)
    assert failure["saw"].startswith("403")
    assert facts["kinds"]["tag"]["failed"] == 6


def test_what_speaks_against_a_tag_is_told_tag_by_tag(zoo: Zoo) -> None:
    """Two tags that somebody has moved are two decisions, though both were moved alike."""
    zoo.image("app/b", "t00", "t01", name="other")
    _, facts = apply(zoo)

    assert [(one["code"], one["count"]) for one in facts["failures"]] == [("tag-moved", 1)] * 2
    assert {one["subject"] for one in facts["failures"]} == {f"{IMAGE}:t00", f"{IMAGE}:t01"}


def test_people_read_a_cause_once_and_find_all_names(
    zoo: Zoo, capsys: pytest.CaptureFixture[str]
) -> None:
    """Screen and Markdown have it with a count; the page has a row for each tag, for its search."""
    zoo.fault(host=EUROPE, path="app/b/tags/list", method="GET", status=403)
    apply(zoo)
    file = str(zoo.home / "m")
    assert outcome(["status", file]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Failed: 40" in told
    assert re.findall(r"error\[denied\] tag (\S+)( and \d+ more)", told) == [
        (f"{IMAGE}:t00", " and 39 more")
    ]
    assert outcome(["report", file, "--markdown"]) == 0
    document = capsys.readouterr().out
    assert document.count("| denied | tag |") == 1
    assert "`" + f"{IMAGE}:t00` and 39 more" in document
    with open_migration(zoo.home / "m") as migration:
        facts = report_facts(migration)
        tables = {table.id: table.rows for table in report_page(facts).tables}
        fleet = file_fact(file, facts)
    assert {name for name, *_ in tables["failures"]} == {f"{IMAGE}:{tag}" for tag in TAGS}
    assert [(one.code, one.count) for one in fleet.errors if one.code == "denied"] == [
        ("denied", 40)
    ]
