"""What a person gives for a move of the redirect: files that are read, and reasons."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.pullers import read_pullers
from gcr_migrate.cli.pulls import read_pulls
from gcr_migrate.cli.redirecting import Evidence
from gcr_migrate.cli.rescued import read_rescued
from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.access import PUBLIC, spelled
from gcr_migrate.redirect.evidence import Wanted, roots_of
from gcr_migrate.state.snapshot import open_snapshot

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from gcr_migrate.model.names import Project

_ACCEPTABLE: Final = ("copied", "copy", "log", "pulled", "unseen")


def evidence_of(
    stack: ExitStack,
    project: Project,
    baseline: Path | None,
    rescue: Path | None,
    audit_log: Path | None,
    pullers: Path | None,
    accept: list[str] | None,
) -> Evidence:
    """Read what a person gives; a snapshot stays open as long as the stack.

    Args:
        stack: closes what stays open.
        project: the project that is to be moved.
        baseline: a snapshot: all of it has to be there.
        rescue: the file of a rescue: what Google's copy answered.
        audit_log: an exported log: who pulls what.
        pullers: a list of those who pull.
        accept: WHAT=REASON, each why something does not matter.

    Raises:
        MigrateError: a file is missing, damaged or about another project; BAD_USAGE.
    """
    return Evidence(
        baseline=_baseline(stack, baseline, project) if baseline else None,
        pulls=read_pulls(audit_log, project.path) if audit_log else None,
        named=read_pullers(pullers, project) if pullers else (),
        accepted=dict(map(_accepted, accept or [])),
        rescued=read_rescued(rescue, project) if rescue else {},
    )


def _baseline(stack: ExitStack, path: Path, project: Project) -> Wanted:
    """Open a baseline, which has to speak of the project: of another's nothing would be missing."""
    one = stack.enter_context(open_snapshot(path))
    if not {root for root, _ in roots_of(project)} & {*one.roots()}:
        saw = f"it is about {', '.join(one.roots()[:5])}, and about no gcr.io host of {project.id}"
        raise MigrateError(BAD_USAGE, subject=f"--baseline {path}", saw=saw)
    entries = partial(one.entries, by_path=False)
    return Wanted(entries, frozenset(one.roots()), whole=one.complete)


def _accepted(text: str) -> tuple[str, str]:
    what, _, reason = text.partition("=")
    known = what in _ACCEPTABLE or what in PUBLIC or ":" in what
    if not known or not reason.strip():
        saw = f"WHAT=REASON is needed; WHAT is a member or one of {', '.join(_ACCEPTABLE)}"
        raise MigrateError(BAD_USAGE, subject=f"--accept {text}", saw=saw)
    return spelled(what) if ":" in what else what, reason.strip()
