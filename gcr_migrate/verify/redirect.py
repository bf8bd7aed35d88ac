"""Level redirect: what the gcr.io names of a project serve now, who answers, and to whom.

Levels of content ask Artifact Registry under its own name. Clients ask `HOST/PROJECT`, and that
this leads to the same bytes is proven here, by asking as they do.
"""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, GCR
from gcr_migrate.model.domains import FACT, Domain, DomainFacts
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.pulling import Pull, answerer, evidence
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.answers import Expect, Mark, Verdict, judge, judge_identity
from gcr_migrate.verify.content import IMAGES_AT_ONCE
from gcr_migrate.verify.listed import ByApi, Listed
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.promise import PromisedRoot, Readers
from gcr_migrate.verify.result import CONTENT, DomainSeen, Level
from gcr_migrate.verify.through import Through, count_of, name_at

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from gcr_migrate.interfaces import Contents, Projects, Puller, Repositories, SourceRegistry
    from gcr_migrate.model.cloud import RedirectSettings
    from gcr_migrate.model.login import Login
    from gcr_migrate.verify.baseline_promises import BaselinePromises
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.promise import PromisedImage, Promises, Side
    from gcr_migrate.verify.result import Verification

T = TypeVar("T")

_REDIRECT: Final = Level.REDIRECT
_DOMAINS_AT_ONCE: Final = 8
_TRIES: Final = 4  # tags and digests that are pulled in turn until one is there
ANYBODY: Final = "anonymous"


class Doors(Readers, Protocol):
    """Who hands out clients that only read, for the names and for what is behind them."""

    def docker(self, host: str, login: Side | Login | None) -> Puller:
        """Return who pulls from a host as docker does."""
        ...

    def contents(self, side: Side) -> Contents:
        """Return the lists of Artifact Registry's API."""
        ...

    def projects(self, side: Side) -> Projects:
        """Return what Google's APIs tell about projects."""
        ...

    def repositories(self, side: Side) -> Repositories:
        """Return Artifact Registry's repositories."""
        ...


class Identity(Struct, frozen=True):
    """Somebody of whom it is known what a pull should come to.

    Attributes:
        name: as it is told; never a secret.
        login: the login; None for anybody.
        expects: what should come of a pull.
    """

    name: str
    login: Login | None
    expects: Expect


class Expected(Struct, frozen=True):
    """What is expected besides content.

    Attributes:
        facts: what a baseline says of domains, by their shown names; nothing without a baseline.
        identities: whose pulls are tried.
        anonymous: what a pull by anybody should come to; None: as the baseline says.
        domains: those that were asked for, whether or not anything is promised below them. Where
            it is more than one, some may not be in use.
    """

    facts: Mapping[str, DomainFacts] = field(default_factory=dict)
    identities: tuple[Identity, ...] = ()
    anonymous: Expect | None = None
    domains: tuple[Domain, ...] = ()


class _Found(Struct):
    """A domain under verification.

    Attributes:
        root: where its images are promised.
        domain: the domain.
        pulls: what may be pulled to see how it answers: name at the host, and tag or digest.
        settled: the verdict that settles every name, once the domain was looked at.
        may_be_idle: that it has no repository is fine.
    """

    root: PromisedRoot
    domain: Domain
    may_be_idle: bool = False
    pulls: list[tuple[str, str]] = field(default_factory=list)
    settled: Verdict | None = None


async def verify_redirect(
    promises: Promises,
    expected: Expected,
    doors: Doors,
    result: Verification,
    progress: Progress,
    checks: Checks,
) -> None:
    """Check what the gcr.io names among the promised roots serve; other roots have none.

    Args:
        promises: what should be there.
        expected: who should answer, and whose pulls should work.
        doors: hands out clients.
        result: has the level; takes counts, findings, and what was seen of each domain.
        progress: is told of each check.
        checks: makes the checks.
    """
    redirect = _Redirect(
        promises,
        expected,
        doors,
        checks,
        lambda host: Marks(result, progress, host),
        result.wanted,
    )
    await redirect.look_at_domains()
    await redirect.ask_for_names()


def facts_of(promises: BaselinePromises) -> dict[str, DomainFacts]:
    """Return what a snapshot keeps of its domains, by their shown names; little if it is old."""
    found = {}
    for root in promises.roots():
        if domain := Domain.at(root.registry, root.prefix):
            kept = DomainFacts.read(promises.facts(root).get(FACT))
            found[domain.shown] = kept or DomainFacts()
    return found


