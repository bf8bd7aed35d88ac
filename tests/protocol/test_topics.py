"""Who listens to a topic, and what a virtual repository stands over: answers of all kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import BAD_REPLY, DENIED, REPOSITORY_DIFFERS, MigrateError
from gcr_migrate.model.cloud import Subscriber
from tests.google_clients import using
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "projects/builds/subscriptions/s"
IMAGES = "projects/builds/locations/us/repositories/images"


def _subscribers(answer: Callable[[Asked], Answer]) -> tuple[tuple[str, ...], list[str]]:
    with Scripted(answer) as service:
        found = using(
            service.endpoints, lambda one: one.topics.subscribers("example.com:p", "gcr"), "t"
        )
        return found, [one.target for one in service.asked]


def _subscriber(body: dict[str, Any], status: int = 200) -> Subscriber | None:
    with Scripted(lambda _: Answer(status, body)) as service:
        return using(service.endpoints, lambda one: one.topics.subscriber(NAME), "t")


def test_a_list_of_names_is_read_to_its_end() -> None:
    """Page by page; a project that a domain scopes is quoted."""

    def answer(asked: Asked) -> Answer:
        if "pageToken=next" in asked.target:
            return Answer(body={"subscriptions": ["projects/a/subscriptions/s"]})
        return Answer(body={"subscriptions": [NAME], "nextPageToken": "next"})

    names, asked = _subscribers(answer)
    assert names == ("projects/a/subscriptions/s", NAME)
    assert asked[0] == "/v1/projects/example.com%3Ap/topics/gcr/subscriptions?pageSize=1000"
    assert _subscribers(lambda _: Answer())[0] == ()
    assert _subscribers(lambda _: Answer(404))[0] == ()


@pytest.mark.parametrize(
    ("body", "kind", "to"),
    [
        ({}, "pull", ""),
        ({"pushConfig": {"pushEndpoint": ""}}, "pull", ""),
        ({"pushConfig": {"pushEndpoint": "https://a.example/x"}}, "push", "https://a.example/x"),
        ({"bigqueryConfig": {"table": "p.d.t"}}, "BigQuery export", "p.d.t"),
        ({"cloudStorageConfig": {"bucket": "b"}}, "Cloud Storage export", "b"),
        ({"pubsubExportConfig": {"topic": "t"}}, "Pub/Sub export", "t"),
        ({"pushConfig": "odd", "bigqueryConfig": []}, "pull", ""),
    ],
)
def test_a_subscription_pushes_exports_or_waits(body: dict[str, Any], kind: str, to: str) -> None:
    """Told by which member of it is filled."""
    more = {"state": "ACTIVE", "filter": "f", "detached": True}
    assert _subscriber(body | more) == Subscriber(NAME, kind, to, "f", "ACTIVE", detached=True)
    assert _subscriber({}, 404) is None


def test_answers_that_are_none_are_told() -> None:
    """A refusal, names that are no texts, pages that do not end."""
    with pytest.raises(MigrateError) as caught:
        _subscribers(lambda _: Answer(403))
    assert caught.value.problem is DENIED
    wrong: list[dict[str, Any]] = [{"subscriptions": [{}]}, {"subscriptions": "s"}]
    for body in [*wrong, {"nextPageToken": "again"}]:
        with pytest.raises(MigrateError) as caught:
            _subscribers(lambda _, body=body: Answer(body=body))  # type: ignore[misc]
        assert caught.value.problem is BAD_REPLY


def _upstreams(body: dict[str, Any], status: int = 200) -> tuple[str, ...] | None:
    with Scripted(lambda _: Answer(status, body)) as service:
        return using(service.endpoints, lambda one: one.repositories.upstreams(IMAGES), "t")


def test_upstreams_come_by_their_priority() -> None:
    """The highest first, whatever order the service shows."""
    policies = [{"id": "a", "repository": "a", "priority": 1}, {"id": "b", "repository": "b"}]
    policies.append({"id": "c", "repository": "c", "priority": 100})
    body = {"name": IMAGES, "format": "DOCKER", "mode": "VIRTUAL_REPOSITORY"}
    config = {"virtualRepositoryConfig": {"upstreamPolicies": policies}}
    assert _upstreams(body | config) == ("c", "a", "b")
    assert _upstreams(body) == ()
    assert _upstreams({}, 404) is None
    for other in ({"mode": "STANDARD_REPOSITORY"}, {"mode": ""}, {"format": "MAVEN"}):
        with pytest.raises(MigrateError) as caught:
            _upstreams(body | other)
        assert caught.value.problem is REPOSITORY_DIFFERS
