"""What Google's copy answered in a rescue, as evidence for a move of the redirect."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.copying import read_page
from gcr_migrate.model.names import gcr_host, repository_resource
from gcr_migrate.redirect.evidence import Rescued
from gcr_migrate.rescue.run import Filters, Rescue
from gcr_migrate.state.rescued import read_rescue

if TYPE_CHECKING:
    from pathlib import Path

    from gcr_migrate.model.names import Project
    from gcr_migrate.rescue.folder import Folder
    from gcr_migrate.state.rescued import RescueFile

_EXAMPLES: Final = 3


def read_rescued(path: Path, project: Project) -> dict[str, Rescued]:
    """Read what was answered about each host of a project whose own repository was copied to.

    Args:
        path: the file of a rescue.
        project: the project.

    Raises:
        MigrateError: BAD_USAGE if it is about another project, or copied elsewhere; what is wrong
            with the file.
    """
    found: dict[str, Rescued] = {}
    with read_rescue(path) as file:
        about, targets = file.about, file.targets()
        if about.get("project") != project.id:
            saw = f"it is a rescue of {about.get('project')}"
            raise MigrateError(BAD_USAGE, subject=f"--rescue {path}", saw=saw)
        starts = [about.get("below", "")] * len(targets)
        rescue = Rescue(file, starts, Filters())
        for at, target in enumerate(targets):
            host = gcr_host(target.host)
            own = host and repository_resource(project, host.location, host.repository_id)
            if target.resource == own:
                told = _told(rescue, at, _last_copy(file, at))
                if starts[at] or not file.asked_for(""):
                    # It says nothing of the rest, neither good nor bad.
                    told = replace(told, unended=0, is_part=True)
                found[target.host] = told
    if not found:
        saw = "it copied to no repository that answers for a gcr.io host"
        raise MigrateError(BAD_USAGE, subject=f"--rescue {path}", saw=saw)
    return found


def _last_copy(file: RescueFile, target: int) -> str:
    """Return when the last answer came that a plain list would not be; empty if none did."""
    answers = ((read_page(body), at) for body, at in file.newest_answers(target))
    return next((at for page, at in answers if page and page.told), "")


def _told(rescue: Rescue, target: int, last: str) -> Rescued:
    """Sum up one target, name by name."""
    folders = {path: one for (at, path), one in rescue.walk.folders.items() if at == target}
    earlier = sum(count for (at, _), count in rescue.copied_before.items() if at == target)
    failures = [one.failures for one in folders.values()]
    mark = sha256()
    for path, one in sorted(folders.items()):
        mark.update(f"{path} {_said(one)}\n".encode())
    examples = [f"{path}: {_why(one)}" for path, one in sorted(folders.items()) if _why(one)]
    return Rescued(
        copied=earlier + sum(one.copied for one in folders.values()),
        failed=sum(one.failed for one in failures),
        damaged=sum(one.not_found for one in failures),
        tags_failed=sum(one.tags_failed for one in failures),
        unended=sum(not one.is_clean and not one.failures for one in folders.values()),
        examples=tuple(examples[:_EXAMPLES]),
        last=last,
        mark=mark.hexdigest(),
    )


def _said(folder: Folder) -> tuple[int, int, int, bool]:
    failures = folder.failures
    return folder.copied, failures.failed, failures.tags_failed, folder.is_clean


def _why(folder: Folder) -> str:
    failures = folder.failures
    return next(iter([*failures.examples, *failures.lost, *failures.odd]), "")
