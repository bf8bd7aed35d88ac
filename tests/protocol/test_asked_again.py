"""What is asked for once more is counted, whatever it is asked again for."""

from __future__ import annotations

import asyncio

import pytest

from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.dialect import DISTRIBUTION
from gcr_migrate.model.login import Login
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.scripted import Answer, Asked, Scripted

LIST = {"name": "app", "tags": ["1"]}


@pytest.mark.parametrize(
    "first",
    [Answer(503), Answer(body='{"name": "app", "tags": ["1"'), Answer(404, "lost")],
    ids=["no answer", "half of a list", "an answer of nobody's"],
)
def test_a_request_that_is_sent_once_more_is_counted_once(first: Answer) -> None:
    """A list that was cut short, or asked for again as its registry is there, too."""
    pilot, answers = Pilot(), [first]

    def registry(asked: Asked) -> Answer:
        if "/tags/list" not in asked.target:
            return Answer()
        return answers.pop() if answers else Answer(body=LIST)

    async def ask(host: str) -> int:
        async with Wire(Endpoints(), Backoff(tries=2, base_s=0.001), pilot=pilot) as wire:
            client = RegistryClient(host, wire, Credentials(Login(), {}, wire), DISTRIBUTION)
            return len((await client.listing("app")).tags)

    with Scripted(registry) as server:
        assert asyncio.run(ask(server.url.removeprefix("http://"))) == 1

    assert not answers
    assert pilot.traffic.retried == 1
    assert pilot.traffic.requests == len(server.asked)
