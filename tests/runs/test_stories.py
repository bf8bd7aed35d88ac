"""Whole migrations through the command line, against the sandbox: what people will do with it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.state.file import lock
from tests.zoo import grave

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

PLANS = Path(__file__).parents[2] / "plans"
US = "us-docker.pkg.dev"
ACME = ("acme", "us", "us.gcr.io")


class Cli(Protocol):
    """The tool as a process, see `tests/conftest.py`."""

    home: Path

    def __call__(self, *args: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        ...


@dataclass(frozen=True)
class Stage:
    """A sandbox and the tool in front of it."""

    box: Sandbox
    cli: Cli

    def run(self, *args: str | Path, code: int = 0) -> dict[str, Any]:
        """Run a command with `--json` and return its object, after a check of the exit code."""
        done = self.cli(
            *args,
            "--json",
            GCR_MIGRATE_ENDPOINTS=str(self.cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=self.box.token,
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        assert self.box.token not in done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def plan(self, spec: Path | str, *more: str, to: str = "m", code: int = 0) -> dict[str, Any]:
        """Plan into a file; the text of a spec is written to a file first."""
        if isinstance(spec, str):
            (self.cli.home / "spec.yaml").write_text(spec)
            spec = self.cli.home / "spec.yaml"
        return self.run("plan", spec, "-o", to, *more, code=code)

    def ask(self, what: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the sandbox itself for its requests or state, or give it a fault."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.box.control_url}/{what}", data)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # loopback
            return json.load(answer)

    def images(self, repository: str) -> dict[str, Any]:
        """Return what the sandbox holds in a repository, by path."""
        state = self.ask("state")
        found: dict[str, Any] = state[f"projects/{repository}"]["images"]
        return found

    def writes(self) -> list[dict[str, Any]]:
        """Return the requests that could have changed something; some only ask by POST."""
        asked = [one for one in self.ask("requests") if one["method"] not in {"GET", "HEAD"}]
        return [
            one
            for one in asked
            if one["host"] != "oauth2"
            and not one["path"].endswith((":getIamPolicy", ":getAncestry"))
        ]


class OpenStage(Protocol):
    """Open a sandbox with a scenario."""

    def __call__(self, scenario: Scenario | str) -> Stage:
        """Open it."""
        ...


@pytest.fixture
def open_stage(cli: Cli, tmp_path: Path) -> Iterator[OpenStage]:
    """Open a sandbox; it closes with the test."""
    with ExitStack() as stack:

        def start(scenario: Scenario | str) -> Stage:
            box = stack.enter_context(running(scenario, tmp_path / "box"))
            box.write_endpoints(cli.home / "endpoints.yaml")
            return Stage(box, cli)

        yield start


def _two_tags(target: list[dict[str, Any]] | None = None) -> Scenario:
    """A source with the tags `1` and `2` of one path; and what a target repository holds."""
    images = [
        {"path": "app/web", "tags": [tag], "layers": [{"name": f"web-{tag}"}]} for tag in ("1", "2")
    ]
    source = {"project": "acme", "location": "us", "id": "us.gcr.io", "images": images}
    there = {"project": "acme", "location": "us", "id": "app", "images": target or []}
    return Scenario.model_validate(
        {"identities": [{}], "repositories": [source, there] if target else [source]}
    )


_OTHER = [{"path": "web", "tags": ["1"], "layers": [{"name": "somebody-else"}]}]
_SPEC = "source: {project: acme, hosts: [us.gcr.io]}\n"


def _adds_up(counts: dict[str, int]) -> bool:
    parts = ("done", "skipped", "failed", "pending")
    return counts["planned"] == sum(counts[part] for part in parts)


def test_documentations_example_goes_over_whole(open_stage: OpenStage) -> None:
    """Plan, show, apply, status, verify and report agree, and the target has all of it."""
    stage = open_stage("builds")
    source = stage.images("builds/locations/us/repositories/us.gcr.io")
    plan = stage.plan(PLANS / "builds.yaml")
    assert plan["complete"]
    assert {"repositories": 2, "images": 4, "manifests": 9, "tags": 5}.items() <= plan[
        "counts"
    ].items()
    assert stage.writes() == []
    shown = stage.run("show", "m")
    assert shown["digest"] == plan["digest"]
    applied = stage.run("apply", "m", "--expect-digest", plan["digest"])
    assert applied["outcome"] == "complete"
    assert _adds_up(applied["counts"])
    assert applied["counts"]["done"] == applied["counts"]["planned"]
    status = stage.run("status", "m")
    assert status["counts"] == applied["counts"]
    verified = stage.run("verify", "m")
    assert verified["outcome"] == "proven"
    assert verified["levels"]["manifests"] == {"checked": 9, "ok": 9, "wrong": 0, "unchecked": 0}
    report = stage.run("report", "m")
    assert report["status"]["counts"] == applied["counts"]
    for product in ("product1", "product2"):
        _has_all(stage, source, product)


def _has_all(stage: Stage, source: dict[str, Any], product: str) -> None:
    """Check tags and digests of a product, and the policy of its repository."""
    name = f"builds/locations/us/repositories/{product}"
    found = stage.images(name)
    wanted = {path: one for path, one in source.items() if path.startswith(f"{product}/")}
    assert len(found) == len(wanted) == 2
    for path, image in wanted.items():
        there = found[path.removeprefix(f"{product}/")]
        assert there["tags"] == image["tags"]
        assert set(there["manifests"]) == set(image["manifests"])
    assert stage.ask("state")[f"projects/{name}"]["bindings"] == [
        {
            "role": "roles/artifactregistry.reader",
            "members": [
                f"group:{product}-devs@example.com",
                "serviceAccount:ci@builds.iam.gserviceaccount.com",
            ],
        },
        {"role": "roles/artifactregistry.writer", "members": ["group:developers@example.com"]},
    ]


def test_within_one_location_no_blob_travels(open_stage: OpenStage) -> None:
    """Between repositories of one location all blobs are mounted, counted at the server."""
    stage = open_stage("builds")
    stage.plan(PLANS / "builds.yaml")
    applied = stage.run("apply", "m")
    uploads = [one for one in stage.writes() if "/blobs/uploads" in one["path"]]
    assert uploads
    assert {one["method"] for one in uploads} == {"POST"}
    assert {one["status"] for one in uploads} == {201}
    assert sum(one["bytes_in"] for one in uploads) == 0
    downloads = [
        one for one in stage.ask("requests") if one["method"] == "GET" and "/blobs/" in one["path"]
    ]
    assert downloads == []
    assert applied["bytes"]["transferred"] == 0
    assert applied["bytes"]["mounted"] > 0


def test_a_second_migration_has_nothing_to_do(open_stage: OpenStage) -> None:
    """Plan again, and apply again: exit 0, nothing to do, and nothing is written."""
    stage = open_stage("builds")
    first = stage.plan(PLANS / "builds.yaml", "--detailed-exitcode", code=10)
    stage.run("apply", "m")
    before = stage.writes()
    stage.run("apply", "m")
    second = stage.plan(PLANS / "builds.yaml", "--detailed-exitcode", to="m2")
    assert set(second["todo"].values()) == {0}
    assert second["counts"] == first["counts"]
    applied = stage.run("apply", "m2")
    assert applied["outcome"] == "complete"
    assert stage.writes() == before


def test_equal_registries_give_equal_plans(open_stage: OpenStage) -> None:
    """Two plans over unchanged registries have one digest."""
    stage = open_stage("builds")
    one = stage.plan(PLANS / "builds.yaml")
    two = stage.plan(PLANS / "builds.yaml", to="m2")
    assert one["digest"] == two["digest"]


def test_another_digest_is_refused(open_stage: OpenStage) -> None:
    """`--expect-digest` with another digest exits 3 and nothing was written."""
    stage = open_stage("builds")
    stage.plan(PLANS / "builds.yaml")
    refused = stage.run("apply", "m", "--expect-digest", f"sha256:{'0' * 64}", code=3)
    assert refused["code"] == "plan-digest-differs"
    assert stage.writes() == []


def test_a_locked_file_is_refused(open_stage: OpenStage) -> None:
    """While a process holds the lock, `apply` exits 3, names it, and writes nothing."""
    stage = open_stage("builds")
    stage.plan(PLANS / "builds.yaml")
    with lock(stage.cli.home / "m"):
        refused = stage.run("apply", "m", code=3)
    assert refused["code"] == "file-locked"
    assert "process " in refused["saw"]
    assert stage.writes() == []


def test_a_taken_tag_fails_and_the_rest_goes_on(open_stage: OpenStage) -> None:
    """A target tag that points elsewhere is kept and fails its item; the other tag is set."""
    stage = open_stage(_two_tags(_OTHER))
    source = stage.images("acme/locations/us/repositories/us.gcr.io")["app/web"]
    other = stage.images("acme/locations/us/repositories/app")["web"]["tags"]["1"]
    plan = stage.plan(_SPEC, code=1)
    assert grave(plan) == ["tag-conflict"]
    applied = stage.run("apply", "m", code=1)
    assert applied["outcome"] == "failed"
    assert _adds_up(applied["counts"])
    assert applied["counts"]["failed"] == 1
    failure = applied["failures"][0]
    assert (failure["code"], failure["subject"]) == ("tag-conflict", f"{US}/acme/app/web:1")
    tags = stage.images("acme/locations/us/repositories/app")["web"]["tags"]
    assert tags == {"1": other, "2": source["tags"]["2"]}
    stage.run("verify", "m", code=1)


@pytest.mark.parametrize("rule", ["keep", "overwrite"])
def test_a_taken_tag_is_kept_or_overwritten(open_stage: OpenStage, rule: str) -> None:
    """With `keep` the target's tag stays and is named, with `overwrite` it moves; exit 0."""
    stage = open_stage(_two_tags(_OTHER))
    source = stage.images("acme/locations/us/repositories/us.gcr.io")["app/web"]["tags"]
    other = stage.images("acme/locations/us/repositories/app")["web"]["tags"]["1"]
    stage.plan(f"{_SPEC}existing_tags: {rule}\n")
    applied = stage.run("apply", "m")
    kept = [("tag-conflict", f"{US}/acme/app/web:1")] if rule == "keep" else []
    for facts in (applied, stage.run("status", "m")):
        told = [(one["code"], one["subject"]) for one in facts["left_by_rule"]]
        assert (facts["skipped"].get("kept", 0), told) == (len(kept), kept)
    tags = stage.images("acme/locations/us/repositories/app")["web"]["tags"]
    assert tags == source | ({"1": other} if rule == "keep" else {})
    stage.run("verify", "m")


