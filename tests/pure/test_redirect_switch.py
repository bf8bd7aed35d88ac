"""A change of the setting: what was written is known from the service, whatever it answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError, Problem
from gcr_migrate.model.cloud import Redirection, RedirectSettings
from gcr_migrate.redirect.switch import Switched, switch

OFF = RedirectSettings(Redirection.DISABLED, Redirection.DISABLED.value)
ON = RedirectSettings(Redirection.ENABLED, Redirection.ENABLED.value)
FUTURE = RedirectSettings(Redirection.UNKNOWN, "REDIRECTION_FROM_GCR_IO_BETTER")


@dataclass
class Service:
    """A project's setting whose answers are written down beforehand.

    Attributes:
        reads: what comes for each read, in order.
        answer: what comes for the write; None for success.
        written: what was written.
    """

    reads: list[RedirectSettings | MigrateError]
    answer: MigrateError | None = None
    written: list[str] = field(default_factory=list)

    async def redirection(self, project: str) -> RedirectSettings:
        """Read."""
        assert project == "builds"
        found = self.reads.pop(0)
        if isinstance(found, MigrateError):
            raise found
        return found

    async def redirect(self, project: str, word: str) -> None:
        """Write."""
        assert project == "builds"
        self.written.append(word)
        if self.answer:
            raise self.answer


def failed(problem: Problem) -> MigrateError:
    """A failure of the service."""
    return MigrateError(problem, subject="projects/builds/projectSettings", saw="504")


def made(service: Service, seen: RedirectSettings = OFF) -> Switched:
    """Enable the redirect."""
    return asyncio.run(switch("builds", seen, Redirection.ENABLED, service))


def test_it_is_written_once_and_read_back() -> None:
    """The state that was read back is what is told, without a note."""
    service = Service([OFF, ON])
    assert made(service) == Switched(OFF, ON)
    assert service.written == [Redirection.ENABLED.value]


@pytest.mark.parametrize("before", [ON, FUTURE, RedirectSettings(OFF.state, OFF.word, 40)])
def test_what_changed_since_the_plan_is_left_alone(before: RedirectSettings) -> None:
    """Where the setting is not what the gates were judged by, nothing is written."""
    service = Service([before])
    with pytest.raises(MigrateError) as refused:
        made(service)
    assert refused.value.problem is errors.REDIRECT_CONFLICT
    assert before.word in refused.value.saw
    assert not service.written


@pytest.mark.parametrize("problem", [errors.UNREACHABLE, errors.SERVER_ERROR, errors.BAD_REPLY])
def test_a_lost_answer_is_settled_by_reading(problem: Problem) -> None:
    """Read back as written it is made, with a note; read as before the loss is what is told."""
    switched = made(Service([OFF, ON], failed(problem)))
    assert (switched.after, problem.code in switched.note) == (ON, True)
    with pytest.raises(MigrateError) as lost:
        made(Service([OFF, OFF], failed(problem)))
    assert lost.value.problem is problem
    assert "as before" in lost.value.saw


def test_what_cannot_be_read_back_is_unsettled() -> None:
    """Without a word after the write nobody knows, whether an answer came or not."""
    for answer in (None, failed(errors.SERVER_ERROR)):
        with pytest.raises(MigrateError) as open_:
            made(Service([OFF, failed(errors.UNREACHABLE)], answer))
        assert open_.value.problem is errors.REDIRECT_UNSETTLED


@pytest.mark.parametrize("answer", [None, errors.SERVER_ERROR])
def test_somebody_elses_state_read_back_is_a_conflict(answer: Problem | None) -> None:
    """A third state after the write is told with both words; so is the old one after a 200."""
    service = Service([OFF, FUTURE], failed(answer) if answer else None)
    with pytest.raises(MigrateError) as conflict:
        made(service)
    assert conflict.value.problem is errors.REDIRECT_CONFLICT
    assert FUTURE.word in conflict.value.saw
    with pytest.raises(MigrateError) as ignored:
        made(Service([OFF, OFF]))
    assert ignored.value.problem is errors.REDIRECT_CONFLICT


@pytest.mark.parametrize("problem", [errors.DENIED, errors.AGENT_DENIED, errors.REDIRECT_CONFLICT])
def test_a_refusal_is_told_as_it_came(problem: Problem) -> None:
    """What was refused changed nothing, and is not read again."""
    service = Service([OFF], failed(problem))
    with pytest.raises(MigrateError) as refused:
        made(service)
    assert refused.value.problem is problem
