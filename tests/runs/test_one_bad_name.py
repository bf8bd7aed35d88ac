"""What fails for one name alone, and what has to wait, keeps nothing else from its end."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import OCI_MANIFEST
from gcr_migrate.sandbox.registry import Registry
from tests.runs.test_apply_parts import EUROPE, apply, started, there, until
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

WITHIN = SPEC.replace("location: europe", "location: us")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty source, and requests that are not tried again."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as found:
        yield found


def with_layers(zoo: Zoo, path: str, count: int) -> None:
    """Push an image of so many layers of its own."""
    layers = [zoo.blob(path, f"{path} {number}".encode()) for number in range(count)]
    config = zoo.blob(path, f"{path} config".encode())
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
    zoo.push(path, body, "1")


@pytest.mark.parametrize("status", [403, 500])
def test_a_name_that_may_not_be_written_keeps_no_other_back(zoo: Zoo, status: int) -> None:
    """It comes first and has more layers than are sent at once: all others are there all the same.

    Of itself no more is tried than it takes to see that.
    """
    with_layers(zoo, "a", 60)
    for number in range(6):
        zoo.image(f"b{number}", "1", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="POST", path="/a/blobs/uploads/", status=status)
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    assert sorted(there(zoo)) == [f"b{number}" for number in range(6)]
    assert {one["subject"].split("@")[0].split(":")[0] for one in facts["failures"]} == {
        f"{EUROPE}/builds/moved/a"
    }
    blocked = [one for one in facts["failures"] if one["code"] == "blocked"]
    assert all("it needs layer or config sha256:" in one["saw"] for one in blocked)
    assert zoo.asked("^POST .*/a/blobs/uploads/") < 40
    assert facts["kinds"]["blob"]["pending"] > 20


@pytest.mark.parametrize("status", [401, 403, 408, 503])
def test_a_tag_that_may_not_be_set_keeps_back_neither_its_manifest_nor_its_siblings(
    zoo: Zoo, status: int
) -> None:
    """Nor the index above it: whatever ails a single tag fails that tag."""
    child = zoo.image("a", "first", "second", "third", name="child")
    zoo.index("a", "all", of=[child, zoo.image("a", name="other")])
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/first$", status=status)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    assert {one["subject"] for one in facts["failures"]} == {f"{EUROPE}/builds/moved/a:first"}
    assert sorted(there(zoo)["a"]) == ["all", "second", "third"]
    zoo.heal()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("others", [0, 6])
def test_a_tag_refused_by_429_for_ever_fails_alone_where_nothing_else_is_left(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, workers: str, others: int
) -> None:
    """All that could tell that it is no quota waits for it: one write by digest is tried."""
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "2")
    child = zoo.image("a", "first", "second", "third", name="child")
    zoo.index("a", "all", of=[child, zoo.image("a", name="other")])
    for number in range(others):
        zoo.image(f"b{number}", "1", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/first$", status=429)
    code, facts = apply(zoo, "--workers", workers)
    assert (code, facts["outcome"]) == (1, "failed")
    assert {one["subject"] for one in facts["failures"]} == {f"{EUROPE}/builds/moved/a:first"}
    assert sorted(there(zoo)["a"]) == ["all", "second", "third"]
    assert len(there(zoo)) == 1 + others


def test_writes_that_are_refused_by_429_for_ever_end_though_looks_are_answered(
    zoo: Zoo,
) -> None:
    """After each pause a tag is looked at before it is written: that says nothing about writes."""
    for name in ("a", "b"):
        zoo.image(name, name="child")
    assert zoo.migrate() == (0, 0, 0)
    (zoo.home / "m").unlink()
    for name in ("a", "b"):
        zoo.image(name, "1", name="child")
    assert zoo.plan()[0] == 0
    after = {"retry-after": "1"}
    zoo.fault(host=EUROPE, method="PUT", path="/manifests/", status=429, headers=after)
    zoo.forget()
    with started(zoo, "--workers", "1", GCR_MIGRATE_QUOTA_WAIT_S="5") as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 4, out + err
    assert 1 < zoo.asked("^PUT .*/manifests/") < 12


def test_a_layer_refused_by_429_for_ever_keeps_no_other_of_its_name_back(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a tag: only its image fails, and those that share it."""
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "2")
    bad = zoo.image("a", "bad", name="bad")
    for number in range(3):
        zoo.image("a", f"t{number}", name=f"image {number}")
    assert zoo.plan()[0] == 0
    zoo.fault(method="GET", path=f"/a/blobs/{bad.blobs[-1].digest}", status=429)
    code, facts = apply(zoo, "--workers", "1")
    assert (code, facts["outcome"]) == (1, "failed")
    assert sorted(there(zoo)["a"]) == ["t0", "t1", "t2"]
    assert {one["subject"].rpartition("@")[2] for one in facts["failures"]} >= {
        str(bad.blobs[-1].digest)
    }


