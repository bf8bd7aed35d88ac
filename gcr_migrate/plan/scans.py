"""What scans for vulnerabilities cost when many images are pushed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import SCAN_FEE
from gcr_migrate.model.finding import Finding, Severity
from gcr_migrate.model.prices import AS_OF, SCAN
from gcr_migrate.model.settings import Scanning

if TYPE_CHECKING:
    from gcr_migrate.model.settings import RepositorySettings

SERVICE: Final = "containerscanning.googleapis.com"


def scans_the_copy(wants: RepositorySettings, has: RepositorySettings | None) -> bool:
    """Whether a target scans what is copied to it, if its project has scanning enabled.

    Args:
        wants: what the spec says of it; one that is made is off unless that is `on`.
        has: what is there, which stays so during the copy; None where it is made.
    """
    return (has or wants).scanning is Scanning.ON


def scan_finding(project: str, digests: int, *, scanned: int) -> Finding:
    """Tell what scans of a copy cost, or would have cost.

    Args:
        project: the target's, in which scanning is enabled.
        digests: image digests that are written.
        scanned: how many of them to repositories that scan.
    """
    if not scanned:
        saw = f"off while {digests} image digests are copied; scans would cost {_fee(digests)}"
        return Finding(SCAN_FEE, Severity.INFO, project, saw)
    saw = f"{scanned} of {digests} image digests are scanned as they come: {_fee(scanned)}"
    return Finding(SCAN_FEE, Severity.WARNING, project, saw)


def _fee(digests: int) -> str:
    return f"about ${digests * SCAN:,.2f} at ${SCAN:.2f} each ({AS_OF})"