class _Redirect:
    """A verification of domains under way."""

    def __init__(
        self,
        promises: Promises,
        expected: Expected,
        doors: Doors,
        checks: Checks,
        marks: Callable[[str], Marks],
        wanted: frozenset[Level],
    ) -> None:
        self._promises = promises
        self._side = promises.side
        self._expected = expected
        self._doors = doors
        self._checks = checks
        self._marks = marks
        self._told = wanted & CONTENT
        self._of_pulls = Level.ACCESS if Level.ACCESS in wanted else _REDIRECT
        self._domains = _domains(promises, expected)
        self._settings: dict[str, RedirectSettings | MigrateError] = {}

    async def look_at_domains(self) -> None:
        """See who answers for each domain, and to whom."""
        self._choose()
        projects = sorted({one.domain.project.id for one in self._domains.values()})
        await a_few_of(map(self._setting, projects), _DOMAINS_AT_ONCE)
        await a_few_of(map(self._domain, self._domains.values()), _DOMAINS_AT_ONCE)

    async def ask_for_names(self) -> None:
        """Ask for each name of those that answer, and count those of the others."""
        await a_few_of(self._images(), IMAGES_AT_ONCE)

    def _choose(self) -> None:
        """Choose what is pulled of each domain: something of its first images."""
        for image in self._promises.images():
            found = self._domains.get(image.root)
            if found is None or len(found.pulls) >= _TRIES:
                continue
            tags = (one.tag for one in itertools.islice(image.tags(), 1))
            digests = map(str, itertools.islice(image.manifests(), 1))
            name = name_at(found.domain, image)
            found.pulls += [(name, reference) for reference in (*tags, *digests)]

    async def _setting(self, project: str) -> None:
        asked = self._doors.projects(self._side).redirection(project)
        self._settings[project] = await _tried(asked)

    async def _domain(self, found: _Found) -> None:
        domain = found.domain
        was = self._expected.facts.get(domain.shown)
        repository = await _tried(self._doors.repositories(self._side).get(domain.resource))
        settings = self._settings[domain.project.id]
        pull, pulled = await self._pull(found)
        judged = judge(settings, repository, pull, was)
        for error in (settings, repository, pull.error):
            if isinstance(error, MigrateError) and error.problem is errors.TOKEN_EXPIRED:
                raise error  # nothing more can be checked
        if found.may_be_idle and judged.repository.problem is errors.REPOSITORY_MISSING:
            return
        marks = self._marks(domain.shown)
        found.settled = judged.of_all_names
        for verdict in (judged.setting, judged.repository, judged.answer):
            _put(marks, _REDIRECT, domain.shown, verdict)
        if found.settled and found.settled.problem is errors.REDIRECT_CHANGED:
            # Who listed the names before may have met Container Registry's last answer.
            marks.blame(errors.NOT_MIGRATED, errors.REDIRECT_CHANGED)
        seen = DomainSeen(
            answered_by=answerer(pull),
            evidence=evidence(pull),
            redirection="" if isinstance(settings, MigrateError) else settings.word,
        )
        marks.answered(seen)
        await self._identities(found, pull, pulled, was)

    async def _pull(self, found: _Found) -> tuple[Pull, tuple[str, str] | None]:
        """Pull as docker does; return what came of it, and what could be pulled."""
        puller = self._doors.docker(found.domain.host.name, self._side)
        pull = Pull()
        for name, reference in found.pulls:
            pull = await puller.pull(name, reference)
            if pull.error is None:
                return pull, (name, reference)
            if pull.error.problem is not errors.MANIFEST_UNKNOWN:
                return pull, None
        # Where nothing is promised to be there, or nothing of that is, which each name tells, the
        # project itself is asked for: who may not pull is refused that too.
        itself = found.domain.project.path, ""
        pull = await puller.pull(*itself)
        return pull, None if pull.error else itself

    async def _identities(
        self,
        found: _Found,
        pull: Pull,
        pulled: tuple[str, str] | None,
        was: DomainFacts | None,
    ) -> None:
        """Pull as everybody of whom it is known what should come of it."""
        wanted = [(one, "as it was asked for") for one in self._expected.identities]
        if self._expected.anonymous:
            anybody = Identity(ANYBODY, None, self._expected.anonymous)
            wanted.append((anybody, "as it was asked for"))
        elif was and was.public is not None:
            expects = Expect.WORKS if was.public else Expect.REFUSED
            why = f"the baseline says that it was {'' if was.public else 'not '}public"
            wanted.append((Identity(ANYBODY, None, expects), why))
        for identity, why in wanted:
            subject = f"{found.domain.shown} {identity.name}"
            if found.settled:
                self._skip(self._of_pulls, found, 1)
            elif pull.error and pull.error.problem is errors.BUDGET_SPENT:
                self._marks(found.domain.shown).unchecked(self._of_pulls, subject, pull.error)
            elif pulled is None:
                saw = "this run itself could pull no image, so that there is none to try"
                self._marks(found.domain.shown).unproven(self._of_pulls, subject, saw)
            else:
                await self._identity(found, identity, why, pulled)

    async def _identity(
        self, found: _Found, identity: Identity, why: str, pulled: tuple[str, str]
    ) -> None:
        domain = found.domain
        pull = await self._doors.docker(domain.host.name, identity.login).pull(*pulled)
        why = f"should be {identity.expects}: {why}"
        verdict = judge_identity(pull, identity.expects, why, anonymous=identity.login is None)
        subject = f"{domain.shown} {identity.name}"
        _put(self._marks(domain.shown), self._of_pulls, subject, verdict)

    def _images(self) -> Iterator[Coroutine[None, None, None]]:
        for image in self._promises.images():
            if found := self._domains.get(image.root):
                yield self._image(found, image)

    async def _image(self, found: _Found, image: PromisedImage) -> None:
        """Check that each tag and each digest of an image resolves through the domain's name."""
        if found.settled:
            self._skip(_REDIRECT, found, count_of(image))
            return
        by_api = ByApi.of(self._doors, self._side, image.root, image.path)
        reader = image.root.reader(self._doors, self._side)
        with closing(Listed(reader, image.name, by_api=by_api)) as behind:
            await self._names(found, image, behind)

    async def _names(self, found: _Found, image: PromisedImage, behind: Listed) -> None:
        marks = self._marks(found.domain.shown)
        reader = _reader(self._doors, self._side, found.domain)
        names = Through(found.domain, image, reader, behind, self._told)
        if not await names.are_gone(self._checks):
            await self._checks.all_of(marks, names.checks())
        elif Level.TAGS in self._told:
            marks.count_wrong(_REDIRECT, count_of(image))
        else:
            saw = "nothing is there under this name"
            marks.all_wrong(_REDIRECT, count_of(image), errors.DIGEST_GONE, image.shown, saw)

    def _skip(self, level: Level, found: _Found, count: int) -> None:
        """Count names that nobody asked for, since one thing keeps all of them from answering."""
        one, shown = found.settled, found.domain.shown
        if one and one.problem and count:
            marks = self._marks(shown)
            tell = marks.all_wrong if one.mark is Mark.WRONG else marks.all_unchecked
            tell(level, count, one.problem, shown, one.saw)


