"""When images were pulled, as far as a log tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcr_migrate.model.names import ar_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY: Final = ""  # the log names the image, and not what of it


@dataclass(frozen=True, slots=True)
class ImagePulls:
    """The last pulls of one image.

    Attributes:
        begins_ms: since when the log would tell of a pull, in milliseconds since 1970; None if it
            never would.
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

    Logs are switched on project by project, so one of another project tells nothing.

    Attributes:
        begins_ms: time of the first entry by project, in milliseconds since 1970.
        last_ms: time of the last pull by full name, such as
            `us-docker.pkg.dev/builds/us.gcr.io/app`, and by what was pulled.
    """

    begins_ms: dict[str, int] = field(default_factory=dict)
    last_ms: dict[str, dict[str, int]] = field(default_factory=dict)

    def note(self, project: str, at_ms: int) -> None:
        """Take in that the log of a project was written then."""
        self.begins_ms[project] = min(at_ms, self.begins_ms.get(project, at_ms))

    def add(self, name: str, reference: str, at_ms: int) -> None:
        """Take in one pull."""
        of_name = self.last_ms.setdefault(name, {})
        of_name[reference] = max(at_ms, of_name.get(reference, at_ms))

    def of(self, name: str) -> ImagePulls:
        """Return the pulls of one image."""
        host, _, path = name.partition("/")
        begins = [
            at_ms
            for project, at_ms in self.begins_ms.items()
            if host.endswith(ar_host("")) and path.startswith(f"{project}/")
        ]
        return ImagePulls(min(begins, default=None), self.last_ms.get(name, {}))
