"""What the target has lost after it took it comes back: by this run, or by the next one."""

from __future__ import annotations

import json
import signal
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import OCI_MANIFEST
from gcr_migrate.sandbox.store import Repository
from tests.runs.test_apply_parts import EUROPE, TARGET, apply, started, until
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Manifest
    from gcr_migrate.sandbox.images import Image
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

REFUSED: Final = json.dumps({"errors": [{"code": "MANIFEST_BLOB_UNKNOWN"}]})
FROM_BEFORE: Final = pytest.mark.parametrize("before", [False, True], ids=["run", "plan"])


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty source, and requests that are not tried again."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as found:
        yield found


def family(zoo: Zoo, *, before: bool) -> Manifest:
    """Plan an index of two children, of which the first one has a tag; return that child.

    Args:
        zoo: where they are pushed.
        before: children were copied before this plan was made, which finds them at the target.
    """
    child, other = zoo.image("a", "c", name="child"), zoo.image("a", name="other")
    if before:
        assert zoo.migrate() == (0, 0, 0)
        (zoo.home / "m").unlink()
    zoo.index("a", "1", of=[child, other])
    zoo.image("b", "1", name="another")
    assert zoo.plan()[0] == 0
    return child


def target(zoo: Zoo) -> Image:
    """Return what the target has under the name of the family."""
    return zoo.box.store.repositories[TARGET].images["a"]


def lost_at_once(zoo: Zoo, child: Manifest) -> None:
    """Let the target lose a child when its index is about to be written, once."""
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=REFUSED, times=1)
    path = f"/a/manifests/{child.digest}"
    zoo.fault(host=EUROPE, method="HEAD", path=path, status=404, times=1)


def lost_meanwhile(zoo: Zoo, child: Manifest) -> None:
    """Let the target lose a child and its tag while its index is written, which takes a second."""
    until(lambda: zoo.asked("^PUT .*/a/manifests/1"))
    del target(zoo).tags["c"], target(zoo).manifests[child.digest]


def ended_well(zoo: Zoo) -> None:
    """Apply the same file once more, which has to bring what is missing."""
    code, facts = apply(zoo)
    assert (code, facts["outcome"], facts["counts"]["failed"]) == (0, "complete", 0)
    assert set(target(zoo).tags) == {"1", "c"}
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@FROM_BEFORE
def test_a_tag_that_went_with_a_child_and_is_refused_is_set_by_the_next_run(
    zoo: Zoo, *, before: bool
) -> None:
    """It fails alone, as any tag does, whoever had set it."""
    child = family(zoo, before=before)
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", delay_s=1.0, times=1)
    times = {"skip": 0 if before else 1}
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/c$", status=403, times=1, **times)
    with started(zoo, GCR_MIGRATE_RETRY_TRIES="1") as process:
        lost_meanwhile(zoo, child)
        out, _ = process.communicate(timeout=60)
    facts = json.loads(out)
    told = [(one["kind"], one["code"]) for one in facts["failures"]]
    assert (process.returncode, told) == (1, [("tag", "denied")])
    ended_well(zoo)


@FROM_BEFORE
def test_a_child_that_cannot_be_written_again_is_written_by_the_next_run(
    zoo: Zoo, *, before: bool
) -> None:
    """It is a failure also where the plan had found it there, and no failure any more then."""
    child = family(zoo, before=before)
    lost_at_once(zoo, child)
    zoo.fault(
        host=EUROPE,
        method="PUT",
        path=f"/a/manifests/{child.digest}",
        status=403,
        times=1,
    )
    code, facts = apply(zoo)
    told = {(one["kind"], one["code"]) for one in facts["failures"]}
    assert (code, told) == (
        1,
        {("manifest", "denied"), ("manifest", "blocked"), ("tag", "blocked")},
    )
    ended_well(zoo)


