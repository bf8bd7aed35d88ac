"""Level deep, by all blobs or a sample, within budgets, and in parts: what is told is true."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Cli
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

IMAGES = 20  # each with a layer of its own; the configuration is one for all
SIZE = 300


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """Twenty images at the place where a snapshot of them was taken."""
    with opened(tmp_path) as one:
        for number in range(IMAGES):
            one.image(f"team/app-{number:02}", "1", name=f"{number:0{SIZE}}")
        spec = one.home / "spec.yaml"
        spec.write_text(
            "source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}\n"
            "target: {location: europe}\n"
            'routes: [{match: "**", repository: moved}]\n'
        )
        assert one.run("inventory", str(spec), "-o", str(one.home / "then"))[0] == 0
        yield one


HELD_S = 600.0  # longer than any test


def _verified(zoo: Zoo, *options: str) -> tuple[int, dict[str, Any]]:
    return zoo.run("verify", str(zoo.home / "then"), *options)


def _spoil(zoo: Zoo, *numbers: int) -> None:
    """Change bytes of the layers of some images, and leave their sizes."""
    for number in numbers:
        (layer,) = (
            digest
            for digest in zoo.repository.images[f"team/app-{number:02}"].blobs
            if zoo.box.store.blob_file(digest).stat().st_size == SIZE
        )
        zoo.box.store.blob_file(layer).write_bytes(b"!" * SIZE)


def test_every_byte_is_read_once(zoo: Zoo) -> None:
    """A blob that all images share is read once; what was spoiled on the disk is named."""
    zoo.forget()
    code, facts = _verified(zoo, "--level", "deep")
    assert (code, facts["outcome"]) == (0, "proven")
    assert facts["levels"]["deep"]["ok"] == IMAGES + 1
    assert facts["findings"] == []
    assert facts["sample"]["sentence"] == f"all {IMAGES + 1} checked, 0 bad"
    assert zoo.asked("GET .*downloads") == IMAGES + 1
    _spoil(zoo, 3, 17)
    code, facts = _verified(zoo, "--level", "deep", "--level", "blobs")
    assert (code, facts["outcome"]) == (1, "differs")
    assert facts["levels"]["blobs"]["wrong"] == 0  # their sizes are right
    found = [(one["code"], one["subject"].partition("@")[0]) for one in facts["findings"]]
    assert found == [
        ("bytes-differ", "us.gcr.io/builds/team/app-03"),
        ("bytes-differ", "us.gcr.io/builds/team/app-17"),
    ]


def test_a_sample_says_that_it_is_one(zoo: Zoo) -> None:
    """What is told of all holds for what is on the disk, and a seed draws the same again."""
    bad = [0, 4, 9, 11, 17]
    _spoil(zoo, *bad)
    found: set[str] = set()
    sample: dict[str, Any] = {}
    options: tuple[str, ...] = ()
    for seed in range(5):
        options = ("--level", "deep", "--sample", "8", "--seed", str(seed))
        code, facts = _verified(zoo, *options)
        sample = facts["sample"]
        assert (sample["population"], sample["wanted"], sample["checked"]) == (21, 8, 8)
        assert sample["bad"] == len(facts["findings"]) == facts["levels"]["deep"]["wrong"]
        assert (code, facts["outcome"]) == ((1, "differs") if sample["bad"] else (0, "proven"))
        assert "8 of 21 checked" in sample["sentence"]
        assert "% confidence" in sample["sentence"]
        found |= {one["subject"] for one in facts["findings"]}
    assert len(found) > 2  # other seeds draw others
    assert _verified(zoo, *options)[1]["sample"] == sample
    assert _verified(zoo, "--level", "deep", "--sample", "5%")[1]["sample"]["wanted"] == 2


@pytest.mark.parametrize(("requests", "bytes_"), [(60, 10**6), (90, 9_000), (10**6, 7_000)])
def test_no_budget_is_exceeded_and_the_next_runs_come_to_the_end(
    zoo: Zoo, requests: int, bytes_: int
) -> None:
    """Each run sends no more than it may, is never green before the end, and asks nothing again."""
    budget = ("--budget", str(requests), "--budget-bytes", f"{bytes_}B")
    levels = ("--level", "tags", "--level", "manifests", "--level", "deep")
    asked: Counter[str] = Counter()
    code, runs = 4, 0
    facts: dict[str, Any] = {}
    while code == 4 and runs < 20:
        runs += 1
        zoo.forget()
        code, facts = _verified(zoo, *levels, *budget)
        sent = zoo.requests()
        assert len(sent) <= requests
        asked.update(one for one in sent if "/manifests/" in one or "/tags/list" in one)
        if code == 4:
            assert facts["outcome"] == "unproven"
            assert {one["code"] for one in facts["findings"]} == {"budget-spent"}
            assert (zoo.home / "then.verifying").exists()
    assert runs > 1
    assert (code, facts["outcome"]) == (0, "proven")
    assert facts["levels"]["deep"]["ok"] == IMAGES + 1
    assert 0 < facts["earlier"]["checks"] < 3 * IMAGES + 1
    assert not (zoo.home / "then.verifying").exists()
    # An answer that did not fit is asked for once more; else nothing is, of all the runs together.
    again = sum(asked.values()) - len(asked)
    assert again <= (runs - 1) * 8 if bytes_ < 10**6 else not again


def test_a_part_of_another_question_is_not_believed(zoo: Zoo) -> None:
    """Other levels, or `--resume-within 0`, begin anew."""
    assert _verified(zoo, "--level", "tags", "--budget", "40")[0] == 4
    assert _verified(zoo, "--level", "tags", "--level", "manifests")[1]["earlier"] is None
    assert _verified(zoo, "--level", "tags", "--budget", "40")[0] == 4
    facts = _verified(zoo, "--level", "tags", "--resume-within", "0")[1]
    assert (facts["outcome"], facts["earlier"]) == ("proven", None)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_cut_off_goes_on(zoo: Zoo, how: signal.Signals) -> None:
    """What it had found right is asked nowhere again, and the proof says when that was."""
    zoo.fault(path="^/artifacts-downloads/", skip=15, delay_s=HELD_S)
    zoo.forget()
    cli = Cli(zoo.home)
    words = ("verify", "then", "--level", "manifests", "--level", "deep", "--json")
    login = _login(zoo)
    kept = zoo.home / "then.verifying"
    with cli.start(*words, **login) as process:
        _wait(lambda: _kept(kept) == IMAGES + 15)
        process.send_signal(how)
    assert zoo.asked("GET .*/manifests/") == IMAGES
    zoo.box.faults.rules.clear()
    zoo.forget()
    done = cli(*words, **login)
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["outcome"]) == (0, "proven")
    assert facts["earlier"]["checks"] == IMAGES + 15
    assert zoo.asked("/manifests/") == 0
    assert zoo.asked("GET .*downloads") == IMAGES + 1 - 15
    assert zoo.asked("GET .*/blobs/") == IMAGES + 1 - 15
    assert not kept.exists()
    assert "checked by an earlier run" not in cli(*words[:-1], **login).stdout


def test_a_quota_that_made_the_proof_wait_is_told(zoo: Zoo) -> None:
    """Once, as a warning, with the service that refused: the proof itself is none the worse."""
    zoo.fault(phase="manifest-read", status=429, times=2)
    code, facts = _verified(zoo, "--level", "manifests")
    assert (code, facts["outcome"]) == (0, "proven")
    (told,) = facts["findings"]
    assert (told["code"], told["severity"]) == ("quota-near", "warning")
    assert told["subject"] == "us-docker.pkg.dev"
    assert "2 requests were refused" in told["saw"]


def _kept(path: Path) -> int:
    """Return how many checks a run has kept up to now."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT sum(count) FROM done").fetchall()[0][0] or 0)
        except sqlite3.OperationalError:
            return 0  # it is being made


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not until():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    "options",
    [
        ("--sample", "5%"),
        ("--level", "deep", "--sample", "none"),
        ("--level", "deep", "--seed", "-1"),
        ("--budget", "0"),
        ("--budget-bytes", "many"),
        ("--resume-within", "tomorrow"),
    ],
)
def test_options_that_make_no_sense_are_refused(zoo: Zoo, options: tuple[str, ...]) -> None:
    """Before anything is asked."""
    zoo.forget()
    code, facts = _verified(zoo, *options)
    assert (code, facts["errors"][0]["code"]) == (2, "bad-usage")
    assert options[-2] in facts["errors"][0]["subject"]
    assert not zoo.requests()


