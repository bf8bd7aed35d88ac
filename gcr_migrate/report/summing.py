"""The sums of a plan: counts, bytes, requests, time, and what is billed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.plan.costs import Kind
from gcr_migrate.report.figures import by_period, span_text, sum_text, usd_text
from gcr_migrate.report.layout import Line, padded
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.facts import AmountFact, PlanFacts, ShowFacts
    from gcr_migrate.report.figures import ChargeFact, EstimateFact

_LABEL: Final = 14


def sum_lines(facts: PlanFacts | ShowFacts) -> Iterator[Line]:
    """Tell the sums, each with its word before it."""
    yield from count_lines(facts)
    if facts.todo.total:
        yield from time_lines(facts.estimate)
    yield from money_lines(facts.estimate)
    if not facts.todo.total:
        there = "the target has everything that the plan names"
        told = f"Nothing to do: {there if facts.counts.images else 'the plan has no image'}."
        yield Line(told, said=told)


def count_lines(facts: PlanFacts | ShowFacts) -> Iterator[Line]:
    """Tell how much there is of everything, and how much of it is to be done.

    Of a plan that is begun, items are what is left, and bytes are the whole plan's.
    """
    counts, size, todo = facts.counts, facts.bytes, facts.todo
    still, by_plan = ("still ", "by the plan ") if facts.begun else ("", "")
    spared = f"; mounts spare {size_text(size.to_mount)}" if size.to_mount else ""
    yield _sum("repositories", f"{counts.repositories:,}, {todo.repositories:,} {still}to create")
    yield _sum("images", f"{counts.images:,}")
    yield _sum("manifests", f"{counts.manifests:,}, {todo.manifests:,} {still}to write")
    replaced = f"; {by_plan}{counts.tags_replaced:,} that point elsewhere are replaced"
    tags = f"{counts.tags:,}, {todo.tags:,} {still}to set"
    yield _sum("tags", f"{tags}{replaced if counts.tags_replaced else ''}")
    transfer = f"{by_plan}{size_text(size.to_transfer)} to send{spared}"
    yield _sum("blobs", f"{counts.blobs:,}, {size_text(size.total)} in all: {transfer}")


def amount_text(size: AmountFact) -> str:
    """Tell the bytes of a repository or an image."""
    parts = [f"{size_text(size.to_send)} to send"]
    parts += [f"{size_text(size.to_mount)} to mount"] if size.to_mount else []
    parts += [f"{size_text(size.there)} there"] if size.there else []
    return ", ".join(parts)


def time_lines(estimate: EstimateFact) -> Iterator[Line]:
    """Tell how long what is left takes."""
    requests = f"{estimate.writes:,} that write, {estimate.reads:,} to sources"
    yield _sum("requests", requests)
    time = estimate.time
    bound = f"most of it {time.bound}" if time.high_s else time.bound
    yield _sum("time", f"{span_text(time.low_s, time.high_s)}; {bound}; {time.basis}")


def money_lines(estimate: EstimateFact) -> Iterator[Line]:
    """Tell what is billed, each charge with what it stands on."""
    for one in estimate.charges:
        yield _sum(str(one.kind), _charge(one))
    monthly = by_period(estimate.charges, monthly=True)
    once = by_period(estimate.charges, monthly=False)
    yield _sum(
        "money",
        f"{sum_text(estimate.usd_a_month, monthly)} a month,"
        f" {sum_text(estimate.usd_once, once)} once; prices of {estimate.prices_as_of}",
    )


def _charge(one: ChargeFact) -> str:
    period = " a month" if one.kind is Kind.STORAGE and one.usd is not None else ""
    if not one.amount:
        return f"{usd_text(one.usd)}{period}: {one.why}"
    size = f"{one.amount:,}" if one.kind is Kind.SCANS else size_text(one.amount)
    return f"{usd_text(one.usd)}{period} for {size}, {one.subject}: {one.why}"


def _sum(word: str, text: str) -> Line:
    return Line(text, f"  {padded(word, _LABEL)}", said=f"{word}: {text}")
