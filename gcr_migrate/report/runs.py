"""What runs of a plan did, as one value each.

Counts add up; each value says with which exit code its command ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from gcr_migrate.errors import Exit
from gcr_migrate.model.steps import Kind, State
from gcr_migrate.report.fact import VERSION, Fact, Field, FindingFact, LeftOutFact
from gcr_migrate.report.rows import Many

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    outcome: str = Field(
        description="How it ended, such as finished, interrupted, stopped-at-once (by a second"
        " Ctrl-C), or the code of what ended it; empty while it runs, or when it was killed."
    )


RunOutcome = Literal["complete", "partial", "failed", "interrupted", "time-is-up", "pending"]


class _RunLike(Fact):
    """What is told of a run, and of all runs together."""

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
    left_by_rule: Many[LeftOutFact] = Field(
        default=(),
        description="Manifests and tags that the plan or a run left because a rule of the spec says"
        " so, such as `existing_tags: keep` or `moved_tags: skip`, by their full target names.",
    )

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


class ProgressFact(Fact):
    """How far a run was that goes on, as it noted every few seconds."""

    at: str = Field(description="When it noted that.")
    bytes_done: int = Field(description="Sent by it and by those before.")
    bytes_total: int = Field(description="Those that the plan takes in all.")
    bytes_per_s: float = Field(description="Over the last minute.")
    requests_per_s: float = Field(description="Over the last minute.")
    time_left_s: float | None = Field(description="Null where nobody can know.")


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
    progress: ProgressFact | None = Field(
        default=None, description="Null where no run goes on, or it has just begun."
    )
    in_flight: InFlightFact
    to_ask_about: int = Field(
        description="Transfers that a run began which was cut off; the next run asks the target."
    )
    hold_ups: list[HoldUpFact] = Field(
        description="What holds up most tags, five at most; of blobs that hold up the same, one."
    )
