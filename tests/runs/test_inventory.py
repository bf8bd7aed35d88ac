"""Snapshots of registries, and what changed between any two views of them."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gcr_migrate.cli.main import outcome
from gcr_migrate.cli.tools import json_schema
from tests.conftest import Cli, MakeRegistry
from tests.zoo import SPEC, Zoo, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

US = "us.gcr.io/builds"
HOST = "us-docker.pkg.dev"


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """A source with an index of two, a referrer, and an image of another path."""
    with opened(tmp_path) as zoo:
        children = [zoo.image("team/app", name=name) for name in ("amd64", "arm64")]
        index = zoo.index("team/app", "1", "latest", of=children)
        zoo.image("team/app", "sbom", name="sbom", subject=index)
        zoo.image("web", "v1", name="web-1")
        yield zoo


def _take(zoo: Zoo, name: str, *options: str, of: str = US, code: int = 0) -> dict[str, Any]:
    ended, facts = zoo.run("inventory", of, "-o", str(zoo.home / name), *options)
    assert ended == code, facts
    jsonschema.validate(facts, json_schema("inventory" if "counts" in facts else "error"))
    return facts


def _compare(zoo: Zoo, before: str, after: str, *options: str, code: int) -> dict[str, Any]:
    sides = [str(zoo.home / one) if (zoo.home / one).exists() else one for one in (before, after)]
    ended, facts = zoo.run("compare", *sides, *options)
    assert ended == code, facts
    jsonschema.validate(facts, json_schema("compare" if "counts" in facts else "error"))
    return facts


def _said(facts: dict[str, Any]) -> set[str]:
    """Return the differences of tags and images, a line each."""
    lines = set()
    for image in facts["images"]:
        name = image["image"].removeprefix(f"{US}/")
        if image["change"] != "changed":
            lines.add(f"{image['change']} {name}")
        lines |= {f"{tag['change']} {name}:{tag['tag']}" for tag in image["tags"]}
    return lines


def test_a_snapshot_holds_everything_that_the_registry_shows(zoo: Zoo) -> None:
    """Images, tags, untagged manifests, entries of indexes and subjects are counted and kept."""
    facts = _take(zoo, "a.snapshot")
    assert facts["complete"]
    counts = facts["counts"]
    assert (counts["images"], counts["children"], counts["attached"]) == (2, 3, 1)
    assert {"1", "latest", "sbom", "v1"} <= set(_tags(zoo))
    assert counts["tags"] == len(_tags(zoo))
    with sqlite3.connect(zoo.home / "a.snapshot") as connection:
        kept = dict(connection.execute("SELECT digest, raw FROM manifest").fetchall())
    connection.close()
    shown = [m for i in zoo.repository.images.values() for m in i.manifests]
    assert set(kept) == {str(digest) for digest in shown}
    assert set(kept.values()) == {None}


def _tags(zoo: Zoo) -> list[str]:
    """Return the tags as any other program reads them from the file."""
    connection = sqlite3.connect(zoo.home / "a.snapshot")
    sql = (
        "SELECT i.name, t.tag, m.digest FROM image_tag t JOIN image i ON i.id = t.image_id"
        " JOIN manifest m ON m.id = t.manifest_id"
    )
    rows = connection.execute(sql).fetchall()
    connection.close()
    assert all(name.startswith(f"{US}/") and ":" in digest for name, _, digest in rows)
    return [tag for _, tag, _ in rows]


def test_bytes_of_manifests_are_kept_where_that_is_wished(zoo: Zoo) -> None:
    """They are those of the registry, byte for byte."""
    _take(zoo, "a.snapshot", "--with-manifests")
    connection = sqlite3.connect(zoo.home / "a.snapshot")
    kept = {bytes(row[0]) for row in connection.execute("SELECT raw FROM manifest").fetchall()}
    connection.close()
    held = [m for i in zoo.repository.images.values() for m in i.manifests.values()]
    assert kept == {stored.manifest.raw for stored in held}


def test_a_snapshot_is_not_written_over_unless_that_is_wished(zoo: Zoo) -> None:
    """A baseline is lost by nobody's mistake; what is no snapshot is never replaced."""
    _take(zoo, "a.snapshot")
    before = (zoo.home / "a.snapshot").read_bytes()
    assert _take(zoo, "a.snapshot", code=2)["errors"][0]["code"] == "bad-usage"
    assert (zoo.home / "a.snapshot").read_bytes() == before
    _take(zoo, "a.snapshot", "--force")
    (zoo.home / "notes").write_text("mine")
    _take(zoo, "notes", "--force", code=2)
    assert (zoo.home / "notes").read_text() == "mine"


