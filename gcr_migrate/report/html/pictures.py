"""Pictures as SVG: bars that take the width they are given; the numbers stand beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH: Final = 1000
_HEIGHT: Final = 100


def bar(value: int, largest: int) -> Markup:
    """A bar as long as a value is beside the largest one."""
    return parts([("sent", value), ("none", max(largest - value, 0))])


def parts(values: Sequence[tuple[str, int]]) -> Markup:
    """One bar of several parts.

    Args:
        values: style and amount of each part.
    """
    total = sum(amount for _, amount in values)
    drawn, at = Markup(), 0.0
    for style, amount in values:
        width = _WIDTH * amount / total if total else 0.0
        if width and style != "none":
            drawn += _rect(style, at, 0, width, _HEIGHT)
        at += width
    return _picture("bar", drawn)


def curve(sent: Sequence[int], refused: Sequence[int], failed: Sequence[int]) -> Markup:
    """Bars for equal steps of time, with marks below those in which a quota or an item failed."""
    highest = max(sent, default=0)
    step = _WIDTH / max(len(sent), 1)
    drawn = Markup()
    for at, (amount, held, bad) in enumerate(zip(sent, refused, failed, strict=False)):
        height = 80 * amount / highest if highest else 0
        if height:
            drawn += _rect("sent", at * step, 80 - height, step * 0.8, height)
        if held:
            drawn += _rect("held", at * step, 81, step * 0.8, 9)
        if bad:
            drawn += _rect("failed", at * step, 91, step * 0.8, 9)
    return _picture("curve", drawn)


def _rect(style: str, *place: float) -> Markup:
    x, y, width, height = (f"{one:.1f}".removesuffix(".0") for one in place)
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        style, x, y, width, height
    )


def _picture(style: str, drawn: Markup) -> Markup:
    # All that it shows is told by the cells beside it.
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true"'
        ' focusable="false">{}</svg>'
    ).format(style, _WIDTH, _HEIGHT, drawn)
