"""How the sandbox serves: without delay, and to an end at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from gcr_migrate.sandbox.app import running

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NO_DELAY_S = 0.03  # a head that waits for its acknowledgement takes 0.04 and more


def test_an_answer_does_not_wait_for_its_heads_acknowledgement(tmp_path: Path) -> None:
    """Head and body of an answer follow each other, however many answers went before."""
    took = []
    with running("builds", tmp_path) as box, httpx.Client() as client:
        for _ in range(25):
            began = time.perf_counter()
            client.get(f"{box.addresses['us.gcr.io']}/v2/")
            took.append(time.perf_counter() - began)
    assert min(took[10:]) < NO_DELAY_S  # all would take longer, and a busy machine delays some


def test_it_ends_while_it_holds_a_request(tmp_path: Path) -> None:
    """Whoever waits for an answer then is told by the end of the connection, and soon."""
    took = [_end_of_one_that_holds_a_request(tmp_path / str(number)) for number in range(3)]
    assert min(took) < 0.9  # uvicorn's own end would give it a second


def _end_of_one_that_holds_a_request(folder: Path) -> float:
    """Return how long it took; whoever was held is told."""
    with ThreadPoolExecutor(1) as threads:
        with running("builds", folder) as box:
            rule = {"host": "us.gcr.io", "delay_s": 600}
            httpx.post(f"{box.control_url}/faults", json=rule)
            url = f"{box.addresses['us.gcr.io']}/v2/"
            asked = threads.submit(httpx.get, url, timeout=120)
            while not httpx.get(f"{box.control_url}/requests").json():
                time.sleep(0.01)
            began = time.monotonic()
        took_s = time.monotonic() - began
        with pytest.raises(httpx.TransportError):
            asked.result(60)
    return took_s
