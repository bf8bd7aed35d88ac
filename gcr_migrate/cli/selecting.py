"""What the spec's rules about whole image paths leave out, and the groups that they could."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.errors import printable
from gcr_migrate.inventory.views import contents
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.names import brief, gcr_host
from gcr_migrate.model.origin import ORIGINS, origin_of
from gcr_migrate.plan.choice import PathChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcr_migrate.cli.reading import Root
    from gcr_migrate.spec import Select


def leave_out_paths(root: Root, select: Select, leave: Callable[[LeftOut], None]) -> bool:
    """Take from a root the image paths that a rule leaves out as a whole.

    Args:
        root: loses their lists, so that nothing of them is read.
        select: the rules.
        leave: is told each path with its rule, and how much its list shows.

    Returns:
        Whether rules leave out all that it has, so that there is nothing to read.
    """
    if not select.leaves_paths_out or root.listings is None:
        return False
    choice, left = PathChoice(select), False
    for path in root.image_paths():
        why = choice.why_not(path, root.repository)
        if why:
            saw = f"{why}; {contents(root.listing(path))}"
            leave(LeftOut(errors.NOT_SELECTED, root.shown(path), by_rule=True, saw=saw))
            root.listings.drop(path)
            left = True
    return left and not root.image_paths()


def names_refused(root: Root, select: Select) -> Iterator[LeftOut]:
    """Tell each name of a root that no registry takes, or the rule that leaves it out anyway."""
    choice = PathChoice(select)
    for path, wrong in sorted(root.refused.items()):
        subject = f"{root.source.shown}/{brief(path)}"
        if why := choice.why_not(path, root.repository):
            yield LeftOut(errors.NOT_SELECTED, subject, by_rule=True, saw=why)
        else:
            yield LeftOut(errors.NAME_REFUSED, subject, by_rule=False, saw=printable(wrong))


def notes_of(root: Root) -> Iterator[Finding]:
    """Tell what a person may want to know of a root before its images are moved.

    Each group by origin, how much it is, and how to leave it out; and what Google's services keep
    under its old names.
    """
    yield from _groups(root)
    if gcr_host(root.host) and root.image_paths():
        yield Finding(errors.SCAN_HISTORY_STAYS, Severity.INFO, root.source.shown, "")


def _groups(root: Root) -> Iterator[Finding]:
    sums: dict[str, Counter[str]] = {}
    for path in root.image_paths():
        origin = origin_of(path, root.repository)
        if origin:
            listing = root.listing(path)
            shown = {"image": 1, "tag": len(listing.tags)}
            shown |= {"manifest": len(listing.manifests or ())}
            sums.setdefault(origin.name, Counter()).update(shown)
    for origin in ORIGINS:
        if origin.name in sums:
            told = ", ".join(_counted(what, count) for what, count in sums[origin.name].items())
            saw = f"{told}: {origin.title}; {origin.advice}; select.leave_out: [{origin.name}]"
            yield Finding(errors.ORIGIN_GROUP, Severity.INFO, root.source.shown, saw)


def _counted(what: str, count: int) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
