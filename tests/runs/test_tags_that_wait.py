"""A tag whose turn comes late, as a quota was used up, is looked at again before it is set."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Manifest
from tests.runs.test_apply_parts import EUROPE, TARGET, apply
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Digest
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

COUNT: Final = 12
PAUSE_S: Final = 4


def theirs() -> Manifest:
    """Return an image that somebody else has made."""
    config = {"mediaType": "a/b", "digest": f"sha256:{0:064}", "size": 2}
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    return Manifest.read(json.dumps(body).encode(), OCI_MANIFEST)


def written(zoo: Zoo) -> set[int]:
    """Return the numbers of the images whose tags were sent to the target."""
    sent = [one for one in zoo.requests() if one.startswith("PUT ") and "/manifests/1" in one]
    return {int(one.partition("/app")[2].partition("/")[0]) for one in sent}


def pushed_in_the_pause(zoo: Zoo, side: str) -> tuple[int, dict[str, Any], list[int]]:
    """Apply, have the first tag refused for a while, and have somebody push all others meanwhile.

    Returns:
        Exit code and facts of the run, and the numbers of the images that were pushed.
    """
    late = {"retry-after": str(PAUSE_S)}
    path = "/manifests/1$"
    zoo.fault(host=EUROPE, method="PUT", path=path, status=429, headers=late, times=1)
    zoo.forget()
    pushed: list[int] = []

    def push() -> None:
        until = time.monotonic() + 60
        while not written(zoo) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(PAUSE_S / 4)
        place = zoo.box.store.repositories[TARGET] if side == "target" else zoo.repository
        for number in set(range(COUNT)) - written(zoo):
            place.put_manifest(f"app{number}", theirs(), "1")
            pushed.append(number)

    somebody = threading.Thread(target=push)
    somebody.start()
    code, facts = apply(zoo)
    somebody.join()
    return code, facts, pushed


def tags(zoo: Zoo) -> dict[int, Digest | None]:
    """Return what the tag of each image points to at the target, by the number of the image."""
    images = zoo.box.store.repositories[TARGET].images
    return {n: images[f"app{n}"].tags.get("1") for n in range(COUNT) if f"app{n}" in images}


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """Some images, each with a tag."""
    with opened(tmp_path) as found:
        for number in range(COUNT):
            found.image(f"app{number}", "1", name=f"app {number}")
        yield found


def test_what_somebody_pushes_in_a_pause_is_not_overwritten(zoo: Zoo) -> None:
    """With `existing_tags: keep` theirs stays, though the tag was free when it was looked at."""
    assert zoo.plan(spec=f"{SPEC}existing_tags: keep\n")[0] == 0
    code, facts, pushed = pushed_in_the_pause(zoo, "target")
    assert pushed
    assert (code, facts["outcome"]) == (0, "complete")
    assert {tags(zoo)[number] for number in pushed} == {theirs().digest}


@pytest.mark.parametrize(("policy", "code"), [("fail", 1), ("skip", 0)])
def test_a_tag_that_moves_at_the_source_in_a_pause_is_not_set(
    zoo: Zoo, policy: str, code: int
) -> None:
    """It is judged as if it had moved before; its manifest is copied."""
    rules = f"moved_tags: {policy}\nexisting_tags: overwrite\n"
    assert zoo.plan(spec=SPEC + rules)[0] == 0
    ended, facts, pushed = pushed_in_the_pause(zoo, "source")
    assert pushed
    assert (ended, facts["outcome"]) == (code, "failed" if code else "complete")
    assert not any(tags(zoo)[number] for number in pushed)
