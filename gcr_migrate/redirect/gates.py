"""The gates before a move: what has to be true, judged by what was read. Pure.

A gate is passed only by evidence. What could not be read is not passed, whatever the reason.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import NOT_MIGRATED, NOT_THERE, MigrateError
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.redirect.moves import FORWARD, REDIRECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gcr_migrate.redirect.evidence import Pulled, Reading
    from gcr_migrate.redirect.pullers import Puller

PULLED: Final = "pulled"
UNSEEN: Final = "unseen"
LOG: Final = "log"
_NAMED_AT_MOST: Final = 10


class Passing(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    ACCEPTED = "accepted"  # somebody has said why it does not matter
    AT_ENABLING = "when-it-is-made"  # the verification, which the move itself runs
    FAILED = "failed"
    UNKNOWN = "unknown"


HOLDING: Final = frozenset({Passing.FAILED, Passing.UNKNOWN})


class Gate(Struct, frozen=True):
    """One gate.

    Attributes:
        name: what has to be true, in a word.
        passing: what it says.
        evidence: what that rests on; what holds it up comes first.
    """

    name: str
    passing: Passing
    evidence: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it holds the move up."""
        return self.passing in HOLDING


def state_gate(reading: Reading, target: Redirection) -> Gate:
    """The state is known, and the move is one that leads on from it."""
    settings, name = reading.settings, "state"
    if isinstance(settings, MigrateError):
        return Gate(name, Passing.UNKNOWN, (settings.told,))
    if target not in FORWARD[settings.state]:
        return Gate(name, Passing.FAILED, (f"{settings.word} does not lead to {target.value}",))
    answers = tuple(_answers(reading))
    silent = [host for host in reading.hosts if host.is_not_migrated]
    # The service tells this word of states too that it has no other word for.
    if settings.state is Redirection.UNSPECIFIED and not silent:
        why = f"{settings.word}, and no host answers 412: it may be any state"
        return Gate(name, Passing.UNKNOWN, (why, *answers))
    if settings.state in REDIRECTS and silent:
        why = f"{settings.word}, and a host answers 412 as if it was not: look again later"
        return Gate(name, Passing.FAILED, (why, *answers))
    if unseen := [*_unseen_answers(reading, settings.state)]:
        return Gate(name, Passing.UNKNOWN, (*unseen, settings.word, *answers))
    return Gate(name, Passing.PASSED, (settings.word, *answers))


def _unseen_answers(reading: Reading, state: Redirection) -> Iterator[str]:
    """Give the hosts in use of which nobody knows who answers, or who should and does not."""
    for host in reading.hosts:
        answer = host.answer
        if host.is_idle:
            continue
        if state in REDIRECTS and (wrong := reading.unredirected(host)):
            yield f"{reading.shown(host)}: {wrong}"
        elif isinstance(answer, MigrateError) and answer.problem not in {*NOT_THERE, NOT_MIGRATED}:
            yield f"{reading.shown(host)}: who answers was not seen: {answer.told}"


def _answers(reading: Reading) -> Iterator[str]:
    return (f"{reading.shown(host)}: {reading.answer_words(host)}" for host in reading.hosts)


def repositories_gate(reading: Reading) -> Gate:
    """Each host in use has its own repository, in its own location, for images."""
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        shown, resource = reading.shown(host), reading.resource(host)
        repository = host.repository
        bucket = reading.bucket_name(host)
        wrong += [f"{shown}: {one} is not where it could answer" for one in host.misplaced]
        if isinstance(repository, MigrateError):
            unknown.append(f"{resource}: {repository.told}")
        elif repository is not None and repository.has_images:
            fine.append(f"{shown}: {resource}")
        elif repository is not None:
            wrong.append(
                f"{resource} is {repository.format} {repository.mode}: no place for images"
            )
        elif host.has_bucket:
            wrong.append(f"{shown}: no repository {resource}, and gs://{bucket} is there")
        elif host.has_bucket is None:
            unknown.append(f"{shown}: no repository; whether gs://{bucket} is there was not seen")
        else:
            fine.append(f"{shown}: neither repository nor bucket: it answers 404")
    return judged("repositories", wrong, unknown, fine)


def listing_gate(reading: Reading) -> Gate:
    """Everything that a list had to show was listed to its end."""
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        shown, images = reading.shown(host), host.images
        if isinstance(host.bucket, MigrateError) and host.has_bucket is None:
            unknown.append(f"gs://{reading.bucket_name(host)}: {host.bucket.told}")
        if isinstance(images, MigrateError):
            unknown.append(f"{shown}: {images.told}")
        elif images is not None:
            fine.append(f"{shown}: image paths: {images}")
        elif host.has_repository is not False:
            unknown.append(f"{shown}: its images were not listed")
        if isinstance(host.expected, MigrateError):
            unknown.append(f"{shown} by the baseline: {host.expected.told}")
        elif host.expected is not None and not host.expected.whole:
            unknown.append(f"{shown}: the baseline itself is incomplete")
    return judged("listings", [], unknown, fine)


