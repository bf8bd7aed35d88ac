"""Lists that end without a word: made good by the other view, or the plan is incomplete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tiny import Held, Readers, Tiny, image
from tests.zoo import API, Zoo, found, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST = 10_000  # entries that Artifact Registry gives at most
TAGS = 12_345


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source whose image `nightly` has more tags than one list can tell."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "3")
    with opened(tmp_path) as one:
        _tag(one, TAGS)
        yield one


def _tag(zoo: Zoo, count: int) -> None:
    """Give an image this many tags, on five digests in turn."""
    digests = [zoo.image("nightly", name=f"n{number}").digest for number in range(5)]
    tags = zoo.repository.images["nightly"].tags
    tags.clear()
    tags |= {f"b{number:05}": digests[number % 5] for number in range(count)}


def test_a_list_that_is_cut_is_made_good_by_the_api(zoo: Zoo) -> None:
    """All tags are planned, each on its digest, and no list is asked for more than needed."""
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["findings"]) == (0, True, [])
    assert (facts["counts"]["tags"], facts["counts"]["manifests"]) == (TAGS, 5)
    assert zoo.asked("nightly/tags/list") == 1
    assert zoo.asked(f"{API} .*/packages/nightly/tags") == 13
    assert zoo.asked(f"{API} .*/(dockerImages|packages)[?]") == 2


def test_a_list_that_is_cut_and_has_no_second_view_is_in_doubt(zoo: Zoo) -> None:
    """Without the API the plan is incomplete, and says for which path and why."""
    zoo.fault(host=API, path="packages|dockerImages", status=403)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (3, False, MOST)
    assert found(facts, "listing-cut").keys() == {"nightly"}
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 3


def test_a_list_of_the_greatest_length_is_whole_if_the_api_agrees(zoo: Zoo) -> None:
    """A list that could be cut and is not gives no finding."""
    _tag(zoo, MOST)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["findings"]) == (0, True, [])
    assert facts["counts"]["tags"] == MOST


def test_a_page_of_the_api_that_fails_at_first_is_asked_for_again(zoo: Zoo) -> None:
    """Two refusals of one page cost two requests, and no tag."""
    zoo.fault(host=API, path="packages/nightly/tags.*pageToken", skip=5, times=2, status=500)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, TAGS)
    assert zoo.asked(f"{API} .*/packages/nightly/tags") == 15


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    """Clients for all tests; what they read changes."""
    with Readers() as one:
        yield one


def _held(count: int) -> Held:
    held = Held()
    digest = held.push(image("one"))
    held.tags |= {f"t{number:05}": digest for number in range(count)}
    return held


@pytest.mark.parametrize("count", [999, 1_000, 1_001, 2_000])
def test_a_plain_registry_is_asked_what_follows_a_full_page(readers: Readers, count: int) -> None:
    """Where a page is as long as pages get, the next one is asked for, Link or no Link."""
    tiny = Tiny({"app": _held(count)}, plain=True, page=1_000, links=False)
    gathered, listings = readers.gather(tiny)
    assert gathered.complete
    assert len(listings["app"].tags) == count


def test_a_plain_registry_that_gives_the_same_page_again_is_in_doubt(readers: Readers) -> None:
    """A full page that repeats itself may hide others, and that is said."""
    tiny = Tiny({"app": _held(1_500)}, plain=True, page=1_000, links=False, by_number=True)
    gathered, _ = readers.gather(tiny)
    assert not gathered.complete
    assert [one.problem.code for one in gathered.findings] == ["listing-cut"]
