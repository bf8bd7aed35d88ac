"""Where a source's paths go, as a tree: what goes to one repository as a whole is folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

CHILDREN_SHOWN: Final = 100
_DEEPEST: Final = 12
_ITSELF: Final = "(itself)"


class Folder(Struct):
    """A folder of the source, or an image.

    Attributes:
        name: last part of its name.
        images: number of images in it, with all below.
        size_bytes: sum of what they have.
        targets: repositories to which they go.
        below: what is in it; empty where all goes to one repository.
        more: what is in it and not shown.
    """

    name: str
    images: int = 0
    size_bytes: int = 0
    targets: set[str] = field(default_factory=set)
    below: dict[str, Folder] = field(default_factory=dict)
    more: int = 0

    @property
    def target(self) -> str:
        """The repository to which all of it goes, or how many there are."""
        if len(self.targets) == 1:
            return next(iter(self.targets))
        return f"{len(self.targets):,} repositories"


def folders(images: Iterable[tuple[str, str, int]]) -> list[Folder]:
    """Return where paths go.

    Args:
        images: source name, target repository and bytes of each.

    Returns:
        The roots of the source, such as `us.gcr.io/builds`.
    """
    top = Folder("")
    for source, target, size_bytes in images:
        host, _, rest = source.partition("/")
        project, _, path = rest.partition("/")
        at = top
        _count(at, target, size_bytes)
        # An image may be a folder too: then it is told apart from what is in that.
        for part in (f"{host}/{project}", *path.split("/")[:_DEEPEST], _ITSELF):
            at = at.below.setdefault(part, Folder(part))
            _count(at, target, size_bytes)
    _fold(top)
    return list(top.below.values())


def _count(folder: Folder, target: str, size_bytes: int) -> None:
    folder.images += 1
    folder.size_bytes += size_bytes
    folder.targets.add(target)


def _fold(folder: Folder) -> None:
    """Fold what goes to one repository, and cut what is too long to be read; roots stay."""
    order = sorted(folder.below.values(), key=lambda one: (-one.images, one.name))
    shown = order[:CHILDREN_SHOWN]
    folder.more = len(order) - len(shown)
    folder.below = {one.name: one for one in sorted(shown, key=lambda one: one.name)}
    for one in shown:
        if len(one.targets) == 1:
            one.below = {}
        else:
            _fold(one)
