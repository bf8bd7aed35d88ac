"""Single names in a snapshot, looked up by what people write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcr_migrate.model.content import Digest
from gcr_migrate.model.domains import FACT, DomainFacts
from gcr_migrate.state.baseline import Baseline

if TYPE_CHECKING:
    from gcr_migrate.state.snapshot import Snapshot


class NamesKept:
    """What a snapshot says of names.

    Args:
        snapshot: the snapshot, open for reading.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        baseline = Baseline(snapshot)
        self._domains = {
            root.shown: DomainFacts.read(baseline.facts(id_).get(FACT))
            for id_, root in baseline.sources().items()
        }

    def tag(self, name: str, tag: str) -> Digest | None:
        """Return what a tag of an image led to, by its whole name; None if there was none."""
        sql = (
            "SELECT m.digest FROM image i JOIN image_tag t ON t.image_id = i.id"
            " JOIN manifest m ON m.id = t.manifest_id WHERE i.name = ? AND t.tag = ?"
        )
        found = next(self._snapshot.stream(sql, name, tag), None)
        return Digest.parse(found[0]) if found else None

    def public(self, domain: str) -> bool | None:
        """Return whether anybody could pull at a root, such as `us.gcr.io/builds`."""
        facts = self._domains.get(domain)
        return facts.public if facts else None
