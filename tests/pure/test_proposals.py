"""Ways to part images into repositories, for any set of image paths."""

from __future__ import annotations

from collections import Counter
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.discover.proposals import (
    By,
    HostPaths,
    place,
    proposals,
    propose,
    recommended,
)
from gcr_migrate.model.names import GCR_HOSTS, ImagePath, check_repository_id, gcr_host
from gcr_migrate.model.pattern import Pattern, expand

# Few letters, so that names and prefixes meet; some that no repository may have.
WORD: Final = st.one_of(
    st.sampled_from(["a", "ab", "ab-c", "ab-d", "ab_c", "ab-us", "ab-2", "3d", "3d-x", "ab--c"]),
    st.sampled_from(["images", "images-2", "y.z", "gcr.io", "us-gcr-io"]),
    st.sampled_from(["x" * 63, f"{'x' * 62}-y"]),
    st.from_regex(r"[a-c]{1,2}([-_][a-c]{1,2})?", fullmatch=True),
)
PATHS: Final = st.frozensets(st.lists(WORD, min_size=1, max_size=3).map("/".join), max_size=8)
HOSTS: Final = st.dictionaries(st.sampled_from([one.name for one in GCR_HOSTS]), PATHS, min_size=1)


def at(
    paths: dict[str, frozenset[str]], location: str = "", unknown: frozenset[str] = frozenset()
) -> list[HostPaths]:
    """Return hosts with these images, of which some could not be listed."""
    return [
        HostPaths(
            host, location or host.location, None if host.name in unknown else paths[host.name]
        )
        for host in GCR_HOSTS
        if host.name in paths
    ]


def one_host(*paths: str) -> list[HostPaths]:
    """Return `us.gcr.io` with these images."""
    return at({"us.gcr.io": frozenset(paths)})


@pytest.mark.parametrize("by", By)
@given(paths=HOSTS, location=st.sampled_from(["", "us", "europe-west1"]))
def test_each_image_has_one_place_of_its_own(
    by: By, paths: dict[str, frozenset[str]], location: str
) -> None:
    """Whatever decides: each path is taken, by a repository that may be made, and none meet."""
    hosts = at(paths, "" if by is By.KEEP else location)
    found = propose(by, hosts)
    places, counted = set(), Counter[tuple[str, str]]()
    for host in hosts:
        for path in host.paths or ():
            rule, repository = place(found.rules, host.host.name, path)
            if by is By.KEEP:
                served = gcr_host(repository)
                assert served
                assert served.location == host.location
            else:
                check_repository_id(repository)
            counted[host.location, repository] += 1
            parts = Pattern.parse(rule.match).match(ImagePath.parse(path))
            assert parts is not None
            left: ImagePath | None = ImagePath.parse(path)
            if rule.strip:
                left = ImagePath.parse(path).strip(ImagePath.parse(expand(rule.strip, parts)))
            assert left is not None
            places.add((host.location, repository, str(left)))
    assert len(places) == sum(map(len, paths.values()))
    assert counted == found.images


@pytest.mark.slow
@given(paths=HOSTS, unknown=st.frozensets(st.sampled_from([one.name for one in GCR_HOSTS])))
def test_what_could_not_be_listed_has_a_route_too(
    paths: dict[str, frozenset[str]], unknown: frozenset[str]
) -> None:
    """Images that nobody listed are taken by each way: those in a folder, and those in none."""
    for found in proposals(at(paths, unknown=unknown), elsewhere=True):
        for host in unknown & paths.keys():
            place(found.rules, host, "new/app")
            place(found.rules, host, "new")


@pytest.mark.slow
@given(paths=HOSTS)
def test_what_is_recommended_is_proposed(paths: dict[str, frozenset[str]]) -> None:
    """The way that is recommended is one of those that are shown."""
    found = proposals(at(paths), elsewhere=False)
    assert recommended(found) in [one.by for one in found]


def test_folders_make_repositories() -> None:
    """A folder is a repository's name, and a name that may not be is mended and told."""
    found = propose(By.FIRST_FOLDER, one_host("web/app", "web/db", "my_team/x", "tool"))
    assert found.images == {("us", "web"): 2, ("us", "my-team"): 1, ("us", "images"): 1}
    assert found.renamed == [("my_team", "my-team")]
    assert found.loose == 1


def test_names_that_begin_alike_share_a_repository() -> None:
    """`payments-api` and `payments_db/x` go to `payments`; what stands alone does not."""
    hosts = one_host("payments-api", "payments_db/x", "payments/y", "web-app", "tool/z")
    found = propose(By.PREFIX, hosts)
    assert found.images == {("us", "payments"): 3, ("us", "images"): 1, ("us", "tool"): 1}


@pytest.mark.parametrize(
    ("paths", "by"),
    [
        (["web/app", "api/app", "tool"], By.FIRST_FOLDER),
        (["web-app", "web-db", "tool"], By.PREFIX),
        (["app", "db", "tool"], By.HOST),
    ],
)
def test_the_finest_way_that_tells_images_apart_is_recommended(paths: list[str], by: By) -> None:
    """Folders come before prefixes, and a host is one repository where neither says much."""
    assert recommended(proposals(one_host(*paths), elsewhere=False)) is by


def test_prefixes_are_proposed_only_where_there_are_some() -> None:
    """Without names that begin alike there is nothing to choose there."""
    shown = [one.by for one in proposals(one_host("web/app", "api/app"), elsewhere=False)]
    assert shown == [By.FIRST_FOLDER, By.HOST]


def test_names_are_kept_only_elsewhere() -> None:
    """A project's own gcr.io repositories are where its images are already."""
    hosts = one_host("web/app")
    assert By.KEEP not in [one.by for one in proposals(hosts, elsewhere=False)]
    assert By.KEEP in [one.by for one in proposals(hosts, elsewhere=True)]


def test_hosts_that_share_a_location_are_kept_apart() -> None:
    """Where all hosts go to one location, paths that two of them have do not meet."""
    paths = {"us.gcr.io": frozenset({"web/app"}), "eu.gcr.io": frozenset({"web/app"})}
    found = propose(By.FIRST_FOLDER, at(paths, "europe-west1"))
    assert set(found.images) == {("europe-west1", "web"), ("europe-west1", "web-eu")}
