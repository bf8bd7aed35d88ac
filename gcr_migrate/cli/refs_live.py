"""Asks registries for the names in files, and holds what they say against what is expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.cli.logins import announce, logins
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.refs.expected import expected
from gcr_migrate.refs.live import (
    ask,
    ask_anybody,
    domain_of,
    judged,
    judged_public,
    questions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.reach import Way
    from gcr_migrate.cli.scanning import Judge
    from gcr_migrate.connect import Connections, Side
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.expected import Was
    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.live import Answer, Question
    from gcr_migrate.refs.reading import Reference

Names = list[tuple["Found", "Reference", "Covered"]]


class Asking(Struct, frozen=True):
    """Asks about names.

    Attributes:
        judge: has the plan, if there is one, and says whose names are asked.
        was: a baseline.
        way: how registries are reached.
        output: where something has to be said of logins.
    """

    judge: Judge
    was: Was | None
    way: Way
    output: Output

    async def about(self, names: Names) -> Names:
        """Return names with what their registries say of them."""
        plan = self.judge.migration
        wanted = [questions(one, covered, self.judge.ours) for _, one, covered in names]
        asked = sorted({one for some in wanted for one in some}, key=str)
        if not asked:
            return self._judged(names, wanted, {})
        async with self.way.open(*(logins(plan) if plan else ())) as connections:
            await announce(self.output, connections, _hosts(asked))
            answers = await ask(asked, lambda one: reader(connections, one))
            told = self._judged(names, wanted, answers)
            return await self._by_anybody(told, wanted, connections)

    def _judged(
        self,
        names: Names,
        wanted: list[tuple[Question, ...]],
        answers: dict[Question, Answer],
    ) -> Names:
        has_plan, told = self.judge.migration is not None, []
        for (found, reference, covered), some in zip(names, wanted, strict=True):
            should = expected(reference, covered, self.was, answers)
            kept = replace(covered, expected=should.digest if should else None)
            own = {one: answers[one] for one in some}
            now = judged(reference, kept, own, should, has_plan=has_plan)
            told.append((found, reference, now))
        return told

    async def _by_anybody(
        self, names: Names, wanted: list[tuple[Question, ...]], connections: Connections
    ) -> Names:
        """Try without a login what anybody could pull by the baseline."""
        public = [bool(some) and self._is_public(one, now) for (_, one, now), some in
                  zip(names, wanted, strict=True)]  # fmt: skip
        tried = [some[0] for some, is_public in zip(wanted, public, strict=True) if is_public]
        found = await ask_anybody(tried, lambda host: connections.docker(host, None))
        return [
            (one, reference, judged_public(now, found[some[0]]) if is_public else now)
            for (one, reference, now), some, is_public in zip(names, wanted, public, strict=True)
        ]

    def _is_public(self, reference: Reference, covered: Covered) -> bool:
        domain = domain_of(reference, covered)
        return bool(domain and self.was and self.was.public(domain))


def reader(connections: Connections, question: Question) -> SourceRegistry:
    """Return the client of a question's registry."""
    give = connections.target_reader if question.is_new else connections.source
    return give(question.host, ARTIFACT_REGISTRY.name)


def _hosts(asked: Iterable[Question]) -> dict[Side, set[str]]:
    hosts: dict[Side, set[str]] = {"source": set(), "target": set()}
    for one in asked:
        hosts["target" if one.is_new else "source"].add(one.host)
    return hosts
