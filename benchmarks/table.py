"""The results of copies as a table for people."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Final

README: Final = Path(__file__).resolve().parent / "README.md"
_BEGIN: Final = "<!-- copies: begin -->\n"
_END: Final = "<!-- copies: end -->\n"
_HEAD: Final = (
    "| tool | wall s (min) | of the best | CPU s | of the best | peak MB | requests | of the bound"
    " | MB up | of the bound | complete |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
)


def table(groups: list[dict[str, Any]]) -> str:
    """Return results as Markdown, a table for each group with what its figures depend on."""
    return "\n".join(map(_table, groups))


def _table(group: dict[str, Any]) -> str:
    corpus, bound, rows = group["corpus"], group["bound"], group["rows"]
    versions = ", ".join(f"{name} {number}" for name, number in group["versions"].items())
    passes = "a single pass" if group["passes"] == 1 else f"medians of {group['passes']} passes"
    said = (
        f"### {group['group']}\n\n{group['date']}, {group['machine']}; {passes}."
        f" {corpus['manifests']} manifests, {corpus['tags']} tags, {corpus['blobs']} blobs,"
        f" {corpus['bytes'] / 1e6:.0f} MB. The lower bound: {bound['all']} requests,"
        f" {bound['apply']} of them for a plan that is made,"
        f" and {bound['bytes_up'] / 1e6:.0f} MB up. {versions}.\n"
    )
    for name, why in group["absent"].items():
        said += f"\nLeft out: {name}: {why}\n"
    return f"{said}\n{_HEAD}{''.join(_line(row, rows) for row in rows)}"


def best(rows: list[dict[str, Any]], what: str) -> float | None:
    """Return the best median of the other tools that left nothing out."""
    found = [
        statistics.median(row[what])
        for row in rows
        if not row["tool"].startswith("gcr-migrate") and not row["missing"] and not row["failed"]
    ]
    return min(found, default=None)


def _line(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    cells = [row["tool"]]
    for what in ("wall_s", "cpu_s"):
        median, least = statistics.median(row[what]), best(rows, what)
        extra = f" ({min(row[what]):.2f})" if what == "wall_s" else ""
        cells += [f"{median:.2f}{extra}", f"{median / least:.2f}" if least else ""]
    requests = sum(row["requests"].values())
    few, least_up = row["bound"] or (None, None)
    cells += [f"{row['peak_mb']:.0f}", str(requests), f"{requests / few:.2f}" if few else ""]
    up = row["bytes_up"]
    cells += [f"{up / 1e6:.0f}", f"{up / least_up:.2f}"] if up else ["", ""]
    lost = f"{len(row['missing'])} missing" if row["missing"] else "yes"
    cells.append(f"failed; {lost}" if row["failed"] else lost)
    return f"| {' | '.join(cells)} |\n"


def write_table(groups: list[dict[str, Any]]) -> None:
    """Put the tables of results between their markers in README.md."""
    before, _, rest = README.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    README.write_text(f"{before}{_BEGIN}\n{table(groups)}\n{_END}{after}", "utf-8")
