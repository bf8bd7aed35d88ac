"""What the ledger said last of an item, in SQL: it overrules what the plan had found.

Each function returns an expression; what goes in are constants, never values.
"""

from __future__ import annotations


def last_event(kind: str, item_id: str = "p.id") -> str:
    """Return the last event of an item; NULL while the ledger says nothing of it.

    Args:
        kind: what the item is.
        item_id: expression for its id.
    """
    return (
        f"(SELECT e.event FROM event e WHERE e.kind = '{kind}' AND e.item_id = {item_id}"  # noqa: S608  # constants only
        " ORDER BY e.id DESC LIMIT 1)"
    )


def is_open(last: str, before: str) -> str:
    """Return whether something is still to be done about an item.

    Args:
        last: expression for its last event.
        before: whether there is, as long as the ledger says nothing.
    """
    return f"coalesce({last} NOT IN ('confirmed', 'skipped'), {before})"


def is_there(last: str, before: str) -> str:
    """Return whether the target has an item; `last` and `before` as in `is_open`."""
    return f"coalesce({last} = 'confirmed', {before})"