def _domains(promises: Promises, expected: Expected) -> dict[PromisedRoot, _Found]:
    """Return the domains of what is promised, and those that were asked for besides."""
    found, known = {}, set()
    for root in promises.roots():
        if domain := Domain.at(root.registry, root.prefix):
            found[root] = _Found(root, domain)
            known.add(domain)
    several = len(expected.domains) > 1
    for domain in expected.domains:
        if domain not in known:
            root = PromisedRoot(
                domain.shown, domain.ar_registry, domain.ar_prefix, ARTIFACT_REGISTRY.name
            )
            found[root] = _Found(root, domain, may_be_idle=several)
    return found


def _reader(doors: Doors, side: Side, domain: Domain) -> SourceRegistry:
    root = PromisedRoot(domain.shown, domain.host.name, domain.project.path, GCR.name)
    return root.reader(doors, side)


def _put(marks: Marks, level: Level, subject: str, verdict: Verdict) -> None:
    """Put a verdict down; what settles every name is told once with all of them."""
    subject, problem, saw = verdict.subject or subject, verdict.problem, verdict.saw
    if problem is None:
        marks.ok(level)
    elif verdict.mark is Mark.OK:
        marks.ok(level)
        marks.note(problem, Severity.WARNING, subject, saw)
    elif verdict.mark is Mark.UNCHECKED:
        if problem is errors.NOT_CHECKED and not verdict.all_names:
            marks.unproven(level, subject, saw)  # for a reason of its own
        else:  # of the whole host, whatever was asked for
            marks.all_unchecked(level, 1, problem, marks.host, saw)
    elif verdict.all_names:
        marks.all_wrong(level, 1, problem, subject, saw)
    else:
        marks.wrong(level, problem, subject, saw)


async def _tried(question: Coroutine[None, None, T]) -> T | MigrateError:
    try:
        return await question
    except MigrateError as error:
        return error
