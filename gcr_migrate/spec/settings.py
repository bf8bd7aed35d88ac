"""Settings of repositories, as the spec writes them."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gcr_migrate.model.settings import Scanning
from gcr_migrate.spec.fields import AnyTemplate, KmsKeyText, LabelKeyText, Part

POLICIES_AT_MOST: Final = 10
_DURATION: Final = re.compile(r"([1-9][0-9]{0,9})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_duration(text: str) -> int:
    """Return the seconds of a time such as `30d`, `12h`, `90m` or `60s`; raise ValueError."""
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!r} is no time such as 30d, 12h, 90m or 60s")
    return int(found[1]) * _SECONDS[found[2]]


def _duration(text: str) -> str:
    read_duration(text)
    return text


Duration = Annotated[str, AfterValidator(_duration)]
PolicyId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,127}$")]


class CleanupConditionRule(Part):
    """What a clean-up policy picks."""

    tag_state: Literal["any", "tagged", "untagged"] = Field("any", description="Tagged or not.")
    tag_prefixes: tuple[AnyTemplate, ...] = Field((), description="Beginnings of tags.")
    version_name_prefixes: tuple[str, ...] = Field((), description="Beginnings of digests.")
    package_name_prefixes: tuple[AnyTemplate, ...] = Field(
        (), description="Beginnings of image paths in the repository; named parts may be used."
    )
    older_than: Duration | None = Field(None, description="Uploaded longer ago, such as 30d.")
    newer_than: Duration | None = Field(None, description="Uploaded later, such as 12h.")
    more_stale_than: Duration | None = Field(None, description="Not pulled for so long.")


class NewestRule(Part):
    """Keeps the newest versions of each image."""

    keep_count: int = Field(ge=1, le=10_000_000, description="How many.")
    package_name_prefixes: tuple[AnyTemplate, ...] = Field(
        (), description="Beginnings of image paths; named parts may be used."
    )


class CleanupRule(Part):
    """A clean-up policy: what a repository deletes by itself, or keeps from being deleted."""

    id: PolicyId = Field(description="Its name in the repository.")
    action: Literal["delete", "keep"] = Field(description="What it does; keep counts for more.")
    condition: CleanupConditionRule | None = Field(None, description="What it picks.")
    most_recent_versions: NewestRule | None = Field(None, description="Keep the newest.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.condition is None) == (self.most_recent_versions is None):
            raise ValueError("condition or most_recent_versions: exactly one of them")
        if self.most_recent_versions and self.action == "delete":
            raise ValueError("most_recent_versions can only keep")
        return self


class Settings(Part):
    """Settings of a repository that is created, or may be changed."""

    description: AnyTemplate = Field("", description="Text; named parts may be used.")
    labels: dict[LabelKeyText, AnyTemplate] = Field(
        default_factory=dict, description="Labels; named parts may be used in the values."
    )
    immutable_tags: bool = Field(
        default=False,
        description="Tags can never be moved or deleted; switched on once the copy is done.",
    )
    kms_key: KmsKeyText | None = Field(
        None, description="Cloud KMS key, projects/P/locations/L/keyRings/R/cryptoKeys/K."
    )
    cleanup_policies: tuple[CleanupRule, ...] = Field(
        (),
        max_length=POLICIES_AT_MOST,
        description="What is deleted by itself; written once the copy is done.",
    )
    cleanup_dry_run: bool = Field(
        default=False, description="These policies only tell what they would delete."
    )
    scanning: Scanning | None = Field(
        None,
        description="Scans for vulnerabilities, for a fee each: off, on, or after_copy, which"
        " spares what is copied. New repositories are off unless something else is said.",
    )
    adopt: bool = Field(
        default=False,
        description="A repository that is there already is changed to this; else it is left as it"
        " is, and differences are told.",
    )

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [rule.id for rule in self.cleanup_policies]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"cleanup_policies: two have the id {twice[0]}")
        return self
