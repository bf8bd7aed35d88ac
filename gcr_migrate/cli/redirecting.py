"""One move of a project's redirect from its plan to its proof."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import typer
from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.cli.asking import somebody_is_there
from gcr_migrate.cli.recording import Recorder
from gcr_migrate.cli.served import check_pulled, prove, read_all, room
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import Right
from gcr_migrate.model.pulls import Use
from gcr_migrate.redirect.evidence import Answer
from gcr_migrate.redirect.gates import Proof
from gcr_migrate.redirect.plan import plan_move
from gcr_migrate.redirect.pullers import Named
from gcr_migrate.redirect.read import answer, examine
from gcr_migrate.redirect.switch import Switched, switch
from gcr_migrate.redirect.troubles import repository_troubles
from gcr_migrate.report.redirection import ProofFact, RedirectMoveFacts, RedirectPlanFacts
from gcr_migrate.report.redirectlines import plan_lines

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gcr_migrate.cli.output import Output
    from gcr_migrate.cli.served import Shown
    from gcr_migrate.connect import Connections
    from gcr_migrate.model.cloud import Redirection
    from gcr_migrate.model.names import Project
    from gcr_migrate.model.pulls import Pulls
    from gcr_migrate.redirect.evidence import Reading, Rescued, Wanted
    from gcr_migrate.redirect.moves import Move
    from gcr_migrate.redirect.plan import Plan
    from gcr_migrate.report.progress import Watch

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_CUT_OFF: Final = "an earlier run was cut off before it had proven this; nothing was written now"


class Evidence(Struct, frozen=True):
    """What a person gives beside what can be read.

    Attributes:
        baseline: what has to be there; None without.
        pulls: an exported audit log; None without.
        named: who pulls by a list.
        accepted: reasons why something does not matter.
        rescued: what Google's copy answered, by host.
    """

    baseline: Wanted | None = None
    pulls: Pulls | None = None
    named: tuple[Named, ...] = ()
    accepted: Mapping[str, str] | None = None
    rescued: Mapping[str, Rescued] = field(default_factory=dict)


class Consent(Struct, frozen=True):
    """How a move is confirmed; where there is none to make, nothing has to be.

    Attributes:
        code: code of the plan that was read; empty without.
        yes: whether nobody is to be asked.
        can_ask: whether there is a terminal.
    """

    code: str
    yes: bool
    can_ask: bool

    @classmethod
    def of(cls, code: str | None, *, yes: bool, as_json: bool) -> Consent:
        """Return what the options say."""
        is_told = yes or code or as_json
        return cls(code or "", yes, not is_told and somebody_is_there())

    def check(self, plan: Plan) -> None:
        """Refuse a plan that nobody has read, unless somebody can still be asked.

        A code is asked for only here, as a plan without a move has none.

        Raises:
            MigrateError: REDIRECT_UNCONFIRMED, REDIRECT_CODE_DIFFERS.
        """
        target = plan.decision.target
        subject = f"{plan.project}: {plan.settings.word} -> {target.value if target else ''}"
        if self.yes != bool(self.code):
            saw = f"{'--i-have-read CODE' if self.yes else '--yes'} is needed too"
            raise MigrateError(errors.REDIRECT_UNCONFIRMED, subject=subject, saw=saw)
        if self.code and self.code != plan.code:
            saw = f"{self.code} is the code of another plan"
            raise MigrateError(errors.REDIRECT_CODE_DIFFERS, subject=subject, saw=saw)
        if not self.code and not self.can_ask:
            saw = "no terminal to ask on"
            raise MigrateError(errors.REDIRECT_UNCONFIRMED, subject=subject, saw=saw)


class Redirecting:
    """Plans and makes moves.

    Args:
        project: the project.
        connections: hands out clients.
        evidence: what a person gives.
        watch: is told of what is read and checked.
    """

    def __init__(
        self, project: Project, connections: Connections, evidence: Evidence, watch: Watch
    ) -> None:
        self._project = project
        self._connections = connections
        self._evidence = evidence
        self._watch = watch

    async def plan(self, move: Move | None) -> tuple[Reading, Plan]:
        """Read everything, and plan a move or the one that leads on.

        Raises:
            MigrateError: the setting cannot be read.
        """
        given = self._evidence
        reading = await examine(self._project, self._connections, given.baseline)
        hosts = (replace(one, rescued=given.rescued.get(one.host.name)) for one in reading.hosts)
        reading = replace(reading, hosts=tuple(hosts))
        if isinstance(reading.settings, MigrateError):
            raise reading.settings
        pulled = None
        if given.pulls:
            pulled = await check_pulled(reading, given.pulls, self._connections)
        now_ms = int(time.time() * 1000)
        accepted = given.accepted or {}
        return reading, plan_move(reading, move, self._named(reading), accepted, now_ms, pulled)

    def _named(self, reading: Reading) -> list[Named]:
        """Return who pulls and pushes by the log, host by host, and by the list."""
        found = [*self._evidence.named]
        uses = self._evidence.pulls.uses if self._evidence.pulls else {}
        for host in reading.hosts:
            parts = reading.resource(host).split("/")
            root = f"{parts[3]}-docker.pkg.dev/{reading.project.path}/{parts[5]}/"
            whole: dict[str, Use] = {}
            for name, members in uses.items():
                if name.startswith(root):
                    for member, use in members.items():
                        whole.setdefault(member, Use()).add(use)
            for member, use in whole.items():
                rights = ((Right.PULL, use.pulls), (Right.PUSH, use.pushes))
                found += [
                    Named(member, host.host.name, use.told, right) for right, n in rights if n
                ]
        return found

    async def move(
        self,
        move: Move,
        consent: Consent,
        output: Output,
        migration: Path | None,
        wait_s: float,
    ) -> RedirectMoveFacts:
        """Make a move, if its gates are passed and somebody confirms it.

        Args:
            move: enable or finalize.
            consent: how it is confirmed.
            output: where somebody is asked.
            migration: file in which it is recorded; None takes a log.
            wait_s: seconds for which hosts may take to follow.

        Raises:
            MigrateError: it is refused, or somebody else changed the setting meanwhile.
        """
        reading, plan = await self.plan(move)
        decision = plan.decision
        if decision.problem:
            raise MigrateError(decision.problem, subject=plan.project, saw=decision.why)
        recorder = Recorder(plan, migration)
        is_open = recorder.is_open()
        if decision.is_done and is_open:
            with room() as folder:
                shown = await read_all(reading, self._connections, self._watch, folder)
                looked = await self._afterwards(reading, shown, wait_s)
            # Hosts may have followed meanwhile, and were looked at; repositories were not.
            plan = replace(plan, troubles=tuple(repository_troubles(reading)))
            return _made(plan, Switched(plan.settings, plan.settings, _CUT_OFF), recorder, looked)
        if decision.is_done or plan.holding:
            return RedirectMoveFacts.of(plan)
        consent.check(plan)
        with room() as folder:
            shown = await read_all(reading, self._connections, self._watch, folder)
            proof = await prove(shown, self._connections, self._watch, by_domain=False)
            plan = plan.proven(proof)
            if plan.holding:
                return RedirectMoveFacts.of(plan)
            if not consent.code:
                with self._watch.paused():
                    _ask(plan, output)
            await self._still(plan, move)
            switched, unrecorded = await self._switch(plan, recorder)
            looked = await self._afterwards(reading, shown, wait_s)
        return _made(plan, switched, recorder, looked, unrecorded)

    async def _afterwards(
        self, reading: Reading, shown: Shown, wait_s: float
    ) -> tuple[list[str], Proof]:
        """Wait for the hosts and verify; the setting is written, whatever keeps one from seeing it.

        Returns:
            Hosts that do not follow, and what the verification came to.
        """
        slow: list[str] = []
        try:
            slow = await self._followed(reading, wait_s)
            proof = await prove(shown, self._connections, self._watch, by_domain=True)
        except MigrateError as error:
            return slow, Proof(0, 0, 1, complete=False, findings=(error.told,))
        except asyncio.CancelledError:
            saw = "interrupted before all of it was looked at"
            return slow, Proof(0, 0, 1, complete=False, findings=(saw,))
        return slow, proof if proof.complete else replace(proof, unchecked=max(1, proof.unchecked))

    async def _still(self, plan: Plan, move: Move) -> None:
        """Read everything again: verifying takes long enough for anything to change."""
        _, again = await self.plan(move)
        if again.code != plan.code:
            saw = "what the plan rests on changed while it was verified"
            raise MigrateError(errors.REDIRECT_CODE_DIFFERS, subject=plan.project, saw=saw)

    async def _switch(self, plan: Plan, recorder: Recorder) -> tuple[Switched, str]:
        """Write the setting; return what came of it, and why that could not be recorded."""
        target = plan.decision.target
        assert target is not None  # noqa: S101  # a plan without one never comes here
        accepted = (self._evidence.accepted or {}).items()
        recorder.add("started", "; ".join(f"accepted {what}: {why}" for what, why in accepted))
        writer = self._connections.redirect_settings()
        try:
            switched = await switch(plan.project, plan.settings, target, writer)
        except (MigrateError, asyncio.CancelledError) as error:
            failed = _failure(error, plan.project, target)
            saw = f"{failed.subject}: {failed.saw}"
            unrecorded = _recorded(recorder, "failed", saw, failed.problem.code)
            told = "; ".join(filter(None, (failed.saw, unrecorded)))
            raise MigrateError(failed.problem, subject=failed.subject, saw=told) from error
        return switched, _recorded(recorder, "done", switched.note)

    async def _followed(self, reading: Reading, wait_s: float) -> list[str]:
        """Wait until the hosts answer as it is set; return those that do not."""
        until, pause = time.monotonic() + wait_s, _FIRST_PAUSE_S
        waiting = [host for host in reading.hosts if host.has_repository]
        while True:
            answers = await asyncio.gather(
                *(answer(self._project, one.host, self._connections) for one in waiting)
            )
            asked = [replace(one, answer=said) for one, said in zip(waiting, answers, strict=True)]
            waiting = [one for one in asked if one.answer is not Answer.ARTIFACT_REGISTRY]
            if not waiting or time.monotonic() + pause > until:
                words = reading.answer_words
                return [f"{reading.shown(one)}: {words(one)}" for one in waiting]
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)


def _made(
    plan: Plan,
    switched: Switched,
    recorder: Recorder,
    looked: tuple[list[str], Proof],
    unrecorded: str = "",
) -> RedirectMoveFacts:
    """Record what was seen after a move, and tell it."""
    slow, after = looked
    right = after.complete and not (slow or plan.troubles)
    event = "verified" if right else "unproven"
    unrecorded = unrecorded or _recorded(recorder, event, _told(after, slow))
    return RedirectMoveFacts.of(
        plan,
        after=switched.after.word,
        note="; ".join(filter(None, (switched.note, unrecorded))),
        slow=slow,
        proof=ProofFact(
            checked=after.checked,
            wrong=after.wrong,
            unchecked=after.unchecked,
            findings=list(after.findings),
        ),
        recorded_in="" if unrecorded else str(recorder.path),
    )


def _failure(
    error: MigrateError | asyncio.CancelledError, project: str, target: Redirection
) -> MigrateError:
    """Return what kept the setting from being written, or from being known to be."""
    if isinstance(error, MigrateError):
        return error
    saw = f"interrupted while {target.value} was on its way"
    return MigrateError(errors.REDIRECT_UNSETTLED, subject=project, saw=saw)


def _recorded(recorder: Recorder, event: str, saw: str, code: str = "") -> str:
    """Record what has happened; return why that failed, as it takes nothing back."""
    try:
        recorder.add(event, saw, code)
    except MigrateError as error:
        return f"not recorded: {error.told}"
    return ""


def _told(proof: Proof, slow: list[str]) -> str:
    counts = f"{proof.checked} right, {proof.wrong} wrong, {proof.unchecked} not checked"
    return "; ".join([counts, *slow])


def _ask(plan: Plan, output: Output) -> None:
    """Show the plan, and have the project's id typed.

    Raises:
        MigrateError: REDIRECT_UNCONFIRMED, for anything else that is typed.
    """
    for line in plan_lines(RedirectPlanFacts.of(plan)):
        output.err.print(line, soft_wrap=True)
    typed = typer.prompt("Type the project's id to go on", default="", show_default=False, err=True)
    if typed.strip() != plan.project:
        saw = "something else was typed"
        raise MigrateError(errors.REDIRECT_UNCONFIRMED, subject=plan.project, saw=saw)
