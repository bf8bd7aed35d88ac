"""What a name should lead to: as it is pinned, planned, or was; and whether anybody could pull it.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gcr_migrate.model.names import GCR_HOSTS
from gcr_migrate.refs.cover import image_name
from gcr_migrate.refs.live import Question

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.places import Place
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.live import Answer
    from gcr_migrate.refs.reading import Reference


class Was(Protocol):
    """What a baseline says of single names."""

    def tag(self, name: str, tag: str) -> Digest | None:
        """What a tag of an image led to, by its whole name; None if the baseline has none."""
        ...

    def public(self, domain: str) -> bool | None:
        """Whether anybody could pull at a gcr.io host's project; None if that was not seen."""
        ...


class Expected(Struct, frozen=True):
    """What a name should lead to.

    Attributes:
        digest: the digest.
        by: who says so, such as `in the plan`; empty where it is pinned in the name itself.
    """

    digest: Digest
    by: str = ""


def expected(
    reference: Reference, covered: Covered, was: Was | None, answers: Mapping[Question, Answer]
) -> Expected | None:
    """Return what a name should lead to; None if nobody says it.

    A name of Artifact Registry should lead where a gcr.io name of the same project with the same
    path and tag led, or leads: its files were rewritten from that.

    Args:
        reference: the name.
        covered: what a plan makes of it.
        was: a baseline.
        answers: of registries to all names of the same files.
    """
    place = reference.place
    if place is None or place.path is None:
        return None
    if place.digest:
        return Expected(place.digest)
    if covered.digest:
        return Expected(covered.digest, "in the plan")
    return _as_before(place, str(place.tag), was, answers) if place.tag else None


def _as_before(
    place: Place, tag: str, was: Was | None, answers: Mapping[Question, Answer]
) -> Expected | None:
    for name in _names(place):
        if was and (digest := was.tag(name, tag)):
            return Expected(digest, f"in the baseline {_whose(name, place, tag)}".strip())
    for name in _names(place):
        host, _, path = name.partition("/")
        answer = answers.get(Question(host, path, tag))
        if answer and answer.digest and name != image_name(place):
            return Expected(answer.digest, _whose(name, place, tag))
    return None


def _whose(name: str, place: Place, tag: str) -> str:
    return "" if name == image_name(place) else f"{name}:{tag}"


def _names(place: Place) -> Iterator[str]:
    """Give the names under which an image may be known: its own, and those it may have had."""
    yield image_name(place)
    if place.kind != "artifact-registry":
        return
    project = place.project.path
    if host := place.gcr_host:  # the repository behind a gcr.io host
        yield f"{host.name}/{project}/{place.path}"
        return
    for one in GCR_HOSTS:
        yield f"{one.name}/{project}/{place.path}"
        yield f"{one.name}/{project}/{place.repository}/{place.path}"
