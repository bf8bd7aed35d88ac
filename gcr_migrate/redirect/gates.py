"""The gates before a move: what has to be true, judged by what was read. Pure.

A gate is passed only by evidence. What could not be read is not passed, whatever the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from gcr_migrate.access import Standing, holdings
from gcr_migrate.errors import NOT_MIGRATED, NOT_THERE, MigrateError
from gcr_migrate.model.access import Right, spelled
from gcr_migrate.model.cloud import Redirection
from gcr_migrate.redirect.evidence import COPIER, Answer
from gcr_migrate.redirect.moves import FORWARD, REDIRECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gcr_migrate.model.access import Picture
    from gcr_migrate.redirect.evidence import HostReading, Pulled, Reading
    from gcr_migrate.redirect.pullers import Puller

COPIED: Final = "copied"
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


@dataclass(frozen=True, slots=True)
class Gate:
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


def is_copied(reading: Reading) -> bool | None:
    """Say whether everything that Container Registry had is in Artifact Registry.

    Proven by the hashes of blobs in the buckets, or by there being no bucket. A baseline can only
    show what is missing: whoever wrote it may have seen no more than there is now.
    """
    found = [_host_is_copied(host) for host in reading.hosts]
    if False in found:
        return False
    return None if None in found else True


def _host_is_copied(host: HostReading) -> bool | None:
    expected, copied = host.expected, host.copied
    if expected is not None and not isinstance(expected, MigrateError) and expected.missing:
        return False
    if isinstance(expected, MigrateError):
        return None
    if host.has_bucket is False:
        return True
    if host.has_bucket is None or copied is None or isinstance(copied, MigrateError):
        return None
    return copied.missing == 0


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
        if host.is_idle or answer is Answer.ARTIFACT_REGISTRY:
            continue
        if not isinstance(answer, MigrateError):
            if state in REDIRECTS:
                yield f"{reading.shown(host)}: it answers without the mark of Artifact Registry"
        elif answer.problem not in {*NOT_THERE, NOT_MIGRATED}:
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
    return _gate("repositories", wrong, unknown, fine)


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
    return _gate("listings", [], unknown, fine)


def copied_gate(reading: Reading, accepted: Mapping[str, str]) -> Gate:
    """Everything that Container Registry had is in Artifact Registry, as copying ends."""
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        told, where = _copied_words(reading, host), _host_is_copied(host)
        {True: fine, False: wrong, None: unknown}[where].extend(told)
    gate = _gate("copied", wrong, unknown, fine)
    return _accepting(gate, accepted, COPIED)


def baseline_gate(reading: Reading) -> Gate:
    """Everything that a baseline names is in Artifact Registry."""
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        expected, told = host.expected, list(_expected_words(reading, host))
        if isinstance(expected, MigrateError):
            unknown += told
        elif expected is not None:
            (wrong if expected.missing else fine).extend(told)
        elif host.has_repository:
            fine.append(f"{reading.shown(host)}: the baseline does not speak of it")
    return _gate("baseline", wrong, unknown, fine)


def pulled_gate(pulled: Pulled, accepted: Mapping[str, str], *, is_copying: bool) -> Gate:
    """Everything that a log shows pulled or pushed is in Artifact Registry.

    Args:
        pulled: what was found.
        accepted: reasons, by `pulled`.
        is_copying: whether what is missing is copied when it is asked for.
    """
    missing = [f"{one}: used, and not there" for one in pulled.missing[:_NAMED_AT_MOST]]
    if len(pulled.missing) > _NAMED_AT_MOST:
        missing.append(f"and {len(pulled.missing) - _NAMED_AT_MOST} more")
    lost = len(pulled.missing) + len(pulled.unchecked)
    fine = [f"{pulled.seen - lost} of {pulled.seen} names that were used are there"]
    if is_copying:
        return _gate("pulled", [], [*pulled.unchecked], [*fine, *missing])
    return _accepting(_gate("pulled", missing, [*pulled.unchecked], fine), accepted, PULLED)


def log_gate(pulled: Pulled, accepted: Mapping[str, str]) -> Gate:
    """The log tells of all the time that it is of; what nobody logged, nobody can know."""
    unknown = [f"the log tells nothing of {one}" for one in pulled.silences[:_NAMED_AT_MOST]]
    if len(pulled.silences) > _NAMED_AT_MOST:
        unknown.append(f"and of {len(pulled.silences) - _NAMED_AT_MOST} more such times")
    fine = [f"the log is of {pulled.days or 'no day'}"]
    return _accepting(_gate(LOG, [], unknown, fine), accepted, LOG)


def copying_gate(reading: Reading) -> Gate:
    """What is missing is copied on demand; told for whoever reads the plan."""
    told = [one for host in reading.hosts for one in _copied_words(reading, host)]
    return Gate("copied", Passing.PASSED, ("what is missing is copied when asked for", *told))


def _expected_words(reading: Reading, host: HostReading) -> Iterator[str]:
    shown, expected = reading.shown(host), host.expected
    if isinstance(expected, MigrateError):
        yield f"{shown} by the baseline: {expected.told}"
    elif expected is not None:
        few = f", such as {', '.join(expected.examples)}" if expected.examples else ""
        yield f"{shown}: {expected.missing} of {expected.seen} in the baseline are missing{few}"


def _copied_words(reading: Reading, host: HostReading) -> Iterator[str]:
    shown, bucket, copied = reading.shown(host), f"gs://{reading.bucket_name(host)}", host.copied
    yield from _expected_words(reading, host)
    if host.has_bucket is False:
        yield f"{shown}: no bucket, nothing to copy"
    elif isinstance(copied, MigrateError):
        yield f"{bucket}: {copied.told}"
    elif copied is None:
        yield f"{bucket}: not seen"
    else:
        few = f", such as {', '.join(copied.examples)}" if copied.examples else ""
        yield f"{shown}: {copied.missing} of {copied.seen} blobs of {bucket} are missing{few}"


def agent_gate(reading: Reading, now_ms: int) -> Gate:
    """Artifact Registry's agent can read each bucket that it is to copy from.

    The move is refused without that. Whether the copy itself asks another account is not known:
    where that one cannot read it is told, and holds nothing up.
    """
    agent, name = reading.agent, "agent"
    with_bucket = [host for host in reading.hosts if host.has_bucket is not False]
    if not with_bucket:
        return Gate(name, Passing.PASSED, ("no bucket, nothing to copy",))
    if not agent:
        said = reading.facts.told if isinstance(reading.facts, MigrateError) else "no number told"
        return Gate(name, Passing.UNKNOWN, (f"number of the project: {said}",))
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in with_bucket:
        bucket, source = f"gs://{reading.bucket_name(host)}", host.source
        if source is None or isinstance(source, MigrateError):
            why = source.told if source else "its policy was not seen"
            unknown.append(f"{agent} on {bucket}: {why}")
            continue
        can, by = _agent_reads(source, f"serviceAccount:{agent}", now_ms)
        {True: fine, False: wrong, None: unknown}[can].append(f"{agent} on {bucket}: {by}")
        copier, why = _agent_reads(source, f"serviceAccount:{COPIER}", now_ms)
        if not copier:
            fine.append(f"the copy may ask {COPIER} on {bucket}: {why}")
    return _gate(name, wrong, unknown, fine)


def _agent_reads(source: Picture, member: str, now_ms: int) -> tuple[bool | None, str]:
    hold = holdings(source, now_ms).of(spelled(member), Right.PULL)
    if hold.standing is Standing.YES:
        return True, hold.by
    if hold.standing > Standing.ENDED:
        return None, hold.by
    hidden = next((on for on in source.policies if on.policy is None), None)
    if hidden:
        return None, f"{hidden.resource}: {hidden.why}"
    return False, "nothing lets it read; grant it roles/storage.objectViewer"


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
    gate = _gate("pullers", wrong, unknown, [*reasons, *fine])
    passed = gate.passing is Passing.PASSED
    return Gate(gate.name, Passing.ACCEPTED, gate.evidence) if passed and reasons else gate


@dataclass(frozen=True, slots=True)
class Proof:
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


def _gate(name: str, wrong: list[str], unknown: list[str], fine: list[str]) -> Gate:
    passing = Passing.FAILED if wrong else Passing.UNKNOWN if unknown else Passing.PASSED
    return Gate(name, passing, (*wrong, *unknown, *fine))


def _accepting(gate: Gate, accepted: Mapping[str, str], word: str) -> Gate:
    if not gate.holds or word not in accepted:
        return gate
    return Gate(gate.name, Passing.ACCEPTED, (f"accepted: {accepted[word]}", *gate.evidence))
