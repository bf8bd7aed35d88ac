"""The plan of one image path: which manifests in which order, which tags, what is left out.

Pure: from what the source has, what the target has, and the rules of the spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.model.attestation import names_that_stay
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.names import is_tag
from gcr_migrate.model.plan import PlannedManifest, PlannedTag, TagAction
from gcr_migrate.plan.damage import stops_at, unmovable
from gcr_migrate.plan.selection import select

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import ImageContent, Node, TargetView
    from gcr_migrate.plan.refusals import Refusal
    from gcr_migrate.plan.selection import Choice, Selection

_LAST = 1 << 62  # a manifest without an upload time comes after those that have one
_ELSEWHERE = {  # tags that point elsewhere at the target
    TagAction.CONFLICT: (errors.TAG_CONFLICT, Severity.ERROR, ""),
    TagAction.KEEP: (errors.TAG_CONFLICT, Severity.INFO, "; it is kept"),
    TagAction.OVERWRITE: (errors.TAG_REPLACED, Severity.WARNING, ""),
}


class Rules(Struct, frozen=True):
    """What the spec and the target's habits say about one image path.

    Attributes:
        choice: what is selected.
        existing_tags: `fail`, `keep` or `overwrite` where a target tag points elsewhere.
        target: dialect of the target.
        copies_sparse: carry an index without those of its children that are damaged.
        stops: kinds of damage that no plan may be made over.
        tags_move: the target lets a tag that is there point elsewhere.
    """

    choice: Choice
    existing_tags: str
    target: Dialect
    copies_sparse: bool = False
    stops: frozenset[str] = frozenset()
    tags_move: bool = True


class ImagePlan(Struct, frozen=True):
    """Rows of one image path; manifests stand in the order in which they are written.

    Attributes:
        manifests: what is carried.
        tags: tags that are carried.
        left_out: everything else, with its reason.
        findings: what is noteworthy.
        refusals: damage at which the spec says to stop.
    """

    manifests: tuple[PlannedManifest, ...]
    tags: tuple[PlannedTag, ...]
    left_out: tuple[LeftOut, ...]
    findings: tuple[Finding, ...]
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_unwanted(self) -> bool:
        """Whether rules leave out all of it."""
        carried = self.manifests or self.tags
        return not carried and all(left.by_rule for left in self.left_out)


def plan_image(content: ImageContent, there: TargetView, rules: Rules) -> ImagePlan:
    """Plan one image path.

    Args:
        content: what the source has.
        there: what the target has under the mapped name.
        rules: what the spec says.

    Returns:
        Every tag and every manifest of `content` is planned or left out with its reason.
    """
    selected = select(
        content, rules.choice, target_lists_referrers=rules.target.makes_referrer_tags
    )
    left_out, findings = selected.left_out, [*content.findings, *selected.findings]
    chosen = _chosen(content, selected)
    stuck = unmovable(chosen, rules.target, copies_sparse=rules.copies_sparse)
    left_out += stuck.left_out
    findings += [
        Finding(errors.CHILD_MISSING, Severity.WARNING, f"{content.shown}@{digest}", saw)
        for digest, saw in sorted(stuck.sparse.items())
    ]
    kept = [node for digest, node in chosen.nodes.items() if digest not in stuck.digests]
    findings += names_that_stay(content.shown, kept)
    tags = selected.tags
    manifests = _in_order(kept, there)
    planned = {row.digest for row in manifests}
    rows: list[PlannedTag] = []
    for tag, digest in sorted(tags.items()):
        if not is_tag(tag):
            subject = f"{content.shown}:{tag}"
            left_out.append(LeftOut(errors.TAG_REFUSED, subject, by_rule=False, saw=str(digest)))
            continue
        if digest not in planned:
            subject, saw = f"{content.shown}:{tag}", f"{digest} is left out"
            if digest not in content.nodes:
                saw = f"{digest} cannot be read"
            left_out.append(LeftOut(errors.BLOCKED, subject, by_rule=False, saw=saw))
            continue
        row = _planned_tag(tag, digest, there, rules)
        if row.action is TagAction.OVERWRITE and not rules.tags_move:
            # The digest of the source comes first, as with the others: it is read from there.
            subject, saw = f"{content.shown}:{tag}", f"{digest} is planned, target has {row.found}"
            left_out.append(LeftOut(errors.IMMUTABLE_TAG, subject, by_rule=False, saw=saw))
            continue
        rows.append(row)
    findings += [
        _elsewhere(f"{content.shown}:{row.tag}", row) for row in rows if row.action in _ELSEWHERE
    ]
    refusals = tuple(stops_at(chosen, rules.stops))
    return ImagePlan(tuple(manifests), tuple(rows), tuple(left_out), tuple(findings), refusals)


def _elsewhere(subject: str, row: PlannedTag) -> Finding:
    problem, severity, what = _ELSEWHERE[row.action]
    return Finding(
        problem, severity, subject, f"target has {row.found}, planned {row.digest}{what}"
    )


def _planned_tag(tag: str, digest: Digest, there: TargetView, rules: Rules) -> PlannedTag:
    found = there.tags.get(tag)
    if found is None:
        return PlannedTag(tag, digest, TagAction.SET)
    if found == digest:
        return PlannedTag(tag, digest, TagAction.PRESENT, found)
    action = {
        "fail": TagAction.CONFLICT,
        "keep": TagAction.KEEP,
        "overwrite": TagAction.OVERWRITE,
    }[rules.existing_tags]
    return PlannedTag(tag, digest, action, found)


def _chosen(content: ImageContent, selected: Selection) -> ImageContent:
    """Return what is selected of an image: what else is damaged in it hinders nobody."""
    nodes = {digest: content.nodes[digest] for digest in sorted(selected.digests)}
    return replace(
        content,
        tags=selected.tags,
        nodes=nodes,
        left_out=tuple(one for one in selected.left_out if not one.by_rule),
        damaged={digest: one for digest, one in content.damaged.items() if digest in nodes},
    )


def _in_order(kept: list[Node], there: TargetView) -> list[PlannedManifest]:
    """Children before indexes, subjects before referrers, else oldest first.

    An upload resets the target's upload time, by which clean-up rules judge: the order in which
    the source got its manifests is kept wherever needs allow it.
    """
    nodes = {node.digest: node for node in kept}
    ranks: dict[Digest, int] = {}
    rows: list[PlannedManifest] = []

    def key(node: Node) -> tuple[int, str]:
        return (_LAST if node.uploaded_ms is None else node.uploaded_ms, str(node.digest))

    opened: set[Digest] = set()
    for first in sorted(kept, key=key):
        stack = [first]
        while stack:
            node = stack[-1]
            needs = [nodes[d] for d in (*node.children, node.subject) if d in nodes]
            waiting = [
                need for need in needs if need.digest not in ranks and need.digest not in opened
            ]
            if node.digest in ranks:
                stack.pop()
            elif node.digest not in opened and waiting:
                opened.add(node.digest)
                stack += sorted(waiting, key=key, reverse=True)
            else:
                stack.pop()
                rank = max((ranks.get(need.digest, 0) + 1 for need in needs), default=0)
                ranks[node.digest] = rank
                present = node.digest in there.manifests
                rows.append(PlannedManifest(node.digest, node.uploaded_ms, present, rank))
    return rows
