"""What a registry shows now, by itself: all that it lists is there, and whole.

It has just been read into a snapshot, manifest by manifest and against their digests, so these are
not asked for again. What is left is whether each tag resolves, and each blob is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import CATALOGUE, Exit, MigrateError, Problem
from gcr_migrate.model.finding import Severity
from gcr_migrate.tasks import a_few_of
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.content import IMAGES_AT_ONCE, blob_checks
from gcr_migrate.verify.marks import Marks
from gcr_migrate.verify.result import OF_A_WHOLE_HOST, OF_ALL_THAT_IS_LEFT, Level

if TYPE_CHECKING:
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.finding import Finding, LeftOut
    from gcr_migrate.state.snapshot import Snapshot
    from gcr_migrate.verify.baseline_promises import BaselineImage, BaselinePromises
    from gcr_migrate.verify.checks import Checks
    from gcr_migrate.verify.marks import Progress
    from gcr_migrate.verify.promise import PromisedTag, Readers
    from gcr_migrate.verify.result import Verification

# Beside errors, what says that two views of a registry are not of one mind.
_TOLD: Final = frozenset({errors.NAME_WITHOUT_TAGS, errors.NOT_STANDARD, errors.VIEWS_DIFFER})


class Live:
    """A verification of what was just read.

    Args:
        snapshot: what was read.
        promises: the same, by image.
        readers: hands out clients.
        result: says what to check; takes counts and findings.
        progress: is told of each check.
        checks: makes the checks.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        promises: BaselinePromises,
        readers: Readers,
        result: Verification,
        progress: Progress,
        checks: Checks,
    ) -> None:
        self._snapshot = snapshot
        self._promises = promises
        self._readers = readers
        self._result = result
        self._progress = progress
        self._checks = checks
        self._told: set[str] = set()

    async def verify(self) -> None:
        """Tell what the reading found, then ask for the rest."""
        for root in self._promises.roots():
            self._result.host(root.host)  # also where it has no image
        for left in self._snapshot.left_outs():
            self._left_out(left)
        for finding in self._snapshot.findings():
            self._finding(finding)
        await a_few_of(map(self._image, self._promises.images()), IMAGES_AT_ONCE)

    async def _image(self, image: BaselineImage) -> None:
        marks = Marks(self._result, self._progress, image.root.host)
        reader = image.root.reader(self._readers, self._promises.side)
        wanted = self._result.wanted
        if Level.TAGS in wanted:
            tags = (_tag_check(reader, image, one) for one in image.tags())
            await self._checks.all_of(marks, tags)
        if Level.MANIFESTS in wanted:
            for _ in image.manifests():
                marks.ok(Level.MANIFESTS)
            for index, child in self._promises.baseline.missing_children(image.image.id):
                subject = f"{image.shown}@{child}"
                if subject in self._told:
                    continue
                marks.wrong(Level.MANIFESTS, errors.DIGEST_GONE, subject, f"named by {index}")
        if Level.BLOBS in wanted:
            await self._checks.all_of(marks, blob_checks(reader, image))

    def _left_out(self, left: LeftOut) -> None:
        """Tell what is listed and could not be read."""
        is_tag = "@" not in left.subject
        problem, level = left.problem, Level.TAGS if is_tag else Level.MANIFESTS
        if problem is errors.MANIFEST_UNKNOWN:
            problem = errors.TAG_GONE if is_tag else errors.DIGEST_GONE
        elif problem is errors.DIGEST_MISMATCH:
            problem = errors.BYTES_DIFFER
        if level not in self._result.wanted:
            return
        self._told.add(left.subject)
        marks, saw = self._marks(left.subject), left.saw or "it is listed"
        if problem.exit is Exit.OUT_OF_REACH:  # nobody could look
            error = MigrateError(problem, subject=left.subject, saw=saw)
            marks.unchecked(level, left.subject, error)
        else:
            marks.wrong(level, problem, left.subject, saw)

    def _finding(self, finding: Finding) -> None:
        """Tell what could not be listed, and where views differ."""
        problem, subject = finding.problem, finding.subject
        if problem is errors.CHILD_MISSING:
            return  # each such child is told
        if problem is errors.LISTING_FAILED:
            code, _, saw = finding.saw.partition(": ")
            cause = CATALOGUE.get(code)
            if cause in OF_A_WHOLE_HOST | OF_ALL_THAT_IS_LEFT:
                self._unlisted(subject, cause, saw)
                return
        if finding.severity is Severity.ERROR or problem in _TOLD:
            self._marks(subject).note(problem, finding.severity, subject, finding.saw)

    def _unlisted(self, subject: str, cause: Problem, saw: str) -> None:
        error = MigrateError(cause, subject=subject, saw=saw)
        for level in self._result.levels:
            self._marks(subject).unchecked(level, subject, error)

    def _marks(self, subject: str) -> Marks:
        """Return the marks of the host that a name is at."""
        hosts = {root.shown: root.host for root in self._promises.roots()}
        shown = max((one for one in hosts if subject.startswith(one)), key=len, default="")
        host = hosts[shown] if shown else subject
        return Marks(self._result, self._progress, host)


def _tag_check(reader: SourceRegistry, image: BaselineImage, promised: PromisedTag) -> Check:
    async def ask() -> Wrong | None:
        """A tag may move between its list and now; what counts is that it leads somewhere."""
        found = await reader.manifest_head(image.name, promised.tag)
        return None if found else Wrong(errors.TAG_GONE, f"listed with {promised.digest}")

    return Check(Level.TAGS, f"{image.shown}:{promised.tag}", ask)
