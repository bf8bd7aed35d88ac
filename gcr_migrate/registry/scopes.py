"""What a token is asked for: a name, and what is to be done with it."""

from __future__ import annotations


def to_pull(name: str) -> str:
    """Return the scope of a request that reads something of a name, without host."""
    return f"repository:{name}:pull"


def to_push(name: str) -> str:
    """Return the scope of one that writes: what is written is looked at as well."""
    return f"{to_pull(name)},push"


def shown_by(scopes: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return what else a token is good for that something was written with.

    What it may do with other names, such as the one that a mount is from, is not shown.
    """
    written = scopes[:1]
    reads = tuple(one.removesuffix(",push") for one in written)
    return tuple(one for one in (written, reads) if one != scopes)
