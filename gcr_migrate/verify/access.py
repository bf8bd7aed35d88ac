"""Level access of a frozen plan: who can do what at the targets now, by policies read afresh.

What the plan promises is in its grants and in its rows of access; how rights follow from policies
is computed again, with the policies of today.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

from gcr_migrate import errors
from gcr_migrate.access import Standing, holdings
from gcr_migrate.access.members import Kind, kind_of
from gcr_migrate.access.roles import permission
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.access import AccessReader
from gcr_migrate.model.access import Level as On
from gcr_migrate.model.access import Right, spelled
from gcr_migrate.model.finding import Severity
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.plan_promises import root_of
from gcr_migrate.verify.result import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.access import Hold, Holdings
    from gcr_migrate.interfaces import Access, Repositories
    from gcr_migrate.model.access import AccessRow, Grant, Picture, Policy
    from gcr_migrate.model.caller import Caller
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.result import Verification

_AT_ONCE: Final = 8
_ACCESS: Final = Level.ACCESS
_BY_POLICIES: Final = "by policies"
_BY_ASKING: Final = "by testIamPermissions"
# Of others the plan judges those that are behind them, or has excused them.
_JUDGED: Final = frozenset({Kind.CARRIED, Kind.PUBLIC})
_SERVICE_ACCOUNTS: Final = ".gserviceaccount.com"


class Lookouts(Protocol):
    """Who hands out clients that only read policies."""

    def access(self, side: Literal["source", "target"]) -> Access:
        """Return who may do what with projects and what is above them."""
        ...

    def repositories(self, side: Literal["source", "target"]) -> Repositories:
        """Return Artifact Registry's repositories."""
        ...

    async def caller(self, side: Literal["source", "target"]) -> Caller:
        """Return whose credentials a side has."""
        ...


def promises_access(migration: Migration) -> bool:
    """Whether a plan says anything about access."""
    if any(one.resource and one.grants for one in migration.repositories().values()):
        return True
    return next(migration.access_rows(), None) is not None


async def verify_access(
    migration: Migration,
    lookouts: Lookouts,
    verification: Verification,
    progress: Progress,
    now_ms: int,
) -> None:
    """Check what a plan promises about access, and add what is found to a verification.

    Args:
        migration: the frozen plan; its ledger is not read.
        lookouts: hands out clients.
        verification: has the level; takes counts and findings.
        progress: is told of each check.
        now_ms: milliseconds since 1970, for conditions.
    """
    rows: dict[str, list[AccessRow]] = {}
    for row in migration.access_rows():
        rows.setdefault(row.target, []).append(row)
    repositories = migration.repositories().values()
    targets = [one for one in repositories if one.resource and (one.grants or one.shown in rows)]
    if not targets:
        return
    check = _Check(migration, lookouts, verification, progress, now_ms)
    work = (check.repository(one, rows.get(one.shown, [])) for one in targets)
    await a_few_of(work, _AT_ONCE)


