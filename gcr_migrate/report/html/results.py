"""Results that `--json` printed, read again and drawn."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.errors import NOT_A_RESULT, MigrateError
from gcr_migrate.report.access import AccessFacts
from gcr_migrate.report.facts import ReportFacts, ShowFacts
from gcr_migrate.report.html.access import access_page
from gcr_migrate.report.html.migration import plan_page, report_page, run_page
from gcr_migrate.report.html.proof import compare_page, proof_page, proofs_page
from gcr_migrate.report.inventories import CompareFacts
from gcr_migrate.report.proof import VerifyAllFacts, VerifyFacts
from gcr_migrate.report.reading import read
from gcr_migrate.report.runs import ApplyFacts, StatusFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.report.fact import Fact
    from gcr_migrate.report.html.page import Page

_PAGES: Final[dict[str, tuple[type[Fact], Callable[[Any], Page]]]] = {
    "gcr-migrate/report": (ReportFacts, report_page),
    "gcr-migrate/show": (ShowFacts, plan_page),
    "gcr-migrate/apply": (ApplyFacts, run_page),
    "gcr-migrate/status": (StatusFacts, run_page),
    "gcr-migrate/verify": (VerifyFacts, proof_page),
    "gcr-migrate/verify-all": (VerifyAllFacts, proofs_page),
    "gcr-migrate/access-show": (AccessFacts, access_page),
    "gcr-migrate/compare": (CompareFacts, compare_page),
}


def result_page(text: str, file: str) -> Page:
    """Return the page of a result.

    Args:
        text: what a command printed with `--json`.
        file: where it was read from.

    Raises:
        MigrateError: `not-a-result`.
    """
    try:
        schema = json.loads(text)["schema"]
        kind, page = _PAGES[schema]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        known = ", ".join(one.removeprefix("gcr-migrate/") for one in _PAGES)
        raise MigrateError(NOT_A_RESULT, subject=file, saw=f"drawn are {known}") from error
    try:
        facts = read(kind, text)
    except ValueError as error:
        raise MigrateError(NOT_A_RESULT, subject=file, saw=str(error)) from error
    return page(facts)