def test_a_tag_that_will_be_replaced_is_told_before_it_is(open_stage: OpenStage) -> None:
    """Whoever reviews the plan reads how many there are, and each with both its digests."""
    stage = open_stage(_two_tags(_OTHER))
    ours = stage.images("acme/locations/us/repositories/us.gcr.io")["app/web"]["tags"]["1"]
    theirs = stage.images("acme/locations/us/repositories/app")["web"]["tags"]["1"]
    plan = stage.plan(f"{_SPEC}existing_tags: overwrite\n")
    assert (plan["counts"]["tags_replaced"], grave(plan)) == (1, ["tag-replaced"])
    for command in (("show", "m"), ("report", "m", "--markdown")):
        text = " ".join(stage.cli(*command).stdout.split())
        assert "2, 2 to set; 1 that point elsewhere are replaced" in text
        assert f"target has {theirs}, planned {ours}" in text


@pytest.mark.parametrize(("rule", "code"), [("fail", 1), ("pin", 0), ("skip", 0)])
def test_a_tag_that_moved_at_the_source(open_stage: OpenStage, rule: str, code: int) -> None:
    """After planning, a moved source tag fails, is set as planned, or is left out, by rule."""
    stage = open_stage(_two_tags())
    stage.plan(f"{_SPEC}moved_tags: {rule}\n")
    tags = stage.box.store.repositories[ACME].images["app/web"].tags
    planned = {tag: str(digest) for tag, digest in tags.items()}
    tags["1"] = tags["2"]
    applied = stage.run("apply", "m", code=code)
    assert _adds_up(applied["counts"])
    if rule == "fail":
        assert [one["code"] for one in applied["failures"]] == ["tag-moved"]
    found = stage.images("acme/locations/us/repositories/app")["web"]
    assert found["tags"] == (planned if rule == "pin" else {"2": planned["2"]})
    assert set(found["manifests"]) == set(planned.values())  # content goes over all the same


