"""`refs check` against registries, and for who pulls: on files, and on exports of what runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring

import jsonschema
import pytest
import xmlschema

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.model.access import AccessRow, Right
from gcr_migrate.sandbox.images import Image
from gcr_migrate.sandbox.scenarios import RepositoryPart
from gcr_migrate.sandbox.store import Repository
from tests.access_rows import put_rows
from tests.discovery import DENIED_TOKEN
from tests.domains import PROJECT, Domains
from tests.domains import opened as world
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.model.content import Manifest
    from tests.zoo import Zoo

HERE = Path(__file__).parent.parent
AR, NEW = "us-docker.pkg.dev/builds/us.gcr.io", "europe-docker.pkg.dev/builds/moved"
NOWHERE = f"sha256:{'c' * 64}"


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """A planned source of two images, whose target has a tag of one, with other bytes."""
    part = RepositoryPart(project="builds", location="europe", id="moved")
    with opened(tmp_path_factory.mktemp("refs"), part) as found:
        web = found.image("web", "1", "old")
        found.image("api", "v2", name="y")
        assert found.plan()[0] == 0
        other = found.image("other", "1", name="z")
        target = found.box.store.repositories["builds", "europe", "moved"]
        for path, manifest in (("web", other), ("api", web)):
            target.images[path] = Image()
            target.put_manifest(path, manifest, "1")
        yield found


@pytest.fixture(name="web")
def _web(zoo: Zoo) -> Manifest:
    """What `web:1` is at the source."""
    return zoo.repository.images["web"].manifests[zoo.repository.images["web"].tags["1"]].manifest


def check(zoo: Zoo, names: list[str], *options: str, code: int = 1) -> dict[str, tuple[str, str]]:
    """Check a file of names; return verdict and reason of each."""
    file = zoo.home / "names.txt"
    file.write_text("\n".join(names))
    done, facts = zoo.run("refs", "check", str(file), *options)
    assert done == code, facts
    return {one["text"]: (one["verdict"], one["reason"]) for one in facts["references"]}


def test_without_a_plan_a_name_exists_is_gone_or_was_moved_on(zoo: Zoo, web: Manifest) -> None:
    """Each is asked once at the registry that it names; the reason is the registry's own."""
    there = [
        f"{AR}/web:1",
        "us.gcr.io/builds/web:1",
        "us.gcr.io/builds/web",
        f"us.gcr.io/builds/web:1@{web.digest}",
    ]
    gone = {
        "us.gcr.io/builds/none": "no such image (name-unknown: its list is empty)",
        "us.gcr.io/builds/web:7": "no such tag (manifest-unknown: 404 MANIFEST_UNKNOWN Failed",
        "eu.gcr.io/builds/web:1": '404 NAME_UNKNOWN Repository "eu.gcr.io" not found)',
        f"us.gcr.io/builds/web@{NOWHERE}": "no such digest (manifest-unknown: 404",
    }
    moved = f"us.gcr.io/builds/other:1@{web.digest}"
    left = ["gcr.io/distroless/static", "us.gcr.io/builds/web:${T}", "us.gcr.io"]
    zoo.forget()
    told = check(zoo, [*there, *there, *gone, *left], "--live")

    assert {name: told[name][0] for name in there} == dict.fromkeys(there, "exists")
    assert {name: told[name][0] for name in gone} == dict.fromkeys(gone, "gone")
    assert all(why in told[name][1] for name, why in gone.items())
    assert [told[name][0] for name in left] == ["stays", "open", "by-hand"]
    assert zoo.asked("HEAD us.gcr.io /v2/builds/web/manifests/1[?]") == 1
    assert check(zoo, there, "--live", code=0) == dict.fromkeys(there, ("exists", ""))
    assert check(zoo, [moved], "--live")[moved][0] == "gone"  # under this name it never was
    zoo.repository.put_manifest("other", web, "beside")
    assert check(zoo, [moved], "--live")[moved][0] == "tag-moved"


