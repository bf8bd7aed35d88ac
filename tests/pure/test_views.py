"""Two views of an image path, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.inventory.views import covers, join
from gcr_migrate.model.content import Digest
from gcr_migrate.model.inventory import ListedManifest, Listing

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

DIGESTS = [Digest.of(str(number).encode()) for number in range(5)]


@st.composite
def listings(draw: DrawFn) -> Listing | None:
    """Draw what one view shows of a path; None for nothing."""
    tags = draw(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(DIGESTS)))
    more = draw(st.sets(st.sampled_from(DIGESTS)))
    held = sorted(more | set(tags.values()))
    entries = tuple(ListedManifest(one, "", (), None, None) for one in held)
    return Listing("app", (), tags, entries) if entries else None


def _digests(listing: Listing | None) -> set[Digest]:
    return {one.digest for one in (listing.manifests if listing else None) or ()}


def _tags(listing: Listing | None) -> dict[str, Digest | None]:
    return dict(listing.tags) if listing else {}


@given(listings(), listings())
def test_nothing_that_either_view_shows_is_lost(
    registry: Listing | None, api: Listing | None
) -> None:
    """Tags and digests of both are in the joined list."""
    joined = join("app", registry, api).listing
    assert joined.tags.keys() == _tags(registry).keys() | _tags(api).keys()
    assert _digests(joined) == _digests(registry) | _digests(api)


@given(listings(), listings())
def test_every_difference_is_named_and_nothing_else(
    registry: Listing | None, api: Listing | None
) -> None:
    """What one view alone shows, and a tag that points elsewhere in the other, is told."""
    named = {one.what for one in join("app", registry, api).differences}
    if registry is None or api is None:
        assert named == ({""} if registry or api else set())
        return
    ours, theirs = _tags(registry), _tags(api)
    tags = {f":{tag}" for tag in ours.keys() | theirs.keys() if ours.get(tag) != theirs.get(tag)}
    assert named == tags | {f"@{one}" for one in _digests(registry) ^ _digests(api)}


@given(listings(), listings())
def test_a_tag_is_given_a_digest_only_where_the_registry_has_not_another(
    registry: Listing | None, api: Listing | None
) -> None:
    """A tag that the views tell differently is left for the registry to say."""
    for tag, digest in join("app", registry, api).listing.tags.items():
        assert digest in {None, _tags(registry).get(tag)}


@pytest.mark.slow
@given(listings(), listings())
def test_only_a_list_with_all_of_the_other_may_stand_for_what_is_cut_off(
    registry: Listing | None, api: Listing | None
) -> None:
    """A list that lacks anything of the one that is cut proves nothing."""
    if registry and api:
        lacks = _tags(registry).keys() - _tags(api).keys() or _digests(registry) - _digests(api)
        assert covers(api, registry) is not bool(lacks)
