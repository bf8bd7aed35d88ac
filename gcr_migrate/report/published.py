"""What `--json` prints and a webhook is sent: the schemas of it are published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.report.access import AccessFacts, UndoFacts
from gcr_migrate.report.alarms import AlarmFacts
from gcr_migrate.report.checks import DoctorFacts
from gcr_migrate.report.covered import RefsCheckFacts
from gcr_migrate.report.discovery import DiscoverFacts
from gcr_migrate.report.drafting import InitFacts
from gcr_migrate.report.exported import ExportFacts
from gcr_migrate.report.facts import PlanFacts, ReportFacts, ShowFacts
from gcr_migrate.report.fleet import FleetFacts
from gcr_migrate.report.inventories import CompareFacts, InventoryFacts
from gcr_migrate.report.leftovers import LeftoversFacts
from gcr_migrate.report.problems import DemoFacts, ErrorFacts, ExplainFacts, SandboxFacts
from gcr_migrate.report.proof import VerifyAllFacts, VerifyFacts
from gcr_migrate.report.redirection import (
    RedirectMoveFacts,
    RedirectPlanFacts,
    RedirectStatusFacts,
)
from gcr_migrate.report.references import RefsScanFacts
from gcr_migrate.report.rescues import RescueFacts
from gcr_migrate.report.rewritten import RefsRewriteFacts
from gcr_migrate.report.runs import ApplyFacts, StatusFacts
from gcr_migrate.report.scheduled import ScheduleFacts

if TYPE_CHECKING:
    from gcr_migrate.report.fact import Fact

PUBLISHED: Final[dict[str, type[Fact]]] = {
    "plan": PlanFacts,
    "show": ShowFacts,
    "apply": ApplyFacts,
    "status": StatusFacts,
    "verify": VerifyFacts,
    "verify-all": VerifyAllFacts,
    "report": ReportFacts,
    "fleet": FleetFacts,
    "explain": ExplainFacts,
    "sandbox": SandboxFacts,
    "demo": DemoFacts,
    "doctor": DoctorFacts,
    "access-show": AccessFacts,
    "access-undo": UndoFacts,
    "export": ExportFacts,
    "inventory": InventoryFacts,
    "compare": CompareFacts,
    "discover": DiscoverFacts,
    "init": InitFacts,
    "rescue": RescueFacts,
    "redirect-status": RedirectStatusFacts,
    "redirect-plan": RedirectPlanFacts,
    "redirect-move": RedirectMoveFacts,
    "leftovers": LeftoversFacts,
    "schedule-render": ScheduleFacts,
    "refs-scan": RefsScanFacts,
    "refs-check": RefsCheckFacts,
    "refs-rewrite": RefsRewriteFacts,
    "alarm": AlarmFacts,
    "error": ErrorFacts,
}
