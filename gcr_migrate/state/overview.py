"""Sums that a report draws: by image and repository, the largest layers, and the course of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct

from gcr_migrate.errors import REFUSED_ALONE, TOO_MANY_REQUESTS
from gcr_migrate.state.last import is_open, last_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.state.migration import Migration

STEPS: Final = 60  # parts into which the time of a run is cut
RUNS_DRAWN: Final = 12  # the last ones
LAYERS_DRAWN: Final = 15


class ImageSum(NamedTuple):
    """What one image path has, and how far its manifests and tags are.

    Attributes:
        image_id: which image.
        manifests: number of its manifests.
        size_bytes: bytes of its blobs, each once.
        is_open: something of it is still to be done.
        has_failed: something of it is given up.
    """

    image_id: int
    manifests: int
    size_bytes: int
    is_open: bool
    has_failed: bool


class RepositorySum(NamedTuple):
    """What one target repository gets or has; each blob counts once in it."""

    name: str
    images: int
    manifests: int
    tags: int
    size_bytes: int


class Layer(NamedTuple):
    """A blob, one image that needs it, and how many there are."""

    digest: str
    size_bytes: int
    image: str
    images: int


class Course(Struct, frozen=True):
    """A run as time went by, cut into equal steps.

    Attributes:
        number: of the run.
        seconds: from its start to its end, or to its last event.
        sent: bytes uploaded in each step.
        done: items that were confirmed in each.
        failed: items that were given up in each.
        throttled: those of them that a quota held up for too long.
        requests: answered in each step; all 0 where nobody counted.
        refused: those of them that a quota refused.
        retried: requests that were sent once more, in all.
    """

    number: int
    seconds: float
    sent: tuple[int, ...]
    done: tuple[int, ...]
    failed: tuple[int, ...]
    throttled: int
    requests: tuple[int, ...]
    refused: tuple[int, ...]
    retried: int


# Blobs are left out: a manifest is not confirmed before they are.
_STANDING: Final = f"""
SELECT image_id, max(last IS 'gave-up'), max({is_open("last", "NOT idle")}) FROM (
    SELECT p.image_id, {{nothing}} AS idle, {last_event("{kind}")} AS last FROM planned_{{kind}} p)
GROUP BY image_id
"""  # noqa: S608  # constants only
_KINDS: Final = (("manifest", "p.present"), ("tag", "p.action IN ('present', 'keep')"))
_MANIFESTS: Final = "SELECT image_id, count(*) FROM planned_manifest GROUP BY image_id"
_BYTES: Final = (
    "SELECT p.image_id, sum(max(b.size_bytes, 0)) FROM planned_blob p"
    " CROSS JOIN blob b ON b.id = p.blob_id GROUP BY p.image_id"
)
_REPOSITORIES: Final = """
SELECT r.shown,
    (SELECT count(*) FROM image i WHERE i.repository_id = r.id),
    (SELECT count(*) FROM image i JOIN planned_manifest p ON p.image_id = i.id
        WHERE i.repository_id = r.id),
    (SELECT count(*) FROM image i JOIN planned_tag p ON p.image_id = i.id
        WHERE i.repository_id = r.id),
    (SELECT coalesce(sum(max(b.size_bytes, 0)), 0) FROM (SELECT DISTINCT p.blob_id FROM image i
        JOIN planned_blob p ON p.image_id = i.id WHERE i.repository_id = r.id) d
        JOIN blob b ON b.id = d.blob_id)
FROM repository_item r ORDER BY 5 DESC, 1
"""
_LAYERS: Final = """
SELECT b.digest, b.size_bytes,
    (SELECT n.shown FROM planned_blob p JOIN image_name n ON n.id = p.image_id
        WHERE p.blob_id = b.id ORDER BY p.image_id LIMIT 1),
    (SELECT count(*) FROM planned_blob p WHERE p.blob_id = b.id)
FROM (SELECT id, digest, size_bytes FROM blob WHERE size_bytes > 0
    AND id IN (SELECT blob_id FROM planned_blob) ORDER BY size_bytes DESC, id LIMIT ?) b
