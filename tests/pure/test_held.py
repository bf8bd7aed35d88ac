"""What of a target a baseline speaks of: never less than was asked for without saying so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.cli.held import Area, held_against
from gcr_migrate.cli.target import read_target
from gcr_migrate.errors import BAD_USAGE, MigrateError

HOSTS = ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io")
US, WEB = "us.gcr.io/builds", "gcr.io/builds"
AR = "us-docker.pkg.dev/builds"


@pytest.mark.parametrize(
    ("target", "areas", "taken_of", "below", "untold"),
    [
        (US, [Area(US)], US, {US: ()}, set()),
        (US, [Area(US), Area(WEB)], "builds", {US: ()}, set()),
        (f"{US}/a", [Area(US)], US, {US: ("a",)}, set()),
        (f"{US}/a/b", [Area(US, ("a",))], f"{US}/a", {US: ("a/b",)}, set()),
        (US, [Area(US, ("a", "b"))], f"{US}/a", {US: ("a", "b")}, {US}),
        ("builds", [Area(US)], US, {US: ()}, {f"{one}/builds" for one in HOSTS} - {US}),
        ("builds", [Area(US)], "builds", {US: ()}, set()),
        (AR, [Area(f"{AR}/one")], f"{AR}/one", {f"{AR}/one": ()}, {AR}),
        (AR, [Area(f"{AR}/one"), Area(f"{AR}/two")], AR, None, set()),
        (f"{AR}/one/a", [Area(f"{AR}/one"), Area(f"{AR}/two")], AR, {f"{AR}/one": ("a",)}, set()),
    ],
)
def test_a_baseline_of_less_than_the_target_says_so(
    target: str,
    areas: list[Area],
    taken_of: str,
    below: dict[str, tuple[str, ...]] | None,
    untold: set[str],
) -> None:
    """What both speak of is held; what only the target does is named."""
    held = held_against(read_target(target), areas, taken_of, (), "--baseline b")
    assert held.below == (below or {area.shown: () for area in areas})
    assert held.untold.keys() == untold


def test_a_host_that_was_not_in_use_is_not_missing() -> None:
    """Whoever took the baseline had looked for it."""
    idle = [f"{one}/builds" for one in HOSTS if one != "us.gcr.io"]
    held = held_against(read_target("builds"), [Area(US)], "builds.yaml", idle, "--baseline b")
    assert not held.untold


@pytest.mark.parametrize("target", ["gcr.io/builds", "us.gcr.io/builder", f"{US}-2", f"{AR}/x"])
def test_a_baseline_of_another_place_is_refused(target: str) -> None:
    """A name that only begins alike is another place."""
    with pytest.raises(MigrateError) as caught:
        held_against(read_target(target), [Area(US)], US, (), "--baseline b")
    assert caught.value.problem is BAD_USAGE


@given(
    wanted=st.lists(st.sampled_from("ab"), max_size=3),
    read=st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=3), max_size=2),
    image=st.lists(st.sampled_from("ab"), min_size=1, max_size=4),
)
def test_each_image_is_held_or_told_missing(
    wanted: list[str], read: list[list[str]], image: list[str]
) -> None:
    """An image of the target that the baseline has read is looked at; if it may have more, why."""
    paths, only = "/".join(image), tuple("/".join(one) for one in read)
    target = read_target("/".join([US, *wanted]))

    def is_in(tops: tuple[str, ...]) -> bool:
        return not tops or any(f"{paths}/".startswith(f"{top}/") for top in tops)

    in_target, was_read = is_in(("/".join(wanted),) if wanted else ()), is_in(only)
    try:
        held = held_against(target, [Area(US, only)], "other", (), "--baseline b")
    except MigrateError:
        assert not (in_target and was_read)
        return
    if in_target and was_read:
        assert is_in(held.below[US])
    if in_target and not was_read:
        assert held.untold
    if not in_target:
        assert not is_in(held.below[US])
