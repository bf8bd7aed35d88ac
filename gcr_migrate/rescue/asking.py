"""Asks the targets for what lists do not show: names that are expected, and those of answers."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.inventory.collect import ImageReader
from gcr_migrate.model.content import Digest
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.inventory import ListedManifest, Listing
from gcr_migrate.rescue.account import by_host, named_in_answers
from gcr_migrate.rescue.expected import MET, judge
from gcr_migrate.tasks import a_few_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.inventory.collect import ReadManifest
    from gcr_migrate.model.content import Manifest
    from gcr_migrate.rescue.account import Seen
    from gcr_migrate.rescue.expected import Wanted
    from gcr_migrate.rescue.targets import Target
    from gcr_migrate.state.rescued import RescueFile

_IMAGES_AT_ONCE: Final = 8


class _Sought(Struct):
    """What is asked for of one image."""

    tags: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)

    def listing(self, name: str) -> Listing:
        """Return it as a list that shows just that."""
        manifests = tuple(
            ListedManifest(Digest.parse(one), "", (), None, None) for one in sorted(self.digests)
        )
        return Listing(name, (), dict.fromkeys(sorted(self.tags)), manifests)


async def ask_for_the_rest(
    targets: Sequence[Target],
    file: RescueFile,
    seen: Seen,
    wanted: Wanted | None,
    reader: Callable[[str], SourceRegistry],
    tell: Callable[[Finding], None],
) -> None:
    """Pull what an inventory lacks though an answer named it or somebody expects it.

    Lists may be late or cut short; a manifest is there if it can be pulled, by its tag or digest,
    and is whole if its children and blobs are, too. What is found is added to the inventory.

    Args:
        targets: by their numbers.
        file: has all answers.
        seen: the inventory.
        wanted: the expected names; None if there is no list.
        reader: gives the client of a registry, which remembers nothing.
        tell: is told of what is damaged, and of images that could not be asked for.

    Raises:
        MigrateError: the login has ended.
    """
    sought: defaultdict[tuple[int, str], _Sought] = defaultdict(_Sought)
    for key, digests, tags in named_in_answers(file, seen, len(targets)):
        sought[key].digests |= digests
        sought[key].tags |= tags
    for key, tag, digest in _unmet(targets, seen, wanted):
        sought[key].tags |= {tag} - {""}
        sought[key].digests |= {digest} - {""}

    async def one(key: tuple[int, str], what: _Sought) -> None:
        target, path = targets[key[0]], key[1]
        shown = f"{target.shown}/{path}"
        images = ImageReader(
            reader(target.registry), _nothing, _forget, _nothing, checks_blobs=True
        )
        try:
            content = await images.read(shown, what.listing(f"{target.name}/{path}"))
        except MigrateError as error:
            if error.problem is errors.TOKEN_EXPIRED:
                raise
            seen.unasked.add(key)
            tell(Finding(errors.LISTING_FAILED, Severity.ERROR, shown, error.told))
            return
        for digest, damage in content.damaged.items():
            tell(Finding(damage.problem, Severity.ERROR, f"{shown}@{digest}", damage.saw))
        seen.add(key, map(str, content.nodes), {tag: str(d) for tag, d in content.tags.items()})

    await a_few_of((one(*each) for each in sorted(sought.items(), key=_key)), _IMAGES_AT_ONCE)


def _unmet(
    targets: Sequence[Target], seen: Seen, wanted: Wanted | None
) -> Iterator[tuple[tuple[int, str], str, str]]:
    numbers = {target.host.name: at for at, target in enumerate(targets)}
    for name, verdict, _ in judge(wanted.names, by_host(targets, seen)) if wanted else ():
        if verdict not in MET and (name.tag or name.digest) and name.host in numbers:
            yield (numbers[name.host], name.path), name.tag, name.digest


def _key(one: tuple[tuple[int, str], _Sought]) -> tuple[int, str]:
    return one[0]


def _nothing(_digest: Digest) -> Manifest | None:
    return None


def _forget(_read: ReadManifest) -> None:
    """Keep no manifest: the snapshot is sealed."""
