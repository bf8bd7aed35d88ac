"""What a plan holds, and a whole report, as one value each.

Each value says with which exit code its command ends.
"""

from __future__ import annotations

from typing import Literal

from gcr_migrate.errors import Exit
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.plan import TagAction
from gcr_migrate.report.access import AccessRowFact
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact, LeftOutFact
from gcr_migrate.report.figures import EstimateFact
from gcr_migrate.report.overview import OverviewFact
from gcr_migrate.report.rows import Many
from gcr_migrate.report.runs import StatusFacts


class PlanCountsFact(Fact):
    """How many of each a plan has; blobs are distinct per target registry."""

    repositories: int
    images: int
    manifests: int
    tags: int
    blobs: int
    tags_replaced: int = Field(
        default=0,
        description="Those of the tags that pointed elsewhere at the target and are set anew, by"
        " `existing_tags: overwrite`.",
    )


class PlanBytesFact(Fact):
    """Bytes of a plan; who shares a layer with whom changes none of the first two."""

    total: int = Field(description="Each blob once per target registry.")
    to_transfer: int = Field(description="Each blob that a target registry lacks, once.")
    to_mount: int = Field(
        description="What mounts spare: each blob for each name that gets it without its bytes."
    )


class TodoFact(Fact):
    """How many items a run still has to do."""

    repositories: int
    grants: int
    manifests: int
    tags: int
    settings: int = Field(description="Repositories that get settings once their images are there.")

    @property
    def total(self) -> int:
        """All of them."""
        return self.repositories + self.grants + self.manifests + self.tags + self.settings


class _PlanLike(Fact):
    """What is told of a plan, whoever tells it."""

    file: str
    digest: str = Field(description="Digest of the frozen plan, for `apply --expect-digest`.")
    complete: bool = Field(description="Whether every listing is known to be whole.")
    counts: PlanCountsFact
    bytes: PlanBytesFact
    estimate: EstimateFact
    todo: TodoFact
    begun: bool = Field(
        default=False,
        description="Runs have done something: `todo`, requests and time are of what is left, and"
        " all else is the plan as it was frozen.",
    )
    left_out: Many[LeftOutFact]
    findings: Many[FindingFact]

    @property
    def exit(self) -> Exit:
        """Success only if the plan is complete, and all that no rule leaves out can be moved."""
        if not self.complete:
            return Exit.REFUSED  # as `apply` will, unless it is told otherwise
        bad = any(f.severity is Severity.ERROR for f in self.findings)
        lost = any(not left.by_rule for left in self.left_out)
        return Exit.FAILED if bad or lost else Exit.OK


class PlanFacts(_PlanLike):
    """Result of `plan`."""

    schema_: Literal["gcr-migrate/plan"] = "gcr-migrate/plan"
    version: Literal[1] = VERSION


class GrantFact(Fact):
    """One role for one member on a repository."""

    role: str
    member: str
    condition: str = Field(description="Expression of its condition; empty: it always counts.")
    present: bool = Field(description="The repository's policy had it when the plan was made.")


class SettingFact(Fact):
    """One setting of a repository that the spec states."""

    setting: str = Field(description="Its name in the spec, such as `labels.team`.")
    value: str
    write: Literal["created", "after-copy", "none"] = Field(
        description="Written when the repository is made, once its images are there, or not at all:"
        " an existing repository is left as it is."
    )


class AmountFact(Fact):
    """Bytes of blobs by what is done with them."""

    to_send: int = Field(description="Blobs for which this is the first name that lacks them.")
    to_mount: int = Field(description="Blobs that the registry has, or gets, under another name.")
    there: int


class ContentsFact(Fact):
    """What goes to a repository, by the whole plan."""

    images: int
    manifests: int
    manifests_to_write: int
    tags: int
    tags_to_set: int


class RepositoryFact(Fact):
    """One target repository of a plan."""

    name: str
    create: bool
    contents: ContentsFact
    bytes: AmountFact
    grants: list[GrantFact]
    settings: list[SettingFact]
    upstreams: list[str] = Field(
        description="What a virtual repository stands over, the preferred first; else empty."
    )


class ImageFact(Fact):
    """One image path and where it goes; tags by what is done with them."""

    source: str
    target: str
    repository: str
    tags: list[str]
    tags_by_action: dict[TagAction, list[str]]
    manifests: int
    manifests_to_write: int
    bytes: AmountFact
    left_out: dict[str, int] = Field(
        description="How many of its tags and digests are not carried, by code."
    )


class ShowFacts(_PlanLike):
    """Result of `show`: the whole plan as a difference to what is there."""

    schema_: Literal["gcr-migrate/show"] = "gcr-migrate/show"
    version: Literal[1] = VERSION
    spec: str = Field(description="Name of the spec that the plan was made from.")
    created_at: str
    repositories: list[RepositoryFact]
    paths: list[str] = Field(
        description="Patterns of image paths: images, findings and what is left out are told only"
        " where they are about these; empty: of all."
    )
    images: Many[ImageFact]
    access: Many[AccessRowFact] = Field(
        description="Who can pull, push and delete before and after, where the plan looked at it."
    )


class ReportFacts(Fact):
    """Result of `report`: the plan, and what became of it."""

    schema_: Literal["gcr-migrate/report"] = "gcr-migrate/report"
    version: Literal[1] = VERSION
    plan: ShowFacts
    status: StatusFacts
    overview: OverviewFact

    def __post_init__(self) -> None:
        """Refuse an overview of other images."""
        if len(self.plan.images) != len(self.overview.images):
            msg = "the overview is not of the plan's images"
            raise ValueError(msg)