def test_a_child_that_two_indexes_lack_is_written_once(zoo: Zoo) -> None:
    """Both wait for it; it can neither fail for the one nor be there for the other."""
    child, others = zoo.image("a", name="child"), [zoo.image("a", name=f"{n}") for n in range(2)]
    for number, other in enumerate(others):
        zoo.index("a", str(number), of=[child, other])
    zoo.image("b", "1", name="another")
    assert zoo.plan()[0] == 0
    path, indexes = f"/a/manifests/{child.digest}", "/manifests/[01]$"
    refused = {"status": 400, "body": REFUSED, "delay_s": 1.0, "times": 2}  # at about one time
    zoo.fault(host=EUROPE, method="PUT", path=indexes, **refused)
    zoo.fault(host=EUROPE, method="HEAD", path=path, status=404, times=2)
    zoo.fault(host=EUROPE, method="PUT", path=path, status=403, delay_s=1.0, skip=1, times=1)
    code, facts = apply(zoo)
    assert (code, zoo.asked(f"PUT {EUROPE} .*{path}")) == (1, 2)
    assert {one["code"] for one in facts["failures"]} == {"denied", "blocked"}
    assert apply(zoo)[1]["outcome"] == "complete"


@FROM_BEFORE
def test_a_stop_between_a_child_and_its_tag_leaves_the_tag_pending(
    zoo: Zoo, *, before: bool
) -> None:
    """The run does not end as complete, and the next one sets the tag."""
    child = family(zoo, before=before)
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", delay_s=1.0, times=1)
    skip, path, later = 0 if before else 1, "/a/manifests/c$", {"retry-after": "50"}
    zoo.fault(host=EUROPE, method="PUT", path=path, status=503, headers=later, skip=skip, times=1)
    zoo.forget()
    with started(zoo, GCR_MIGRATE_RETRY_TRIES="3") as process:
        lost_meanwhile(zoo, child)
        until(lambda: zoo.asked("^PUT .*/manifests/c") > skip)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    facts = json.loads(out)
    assert (process.returncode, facts["outcome"]) == (130, "interrupted")
    assert facts["counts"]["pending"] > 0
    ended_well(zoo)


@FROM_BEFORE
def test_a_layer_that_cannot_be_sent_again_is_sent_by_the_next_run(
    zoo: Zoo, *, before: bool
) -> None:
    """It fails with its own cause also where the plan had found it there."""
    layer, config = zoo.blob("a", b"layer"), zoo.blob("a", b"config")
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config}
    body["layers"] = [layer]
    zoo.push("a", body, "c")
    if before:
        assert zoo.migrate() == (0, 0, 0)
        (zoo.home / "m").unlink()
    zoo.push("a", body | {"annotations": {"x": "y"}}, "1")
    zoo.image("b", "1", name="another")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=REFUSED, times=1)
    path = f"/a/blobs/{layer['digest']}"
    zoo.fault(host=EUROPE, method="HEAD", path=path, status=404, times=1)
    encoded = str(layer["digest"]).partition(":")[2]
    skip = 0 if before else 1
    zoo.fault(method="PUT", path=f"artifacts-uploads.*{encoded}", status=403, times=1, skip=skip)
    code, facts = apply(zoo)
    told = {(one["kind"], one["code"]) for one in facts["failures"]}
    assert (code, told) == (1, {("blob", "denied"), ("manifest", "blocked"), ("tag", "blocked")})
    ended_well(zoo)


