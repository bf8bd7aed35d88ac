"""How far a run is: what is done and left, how fast it goes, and when it will be there."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.model.brakes import Braked, Brakes
from gcr_migrate.model.far import HowFar
from gcr_migrate.model.limits import Rates
from gcr_migrate.model.pace import UPLOAD_REQUESTS, Amount, Pace, Part
from gcr_migrate.model.shares import Shares
from gcr_migrate.model.steps import CONTENT, Event, Kind
from gcr_migrate.model.turns import Sent, Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.model.brakes import Speed
    from gcr_migrate.model.steps import Step
    from gcr_migrate.report.services import Services
    from gcr_migrate.state.left import Left
    from gcr_migrate.wire.traffic import Traffic

_ENDS: Final = {Event.CONFIRMED: "done", Event.SKIPPED: "skipped", Event.GAVE_UP: "failed"}
_RATE_OVER_S: Final = 60.0
_UNTOLD_AT_MOST: Final = 0.5  # of the bytes that are left; beyond it nothing is told
_UPLOAD_WRITES: Final = 2  # its begin and its end; the other requests go to the source


class Flight(Struct, frozen=True):
    """An item that is under way.

    Attributes:
        kind: what it is, and `item_id` which one.
        size_bytes: its length.
        since: when it began, on the run's clock.
    """

    kind: Kind
    item_id: int
    size_bytes: int
    since: float


class Rate(Struct, frozen=True):
    """What moved in a second, over the last minute."""

    bytes: float = 0.0
    requests: float = 0.0


class Course:
    """Listens to a run and adds up; nothing of it is drawn here.

    What it is told of each chunk is one addition; everything else waits for `tick`.

    Args:
        left: what there is to do when the run begins.
        traffic: requests of all connections.
        clock: tells the time in seconds, and never goes back.
        brakes: what it is held back by.
        services: measure what goes to each target service, where there are several.

    Attributes:
        left_at_first: what there was to do when the run began, with what was found lost since.
        outcomes: ended items by kind and `done`, `skipped` or `failed`.
        bytes_sent: bytes that left for the target and stay there.
        bytes_in_vain: bytes that have to be sent again.
        traffic: requests of all connections.
    """

    def __init__(
        self,
        left: Left,
        traffic: Traffic,
        clock: Callable[[], float] = time.monotonic,
        brakes: Brakes | None = None,
        services: Services | None = None,
    ) -> None:
        self.left_at_first = left
        self.outcomes: Counter[tuple[Kind, str]] = Counter()
        self.bytes_sent = 0
        self.bytes_in_vain = 0
        self.traffic = traffic
        self._clock = clock
        self._flights: dict[tuple[Kind, int], Flight] = {}
        self._has_begun = False
        self._uploads = 0
        # By these a run is measured: requests that blobs needed at least, and other items.
        self._requests = 0
        self._items = 0
        self._uploaded_bytes = 0
        self._ended_bytes = 0
        self._given_up_bytes = 0
        self._pace = Pace()
        self._shares = Shares(clock)
        brakes = brakes or Brakes()
        self._braked = Braked(brakes)
        self._host = next(iter(left.by_service), "")
        looks = left.by_service[self._host].looks if self._host else 0
        self._turns = Turns(brakes.by_service.get(self._host, Rates()), looks)
        self._services = services
        # What moves before the first tick counts too: it may be most of a short run.
        self._marks = deque([(clock(), 0, traffic.requests)])

    def item(self, step: Step) -> None:
        """Take note that something happened to one item."""
        if self._services:
            self._services.item(step)
        if step.event is Event.STARTED:
            self._started(step)
            return
        key = (step.kind, step.item_id)
        flight = self._flights.pop(key, None)
        was_sent = step.how == "uploaded"
        if step.kind is Kind.BLOB and (blob := self._shares.end(step.item_id, was_sent=was_sent)):
            self._pace.spread(blob, self._shares.each_s())
        outcome = _ENDS.get(step.event)
        if outcome is None:
            self._back(step)
            return
        self.outcomes[step.kind, outcome] += 1
        if step.kind not in CONTENT:
            return
        if step.kind is not Kind.BLOB:
            self._items += 1
            return
        self._uploads += was_sent
        self._requests += UPLOAD_REQUESTS if was_sent else 1
        size = max(step.size_bytes, flight.size_bytes if flight else 0, 0)
        self._ended_bytes += size
        if was_sent:
            self._uploaded_bytes += size
        if step.event is not Event.CONFIRMED:
            self._given_up_bytes += size

    def _started(self, step: Step) -> None:
        if step.kind in CONTENT and not self._has_begun:
            self._has_begun = True
            self._braked.sample(self._clock(), self.passed)
        size = max(step.size_bytes, 0)
        flight = Flight(step.kind, step.item_id, size, self._clock())
        self._flights[step.kind, step.item_id] = flight
        if step.kind is Kind.BLOB:
            self._shares.begin(step.item_id, size)

    def _back(self, step: Step) -> None:
        """Take note that there is more to do, where something is lost that had counted as there."""
        if step.event is not Event.LOST or not step.how:
            return
        first = self.left_at_first
        pending = {**first.pending, step.kind: first.pending[step.kind] + 1}
        size = max(step.size_bytes, 0) if step.kind is Kind.BLOB else 0
        sent, mounted = (0, size) if step.how == "elsewhere" else (size, 0)
        self.left_at_first = replace(
            first,
            pending=pending,
            bytes_planned=first.bytes_planned + sent,
            bytes=first.bytes + sent,
            mount_bytes=first.mount_bytes + mounted,
            uploads=first.uploads + (step.kind is Kind.BLOB and not mounted),
        )

    def bytes(self, count: int) -> None:
        """Take note that so many bytes have left for the target; negative ones were in vain."""
        self.bytes_sent += count
        if count < 0:
            self.bytes_in_vain -= count

    def tick(self) -> None:
        """Measure; every second or so."""
        now = self._clock()
        if self._has_begun:  # while repositories are made, nothing is learned of their content
            ended = Amount(self._uploaded_bytes, self._requests, self._items)
            each_s, at_once = self._shares.each_s(), self._shares.at_once
            self._pace.sample(now, ended, sent=self.bytes_sent, each_s=each_s, at_once=at_once)
            self._braked.sample(now, self.passed)
            sent = Sent(self.traffic.asked[self._host], self.traffic.written[self._host])
            self._turns.sample(now, self.passed, sent)
        if self._services:
            self._services.tick(self.bytes_sent, self.traffic)
        self._marks.append((now, self.bytes_sent, self.traffic.requests))
        while len(self._marks) > 2 and now - self._marks[1][0] >= _RATE_OVER_S:  # noqa: PLR2004  # first and last
            self._marks.popleft()

    @property
    def rate(self) -> Rate:
        """What moved in a second, over the last minute."""
        if len(self._marks) < 2 or self._marks[-1][0] <= self._marks[0][0]:  # noqa: PLR2004  # as above
            return Rate()
        then_s, bytes_then, requests_then = self._marks[0]
        now_s, bytes_now, requests_now = self._marks[-1]
        moved, asked = max(0, bytes_now - bytes_then), requests_now - requests_then
        return Rate(moved / (now_s - then_s), asked / (now_s - then_s))

    def ended(self, kind: Kind) -> int:
        """Number of items of a kind that came to an end in this run."""
        return sum(self.outcomes[kind, outcome] for outcome in _ENDS.values())

    def pending(self, kind: Kind) -> int:
        """Number of items of a kind that are still to be done."""
        return max(0, self.left_at_first.pending[kind] - self.ended(kind))

    @property
    def bytes_left(self) -> int:
        """Bytes that are still to be sent.

        A blob may take another way than the plan has for it: where all that was to be sent is
        sent, and more, mounts were refused, and the rest of them is to be sent too.
        """
        first = self.left_at_first
        unended = max(0, first.bytes + first.mount_bytes - self._ended_bytes)
        unsent = first.bytes - self._given_up_bytes - self.bytes_sent
        return unended if unsent < 0 else min(unsent, unended)

    @property
    def bytes_total(self) -> int:
        """Bytes that the plan takes in all: sent before this run, in it, and left."""
        first = self.left_at_first
        return first.bytes_planned - first.bytes + self.bytes_sent + self.bytes_left

    @property
    def bytes_done(self) -> int:
        """Bytes that were sent, in this run and before."""
        return self.bytes_total - self.bytes_left

    @property
    def amount_left(self) -> Amount:
        """What is left in bytes, requests and items."""
        return self._amount_left(self._arrived)

    def _amount_left(self, parts: list[Part]) -> Amount:
        blobs, uploads = self.pending(Kind.BLOB), self._uploads_left
        items = sum(self.pending(kind) for kind in CONTENT) - blobs
        arrived = self._uploaded_bytes + sum(part.bytes for part in parts)
        return Amount(
            self.bytes_left + max(0, self.bytes_sent - round(arrived)),
            blobs + (UPLOAD_REQUESTS - 1) * uploads,
            items,
        )

    @property
    def _uploads_left(self) -> int:
        blobs, uploads = self.pending(Kind.BLOB), self.left_at_first.uploads - self._uploads
        return blobs if uploads < 0 else min(uploads, blobs)

    @property
    def _arrived(self) -> list[Part]:
        """What has arrived of unfinished blobs, by all that can be known: no more than has left."""
        return self._shares.arrived(max(0, self.bytes_sent - self._uploaded_bytes))

    @property
    def passed(self) -> Amount:
        """What has passed the brakes: bytes that have left, and requests to targets.

        A manifest is written by its first tag, if it has any.
        """
        items = max(self.ended(Kind.MANIFEST), self.ended(Kind.TAG))
        requests = self.ended(Kind.BLOB) + (_UPLOAD_WRITES - 1) * self._uploads
        return Amount(self.bytes_sent, requests, items)

    @property
    def to_pass(self) -> Amount:
        """What is still to pass them."""
        first = self.left_at_first.pending
        items = max(first[Kind.MANIFEST], first[Kind.TAG]) - self.passed.items
        requests = self.pending(Kind.BLOB) + (_UPLOAD_WRITES - 1) * self._uploads_left
        return Amount(self.bytes_left, requests, max(0, items))

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the content is there; None where nobody can know."""
        to_pass = self.to_pass
        bytes_s = self._braked.by_bytes(to_pass)
        if self._services:
            left_s = self._services.left_s(bytes_s)
        elif self._turns.bind(to_pass):
            left_s = self._turns.left_s(to_pass)
        else:
            left_s = self._measured_s(self._arrived) if bytes_s is None else bytes_s
        return (
            None if left_s is None else max(left_s, bytes_s or 0.0, self._braked.least_s(to_pass))
        )

    @property
    def is_over(self) -> bool:
        """Whether all content has come to its end."""
        return not any(map(self.pending, CONTENT))

    @property
    def lately(self) -> Speed:
        """How fast it goes, by what its targets are sent."""
        return self._braked.lately

    @property
    def bytes_ended(self) -> int:
        """Bytes of blobs that were sent to their end."""
        return self._uploaded_bytes

    def measure_anew(self) -> None:
        """Forget how fast it went: it may go faster now."""
        self._pace = Pace()

    def _measured_s(self, arrived: list[Part]) -> float | None:
        left = self._amount_left(arrived)
        untold = self._shares.untold(max(0, self.bytes_sent - self._uploaded_bytes))
        return None if untold > _UNTOLD_AT_MOST * left.bytes else self._pace.left_s(left, arrived)

    @property
    def how_far(self) -> HowFar:
        """How far it is now."""
        rate, done, left_s = self.rate, self.bytes_done, self.time_left_s
        return HowFar(done, self.bytes_total, rate.bytes, rate.requests, left_s)

    def age_s(self, flight: Flight) -> float:
        """Seconds since something in flight began."""
        return max(0.0, self._clock() - flight.since)

    @property
    def in_flight(self) -> list[Flight]:
        """What is under way, the largest first, and the oldest of those alike."""
        return sorted(self._flights.values(), key=lambda one: (-one.size_bytes, one.since))
