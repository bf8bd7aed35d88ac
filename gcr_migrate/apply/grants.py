"""Changes of one repository's access policy: grants are added, and taken back.

Each change is read, merged and written with the etag of what was read, so that nothing of others
is lost. What was read is kept in the migration file first, then the start of each grant, then it
is written, by one request. The ledger says that this file added a grant where that write was
confirmed. Where no answer came, the policy is read again: the grants of a write come or stay away
together, so all of them there means that it was ours; if only some are there, somebody else added
these, and nothing is claimed. The same holds for a run that is killed before the answer came.

What a policy had when the plan was made, or by an earlier run, is looked for too: if it is gone
since, which an undo that was killed cannot tell, it is added.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.apply.reach import SharedError
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.policies import fitting
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.state.policies import WRITTEN, added_grants, unsettled_grants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.apply.journal import Journal
    from gcr_migrate.interfaces import PolicyWriter
    from gcr_migrate.model.access import Grant, Policy
    from gcr_migrate.model.policies import ExactPolicy
    from gcr_migrate.state.migration import Migration

_TRIES: Final = 6
_PAUSE_S: Final = 0.1  # at most, the first time; the other writer is done already
_PRESENT: Final = "present"
# After these nobody knows whether a write was done.
_OPEN: Final = frozenset({errors.UNREACHABLE, errors.SERVER_ERROR, errors.BAD_REPLY})


class Grants:
    """The grants of one repository and its policy.

    Args:
        migration: the frozen plan.
        repository_id: which repository.
        resource: its full name.
        policies: where its policy is.
        journal: where events go.
    """

    def __init__(
        self,
        migration: Migration,
        repository_id: int,
        resource: str,
        policies: PolicyWriter,
        journal: Journal,
    ) -> None:
        self._repository_id = repository_id
        self._resource = resource
        self._policies = policies
        self._journal = journal
        items = migration.grant_items(repository_id)
        self._grants = {id_: grant for id_, grant, _, _ in items}
        self._open = dict(self._grants)
        self._had = {id_ for id_, _, granted, _ in items if granted}
        self._done = {id_ for id_, _, _, state in items if state is State.PRESENT}
        self._added = dict(added_grants(migration, repository_id))
        self._sent = unsettled_grants(migration, repository_id)

    async def add(self) -> None:
        """Add what is missing; what fails is an event, not an exception."""
        groups = deque([list(self._open)] if self._open else [])
        try:
            while groups:
                groups.extendleft(reversed(await self._add(groups.popleft())))
        except MigrateError as error:
            shared = SharedError.of(error)
            # Of what an earlier run added nothing is known to have changed.
            for id_ in [one for one in self._open if one not in self._done]:
                self._journal.gave_up(Kind.GRANT, id_, shared)

    async def take_back(self) -> dict[int, bool]:
        """Take back the grants that runs of this file added.

        Returns:
            Their item ids, each with whether the policy still had it.

        Raises:
            MigrateError: the policy cannot be read or written; then a later call looks again.
        """
        trouble, unanswered = self._conflict(), None
        for attempt in range(_TRIES):
            await self._pause(attempt)
            before = await self._policy()
            if before is None:  # what it stood on is gone, and the grants with it
                return self._undone(None)
            self._settle(before.policy)
            after = before.policy.without(tuple(self._added.values()))
            if after == before.policy:
                return self._undone(unanswered or before.policy)
            self._keep(before)
            try:
                if await self._policies.replace_policy(before, after):
                    return self._undone(before.policy)
                trouble = self._conflict()
            except MigrateError as error:
                if error.problem not in _OPEN:
                    raise
                trouble, unanswered = error, before.policy
        raise trouble

    async def _policy(self) -> ExactPolicy | None:
        try:
            return await self._policies.exact_policy(self._resource)
        except MigrateError as error:
            if error.problem not in errors.NOT_THERE:
                raise
            return None

    def _undone(self, policy: Policy | None) -> dict[int, bool]:
        done = {
            id_: policy is not None and policy.without((grant,)) != policy
            for id_, grant in self._added.items()
        }
        for id_ in done:
            self._journal.undone(Kind.GRANT, id_)
        self._added.clear()
        return done

    async def _add(self, group: list[int]) -> list[list[int]]:
        """Add some grants at once; return them in two parts if something in them was refused."""
        trouble = self._conflict()
        for attempt in range(_TRIES):
            await self._pause(attempt)
            before = await self._policies.exact_policy(self._resource)
            self._settle(before.policy)
            wanted = self._missing(before.policy, group)
            if not wanted:
                return []
            self._keep(before)
            await self._journal.sending(Kind.GRANT, wanted)
            self._sent = set(wanted)
            try:
                wrote = await self._policies.replace_policy(
                    before, before.policy.added(tuple(wanted.values()))
                )
            except MigrateError as error:
                if error.problem in _OPEN:
                    trouble = error
                    continue
                self._withdraw()
                if error.problem is not errors.REQUEST_REFUSED:
                    raise
                return self._refused(wanted, error)
            if wrote:
                self._confirm(wanted, WRITTEN)
                self._sent = set()
                return []
            trouble = self._conflict()
            self._withdraw()
        raise trouble

    def _missing(self, policy: Policy, group: list[int]) -> dict[int, Grant]:
        """Return what is to be written of a group; what is there, or has no room, is recorded."""
        wanted = {id_: self._open[id_] for id_ in group if id_ in self._open}
        held = _held(policy, wanted)
        known = self._had | self._done
        self._confirm([id_ for id_ in held if id_ not in known], _PRESENT)
        for id_ in known.intersection(held):  # nothing has happened
            del self._open[id_]
        for id_ in self._done.intersection(wanted).difference(held):
            self._journal.undone(Kind.GRANT, id_)
            self._done.remove(id_)
            self._added.pop(id_, None)
        fits, over = fitting(policy, {id_: wanted[id_] for id_ in wanted if id_ not in held})
        for id_, saw in over.items():
            self._fail(id_, errors.POLICY_FULL, saw)
        return fits

    def _refused(self, wanted: dict[int, Grant], error: MigrateError) -> list[list[int]]:
        """Record that a single grant was refused, or part several to find which of them was."""
        ids = list(wanted)
        if len(ids) == 1:
            self._fail(ids[0], errors.GRANT_REFUSED, error.saw)
            return []
        middle = len(ids) // 2
        return [ids[:middle], ids[middle:]]

    def _settle(self, policy: Policy) -> None:
        """Find out what became of a write that nobody confirmed."""
        sent, self._sent = self._sent, set()
        held = set(_held(policy, {id_: self._grants[id_] for id_ in sent}))
        if held and held == sent:
            self._confirm(held, WRITTEN)
            return
        for id_ in sent - held:
            self._journal.refused(Kind.GRANT, id_)
        self._confirm(held, _PRESENT)

    def _withdraw(self) -> None:
        """Record that what was sent was certainly not done."""
        for id_ in self._sent:
            self._journal.refused(Kind.GRANT, id_)
        self._sent = set()

    def _confirm(self, ids: Iterable[int], how: str) -> None:
        for id_ in ids:
            self._journal.confirmed(Kind.GRANT, id_, how=how)
            self._open.pop(id_, None)
            if how == WRITTEN:
                self._added[id_] = self._grants[id_]

    def _fail(self, id_: int, problem: errors.Problem, saw: str) -> None:
        grant = self._open.pop(id_)
        subject = f"{grant.member} as {grant.role} on {self._resource}"
        self._journal.gave_up(Kind.GRANT, id_, MigrateError(problem, subject=subject, saw=saw))

    def _keep(self, before: ExactPolicy) -> None:
        self._journal.keep_policy(self._repository_id, before)

    def _conflict(self) -> MigrateError:
        return MigrateError(errors.POLICY_CONFLICT, subject=self._resource, saw=f"{_TRIES} tries")

    async def _pause(self, attempt: int) -> None:
        """Wait before all tries but the first, so that writers in each other's way come apart."""
        if attempt:
            longest_s = _PAUSE_S * 2 ** (attempt - 1)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311  # no secret


def _held(policy: Policy, grants: Mapping[int, Grant]) -> list[int]:
    """Return the ids of those of some grants that a policy gives."""
    given = set(policy.held(grants.values()))
    return [id_ for id_, grant in grants.items() if grant in given]