def test_a_layer_that_all_share_and_nobody_gets_keeps_no_other_back(zoo: Zoo) -> None:
    """The source fails for it under each name, one after the other: that is one cause, not many."""
    shared: dict[str, Any] = {}
    for number in range(20):
        shared = zoo.blob(f"a/{number:02}", b"shared by all")
        config = zoo.blob(f"a/{number:02}", f"config {number}".encode())
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [shared]}
        zoo.push(f"a/{number:02}", body, "1")
    for number in range(6):
        zoo.image(f"b{number}", "1", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.fault(method="GET", path=f"/blobs/.*{shared['digest'][7:]}", status=500)
    assert apply(zoo, "--only", "a/*")[0] == 1
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    assert sorted(there(zoo)) == [f"b{number}" for number in range(6)]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nothing_is_begun_after_a_wish_to_stop_where_requests_wait(zoo: Zoo, workers: str) -> None:
    """At two requests a second many stand in line: they are given back, and a next run goes on."""
    for number in range(30):
        zoo.image(f"a{number}", "1", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.forget()
    with started(zoo, "--max-rate", "2", "--workers", workers) as process:
        until(lambda: zoo.asked("^POST .*/blobs/uploads/"))
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        begun = zoo.asked("^POST .*/blobs/uploads/")
        stopped_at = time.monotonic()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert json.loads(out)["outcome"] == "interrupted"
    assert time.monotonic() - stopped_at < 15
    assert zoo.asked("^POST .*/blobs/uploads/") == begun
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_long_pause_is_not_waited_for_by_who_wants_to_stop(
    zoo: Zoo, method: str, status: int
) -> None:
    """The service asked for most of a minute; a next run finds nothing wrong with what is left."""
    zoo.image("a", "1")
    assert zoo.plan()[0] == 0
    zoo.fault(
        host=EUROPE,
        method=method,
        path="uploads/",
        status=status,
        headers={"retry-after": "50"},
        times=1,
    )
    patient = {"GCR_MIGRATE_QUOTA_WAIT_S": "150", "GCR_MIGRATE_RETRY_TRIES": "3"}
    with started(zoo, **patient) as process:
        until(lambda: zoo.asked(f"^{method} {EUROPE} .*uploads/"))
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, out + err
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")


def test_a_mount_that_is_never_answered_is_done_without(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blob is sent; that this goes well tells that mounts are what ails, for all others too."""
    monkeypatch.setattr(Registry, "_mountable", _raises)
    for number in range(40):
        zoo.image(f"a{number}", "1", name=str(number))
    assert zoo.plan(spec=WITHIN)[0] == 0
    zoo.fault(method="POST", path="mount=", status=408)
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert zoo.asked("POST .*mount=") < 70  # of 80, as some are on their way at once


@pytest.mark.parametrize("status", [408, 504])
def test_a_layer_whose_mount_was_done_without_an_answer_is_not_sent(zoo: Zoo, status: int) -> None:
    """Whoever stands in between had given it up: the target is asked before anything is sent."""
    for number in range(4):
        zoo.image(f"a{number}", "1", name=str(number))
    assert zoo.plan(spec=WITHIN)[0] == 0
    zoo.fault(method="POST", path="mount=", status=status, when="after")
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert facts["bytes"]["transferred"] == 0
    assert not zoo.asked("^(PUT|PATCH) .*/blobs/uploads/")


def _raises(*_: Any) -> bool:
    raise AssertionError("nobody may come here")


@pytest.mark.parametrize("status", [404, 422])
@pytest.mark.parametrize("code", ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_INVALID"])
def test_a_blob_that_a_mount_lied_about_is_sent_whatever_the_registry_says(
    zoo: Zoo, status: int, code: str
) -> None:
    """Registries refuse a manifest that lacks a blob in their own words."""
    zoo.image("a", "1")
    assert zoo.plan(spec=WITHIN)[0] == 0
    zoo.fault(method="POST", path="mount=", status=201)
    body = json.dumps({"errors": [{"code": code}]})
    zoo.fault(method="PUT", path="manifests/", status=status, body=body, times=1)
    done, facts = apply(zoo)
    assert (done, facts["outcome"]) == (0, "complete")
    assert (facts["bytes"]["transferred"], facts["bytes"]["mounted"]) == (3, 0)
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize(
    ("status", "code"), [(404, "MANIFEST_BLOB_UNKNOWN"), (400, "MANIFEST_BLOB_UNKNOWN")]
)
@pytest.mark.parametrize("planned_as_present", [False, True])
def test_a_child_that_the_target_has_lost_is_written_again(
    zoo: Zoo, status: int, code: str, *, planned_as_present: bool
) -> None:
    """By the same file: what the index needs is asked for, and what is gone is brought."""
    child, other = zoo.image("a", name="child"), zoo.image("a", name="other")
    if planned_as_present:
        zoo.image("a", "0", name="child")
        assert zoo.migrate() == (0, 0, 0)
        (zoo.home / "m").unlink()
    zoo.index("a", "1", of=[child, other])
    assert zoo.plan()[0] == 0
    body = json.dumps({"errors": [{"code": code}]})
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=status, body=body, times=1)
    zoo.fault(host=EUROPE, method="HEAD", path=f"/a/manifests/{child.digest}", status=404, times=1)
    zoo.forget()
    done, facts = apply(zoo)
    assert (done, facts["outcome"]) == (0, "complete"), facts
    written = zoo.asked(f"PUT {EUROPE} .*/a/manifests/{child.digest}")
    assert written == (1 if planned_as_present else 2)
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


def test_tags_that_went_with_a_lost_child_come_back_with_it(zoo: Zoo) -> None:
    """They were planned as present, or set by this file; the run is not complete without them."""
    child, other = zoo.image("a", "c", name="child"), zoo.image("a", name="other")
    assert zoo.migrate() == (0, 0, 0)
    (zoo.home / "m").unlink()
    zoo.index("a", "1", of=[child, other])
    assert zoo.plan()[0] == 0
    target = zoo.box.store.repositories["builds", "europe", "moved"].images["a"]
    del target.tags["c"], target.manifests[child.digest]
    done, facts = apply(zoo)
    assert (done, facts["outcome"]) == (0, "complete"), facts
    assert target.tags["c"] == child.digest
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


def test_a_lost_child_that_may_not_be_written_is_a_failure_of_its_own(zoo: Zoo) -> None:
    """What it was refused with is told of it, and not only of its index."""
    child = zoo.image("a", name="child")
    zoo.index("a", "1", of=[child])
    assert zoo.plan()[0] == 0
    body = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=body)
    manifest = f"/a/manifests/{child.digest}"
    zoo.fault(host=EUROPE, method="HEAD", path=manifest, status=404)
    zoo.fault(host=EUROPE, method="PUT", path=manifest, status=403, skip=1)
    done, facts = apply(zoo)
    assert done == 1
    assert facts["counts"]["pending"] == 0
    assert ("manifest", "denied", str(child.digest)) in {
        (one["kind"], one["code"], one["subject"].partition("@")[2]) for one in facts["failures"]
    }


def test_a_child_that_is_never_there_fails_its_index_in_its_own_words(zoo: Zoo) -> None:
    """No name is unknown then, whatever the status says."""
    zoo.index("a", "1", of=[zoo.image("a", name="child")])
    assert zoo.plan()[0] == 0
    body = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=404, body=body)
    done, facts = apply(zoo)
    assert done == 1
    assert {one["code"] for one in facts["failures"]} == {"blob-unknown"}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/a0/blobs/"), ("POST", "/a0/blobs/uploads/")]
)
def test_what_all_share_is_not_refused_with_the_name_that_comes_first(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    """It answers 429 for ever, and all others wait for it: that is no quota that is used up."""
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "2")
    for name in ("a0", "b1", "b2", "b3"):
        zoo.image(name, "1")
    assert zoo.plan()[0] == 0
    zoo.fault(method=method, path=path, status=429)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    assert sorted(there(zoo)) == ["b1", "b2", "b3"]


@pytest.mark.parametrize("spec", [SPEC, WITHIN], ids=["from each other", "from the source"])
def test_layers_whose_mounts_are_refused_by_429_for_ever_are_sent(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    """As where they are refused in any other way."""
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "2")
    for number in range(4):
        zoo.image(f"a{number}", "1")
    assert zoo.plan(spec=spec)[0] == 0
    zoo.fault(method="POST", path="mount=", status=429)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")


def test_images_are_complete_while_others_are_still_sent(zoo: Zoo) -> None:
    """A layer that all share is mounted beside what is sent, and not behind it."""
    for number in range(12):
        zoo.image(f"a{number}", "1", name=f"layer {number} ".ljust(20_000, "x"))
    assert zoo.plan()[0] == 0
    zoo.forget()
    options = ("--max-bandwidth", "50KB", "--concurrency", "2")
    with started(zoo, *options) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    lines = zoo.requests()
    puts = [at for at, line in enumerate(lines) if line.startswith("PUT") and "digest=" in line]
    tags = [at for at, line in enumerate(lines) if line.startswith("PUT") and "/manifests/" in line]
    half = puts[len(puts) // 2]
    assert sum(at < half for at in tags) >= 3


def test_what_is_blocked_says_by_what(zoo: Zoo) -> None:
    """By the layer or the manifest that failed; its own name stands beside that once."""
    child = zoo.image("a", name="child")
    zoo.index("a", "1", of=[child])
    assert zoo.plan()[0] == 0
    layer = child.blobs[-1].digest
    zoo.fault(method="GET", path=f"/blobs/{layer}", status=400)
    code, facts = apply(zoo)
    assert code == 1
    told = {one["saw"] for one in facts["failures"] if one["kind"] == "manifest"}
    assert told == {
        f"it needs layer or config {layer}, which failed",
        f"it needs manifest {child.digest}, which failed",
    }


_SIX: Final = tuple(f"a{number}" for number in range(6))  # more than hold a quarter each


@pytest.mark.parametrize(
    ("method", "names", "large"),
    [
        ("POST", ("a",), False),
        ("POST", _SIX, False),
        ("POST", _SIX, True),
        ("PUT", _SIX, False),
    ],
)
def test_names_that_are_refused_by_429_for_ever_keep_no_other_back(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, method: str, names: tuple[str, ...], *, large: bool
) -> None:
    """They come first and have more than goes at once; that is no quota that is used up for all.

    Nor are they asked on and on for that. It is so for large layers, too, which have less room.
    """
    if large:
        for module in ("copy", "run"):
            monkeypatch.setattr(f"gcr_migrate.apply.{module}.LARGE_BYTES", 1)
    # One name after the other is found out, each by a pause that is twice as long as the last.
    monkeypatch.setattr("gcr_migrate.wire.service._FIRST_PAUSE_S", 0.05)
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "8")
    for name in names:
        with_layers(zoo, name, 20)
    for number in range(6):
        zoo.image(f"b{number}", "1", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method=method, path="/a[0-9]*/", status=429)
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    assert sorted(there(zoo)) == [f"b{number}" for number in range(6)]
    failed = {one["subject"].split("@")[0].rsplit(":", 1)[0] for one in facts["failures"]}
    assert failed == {f"{EUROPE}/builds/moved/{name}" for name in names}
    assert "too-many-requests-for-one" in {one["code"] for one in facts["failures"]}
    assert zoo.asked(f"{method} {EUROPE} .*/a[0-9]*/") <= 30 * len(names)


def test_one_tag_refused_by_429_for_ever_keeps_no_sibling_back(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits alone, and then fails alone; the pauses of all are few, however long it is tried."""
    monkeypatch.setenv("GCR_MIGRATE_QUOTA_WAIT_S", "8")
    for number in range(60):
        zoo.image("a", f"t{number}", name=str(number))
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/t0$", status=429)
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    failed = {one["subject"]: one["code"] for one in facts["failures"] if one["kind"] == "tag"}
    assert failed == {f"{EUROPE}/builds/moved/a:t0": "too-many-requests-for-one"}
    assert sorted(there(zoo)["a"]) == sorted(f"t{number}" for number in range(1, 60))
    assert facts["services"][EUROPE]["paused_s"] < 4
