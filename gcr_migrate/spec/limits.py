"""What the spec says about speed: quotas and what is left of them to others, and bandwidth."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.limits import (
    BLOBS_AT_ONCE,
    LEAST_PER_SECOND,
    MOST_AT_ONCE,
    Limits,
    Quota,
    quota_host,
    read_bandwidth,
    read_percent,
)
from gcr_migrate.model.names import ar_host, check_location
from gcr_migrate.spec.fields import REGISTRY, Part, with_port

_MOST_PER_SECOND: Final = 1_000_000
_AT: Final = re.compile(REGISTRY)


def _read_as(reader: Any) -> AfterValidator:
    def checked(text: str) -> str:
        reader(text)
        return text

    return AfterValidator(checked)


def _whole(value: Any) -> Any:
    """Refuse numbers without a unit in words: YAML reads `20` as a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


def _at(text: str) -> str:
    if not _AT.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is no location and no host, such as us or us.gcr.io")
    with_port(text)
    if _is_location(text):
        try:
            check_location(text)
        except MigrateError as error:
            raise ValueError(error.saw) from error
    return text


def _is_location(text: str) -> bool:
    return not set(text) & set(".:")


def _host(text: str) -> str:
    """Return the host that stands for the quota of a location, or of whom a host belongs to."""
    return ar_host(text) if _is_location(text) else quota_host(text.lower())


PerSecond = Annotated[float, Field(strict=True, ge=LEAST_PER_SECOND, le=_MOST_PER_SECOND)]
PercentText = Annotated[
    str, BeforeValidator(_whole, json_schema_input_type=str), _read_as(read_percent)
]
BandwidthText = Annotated[
    str, BeforeValidator(_whole, json_schema_input_type=str), _read_as(read_bandwidth)
]
AtText = Annotated[str, AfterValidator(_at)]


class QuotaRules(Part):
    """What a service takes, and how much of that is left to others."""

    requests_per_second: PerSecond | None = Field(
        None,
        description="Requests that the service takes; default: 1000 for a location of Artifact"
        " Registry, and elsewhere as many as it answers.",
    )
    writes_per_second: PerSecond | None = Field(
        None,
        description="Of these POST, PUT, PATCH and DELETE; default: 300 for a location of Artifact"
        " Registry.",
    )
    headroom: PercentText | None = Field(
        None, description="Part of both that is left to others, such as production; default: 20%."
    )

    @property
    def quota(self) -> Quota:
        """The same, as the rest of the tool takes it."""
        return Quota(
            self.requests_per_second,
            self.writes_per_second,
            None if self.headroom is None else read_percent(self.headroom),
        )


class LimitRules(QuotaRules):
    """How fast services are asked, and how much is on its way at once."""

    at: dict[AtText, QuotaRules] = Field(
        default_factory=dict,
        description="The same for single locations, such as us, or registry hosts.",
    )
    bandwidth: BandwidthText | None = Field(
        None, description="Bytes of blobs sent at most, such as 100MB/s; default: unlimited."
    )
    concurrency: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] = Field(
        BLOBS_AT_ONCE,
        description="Blobs on their way at once to each target host, for each worker process.",
    )

    @model_validator(mode="after")
    def _one_quota_once(self) -> Self:
        names: dict[str, str] = {}
        for name in self.at:
            first = names.setdefault(_host(name), name)
            if first != name:
                raise ValueError(f"at: {first} and {name} are counted as one; name one of them")
        return self

    @property
    def limits(self) -> Limits:
        """The same, as the rest of the tool takes it."""
        return Limits(
            quota=self.quota,
            at=tuple((_host(name), rules.quota) for name, rules in self.at.items()),
            bytes_per_s=None if self.bandwidth is None else read_bandwidth(self.bandwidth),
            blobs_at_once=self.concurrency,
        )
