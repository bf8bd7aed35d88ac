"""Whether a registry tells what is attached is not believed of all names by one answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.referrers import Referrers
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.dialect import Dialect

SUBJECT = Digest.of(b"image")
SIGNATURE = Digest.of(b"signature")
YES = (Descriptor("", SIGNATURE, 7),)


class Asked:
    """A registry that says yes or no.

    Attributes:
        names: what was asked for, in order.

    Args:
        says: whether it tells, by name and by how often this name was asked for before.
    """

    host = "registry.example"

    def __init__(self, says: Callable[[str, int], bool], dialect: Dialect = DISTRIBUTION) -> None:
        self.names: list[str] = []
        self.dialect = dialect
        self._says = says

    async def referrers(self, name: str, _digest: Digest) -> tuple[Descriptor, ...] | None:
        """Answer."""
        await asyncio.sleep(0)
        before = self.names.count(name)
        self.names.append(name)
        return YES if self._says(name, before) else None


def ask(registry: Asked, *names: str) -> tuple[list[str], dict[str, str]]:
    """Ask for manifests of names, one after the other; return who has some, and the doubts."""

    async def run() -> tuple[list[str], dict[str, str]]:
        asking = Referrers(cast("SourceRegistry", registry))
        has = [name for name in names if await asking.of(name, SUBJECT)]
        return has, {name: error.problem.code for name, error in await asking.doubts()}

    return asyncio.run(run())


def test_a_registry_without_the_end_point_is_hardly_asked() -> None:
    """For six manifests, two of a name, and one of them again in the end; it is said once."""
    registry = Asked(lambda _name, _before: False)
    assert ask(registry, *"aaaabcdefab") == ([], {"": "no-referrers"})
    assert registry.names == [*"aabcde", "a"]


def test_a_no_that_passes_hides_nothing_in_silence() -> None:
    """The first answer was no: the others are asked all the same, and the first is in doubt."""
    registry = Asked(lambda name, before: name != "a" or before > 0)
    assert ask(registry, *"abcda") == (["b", "c", "d", "a"], {"a": "bad-reply"})


def test_a_no_in_between_is_asked_about_once_more() -> None:
    """Of a name that had an answer before: the second time it tells."""
    registry = Asked(lambda _name, before: before != 1)
    assert ask(registry, "a", "a", "a") == (["a", "a", "a"], {})


def test_a_registry_may_say_no_where_nothing_is_attached() -> None:
    """That is against the protocol, and hides nothing of what comes after."""
    registry = Asked(lambda _name, before: before > 2)
    found, doubts = ask(registry, "b", "a", "a", "a")
    assert (found, doubts) == ([], {"": "no-referrers"})
    registry = Asked(lambda name, before: name == "c" or before == 1)
    found, doubts = ask(registry, "a", "a", "b", "c", "a")
    assert found == ["a", "c"]
    assert doubts == {"b": "bad-reply"}


def test_noes_that_hide_the_end_point_as_a_whole_are_seen_in_the_end() -> None:
    """Of six names it said no before it said yes."""
    registry = Asked(lambda _name, before: before > 0)
    found, doubts = ask(registry, *"abcdef")
    assert found == []
    assert doubts == dict.fromkeys("abcdef", "bad-reply")


def test_names_that_were_never_asked_for_are_in_doubt_too() -> None:
    """After six noes that pass, the others were not asked; in the end the registry tells."""
    at = 0

    def later(_name: str, _before: int) -> bool:
        nonlocal at
        at += 1
        return at > 6

    found, doubts = ask(Asked(later), *"abcdefgh")
    assert (found, doubts) == ([], dict.fromkeys("abcdefgh", "bad-reply"))


def test_what_was_not_asked_for_before_the_first_yes_is_in_doubt() -> None:
    """Two noes of a name hid a third manifest of it: that it tells later is not enough."""
    registry = Asked(lambda name, before: name == "b" or before == 2)
    found, doubts = ask(registry, *"aaaba")
    assert (found, doubts) == (["b", "a"], {"a": "referrers-unknown"})


def test_a_no_is_no_end_of_asking_once_the_end_point_is_known() -> None:
    """A name may say no for all that has nothing, however many these are, before it tells."""
    registry = Asked(lambda name, before: name == "b" or before == 4)
    found, doubts = ask(registry, *"baaaaa")
    assert (found, doubts) == (["b", "a"], {})


def test_a_no_after_a_yes_says_nothing_of_the_other_names() -> None:
    """One name has no such thing, wherever it is in the order; that is told."""
    registry = Asked(lambda name, _before: name != "b")
    assert ask(registry, *"abbbbcd") == (["a", "c", "d"], {"b": "referrers-unknown"})
    assert registry.names.count("b") == 5


def test_a_list_that_shows_all_manifests_is_enough() -> None:
    """Google's registries are not asked."""
    registry = Asked(lambda _name, _before: True, ARTIFACT_REGISTRY)
    assert ask(registry, *"ab") == ([], {})
    assert registry.names == []


def test_a_registry_that_does_not_answer_is_asked_by_all_at_once() -> None:
    """Its time-outs do not add up, one name after the other."""
    at_once = most = 0

    class Silent(Asked):
        async def referrers(self, name: str, _digest: Digest) -> tuple[Descriptor, ...] | None:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1
            raise MigrateError(errors.UNREACHABLE, subject=name)

    async def run() -> None:
        asking = Referrers(cast("SourceRegistry", Silent(lambda _name, _before: False)))
        names = (asking.of(name, SUBJECT) for name in "abcdefgh")
        for error in await asyncio.gather(*names, return_exceptions=True):
            assert isinstance(error, MigrateError)
        with pytest.raises(MigrateError):
            await asking.of("i", SUBJECT)

    asyncio.run(run())
    assert most == 7
