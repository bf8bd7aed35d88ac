"""What `discover` found, as facts: projects, their gcr.io hosts, and what was not to be seen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, Self

from gcr_migrate.discover.evidence import BucketView
from gcr_migrate.discover.kinds import TITLES, Job, Kind
from gcr_migrate.errors import Exit, MigrateError, printable
from gcr_migrate.model.cloud import RedirectSettings, RepositoryFacts
from gcr_migrate.report.fact import VERSION, Fact, Field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gcr_migrate.discover.evidence import HostEvidence, ProjectEvidence
    from gcr_migrate.discover.kinds import Verdict
    from gcr_migrate.discover.scope import Scope

Owner = Literal["yours", "somebody-else", "google", "unknown"]


class RefusalFact(Fact):
    """Something that could not be seen, and why."""

    what: str = Field(description="What was asked for.")
    code: str = Field(description="Code of the catalogue.")
    saw: str

    @classmethod
    def of(cls, what: str, error: MigrateError) -> Self:
        """Tell what was asked, and the refusal that came."""
        saw = f"{error.problem.title}: {error.saw}".removesuffix(": ")
        return cls(what=printable(what), code=error.problem.code, saw=printable(saw))


class BucketFact(Fact):
    """The bucket that Container Registry used for a host."""

    name: str
    present: bool | None = Field(description="Whether it is there; null if nobody could tell.")
    seen_by: list[BucketView] = Field(description="The views that answered.")

    @classmethod
    def of(cls, host: HostEvidence) -> Self:
        """Tell the bucket of a host."""
        bucket = host.bucket
        views = {BucketView.SEARCH: bucket.searched, BucketView.NAME: bucket.named}
        told = [view for view, answer in views.items() if isinstance(answer, bool)]
        return cls(name=bucket.name, present=bucket.is_there, seen_by=told)


class DiscoveredHostFact(Fact):
    """One gcr.io host of a project."""

    host: str
    project: str
    owner: Owner
    kind: Kind | None = Field(description="A to I; null if what could be seen does not say it.")
    title: str = Field(description="The kind in words.")
    job: Job = Field(description="What to do next.")
    jobs: list[Job] = Field(description="That, and what comes after it.")
    seen: bool = Field(description="Whether nothing that the kind depends on was hidden.")
    evidence: list[str]
    doubts: list[str] = Field(description="What may make it another kind, or its job harder.")
    disagreements: list[str] = Field(description="Opinions that contradict each other.")
    usage: str = Field(description="The host's own word on its use; empty if it gave none.")
    bucket: BucketFact
    repository: str | None = Field(description="Its repository; null if none is known.")
    images: int | None = Field(description="Image paths in it; null if they were not counted.")
    size_bytes: int | None = Field(description="What its storage is billed for; null if not told.")
    unseen: list[RefusalFact] = Field(description="What was refused and bears on the kind.")
    unasked: list[RefusalFact] = Field(description="What else was refused.")

    @classmethod
    def of(cls, project: ProjectEvidence, host: HostEvidence, verdict: Verdict) -> Self:
        """Tell a host and what it is."""
        repository, images = host.repository, host.images
        shown = repository if isinstance(repository, RepositoryFacts) else None
        further = {f"usage of {project.shown(host)}": host.usage, "number of images": images}
        return cls(
            host=host.host.name,
            project=project.project.id,
            owner=owner_of(project),
            kind=verdict.kind,
            title=TITLES[verdict.kind] if verdict.kind else "what it is could not be seen",
            job=verdict.jobs[0],
            jobs=list(verdict.jobs),
            seen=verdict.is_seen,
            evidence=[printable(one) for one in verdict.evidence],
            doubts=list(verdict.doubts),
            disagreements=[printable(one) for one in verdict.disagreements],
            usage=host.word,
            bucket=BucketFact.of(host),
            repository=shown.resource if shown else None,
            images=len(images) if isinstance(images, tuple) else None,
            size_bytes=shown.size_bytes if shown else None,
            unseen=[RefusalFact.of(what, error) for what, error in verdict.unseen],
            unasked=[
                RefusalFact.of(what, answer)
                for what, answer in further.items()
                if isinstance(answer, MigrateError)
            ],
        )


class DiscoveredProjectFact(Fact):
    """A project and its gcr.io hosts."""

    project: str
    owner: Owner
    redirect: str = Field(description="The service's word for the redirect; empty if hidden.")
    pull_percent: int | None
    other_repositories: int | None = Field(
        description="Further Docker repositories in the hosts' locations; null if not listed."
    )
    bucket_search: RefusalFact | None = Field(
        description="Why buckets were looked up by name; null if the search was allowed."
    )
    hosts: list[DiscoveredHostFact]

    @classmethod
    def of(cls, project: ProjectEvidence, judged: Sequence[tuple[HostEvidence, Verdict]]) -> Self:
        """Tell a project."""
        settings = project.settings
        known = settings if isinstance(settings, RedirectSettings) else None
        searched = (host.bucket.searched for host in project.hosts)
        refused = next((one for one in searched if isinstance(one, MigrateError)), None)
        return cls(
            project=project.project.id,
            owner=owner_of(project),
            redirect=printable(known.word) if known else "",
            pull_percent=known.pull_percent if known else None,
            other_repositories=project.repositories,
            bucket_search=RefusalFact.of("search for buckets", refused) if refused else None,
            hosts=[DiscoveredHostFact.of(project, host, verdict) for host, verdict in judged],
        )


class ForeignBucketFact(Fact):
    """A bucket that is named for one project and belongs to another: it is nobody's evidence."""

    bucket: str
    owner: str = Field(description="Id or number of the project that it belongs to.")


