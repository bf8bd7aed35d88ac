"""Writes the redirect setting: one request, and what became of it is read from the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from gcr_migrate.interfaces import SettingsWriter
    from gcr_migrate.model.cloud import Redirection, RedirectSettings

# After these the change may have come through or not.
_OPEN: Final = frozenset({errors.UNREACHABLE, errors.SERVER_ERROR, errors.BAD_REPLY})


class Switched(Struct, frozen=True):
    """A change that was made.

    Attributes:
        before: the setting as it was read just before.
        after: the setting as it was read back.
        note: what was odd about it; empty for nothing.
    """

    before: RedirectSettings
    after: RedirectSettings
    note: str = ""


async def switch(
    project: str, seen: RedirectSettings, target: Redirection, settings: SettingsWriter
) -> Switched:
    """Write a state in the place of the one that the gates were judged by.

    The service knows no etag here: the setting is read before and after, so that somebody else's
    change is told, though one in the same moment cannot be kept out.

    Args:
        project: id of the project.
        seen: the setting as the plan saw it.
        target: the state to write.
        settings: reads and writes it.

    Raises:
        MigrateError: REDIRECT_CONFLICT if somebody else changed it; REDIRECT_UNSETTLED if it is
            not known what was written; whatever the service refused the change with, when nothing
            was changed.
    """
    subject = f"projects/{project}/projectSettings"
    before = await settings.redirection(project)
    if (before.word, before.pull_percent) != (seen.word, seen.pull_percent):
        saw = f"it was {_told(seen)} and is {_told(before)}; nothing was written"
        raise MigrateError(errors.REDIRECT_CONFLICT, subject=subject, saw=saw)
    lost: MigrateError | None = None
    try:
        await settings.redirect(project, target.value)
    except MigrateError as error:
        if error.problem not in _OPEN:
            raise
        lost = error
    try:
        after = await settings.redirection(project)
    except MigrateError as error:
        saw = f"{target.value} was sent{_answered(lost)}; then {error.told}"
        raise MigrateError(errors.REDIRECT_UNSETTLED, subject=subject, saw=saw) from error
    if after.state is target:
        note = f"no answer came ({lost.told}), and it was read back as written" if lost else ""
        return Switched(before, after, note)
    if lost and after.word == before.word:
        still = "as before; it may come through late"
        saw = f"{lost.told}; read again it is {_told(after)}, {still}"
        raise MigrateError(lost.problem, subject=subject, saw=saw) from lost
    saw = f"{target.value} was written{_answered(lost)}, and {_told(after)} was read back"
    raise MigrateError(errors.REDIRECT_CONFLICT, subject=subject, saw=saw)


def _answered(lost: MigrateError | None) -> str:
    return f" ({lost.told})" if lost else ""


def _told(settings: RedirectSettings) -> str:
    percent = settings.pull_percent
    return settings.word if percent is None else f"{settings.word} ({percent}%)"
