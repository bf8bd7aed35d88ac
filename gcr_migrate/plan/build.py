"""The plan of one image path: which manifests in which order, which tags, what is left out.

Pure: from what the source has, what the target has, and the rules of the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcr_migrate import errors
from gcr_migrate.model.attestation import names_that_stay
from gcr_migrate.model.content import cosign_subject, is_fallback_tag
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.plan import PlannedManifest, PlannedTag, TagAction
from gcr_migrate.plan.damage import unmovable
from gcr_migrate.plan.lists import lists_referrers, outdated_lists

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.dialect import Dialect
    from gcr_migrate.model.inventory import ImageContent, Node, TargetView

_LAST = 1 << 62  # a manifest without an upload time comes after those that have one


@dataclass(frozen=True, slots=True)
class Rules:
    """What the spec and the target's habits say about one image path.

    Attributes:
        untagged: carry digests that no tag reaches.
        attachments: carry signatures, attestations and referrers.
        existing_tags: `fail`, `keep` or `overwrite` where a target tag points elsewhere.
        target: dialect of the target.
        copies_sparse: carry an index without those of its children that are damaged.
    """

    untagged: bool
    attachments: bool
    existing_tags: str
    target: Dialect
    copies_sparse: bool = False


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """Rows of one image path; manifests stand in the order in which they are written."""

    manifests: tuple[PlannedManifest, ...]
    tags: tuple[PlannedTag, ...]
    left_out: tuple[LeftOut, ...]
    findings: tuple[Finding, ...]


def plan_image(content: ImageContent, there: TargetView, rules: Rules) -> ImagePlan:
    """Plan one image path.

    Args:
        content: what the source has.
        there: what the target has under the mapped name.
        rules: what the spec says.

    Returns:
        Every tag and every manifest of `content` is planned or left out with its reason.
    """
    left_out = list(content.left_out)
    findings = list(content.findings)
    tags = _tags_to_carry(content, rules, left_out)
    stuck = unmovable(content, rules.target, copies_sparse=rules.copies_sparse)
    left_out += stuck.left_out
    wanted = _wanted(content, tags, rules)
    findings += [
        Finding(errors.CHILD_MISSING, Severity.WARNING, f"{content.shown}@{digest}", saw)
        for digest, saw in sorted(stuck.sparse.items())
        if digest in wanted
    ]
    kept = [content.nodes[digest] for digest in wanted if digest not in stuck.digests]
    findings += names_that_stay(content.shown, kept)
    _name_unwanted(content, wanted | stuck.digests, rules, left_out)
    manifests = _in_order(kept, there)
    planned = {row.digest for row in manifests}
    rows: list[PlannedTag] = []
    for tag, digest in sorted(tags.items()):
        if digest not in planned:
            subject, saw = f"{content.shown}:{tag}", f"{digest} is left out"
            if digest not in content.nodes:
                saw = f"{digest} cannot be read"
            left_out.append(LeftOut(errors.BLOCKED, subject, by_rule=False, saw=saw))
            continue
        rows.append(_planned_tag(tag, digest, there, rules))
    findings += [
        Finding(errors.TAG_CONFLICT, Severity.ERROR, f"{content.shown}:{row.tag}", _conflict(row))
        for row in rows
        if row.action is TagAction.CONFLICT
    ]
    return ImagePlan(tuple(manifests), tuple(rows), tuple(left_out), tuple(findings))


def _conflict(row: PlannedTag) -> str:
    return f"target has {row.found}, planned {row.digest}"


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


def _tags_to_carry(
    content: ImageContent, rules: Rules, left_out: list[LeftOut]
) -> dict[str, Digest]:
    """Tags that are ours to set; the others go on the list of what is left out."""
    tags: dict[str, Digest] = {}
    for tag, digest in content.tags.items():
        subject = f"{content.shown}:{tag}"
        of = is_fallback_tag(tag)
        if (of or cosign_subject(tag)) and not rules.attachments:
            left_out.append(LeftOut(errors.ATTACHMENT_LEFT, subject, by_rule=True, saw=str(digest)))
        elif of and rules.target.makes_referrer_tags and lists_referrers(content, digest, of):
            saw = str(digest)  # the list itself is left out with its tag
            left_out.append(LeftOut(errors.REFERRERS_TAG_LEFT, subject, by_rule=True, saw=saw))
        else:
            tags[tag] = digest
    return tags


def _wanted(content: ImageContent, tags: Mapping[str, Digest], rules: Rules) -> set[Digest]:
    """Digests that the spec's selection keeps, with all that they need."""
    by_target = {
        digest
        for tag, digest in content.tags.items()
        if tag not in tags and is_fallback_tag(tag) and rules.target.makes_referrer_tags
    } - {*tags.values()}
    dropped = {
        digest
        for tag, digest in content.tags.items()
        if tag not in tags and digest not in {*tags.values()}
    }
    if rules.untagged:
        roots = content.nodes.keys() - by_target - dropped - outdated_lists(content, rules.target)
        if not rules.attachments:
            roots -= _attached(content) - {*tags.values()}
        return _with_children(content, roots)
    roots = _with_children(content, {*tags.values()})
    while rules.attachments:
        more = {
            digest
            for digest, node in content.nodes.items()
            if node.subject in roots and digest not in roots
        }
        if not more:
            break
        roots |= _with_children(content, more)
    return roots


def _attached(content: ImageContent) -> set[Digest]:
    return {digest for digest, node in content.nodes.items() if node.subject is not None}


def _with_children(content: ImageContent, roots: set[Digest]) -> set[Digest]:
    seen: set[Digest] = set()
    edge = [digest for digest in roots if digest in content.nodes]
    while edge:
        digest = edge.pop()
        if digest in seen:
            continue
        seen.add(digest)
        edge += [child for child in content.nodes[digest].children if child in content.nodes]
    return seen


def _name_unwanted(
    content: ImageContent, kept: set[Digest], rules: Rules, left_out: list[LeftOut]
) -> None:
    attached, tagged = _attached(content), {*content.tags.values()}
    outdated = outdated_lists(content, rules.target)
    for digest in sorted(content.nodes.keys() - kept - tagged):
        is_attachment = digest in attached and not rules.attachments
        problem = errors.ATTACHMENT_LEFT if is_attachment else errors.UNTAGGED_LEFT
        if digest in outdated:
            problem = errors.REFERRERS_TAG_LEFT
        left_out.append(LeftOut(problem, f"{content.shown}@{digest}", by_rule=True))


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
