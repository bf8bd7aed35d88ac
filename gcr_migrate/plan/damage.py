"""What is damaged at the source, kind by kind, and what cannot be moved for it or for the target.

An index over something damaged is left out with it, unless the spec says to carry what is whole.
What a target would not take, such as schema 1, is no damage: the source has it whole, and an index
is never carried without it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.model.finding import LeftOut
from gcr_migrate.plan.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import ImageContent, Node

_NAMED: Final = 5  # children of one index that are named


class Kind(StrEnum):
    """A kind of damage, as the spec names it."""

    BLOBS = "blobs"
    BYTES = "bytes"
    MANIFESTS = "manifests"
    TAGS = "tags"
    CHILDREN = "children"


class Unmovable(Struct, frozen=True):
    """Manifests that are left out, and indexes that go without some of their children.

    Attributes:
        digests: what is left out.
        left_out: why, one by one.
        sparse: indexes that can go all the same, with what they lack.
    """

    digests: frozenset[Digest]
    left_out: tuple[LeftOut, ...]
    sparse: Mapping[Digest, str]


def stops_at(content: ImageContent, kinds: Collection[str]) -> list[Refusal]:
    """Name all damage of these kinds, for a spec that says to stop at it."""
    return [
        Refusal(errors.SOURCE_DAMAGED, subject, f"{kind}: {saw}")
        for kind, subject, saw in _damage(content)
        if kind.value in kinds
    ]


def unmovable(content: ImageContent, target: Dialect, *, copies_sparse: bool) -> Unmovable:
    """Find the manifests that cannot be carried, and the indexes that need them.

    Args:
        content: what the source has.
        target: what it takes.
        copies_sparse: carry an index without those of its children that are damaged.
    """
    refused = {d: one for d, node in content.nodes.items() if (one := _refused(node, target))}
    above = _with_indexes(content, refused)
    own = {
        digest: _Reason(damage.problem, damage.saw)
        for digest, damage in content.damaged.items()
        if damage.problem is not errors.CHILD_MISSING and digest not in refused
    }
    sparse = _sparse(content, own, through=not copies_sparse)
    if copies_sparse:
        carried = {digest: saw for digest, saw in sparse.items() if digest not in above}
    else:
        carried, above = {}, above | sparse.keys()
    reasons = [(digest, one.problem, one.saw) for digest, one in (refused | own).items()]
    for digest in above - refused.keys() - own.keys():
        saw = sparse.get(digest) or "needs a manifest that is left out"
        reasons.append((digest, errors.CHILD_MISSING, saw))
    left_out = [
        LeftOut(problem, _shown(content, digest), by_rule=False, saw=saw)
        for digest, problem, saw in sorted(reasons, key=lambda reason: reason[0])
    ]
    digests = frozenset(refused.keys() | own.keys() | above)
    return Unmovable(digests, tuple(left_out), carried)


def _shown(content: ImageContent, digest: Digest) -> str:
    return f"{content.shown}@{digest}"


class _Reason(Struct, frozen=True):
    problem: errors.Problem
    saw: str = ""


def _refused(node: Node, target: Dialect) -> _Reason | None:
    """Return why a target would not take a manifest, if so."""
    if node.is_schema1 and not target.takes_schema1:
        return _Reason(errors.SCHEMA1_LEFT)
    if node.size_bytes > target.manifest_bytes_at_most:
        saw = f"{node.size_bytes} bytes, limit {target.manifest_bytes_at_most}"
        return _Reason(errors.MANIFEST_TOO_LARGE, saw)
    return None


def _with_indexes(content: ImageContent, digests: Iterable[Digest]) -> set[Digest]:
    """Return these manifests and every index above them."""
    found = set(digests)
    parents: dict[Digest, list[Digest]] = {}
    for node in content.nodes.values() if found else ():
        for child in node.children:
            parents.setdefault(child, []).append(node.digest)
    edge = list(found)
    while edge:
        more = {*parents.get(edge.pop(), ())} - found
        found |= more
        edge += more
    return found


def _sparse(
    content: ImageContent, damaged: Collection[Digest], *, through: bool
) -> dict[Digest, str]:
    """Say of each index what it lacks: children that are gone, or that are damaged themselves.

    Args:
        content: what the source has.
        damaged: manifests that are left out for their own damage.
        through: an index over an index that lacks something lacks that index.
    """
    lacks = {
        digest: [damage.saw]
        for digest, damage in content.damaged.items()
        if damage.problem is errors.CHILD_MISSING
    }
    for digest, node in content.nodes.items():
        broken = [child for child in node.children if child in damaged]
        named = [f"{one}: {content.damaged[one].problem.title}" for one in broken[:_NAMED]]
        more = [f"{len(broken) - _NAMED} more"] if len(broken) > _NAMED else []
        if broken:
            lacks.setdefault(digest, []).extend([*named, *more])
    found = {digest: ", ".join(said) for digest, said in lacks.items()}
    if through:
        for digest in _with_indexes(content, found) - found.keys():
            found[digest] = "needs a manifest that is left out"
    return found


def _damage(content: ImageContent) -> Iterator[tuple[Kind, str, str]]:
    """Name everything damaged in an image: its kind, its name, and what was seen."""
    pointed = {_shown(content, digest) for digest in content.tags.values()}
    named = set()
    for one in content.left_out:
        named.add(one.subject)
        is_tag = one.subject in pointed or one.subject.startswith(f"{content.shown}:")
        yield _kind(one, is_tag=is_tag), one.subject, _said(one.problem, one.saw)
    for tag, digest in sorted(content.tags.items()):
        if digest not in content.nodes and _shown(content, digest) not in named:
            yield Kind.TAGS, f"{content.shown}:{tag}", f"{digest} cannot be read"
    own = []
    for digest, damage in content.damaged.items():
        if damage.problem is errors.CHILD_MISSING:
            continue
        own.append(digest)
        kind = Kind.BLOBS if damage.problem is errors.BLOB_UNKNOWN else Kind.BYTES
        yield kind, _shown(content, digest), _said(damage.problem, damage.saw)
    for digest, saw in _sparse(content, own, through=False).items():
        yield Kind.CHILDREN, _shown(content, digest), _said(errors.CHILD_MISSING, saw)


def _kind(left: LeftOut, *, is_tag: bool) -> Kind:
    if left.problem is errors.DIGEST_MISMATCH:
        return Kind.BYTES
    return Kind.TAGS if is_tag and left.problem is errors.MANIFEST_UNKNOWN else Kind.MANIFESTS


def _said(problem: errors.Problem, saw: str) -> str:
    return f"{problem.title}: {saw}"