class _Check:
    """A verification of access under way."""

    def __init__(
        self,
        migration: Migration,
        lookouts: Lookouts,
        verification: Verification,
        progress: Progress,
        now_ms: int,
    ) -> None:
        self._lookouts = lookouts
        self._repositories = lookouts.repositories("target")
        self._reader = AccessReader(lookouts.access("target"), self._repositories)
        self._verification = verification
        self._progress = progress
        self._now_ms = now_ms
        seen_by_plan = migration.findings()
        self._never_seen = {
            one.subject for one in seen_by_plan if one.problem is errors.POLICY_NOT_SEEN
        }
        self._told: set[str] = set()

    def _marks(self, repository: Repository) -> Marks:
        return Marks(self._verification, self._progress, root_of(repository).host)

    async def repository(self, repository: Repository, rows: list[AccessRow]) -> None:
        """Check one target: its grants, and the rights of everybody in the plan's rows."""
        try:
            if rows:
                await self._rights(repository, rows)
            else:
                policy = await self._repositories.policy(repository.resource)
                self._grants(repository, policy)
        except MigrateError as error:
            if error.problem in errors.NOT_THERE:
                self._gone(repository)
            else:
                self._marks(repository).unchecked(_ACCESS, repository.shown, error)

    async def _rights(self, repository: Repository, rows: list[AccessRow]) -> None:
        resource = repository.resource
        project = resource.split("/")[1]
        picture = await self._reader.repository(repository.shown, resource, project)
        own = picture.policies[0].policy
        if own is None:  # asked again, for the reason as an error
            own = await self._repositories.policy(resource)
        self._grants(repository, own)
        self._see(repository, picture)
        held = holdings(picture, self._now_ms)
        planned = _planned(rows)
        members = {member for member, _ in planned} | set(held.members)
        for member in sorted(one for one in members if kind_of(one) in _JUDGED):
            for right in Right:
                self._right(repository, member, right, planned, held)
        await self._ask(repository, held)

    def _grants(self, repository: Repository, policy: Policy) -> None:
        held = set(policy.held(repository.grants))
        for grant in repository.grants:
            if grant in held:
                self._marks(repository).ok(_ACCESS)
            else:
                self._grant_gone(repository, grant, _BY_POLICIES)

    def _gone(self, repository: Repository) -> None:
        for grant in repository.grants:
            self._grant_gone(repository, grant, "the repository is not there")
        if not repository.grants:
            saw = "the repository is not there"
            self._marks(repository).wrong(_ACCESS, errors.REPOSITORY_MISSING, repository.shown, saw)

    def _grant_gone(self, repository: Repository, grant: Grant, saw: str) -> None:
        condition = f" if {grant.condition.expression}" if grant.condition else ""
        subject = f"{repository.shown} {grant.member}"
        self._marks(repository).wrong(
            _ACCESS, errors.GRANT_GONE, subject, f"{grant.role}{condition}; {saw}"
        )

    def _see(self, repository: Repository, picture: Picture) -> None:
        """Tell which policies above a repository were not seen; those that the plan saw count."""
        for on in picture.policies:
            if on.policy or on.level is On.REPOSITORY or on.resource in self._told:
                continue
            self._told.add(on.resource)
            if on.resource in self._never_seen:
                self._marks(repository).note(
                    errors.POLICY_NOT_SEEN, Severity.WARNING, on.resource, on.why
                )
            else:
                self._marks(repository).unproven(_ACCESS, on.resource, on.why)

    def _right(
        self,
        repository: Repository,
        member: str,
        right: Right,
        planned: Mapping[tuple[str, Right], bool | None],
        held: Holdings,
    ) -> None:
        """Compare one right of one member with what the plan says of it."""
        hold = held.of(member, right)
        promised = planned.get((member, right), False)
        if (member, right) not in planned and hold.standing <= Standing.ENDED:
            return
        subject = f"{repository.shown} {member}"
        if promised is None or hold.standing is Standing.UNKNOWN:
            why = hold.by or "the plan did not know it either"
            self._marks(repository).unproven(_ACCESS, subject, f"{right}: {why}; {_BY_POLICIES}")
        elif promised and hold.standing is Standing.NO:
            saw = f"{right}: nothing gives it; {_BY_POLICIES}"
            self._marks(repository).wrong(_ACCESS, errors.ACCESS_LOST, subject, saw)
        elif not promised and hold.standing > Standing.ENDED:
            saw = f"{right}: {hold.by}; {_BY_POLICIES}"
            self._marks(repository).wrong(_ACCESS, errors.ACCESS_GAINED, subject, saw)
        else:
            self._marks(repository).ok(_ACCESS)

    async def _ask(self, repository: Repository, held: Holdings) -> None:
        """Ask the service what the caller may do, where policies give the caller rights by name.

        What policies do not show, such as a deny policy, would take these away. That the caller
        may more than policies say proves nothing: groups are not opened.
        """
        caller = await self._lookouts.caller("target")
        kind = "serviceAccount" if caller.account.endswith(_SERVICE_ACCOUNTS) else "user"
        member = spelled(f"{kind}:{caller.account}")
        sure = held.sure(member)
        if not sure:
            return
        wanted = {right: permission(right, On.REPOSITORY) for right in Right if right in sure}
        may = await self._repositories.held(repository.resource, wanted.values())
        for right, name in wanted.items():
            if name in may:
                self._marks(repository).ok(_ACCESS)
            else:
                subject = f"{repository.shown} {member}"
                saw = f"{right}: {_told(held.of(member, right))}, and is refused; {_BY_ASKING}"
                self._marks(repository).wrong(_ACCESS, errors.ACCESS_LOST, subject, saw)


def _told(hold: Hold) -> str:
    return f"given by {hold.by}"


def _planned(rows: Iterable[AccessRow]) -> dict[tuple[str, Right], bool | None]:
    """Return what a plan says that members can do in the end, whichever source it is about."""
    return {(spelled(row.member), row.right): row.after for row in rows}
