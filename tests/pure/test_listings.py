"""Lists that are kept on the disk come back as they were."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.content import Digest
from gcr_migrate.model.inventory import ListedManifest, Listing
from gcr_migrate.state.listings import Shelf, open_shelf
from tests.made import made

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

texts = st.text(string.ascii_letters + string.digits + "._-/é", min_size=1, max_size=8)
digests = st.binary(max_size=2).map(Digest.of)
numbers = st.none() | st.integers(0, 10**17)
entries = made(
    ListedManifest,
    digests,
    texts,
    st.lists(texts).map(tuple),
    uploaded_ms=numbers,
    size_bytes=numbers,
)
listed = made(
    Listing,
    texts,
    st.lists(texts).map(tuple),
    st.dictionaries(texts, st.none() | digests),
    st.none() | st.lists(entries, unique_by=lambda one: one.digest).map(tuple),
    st.sampled_from(["", "cut"]),
)


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    """A shelf for all tests, each with roots of its own."""
    with open_shelf() as one:
        yield one


@given(st.lists(st.tuples(texts, listed)))
def test_the_last_list_of_a_path_comes_back_as_it_was(
    shelf: Shelf, kept: list[tuple[str, Listing]]
) -> None:
    """Also under a root that another one with the same paths stands beside."""
    listings, other = shelf.add_root(), shelf.add_root()
    for path, listing in kept:
        listings.put(path, listing)
    last = dict(kept)
    assert {path: listings[path] for path in listings} == last
    assert [*listings] == sorted(last)
    assert (len(listings), len(other)) == (len(last), 0)


@given(listed)
def test_what_is_dropped_is_gone(shelf: Shelf, listing: Listing) -> None:
    """A path without a list is no path."""
    listings = shelf.add_root()
    listings.put("app", listing)
    listings.drop("app")
    assert "app" not in listings
    assert listings.get("app") is None
    with pytest.raises(KeyError):
        listings["app"]


@given(st.dictionaries(st.tuples(texts, digests), entries))
def test_rows_come_back_as_lists_of_their_paths(
    shelf: Shelf, kept: dict[tuple[str, Digest], ListedManifest]
) -> None:
    """Each manifest under its own path, whatever the order in which they came."""
    listings = shelf.add_root()
    rows = [
        (path, ListedManifest(digest, one.media_type, one.tags, one.uploaded_ms, one.size_bytes))
        for (path, digest), one in kept.items()
    ]
    listings.add_rows(rows, reading=0)
    assert listings.paths_of_rows() == sorted({path for path, _ in rows})
    assert listings.count_rows(0) == len(rows)
    for path in listings.paths_of_rows():
        found = listings.rows(path)
        assert found
        expected = {one for where, one in rows if where == path}
        assert {*(found.manifests or ())} == expected
        assert found.tags.keys() == {tag for one in expected for tag in one.tags}


def test_a_later_reading_replaces_an_earlier_one(shelf: Shelf) -> None:
    """What both had belongs to the later; what only the earlier had can be dropped."""
    listings = shelf.add_root()
    old, new = (ListedManifest(Digest.of(name), "", (), None, None) for name in (b"old", b"new"))
    listings.add_rows([("app", old), ("app", new)], reading=0)
    listings.add_rows([("app", new), ("app", new)], reading=1)
    assert (listings.count_rows(0), listings.count_rows(1)) == (1, 1)
    listings.drop_rows_before(1)
    assert listings.rows("app") == Listing("app", (), {}, (new,))