def test_with_a_plan_the_registry_is_held_against_it(zoo: Zoo) -> None:
    """A tag that moved after planning is not what goes along; nor is what a new name has."""
    plan = ("--plan", str(zoo.home / "m"), "--live")
    names = ["us.gcr.io/builds/web:1", f"{NEW}/web:1", f"{NEW}/api:v2", "us.gcr.io/other-one/x:1"]
    told = check(zoo, names, *plan)

    assert [told[name][0] for name in names] == ["moves", "tag-moved", "gone", "stays"]
    kept = zoo.repository.images["web"].tags["1"]
    zoo.repository.images["web"].tags["1"] = zoo.repository.images["other"].tags["1"]
    try:
        assert check(zoo, names[:1], *plan)[names[0]][0] == "gone"
    finally:
        zoo.repository.images["web"].tags["1"] = kept


def test_what_could_not_be_asked_is_never_green(zoo: Zoo) -> None:
    """Whatever `--fail-on` says; the reason is told, also as an error of JUnit."""
    zoo.fault(host="us.gcr.io", status=403, times=50)
    names, out = ["us.gcr.io/builds/web:1", f"{NEW}/web:1"], zoo.home / "out.xml"
    told = check(zoo, names, "--live", "--fail-on", "gone", "--junit", str(out))

    assert [told[name][0] for name in names] == ["not-checked", "exists"]
    xmlschema.XMLSchema10(HERE / "junit.xsd").validate(out.read_text())
    root = fromstring(out.read_text())  # noqa: S314  # our own
    cases = {one.get("name"): one[0].tag if len(one) else "" for one in root.iter("testcase")}
    assert cases == {f"1:1 {names[0]}": "error", f"2:1 {names[1]}": ""}


def row(member: str, *, after: bool | None) -> AccessRow:
    """Make a row of the right to pull from the target."""
    return AccessRow("us.gcr.io/builds", NEW, member, Right.PULL, before=True, after=after)


def machine(name: str, account: str) -> dict[str, Any]:
    """Make a machine that runs an image of the plan, as an inventory has it."""
    value = "spec: {containers: [{image: us.gcr.io/builds/web:1}]}"
    data = {
        "metadata": {"items": [{"key": "gce-container-declaration", "value": value}]},
        "serviceAccounts": [{"email": account}] if account else [],
    }
    return {
        "name": f"//compute.googleapis.com/projects/builds/zones/z/instances/{name}",
        "assetType": "compute.googleapis.com/Instance",
        "resource": {"data": data},
    }


def test_who_pulls_for_what_runs_must_be_able_to_pull_it_where_it_goes(zoo: Zoo) -> None:
    """By the plan's rows of access; who is not known is told, and is no loss."""
    assets = [
        machine("good", "vm@builds.iam.gserviceaccount.com"),
        machine("bad", "Lost@builds.iam.gserviceaccount.com"),
        machine("maybe", "unsure@builds.iam.gserviceaccount.com"),
        machine("nobody", ""),
    ]
    (zoo.home / "assets.json").write_text(json.dumps(assets))
    rows = {"vm": True, "lost": False, "unsure": None}
    put_rows(
        zoo.home / "m",
        [
            row(f"serviceAccount:{name}@builds.iam.gserviceaccount.com", after=after)
            for name, after in rows.items()
        ],
    )
    plan = ("--plan", str(zoo.home / "m"))
    code, facts = zoo.run_here("refs", "check", str(zoo.home / "assets.json"), *plan)

    told = [(one["verdict"], one["can_read"], one["fails"]) for one in facts["references"]]
    assert code == 1
    assert told == [
        ("moves", "yes", False),
        ("access-lost", "no", True),
        ("moves", "unknown", False),
        ("moves", "unknown", False),
    ]
    assert facts["references"][3]["can_read_why"] == "the machine has no service account"


@pytest.fixture(name="domains")
def _domains(tmp_path: Path) -> Iterator[Domains]:
    """A redirected project, its baseline, and what became of its names since then."""
    with world(tmp_path) as one:
        one.snapshot()
        yield one