def test_a_run_that_asked_all_has_ended(zoo: Zoo) -> None:
    """Where somebody gave no answer nothing is proven, and the next run asks everybody again."""
    zoo.fault(path="^/artifacts-downloads/", skip=15, times=1, status=403)
    assert _verified(zoo, "--level", "deep")[0] == 4
    assert not (zoo.home / "then.verifying").exists()
    code, facts = _verified(zoo, "--level", "deep")
    assert (code, facts["earlier"]) == (0, None)


def test_a_table_of_targets_says_what_is_a_sample(zoo: Zoo) -> None:
    """As text too, for one target and for several; a run of all blobs claims no luck."""
    cli, login = Cli(zoo.home), _login(zoo)
    several = cli("verify", "then", "us.gcr.io/builds", "--level", "deep", "--sample", "7", **login)
    assert several.returncode == 0, several.stdout
    lines = [line for line in several.stdout.splitlines() if "with 95% confidence" in line]
    assert len(lines) == 2
    assert lines[0].startswith("  then: deep: a sample, 7 of 21 checked")
    whole = cli("verify", "then", "--level", "deep", **login)
    assert "  deep: all 21 checked, 0 bad\n" in whole.stdout
    assert "a sample" not in whole.stdout


def _login(zoo: Zoo) -> dict[str, Any]:
    return {
        "GCR_MIGRATE_ENDPOINTS": "endpoints.yaml",
        "GCR_MIGRATE_ACCESS_TOKEN": zoo.box.token,
    }
