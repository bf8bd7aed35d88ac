"""The gates before a move that are about copying: what is copied, and by whom. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from gcr_migrate.access import holdings
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import Right, spelled
from gcr_migrate.redirect.evidence import COPIER
from gcr_migrate.redirect.gates import Gate, Passing, accepting, judged
from gcr_migrate.redirect.pullers import told_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gcr_migrate.model.access import Picture
    from gcr_migrate.redirect.evidence import HostReading, Reading

COPIED: Final = "copied"
COPY: Final = "copy"
_FRESH_DAYS: Final = 30  # for which an answer of the copy stands for its answers of today
_DAY_MS: Final = 86_400_000


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
    whole = host.rescued.is_whole if host.rescued else True
    if whole is False:
        return False
    if whole is None or isinstance(expected, MigrateError):
        return None
    if host.has_bucket is False:
        return True
    if host.has_bucket is None or copied is None or isinstance(copied, MigrateError):
        return None
    return copied.missing == 0


def copied_gate(reading: Reading, accepted: Mapping[str, str]) -> Gate:
    """Everything that Container Registry had is in Artifact Registry, as copying ends."""
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        told, where = _copied_words(reading, host), _host_is_copied(host)
        {True: fine, False: wrong, None: unknown}[where].extend(told)
    gate = judged("copied", wrong, unknown, fine)
    return accepting(gate, accepted, COPIED)


def asks_for_baseline(reading: Reading) -> bool:
    """Whether there is a baseline to be held against the repositories, or one is missing."""
    return any(host.expected is not None or _is_bare(host) for host in reading.hosts)


def _is_bare(host: HostReading) -> bool:
    """Whether nothing is there to be verified, and something may have been."""
    return bool(host.has_repository) and host.images == 0 and host.has_bucket is not False


def baseline_gate(reading: Reading) -> Gate:
    """Everything that a baseline names is in Artifact Registry.

    Where a repository is empty and its host has a bucket nothing can be verified: only a baseline
    tells whether nothing is what should be there.
    """
    is_given = any(host.expected is not None for host in reading.hosts)
    wrong: list[str] = []
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        expected, told = host.expected, list(_expected_words(reading, host))
        if isinstance(expected, MigrateError):
            unknown += told
        elif expected is not None:
            (wrong if expected.missing else fine).extend(told)
        elif _is_bare(host):
            bucket = f"gs://{reading.bucket_name(host)}"
            empty = f"{reading.shown(host)}: no image is there, and no baseline says so"
            unknown.append(f"{empty}; whether those of {bucket} were copied is not known")
        elif host.has_repository and is_given:
            fine.append(f"{reading.shown(host)}: the baseline does not speak of it")
    return judged("baseline", wrong, unknown, fine)


def copying_gate(reading: Reading) -> Gate:
    """What is missing is copied on demand; told for whoever reads the plan."""
    told = [one for host in reading.hosts for one in _copied_words(reading, host)]
    return Gate("copied", Passing.PASSED, ("what is missing is copied when asked for", *told))


def copy_gate(reading: Reading, accepted: Mapping[str, str], now_ms: int) -> Gate:
    """Google's copy was seen to work for each bucket, before pulls are left to it.

    Proven by what a rescue was answered not long ago, or by blobs of the bucket that are in the
    repository. Else all that is not there yet would be missing as soon as it is asked for.
    """
    unknown: list[str] = []
    fine: list[str] = []
    for host in reading.hosts:
        if host.has_bucket is not False:
            works, told = _copy_works(reading, host, now_ms)
            (fine if works else unknown).append(told)
    return accepting(judged(COPY, [], unknown, fine), accepted, COPY)


def _copy_works(reading: Reading, host: HostReading, now_ms: int) -> tuple[bool, str]:
    """Say whether the copy was seen to work for a host, and by what that is known or is not."""
    shown, copied, rescued = reading.shown(host), host.copied, host.rescued
    bucket = f"gs://{reading.bucket_name(host)}"
    if rescued is not None and rescued.last:
        last_ms = datetime.fromisoformat(rescued.last).timestamp() * 1000
        is_fresh = last_ms >= now_ms - _FRESH_DAYS * _DAY_MS
        why = "" if is_fresh else ": whether it does today is not known; run the rescue again"
        return is_fresh, f"{shown}: the copy last answered on {rescued.last}{why}"
    if isinstance(copied, MigrateError) or copied is None:
        return False, f"{bucket}: {copied.told if copied else 'its blobs were not compared'}"
    if not copied.seen:
        return True, f"{bucket} has no blob"
    if copied.missing < copied.seen:
        some = f"{copied.seen - copied.missing} of {copied.seen} blobs of {bucket}"
        return True, f"{shown}: {some} are in Artifact Registry; when they came is not known"
    saw = f"no blob of {bucket} is in Artifact Registry, so nothing shows that it is copied"
    first = f"gcr-migrate rescue {shown} --newest 1"
    return False, f"{shown}: {saw}: run `{first}`, and give its file by --rescue"


def _rescued_words(reading: Reading, host: HostReading) -> Iterator[str]:
    rescued = host.rescued
    if rescued is None:
        return
    counts = [
        f"{rescued.copied} manifests copied",
        f"{rescued.failed} failed",
        f"{rescued.damaged} of these damaged in the bucket",
        f"{rescued.tags_failed} tags not set",
        f"{rescued.unended} names not gone through to their end",
    ]
    said = ", ".join(counts) if rescued.last else "no answer says what it did"
    if rescued.is_part:
        said += "; only a part was asked for, so this says nothing of the rest"
    yield f"{reading.shown(host)} by the rescue: {said}{_such_as(rescued.examples)}"


def _expected_words(reading: Reading, host: HostReading) -> Iterator[str]:
    shown, expected = reading.shown(host), host.expected
    if isinstance(expected, MigrateError):
        yield f"{shown} by the baseline: {expected.told}"
    elif expected is not None:
        lacking = f"{expected.missing} of {expected.seen} in the baseline are missing"
        yield f"{shown}: {lacking}{_such_as(expected.examples)}"


def _copied_words(reading: Reading, host: HostReading) -> Iterator[str]:
    shown, bucket, copied = reading.shown(host), f"gs://{reading.bucket_name(host)}", host.copied
    yield from _rescued_words(reading, host)
    yield from _expected_words(reading, host)
    if host.has_bucket is False:
        yield f"{shown}: no bucket, nothing to copy"
    elif isinstance(copied, MigrateError):
        yield f"{bucket}: {copied.told}"
    elif copied is None:
        yield f"{bucket}: not seen"
    else:
        lacking = f"{copied.missing} of {copied.seen} blobs of {bucket} are missing"
        yield f"{shown}: {lacking}{_such_as(copied.examples)}"


def _such_as(examples: Sequence[str]) -> str:
    return f", such as {', '.join(examples)}" if examples else ""


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
    return judged(name, wrong, unknown, fine)


def _agent_reads(source: Picture, member: str, now_ms: int) -> tuple[bool | None, str]:
    hold = holdings(source, now_ms).of(spelled(member), Right.PULL)
    nothing = False, "nothing lets it read; grant it roles/storage.objectViewer"
    return told_by(hold, source) or nothing