def test_what_could_not_be_listed_makes_a_snapshot_incomplete(zoo: Zoo) -> None:
    """It is taken, names what is missing, exits 3, and is never called equal to anything."""
    _take(zoo, "whole")
    zoo.fault(host=HOST, path="/team/app/manifests/", status=403)
    facts = _take(zoo, "part", "--no-cache", code=3)
    assert not facts["complete"]
    assert (f"{US}/team/app", "listing-failed") in {
        (one["subject"], one["code"]) for one in facts["findings"]
    }
    assert _compare(zoo, "part", "part", code=3)["outcome"] == "incomplete"
    told = _compare(zoo, "whole", "part", code=3)
    assert [one["subject"] for one in told["after"]["findings"]] == [f"{US}/team/app"]
    assert told["before"]["findings"] == []


def test_what_cannot_be_read_is_named_and_does_not_pass_for_success(zoo: Zoo) -> None:
    """A manifest that is listed and gone ends the inventory with 1, though all was listed."""
    zoo.lose("team/app", zoo.image("team/app", name="amd64"))
    facts = _take(zoo, "a.snapshot", code=1)
    assert facts["complete"]
    named = {one["code"] for one in (*facts["left_out"], *facts["findings"])}
    assert named & {"child-missing", "manifest-unknown"}


def test_a_snapshot_and_a_plan_share_a_cache(zoo: Zoo) -> None:
    """What an inventory has read, a plan of the same source does not fetch."""
    facts = _take(zoo, "a.snapshot")
    assert facts["cache"]["found"] == 0
    fetched = zoo.asked("^GET .*/manifests/")
    (zoo.home / "s.yaml").write_text(SPEC)
    assert zoo.run("plan", str(zoo.home / "s.yaml"), "-o", str(zoo.home / "m"))[0] == 0
    assert zoo.asked("^GET .*/manifests/") == fetched
    assert _take(zoo, "b.snapshot")["cache"] == {"found": fetched, "fetched": 0}


def test_added_removed_and_retagged_are_told_apart(zoo: Zoo) -> None:
    """Each with its image, and a tag that moved with the digests before and after."""
    _take(zoo, "monday")
    old = zoo.repository.images["web"].tags["v1"]
    new = zoo.image("web", "v1", name="web-1b")
    zoo.image("web", "v2", name="web-2")
    zoo.image("api", "1", name="api")
    del zoo.repository.images["team/app"].tags["latest"]
    _take(zoo, "tuesday")
    facts = _compare(zoo, "monday", "tuesday", code=1)
    changed = {"added api", "added api:1", "added web:v2", "retagged web:v1"}
    assert _said(facts) == changed | {"removed team/app:latest"}
    (moved,) = [t for i in facts["images"] for t in i["tags"] if t["change"] == "retagged"]
    assert (moved["old"], moved["new"]) == (str(old), str(new.digest))
    assert facts["counts"]["tag"] == {"added": 2, "removed": 1, "retagged": 1}
    assert facts["counts"]["image"] == {"added": 1, "removed": 0, "retagged": 0}
    assert facts["counts"]["manifest"] == {"added": 3, "removed": 0, "retagged": 0}


def test_a_snapshot_can_be_compared_with_what_is_there_now(zoo: Zoo) -> None:
    """A registry is read as it is now, and what came meanwhile is told."""
    _take(zoo, "monday")
    assert _compare(zoo, "monday", US, code=0)["outcome"] == "equal"
    zoo.image("web", "v2", name="web-2")
    assert _said(_compare(zoo, "monday", US, code=1)) == {"added web:v2"}


