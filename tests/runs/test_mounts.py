"""Mounts, counted at the registry: one is tried where they are refused, all at once where not."""

from __future__ import annotations

import json
import os
import re
import signal
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import Digest
from gcr_migrate.sandbox.registry import Registry
from tests.conftest import Cli
from tests.processes import workers_of
from tests.runs.test_workers import until
from tests.zoo import SPEC, Zoo, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

IMAGES: Final = 30  # of two blobs each: one that all have, and one of their own
WITHIN: Final = SPEC.replace("location: europe", "location: us")
PAIRS: Final = 2  # from the source, and within the target from name to name


@contextmanager
def planned(folder: Path) -> Iterator[Zoo]:
    """Plan a migration of all images within one registry."""
    with opened(folder) as zoo:
        for number in range(IMAGES):
            zoo.image(f"app{number}", "1", name=f"layer {number}")
        assert zoo.plan(spec=WITHIN)[0] == 0
        zoo.forget()
        yield zoo


def applied(zoo: Zoo, *options: str) -> int:
    """Apply, which must succeed; return how many blobs were asked to be mounted."""
    code, facts = zoo.run("apply", str(zoo.home / "m"), *options)
    assert (code, facts["outcome"]) == (0, "complete")
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0
    return zoo.asked("POST .*mount=")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("status", [403, 405])
def test_a_registry_that_mounts_nothing_is_asked_once_per_pair(
    tmp_path: Path, status: int, workers: str
) -> None:
    """However many blobs are under way, and in however many processes."""
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", status=status)
        assert applied(zoo, "--workers", workers) == PAIRS


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_upload_that_is_begun_for_a_mount_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """A registry that answers each mount so is asked once for each blob, and left no upload."""
    monkeypatch.setattr(Registry, "_mountable", lambda *_: False)
    with planned(tmp_path) as zoo:
        assert applied(zoo, "--workers", workers) == 2 * IMAGES
        assert zoo.asked("POST .*/blobs/uploads/") == 2 * IMAGES
        assert zoo.asked("PUT .*/artifacts-uploads/") == 2 * IMAGES


def test_mounts_in_vain_are_given_up(tmp_path: Path) -> None:
    """What a registry says to have mounted and lacks is sent, and it is not believed again."""
    at_once = 2
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", status=201, delay_s=0.05)
        assert applied(zoo, "--concurrency", str(at_once)) < 2 * IMAGES
        asked = entries(zoo)
    sent = min(one["n"] for one in asked if one["path"].startswith("/artifacts-uploads/"))
    mounts = [one["n"] for one in asked if re.search("mount=.*from=builds%2Fus.gcr", one["query"])]
    assert mounts
    assert sum(number > sent for number in mounts) <= at_once  # they were on their way


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_layer_that_was_never_mounted_and_cannot_be_sent_fails_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: str
) -> None:
    """It has its own cause, what needs it is blocked, nothing is left as if it were under way."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", status=201)
        broken = Digest.of(b"layer 7")
        zoo.fault(method="PUT", path=f"artifacts-uploads.*{broken.encoded}", status=507)
        code, facts = zoo.run("apply", str(zoo.home / "m"), "--workers", workers)
        assert (code, facts["outcome"]) == (1, "failed"), facts
        told = sorted((one["kind"], one["code"], one["saw"]) for one in facts["failures"])
        assert [one[:2] for one in told] == [
            ("blob", "server-error"),
            ("manifest", "blocked"),
            ("tag", "blocked"),
        ]
        assert f"layer or config {broken}, which failed" in told[1][2]
        counts = zoo.run_here("status", str(zoo.home / "m"))[1]["counts"]
        assert (counts["failed"], counts["pending"]) == (3, 0)
        zoo.heal()
        assert zoo.run("apply", str(zoo.home / "m"))[1]["outcome"] == "complete"
        assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


def test_mounts_that_are_taken_go_side_by_side(tmp_path: Path) -> None:
    """Only the first of a pair goes alone."""
    delay_s = 0.5
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", delay_s=delay_s)
        assert applied(zoo) == 2 * IMAGES
        at = sorted(one["at"] for one in entries(zoo) if "mount=" in one["query"])
    assert at[1] - at[0] >= delay_s
    at_once = max(sum(begun <= one < begun + delay_s for one in at) for begun in at)
    assert at_once >= 8  # of some dozens that there may be


def test_a_first_mount_that_fails_for_a_while_holds_up_nobody(tmp_path: Path) -> None:
    """It is asked again as any request is, and the others go on by its answer."""
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", status=503, times=2)
        zoo.fault(method="POST", path="mount=", status=405)
        assert applied(zoo) == PAIRS + 2


def test_the_death_of_the_worker_that_asks_first_holds_up_nobody(tmp_path: Path) -> None:
    """Another worker asks in its place."""
    with planned(tmp_path) as zoo:
        zoo.fault(method="POST", path="mount=", delay_s=600.0, times=1)
        variables = {
            "GCR_MIGRATE_ENDPOINTS": str(zoo.home / "endpoints.yaml"),
            "GCR_MIGRATE_ACCESS_TOKEN": zoo.box.token,
        }
        command = ("apply", zoo.home / "m", "--workers", "2", "--json")
        with Cli(zoo.home).start(*command, **variables) as process:
            until(lambda: zoo.asked("POST .*mount="), "the first mount")
            for worker in until(lambda: workers_of(process.pid), "a worker"):
                os.kill(worker, signal.SIGKILL)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, f"{out}\n{err}"
        assert json.loads(out)["outcome"] == "complete"
        assert "worker lost" in err
        assert zoo.asked("POST .*mount=") == 2 * IMAGES + 1


def entries(zoo: Zoo) -> list[dict[str, Any]]:
    """Return all requests since the last `forget`, with the time of their arrival."""
    with urllib.request.urlopen(f"{zoo.box.control_url}/requests", timeout=60) as answer:  # noqa: S310  # loopback
        found: list[dict[str, Any]] = json.load(answer)
    return found
