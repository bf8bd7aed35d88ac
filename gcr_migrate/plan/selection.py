"""Which tags and manifests of an image path the spec selects, and why it leaves the others.

Rules judge *roots*: manifests that a tag names, and those that nothing names and nothing needs.
What is selected takes along all that it needs: the children of an index at any depth, and what is
attached to it. Everything else is named with the rule that left it out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.model.content import Digest, cosign_subject, is_fallback_tag
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.plan.lists import lists_referrers, outdated_lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.model.inventory import ImageContent, Node
    from gcr_migrate.model.pulls import ImagePulls

_NAMED: Final = 5


class Since(Struct, frozen=True):
    """A rule about time.

    Attributes:
        told: the rule as the spec has it, such as `select.uploaded within 180d`.
        from_ms: first moment that it lets pass, in milliseconds since 1970.
    """

    told: str
    from_ms: int


class Choice(Struct, frozen=True):
    """What a spec selects of an image path.

    Attributes:
        tags: patterns of which a tag has to match one; none for all tags.
        except_tags: patterns of which a tag may match none.
        uploaded: lets pass what was uploaded since then; None for all.
        pulled: lets pass what was pulled since then; None for all.
        pulls: what is known of the image's pulls.
        newest: how many roots are kept at most; None for all.
        untagged: keep digests that no tag reaches.
        attachments: keep signatures, attestations and referrers.
    """

    tags: tuple[str, ...] = ()
    except_tags: tuple[str, ...] = ()
    uploaded: Since | None = None
    pulled: Since | None = None
    pulls: ImagePulls | None = None
    newest: int | None = None
    untagged: bool = True
    attachments: bool = True


class Selection(Struct):
    """What is selected of an image path.

    Attributes:
        tags: tags with their digests.
        digests: manifests, with all that they need as far as it can be read.
        left_out: what a rule leaves out, each tag and each manifest.
        findings: what a rule could not judge.
    """

    tags: dict[str, Digest] = field(default_factory=dict)
    digests: set[Digest] = field(default_factory=set)
    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def select(content: ImageContent, choice: Choice, *, target_lists_referrers: bool) -> Selection:
    """Select what a spec wants of an image path.

    Args:
        content: all that the source has of it.
        choice: what is wanted.
        target_lists_referrers: the target makes and moves the tags itself that list referrers.

    Returns:
        Every tag and every manifest of `content` is selected or left out with its reason, and
        what of it could not be read is left out too: by a rule, if no rule would have wanted it.
    """
    return _Selecting(content, choice, target_lists_referrers=target_lists_referrers).run()


class _Selecting:
    """A selection in the making; `_why` has the reason of each root that a rule leaves out."""

    def __init__(
        self, content: ImageContent, choice: Choice, *, target_lists_referrers: bool
    ) -> None:
        self._content = content
        self._choice = choice
        self._makes_lists = target_lists_referrers
        self._found = Selection()
        self._why: dict[Digest, str] = {}
        self._why_tag: dict[str, str] = {}
        self._unknown: dict[str, set[Digest]] = {}  # what a rule about time cannot judge
        self._names: dict[Digest, list[str]] = {}
        self._attached: dict[str, tuple[Digest, Digest]] = {}  # tag to subject and manifest
        self._gone: set[Digest] = set()  # named only by tags that no rule of roots is about
        self._loose: set[Digest] = set()  # what nothing names and nothing needs, if not wanted
        self._referrers: dict[Digest, list[Digest]] = {}

    def run(self) -> Selection:
        """Do it."""
        self._sort_tags()
        roots, orphans = self._roots()
        roots = self._newest(roots)
        self._spread(roots | orphans)
        self._name_tags(roots)
        self._name_manifests()
        self._found.left_out += [self._unread(one) for one in self._content.left_out]
        self._tell_unknown()
        return self._found

    def _sort_tags(self) -> None:
        """Part tags that people set from those that hang on a manifest."""
        plain: set[Digest] = set()
        others: set[Digest] = set()
        for tag, digest in self._content.tags.items():
            of_list, subject = is_fallback_tag(tag), is_fallback_tag(tag) or cosign_subject(tag)
            if subject is None:
                plain.add(digest)
                self._names.setdefault(digest, []).append(tag)
            elif not self._choice.attachments:
                others.add(digest)
                self._leave(errors.ATTACHMENT_LEFT, f":{tag}", str(digest))
            elif of_list and self._makes_lists and lists_referrers(self._content, digest, subject):
                others.add(digest)
                # The list itself is left out with its tag.
                self._leave(errors.REFERRERS_TAG_LEFT, f":{tag}", str(digest))
            else:
                self._attached[tag] = (subject, digest)
        self._gone = others - plain - {digest for _, digest in self._attached.values()}
        for digest in sorted(outdated_lists(self._content)) if self._makes_lists else ():
            self._gone.add(digest)
            self._leave(errors.REFERRERS_TAG_LEFT, f"@{digest}", "")

    def _roots(self) -> tuple[set[Digest], set[Digest]]:
        """Return the roots that rules about names and time let pass, and lone attachments."""
        roots, orphans = set(), set()
        for digest, tags in self._names.items():
            passing = [tag for tag in tags if self._passes(tag)]
            if passing and self._is_recent(digest):
                roots.add(digest)
            elif passing:
                self._why_tag |= dict.fromkeys(passing, self._why[digest])
            elif digest not in self._why:
                self._why[digest] = self._why_tag[tags[0]]
        attached = {digest for _, digest in self._attached.values()}
        named = self._names.keys() | attached | self._gone
        nodes = self._content.nodes
        others = (node for digest, node in nodes.items() if digest not in self._gone)
        needed = {child for node in others for child in node.children}
        for digest, node in nodes.items():
            if digest in named or digest in needed:
                continue
            if not self._choice.untagged:
                self._loose.add(digest)
            elif node.subject is None:
                roots |= {digest} if self._is_recent(digest) else set()
            elif self._choice.attachments and node.subject not in nodes.keys() - self._gone:
                orphans |= {digest} if self._is_recent(digest) else set()
        return roots, orphans

    def _passes(self, tag: str) -> bool:
        """Whether patterns let a tag pass; if not, the reason is noted."""
        only, never = self._choice.tags, self._choice.except_tags
        refused = next((one for one in never if fnmatchcase(tag, one)), None)
        if refused:
            self._why_tag[tag] = f"select.except_tags: {refused}"
        elif only and not any(fnmatchcase(tag, one) for one in only):
            more = ", …" if len(only) > _NAMED else ""
            self._why_tag[tag] = f"select.tags: none of {', '.join(only[:_NAMED])}{more}"
        return tag not in self._why_tag

    def _is_recent(self, digest: Digest) -> bool:
        """Whether rules about time let a manifest pass; if not, the reason is noted."""
        node = self._content.nodes.get(digest)
        if node is None:
            return True  # it cannot be read: that is told, whatever its age
        why = self._too_old(node) or self._not_pulled(digest)
        if why:
            self._why[digest] = why
        return not why

    def _too_old(self, node: Node) -> str:
        rule = self._choice.uploaded
        if rule is None:
            return ""
        if node.uploaded_ms is None:
            self._unknown.setdefault(rule.told, set()).add(node.digest)
            return ""
        if node.uploaded_ms >= rule.from_ms:
            return ""
        return f"{rule.told}: uploaded {_moment(node.uploaded_ms)}"

    def _not_pulled(self, digest: Digest) -> str:
        rule, pulls = self._choice.pulled, self._choice.pulls
        if rule is None or pulls is None:
            return ""
        # Who pins a platform's digest pulls the child and never its index.
        parts = with_children(self._content.nodes, [digest])
        last = pulls.last(one for part in parts for one in (str(part), *self._names.get(part, ())))
        if last is not None and last >= rule.from_ms:
            return ""
        if not pulls.tells_all_since(rule.from_ms):
            self._unknown.setdefault(rule.told, set()).add(digest)
            return ""
        if last is not None:
            return f"{rule.told}: last pulled {_moment(last)}"
        return f"{rule.told}: no pull in the log"

    def _newest(self, roots: set[Digest]) -> set[Digest]:
        """Keep the newest; of two that are equally new the one whose digest comes first."""
        most = self._choice.newest
        if most is None:
            return roots
        nodes = self._content.nodes
        known = sorted(
            (digest for digest in roots if digest in nodes),
            key=lambda digest: (-_uploaded(nodes[digest]), str(digest)),
        )
        for digest in known[most:]:
            self._why[digest] = f"select.newest: {most}"
            self._why_tag |= {
                tag: self._why[digest]
                for tag in self._names.get(digest, ())
                if tag not in self._why_tag
            }
        return roots - set(known[most:])

    def _spread(self, roots: set[Digest]) -> None:
        """Take along all that roots need, and the tags that hang on what is kept."""
        nodes, found = self._content.nodes, self._found
        for node in nodes.values() if self._choice.attachments else ():
            if node.subject is not None:
                self._referrers.setdefault(node.subject, []).append(node.digest)
        kept, tags = self._closure(roots, set(nodes))
        # What hangs on nothing but itself is left out by no rule.
        left, _ = self._closure(self._why.keys() | self._loose | self._unwanted(), set())
        lone = {
            tag: digest
            for tag, (subject, digest) in self._attached.items()
            if tag not in tags and subject not in left | kept
        }
        alone = nodes.keys() - kept - left - self._gone if self._choice.untagged else set()
        more, others = self._closure(kept | alone | set(lone.values()), set(nodes))
        found.digests, found.tags = more, tags | lone | others
        for tag, (subject, digest) in self._attached.items():
            if tag not in found.tags:
                why = f"attached to {subject}, which is left out"
                self._leave(errors.NOT_SELECTED, f":{tag}", f"{digest}: {why}")
                self._why.setdefault(digest, why)

    def _unwanted(self) -> set[Digest]:
        """Return attachments that no tag names, if attachments are not carried."""
        if self._choice.attachments:
            return set()
        nodes = self._content.nodes.items()
        return {digest for digest, node in nodes if node.subject and digest not in self._names}

    def _closure(
        self, roots: set[Digest], known: set[Digest]
    ) -> tuple[set[Digest], dict[str, Digest]]:
        """Return manifests with all that they need, and tags that hang on these.

        Tags that hang on what is not `known` are taken as well, unless nothing is.
        """
        nodes = self._content.nodes
        kept = with_children(nodes, roots)
        hanging, tags = dict(self._attached), dict[str, Digest]()
        edge = set(kept)
        while True:
            more = {one for digest in edge for one in self._referrers.get(digest, ())}
            for tag, (subject, digest) in list(hanging.items()):
                if subject in kept or (known and subject not in known):
                    tags[tag] = digest
                    more.add(digest)
                    del hanging[tag]
            edge = with_children(nodes, more - kept) - kept
            kept |= edge
            if not edge:
                return kept, tags

    def _name_tags(self, roots: set[Digest]) -> None:
        for digest, tags in self._names.items():
            for tag in tags:
                if digest in roots and tag not in self._why_tag:
                    self._found.tags[tag] = digest
                else:
                    self._leave(errors.NOT_SELECTED, f":{tag}", f"{digest}: {self._why_tag[tag]}")

    def _name_manifests(self) -> None:
        nodes, kept = self._content.nodes, self._found.digests
        left = nodes.keys() - kept - self._gone
        above = {child: digest for digest in sorted(left) for child in nodes[digest].children}
        for digest in sorted(left):
            subject = nodes[digest].subject
            if subject is not None and not self._choice.attachments and digest not in self._names:
                self._leave(errors.ATTACHMENT_LEFT, f"@{digest}", "")
            elif digest in self._why:
                self._leave(errors.NOT_SELECTED, f"@{digest}", self._why[digest])
            elif digest in above:
                why = f"part of {above[digest]}, which is left out"
                self._leave(errors.NOT_SELECTED, f"@{digest}", why)
            elif subject in left:
                why = f"attached to {subject}, which is left out"
                self._leave(errors.NOT_SELECTED, f"@{digest}", why)
            else:
                self._leave(errors.UNTAGGED_LEFT, f"@{digest}", "")

    def _unread(self, left: LeftOut) -> LeftOut:
        """Say of what could not be read that a rule would not have wanted it, where that is so."""
        what = left.subject.removeprefix(self._content.shown)
        tags = [what[1:]] if what.startswith(":") else []
        if what.startswith("@"):
            tags = self._names.get(Digest.parse(what[1:]), [])
        hanging = any(is_fallback_tag(tag) or cosign_subject(tag) for tag in tags)
        if not tags or hanging or any(self._passes(tag) for tag in tags):
            return left
        return replace(left, by_rule=True, saw=f"{left.saw}; {self._why_tag[tags[0]]}")

    def _tell_unknown(self) -> None:
        for told, digests in self._unknown.items():
            count = len(digests & self._found.digests)
            if not count:
                continue  # another rule leaves them out
            saw = f"{told}: {count} of its manifests tell no time, and are kept"
            self._found.findings.append(
                Finding(errors.TIME_UNKNOWN, Severity.WARNING, self._content.shown, saw)
            )

    def _leave(self, problem: errors.Problem, what: str, saw: str) -> None:
        self._found.left_out.append(
            LeftOut(problem, f"{self._content.shown}{what}", by_rule=True, saw=saw)
        )


def with_children(nodes: Mapping[Digest, Node], roots: Iterable[Digest]) -> set[Digest]:
    """Return manifests with the children of indexes at any depth, as far as they can be read."""
    seen: set[Digest] = set()
    edge = [digest for digest in roots if digest in nodes]
    while edge:
        digest = edge.pop()
        if digest in seen:
            continue
        seen.add(digest)
        edge += [child for child in nodes[digest].children if child in nodes]
    return seen


def _uploaded(node: Node) -> int:
    return -1 if node.uploaded_ms is None else node.uploaded_ms  # older than all that are known


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d")