class SpecFileFact(Fact):
    """A spec file for a project that has images to split."""

    file: str
    project: str
    written: bool = Field(description="False if a file of this name was there, and was kept.")


class DiscoverFacts(Fact):
    """Result of `discover`."""

    schema_: Literal["gcr-migrate/discover"] = "gcr-migrate/discover"
    version: Literal[1] = VERSION
    outcome: Literal["all-seen", "partly-seen", "nothing-seen"]
    scope: str = Field(description="Folder or organisation that was searched, or empty.")
    kinds: dict[Kind, int] = Field(description="Number of hosts by kind.")
    jobs: dict[Job, int] = Field(description="Number of hosts by the job to do next.")
    projects: list[DiscoveredProjectFact]
    googles_own: list[str] = Field(description="Hosts of Google's own images: leave them alone.")
    inactive: list[str] = Field(description="Projects that are being deleted; not asked.")
    foreign_buckets: list[ForeignBucketFact]
    unseen: list[RefusalFact] = Field(description="What could not be listed at all.")
    specs: list[SpecFileFact]

    @classmethod
    def of(
        cls,
        where: str,
        scope: Scope,
        projects: list[DiscoveredProjectFact],
        googles_own: Iterable[str],
        specs: list[SpecFileFact],
    ) -> Self:
        """Put together what one run found."""
        hosts = [host for project in projects for host in project.hosts]
        kinds = Counter(host.kind for host in hosts)
        jobs = Counter(host.job for host in hosts)
        unseen = [RefusalFact.of(what, error) for what, error in scope.unseen]
        # Each host that was found was asked for its bucket by name; without one nobody looked.
        if isinstance(scope.buckets, MigrateError) and (unseen or not hosts):
            unseen.append(RefusalFact.of(f"buckets below {where}", scope.buckets))
        own = list(googles_own)
        return cls(
            outcome=_outcome(hosts, unseen, own),
            scope=where,
            kinds={kind: kinds[kind] for kind in Kind if kinds[kind]},
            jobs={job: jobs[job] for job in Job if jobs[job]},
            projects=projects,
            googles_own=own,
            inactive=sorted(scope.inactive),
            foreign_buckets=[
                ForeignBucketFact(bucket=name, owner=owner) for name, owner in sorted(scope.foreign)
            ],
            unseen=unseen,
            specs=specs,
        )

    @property
    def exit(self) -> Exit:
        """Refused where something could not be seen; out of reach where nothing could."""
        known = {"all-seen": Exit.OK, "partly-seen": Exit.REFUSED}
        return known.get(self.outcome, Exit.OUT_OF_REACH)


def _outcome(
    hosts: list[DiscoveredHostFact], unseen: list[RefusalFact], googles_own: list[str]
) -> Literal["all-seen", "partly-seen", "nothing-seen"]:
    if not unseen and all(host.seen for host in hosts):
        return "all-seen"
    known = [host for host in hosts if host.kind is not None]
    return "partly-seen" if known or googles_own else "nothing-seen"


def owner_of(project: ProjectEvidence) -> Owner:
    """Tell whose project it is, by what the caller may see of it."""
    if project.is_ours:
        return "yours"
    return "somebody-else" if project.is_somebody_elses else "unknown"
