"""From a frozen plan to facts; long lists are read while they are told."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from gcr_migrate.model.prices import Prices
from gcr_migrate.model.settings import stated
from gcr_migrate.model.steps import Kind
from gcr_migrate.report.access import access_rows
from gcr_migrate.report.fact import FindingFact, LeftOutFact
from gcr_migrate.report.facts import (
    AmountFact,
    ContentsFact,
    GrantFact,
    ImageFact,
    PlanBytesFact,
    PlanCountsFact,
    PlanFacts,
    ReportFacts,
    RepositoryFact,
    SettingFact,
    ShowFacts,
    TodoFact,
)
from gcr_migrate.report.figures import estimate_fact
from gcr_migrate.report.gather import status_facts
from gcr_migrate.report.overview import overview_fact
from gcr_migrate.report.rows import Rows
from gcr_migrate.state.amounts import Amount, Amounts, Contents
from gcr_migrate.state.named import Paths
from gcr_migrate.state.tally import tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.model.finding import Finding, LeftOut
    from gcr_migrate.model.pattern import Pattern
    from gcr_migrate.model.plan import Image, Repository, TagAction
    from gcr_migrate.state.migration import Migration


class PlanReader:
    """Reads a plan for people.

    Args:
        migration: the file.
        prices: what Google asks; None: as far as it is known here.
        patterns: only images, findings and what is left out of such image paths; all if empty.
    """

    def __init__(
        self,
        migration: Migration,
        prices: Prices | None = None,
        patterns: Sequence[Pattern] = (),
    ) -> None:
        self._migration = migration
        self._prices = prices or Prices()
        self._patterns = patterns
        self._paths = Paths(migration, patterns)
        self._amounts = Amounts(migration)
        self._repositories = migration.repositories()
        self._sources = migration.sources()
        self._counts = migration.counts()

    def plan(self) -> PlanFacts:
        """Tell what the plan holds, in sums."""
        return PlanFacts(**self._summary())

    def show(self) -> ShowFacts:
        """Tell the plan with every repository and image."""
        migration = self._migration
        amounts = self._amounts.by_repository()
        return ShowFacts(
            **self._summary(),
            spec=migration.spec_name,
            created_at=migration.created_at.isoformat(timespec="seconds"),
            repositories=[
                self._repository(id_, one, amounts.get(id_, Amount(0, 0, 0)))
                for id_, one in self._repositories.items()
            ],
            paths=[one.text for one in self._patterns],
            images=Rows(self._count_images(), self._images),
            access=access_rows(migration.access_rows),
        )

    def has_images(self) -> bool:
        """Whether there is any image of those paths."""
        return any(map(self._paths.fit, self._migration.images()))

    def images_of(self, repository: str) -> Rows[ImageFact]:
        """Tell the images that go to a repository, which is known by its name."""
        id_ = next(id_ for id_, one in self._repositories.items() if one.shown == repository)

        def chosen() -> Iterator[Image]:
            return filter(self._paths.fit, self._migration.images_of(id_))

        count = sum(1 for _ in chosen()) if self._patterns else self._contents_of(id_).images
        return Rows(count, lambda: map(self._image, chosen()))

    def _summary(self) -> dict[str, Any]:
        migration, counts, blobs = self._migration, self._counts, self._amounts.blobs()
        kinds = tally(migration).kinds
        todo = TodoFact(
            repositories=kinds[Kind.REPOSITORY].pending,
            grants=kinds[Kind.GRANT].pending,
            manifests=kinds[Kind.MANIFEST].pending,
            tags=kinds[Kind.TAG].pending,
            settings=kinds[Kind.SETTING].pending,
        )
        return {
            "file": str(migration.path),
            "digest": migration.digest,
            "complete": migration.complete,
            "counts": PlanCountsFact(
                repositories=counts.repositories,
                images=counts.images,
                manifests=counts.manifests,
                tags=counts.tags,
                tags_replaced=counts.tags_replaced,
                blobs=blobs.blobs,
            ),
            "bytes": PlanBytesFact(
                total=blobs.total, to_transfer=blobs.to_send, to_mount=blobs.to_mount
            ),
            "estimate": estimate_fact(migration, self._amounts, todo.repositories, self._prices),
            "todo": todo,
            "begun": self._amounts.is_begun,
            "left_out": _rows(counts.left_out, self._left_outs, is_part=bool(self._patterns)),
            "findings": _rows(counts.findings, self._findings, is_part=bool(self._patterns)),
        }

    def _left_outs(self) -> Iterator[LeftOutFact]:
        found: Iterable[LeftOut] = self._migration.left_outs()
        return (LeftOutFact.of(one) for one in found if self._paths.is_about(one.subject))

    def _findings(self) -> Iterator[FindingFact]:
        found: Iterable[Finding] = self._migration.findings()
        return (FindingFact.of(one) for one in found if self._paths.is_about(one.subject))

    @cached_property
    def _contents(self) -> dict[int, Contents]:
        return self._amounts.contents()

    def _contents_of(self, repository_id: int) -> Contents:
        return self._contents.get(repository_id, Contents(0, 0, 0, 0, 0))

    def _repository(self, id_: int, repository: Repository, amount: Amount) -> RepositoryFact:
        had = frozenset(repository.granted)
        return RepositoryFact(
            name=repository.shown,
            create=not repository.exists,
            contents=ContentsFact(**self._contents_of(id_)._asdict()),
            bytes=AmountFact(**amount._asdict()),
            grants=[
                GrantFact(
                    role=grant.role,
                    member=grant.member,
                    condition=grant.condition.expression if grant.condition else "",
                    present=grant in had,
                )
                for grant in repository.grants
            ],
            settings=[
                SettingFact(setting=name, value=value, write=_when(repository, name))
                for name, value in stated(repository.settings).items()
            ],
            upstreams=[one.rpartition("/")[2] for one in repository.upstreams],
        )

    def _count_images(self) -> int:
        if not self._patterns:
            return self._counts.images
        return sum(map(self._paths.fit, self._migration.images()))

    def _images(self) -> Iterator[ImageFact]:
        return map(self._image, filter(self._paths.fit, self._migration.images()))

    def _image(self, image: Image) -> ImageFact:
        repository = self._repositories[image.repository_id]
        source = f"{self._sources[image.source_id].shown}/{image.path}"
        tags = list(self._migration.tags(image.id))
        manifests, to_write = self._amounts.manifests_of(image.id)
        by_action: dict[TagAction, list[str]] = {}
        for item in tags:
            by_action.setdefault(item.action, []).append(item.tag)
        return ImageFact(
            source=source,
            target=f"{repository.shown}/{image.target_path}",
            repository=repository.shown,
            tags=[item.tag for item in tags],
            tags_by_action=by_action,
            manifests=manifests,
            manifests_to_write=to_write,
            bytes=AmountFact(**self._amounts.of_image(image.id, repository.registry)._asdict()),
            left_out=self._migration.left_out_codes(source),
        )


def plan_facts(migration: Migration) -> PlanFacts:
    """Tell what a frozen plan holds."""
    return PlanReader(migration).plan()


def show_facts(migration: Migration, prices: Prices | None = None) -> ShowFacts:
    """Tell a frozen plan with every repository and image; prices as for `PlanReader`."""
    return PlanReader(migration, prices).show()


def _rows(count: int, read: Any, *, is_part: bool) -> Rows[Any]:
    return Rows(sum(1 for _ in read()) if is_part else count, read)


def _when(repository: Repository, setting: str) -> Literal["created", "after-copy", "none"]:
    if setting.partition(".")[0] in repository.changes:
        return "after-copy"
    return "none" if repository.exists else "created"


def report_facts(migration: Migration, prices: Prices | None = None) -> ReportFacts:
    """Tell the whole plan, what became of it, and the sums that a report draws.

    Args:
        migration: the file.
        prices: what Google asks; None: as far as it is known here.
    """
    return ReportFacts(
        plan=show_facts(migration, prices),
        status=status_facts(migration),
        overview=overview_fact(migration),
    )