def test_a_plan_compares_as_the_source_that_it_was_made_from(zoo: Zoo) -> None:
    """Also with what it leaves out; and what came after planning is told."""
    _take(zoo, "monday")
    spec = zoo.home / "s.yaml"
    spec.write_text(SPEC + "select: {untagged: false, attachments: false}\n")
    code, plan = zoo.run("plan", str(spec), "-o", str(zoo.home / "m"))
    assert code == 0
    assert plan["left_out"]
    assert _compare(zoo, "monday", "m", code=0)["outcome"] == "equal"
    zoo.image("web", "v2", name="web-2")
    assert _said(_compare(zoo, "m", US, code=1)) == {"added web:v2"}


def test_the_target_of_a_plan_compares_with_what_was_written(zoo: Zoo) -> None:
    """After `apply` the repository holds what the plan says of its target."""
    (zoo.home / "s.yaml").write_text(SPEC)
    assert zoo.run("plan", str(zoo.home / "s.yaml"), "-o", str(zoo.home / "m"))[0] == 0
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    there = "europe-docker.pkg.dev/builds/moved"
    facts = _compare(zoo, "m", there, "--target", code=0)
    assert (facts["compared_by"], facts["before"]["kind"]) == ("name", "migration")
    # Also by path: each side has one root.
    assert _compare(zoo, US, there, code=0)["compared_by"] == "path"
    moved = zoo.box.store.repositories["builds", "europe", "moved"]
    moved.images["web"].tags["v1"] = next(iter(moved.images["team/app"].manifests))
    assert [i["image"] for i in _compare(zoo, "m", there, "--target", code=1)["images"]]


def test_the_repository_behind_a_gcr_name_is_that_name(zoo: Zoo) -> None:
    """Both names of one repository mean the same images, by their whole names."""
    facts = _compare(zoo, US, f"{HOST}/builds/us.gcr.io", code=0)
    assert facts["compared_by"] == "name"


def test_a_list_of_attached_things_is_compared_by_what_it_lists(zoo: Zoo) -> None:
    """The registry's own list changes with a new signature; the signature is the difference."""
    _take(zoo, "monday")
    index = zoo.repository.images["team/app"].find("1")
    assert index is not None
    new = zoo.image("team/app", name="later", subject=index.manifest)
    (image,) = _compare(zoo, "monday", US, code=1)["images"]
    assert image["manifests_added"] == [str(new.digest)]
    assert image["manifests_removed"] == image["tags"] == []


def test_a_part_is_read_and_compared_by_whole_names(zoo: Zoo) -> None:
    """A folder of images is taken alone; what is elsewhere is not in its snapshot."""
    assert _take(zoo, "part", of=f"{US}/team")["counts"]["images"] == 1
    _take(zoo, "all")
    assert _said(_compare(zoo, "part", "all", code=1)) == {"added web", "added web:v1"}


@pytest.mark.parametrize("target", ["builds", f"{HOST}/builds", f"{HOST}/builds/us.gcr.io/team"])
def test_any_name_of_a_place_is_taken(zoo: Zoo, target: str) -> None:
    """A project, a location of a project, and a folder of a repository are read alike."""
    facts = _take(zoo, "a.snapshot", of=target)
    assert facts["counts"]["images"] == (1 if target.endswith("team") else 2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("inventory", "us.gcr.io/builds/web:v1"), "bad-usage"),
        (("inventory", "monday.snapshot"), "file-missing"),
        (("inventory", "no project"), "bad-name"),
        (("compare", "us.gcr.io/builds", "gone.snapshot"), "file-missing"),
        (("compare", "us.gcr.io/builds", "us.gcr.io/builds", "--target"), "bad-usage"),
    ],
)
def test_what_names_nothing_to_be_read_is_refused(
    zoo: Zoo, words: tuple[str, ...], code: str
) -> None:
    """With what is wrong about it, and before anything is written."""
    ended, facts = zoo.run(*words)
    assert (ended, facts["errors"][0]["code"]) == (2, code)


def test_a_registry_that_answers_nothing_is_out_of_reach(zoo: Zoo) -> None:
    """Nothing is written, and the exit status tells it from a difference."""
    zoo.fault(host=HOST, path="tags/list", status=403)
    zoo.fault(host="artifact_registry", status=403)
    _take(zoo, "a.snapshot", code=4)
    assert not (zoo.home / "a.snapshot").exists()
    assert not list(zoo.home.glob("*.draft"))


