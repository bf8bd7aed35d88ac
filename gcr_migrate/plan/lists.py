"""Indexes that list what is attached to one manifest (OCI end-12, the referrers tag).

Where the target makes these lists itself, those of the source are not carried: it would have them
under other bytes, and never move its own tag to ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcr_migrate.model.content import Digest
    from gcr_migrate.model.inventory import ImageContent


def lists_referrers(content: ImageContent, digest: Digest, subject: Digest) -> bool:
    """Whether a manifest lists nothing but what is attached to a subject, an empty list too.

    What is attached to something itself is more than a list, whatever it lists.
    """
    node = content.nodes.get(digest)
    if node is None or node.subject is not None:
        return False
    known = [content.nodes[child] for child in node.children if child in content.nodes]
    return len(known) == len(node.children) and all(one.subject == subject for one in known)


def outdated_lists(content: ImageContent) -> set[Digest]:
    """Find the lists that a registry keeps without a tag when a longer one takes their place."""
    named = {child for node in content.nodes.values() for child in node.children}
    named |= {*content.tags.values()}
    found = set()
    for digest, node in content.nodes.items():
        first = content.nodes.get(node.children[0]) if node.children else None
        subject = first.subject if first else None
        if digest not in named and subject and lists_referrers(content, digest, subject):
            found.add(digest)
    return found
