"""Facts of migrations for pages: as large as is asked for, and with names as hostile as can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.model.access import Right, Verdict
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.plan import TagAction
from gcr_migrate.plan.costs import Kind
from gcr_migrate.report.access import AccessRowFact
from gcr_migrate.report.fact import FindingFact, LeftOutFact
from gcr_migrate.report.facts import (
    AmountFact,
    ContentsFact,
    GrantFact,
    ImageFact,
    PlanBytesFact,
    PlanCountsFact,
    ReportFacts,
    RepositoryFact,
    SettingFact,
    ShowFacts,
    TodoFact,
)
from gcr_migrate.report.figures import ChargeFact, EstimateFact, TimeFact
from gcr_migrate.report.overview import (
    CourseFact,
    ImageSumFact,
    LayerFact,
    OverviewFact,
    RepositorySumFact,
    Standing,
)
from gcr_migrate.report.runs import (
    FailureFact,
    InFlightFact,
    ItemCountsFact,
    MovedBytesFact,
    RunFact,
    StatusFacts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE: Final = (
    "</script><script>document.title='taken'</script>",
    "<!--<script>",
    "\"'><img src=x onerror=\"document.title='taken'\">",
    "\u202eevil\u2066name",
    "half\ud800",
    "\x1b[31m\0",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 5_000,
    "레지스트리/이미지",
    "😀" * 20,
    "שלום/عالم",
)
_TEAMS: Final = ("billing", "search", "mobile", "payments", "web", "data", "identity", "shipping")
_PARTS: Final = ("api", "worker", "frontend", "scheduler", "migrations", "proxy", "exporter")
_STATES: Final[tuple[Standing, ...]] = ("done", "done", "done", "pending", "failed")
_DIGEST: Final = "sha256:" + "5e" * 32
_AMOUNT: Final = AmountFact(to_send=2**20, to_mount=2**10, there=3)
_BEGAN: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)


def names(count: int) -> Iterator[tuple[str, str, str]]:
    """Give source name, target name and target repository of images."""
    each = -(-count // len(_TEAMS))
    made = (
        (team, f"{_PARTS[at % len(_PARTS)]}/{_PARTS[at // 7 % len(_PARTS)]}-{at:05}")
        for team in _TEAMS
        for at in range(each)
    )
    for team, path in islice(made, count):
        repository = f"us-docker.pkg.dev/builds/{team}"
        yield f"us.gcr.io/builds/{team}/{path}", f"{repository}/{path}", repository


def report(images: int = 40, *words: str) -> ReportFacts:
    """Return plan and progress of a migration that went on for two runs.

    Args:
        images: how many it has.
        words: of strangers, which stand everywhere where a stranger's word can.
    """
    plan = _plan(list(names(images)), words)
    return ReportFacts(plan=plan, status=_status(words), overview=_overview(plan))


def _plan(images: list[tuple[str, str, str]], words: tuple[str, ...]) -> ShowFacts:
    repositories = sorted({repository for _, _, repository in images})
    told = [
        ImageFact(
            source=source,
            target=target,
            tags=[f"v1.{at % 40}.{at % 7}", f"{at * 2654435761 % 2**32:08x}", "latest"],
            repository=repository,
            tags_by_action={TagAction.SET: ["latest"]},
            manifests=3,
            manifests_to_write=3,
            bytes=_AMOUNT,
            left_out={},
        )
        for at, (source, target, repository) in enumerate(images)
    ]
    told += [
        ImageFact(
            source=one,
            target=one,
            repository=one,
            tags=[one],
            tags_by_action={TagAction.CONFLICT: [one]},
            manifests=1,
            manifests_to_write=0,
            bytes=_AMOUNT,
            left_out={"not-selected": 2},
        )
        for one in words
    ]
    found = [
        Finding(errors.TAG_GONE, Severity.ERROR, told[0].source),
        *(Finding(errors.IMAGE_NEW, Severity.WARNING, one, one) for one in words or ("x",)),
        *(Finding(errors.NOT_CHECKED, Severity.INFO, f"x/{at}") for at in range(9)),
    ]
    left = [
        LeftOut(errors.ATTACHMENT_LEFT, one, by_rule=True, saw=one)
        for one in (told[-1].source, *words)
    ]
    return ShowFacts(
        file="builds.migration",
        digest=_DIGEST,
        complete=True,
        counts=PlanCountsFact(
            repositories=len(repositories),
            images=len(told),
            manifests=3 * len(told),
            tags=3 * len(told),
            blobs=9 * len(told),
        ),
        bytes=PlanBytesFact(total=2**40, to_transfer=2**39, to_mount=2**35),
        estimate=_estimate(words),
        todo=TodoFact(repositories=8, grants=3, manifests=9, tags=9, settings=0),
        begun=True,
        left_out=[LeftOutFact.of(one) for one in left],
        findings=[FindingFact.of(one) for one in found],
        spec=words[0] if words else "plans/builds.yaml",
        created_at=_BEGAN.isoformat(timespec="seconds"),
        repositories=[_repository(name) for name in (*repositories, *words)],
        paths=[],
        images=told,
        access=[row for name in repositories for row in _rows(name, words)],
    )


def _repository(name: str) -> RepositoryFact:
    grant = GrantFact(
        role="roles/artifactregistry.reader",
        member=f"group:{name.rpartition('/')[2]}-devs@example.com",
        condition="",
        present=False,
    )
    setting = SettingFact(setting="immutable_tags", value="true", write="created")
    return RepositoryFact(
        name=name,
        create=True,
        contents=ContentsFact(images=2, manifests=6, manifests_to_write=6, tags=6, tags_to_set=6),
        bytes=_AMOUNT,
        grants=[grant],
        settings=[setting],
        upstreams=[],
    )


def _estimate(words: tuple[str, ...]) -> EstimateFact:
    subjects = words or ("us-docker.pkg.dev",)
    return EstimateFact(
        repository_creation_s=16,
        writes=1000,
        reads=500,
        time=TimeFact(low_s=60, high_s=300, bound="the line", basis="a guess", is_measured=False),
        charges=[
            *(
                ChargeFact(
                    kind=Kind.STORAGE, subject=one, amount=2**40, usd=102.4, why=one, instead=False
                )
                for one in subjects
            ),
            ChargeFact(
                kind=Kind.TRANSFER,
                subject="us -> internet",
                amount=2**39,
                usd=None,
                why="no price is known here",
                instead=True,
            ),
        ],
        usd_a_month=102.4 * len(subjects),
        usd_once=0.0,
        prices_as_of="2025",
    )


def _rows(target: str, words: tuple[str, ...]) -> Iterator[AccessRowFact]:
    for member in ("group:devs@example.com", "user:kim@example.com", *words):
        for right in Right:
            pulls = right is Right.PULL
            is_lost = member.startswith("user:") and pulls
            yield AccessRowFact(
                target=target,
                source="us.gcr.io/builds",
                principal=member,
                right=right,
                before=pulls,
                after=pulls and not is_lost,
                before_by=f"roles/storage.objectViewer for {member}",
                after_by="" if is_lost else f"roles/artifactregistry.reader for {member}",
                verdict=Verdict.LOST if is_lost else Verdict.SAME,
                why="nothing grants it there" if is_lost else "",
                consent="",
                needs_consent=is_lost,
                proved_by="policies",
            )


def _status(words: tuple[str, ...]) -> StatusFacts:
    counts = ItemCountsFact(planned=100, done=70, skipped=10, failed=5, pending=15)
    problem = errors.TOO_MANY_REQUESTS
    return StatusFacts(
        file="builds.migration",
        digest=_DIGEST,
        outcome="failed",
        counts=counts,
        kinds={"blob": counts},
        skipped={"already-there": 10},
        bytes=MovedBytesFact(transferred=2**38, mounted=2**35, already_there=2**30),
        failures=[
            FailureFact(
                kind="blob",
                subject=f"us-docker.pkg.dev/builds/web/{one}@{_DIGEST}",
                code=problem.code,
                saw=one,
                message=f"{problem.title}. {problem.meaning}",
                remedy=problem.remedy,
            )
            for one in words or ("api",)
        ],
        could_not_be_moved=[],
        could_not_be_listed=[],
        complete=True,
        runs=[
            RunFact(
                number=at,
                started_at=(_BEGAN + timedelta(hours=at)).isoformat(timespec="seconds"),
                ended_at=(_BEGAN + timedelta(hours=at, minutes=50)).isoformat(timespec="seconds"),
                outcome="finished",
            )
            for at in (1, 2)
        ],
        is_running=False,
        in_flight=InFlightFact(items=0, blobs=0, largest=[]),
        to_ask_about=0,
        hold_ups=[],
    )


def _overview(plan: ShowFacts) -> OverviewFact:
    wave = [(at * 37 % 60 + 40) * 2**22 if at > 3 else 0 for at in range(60)]
    return OverviewFact(
        images=[
            ImageSumFact(
                manifests=3, size_bytes=(at * 7919 % 997 + 1) * 2**18, state=_STATES[at * 7 % 5]
            )
            for at in range(len(plan.images))
        ],
        repositories=[
            RepositorySumFact(
                name=one.name, images=at, manifests=3 * at, tags=3 * at, size_bytes=at * 2**33
            )
            for at, one in zip(range(len(plan.repositories), 0, -1), plan.repositories, strict=True)
        ],
        layers=[
            LayerFact(
                digest=f"sha256:{at:064x}",
                size_bytes=(15 - at) * 2**28,
                image=plan.images[at % len(plan.images)].target,
                images=at + 1,
            )
            for at in range(15)
        ],
        courses=[
            CourseFact(
                number=at,
                seconds=3000,
                sent=wave if at == 1 else wave[::-1],
                done=[3] * 60,
                failed=[0] * 55 + [1] * 5,
                throttled=5,
                requests=[7] * 60,
                refused=[0] * 20 + [2] * 3 + [0] * 37,
                retried=9,
            )
            for at in (1, 2)
        ],
    )