def test_a_stop_is_heard_while_lost_layers_are_sent_again(zoo: Zoo) -> None:
    """What is under way comes to its end, and nothing else is begun."""
    at_once, count = 2, 30
    layers = [zoo.blob("a", f"{n} ".encode().ljust(1_000, b"x")) for n in range(count)]
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": zoo.blob("a", b"{}")}
    zoo.push("a", body | {"layers": layers}, "1")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=REFUSED, times=1)
    zoo.fault(host=EUROPE, method="HEAD", path="/a/blobs/", status=404)
    zoo.fault(method="PUT", path="digest=", delay_s=0.5, skip=count + 1)
    zoo.forget()

    def sent() -> int:
        return zoo.asked("^PUT .*digest=")

    with started(zoo, "--concurrency", str(at_once)) as process:
        until(lambda: sent() > count + 1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        before = sent()
        out, _ = process.communicate(timeout=120)
    assert (process.returncode, json.loads(out)["outcome"]) == (130, "interrupted")
    assert sent() - before <= at_once


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_upload_that_a_stop_ends_after_a_503_is_pending_and_not_sent_again(
    zoo: Zoo, workers: str
) -> None:
    """Whether it came nobody knows: it has not failed, and the next run asks the target first."""
    for number in range(12):
        zoo.image("a", f"t{number}", name=f"layer {number}")
    assert zoo.plan()[0] == 0
    later = {"retry-after": "100"}
    zoo.fault(method="PUT", path="artifacts-uploads", status=503, headers=later, skip=2)
    zoo.forget()
    tries = {"GCR_MIGRATE_RETRY_TRIES": "6"}
    with started(zoo, "--workers", workers, **tries) as process:
        until(lambda: zoo.asked("^PUT .*/artifacts-uploads/") > 2)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    facts = json.loads(out)
    assert (process.returncode, facts["outcome"]) == (130, "interrupted")
    assert (facts["counts"]["failed"], facts["failures"]) == (0, [])
    assert facts["counts"]["pending"] > 0
    zoo.heal()
    assert apply(zoo)[1]["outcome"] == "complete"
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


def test_a_tag_that_was_set_a_moment_ago_comes_back_with_its_child(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes well is written down a little later: it is known of at once all the same."""
    family(zoo, before=False)
    puts, lost = Repository.put_manifest, list[str]()

    def put(to: Repository, path: str, manifest: Manifest, tag: str | None, *at_ms: int) -> None:
        puts(to, path, manifest, tag, *at_ms)
        if to is not zoo.repository and tag == "c" and not lost:
            lost.append(tag)
            del to.images[path].tags[tag], to.images[path].manifests[manifest.digest]

    monkeypatch.setattr(Repository, "put_manifest", put)
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=REFUSED, times=1)
    code, facts = apply(zoo)
    assert (code, facts["outcome"], lost) == (0, "complete", ["c"])
    assert set(target(zoo).tags) == {"1", "c"}


def test_a_layer_that_is_sent_again_is_not_brought_beside_that(zoo: Zoo) -> None:
    """Another manifest that needs it, and is read meanwhile, waits for how that ends."""
    layer, config = zoo.blob("a", b"layer"), zoo.blob("a", b"config")
    body: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config}
    body["layers"] = [layer]
    zoo.push("a", body, "c")
    assert zoo.migrate() == (0, 0, 0)
    (zoo.home / "m").unlink()
    zoo.push("a", body | {"annotations": {"x": "first"}}, "1")
    for number in range(100):  # more than are looked at together
        own = zoo.blob("a", f"own {number}".encode())
        zoo.push("a", body | {"layers": [own]}, f"t{number}")
    zoo.push("a", body | {"annotations": {"x": "last"}}, "2")
    zoo.image("b", "1", name="another")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/1$", status=400, body=REFUSED, times=1)
    path = f"/a/blobs/{layer['digest']}"
    zoo.fault(host=EUROPE, method="HEAD", path=path, status=404, times=1)
    encoded = str(layer["digest"]).partition(":")[2]
    upload = f"artifacts-uploads.*{encoded}"
    zoo.fault(method="PUT", path=upload, status=403, delay_s=5.0, times=1)
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, zoo.asked(f"PUT .*{upload}")) == (1, 1)
    assert {one["code"] for one in facts["failures"]} == {"denied", "blocked"}
    assert apply(zoo)[1]["outcome"] == "complete"


def test_a_second_tag_finds_that_a_layer_was_lost(zoo: Zoo) -> None:
    """Its manifest is there by all that is known: what it lacks is sent as for the first one."""
    image = zoo.image("a", "1", "2", name="x")
    zoo.image("b", "1", name="another")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/2$", status=403, times=1)
    assert apply(zoo)[0] == 1
    target(zoo).blobs.discard(image.blobs[-1].digest)
    target(zoo).manifests.clear()
    target(zoo).tags.clear()
    assert apply(zoo)[1]["outcome"] == "complete"
    assert image.blobs[-1].digest in target(zoo).blobs
    assert "2" in target(zoo).tags


def test_a_manifest_whose_layer_another_one_had_sent_again_is_written(zoo: Zoo) -> None:
    """It was refused before that and asks after it: nothing is missing then, whatever it hears."""
    zoo.image("a", "1", name="one")
    config = zoo.image("a", "2", name="two").blobs[0].digest  # of both
    assert zoo.plan()[0] == 0
    invalid = json.dumps({"errors": [{"code": "MANIFEST_INVALID"}]})
    path = "/a/manifests/1$"
    zoo.fault(host=EUROPE, method="PUT", path=path, status=400, body=REFUSED, times=1)
    late = {"status": 400, "body": invalid, "delay_s": 1.0, "times": 1}
    zoo.fault(host=EUROPE, method="PUT", path="/a/manifests/2$", **late)
    zoo.fault(host=EUROPE, method="HEAD", path=f"/a/blobs/{config}", status=404, times=1)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
