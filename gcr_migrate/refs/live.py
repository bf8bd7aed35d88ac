"""Asks registries for the names that people's files have, each name once, and judges the answers.

The judgement is pure. What could not be asked is told as such: it may be there or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import (
    DENIED,
    MANIFEST_UNKNOWN,
    NAME_UNKNOWN,
    NOT_THERE,
    PERIMETER,
    UNAUTHORIZED,
    MigrateError,
)
from gcr_migrate.model.places import read_place
from gcr_migrate.refs.cover import BAD, Verdict, image_name
from gcr_migrate.refs.reading import Whose
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from gcr_migrate.interfaces import Puller, SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.places import Place
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.expected import Expected
    from gcr_migrate.refs.reading import Reference

_AT_ONCE: Final = 32
_MISSING: Final = NOT_THERE | {MANIFEST_UNKNOWN}
_REFUSALS: Final = frozenset({DENIED, NAME_UNKNOWN, PERIMETER, UNAUTHORIZED})
_WITHOUT_PLAN: Final = frozenset({Verdict.OLD, Verdict.STAYS})


class Question(Struct, frozen=True):
    """What a registry is asked for.

    Attributes:
        host: the registry.
        name: image name there, without host.
        reference: tag or digest; empty to ask whether there is anything under the name.
        is_new: whether it is the name at a target of a plan.
    """

    host: str
    name: str
    reference: str
    is_new: bool = False

    @property
    def shown(self) -> str:
        """The whole name that is asked for."""
        mark = "@" if ":" in self.reference else ":" if self.reference else ""
        return f"{self.host}/{self.name}{mark}{self.reference}"


class Answer(Struct, frozen=True):
    """What a registry said.

    Attributes:
        digest: what the tag or digest leads to; None for a bare name, or where nothing is there.
        error: why there is nothing, or why that is not known.
    """

    digest: Digest | None = None
    error: MigrateError | None = None

    @property
    def is_missing(self) -> bool:
        """Whether the registry says that it is not there."""
        return self.error is not None and self.error.problem in _MISSING


def questions(
    reference: Reference, covered: Covered, ours: Collection[str]
) -> tuple[Question, ...]:
    """Return what has to be asked about a name: its tag, its digest, or whether it is there.

    Args:
        reference: the name.
        covered: what a plan makes of it.
        ours: ids of one's own projects; if there are none, names of all projects are asked for.
    """
    place, is_new = reference.place, covered.verdict is Verdict.NEW
    if place is None or place.path is None or place.kind == "bucket":
        return ()
    if reference.whose is not Whose.OURS and not is_new:
        is_open = reference.whose is Whose.SOMEBODYS and not ours
        if not is_open and covered.verdict is not Verdict.MOVES:
            return ()
    if reference.gaps:
        return ()
    return _about(place, is_new=is_new)


def new_questions(covered: Covered) -> tuple[Question, ...]:
    """Return what has to be asked about the name that one becomes by a plan.

    Args:
        covered: what the plan makes of it.
    """
    if covered.verdict is not Verdict.MOVES:
        return ()
    return _about(read_place(covered.target), is_new=True)


def _about(place: Place, *, is_new: bool) -> tuple[Question, ...]:
    host, _, name = image_name(place).partition("/")
    wanted = [str(one) for one in (place.tag, place.digest) if one]
    return tuple(Question(host, name, one, is_new) for one in wanted or [""])


async def ask(
    wanted: Iterable[Question], reader: Callable[[Question], SourceRegistry]
) -> dict[Question, Answer]:
    """Ask for each name once.

    Args:
        wanted: the names.
        reader: hands out the client of a question's registry.
    """
    answers: dict[Question, Answer] = {}

    async def one(question: Question) -> None:
        try:
            answers[question] = Answer(await _digest(reader(question), question))
        except MigrateError as error:
            answers[question] = Answer(error=error)

    await a_few_of((one(each) for each in dict.fromkeys(wanted)), _AT_ONCE)
    return answers


async def _digest(registry: SourceRegistry, question: Question) -> Digest | None:
    if not question.reference:
        listing = await registry.listing(question.name)
        if not (listing.tags or listing.manifests or listing.children):
            subject = f"{question.host}/{question.name}"
            raise MigrateError(NAME_UNKNOWN, subject=subject, saw="its list is empty")
        return None
    head = await registry.manifest_head(question.name, question.reference)
    if head is None:  # an answer without a body; the next one tells whether the name is known
        return (await registry.manifest(question.name, question.reference)).digest
    return head.digest


def judged(
    reference: Reference,
    covered: Covered,
    answers: Mapping[Question, Answer],
    wanted: Expected | None,
    *,
    has_plan: bool,
) -> Covered:
    """Return what becomes of a name, now that its registry was asked.

    Args:
        reference: the name.
        covered: what a plan makes of it, or what is known without one.
        answers: what was said to its questions; empty if nothing was asked.
        wanted: what it should lead to, if anybody says it.
        has_plan: whether there is a plan.
    """
    if not answers:
        return _unasked(reference, covered, has_plan=has_plan)
    failed = [(q, one.error, one.is_missing) for q, one in answers.items() if one.error]
    if failed:  # what is missing is sure, whatever else failed
        question, error, is_missing = max(failed, key=lambda each: each[2])
        if not is_missing:
            return replace(covered, verdict=Verdict.UNCHECKED, why=error.told)
        why = f"the registry has no such {_kind(question)} ({error.told})"
        return replace(covered, verdict=Verdict.GONE, why=why)
    found = next(iter(answers.values())).digest  # of the tag, if there is one
    return _of_found(replace(covered, found=found), wanted, has_plan=has_plan)


def _unasked(reference: Reference, covered: Covered, *, has_plan: bool) -> Covered:
    """Return a name with gaps as one that was not asked for; any other as it is."""
    if reference.whose is not Whose.OPEN or covered.verdict in BAD - _WITHOUT_PLAN:
        return covered
    why = f"no value for {', '.join(reference.gaps)}: not asked for"
    return replace(covered, verdict=covered.verdict if has_plan else Verdict.OPEN, why=why)


def _of_found(covered: Covered, wanted: Expected | None, *, has_plan: bool) -> Covered:
    """Return what becomes of a name that is there."""
    found = covered.found
    if covered.verdict in BAD - _WITHOUT_PLAN:
        return covered
    if found and wanted and found != wanted.digest:
        other = f", {wanted.by} to {wanted.digest}" if wanted.by else ""
        why = f"the tag points to {found} now{other}"
        return replace(covered, verdict=Verdict.TAG_MOVED, why=why)
    return covered if has_plan else replace(covered, verdict=Verdict.EXISTS)


def domain_of(reference: Reference, covered: Covered) -> str:
    """Return whose names a name that is there is one of, as `us.gcr.io/builds`; empty for none."""
    place = reference.place
    if place is None or place.kind != "gcr" or covered.verdict in BAD:
        return ""
    return f"{place.host}/{place.project.path}"


async def ask_anybody(
    wanted: Iterable[Question], puller: Callable[[str], Puller]
) -> dict[Question, MigrateError | None]:
    """Try for each name once whether anybody can pull it, without a login.

    Args:
        wanted: names.
        puller: hands out who pulls from a host.

    Returns:
        Why not; None where it works.
    """
    found: dict[Question, MigrateError | None] = {}

    async def one(question: Question) -> None:
        pull = await puller(question.host).pull(question.name, question.reference)
        found[question] = pull.error

    await a_few_of((one(each) for each in dict.fromkeys(wanted)), _AT_ONCE)
    return found


def judged_public(covered: Covered, error: MigrateError | None) -> Covered:
    """Return what becomes of a name that anybody could pull before.

    Args:
        covered: the name, which is there.
        error: why nobody without a login can; None: they can.
    """
    if error is None:
        return covered
    verdict = Verdict.ACCESS_LOST if error.problem in _REFUSALS else Verdict.UNCHECKED
    return replace(covered, verdict=verdict, why=f"anybody could pull it; now {error.told}")


def _kind(question: Question) -> str:
    if not question.reference:
        return "image"
    return "digest" if ":" in question.reference else "tag"