def test_what_the_spec_lets_go_is_named(open_stage: OpenStage) -> None:
    """Nobody reads that all is there: the tag stands under the result, with its reason."""
    stage = open_stage(_two_tags())
    stage.plan(f"{_SPEC}moved_tags: skip\n")
    tags = stage.box.store.repositories[ACME].images["app/web"].tags
    saw = f"source has {tags['2']}, planned {tags['1']}"
    tags["1"] = tags["2"]
    stage.run("apply", "m")
    left = f"[tag-moved] {US}/acme/app/web:1 ({saw})"
    told = stage.cli("status", "m").stdout
    assert "Complete: everything in the plan is there, or left by a rule of the spec\n" in told
    assert f"Left by a rule of the spec: 1\n  {left}\n" in told
    report = stage.cli("report", "m", "--markdown").stdout
    assert f"`{US}/acme/app/web:1`" in report.partition("## Left by a rule of the spec: 1")[2]


def test_an_incomplete_plan_is_refused_unless_allowed(open_stage: OpenStage) -> None:
    """What cannot be listed is named; `apply` refuses with 3, and if allowed ends with 1.

    What the API shows below it is planned all the same.
    """
    stage = open_stage("builds")
    hidden = {"method": "GET", "path": "builds/us.gcr.io/product1/dev/tags/list", "status": 403}
    stage.ask("faults", hidden | {"body": '{"errors":[{"code":"DENIED"}]}'})
    plan = stage.plan(PLANS / "builds.yaml", code=3)
    assert not plan["complete"]
    finding = plan["findings"][0]
    named = (finding["code"], finding["subject"])
    assert named == ("listing-failed", "us.gcr.io/builds/product1/dev")
    assert plan["counts"]["images"] == 4
    refused = stage.run("apply", "m", code=3)
    assert refused["code"] == "plan-incomplete"
    assert stage.writes() == []
    applied = stage.run("apply", "m", "--allow-incomplete", code=1)
    assert not applied["complete"]
    assert applied["counts"]["done"] == applied["counts"]["planned"]