@pytest.mark.slow
def test_names_that_answer_still_and_not_for_everybody(domains: Domains) -> None:
    """A folder is scanned, and its list held against a baseline: each name has its own reason."""
    images = domains.repository("gcr.io").images["web"]
    tagged = images.tags["3.1"]
    (untagged,) = set(images.manifests) - {tagged}
    new = Repository(PROJECT, "us", "web")
    domains.box.store.repositories[PROJECT, "us", "web"] = new
    new.images["web"] = Image()
    new.put_manifest("web", images.manifests[untagged].manifest, "3.1")
    names = {
        "gcr.io/acme-prod/web:3.1": ("exists", ""),
        f"gcr.io/acme-prod/web:3.1@{tagged}": ("exists", ""),
        f"gcr.io/acme-prod/web@{untagged}": ("gone", "no such digest (manifest-unknown"),
        "eu.gcr.io/acme-prod/web:3.1": ("gone", 'NAME_UNKNOWN Repository "eu.gcr.io" not found'),
        "us.gcr.io/acme-prod/job:1": ("access-lost", "anybody could pull it; now "),
        "gcr.io/distroless/static:nonroot": ("stays", ""),
        "mirror.gcr.io/library/redis:7": ("stays", ""),
        "k8s.gcr.io/pause:3.9": ("stays", "registry.k8s.io"),
        "gcr.io/acme-prod/web:${VERSION}": ("open", "no value for VERSION"),
        "us-docker.pkg.dev/acme-prod/web/web:3.1": (
            "tag-moved",
            f"in the baseline gcr.io/acme-prod/web:3.1 to {tagged}",
        ),
    }
    folder = domains.cli.home / "k8s"
    folder.mkdir()
    (folder / "all.yaml").write_text("".join(f"- image: {name}\n" for name in names))
    scanned = domains.cli("refs", "scan", "k8s", "--project", PROJECT, "--json")
    (domains.cli.home / "names.json").write_text(scanned.stdout)
    del domains.box.store.repositories[PROJECT, "europe", "eu.gcr.io"]
    domains.repository("us.gcr.io").bindings = []
    del images.manifests[untagged]

    words = ("--live", "--project", PROJECT, "--baseline", "then.snapshot", "--json")
    done = domains.run("refs", "check", "names.json", *words)
    facts = json.loads(done.stdout)
    jsonschema.validate(facts, json_schema("refs-check"))
    told = {one["text"]: one for one in facts["references"]}
    assert done.returncode == 1
    assert {name: told[name]["verdict"] for name in names} == {n: v for n, (v, _) in names.items()}
    assert {name for name, (_, why) in names.items() if why not in told[name]["reason"]} == set()
    assert [one["line"] for one in facts["references"]] == [*range(1, len(names) + 1)]
    assert {one["file"] for one in facts["references"]} == {"k8s/all.yaml"}
    web = told["us-docker.pkg.dev/acme-prod/web/web:3.1"]
    assert (web["expected"], web["found"]) == (str(tagged), str(untagged))
    assert domains.run("refs", "check", "names.json", *words).stdout == done.stdout

    again = domains.run("refs", "check", "names.json", "--live", "--project", PROJECT, "--json")
    later = {one["text"]: one for one in json.loads(again.stdout)["references"]}
    assert later[web["text"]]["reason"].endswith(f"gcr.io/acme-prod/web:3.1 to {tagged}")
    assert later["us.gcr.io/acme-prod/job:1"]["verdict"] == "exists"
    (domains.cli.home / "names.json").write_text(scanned.stdout[:-9])
    cut = domains.run("refs", "check", "names.json", "--live", "--json")
    assert [one["file"] for one in json.loads(cut.stdout)["unread"]] == ["names.json"]
    assert domains.run("refs", "check", "k8s", "--baseline", "then.snapshot").returncode == 2


def test_what_runs_in_a_project_is_read_from_its_inventory(tmp_path: Path) -> None:
    """With who uses each name; it may be refused, and says then which right it needs."""
    bucket = {"assetType": "storage.googleapis.com/Bucket", "name": "//x/gcr.io/acme-prod/no"}
    assets = [machine("vm", "vm@builds.iam.gserviceaccount.com"), bucket]
    with world(tmp_path, projects=[{"id": PROJECT, "assets": assets}]) as one:
        words = ("refs", "scan", "--live", "--project", PROJECT, "--json")
        done = one.run(*words)
        (found,) = json.loads(done.stdout)["references"]
        assert (done.returncode, found["file"], found["line"]) == (0, f"(assets of {PROJECT})", 1)
        assert found["consumer"]["identity"] == "serviceAccount:vm@builds.iam.gserviceaccount.com"
        refused = one.run(*words, token=DENIED_TOKEN)
        assert (refused.returncode, json.loads(refused.stdout)["code"]) == (4, "denied")
        assert "cloudasset.assets.listResource" in refused.stdout
        for odd in (["scan"], ["scan", "--live"]):
            assert json.loads(one.run("refs", *odd, "--json").stdout)["code"] == "bad-usage"
