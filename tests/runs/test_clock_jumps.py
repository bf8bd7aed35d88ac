"""The clock of this machine jumps in the middle of a run, or was never right."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.sandbox.app import running
from tests.fault_stage import Stage, scenario

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_DAY_S = 86_400.0


@pytest.mark.parametrize("calm_calls", [0, 3])
@pytest.mark.parametrize("jump_s", [-_DAY_S, _DAY_S], ids=["back", "ahead"])
def test_tokens_are_renewed_whatever_the_clock_says(
    jump_s: float, calm_calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of a second, and a clock that jumps by a day after so many looks at it."""
    looks, right = 0, time.time

    def jumping() -> float:
        nonlocal looks
        looks += 1
        return right() + (jump_s if looks > calm_calls else 0.0)

    login = {"type": "authorized_user", "client_id": "c", "client_secret": "s"}
    (tmp_path / "adc.json").write_text(json.dumps({**login, "refresh_token": "1//ada"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    monkeypatch.setenv("HOME", str(tmp_path))
    ada = {"member": "user:ada@example.com", "token": "ya29.ada", "refresh_token": "1//ada"}
    short = {"identities": [ada], "token_lifetime": 1, "access_token_lifetime": 1}
    world = scenario().model_validate({**scenario().model_dump(), **short})
    with running(world, tmp_path / "box") as box:
        stage = Stage(tmp_path, box.endpoints, box.endpoints, box=box)
        stage.fault({"phase": "manifest-write", "delay_s": 0.3})
        with monkeypatch.context() as clock:
            clock.setattr(time, "time", jumping)
            for command in ("plan", "apply", "verify"):
                looks = 0
                told = stage.command(command)
                assert told.exit == 0, told
                assert looks > calm_calls or command != "apply"
        bought = [one for one in box.log.entries if one.host == "oauth2"]
        assert len(bought) <= 15