@pytest.mark.needs("skopeo")
def test_skopeo_reads_what_was_migrated(open_stage: OpenStage) -> None:
    """A program of others reads an image of the target, with the digest of the source."""
    stage = open_stage("builds")
    stage.plan(PLANS / "builds.yaml")
    stage.run("apply", "m")
    address = stage.box.addresses[US].removeprefix("http://")
    image = f"docker://{address}/builds/product1/dev/product1-app:beta-2.0"
    done = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", "--creds", f"_token:{stage.box.token}", image],  # noqa: S607  # the user's own skopeo
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    source = stage.images("builds/locations/us/repositories/us.gcr.io")
    wanted = source["product1/dev/product1-app"]["tags"]["beta-2.0"]
    assert json.loads(done.stdout)["Digest"] == wanted


_HUB = """\
source: {project: hub-shared, hosts: [asia.gcr.io]}
routes:
"""
_TEAMS = '  - {match: "{team}/**", repository: "{team}", strip: "{team}"}\n'
_FOUR = """\
  - {{match: team-a, repository: team-a, image: {image}}}
  - {{match: base, repository: shared-base, image: base}}
  - {{match: "team_c/**", repository: team-c, strip: team_c}}
  - {{match: "9lives/**", repository: nine-lives, strip: 9lives}}
"""


