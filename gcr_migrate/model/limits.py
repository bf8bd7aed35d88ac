"""How fast services may be asked, and how much may be on its way at once.

Artifact Registry counts requests by project and location, and whoever uses up the count takes it
from production's pulls (FACTS section 8). So what is known of a quota is never used up.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from gcr_migrate.model.names import ar_host, gcr_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADROOM: Final = 0.2
EVEN: Final = 0.92  # of a cap: timers and networks are uneven, and no second may have more
NEAR: Final = 0.8  # part of a quota that is worth a word
_MINUTE_S: Final = 60  # by which quotas are counted
BLOBS_AT_ONCE: Final = 16  # more only adds memory: 16 and 64 were equal at a 30 ms round trip
PATHS_AT_ONCE: Final = 32  # image paths that are worked on together, in each process
CREATION_S: Final = 2  # Artifact Registry creates about one repository per two seconds
LEAST_PER_SECOND: Final = 0.01  # requests; who wants fewer wants none
MOST_AT_ONCE: Final = 256
_AR_HOST: Final = re.compile(r"[a-z0-9-]+-docker\.pkg\.dev")
_UNITS: Final = {
    "B": 1,
    "kB": 1_000,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
}
_BANDWIDTH: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))? ?([kKMG]i?B|B)(?:/s)?")
_DIGITS: Final = (9, 6)  # before the point and after it; none has a use for more
_SLOWEST: Final = 1_000.0  # a connection on which nothing moves for a minute breaks
_PERCENT: Final = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%")


class Quota(Struct, frozen=True):
    """What a service takes in a second, and how much of that is left to others.

    Attributes:
        requests_per_s: requests of any kind, those that write among them; None: unknown.
        writes_per_s: requests that write; None: unknown.
        headroom: part of both that is not used, from 0 to below 1; None: not said.
    """

    requests_per_s: float | None = None
    writes_per_s: float | None = None
    headroom: float | None = None

    def or_else(self, other: Quota) -> Quota:
        """Return this quota, with what it leaves open taken from another one."""
        return Quota(
            other.requests_per_s if self.requests_per_s is None else self.requests_per_s,
            other.writes_per_s if self.writes_per_s is None else self.writes_per_s,
            other.headroom if self.headroom is None else self.headroom,
        )


ARTIFACT_REGISTRY: Final = Quota(1_000.0, 300.0)  # 60,000 and 18,000 a minute (FACTS section 8)
_FIRST_PER_S: Final = 150.0


class Rates(Struct, frozen=True):
    """How fast one process asks a service at most; None: as fast as it can.

    Attributes:
        requests_per_s: requests of any kind.
        writes_per_s: requests that write.
        first_per_s: requests at the beginning, where nobody said what the service takes: what is
            true of most may not be of this one. None: as `requests_per_s`.
    """

    requests_per_s: float | None = None
    writes_per_s: float | None = None
    first_per_s: float | None = None

    @property
    def for_writes(self) -> float | None:
        """Requests that write, by both."""
        caps = [cap for cap in (self.requests_per_s, self.writes_per_s) if cap is not None]
        return min(caps, default=None)


class Limits(Struct, frozen=True):
    """Everything that keeps a command from doing its best.

    Attributes:
        quota: what each service takes.
        at: what single ones take instead, by registry host.
        max_rate: requests per second to each service at most, whatever the quotas; None: as
            these say.
        bytes_per_s: bytes of blobs that are sent in a second at most; None: any number.
        blobs_at_once: blobs on their way at once, in each process.
        workers: processes that share all of this.
    """

    quota: Quota = field(default_factory=Quota)
    at: tuple[tuple[str, Quota], ...] = ()
    max_rate: float | None = None
    bytes_per_s: float | None = None
    blobs_at_once: int = BLOBS_AT_ONCE
    workers: int = 1

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Limits:
        """Return what `kept` gave; what is missing there is as by default."""
        known = {name: kept[name] for name in cls.__struct_fields__ if name in kept}
        if "quota" in known:
            known["quota"] = Quota(**known["quota"])
        if "at" in known:
            known["at"] = tuple((host, Quota(**quota)) for host, quota in known["at"])
        return cls(**known)

    def kept(self) -> dict[str, Any]:
        """Return the same in types that JSON has."""
        kept: dict[str, Any] = to_builtins(self)
        return kept

    def rates(self, service: str) -> Rates:
        """Return how fast a service is asked at most: its quota, less the head-room.

        Args:
            service: whose quota it is, by its host; `quota_host` tells it.
        """
        own = next((quota for host, quota in self.at if host == service), Quota())
        said = own.or_else(self.quota)
        quota = said.or_else(ARTIFACT_REGISTRY if is_counted(service) else Quota())
        used = (1 - (HEADROOM if quota.headroom is None else quota.headroom)) / self.workers
        writes = _part(quota.writes_per_s, used)
        if self.max_rate is not None:
            return Rates(self.max_rate / self.workers, writes)
        requests = _part(quota.requests_per_s, used)
        if requests is None or said.requests_per_s is not None:
            return Rates(requests, writes)
        return Rates(requests, writes, min(requests, _FIRST_PER_S / self.workers))

    def nearness(self, service: str, asked: Asked) -> str:
        """Say how what was asked of a service came near a quota; empty where it did not.

        Args:
            service: whose quota it is, by its host.
            asked: what was asked of it.
        """
        said = []
        if asked.refusals:
            refused = f"{asked.refusals} requests were refused as a quota was used up"
            said.append(f"{refused}, and {asked.paused_s:.0f} s were waited for it")
        own = next((quota for host, quota in self.at if host == service), Quota())
        quota = own.or_else(self.quota)
        quota = quota.or_else(ARTIFACT_REGISTRY if is_counted(service) else Quota())
        if quota.requests_per_s is not None:
            most = quota.requests_per_s * _MINUTE_S
            if asked.busiest_minute >= NEAR * most:
                said.append(f"{asked.busiest_minute} requests in a minute, of {most:.0f}")
        return "; ".join(said)

    def share(self, workers: int) -> Limits:
        """Return the limits of one of so many processes: rates and bandwidth are divided."""
        return replace(
            self,
            bytes_per_s=_part(self.bytes_per_s, 1 / workers),
            workers=self.workers * workers,
        )

    def workers_of(self, wanted: int) -> int:
        """Return how many of the processes that are wanted may share this.

        Each sends one request in a second, at least: more of them than `max_rate` are too many.
        """
        return wanted if self.max_rate is None else max(1, min(wanted, int(self.max_rate)))

    def but(
        self,
        *,
        max_rate: float | None = None,
        bytes_per_s: float | None = None,
        blobs_at_once: int | None = None,
    ) -> Limits:
        """Return these limits, with what is given instead of what they say."""
        return replace(
            self,
            max_rate=self.max_rate if max_rate is None else max_rate,
            bytes_per_s=self.bytes_per_s if bytes_per_s is None else bytes_per_s,
            blobs_at_once=self.blobs_at_once if blobs_at_once is None else blobs_at_once,
        )


def is_counted(host: str) -> bool:
    """Whether Artifact Registry's quota is what counts requests to this host."""
    return _AR_HOST.fullmatch(host) is not None


