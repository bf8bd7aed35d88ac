"""What a plan holds and what a run did, as one value each.

Counts add up; each value says with which exit code its command ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gcr_migrate.errors import Exit
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.plan import TagAction
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.report.access import AccessRowFact
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact, LeftOutFact
from gcr_migrate.report.figures import EstimateFact
from gcr_migrate.report.overview import OverviewFact
from gcr_migrate.report.rows import Many

if TYPE_CHECKING:
    from collections.abc import Iterator


class PlanCountsFact(Fact):
    """How many of each a plan has; blobs are distinct per target registry."""

    repositories: int
    images: int
    manifests: int
    tags: int
    blobs: int


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


class ItemCountsFact(Fact):
    """Items by what became of them: planned = done + skipped + failed + pending."""

    planned: int
    done: int
    skipped: int
    failed: int
    pending: int

    def __post_init__(self) -> None:
        """Refuse what does not add up."""
        if self.planned != self.done + self.skipped + self.failed + self.pending:
            msg = f"counts do not add up: {self!r}"
            raise ValueError(msg)


class MovedBytesFact(Fact):
    """Bytes of blobs by the way that they took to the target."""

    transferred: int
    mounted: int
    already_there: int


class FailureFact(Fact):
    """An item that failed, and why; or all tags of an image that failed for one cause."""

    kind: str
    subject: str
    code: str
    saw: str
    message: str
    remedy: str
    count: int = Field(default=1, description="How many items failed for this cause.")
    others: Sequence[str] = Field(default=(), description="Names of the others beside the subject.")

    @property
    def more(self) -> str:
        """Words for the others, behind its name; empty without any."""
        return f" and {len(self.others):,} more" if self.others else ""


class RunFact(Fact):
    """One run of `apply`, as the ledger has it."""

    number: int
    started_at: str
    ended_at: str = Field(description="Empty while it runs, or when it was killed.")
    outcome: str


RunOutcome = Literal["complete", "partial", "failed", "interrupted", "time-is-up", "pending"]


class _RunLike(Fact):
    file: str
    digest: str
    outcome: RunOutcome = Field(
        description="partial: all that is planned is there, and the source has, or may have, more."
    )
    counts: ItemCountsFact
    kinds: dict[str, ItemCountsFact] = Field(description="The same counts by kind of item.")
    skipped: dict[str, int] = Field(description="Reasons of what was skipped.")
    bytes: MovedBytesFact
    failures: list[FailureFact]
    could_not_be_moved: list[LeftOutFact] = Field(
        description="What the source shows and the plan could not carry, without a rule for it."
    )
    could_not_be_listed: list[FindingFact] = Field(
        description="Names below which the source may have more than the plan names."
    )
    complete: bool = Field(description="Whether the plan itself is complete.")

    @property
    def only_copied(self) -> bool:
        """Whether all images are there, and access or settings are left to be done."""
        left = {kind for kind, counts in self.kinds.items() if counts.pending}
        return self.outcome == "pending" and not left & {Kind.BLOB, Kind.MANIFEST, Kind.TAG}

    def every_failure(self) -> Iterator[FailureFact]:
        """Tell each item that failed by itself."""
        for one in self.failures:
            for name in (one.subject, *one.others):
                yield one.but(subject=name, count=1, others=[])


class ServiceFact(Fact):
    """What a run asked of one service, and how often that was too much for it."""

    requests: int
    writes: int = Field(description="Those of the requests that were POST, PUT, PATCH or DELETE.")
    refusals: int = Field(description="Those of the requests that were answered with 429.")
    paused_s: float = Field(description="Seconds for which it was not asked after that.")


class LeftFact(Fact):
    """What a run began with: what it was about and was not there yet."""

    blobs: int
    manifests: int
    tags: int
    bytes_to_send: int
    bytes_to_mount: int


class ApplyFacts(_RunLike):
    """Result of `apply`."""

    schema_: Literal["gcr-migrate/apply"] = "gcr-migrate/apply"
    version: Literal[1] = VERSION
    services: dict[str, ServiceFact] = Field(
        description="What this run asked, by host; a location of Artifact Registry is one service"
        " with its API."
    )
    began_with: LeftFact = Field(
        description="What was left to be done of the images that were chosen, before it began."
    )

    @property
    def exit(self) -> Exit:
        """Success only if all that the source showed is there, or a rule leaves it out."""
        if self.outcome == "interrupted":
            return Exit.INTERRUPTED
        if self.outcome in {"pending", "time-is-up"}:
            return Exit.TODO
        return Exit.OK if self.outcome == "complete" else Exit.FAILED


class MovingFact(Fact):
    """A blob that is under way."""

    subject: str = Field(description="Its full target name.")
    size_bytes: int
    since: str


class InFlightFact(Fact):
    """What a run that goes on has started and not ended."""

    items: int
    blobs: int
    largest: list[MovingFact] = Field(description="The largest blobs, five at most.")


class HoldUpFact(Fact):
    """A blob that is not there yet, and what waits for it: tags, for the manifests of a chain."""

    image: str = Field(description="Full target name of the image path.")
    blob: str
    size_bytes: int = Field(description="-1 where no manifest says it.")
    state: State
    tags: int = Field(description="Number of tags that cannot be set before it is there.")
    some_tags: list[str] = Field(description="Three of them at most.")
    chain: list[str] = Field(
        description="Digests of manifests, from what the first tag names to what has the blob."
    )


class StatusFacts(_RunLike):
    """Result of `status`: what the ledger adds up to, also while a run goes on."""

    schema_: Literal["gcr-migrate/status"] = "gcr-migrate/status"
    version: Literal[1] = VERSION
    runs: list[RunFact]
    is_running: bool = Field(description="Whether a process works on the file now.")
    in_flight: InFlightFact
    to_ask_about: int = Field(
        description="Transfers that a run began which was cut off; the next run asks the target."
    )
    hold_ups: list[HoldUpFact] = Field(description="What holds up most tags, five at most.")


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
