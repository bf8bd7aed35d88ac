"""Doctor's questions where services do not behave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gcr_migrate.doctor import ask
from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.wire.pilot import PATIENCE_S

if TYPE_CHECKING:
    import pytest


def test_a_question_that_is_never_answered_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is an answer after a while, and takes nothing from a question beside it."""
    monkeypatch.setattr(ask, "SILENCE_S", 0.02)

    async def silent() -> str:
        await asyncio.Event().wait()
        return "never"

    async def quick() -> str:
        return "well"

    async def both() -> list[str | MigrateError]:
        async with asyncio.TaskGroup() as group:
            tasks = [ask.beside(group, silent()), ask.beside(group, quick())]
        return [task.result() for task in tasks]

    silence, answer = asyncio.run(both())
    assert answer == "well"
    assert isinstance(silence, MigrateError)
    assert silence.problem is UNREACHABLE
    assert "no answer within" in silence.saw


def test_doctor_is_less_patient_than_a_copy() -> None:
    """A quota that is used up is told as such, before the silence would be."""
    assert ask.QUOTA_PATIENCE_S < ask.SILENCE_S < PATIENCE_S