def quota_host(host: str) -> str:
    """Return the host that stands for a quota: one for each location of Artifact Registry.

    The gcr.io hosts are counted where the repositories lie that answer for them.

    Args:
        host: a host of any service, with or without a port.
    """
    host = host.removesuffix(":443")  # as no port says the same
    found = gcr_host(host)
    return ar_host(found.location) if found else host


class Asked(Struct, frozen=True):
    """What one service was asked.

    Attributes:
        requests: requests that were sent.
        writes: those among them that write.
        refusals: those that were answered with 429.
        paused_s: seconds for which nothing was sent after that.
        busiest_minute: requests in the minute that had most.
    """

    requests: int = 0
    writes: int = 0
    refusals: int = 0
    paused_s: float = 0.0
    busiest_minute: int = 0

    def __add__(self, other: Asked) -> Asked:
        """Return the sum; pauses of several processes are at the same time, so the longer one."""
        return Asked(
            self.requests + other.requests,
            self.writes + other.writes,
            self.refusals + other.refusals,
            max(self.paused_s, other.paused_s),
            self.busiest_minute + other.busiest_minute,
        )


def summed(parts: Iterable[Mapping[str, Asked]]) -> dict[str, Asked]:
    """Return what went to each service, from what each of several processes sent."""
    total: dict[str, Asked] = {}
    for part in parts:
        for service, asked in part.items():
            total[service] = total.get(service, Asked()) + asked
    return dict(sorted(total.items()))


def read_bandwidth(text: str) -> float:
    """Read bytes per second, such as `100MB/s` or `8MiB`; raise ValueError for anything else."""
    found = _BANDWIDTH.fullmatch(text.strip())
    whole, part, unit = found.groups("") if found else ("", "", "")
    if len(whole) > _DIGITS[0] or len(part) > _DIGITS[1]:
        raise ValueError("at most {} digits before the point and {} after it".format(*_DIGITS))
    number = float(f"{whole}.{part}") * _UNITS[unit] if unit in _UNITS else 0.0
    if number < _SLOWEST:
        raise ValueError("1kB/s or more is needed, such as 100MB/s, 500kB/s or 8MiB/s")
    return number


def read_percent(text: str) -> float:
    """Read a part such as `20%`, from 0 to below all; raise ValueError for anything else."""
    found = _PERCENT.fullmatch(text.strip())
    if not found:
        raise ValueError("a part from 0% to below 100% is needed, such as 20%")
    return float(found[1]) / 100


def _part(number: float | None, part: float) -> float | None:
    return None if number is None else number * part
