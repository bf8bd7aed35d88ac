"""What is asked for once more is counted, whatever it is asked again for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.wire.pilot import Pilot
from tests.asking import using
from tests.scripted import Answer, Asked

if TYPE_CHECKING:
    from gcr_migrate.registry.client import RegistryClient

LIST = {"name": "app", "tags": ["1"]}


@pytest.mark.parametrize(
    "first",
    [Answer(503), Answer(body='{"name": "app", "tags": ["1"'), Answer(404, "lost")],
    ids=["no answer", "half of a list", "an answer of nobody's"],
)
def test_a_request_that_is_sent_once_more_is_counted_once(first: Answer) -> None:
    """A list that was cut short, or asked for again as its registry is there, too."""
    pilot, answers, asked = Pilot(), [first], list[str]()

    def registry(one: Asked) -> Answer:
        asked.append(one.target)
        if "/tags/list" not in one.target:
            return Answer()
        return answers.pop() if answers else Answer(body=LIST)

    async def ask(client: RegistryClient) -> int:
        return len((await client.listing("app")).tags)

    assert using(registry, ask, pilot=pilot) == 1

    assert not answers
    assert pilot.traffic.retried == 1
    assert pilot.traffic.requests == len(asked)
