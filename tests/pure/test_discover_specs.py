"""The routes of a spec that `discover` writes, for any set of image paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.discover.evidence import Answer, BucketEvidence, HostEvidence, ProjectEvidence
from gcr_migrate.discover.kinds import judge
from gcr_migrate.discover.specs import spec_text
from gcr_migrate.model.cloud import Redirection, RedirectSettings, RepositoryFacts
from gcr_migrate.model.names import GCR_HOSTS, ImagePath, Project, check_repository_id
from gcr_migrate.model.pattern import Pattern, expand
from gcr_migrate.spec import Spec, load_spec

if TYPE_CHECKING:
    from gcr_migrate.spec.rules import Route

ENABLED: Final = RedirectSettings(Redirection.ENABLED, Redirection.ENABLED.value)
# Few letters, so that names meet; some that no repository may have.
WORD: Final = st.sampled_from(
    [
        "a",
        "b",
        "a-us",
        "b-us-us",
        "a_b",
        "a-b",
        "3d",
        "images",
        "images-2",
        "x" * 63,
        "y.z",
        "gcr.io",
    ]
)
PATHS: Final = st.frozensets(st.lists(WORD, min_size=1, max_size=3).map("/".join), max_size=8)


def written(paths_by_host: dict[str, frozenset[str]]) -> Spec | None:
    """Return the spec for hosts with these images."""
    hosts = []
    for host in GCR_HOSTS:
        resource = f"projects/builds/locations/{host.location}/repositories/{host.repository_id}"
        known = RepositoryFacts(resource, "DOCKER", "STANDARD_REPOSITORY", 1)
        images = paths_by_host.get(host.name)
        bucket = BucketEvidence("b", searched=False)
        hosts.append(
            HostEvidence(
                host,
                bucket,
                answer=Answer.ARTIFACT_REGISTRY if images is not None else None,
                repository=known if images is not None else None,
                images=None if images is None else tuple(sorted(images)),
            )
        )
    project = ProjectEvidence(Project("builds"), ENABLED, hosts=tuple(hosts))
    text = spec_text(project, [(one, judge(project, one)) for one in hosts])
    return None if text is None else load_spec(text, "builds.yaml")


def target(routes: tuple[Route, ...], host: str, path: str) -> tuple[str, str, str]:
    """Return where the first route that matches sends a path: location, repository, image."""
    image = ImagePath.parse(path)
    for route in routes:
        parts = Pattern.parse(route.match).match(image)
        if parts is None or (route.hosts and host not in route.hosts):
            continue
        repository = expand(route.repository or "", parts)
        left = image.strip(ImagePath.parse(expand(route.strip, parts))) if route.strip else image
        assert left is not None
        location = next(one.location for one in GCR_HOSTS if one.name == host)
        return location, repository, str(left)
    raise AssertionError(path)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from([one.name for one in GCR_HOSTS]), PATHS))
def test_every_image_goes_to_a_place_of_its_own(
    paths_by_host: dict[str, frozenset[str]],
) -> None:
    """Each path has a route to a repository that may be made, and no two meet in one image."""
    spec = written(paths_by_host)
    images = [(host, path) for host, paths in paths_by_host.items() for path in paths]
    if spec is None:
        assert not images
        return
    places = [target(spec.routes, host, path) for host, path in images]
    assert len(set(places)) == len(places)
    for _, repository, _ in places:
        check_repository_id(repository)


def test_paths_that_meet_are_kept_apart_by_host() -> None:
    """What two hosts of one location both have goes to repositories that tell the host."""
    spec = written({"gcr.io": frozenset({"a/x"}), "us.gcr.io": frozenset({"a/x"})})
    assert spec is not None
    assert target(spec.routes, "gcr.io", "a/x") == ("us", "a", "x")
    assert target(spec.routes, "us.gcr.io", "a/x") == ("us", "a-us", "x")


def test_a_project_without_images_has_no_spec() -> None:
    """Nothing is written where nothing is to be split."""
    assert written({}) is None
    assert written({"gcr.io": frozenset()}) is None
