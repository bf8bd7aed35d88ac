"""Lists that end without a word: made good by the other view, or the plan is incomplete."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.state.cache import open_cache
from gcr_migrate.state.file import open_migration
from tests.tiny import Held, Readers, Tiny, image
from tests.zoo import API, Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Digest

pytestmark = pytest.mark.slow

MOST = 10_000  # entries that Artifact Registry gives at most
TAGS, DIGESTS = 12_345, 4_000


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source whose image `nightly` has more tags than one list can tell."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "3")
    with opened(tmp_path) as one:
        yield one


def _tag(zoo: Zoo, count: int, digests: int) -> dict[str, Digest]:
    """Give an image this many tags, on some digests in turn; return them."""
    pushed = [zoo.image("nightly", name=f"n{number}").digest for number in range(digests)]
    tags = zoo.repository.images["nightly"].tags
    tags.clear()
    tags |= {f"b{number:05}": pushed[(number - 1) % digests] for number in range(1, count + 1)}
    return dict(tags)


def _planned(zoo: Zoo) -> dict[str, str]:
    with open_migration(zoo.home / "m") as migration:
        (image,) = migration.images()
        return {item.tag: str(item.digest) for item in migration.tags(image.id)}


def test_a_list_that_is_cut_is_made_good_by_the_api(zoo: Zoo) -> None:
    """All tags are planned, each on its digest, and no list is asked for more than needed.

    Of 4,000 digests the first 345 carry four tags and the others three. A page of the API that
    fails twice costs two requests more, and no tag.
    """
    tags = _tag(zoo, TAGS, DIGESTS)
    wanted = {tag: str(digest) for tag, digest in tags.items()}
    with open_cache(zoo.home / "builds.cache", "another run") as cache:
        for stored in zoo.repository.images["nightly"].manifests.values():
            cache.put(stored.manifest)  # it is the lists that count here
    per_page = 1 + TAGS // 1_000, DIGESTS // 1_000
    for failures in (0, 2):
        if failures:
            page = "packages/nightly/tags.*pageToken"
            zoo.fault(host=API, path=page, skip=5, times=failures, status=500)
        zoo.forget()
        code, facts = zoo.plan(cached=True)
        assert (code, facts["complete"], grave(facts)) == (0, True, [])
        assert (facts["counts"]["tags"], facts["counts"]["manifests"]) == (TAGS, DIGESTS)
        assert _planned(zoo) == wanted
        assert zoo.asked("/manifests/") == 0
        assert zoo.asked("nightly/tags/list") == 1
        assert zoo.asked(f"{API} .*/packages/nightly/tags") == per_page[0] + failures
        assert zoo.asked(f"{API} .*/dockerImages[?]") == per_page[1]
        assert zoo.asked(f"{API} .*/packages[?]") == 1


def test_a_list_that_is_cut_and_has_no_second_view_is_in_doubt(zoo: Zoo) -> None:
    """Without the API the plan is incomplete, and says for which path and why."""
    _tag(zoo, TAGS, 5)
    zoo.fault(host=API, path="packages|dockerImages", status=403)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (3, False, MOST)
    assert found(facts, "listing-cut").keys() == {"nightly"}
    told = next(one for one in facts["findings"] if one["code"] == "listing-cut")
    assert "exactly as long as asked for" in told["message"]
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, facts["code"]) == (3, "plan-incomplete")


def test_a_list_of_the_greatest_length_is_whole_if_the_api_agrees(zoo: Zoo) -> None:
    """A list that could be cut and is not gives no finding."""
    _tag(zoo, MOST, 5)
    code, facts = zoo.plan()
    assert (code, facts["complete"], grave(facts)) == (0, True, [])
    assert facts["counts"]["tags"] == MOST


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


def test_a_plain_registry_is_followed_over_all_its_pages(readers: Readers) -> None:
    """Pages of 1,000 tags, whatever is asked for, are all read, and again until they hold still."""
    asked: list[str] = []
    tiny = Tiny({"app": _held(TAGS)}, plain=True, page=1_000, before=asked.append)
    gathered, listings = readers.gather(tiny)
    assert gathered.complete
    assert len(listings["app"].tags) == TAGS
    pages = Counter(one for one in asked if "/tags/list" in one)
    assert (len(pages), {*pages.values()}) == (13, {2})


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
