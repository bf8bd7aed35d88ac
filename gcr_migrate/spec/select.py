"""What of the source is carried: rules of the spec that leave something out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gcr_migrate.spec.credentials import FileText
from gcr_migrate.spec.fields import Part, PatternText

Group = Literal["cloud-functions", "app-engine", "app-engine-tmp", "build-cache"]

_SECONDS: Final = {"h": 3_600, "d": 86_400, "w": 7 * 86_400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([hdw])")
_TAG_PATTERN: Final = re.compile(r"[A-Za-z0-9._*?-]{1,128}")


def _duration(text: str) -> str:
    if not _DURATION.fullmatch(text):
        raise ValueError("a number and h, d or w is needed, such as 180d")
    return text


def _moment(value: Any) -> Any:
    """Take a date or a moment as YAML reads it, or as text; a date is its first moment in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise ValueError("a date is needed, such as 2024-01-31") from error
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError as error:
            raise ValueError("a date from year 1 to 9999 in UTC is needed") from error
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("a date is needed, such as 2024-01-31")


def _tag_pattern(text: str) -> str:
    if not _TAG_PATTERN.fullmatch(text):
        raise ValueError("a tag in which * stands for any characters and ? for one is needed")
    return text


DurationText = Annotated[str, AfterValidator(_duration)]
Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]
TagPatternText = Annotated[str, AfterValidator(_tag_pattern)]


class Period(Part):
    """A time from some moment on until now."""

    within: DurationText | None = Field(
        None, description="So long before planning, such as 180d; also h and w."
    )
    after: Moment | None = Field(
        None, description="From this date or moment on; unlike `within` it stands still."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.within is None) == (self.after is None):
            raise ValueError("one of within and after is needed")
        return self

    def begin(self, now: datetime) -> datetime:
        """Return its first moment."""
        if self.after is not None:
            return self.after
        found = _DURATION.fullmatch(self.within or "")
        if found is None:
            raise ValueError(f"{self.within!r} is no duration")
        seconds = int(found[1]) * _SECONDS[found[2]]
        return datetime.fromtimestamp(max(0.0, now.timestamp() - seconds), UTC)

    @property
    def told(self) -> str:
        """The same in words, as it is written."""
        if self.after is not None:
            return f"after {self.after.isoformat(timespec='seconds')}"
        return f"within {self.within}"


class Pulled(Period):
    """Pulled in some time, as an exported audit log tells."""

    log: FileText = Field(
        description="File that `gcloud logging read … --format=json` wrote, seen from where a"
        " command is run."
    )


class Select(Part):
    """What is carried. Everything that a rule leaves out is listed with the rule."""

    paths: tuple[PatternText, ...] = Field(
        (), description="Only image paths that match one of these; empty: all."
    )
    except_paths: tuple[PatternText, ...] = Field(
        (), description="No image paths that match one of these."
    )
    leave_out: tuple[Group, ...] = Field(
        (), description="No images of these groups, which a plan names where it finds them."
    )
    tags: tuple[TagPatternText, ...] = Field(
        (), description="Only tags that match one of these, such as v*; empty: all."
    )
    except_tags: tuple[TagPatternText, ...] = Field(
        (), description="No tags that match one of these."
    )
    uploaded: Period | None = Field(
        None, description="Only what was uploaded then; what tells no time is kept."
    )
    pulled: Pulled | None = Field(
        None, description="Only what was pulled then; where the log tells nothing it is kept."
    )
    newest: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Only so many of each image, the newest by time of upload; of two that are"
        " equal the one whose digest comes first.",
    )
    untagged: bool = Field(default=True, description="Digests that no tag names.")
    attachments: bool = Field(default=True, description="Signatures, attestations and referrers.")

    @property
    def leaves_paths_out(self) -> bool:
        """Whether a rule leaves whole image paths out."""
        return bool(self.paths or self.except_paths or self.leave_out)
