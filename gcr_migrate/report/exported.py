"""What `export` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gcr_migrate.report.fact import VERSION, Fact, Field

if TYPE_CHECKING:
    from collections.abc import Iterator


class ExportFacts(Fact):
    """Result of `export`."""

    schema_: Literal["gcr-migrate/export"] = "gcr-migrate/export"
    version: Literal[1] = VERSION
    files: list[str] = Field(description="Files that were written.")


def export_lines(facts: ExportFacts) -> Iterator[str]:
    """Tell what was written, and what comes next."""
    for file in facts.files:
        yield f"written: {file}"
    yield "Once that is applied, `gcr-migrate apply --content-only` copies the images."
