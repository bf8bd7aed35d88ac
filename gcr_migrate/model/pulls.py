"""What was pulled and pushed, when and by whom, as far as a log tells."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from gcr_migrate.model.names import ar_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_DAY_MS: Final = 86_400_000
_FEW: Final = 10  # silences, from which no habit can be told
_OF_FEW: Final = 6  # days that are no gap then
_EPOCH: Final = date(1970, 1, 1)
ANY: Final = ""  # the log names the image, and not what of it


class ImagePulls(Struct, frozen=True):
    """The last pulls of one image.

    Attributes:
        begins_ms: since when the log would tell of a pull, in milliseconds since 1970; None if it
            never would.
        last_ms: time of the last pull by what was pulled: a tag, a digest, or `ANY`.
        silent_until_ms: end of the last time of which the log oddly tells nothing; 0 for none.
    """

    begins_ms: int | None
    last_ms: Mapping[str, int]
    silent_until_ms: int = 0

    def tells_all_since(self, from_ms: int) -> bool:
        """Whether the log would tell of each pull after some time."""
        begins = self.begins_ms
        return begins is not None and begins <= from_ms and self.silent_until_ms <= from_ms

    def last(self, references: Iterable[str]) -> int | None:
        """Return when one of these was pulled last; None where the log tells of no pull."""
        times = [self.last_ms[one] for one in (ANY, *references) if one in self.last_ms]
        return max(times, default=None)


class Use(Struct):
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


class Silence(Struct, frozen=True, order=True):
    """Days within a log of which it tells nothing at all, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many they are."""
        return (self.last - self.first).days + 1

    @property
    def told(self) -> str:
        """The days in words."""
        return f"{self.first} to {self.last}" if self.days > 1 else str(self.first)


class Pulls(Struct):
    """The last pulls that a log tells.

    Logs are switched on project by project, so one of another project tells nothing.

    Attributes:
        begins_ms: time of the first entry by project, in milliseconds since 1970.
        days: days since 1970 of which the log has any entry about reading, by project; who it was
            and whether it worked does not matter, as it shows that the log was written.
        last_ms: time of the last pull by full name, such as
            `us-docker.pkg.dev/builds/us.gcr.io/app`, and by what was pulled.
        pushed_ms: time of the last push, likewise.
        sought: what was asked for and not found, by full name: tags and digests.
        uses: what each member, as policies spell it, did with each full name.
    """

    begins_ms: dict[str, int] = field(default_factory=dict)
    days: dict[str, set[int]] = field(default_factory=dict)
    last_ms: dict[str, dict[str, int]] = field(default_factory=dict)
    pushed_ms: dict[str, dict[str, int]] = field(default_factory=dict)
    sought: dict[str, set[str]] = field(default_factory=dict)
    uses: dict[str, dict[str, Use]] = field(default_factory=dict)
    _silences: dict[str, tuple[Silence, ...]] = field(default_factory=dict)

    def note(self, project: str, at_ms: int) -> None:
        """Take in that the log of a project was written then."""
        self.begins_ms[project] = min(at_ms, self.begins_ms.get(project, at_ms))

    def written(self, project: str, at_ms: int) -> None:
        """Take in that there is an entry about a project, whatever it says."""
        self.days.setdefault(project, set()).add(at_ms // _DAY_MS)
        self._silences.pop(project, None)

    def span(self, project: str) -> tuple[date, date] | None:
        """Return the first and the last day of which the log tells; None if of none."""
        days = self.days.get(project)
        return (_date(min(days)), _date(max(days))) if days else None

    def silences(self, project: str) -> tuple[Silence, ...]:
        """Return the times within the log in which it was silent for longer than is its habit.

        A project that nobody uses at weekends is silent for two days each week, and that is no
        gap. Longer than a habit is what lasts more than twice as long as nine of ten of the
        other silences between two days with entries; where these are few, more than six days.
        """
        if project not in self._silences:  # each image of the project asks
            self._silences[project] = tuple(_silences_of(self.days.get(project, ())))
        return self._silences[project]

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

    def seek(self, name: str, reference: str) -> None:
        """Take in that something was asked for and not found."""
        self.sought.setdefault(name, set()).add(reference)

    def of(self, name: str) -> ImagePulls:
        """Return the pulls of one image."""
        host, _, path = name.partition("/")
        own = [
            project
            for project in self.begins_ms
            if host.endswith(ar_host("")) and path.startswith(f"{project}/")
        ]
        begins = min((self.begins_ms[project] for project in own), default=None)
        ends = [_end_ms(one) for project in own for one in self.silences(project)]
        return ImagePulls(begins, self.last_ms.get(name, {}), max(ends, default=0))


def _silences_of(written: Iterable[int]) -> Iterator[Silence]:
    days = sorted(written)
    lengths = [later - day - 1 for day, later in pairwise(days)]
    in_order = sorted(lengths)
    for day, length in zip(days, lengths, strict=False):
        if length > _usual(in_order, length):
            yield Silence(_date(day + 1), _date(day + length))


def _usual(lengths: Sequence[int], without: int) -> int:
    """Return how many days of silence are no gap, by all the other silences, in order."""
    others = [*lengths]
    others.remove(without)
    if len(others) < _FEW:
        return max(_OF_FEW, 2 * max(others, default=0))
    return max(1, 2 * others[len(others) * 9 // 10])


def _end_ms(silence: Silence) -> int:
    return ((silence.last - _EPOCH).days + 1) * _DAY_MS


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)
