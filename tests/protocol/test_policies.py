"""Artifact Registry's repositories and operations, where the service is awkward.

Answers are scripted; the usual course runs against the sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.settings import RepositorySettings
from tests import google_clients as clients
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gcr_migrate.google.repositories import ArtifactRegistry

RESOURCE = "projects/example.com:builds/locations/us/repositories/team"


class Service(Scripted):
    """Gives scripted answers: for a method, the last one again and again."""

    def __init__(self, **answers: list[tuple[int, dict[str, Any]]]) -> None:
        super().__init__(self._next)
        self._answers = answers

    def _next(self, asked: Asked) -> Answer:
        answers = self._answers[asked.method]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return Answer(status, body)


def using(service: Service, work: Callable[[ArtifactRegistry], Awaitable[object]]) -> object:
    """Work with a client of this service."""
    with service:
        return clients.using(service.endpoints, lambda all_: work(all_.repositories), "t")


def shown(**more: Any) -> tuple[int, dict[str, Any]]:
    """Return an answer with the repository."""
    return 200, {"name": RESOURCE, "format": "DOCKER"} | more


NOT_THE_SERVICE: list[Any] = [{}, {"version": 1}, "<html>sign in</html>"]


@pytest.mark.parametrize("body", NOT_THE_SERVICE)
def test_a_page_is_no_repository(body: Any) -> None:
    """Who is not told its name does not take a repository for there."""
    with pytest.raises(MigrateError, match="bad-reply"):
        using(Service(GET=[(200, body)]), lambda client: client.get(RESOURCE))


@pytest.mark.parametrize("body", NOT_THE_SERVICE)
def test_a_page_is_no_operation(body: Any) -> None:
    """What says nothing of an operation is not waited for."""
    begun = {"name": "projects/p/locations/us/operations/1"}
    service = Service(POST=[(200, begun)], GET=[(200, body)])
    with pytest.raises(MigrateError, match="bad-reply"):
        using(service, lambda client: client.create(RESOURCE, RepositorySettings()))


def test_an_operation_is_awaited() -> None:
    """Create returns when the service says done and shows the repository."""
    name = "projects/p/locations/us/operations/1"
    waiting, done = {"name": name}, {"name": name, "done": True}
    service = Service(POST=[(200, waiting)], GET=[(200, waiting), (200, done), shown()])
    using(service, lambda client: client.create(RESOURCE, RepositorySettings("d")))
    first = service.asked[0]
    assert first.method == "POST"
    assert (
        "projects/example.com%3Abuilds/locations/us/repositories?repositoryId=team" in first.target
    )
    scans_off = {"vulnerabilityScanningConfig": {"enablementConfig": 2}}  # as numbers
    assert first.json() == {"format": 1, "mode": 1, "description": "d"} | scans_off
    assert len(service.asked) == 4


def test_an_operation_that_failed_is_quoted() -> None:
    """The service's own words come out."""
    error = {"name": "projects/x", "done": True, "error": {"code": 9, "message": "no such key"}}
    service = Service(POST=[(200, error)])
    with pytest.raises(MigrateError, match=r"operation-failed.*no such key"):
        using(service, lambda client: client.create(RESOURCE, RepositorySettings()))


@pytest.mark.parametrize(
    "answer",
    [(409, {"error": {}}), (200, {"name": "projects/x", "done": True, "error": {"code": 6}})],
    ids=["at-once", "by-the-operation"],
)
def test_a_repository_that_is_there_is_fine(answer: tuple[int, dict[str, Any]]) -> None:
    """Somebody else was first."""
    service = Service(POST=[answer], GET=[shown()])
    using(service, lambda client: client.create(RESOURCE, RepositorySettings()))


def test_a_repository_that_is_still_being_created_is_waited_for() -> None:
    """A run that was killed while it created one goes on when the service shows it."""
    missing: tuple[int, dict[str, Any]] = (404, {"error": {"status": "NOT_FOUND"}})
    service = Service(POST=[(409, {"error": {}})], GET=[missing, shown()])
    using(service, lambda client: client.create(RESOURCE, RepositorySettings()))
    assert [one.method for one in service.asked] == ["POST", "GET", "GET"]


def test_a_repository_under_another_key_is_refused() -> None:
    """The key cannot be changed once the first image is there, so nothing is written."""
    service = Service(POST=[(409, {"error": {}})], GET=[shown(kmsKeyName="other")])
    with pytest.raises(MigrateError, match=r"repository-differs.*other, not wanted"):
        using(service, lambda client: client.create(RESOURCE, RepositorySettings(kms_key="wanted")))


@pytest.mark.parametrize("body", [{"format": "NPM"}, {"mode": "REMOTE_REPOSITORY"}])
def test_a_repository_of_another_kind_is_refused(body: dict[str, Any]) -> None:
    """Images cannot be written into it."""
    with pytest.raises(MigrateError, match="repository-differs"):
        using(Service(GET=[shown(**body)]), lambda client: client.get(RESOURCE))


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (403, "denied"), (500, "server-error")]
)
def test_refusals_have_their_problem(status: int, code: str) -> None:
    """Google's own words are quoted, and the resource is named."""
    answer = (status, {"error": {"status": "X_Y", "message": "words"}})
    with pytest.raises(MigrateError) as raised:
        using(Service(GET=[answer]), lambda client: client.get(RESOURCE))
    assert raised.value.problem.code == code
    assert raised.value.subject == RESOURCE
    assert raised.value.saw == f"{status} X_Y words"
