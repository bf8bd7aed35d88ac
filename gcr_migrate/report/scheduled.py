"""What `schedule render` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gcr_migrate.report.fact import VERSION, Fact, Field

if TYPE_CHECKING:
    from collections.abc import Iterator


class ScheduleFacts(Fact):
    """Result of `schedule render`."""

    schema_: Literal["gcr-migrate/schedule-render"] = "gcr-migrate/schedule-render"
    version: Literal[1] = VERSION
    form: str = Field(description="Whose scheduler runs it.")
    time: str = Field(description="When it runs, as every scheduler reads it.")
    timezone: str = Field(description="Whose clock that is meant by.")
    account: str = Field(description="Service account that it runs as.")
    roles: list[str] = Field(description="What that account gets on each project that is read.")
    projects: list[str] = Field(description="Projects that are read.")
    silence_hours: int = Field(description="After so long without a success somebody is told.")
    told: list[str] = Field(description="Who is told; empty: that is still to be set.")
    files: list[str] = Field(description="Files that were written.")


def schedule_lines(facts: ScheduleFacts) -> Iterator[str]:
    """Tell what was written, what it will do, and what comes next."""
    for file in facts.files:
        yield f"written: {file}"
    yield f"runs at  {facts.time} ({facts.timezone})"
    yield f"as       {facts.account}"
    yield f"with     {', '.join(facts.roles)} on {', '.join(facts.projects)}"
    who = ", ".join(facts.told) or "nobody yet: the files say where that is set"
    yield f"tells    {who}; also after {facts.silence_hours} hours without a success"
    yield "Nothing was applied. The head of each file says how to, and what was never tried."
