"""Level deep, by all blobs or a sample, within budgets, and in parts: what is told is true."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

IMAGES = 40  # each with a layer of its own; the configuration is one for all
SIZE = 300


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """Forty images at the place where a snapshot of them was taken."""
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
    bad = random.Random(5).sample(range(IMAGES), 8)
    _spoil(zoo, *bad)
    found = set()
    for seed in range(6):
        options = ("--level", "deep", "--sample", "12", "--seed", str(seed))
        code, facts = _verified(zoo, *options)
        sample = facts["sample"]
        assert (sample["population"], sample["wanted"], sample["checked"]) == (41, 12, 12)
        assert sample["bad"] == len(facts["findings"]) == facts["levels"]["deep"]["wrong"]
        assert (code, facts["outcome"]) == ((1, "differs") if sample["bad"] else (0, "proven"))
        assert "12 of 41 checked" in sample["sentence"]
        assert "% confidence" in sample["sentence"]
        assert _verified(zoo, *options)[1]["findings"] == facts["findings"]
        found |= {one["subject"] for one in facts["findings"]}
    assert len(found) > 4  # other seeds draw others
    assert _verified(zoo, "--level", "deep", "--sample", "5%")[1]["sample"]["wanted"] == 3


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 160), st.integers(2_000, 30_000))
def test_no_budget_is_exceeded_and_the_next_runs_come_to_the_end(
    zoo: Zoo, requests: int, bytes_: int
) -> None:
    """Each run sends no more than it may, is never green before the end, and asks nothing again."""
    _forget_parts(zoo)
    budget = ("--budget", str(requests), "--budget-bytes", f"{bytes_}B")
    levels = ("--level", "tags", "--level", "manifests", "--level", "deep")
    zoo.forget()
    read: list[str] = []
    for _ in range(400):
        zoo.forget()
        code, facts = _verified(zoo, *levels, *budget)
        asked = zoo.requests()
        assert len(asked) <= requests
        read += [one for one in asked if "/manifests/sha256" in one or "/blobs/" in one]
        if code != 4:
            break
        assert facts["outcome"] == "unproven"
        assert {one["code"] for one in facts["findings"]} == {"budget-spent"}
        if not read and requests < 10:
            return  # too small for a list and a token, so that nothing can be begun
    assert (code, facts["outcome"]) == (0, "proven")
    assert facts["levels"]["deep"]["ok"] == IMAGES + 1
    assert len(read) >= 2 * IMAGES + 1
    assert not list(zoo.home.glob("*.verifying"))


def _forget_parts(zoo: Zoo) -> None:
    for file in zoo.home.glob("*.verifying*"):
        file.unlink()
