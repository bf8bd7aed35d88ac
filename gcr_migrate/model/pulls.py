"""What was pulled and pushed, when and by whom, as far as a log tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
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
class Use:
    """What somebody did with an image, as a log tells.

    Attributes:
        pulls: manifests pulled, by tag or digest.
        pushes: manifests pushed.
        last_ms: when the last of these was, in milliseconds since 1970.
    """

    pulls: int = 0
    pushes: int = 0
    last_ms: int = 0

    def add(self, other: Use) -> None:
        """Add what was done elsewhere."""
        self.pulls += other.pulls
        self.pushes += other.pushes
        self.last_ms = max(self.last_ms, other.last_ms)

    @property
    def told(self) -> str:
        """How much and when, in words."""
        last = datetime.fromtimestamp(self.last_ms / 1000, UTC).date()
        kinds = (("pull", self.pulls), ("push", self.pushes))
        counts = [_counted(count, word) for word, count in kinds if count]
        return f"audit log: {' and '.join(counts)}, the last on {last}"


def _counted(count: int, word: str) -> str:
    plural = f"{word}es" if word.endswith("sh") else f"{word}s"
    return f"{count} {word if count == 1 else plural}"


@dataclass(slots=True)
class Pulls:
    """The last pulls that a log tells.

    Logs are switched on project by project, so one of another project tells nothing.

    Attributes:
        begins_ms: time of the first entry by project, in milliseconds since 1970.
        last_ms: time of the last pull by full name, such as
            `us-docker.pkg.dev/builds/us.gcr.io/app`, and by what was pulled.
        pushed_ms: time of the last push, likewise.
        uses: what each member, as policies spell it, did with each full name.
    """

    begins_ms: dict[str, int] = field(default_factory=dict)
    last_ms: dict[str, dict[str, int]] = field(default_factory=dict)
    pushed_ms: dict[str, dict[str, int]] = field(default_factory=dict)
    uses: dict[str, dict[str, Use]] = field(default_factory=dict)

    def note(self, project: str, at_ms: int) -> None:
        """Take in that the log of a project was written then."""
        self.begins_ms[project] = min(at_ms, self.begins_ms.get(project, at_ms))

    def add(self, name: str, reference: str, at_ms: int) -> None:
        """Take in one pull."""
        of_name = self.last_ms.setdefault(name, {})
        of_name[reference] = max(at_ms, of_name.get(reference, at_ms))

    def used(self, name: str, member: str, at_ms: int, *, pushed: bool) -> None:
        """Take in who it was that pulled or pushed."""
        use = self.uses.setdefault(name, {}).setdefault(member, Use())
        use.pulls += not pushed
        use.pushes += pushed
        use.last_ms = max(use.last_ms, at_ms)

    def push(self, name: str, reference: str, at_ms: int) -> None:
        """Take in one push."""
        of_name = self.pushed_ms.setdefault(name, {})
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
