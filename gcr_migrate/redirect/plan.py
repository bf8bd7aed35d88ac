"""What a move would do to a project, and all that it rests on, with a code that stands for it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.redirect.copy_gates import (
    COPIED,
    agent_gate,
    asks_for_baseline,
    baseline_gate,
    copied_gate,
    copy_gate,
    copying_gate,
    is_copied,
)
from gcr_migrate.redirect.gates import (
    Gate,
    listing_gate,
    log_gate,
    proof_gate,
    pulled_gate,
    pullers_gate,
    repositories_gate,
    state_gate,
)
from gcr_migrate.redirect.moves import Decision, Move, decide, irreversible, meaning, next_move
from gcr_migrate.redirect.pullers import pullers_of, unseen_of
from gcr_migrate.redirect.troubles import troubles_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gcr_migrate.model.finding import Finding
    from gcr_migrate.redirect.evidence import HostReading, Pulled, Reading
    from gcr_migrate.redirect.gates import Proof
    from gcr_migrate.redirect.pullers import Named, Puller

_CODE_PARTS: Final = 3
_CODE_DIGITS: Final = 4


class HostPlan(Struct, frozen=True):
    """What a move means for one host.

    Attributes:
        host: the host with its project.
        now: who answers for it now.
        afterwards: what will answer after the move.
    """

    host: str
    now: str
    afterwards: str


class Plan(Struct, frozen=True):
    """A move and all that it rests on.

    Attributes:
        project: id of the project.
        settings: the state now.
        meaning: what that means, in words.
        move: what was asked for, or leads on; None where nothing does.
        decision: what becomes of it.
        hosts: what it means for each of the four hosts.
        irreversible: what cannot be taken back.
        gates: what has to be true before.
        pullers: who is known to pull, and whether they can afterwards.
        marks: stand for evidence of which gates tell a count and some examples.
        troubles: where there is nothing to write, what is wrong all the same.
    """

    project: str
    settings: RedirectSettings
    meaning: str
    move: Move | None
    decision: Decision
    hosts: tuple[HostPlan, ...]
    irreversible: tuple[str, ...]
    gates: tuple[Gate, ...]
    pullers: tuple[Puller, ...]
    marks: tuple[str, ...] = ()
    troubles: tuple[Finding, ...] = ()

    @property
    def holding(self) -> tuple[Gate, ...]:
        """The gates that hold it up."""
        return tuple(gate for gate in self.gates if gate.holds)

    @property
    def code(self) -> str:
        """What stands for all that the plan says, its verification apart; empty for no move.

        The verification is made by the move itself, after the code was given.
        """
        if self.decision.target is None:
            return ""
        said = [
            self.project,
            self.settings.word,
            self.settings.pull_percent,
            self.decision.target.value,
            [(one.host, one.now, one.afterwards) for one in self.hosts],
            self.irreversible,
            [(one.name, one.passing, one.evidence) for one in self.gates if one.name != _VERIFIED],
            [(p.host, p.member, p.right, p.why, p.can, p.by) for p in self.pullers],
            self.marks,
        ]
        text = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        ends = range(0, _CODE_PARTS * _CODE_DIGITS, _CODE_DIGITS)
        return "-".join(text[at : at + _CODE_DIGITS] for at in ends)

    def proven(self, proof: Proof | MigrateError) -> Plan:
        """Return the plan with what its verification came to."""
        what = next((one.evidence for one in self.gates if one.name == _VERIFIED), ())
        gates = (proof_gate(proof, what) if g.name == _VERIFIED else g for g in self.gates)
        return replace(self, gates=tuple(gates))


_VERIFIED: Final = "verified"


def plan_move(
    reading: Reading,
    move: Move | None,
    named: Iterable[Named],
    accepted: Mapping[str, str],
    now_ms: int,
    pulled: Pulled | None = None,
) -> Plan:
    """Plan a move, or the one that leads on.

    Args:
        reading: what was read; its setting could be.
        move: what was asked for; None: whatever comes next.
        named: who is named by a log or a list of those who pull.
        accepted: reasons why something does not matter: by member, by `copied`, by `unseen`.
        now_ms: milliseconds since 1970, for conditions.
        pulled: what a log shows that was pulled; None without a log.

    Raises:
        MigrateError: the setting could not be read.
    """
    settings = reading.settings
    if isinstance(settings, MigrateError):
        raise settings
    wanted = move or next_move(settings) or Move.ENABLE
    copied = True if COPIED in accepted else is_copied(reading)
    decision = decide(wanted, settings, is_copied=copied)
    target = decision.target
    pullers = pullers_of(reading, named, now_ms)
    gates: tuple[Gate, ...] = ()
    if target is not None:
        gates = (
            state_gate(reading, target),
            repositories_gate(reading),
            listing_gate(reading),
            *_copying(reading, target, accepted, now_ms),
            pullers_gate(pullers, tuple(unseen_of(reading)), accepted),
            *_pulled(pulled, target, accepted),
            proof_gate(None, _what(reading)),
        )
    return Plan(
        project=reading.project.id,
        settings=settings,
        meaning=meaning(settings),
        move=move or next_move(settings),
        decision=decision,
        hosts=tuple(_host(reading, host, target) for host in reading.hosts),
        irreversible=tuple(irreversible(settings.state, target)) if target else (),
        gates=gates,
        pullers=tuple(pullers),
        marks=tuple(_marks(reading, pulled)),
        troubles=tuple(troubles_of(reading)) if decision.is_done else (),
    )


def _copying(
    reading: Reading, target: Redirection, accepted: Mapping[str, str], now_ms: int
) -> Iterator[Gate]:
    if target is Redirection.ENABLED_AND_COPYING:
        yield copying_gate(reading)
        yield copy_gate(reading, accepted, now_ms)
        yield agent_gate(reading, now_ms)
    elif target is Redirection.ENABLED:
        yield copied_gate(reading, accepted)
    elif asks_for_baseline(reading):
        yield baseline_gate(reading)


def _pulled(
    pulled: Pulled | None, target: Redirection, accepted: Mapping[str, str]
) -> Iterator[Gate]:
    if pulled is not None:
        yield log_gate(pulled, accepted)
        is_copying = target is Redirection.ENABLED_AND_COPYING
        yield pulled_gate(pulled, accepted, is_copying=is_copying)


def _marks(reading: Reading, pulled: Pulled | None) -> Iterator[str]:
    """Give what stands for all evidence of which people read a part: other names, another code."""
    for host in reading.hosts:
        for one in (host.copied, host.expected, host.rescued):
            if one is not None and not isinstance(one, MigrateError):
                yield f"{host.host.name} {one.mark}"
    if pulled:
        yield from (*pulled.missing, *pulled.unchecked, *pulled.sought, *pulled.silences)


def _what(reading: Reading) -> Iterator[str]:
    """Give what will be verified, in words."""
    for host in reading.hosts:
        if host.has_repository:
            count = host.images if isinstance(host.images, int) else "all"
            yield f"{reading.shown(host)}: tags, manifests and blobs; image paths: {count}"


def _host(reading: Reading, host: HostReading, target: Redirection | None) -> HostPlan:
    shown, where = reading.shown(host), reading.resource(host)
    if target is None:
        afterwards = "as now: nothing is written"
    elif host.has_repository:
        afterwards = f"{where} answers"
    elif host.has_repository is None:
        afterwards = f"not known: whether there is {where} could not be seen"
    elif host.has_bucket is False:
        afterwards = "answers 404: neither repository nor bucket is there"
    else:
        afterwards = f"answers 404, its images lost to it: create {where} first"
    return HostPlan(shown, reading.answer_words(host), afterwards)
