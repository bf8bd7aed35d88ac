"""What is attached to manifests, where a registry can tell that (OCI end-12).

Whether it can, only its answers say. Where it has no such end-point it would be a waste to ask for
every manifest, and where it has one, a single refusal must not hide all that is signed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from gcr_migrate.interfaces import SourceRegistry
    from gcr_migrate.model.content import Descriptor, Digest

_NOES_OF_A_NAME: Final = 2  # until it is believed of this name
_NOES: Final = 6  # of several names, until it is believed of all: some say no for nothing


class Referrers:
    """Asks for what is attached to manifests of one registry.

    Args:
        registry: who is asked.
    """

    def __init__(self, registry: SourceRegistry) -> None:
        self._registry = registry
        self._has_api: bool | None = None  # until it is heard
        self._noes: Counter[str] = Counter()
        self._unsure: dict[str, Digest] = {}  # of each name the first without an answer
        self._unasked: set[str] = set()  # names of which some were not asked for
        self._with: set[str] = set()  # names that had an answer
        self._first = asyncio.Lock()
        self._waits = True

    async def of(self, name: str, digest: Digest) -> list[Digest]:
        """Return the digests of what is attached to a manifest, as far as the registry tells.

        Raises:
            MigrateError: it does not answer.
        """
        if self._registry.dialect.lists_manifests:  # the `manifest` map shows them all
            return []
        if self._is_to_be_heard():
            async with self._first:  # all others wait to hear if there is such a thing
                if self._is_to_be_heard():
                    return await self._asked(name, digest)
        return await self._asked(name, digest)

    def _is_to_be_heard(self) -> bool:
        return self._has_api is None and self._waits

    async def _asked(self, name: str, digest: Digest) -> list[Digest]:
        if not self._has_api and (self._has_api is False or self._noes[name] >= _NOES_OF_A_NAME):
            self._unsure.setdefault(name, digest)
            self._unasked.add(name)
            return []
        found = await self._ask(name, digest)
        if found is None and name in self._with:  # a no that passes, or its word for nothing
            found = await self._ask(name, digest) or ()
        if found is not None:
            self._has_api = True
            self._with.add(name)
            return [one.digest for one in found]
        self._noes[name] += 1
        self._unsure.setdefault(name, digest)
        if self._has_api is None and self._noes.total() >= _NOES:
            self._has_api = False
        return []

    async def _ask(self, name: str, digest: Digest) -> tuple[Descriptor, ...] | None:
        try:
            return await self._registry.referrers(name, digest)
        except MigrateError:
            self._waits = False  # what ails all of them is not for one after the other to find out
            raise

    async def doubts(self) -> list[tuple[str, MigrateError]]:
        """Ask once more, when all is read; return the names of which something may be missing.

        Returns:
            The registry's names, each with what is to be said of it: `bad-reply` where it tells now
            what it did not before, `referrers-unknown` where it tells of other names only. An empty
            name stands for all of the registry, with `no-referrers`: it never told anything.
        """
        doubts = []
        for name, digest in self._unsure.items():
            subject = f"{self._registry.host}/{name}"
            try:
                found = await self._registry.referrers(name, digest)
            except MigrateError as error:
                doubts.append((name, error))
                continue
            if found is not None:
                self._has_api = True
                saw = "what is attached to its manifests: the answer was no, and then it was yes"
                doubts.append((name, MigrateError(errors.BAD_REPLY, subject=subject, saw=saw)))
            elif name in self._with and name not in self._unasked:
                continue  # it says no where nothing is attached
            elif self._has_api:
                doubts.append((name, MigrateError(errors.REFERRERS_UNKNOWN, subject=subject)))
            else:  # all others will say so, too
                host = self._registry.host
                doubts.append(("", MigrateError(errors.NO_REFERRERS, subject=host)))
                break
        return doubts
