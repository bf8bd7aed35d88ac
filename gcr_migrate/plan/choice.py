"""From the spec's words about what is carried to rules that can be applied to images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.model.names import ImagePath
from gcr_migrate.model.origin import origin_of
from gcr_migrate.model.pattern import Pattern
from gcr_migrate.plan.selection import Choice, Since

if TYPE_CHECKING:
    from datetime import datetime

    from gcr_migrate.spec import Select
    from gcr_migrate.spec.select import Period

_NAMED: Final = 5


def choice_of(select: Select, now: datetime) -> Choice:
    """Return what a spec selects of each image path; pulls are added image by image.

    Args:
        select: the spec's words.
        now: when the plan is made, from which durations count back.
    """
    return Choice(
        tags=select.tags,
        except_tags=select.except_tags,
        uploaded=_since("select.uploaded", select.uploaded, now),
        pulled=_since("select.pulled", select.pulled, now),
        newest=select.newest,
        untagged=select.untagged,
        attachments=select.attachments,
    )


def _since(name: str, period: Period | None, now: datetime) -> Since | None:
    if period is None:
        return None
    return Since(f"{name} {period.told}", round(period.begin(now).timestamp() * 1000))


class PathChoice:
    """Which image paths a spec leaves out as a whole.

    Args:
        select: the spec's words.
    """

    def __init__(self, select: Select) -> None:
        self._only = [Pattern.parse(text) for text in select.paths]
        self._never = [Pattern.parse(text) for text in select.except_paths]
        self._groups = frozenset(select.leave_out)

    def why_not(self, path: str, repository: str = "") -> str:
        """Return the rule that leaves an image out; empty if none does.

        Args:
            path: its path below the root; one that is none is judged as well.
            repository: what stands before the path where routes see it, as patterns do.
        """
        whole = f"{repository}/{path}" if repository else path
        parsed = ImagePath(tuple(whole.split("/")))
        refused = next((one.text for one in self._never if one.match(parsed) is not None), "")
        if refused:
            return f"select.except_paths: {refused}"
        if self._only and all(one.match(parsed) is None for one in self._only):
            more = ", …" if len(self._only) > _NAMED else ""
            return f"select.paths: none of {', '.join(p.text for p in self._only[:_NAMED])}{more}"
        origin = origin_of(path, repository)
        if origin and origin.name in self._groups:
            return f"select.leave_out: {origin.name}"
        return ""
