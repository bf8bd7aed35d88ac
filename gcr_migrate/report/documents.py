"""Facts as documents, from the templates beside this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from gcr_migrate.report.terminal import size_text

if TYPE_CHECKING:
    from gcr_migrate.report.facts import ReportFacts


def markdown_text(facts: ReportFacts) -> str:
    """Plan and progress for a change review.

    Args:
        facts: what is told.

    Returns:
        Markdown as GitHub and GitLab show it.
    """
    environment = Environment(
        loader=PackageLoader("gcr_migrate.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # Markdown, not HTML; `cell` escapes what it must
    )
    environment.filters["size"] = size_text
    environment.filters["cell"] = cell
    environment.filters["held"] = {True: "yes", False: "no", None: "?"}.get
    template = environment.get_template("report.md.j2")
    return template.render(plan=facts.plan, status=facts.status)


def cell(text: str) -> str:
    """A text that neither ends a cell of a table nor starts markup of its own."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
