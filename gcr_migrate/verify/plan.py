"""A frozen plan against both of its sides: its targets as promised, and what its sources did since.

Beside the content that a plan promises there is what only a plan knows: tags that the target makes
itself, virtual repositories that stand over others, and a source that others go on pushing to.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import is_fallback_tag
from gcr_migrate.model.finding import Severity
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.baseline_promises import root_at
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.content import IMAGES_AT_ONCE, Content
from gcr_migrate.verify.listed import ByApi, Listed
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.plan_promises import PlanPromises, root_of
from gcr_migrate.verify.result import CONTENT, Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.errors import Problem
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.plan import Repository
    from gcr_migrate.state.migration import Migration
    from gcr_migrate.verify.checks import Ask, Checks
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.plan_promises import PlannedImage
    from gcr_migrate.verify.promise import PromisedTag, Readers
    from gcr_migrate.verify.result import Verification
    from gcr_migrate.verify.upkeep import Upkeep

_MADE_BY_TARGET = errors.REFERRERS_TAG_LEFT.code


async def verify_plan(
    migration: Migration,
    readers: Readers,
    result: Verification,
    progress: Progress,
    checks: Checks,
    upkeep: Upkeep,
) -> None:
    """Check everything that a plan promises against both registries.

    Args:
        migration: the frozen plan; its ledger is not read.
        readers: hands out clients.
        result: says what to check; takes counts per level and a finding for all that is wrong,
            moved, new, or could not be checked.
        progress: is told of each check.
        checks: makes the checks.
        upkeep: knows how the target's repositories are set up.
    """
    promises = PlanPromises(migration)
    sides = _Sides(migration, readers, result, progress, checks)
    content = Content(promises, readers, result, progress, checks, upkeep)

    async def image(one: PlannedImage) -> None:
        if Level.TAGS in result.wanted:
            marks = Marks(result, progress, one.root.host)
            about = f"{one.shown} beside its tags {promises.identity}"
            await checks.whole(marks, Level.TAGS, about, lambda: sides.image(one, marks))
        await content.image(one)

    if CONTENT & result.wanted:
        for one in migration.repositories().values():
            root = root_of(one)
            await upkeep.hold(Marks(result, progress, root.host), root, one)
        await a_few_of(map(image, promises.images()), IMAGES_AT_ONCE)
    sides.tell_what_is_not_planned()


class _Sides:
    """What only a plan knows of, at the level of tags."""

    def __init__(
        self,
        migration: Migration,
        readers: Readers,
        result: Verification,
        progress: Progress,
        checks: Checks,
    ) -> None:
        self._migration = migration
        self._readers = readers
        self._result = result
        self._progress = progress
        self._checks = checks
        self._sources = migration.sources()
        self._repositories = migration.repositories()
        self._virtual = [one for one in self._repositories.values() if one.upstreams]

    async def image(self, image: PlannedImage, marks: Marks) -> None:
        """Check one image at its source, by what the target makes itself, and through others."""
        source = self._sources[image.image.source_id]
        reader = self._readers.source(source.registry, source.dialect, source.plain_http)
        shown = f"{source.shown}/{image.image.path}"
        name = source.name(image.image.path)
        left_out = self._migration.left_out_tags(shown)
        by_api = ByApi.of(self._readers, "source", root_at(source), image.image.path)
        with closing(Listed(reader, name, by_api=by_api)) as listed:
            await self._source(image, listed, shown, left_out, marks)
        made = [tag for tag, why in left_out.items() if why.code == _MADE_BY_TARGET]
        target = image.root.reader(self._readers, "target")
        referrers = _Referrers(reader, name, target, image.name)
        await self._checks.all_of(
            marks,
            (Check(Level.TAGS, f"{image.shown}:{tag}", referrers.asking(tag)) for tag in made),
        )
        for virtual in self._virtual:
            if image.root.resource in virtual.upstreams:
                await self._through(image, virtual, marks)

    def tell_what_is_not_planned(self) -> None:
        """Tell what could not be moved or listed: that is still not at a target."""
        for left in self._migration.left_outs():
            if not left.by_rule:
                self._marks_at(left.subject).note(
                    left.problem, Severity.ERROR, left.subject, left.saw
                )
        for one in self._migration.findings():
            if one.problem in {errors.LISTING_CUT, errors.LISTING_FAILED}:
                self._marks_at(one.subject).note(one.problem, one.severity, one.subject, one.saw)

    def _marks_at(self, subject: str) -> Marks:
        """Return the marks of the source below which a name is."""
        shown = [one.shown for one in self._sources.values()]
        host = max((one for one in shown if subject.startswith(one)), key=len, default=subject)
        return Marks(self._result, self._progress, host)

    async def _source(
        self,
        image: PlannedImage,
        listed: Listed,
        shown: str,
        left_out: dict[str, Problem],
        above: Marks,
    ) -> None:
        """Tell what moved at the source since the plan, and what is new there."""
        host = root_at(self._sources[image.image.source_id]).host
        await listed.read(self._checks, host)
        for tag in left_out:
            listed.expect(tag)
        marks = above.of(host)
        if listed.missing:
            marks.note(errors.TAG_MOVED, Severity.WARNING, shown, "source has nothing there now")
            return
        for promised in self._migration.tags(image.image.id):
            listed.expect(promised.tag)
            try:
                here = await listed.resolve(promised.tag)
            except MigrateError as error:
                marks.unchecked(Level.TAGS, shown, error)
                return
            if here != promised.digest and image.image.moved_tags != "pin":
                saw = f"source has {here or 'no such tag'}, planned {promised.digest}"
                marks.note(errors.TAG_MOVED, Severity.WARNING, f"{shown}:{promised.tag}", saw)
        listed.tell_new(marks, shown)

    async def _through(self, image: PlannedImage, virtual: Repository, above: Marks) -> None:
        """Check that each tag resolves through a virtual repository as it does at its own."""
        by_api = ByApi.of(self._readers, "target", image.root, image.path)
        own = Listed(image.root.reader(self._readers, "target"), image.name, by_api=by_api)
        root = root_of(virtual)
        seen = Listed(root.reader(self._readers, "target"), root.name(image.path))
        await own.read(self._checks, image.root.host)
        await seen.read(self._checks, root.host)
        shown = f"{virtual.shown}/{image.path}"
        marks = above.of(root.host)

        def checks() -> Iterator[Check]:
            for promised in image.tags():
                if own.has(promised.tag):  # what its own lacks is told there
                    yield Check(Level.TAGS, f"{shown}:{promised.tag}", _same(own, seen, promised))

        await self._checks.all_of(marks, checks())
        own.close()


def _same(own: Listed, seen: Listed, promised: PromisedTag) -> Ask:
    async def ask() -> Wrong | None:
        digest, found = await own.resolve(promised.tag), await seen.resolve(promised.tag)
        if found == digest:
            return None
        saw = f"its upstream has {digest}, seen through it {found or 'no such tag'}"
        return Wrong(errors.TAG_MOVED if found else errors.TAG_GONE, saw)

    return ask


class _Referrers:
    """Tags by which registries list what is attached, each compared as a set.

    The target makes these itself, so their bytes are its own.
    """

    def __init__(
        self, source: SourceRegistry, source_name: str, target: SourceRegistry, target_name: str
    ) -> None:
        self._source = source
        self._source_name = source_name
        self._target = target
        self._target_name = target_name

    def asking(self, tag: str) -> Ask:
        """Return the question whether all that a tag lists at the source is there."""

        async def ask() -> Wrong | None:
            subject = is_fallback_tag(tag)
            if subject is None:
                return None
            planned = await self._source.manifest(self._source_name, tag)
            missing = {child.digest for child in planned.children}
            try:
                found = await self._target.manifest(self._target_name, tag)
                missing -= {child.digest for child in found.children}
            except MigrateError as error:
                if error.problem is not errors.MANIFEST_UNKNOWN:
                    raise
            if missing:  # where tags are immutable, the target may not move its own either
                listed = await self._target.referrers(self._target_name, subject)
                missing -= {one.digest for one in listed or ()}
            if not missing:
                return None
            saw = f"referrers of {subject} missing: " + ", ".join(sorted(map(str, missing)))
            return Wrong(errors.DIGEST_GONE, saw)

        return ask
