"""Values of any class, made of what strategies draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


def made(
    kind: Callable[..., _T], *parts: st.SearchStrategy[object], **named: st.SearchStrategy[object]
) -> st.SearchStrategy[_T]:
    """Return a strategy like `st.builds`, which wants to see types that only checkers load."""

    def make(*some: object, **more: object) -> _T:
        return kind(*some, **more)

    return st.builds(make, *parts, **named)