def test_people_read_a_fold_and_can_have_all(zoo: Zoo, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts are whole, lines are few, and `--full` lists every one."""
    _take(zoo, "monday")
    for number in range(30):
        zoo.image("web", f"n{number}", name=f"n-{number}")
    _take(zoo, "tuesday")
    files = [str(zoo.home / name) for name in ("monday", "tuesday")]
    capsys.readouterr()
    assert outcome(["compare", *files]) == 1
    folded = capsys.readouterr().out
    assert outcome(["compare", *files, "--full"]) == 1
    full = capsys.readouterr().out
    assert "and 50 more: --full" in folded
    assert sum(1 for line in full.splitlines() if line.startswith("      + :n")) == 30
    assert "30" in folded.partition("  tags")[2].partition("\n")[0]


def _cached(zoo: Zoo) -> int:
    """Count the manifests that an inventory has kept up to now."""
    path = zoo.home / "builds.cache"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM manifest").fetchone()[0])
    except sqlite3.OperationalError:  # it is just being made
        return 0
    finally:
        connection.close()


def test_an_interrupted_inventory_leaves_no_file_and_what_it_read(zoo: Zoo) -> None:
    """Ctrl-C ends with 130; the next inventory fetches only what was not read."""
    zoo.fault(host=HOST, method="GET", path="/manifests/", skip=4, delay_s=600.0, times=1)
    variables = {"GCR_MIGRATE_ENDPOINTS": str(zoo.home / "endpoints.yaml")}
    variables["GCR_MIGRATE_ACCESS_TOKEN"] = zoo.box.token
    with Cli(zoo.home).start("inventory", US, "-o", "a.snapshot", **variables) as process:
        until = time.monotonic() + 30
        while _cached(zoo) < 4:  # all but the one that waits
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert sorted(path.name for path in zoo.home.glob("a.snapshot*")) == []
    facts = _take(zoo, "a.snapshot")
    assert facts["cache"]["found"] >= 3
    assert facts["cache"]["fetched"] >= 1


@pytest.mark.needs("docker-registry")
@pytest.mark.needs("skopeo")
def test_real_registries_are_kept_and_compared(cli: Cli, make_registry: MakeRegistry) -> None:
    """Two of them, filled by another client, differ by what that client did to one."""
    one, two = make_registry(), make_registry()
    layout = _layout(cli.home / "layout", b"one")
    for registry in (one, two):
        for name in ("team/app:1", "team/app:2", "web:1"):
            _skopeo(layout, f"{registry.host}/{name}")

    def run(*args: str) -> tuple[int, dict[str, Any]]:
        done = cli(*args, "--json")
        return done.returncode, json.loads(done.stdout)

    code, facts = run("inventory", one.host, "-o", "one.snapshot")
    assert (code, facts["counts"]["images"], facts["counts"]["tags"]) == (0, 2, 3)
    code, facts = run("compare", "one.snapshot", two.host)
    assert (code, facts["outcome"], facts["compared_by"]) == (0, "equal", "path")
    _skopeo(_layout(cli.home / "other", b"two"), f"{two.host}/team/app:2")
    code, facts = run("compare", "one.snapshot", two.host)
    assert code == 1
    assert [i["image"] for i in facts["images"]] == ["team/app"]
    assert [(t["tag"], t["change"]) for t in facts["images"][0]["tags"]] == [("2", "retagged")]
    code, facts = run("inventory", f"{one.host}/team", "-o", "team.snapshot")
    assert (code, facts["counts"]["images"], facts["cache"]["fetched"]) == (0, 1, 0)


def _skopeo(layout: Path, name: str) -> None:
    words = ["--insecure-policy", "copy", "--dest-tls-verify=false", "--preserve-digests"]
    source = ["skopeo", *words, f"oci:{layout}:x", f"docker://{name}"]
    subprocess.run(source, check=True, capture_output=True)


def _layout(folder: Path, text: bytes) -> Path:
    """Write an image of one layer in OCI's layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media_type = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    diff = f"sha256:{hashlib.sha256(text).hexdigest()}"
    config = {"architecture": "amd64", "os": "linux"} | {
        "rootfs": {"type": "layers", "diff_ids": [diff]}
    }
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "config.v1+json"),
        "layers": [put(text, "layer.v1.tar")],
    }
    entry = put(json.dumps(body).encode(), "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "x"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return folder
