"""What was at the target before a run has to be seen there by it: a list for each image path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runs.test_apply_parts import EUROPE, TARGET, apply
from tests.runs.test_tags_that_wait import theirs
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.giant_images import GiantImages
    from gcr_migrate.sandbox.images import Images
    from tests.zoo import Zoo


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """An index with children, and an image without a tag, all of them copied."""
    with opened(tmp_path) as found:
        children = [found.image("a", name=name) for name in ("one", "two")]
        found.index("a", "1", of=children)
        found.image("b", name="untagged")
        assert found.migrate() == (0, 0, 0)
        yield found


def images(zoo: Zoo) -> Images | GiantImages:
    """Return what the target has."""
    return zoo.box.store.repositories[TARGET].images


def check_all_is_back(zoo: Zoo) -> None:
    """Apply, after which everything is there."""
    code, facts = apply(zoo)
    assert (code, facts["outcome"], facts["counts"]["failed"]) == (0, "complete", 0)
    assert {name: len(image.manifests) for name, image in images(zoo).items()} == {"a": 3, "b": 1}
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("name", ["a", "b"])
def test_what_the_target_has_lost_since_is_brought_again(
    zoo: Zoo, name: str, *, anew: bool
) -> None:
    """Whether an earlier run had brought it or the plan had found it."""
    if anew:
        (zoo.home / "m").unlink()
        assert zoo.plan()[0] == 0
    del images(zoo)[name]
    check_all_is_back(zoo)


def test_a_single_manifest_that_is_lost_is_brought_again(zoo: Zoo) -> None:
    """A child, of which its index tells nothing."""
    child = next(one for one in images(zoo)["a"].manifests if one not in tagged(zoo))
    del images(zoo)["a"].manifests[child]
    check_all_is_back(zoo)


def tagged(zoo: Zoo) -> set[object]:
    """Return the digests that have a tag at the target."""
    return {*images(zoo)["a"].tags.values()}


def test_a_tag_that_is_somebody_elses_by_now_is_a_conflict(zoo: Zoo) -> None:
    """It stays, and is told."""
    zoo.box.store.repositories[TARGET].put_manifest("a", theirs(), "1")
    code, facts = apply(zoo)
    assert (code, [one["code"] for one in facts["failures"]]) == (1, ["tag-conflict"])
    assert images(zoo)["a"].tags["1"] == theirs().digest


def test_nothing_is_told_as_there_that_nobody_could_see(zoo: Zoo) -> None:
    """A list that is refused ends the run with its reason; what else there is gets done."""
    del images(zoo)["b"]
    zoo.fault(host=EUROPE, path="/a/tags/list", status=403)
    code, facts = apply(zoo)
    assert (code, facts["code"], facts["subject"]) == (4, "denied", f"{EUROPE}/builds/moved/a")
    assert len(images(zoo)["b"].manifests) == 1


def test_a_run_that_has_to_bring_all_asks_for_no_list_more_than_before(zoo: Zoo) -> None:
    """Nothing is believed to be there, so nothing is doubted."""
    del images(zoo)["b"]
    (zoo.home / "m").unlink()
    del images(zoo)["a"]
    assert zoo.plan()[0] == 0
    zoo.forget()
    assert apply(zoo)[0] == 0
    assert zoo.asked("^GET .*/b/tags/list") == 0