def pulled_gate(pulled: Pulled, accepted: Mapping[str, str], *, is_copying: bool) -> Gate:
    """Everything that a log shows pulled or pushed is in Artifact Registry.

    Args:
        pulled: what was found.
        accepted: reasons, by `pulled`.
        is_copying: whether what is missing is copied when it is asked for.
    """
    missing = [*_first(pulled.missing, "used, and not there")]
    sought = [*_first(pulled.sought, "asked for in vain, and not there")]
    unchecked = [*_first(pulled.unchecked)]
    lost = len(pulled.missing) + len(pulled.unchecked)
    fine = [f"{pulled.seen - lost} of {pulled.seen} names that were used are there"]
    if is_copying:
        return judged("pulled", [], unchecked, [*fine, *missing, *sought])
    gate = judged("pulled", missing, [*sought, *unchecked], fine)
    return accepting(gate, accepted, PULLED)


def _first(names: Sequence[str], what: str = "") -> Iterator[str]:
    """Give the first of many names, and how many there are more."""
    yield from (f"{one}: {what}" if what else one for one in names[:_NAMED_AT_MOST])
    if len(names) > _NAMED_AT_MOST:
        yield f"and {len(names) - _NAMED_AT_MOST} more"


def log_gate(pulled: Pulled, accepted: Mapping[str, str]) -> Gate:
    """The log tells of all the time that it is of; what nobody logged, nobody can know."""
    unknown = [*_first([f"the log tells nothing of {one}" for one in pulled.silences])]
    fine = [f"the log is of {pulled.days or 'no day'}"]
    return accepting(judged(LOG, [], unknown, fine), accepted, LOG)


def pullers_gate(
    pullers: Sequence[Puller], unseen: Sequence[str], accepted: Mapping[str, str]
) -> Gate:
    """Everybody who is known to pull or push can do so at Artifact Registry.

    Args:
        pullers: who is known to pull.
        unseen: what could not be seen of who can pull.
        accepted: reasons by member, or by `unseen`.
    """
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    reasons: list[str] = []
    able = 0
    for one in pullers:
        told = f"{one.host} {one.member} {one.right}: {one.by} ({one.why})"
        if one.can:
            able += 1
        elif one.member in accepted:
            reasons.append(f"{told}; accepted: {accepted[one.member]}")
        elif one.can is None:
            unknown.append(told)
        else:
            wrong.append(told)
    if UNSEEN in accepted:
        reasons += [f"{one}; accepted: {accepted[UNSEEN]}" for one in unseen]
    else:
        unknown += unseen
    fine.append(f"{able} of {len(pullers)} who are known to use it can")
    if not pullers:
        fine.append("nobody is known to; an audit log or a list would tell")
    gate = judged("pullers", wrong, unknown, [*reasons, *fine])
    passed = gate.passing is Passing.PASSED
    return Gate(gate.name, Passing.ACCEPTED, gate.evidence) if passed and reasons else gate


class Proof(Struct, frozen=True):
    """What a verification of the domain came to.

    Attributes:
        checked: how many checks were made and found right.
        wrong: how many found something else.
        unchecked: how many could not be made.
        complete: whether it went through to its end.
        findings: what was found, in words; the first ones of many.
    """

    checked: int
    wrong: int
    unchecked: int
    complete: bool = True
    findings: tuple[str, ...] = ()


def proof_gate(proof: Proof | MigrateError | None, what: Iterable[str]) -> Gate:
    """All that the domain serves was verified just now, and nothing was wrong.

    Args:
        proof: what that came to; None before it is made.
        what: what is verified, in words.
    """
    name = "verified"
    if proof is None:
        return Gate(name, Passing.AT_ENABLING, tuple(what))
    if isinstance(proof, MigrateError):
        return Gate(name, Passing.UNKNOWN, (proof.told, *what))
    told = f"{proof.checked} right, {proof.wrong} wrong, {proof.unchecked} not checked"
    if proof.wrong:
        return Gate(name, Passing.FAILED, (told, *proof.findings))
    if proof.unchecked or not proof.complete:
        return Gate(name, Passing.UNKNOWN, (told, *proof.findings))
    return Gate(name, Passing.PASSED, (told, *what))


def judged(name: str, wrong: list[str], unknown: list[str], fine: list[str]) -> Gate:
    """Return a gate by its evidence: one thing that is wrong fails it, else one not known holds."""
    passing = Passing.FAILED if wrong else Passing.UNKNOWN if unknown else Passing.PASSED
    return Gate(name, passing, (*wrong, *unknown, *fine))


def accepting(gate: Gate, accepted: Mapping[str, str], word: str) -> Gate:
    """Return a gate that lets pass if somebody gave a reason for its word."""
    if not gate.holds or word not in accepted:
        return gate
    return Gate(gate.name, Passing.ACCEPTED, (f"accepted: {accepted[word]}", *gate.evidence))