ORDER BY b.size_bytes DESC, b.id
"""
_SPANS: Final = """
SELECT r.id, julianday(r.started_at), (max(coalesce(julianday(r.ended_at), 0), coalesce(
    (SELECT julianday(max(e.at)) FROM event e WHERE e.run_id = r.id), 0))
    - julianday(r.started_at)) * 86400
FROM run r ORDER BY r.id DESC LIMIT ?
"""
_EVENTS: Final = """
SELECT min(CAST((julianday(e.at) - ?) * 86400 / ? AS INTEGER), ?) AS step,
    sum(e.event = 'confirmed'), sum(e.event = 'gave-up'),
    sum(CASE WHEN e.event = 'confirmed' AND e.how = 'uploaded' AND e.kind = 'blob' THEN
        CASE WHEN e.size_bytes > 0 THEN e.size_bytes ELSE coalesce((SELECT max(b.size_bytes, 0)
            FROM planned_blob p JOIN blob b ON b.id = p.blob_id WHERE p.id = e.item_id), 0) END
        ELSE 0 END),
    sum(e.event = 'gave-up' AND e.code IN (?, ?))
FROM event e WHERE e.run_id = ? GROUP BY 1
"""
_HAS_TRAFFIC: Final = "SELECT 1 FROM sqlite_master WHERE name = 'run_traffic'"
_TRAFFIC: Final = """
SELECT min(CAST((julianday(t.at) - ?) * 86400 / ? AS INTEGER), ?) AS step,
    sum(t.requests), sum(t.refused), sum(t.retried)
FROM run_traffic t WHERE t.run_id = ? GROUP BY 1
"""


def image_sums(migration: Migration) -> Iterator[ImageSum]:
    """Go through what each image path has, in the order of the images."""
    manifests = dict(migration.rows(_MANIFESTS))
    sizes = dict(migration.rows(_BYTES))
    failed: set[int] = set()
    is_open: set[int] = set()
    for kind, nothing in _KINDS:
        for image_id, gave_up, left in migration.rows(_STANDING.format(kind=kind, nothing=nothing)):
            failed.update([image_id] if gave_up else ())
            is_open.update([image_id] if left else ())
    for (id_,) in migration.rows("SELECT id FROM image ORDER BY id"):
        yield ImageSum(id_, manifests.get(id_, 0), sizes.get(id_, 0), id_ in is_open, id_ in failed)


def repository_sums(migration: Migration) -> list[RepositorySum]:
    """Return what each target repository gets or has, the largest first."""
    return [RepositorySum(*row) for row in migration.rows(_REPOSITORIES)]


def largest_layers(migration: Migration) -> list[Layer]:
    """Return the largest blobs, each once."""
    return [Layer(*row) for row in migration.rows(_LAYERS, LAYERS_DRAWN)]


def courses(migration: Migration) -> list[Course]:
    """Return the last runs as time went by, the oldest of them first."""
    spans = migration.rows(_SPANS, RUNS_DRAWN)
    return [_course(migration, *span) for span in reversed(spans)]


def _course(migration: Migration, number: int, began: float, seconds: float) -> Course:
    seconds = max(seconds, 0.001)
    done, failed, sent = [0] * STEPS, [0] * STEPS, [0] * STEPS
    throttled = 0
    at = (began, seconds / STEPS, STEPS - 1, TOO_MANY_REQUESTS.code, REFUSED_ALONE.code, number)
    for step, *counts, held in migration.rows(_EVENTS, *at):
        for one, count in zip((done, failed, sent), counts, strict=True):
            one[max(step, 0)] += count
        throttled += held
    requests, refused, retried = _traffic(migration, number, began, seconds)
    events = (tuple(sent), tuple(done), tuple(failed), throttled)
    return Course(number, seconds, *events, requests, refused, retried)


def _traffic(
    migration: Migration, number: int, began: float, seconds: float
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    requests, refused, retried = [0] * STEPS, [0] * STEPS, 0
    if migration.rows(_HAS_TRAFFIC):
        at = (began, seconds / STEPS, STEPS - 1, number)
        for step, asked, held, again in migration.rows(_TRAFFIC, *at):
            requests[max(step, 0)] += asked
            refused[max(step, 0)] += held
            retried += again
    return tuple(requests), tuple(refused), retried
