"""What a fact is: a part of a command's result, which `--json` prints.

The JSON Schemas of all facts are published under `docs/reference`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.report.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1


class Fact(BaseModel):
    """A part of a command's result; it never changes once it is made."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def json_parts(self) -> Iterator[str]:
        """The value as one line of JSON in pieces, its schema and version first.

        Long lists are read while they are written.
        """
        long = {name: value for name, value in self if isinstance(value, Rows)}
        data = self.model_dump(mode="json", by_alias=True, exclude=set(long))
        first = {key: data.pop(key) for key in ("schema", "version") if key in data}
        yield "{" + ", ".join(f"{_json(key)}: {_json(one)}" for key, one in (first | data).items())
        for name, rows in long.items():
            yield f", {_json(name)}: ["
            yield from rows.json_parts()
            yield "]"
        yield "}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class FindingFact(Fact):
    """What is noteworthy or wrong about one name."""

    code: str = Field(description="Stable code; `gcr-migrate explain CODE` tells more.")
    severity: Severity
    subject: str = Field(description="Full name of what it is about.")
    saw: str = Field(description="What was seen there.")
    message: str
    remedy: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Tell a finding."""
        return cls(
            code=finding.problem.code,
            severity=finding.severity,
            subject=finding.subject,
            saw=finding.saw,
            message=f"{finding.problem.title}. {finding.problem.meaning}",
            remedy=finding.problem.remedy,
        )


class LeftOutFact(Fact):
    """Something that the source shows and the plan does not carry."""

    code: str
    subject: str
    by_rule: bool = Field(description="A rule says so; else it could not be moved.")
    saw: str
    message: str
    remedy: str

    @classmethod
    def of(cls, left: LeftOut) -> Self:
        """Tell what is left out."""
        return cls(
            code=left.problem.code,
            subject=left.subject,
            by_rule=left.by_rule,
            saw=left.saw,
            message=f"{left.problem.title}. {left.problem.meaning}",
            remedy=left.problem.remedy,
        )
