"""Whether a bucket that Container Registry used may go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import MigrateError
from gcr_migrate.leftovers.claims import Claim, ClaimName, Leftover, Standing, Verdict, verdict_of
from gcr_migrate.leftovers.costs import Cost, bucket_cost
from gcr_migrate.leftovers.shared import (
    BROWSER,
    BUCKET_VIEWER,
    OBJECT_VIEWER,
    READER,
    date,
    named,
    redirected,
    unseen,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.leftovers.evidence import (
        BucketContents,
        BucketEvidence,
        Listed,
        ProjectEvidence,
    )
    from gcr_migrate.model.prices import Prices
    from gcr_migrate.model.storage import BucketSettings

_DAY_S: Final = 86_400


def judge_bucket(
    project: ProjectEvidence, bucket: BucketEvidence, prices: Prices, now_ms: int
) -> Leftover:
    """Judge a bucket.

    Args:
        project: the project that it is named for.
        bucket: what was seen of it.
        prices: what storage costs.
        now_ms: milliseconds since 1970.
    """
    ours = _ours(project, bucket)
    claims = (ours,) if ours.standing is Standing.REFUTED else (ours, *_claims(project, bucket))
    if claims[1:]:
        claims = (*claims, _deletable(bucket, now_ms))
    may_go = verdict_of(claims) is Verdict.MAY_GO
    return Leftover(
        kind="bucket",
        name=f"gs://{bucket.name}",
        host=bucket.host.name,
        claims=claims,
        cost=_cost(bucket, prices, ours),
        command=f"gcloud storage rm --recursive gs://{bucket.name}" if may_go else "",
        notes=tuple(_notes(bucket)) if ours.standing is not Standing.REFUTED else (),
    )


def _cost(bucket: BucketEvidence, prices: Prices, ours: Claim) -> Cost:
    if ours.standing is Standing.REFUTED:
        return Cost(why="it is not the project's")
    if isinstance(bucket.settings, MigrateError):
        return Cost(why=bucket.settings.told)
    if isinstance(bucket.contents, MigrateError):
        return Cost(why=bucket.contents.told)
    return bucket_cost(prices, bucket.settings, bucket.contents)


def _claims(project: ProjectEvidence, bucket: BucketEvidence) -> Iterator[Claim]:
    yield redirected(project)
    yield _served(project, bucket)
    if isinstance(bucket.contents, MigrateError):
        yield unseen(ClaimName.COPIED, bucket.contents, OBJECT_VIEWER)
        yield unseen(ClaimName.ALONE, bucket.contents, OBJECT_VIEWER)
        return
    yield _copied(project, bucket, bucket.contents)
    if bucket.contents.old_files:
        yield _names_copied(bucket, bucket.contents)
    yield _alone(bucket.contents)


def _ours(project: ProjectEvidence, bucket: BucketEvidence) -> Claim:
    settings, facts = bucket.settings, project.facts
    if isinstance(settings, MigrateError):
        return unseen(ClaimName.OURS, settings, BUCKET_VIEWER)
    if isinstance(facts, MigrateError):
        return unseen(ClaimName.OURS, facts, BROWSER)
    numbers = settings.project_number, facts.number
    if not all(numbers):
        return Claim(ClaimName.OURS, Standing.OPEN, "the number of its project was not told")
    if numbers[0] != numbers[1]:
        saw = f"it is in project {numbers[0]}, and {facts.id} is {numbers[1]}: the name alone"
        return Claim(ClaimName.OURS, Standing.REFUTED, saw, "Leave it to that project.")
    return Claim(ClaimName.OURS, Standing.PROVEN, f"it is in project {numbers[0]}")


def _served(project: ProjectEvidence, bucket: BucketEvidence) -> Claim:
    listed = project.has_repository.get(bucket.host.location, False)
    if isinstance(listed, MigrateError):
        return unseen(ClaimName.SERVED, listed, READER)
    if any(one.host == bucket.host for one in project.repositories):
        return Claim(ClaimName.SERVED, Standing.PROVEN, f"{bucket.host.repository_id} is there")
    saw = f"no repository {bucket.host.repository_id} in {bucket.host.location}"
    remedy = "Rescue the images into it: `rescue`. Without it the bucket has the only copy."
    return Claim(ClaimName.SERVED, Standing.REFUTED, saw, remedy)


def _wanted_file(project: ProjectEvidence, bucket: BucketEvidence) -> str:
    root = f"{bucket.host.name}/{project.project.path}"
    return f"Take a snapshot, `inventory {root} -o FILE`, and give it: --migration FILE."


def _copied(  # each answer ends it
    project: ProjectEvidence, bucket: BucketEvidence, contents: BucketContents
) -> Claim:
    name = ClaimName.COPIED
    if not contents.blobs and contents.is_complete:
        return Claim(name, Standing.PROVEN, "there is no blob of an image in it")
    listed = [one for one in bucket.listed if one.is_complete]
    if not listed:
        saw = "no file was given that lists the host's images"
        if bucket.listed:
            saw = f"{bucket.listed[0].file} does not list all of them"
        return Claim(name, Standing.OPEN, saw, _wanted_file(project, bucket))
    best = min(listed, key=lambda one: len(contents.blobs - one.blobs.keys()))
    lost = bucket.lost
    for refused in (best.gone, lost):
        if isinstance(refused, MigrateError):
            return unseen(name, refused, READER)
    assert not isinstance(lost, MigrateError)  # noqa: S101  # for who checks types
    if lost:
        saw = f"Artifact Registry lacks {len(lost):,} of {len(contents.blobs):,} blobs"
        remedy = "Rescue the images that need them: the bucket has the only copy."
        return Claim(name, Standing.REFUTED, saw, remedy)
    saw, remedy = _not_copied(best, contents)
    if not saw and lost is None:
        saw, remedy = "Artifact Registry was not asked for each blob", "Leave out --skip-blobs."
    if saw:
        return Claim(name, Standing.OPEN, saw, remedy)
    return Claim(name, Standing.PROVEN, f"all {len(contents.blobs):,}, {_by(best)}")


def _not_copied(listed: Listed, contents: BucketContents) -> tuple[str, str]:
    """Return why a file is no proof, and what would be; nothing if it is one."""
    if listed.gone:
        saw = f"{listed.gone:,} of {listed.manifests:,} manifests in {listed.file} are gone since"
        return saw, "Bring them back while the bucket has their blobs, or take a new snapshot."
    left = len(contents.blobs - listed.blobs.keys())
    if left:
        saw = (
            f"{left:,} of {len(contents.blobs):,} blobs are of no image in {listed.file}:"
            " of images that were never copied, or were deleted"
        )
        return saw, "Rescue what was not copied; a snapshot from before a deletion has its blobs."
    if not contents.is_complete:
        saw = f"only the first {contents.seen:,} objects were looked at"
        return saw, "Let it look at more: --objects-at-most."
    return "", ""


def _by(listed: Listed) -> str:
    return f"by {listed.file} of {listed.at}"


def _names_copied(bucket: BucketEvidence, contents: BucketContents) -> Claim:
    """Judge files of a very old project, in which its tags were kept."""
    name = ClaimName.NAMES_COPIED
    lists = [one for one in bucket.listed if one.is_complete]
    best = min(lists, key=lambda one: len(contents.old_tags - one.tags), default=None)
    left = sorted(contents.old_tags - (best.tags if best else frozenset()))
    if best and not left and contents.is_complete:
        saw = f"all {len(contents.old_tags):,} tags of a very old project, {_by(best)}"
        return Claim(name, Standing.PROVEN, saw)
    known = f", such as {left[0][0]}:{left[0][1]}" if left else ""
    saw = f"{contents.old_files:,} files have tags and manifests of a very old project{known}"
    remedy = "Keep a copy of `containers/repositories/`: nothing else may have these names."
    return Claim(name, Standing.OPEN, saw, remedy)


def _alone(contents: BucketContents) -> Claim:
    if contents.others:
        saw = f"{contents.others:,} other objects: {named(contents.others, contents.examples)}"
        remedy = "Find out whose they are, and move them."
        return Claim(ClaimName.ALONE, Standing.REFUTED, saw, remedy)
    if not contents.is_complete:
        saw = f"only the first {contents.seen:,} objects were looked at"
        remedy = "Let it look at more: --objects-at-most."
        return Claim(ClaimName.ALONE, Standing.OPEN, saw, remedy)
    return Claim(ClaimName.ALONE, Standing.PROVEN, f"{contents.seen:,} objects, all of images")


def _deletable(bucket: BucketEvidence, now_ms: int) -> Claim:
    name = ClaimName.DELETABLE
    if isinstance(bucket.settings, MigrateError):
        return unseen(name, bucket.settings, BUCKET_VIEWER)
    if isinstance(bucket.contents, MigrateError):
        return unseen(name, bucket.contents, OBJECT_VIEWER)
    against = list(_against(bucket.settings, bucket.contents, now_ms))
    if against:
        remedy = "Wait for that day, or let go what is held; a locked rule cannot be shortened."
        return Claim(name, Standing.REFUTED, "; ".join(against), remedy)
    if not bucket.contents.is_complete:
        saw = f"only the first {bucket.contents.seen:,} objects were looked at"
        return Claim(name, Standing.OPEN, saw, "Let it look at more: --objects-at-most.")
    return Claim(name, Standing.PROVEN, "no object is held, or retained any more")


def _against(settings: BucketSettings, contents: BucketContents, now_ms: int) -> Iterator[str]:
    newest = contents.newest_ms
    if settings.retention_s and newest is not None:
        until_ms = newest + settings.retention_s * 1000
        if until_ms > now_ms:
            locked = "a locked rule" if settings.retention_locked else "a rule"
            days = settings.retention_s // _DAY_S
            yield f"{locked} retains objects for {days:,} days, the newest until {date(until_ms)}"
    if contents.held:
        yield f"{contents.held:,} objects are held"
    if contents.retained_until_ms and contents.retained_until_ms > now_ms:
        yield f"objects are retained until {date(contents.retained_until_ms)}"


def _notes(bucket: BucketEvidence) -> Iterator[str]:
    settings = bucket.settings
    if isinstance(settings, MigrateError):
        return
    if settings.soft_delete_s:
        days = max(1, settings.soft_delete_s // _DAY_S)
        yield f"what is deleted can be restored for {days:,} days, and is billed until then"
    if settings.versioned:
        yield "older versions of objects are kept; they are counted here, and go with the bucket"
    if settings.holds_new_objects:
        yield "new objects are held by default"
    if settings.deletes_by_itself:
        yield "a lifecycle rule deletes objects by itself: what is missing may be gone already"
    if bucket.name.endswith(".a.appspot.com"):
        yield "the name belongs to a domain: whoever deletes it may not get it back"
