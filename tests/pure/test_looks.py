"""How long it is believed what a tag points to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.apply.tags import Look
from gcr_migrate.model.work import ListWork, Tags
from gcr_migrate.state.file import open_migration
from tests.pure.test_ledger import AMD, write_plan
from tests.pure.test_shared_blobs import place_of

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.content import Digest


class Slow:
    """Two registries whose lists take their time.

    Attributes:
        now_s: the time.
        lists: how many were asked for.
        takes_s: how long one takes.
    """

    count = 1

    def __init__(self, takes_s: float, tags: int) -> None:
        self.now_s, self.lists, self.takes_s = 100.0, 0, takes_s
        self._tags: dict[str, Digest | None] = {f"t{n}": AMD.digest for n in range(tags)}

    def asked(self) -> list[Any]:
        """There are no other processes."""
        return []

    async def do(self, work: Any) -> Any:
        """Answer."""
        if not isinstance(work, ListWork):
            return AMD.digest
        self.now_s += self.takes_s
        self.lists += 1
        return Tags(self._tags)


@pytest.mark.parametrize(
    ("takes_s", "tags", "fresh_s"),
    [
        (0.01, 1, 0.9),  # a second
        (0.2, 1, 3.5),  # twenty times what it takes
        (3.4, 1, 4.5),  # as what it takes cannot be so much
        (3.4, 9_000, 45.0),  # but where it is long it can
    ],
)
def test_a_look_is_believed_as_long_as_another_one_would_cost(
    tmp_path: Path, takes_s: float, tags: int, fresh_s: float
) -> None:
    """A pause, tries in vain and a server that stood still for once are none of its cost."""
    write_plan(tmp_path / "a")

    async def run() -> list[int]:
        with open_migration(tmp_path / "a") as file:
            image = next(iter(file.images()))
            hands = Slow(takes_s, tags)
            look = Look(place_of(file, image), hands, lambda _: None, lambda: hands.now_s)
            item = next(tag for one in file.manifests(image.id) for tag in file.tags_of(1, one.id))
            counts = []
            for wait_s in (0.0, fresh_s, fresh_s * 0.3 + 0.5):
                hands.now_s += wait_s
                await look.now(item)
                counts.append(hands.lists)
            return counts

    assert asyncio.run(run()) == [1, 1, 2]
