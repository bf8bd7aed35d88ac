"""When images were pulled, as far as a log tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY: Final = ""  # the log names the image, and not what of it


@dataclass(frozen=True, slots=True)
class ImagePulls:
    """The last pulls of one image.

    Attributes:
        begins_ms: time of the log's first entry, in milliseconds since 1970; None if it is empty.
        last_ms: time of the last pull by what was pulled: a tag, a digest, or `ANY`.
    """

    begins_ms: int | None
    last_ms: Mapping[str, int]

    def last(self, references: Iterable[str]) -> int | None:
        """Return when one of these was pulled last; None where the log tells of no pull."""
        times = [self.last_ms[one] for one in (ANY, *references) if one in self.last_ms]
        return max(times, default=None)


@dataclass(slots=True)
class Pulls:
    """The last pulls that a log tells.

    Attributes:
        begins_ms: time of its first entry, in milliseconds since 1970; None if it is empty.
        last_ms: time of the last pull by full name, such as
            `us-docker.pkg.dev/builds/us.gcr.io/app`, and by what was pulled.
    """

    begins_ms: int | None = None
    last_ms: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, name: str, reference: str, at_ms: int) -> None:
        """Take in one pull."""
        self.begins_ms = at_ms if self.begins_ms is None else min(at_ms, self.begins_ms)
        of_name = self.last_ms.setdefault(name, {})
        of_name[reference] = max(at_ms, of_name.get(reference, at_ms))

    def of(self, name: str) -> ImagePulls:
        """Return the pulls of one image."""
        return ImagePulls(self.begins_ms, self.last_ms.get(name, {}))