def test_all_that_one_rule_cannot_take_is_named_at_once(open_stage: OpenStage) -> None:
    """One rule for many teams: refused, nothing written, four problems named in one run."""
    stage = open_stage("hub-shared")
    refused = stage.plan(_HUB + _TEAMS, "--detailed-exitcode", code=2)
    named = {one["subject"]: one["code"] for one in refused["errors"]}
    assert named == {
        "asia.gcr.io/hub-shared/team-a": "no-image-name",
        "asia.gcr.io/hub-shared/base": "unrouted",
        "asia.gcr.io/hub-shared/team_c/job": "repository-name-refused",
        "asia.gcr.io/hub-shared/9lives/cat": "repository-name-refused",
    }
    assert stage.writes() == []
    assert not (stage.cli.home / "m").exists()


@pytest.mark.parametrize("spec", [_HUB + _FOUR.format(image="legacy") + _TEAMS, "teams.yaml"])
def test_many_teams_get_repositories_of_their_own(open_stage: OpenStage, spec: str) -> None:
    """With routes for the four, each image has the name it should have, and gets there."""
    stage = open_stage("hub-shared")
    plan = stage.plan(PLANS / spec if spec.endswith(".yaml") else spec)
    assert plan["counts"]["repositories"] == 5
    shown = stage.run("show", "m")
    hub = "asia-docker.pkg.dev/hub-shared"
    assert {one["name"]: one["create"] for one in shown["repositories"]} == {
        f"{hub}/{name}": True
        for name in ("nine-lives", "shared-base", "team-a", "team-ab", "team-c")
    }
    went = {
        one["source"].removeprefix("asia.gcr.io/hub-shared/"): f"{one['target']}:{one['tags'][0]}"
        for one in shown["images"]
    }
    assert went == {
        "team-a/api": f"{hub}/team-a/api:1.0",
        "team-a/api/debug": f"{hub}/team-a/api/debug:1.0",
        "team-a": f"{hub}/team-a/legacy:legacy",
        "team-ab/web": f"{hub}/team-ab/web:1.0",
        "team_c/job": f"{hub}/team-c/job:1.0",
        "9lives/cat": f"{hub}/nine-lives/cat:1.0",
        "base": f"{hub}/shared-base/base:1.0",
    }
    stage.run("apply", "m")
    stage.run("verify", "m")


def test_two_sources_on_one_name_are_refused(open_stage: OpenStage) -> None:
    """Two images that would share a name at the target are both named, whatever their tags."""
    stage = open_stage("hub-shared")
    refused = stage.plan(_HUB + _FOUR.format(image="api") + _TEAMS, code=2)
    error = refused["errors"][0]
    assert (len(refused["errors"]), error["code"]) == (1, "target-collision")
    assert error["subject"] == "asia-docker.pkg.dev/hub-shared/team-a/api"
    for name in ("team-a", "team-a/api"):
        assert f"asia.gcr.io/hub-shared/{name} " in f"{error['saw']} "
    assert stage.writes() == []


def test_the_time_to_create_many_repositories_is_told(open_stage: OpenStage) -> None:
    """One repository per two seconds is a minute for 30 of them, and the plan does not hide it."""
    layers = [{"name": "base"}]
    images = [
        {"path": f"team-{number:03}/api", "tags": ["1"], "layers": layers} for number in range(30)
    ]
    source = {"project": "acme", "location": "us", "id": "us.gcr.io", "images": images}
    stage = open_stage(Scenario.model_validate({"identities": [{}], "repositories": [source]}))
    plan = stage.plan(_SPEC)
    assert plan["counts"]["repositories"] == 30
    assert plan["estimate"]["repository_creation_s"] == 60


def test_what_a_rule_leaves_out_is_not_told_as_new(open_stage: OpenStage) -> None:
    """The plan knows a signature that `select` leaves out, and the migration is proven without."""
    stage = open_stage("builds")
    spec = (PLANS / "builds.yaml").read_text().replace("attachments: true", "attachments: false")
    plan = stage.plan(spec)
    assert "attachment-left-out" in {one["code"] for one in plan["left_out"]}
    stage.run("apply", "m")
    proof = stage.run("verify", "m")
    assert proof["outcome"] == "proven"
    assert "image-new" not in {one["code"] for one in proof["findings"]}
