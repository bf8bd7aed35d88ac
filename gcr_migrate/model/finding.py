"""What is noteworthy or wrong, how bad it is, and with which name."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from gcr_migrate.errors import Problem


class Severity(StrEnum):
    """How much a finding weighs: an error makes its run fail, the others do not."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Finding(Struct, frozen=True):
    """One finding of a plan, a run or a verification.

    Attributes:
        problem: which problem of the catalogue; it brings code, meaning and remedy.
        severity: how much it weighs.
        subject: full name of what it is about.
        saw: what was seen, in a few words.
        count: how many of its kind it stands for, where those are too many to be named.
    """

    problem: Problem
    severity: Severity
    subject: str
    saw: str = ""
    count: int = 1


class LeftOut(Struct, frozen=True):
    """Something that the source shows and the plan does not carry.

    Attributes:
        problem: why.
        subject: full source name with tag or digest.
        by_rule: a rule of the spec or a habit of the target says so; else it could not be moved.
        saw: what was seen.
    """

    problem: Problem
    subject: str
    by_rule: bool
    saw: str = ""
