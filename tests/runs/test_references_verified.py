"""`verify --references`: the names that files use lead where they should, before and after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from tests.domains import PROJECT
from tests.domains import opened as world
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Manifest
    from tests.zoo import Zoo

OLD, NEW = "us.gcr.io/builds", "europe-docker.pkg.dev/builds/moved"
LEVEL = ("--level", "references")


class Stage:
    """A migration that is done, and files that name its images."""

    def __init__(self, zoo: Zoo) -> None:
        self.zoo = zoo
        self.web = zoo.image("web", "1", name="w")
        self.other = zoo.image("web", "old", name="o")
        assert zoo.migrate() == (0, 0, 0)

    def listed(self, *names: str) -> str:
        """Scan a file of names, and return the list that this writes."""
        (self.zoo.home / "names.txt").write_text("\n".join(names))
        code, facts = self.zoo.run_here("refs", "scan", str(self.zoo.home / "names.txt"))
        assert code == 0
        (self.zoo.home / "names.json").write_text(json.dumps(facts))
        return str(self.zoo.home / "names.json")

    def proven(self, *names: str, target: str = "") -> tuple[int, dict[str, Any]]:
        """Verify the migration, or another target, with a list of these names."""
        words = (target or str(self.zoo.home / "m"), "--references", self.listed(*names), *LEVEL)
        code, facts = self.zoo.run("verify", *words)
        jsonschema.validate(facts, json_schema("verify"))
        return code, facts


def told(facts: dict[str, Any]) -> dict[str, str]:
    """Return the code of each finding by its subject."""
    return {one["subject"]: one["code"] for one in facts["findings"]}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A migration of two tags of one image."""
    with opened(tmp_path_factory.mktemp("references")) as zoo:
        yield Stage(zoo)


def at_target(stage: Stage, manifest: Manifest) -> None:
    """Set the tag at the target."""
    stage.zoo.box.store.repositories["builds", "europe", "moved"].put_manifest("web", manifest, "1")


@pytest.mark.slow
def test_each_name_of_the_plan_is_proven_at_both_places(stage: Stage) -> None:
    """Once, however many files use it; those of others and with gaps count for nothing."""
    names = [f"{OLD}/web:1", f"{OLD}/web:1", f"{NEW}/web:old", f"{OLD}/web@{stage.web.digest}"]
    left = ["gcr.io/distroless/static", f"{OLD}/web:$T", "us.gcr.io/other-one/x:1"]
    code, facts = stage.proven(*names, *left)
    assert (code, facts["outcome"]) == (0, "proven")
    count = facts["levels"]["references"]
    assert (count["checked"], count["ok"]) == (5, 5)
    assert [(one["code"], one["severity"]) for one in facts["findings"]] == [
        ("not-checked", "warning")
    ]


def test_a_name_that_leads_elsewhere_has_its_own_code(stage: Stage) -> None:
    """At the place that is wrong, with what it should be and which file uses it."""
    at_target(stage, stage.other)
    try:
        code, facts = stage.proven(f"{OLD}/web:1")
    finally:
        at_target(stage, stage.web)
    assert (code, told(facts)) == (1, {f"{NEW}/web:1": "reference-moved"})
    saw = facts["findings"][0]["saw"]
    assert str(stage.web.digest) in saw
    assert str(stage.other.digest) in saw
    assert "names.txt:1" in saw


def test_a_name_that_is_gone_or_not_in_the_plan_is_lost(stage: Stage) -> None:
    """Whoever deploys by these files would pull nothing."""
    tags = stage.zoo.repository.images["web"].tags
    kept = tags.pop("old")
    try:
        code, facts = stage.proven(f"{OLD}/web:old", f"{OLD}/none:1")
    finally:
        tags["old"] = kept
    lost = dict.fromkeys((f"{OLD}/web:old", f"{OLD}/none:1"), "reference-lost")
    assert (code, told(facts)) == (1, lost)


def test_what_could_not_be_asked_and_a_list_of_others_prove_nothing(stage: Stage) -> None:
    """Exit code 4, as for any level."""
    stage.zoo.fault(host="us.gcr.io", status=403, times=1, path=".*manifests.*")
    code, facts = stage.proven(f"{OLD}/web:1")
    assert (code, facts["outcome"]) == (4, "unproven")
    code, facts = stage.proven("gcr.io/distroless/static")
    assert (code, facts["outcome"]) == (4, "unproven")


def test_a_list_that_is_none_and_a_level_without_one_are_refused(stage: Stage) -> None:
    """Before anything is asked."""
    plan, names = str(stage.zoo.home / "m"), stage.listed(f"{OLD}/web:1")
    for words in (
        ("--references", str(stage.zoo.home / "names.txt")),
        ("--references", str(stage.zoo.home / "nothing")),
        ("--references", names, "--level", "tags"),
        LEVEL,
    ):
        code, facts = stage.zoo.run("verify", plan, *words)
        assert (code, facts["code"] in {"bad-usage", "file-missing"}) == (2, True)


@pytest.mark.slow
def test_names_of_a_project_are_held_against_its_baseline(tmp_path: Path) -> None:
    """A name that was rewritten has to lead where the one before it led."""
    with world(tmp_path) as domains:
        then = domains.snapshot()
        images = domains.repository("gcr.io").images["web"]
        was, new = images.tags["3.1"], f"gcr.io/{PROJECT}/web:3.1"
        (tmp_path / "home" / "names.txt").write_text(new)
        done = domains.cli("refs", "scan", "names.txt", "--json")
        (tmp_path / "home" / "names.json").write_text(done.stdout)
        words = ("--references", "names.json", *LEVEL)
        assert domains.verify(then, *words).exit == 0
        assert domains.verify(PROJECT, "--baseline", then, *words).exit == 0
        (other,) = set(images.manifests) - {was}
        images.tags["3.1"] = other
        for target in ((then,), (PROJECT, "--baseline", then)):
            proof = domains.verify(*target, *words)
            assert (proof.exit, proof.codes) == (1, {("reference-moved", new)})
