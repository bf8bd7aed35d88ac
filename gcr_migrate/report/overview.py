"""What a report draws beside plan and progress: sums, the largest layers, the course of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gcr_migrate.report.fact import Fact, Field
from gcr_migrate.state.overview import courses, image_sums, largest_layers, repository_sums

if TYPE_CHECKING:
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.state.overview import ImageSum

Standing = Literal["done", "pending", "failed"]


class ImageSumFact(Fact):
    """What one image has, and how far it is."""

    manifests: int
    size_bytes: int = Field(description="Bytes of its blobs, each once.")
    state: Standing = Field(description="done: its manifests and tags are there, or left by rule.")


class RepositorySumFact(Fact):
    """What one target repository gets or has."""

    name: str
    images: int
    manifests: int
    tags: int
    size_bytes: int = Field(description="Bytes of blobs, each once in this repository.")


class LayerFact(Fact):
    """One of the largest blobs."""

    digest: str
    size_bytes: int
    image: str = Field(description="Full target name of an image that needs it.")
    images: int = Field(description="Number of images that need it.")


class CourseFact(Fact):
    """A run as time went by, cut into equal steps."""

    number: int
    seconds: float = Field(gt=0, description="From its start to its end, or to its last event.")
    sent: list[int] = Field(description="Bytes uploaded in each step.")
    done: list[int] = Field(description="Items that were confirmed in each step.")
    failed: list[int] = Field(description="Items that were given up in each step.")
    throttled: int = Field(description="Items given up because a quota was used up for too long.")
    requests: list[int] = Field(description="Answered in each step; 0 where nobody counted.")
    refused: list[int] = Field(description="Those of them that a quota refused.")
    retried: int = Field(description="Requests that were sent once more, in all.")


class OverviewFact(Fact):
    """Sums of a plan and its runs."""

    images: list[ImageSumFact] = Field(description="In the order of the plan's images.")
    repositories: list[RepositorySumFact] = Field(description="The largest first.")
    layers: list[LayerFact] = Field(description="The largest blobs, fifteen at most.")
    courses: list[CourseFact] = Field(description="The last runs, twelve at most.")


def overview_fact(migration: Migration) -> OverviewFact:
    """Tell the sums of a migration file."""
    return OverviewFact(
        images=[
            ImageSumFact(manifests=one.manifests, size_bytes=one.size_bytes, state=_standing(one))
            for one in image_sums(migration)
        ],
        repositories=[RepositorySumFact(**one._asdict()) for one in repository_sums(migration)],
        layers=[LayerFact(**one._asdict()) for one in largest_layers(migration)],
        courses=[CourseFact.like(one) for one in courses(migration)],
    )


def _standing(image: ImageSum) -> Standing:
    if image.has_failed:
        return "failed"
    return "pending" if image.is_open else "done"
