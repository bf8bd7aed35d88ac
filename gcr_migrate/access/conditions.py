"""What becomes of conditions: those of time are judged and carried, others stay (FACTS 6.3)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gcr_migrate.model.access import Condition

_TEXT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_TIME_CALLS: Final = re.compile(r"request\.time(?:\.get[A-Za-z]+)?")
_FUNCTIONS: Final = frozenset({"timestamp", "duration", "true", "false"})
_END: Final = re.compile(r"request\.time\s*<=?\s*timestamp\(\s*[\"']([^\"']*)[\"']\s*\)")
_TURNED_END: Final = re.compile(r"timestamp\(\s*[\"']([^\"']*)[\"']\s*\)\s*>=?\s*request\.time")
_CALL: Final = re.compile(r"(?:timestamp|\.get[A-Za-z]+)\([^()]*\)")
_JOINS: Final = re.compile(r"[()?]|[!=]=")  # with these the parts do not decide by themselves


class Fate(StrEnum):
    """What becomes of a binding with a condition."""

    CARRIED = "carried"  # it asks for the time alone, which any service knows
    ENDED = "ended"  # it can never be true again
    STAYS = "stays"  # it asks for what the target does not know


def fate_of(condition: Condition, now_ms: int) -> Fate:
    """Judge a condition.

    Args:
        condition: of a binding at the source.
        now_ms: milliseconds since 1970.

    Returns:
        `ENDED` only for what is certain: times joined by `&&` and `||`, without brackets.
    """
    bare = _TEXT.sub('""', condition.expression)
    names = _NAME.findall(bare)
    if not names or any(not _is_about_time(name) for name in names):
        return Fate.STAYS
    simple = not _JOINS.search(_CALL.sub("", bare))
    choices = condition.expression.split("||")
    if simple and all(_has_ended(one, now_ms) for one in choices):
        return Fate.ENDED
    return Fate.CARRIED


def _is_about_time(name: str) -> bool:
    return name in _FUNCTIONS or _TIME_CALLS.fullmatch(name) is not None


def _has_ended(conjunction: str, now_ms: int) -> bool:
    """Whether one of the parts that all have to hold is an end that has passed."""
    return any(_is_past(part.strip(), now_ms) for part in conjunction.split("&&"))


def _is_past(comparison: str, now_ms: int) -> bool:
    found = _END.fullmatch(comparison) or _TURNED_END.fullmatch(comparison)
    if not found:
        return False
    try:
        moment = datetime.fromisoformat(found[1])
    except ValueError:
        return False
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp() * 1000 < now_ms
