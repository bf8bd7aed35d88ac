"""The names of images by their domain, held against what was promised and what stands behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.verify.checks import Check, Wrong
from gcr_migrate.verify.result import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.domains import Domain
    from gcr_migrate.verify.checks import Ask, Checks
    from gcr_migrate.verify.listed import Listed
    from gcr_migrate.verify.promise import PromisedImage, PromisedTag

_REDIRECT: Final = Level.REDIRECT


class Through:
    """The names of one image by its domain.

    Args:
        domain: the domain.
        image: what should be there.
        reader: asks the domain's host.
        behind: what is listed under the name by which the image was promised.
        told: levels that tell what is not right under that name too.
    """

    def __init__(
        self,
        domain: Domain,
        image: PromisedImage,
        reader: SourceRegistry,
        behind: Listed,
        told: frozenset[Level],
    ) -> None:
        self._image = image
        self._reader = reader
        self._name = name_at(domain, image)
        self._domain = domain
        self._behind = behind
        self._told = told
        self._at = f"{domain.shown} by its name"  # it may be lost when what is behind it is not
        self._has_two_names = image.root.registry != domain.host.name

    async def are_gone(self, checks: Checks) -> bool:
        """Read what stands behind; return whether nothing is there under either name."""
        if not self._has_two_names:
            return False
        await self._behind.read(checks, self._image.root.host)
        if self._behind.missing is None:
            return False
        first = next(self._image.manifests(), None)
        try:
            head = first and await self._reader.manifest_head(self._name, str(first))
        except MigrateError:
            return False  # each name tells why
        return head is None

    def checks(self) -> Iterator[Check]:
        """Give a check for each tag and each digest."""
        shown = self._image.shown
        for tag in self._image.tags():
            yield Check(_REDIRECT, f"{shown}:{tag.tag}", self._tag(tag), str(tag.digest), self._at)
        for digest in self._image.manifests():
            yield Check(_REDIRECT, f"{shown}@{digest}", self._digest(digest), at=self._at)

    def _tag(self, promised: PromisedTag) -> Ask:
        async def ask() -> Wrong | None:
            head = await self._reader.manifest_head(self._name, promised.tag)
            found = head.digest if head else None
            behind = await self._behind.resolve(promised.tag) if self._has_two_names else found
            if behind != found:
                saw = f"{self._domain.shown} has {found or 'no such tag'}, and "
                saw += f"{self._domain.ar_registry} {behind or 'no such tag'}"
                return Wrong(errors.TAG_MOVED if found else errors.TAG_GONE, saw)
            is_told = self._has_two_names and Level.TAGS in self._told
            if found is None:
                return Wrong(errors.TAG_GONE, f"promised {promised.digest}", is_told=is_told)
            if found == promised.digest or promised.may_differ:
                return None
            saw = f"points to {found}, promised {promised.digest}"
            return Wrong(errors.TAG_MOVED, saw, is_told=is_told)

        return ask

    def _digest(self, digest: Digest) -> Ask:
        async def ask() -> Wrong | None:
            saw = await _wrong(self._reader, self._name, digest)
            if saw is None:
                return None
            is_told = False
            if self._has_two_names and Level.MANIFESTS in self._told:
                is_told = await _wrong(self._behind.reader, self._image.name, digest) == saw
            return Wrong(errors.BYTES_DIFFER if saw else errors.DIGEST_GONE, saw, is_told=is_told)

        return ask


async def _wrong(registry: SourceRegistry, name: str, digest: Digest) -> str | None:
    """Say what is wrong with a digest: empty where it is not there, None where nothing is."""
    try:
        head = await registry.manifest_head(name, str(digest))
    except MigrateError as error:
        if error.problem is not errors.DIGEST_MISMATCH:
            raise
        return error.saw  # no header says what it is, and its bytes are another's
    if head is None:
        return ""
    return None if head.digest == digest else f"the registry names it {head.digest}"


def name_at(domain: Domain, image: PromisedImage) -> str:
    """Return the name of an image at the domain's host, without the host."""
    return f"{domain.project.path}/{image.path}"


def count_of(image: PromisedImage) -> int:
    """Count the names by which an image is asked for: its tags and its digests."""
    return sum(1 for _ in image.tags()) + sum(1 for _ in image.manifests())
