"""Whatever a source holds is found, or the inventory is not called complete."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from tests.scripted import Answer
from tests.tiny import Held, Inventory, Readers, Tiny, image, index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import DrawFn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def readers() -> Iterator[Readers]:
    """Clients for all tests; what they read changes."""
    with Readers() as one:
        yield one


PATHS = st.sampled_from(["a", "a/b", "a/b/c", "b", "deep/er/path", "deep/er"])
TAGS = st.sampled_from(["1", "2", "V1", "v1", "latest", "z", "0", "sha256-x.sig"])


@st.composite
def contents(draw: DrawFn) -> dict[str, Held]:
    """Draw content: images, indexes of them at any depth, referrers, tagged or not."""
    content: dict[str, Held] = {}
    for path in draw(st.lists(PATHS, unique=True, min_size=1, max_size=4)):
        held = Held()
        pushed: list[str] = []
        for number in range(draw(st.integers(1, 6))):
            name = f"{path}{number}"
            kind = draw(st.sampled_from(["image", "index", "referrer"])) if pushed else "image"
            if kind == "index":
                raw = index(draw(st.lists(st.sampled_from(pushed), min_size=1, unique=True)))
            else:
                raw = image(name, draw(st.sampled_from(pushed)) if kind == "referrer" else "")
            pushed.append(held.push(raw, *draw(st.lists(TAGS, max_size=3))))
        content[path] = held
    return content


def _plain(content: dict[str, Held]) -> dict[str, tuple[dict[str, str], set[str]]]:
    return {path: (held.tags, set(held.manifests)) for path, held in content.items()}


@settings(max_examples=30)
@given(content=contents(), page=st.integers(1, 4))
def test_the_inventory_is_the_content(
    readers: Readers, content: dict[str, Held], page: int
) -> None:
    """Any content, in pages of any size, is found whole and without a doubt."""
    found = readers.inventory_of(Tiny(content, page=page))
    assert found.plain == _plain(content)
    assert found.complete
    assert found.gathered.findings == [] or _only_empty_names(found)


def _only_empty_names(found: Inventory) -> bool:
    return {one.problem.code for one in found.gathered.findings} == {"name-empty"}


FAULTS = [
    Answer(403),
    Answer(404),
    Answer(500),
    Answer(body={}),
    Answer(body="{"),
    Answer(body=[]),
    Answer(body={"tags": [], "child": [], "manifest": {}, "dockerImages": [], "packages": []}),
]


def _at(number: int, fault: Answer) -> Callable[[str], Answer | None]:
    """Let the list that is asked for as the nth one answer this, whenever it is asked for."""
    seen: list[str] = []

    def before(target: str) -> Answer | None:
        if target not in seen:
            seen.append(target)
        return fault if seen.index(target) == number else None

    return before


@settings(max_examples=60)
@given(content=contents(), number=st.integers(0, 9), fault=st.sampled_from(FAULTS))
def test_no_fault_makes_less_look_whole(
    readers: Readers, content: dict[str, Held], number: int, fault: Answer
) -> None:
    """Whichever list fails, and however: what is called complete is all that there is."""
    try:
        found = readers.inventory_of(Tiny(content, page=3, before=_at(number, fault)))
    except MigrateError:
        return  # no plan is made of that
    if found.complete:
        assert found.plain == _plain(content)


def _pusher(held: Held, lists: str, number: int, tag: str) -> Callable[[str], Answer | None]:
    """Push a tag while the pages of a list are read, before its nth next one."""
    turned = 0

    def before(target: str) -> Answer | None:
        nonlocal turned
        if lists in target and any(one in target for one in ("last=", "from=", "pageToken=")):
            turned += 1
            if turned == number:
                held.push(image(f"pushed {tag}"), tag)
        return None

    return before


@pytest.mark.parametrize(
    "seeds", [range(40), pytest.param(range(40, 100), marks=pytest.mark.long)], ids=["few", "more"]
)
@pytest.mark.parametrize(
    ("plain", "lists"), [(True, "/tags/list"), (False, "/tags/list"), (False, "/dockerImages")]
)
def test_a_tag_pushed_between_two_pages_is_there_or_the_inventory_is_incomplete(
    readers: Readers,
    plain: bool,  # noqa: FBT001  # a parameter of pytest's
    lists: str,
    seeds: range,
) -> None:
    """On a hundred seeds, wherever the push shifts or precedes what was read."""
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311  # no secret
        held = Held()
        page = chance.randint(2, 4)
        for number in range(4 * page):
            held.push(image(str(number)), f"t{number:02}0")
        tag = f"t{chance.randint(0, 4 * page):02}5"
        tiny = Tiny({"app": held}, plain, page, chance.random() < 0.5)
        tiny.before = _pusher(held, lists, chance.randint(1, 3), tag)
        found, listings = readers.gather(tiny)
        if found.complete and not found.failed:
            assert set(listings["app"].tags) == set(held.tags), seed
        assert tag in held.tags, seed
