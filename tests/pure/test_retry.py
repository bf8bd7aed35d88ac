"""When something is tried again: claims about pauses and about what is never repeated."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import DENIED, SERVER_ERROR, MigrateError
from gcr_migrate.wire.replies import Reply, problem_of
from gcr_migrate.wire.retry import Backoff, TransientError, persistently, retry_after

# Has no descriptor left when something fails, as it is told for people.
NOTHING_CAN_BE_OPENED = """\
import asyncio, resource
from gcr_migrate import logs
from gcr_migrate.errors import UNREACHABLE
from gcr_migrate.wire.retry import Backoff, TransientError, persistently

async def fail():
    made.append(1)
    raise TransientError(UNREACHABLE, subject="x")

async def work():
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    await persistently(fail, Backoff(tries=3, base_s=0))

made = []
logs.set_up(as_json=False)
try:
    asyncio.run(work())
except TransientError:
    print(len(made))
"""
NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


async def _attempts(backoff: Backoff, error: MigrateError) -> int:
    """Raise the error at each attempt; return how many there were."""
    made = 0

    async def fail() -> None:
        nonlocal made
        made += 1
        raise error

    with pytest.raises(MigrateError) as raised:
        await persistently(fail, backoff)
    assert raised.value is error
    return made


def test_retry_after_reads_seconds() -> None:
    """A number of seconds is taken as it is."""
    assert retry_after("7", NOW) == 7


def test_retry_after_reads_a_date() -> None:
    """An HTTP date is a pause from now until then."""
    assert retry_after(format_datetime(NOW + timedelta(seconds=30), usegmt=True), NOW) == 30


def test_a_date_in_the_past_asks_for_no_pause() -> None:
    """A clock that is ahead gives no negative pause."""
    assert retry_after(format_datetime(NOW - timedelta(hours=1), usegmt=True), NOW) == 0


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "Thu, 99 Foo 2026"])
def test_retry_after_ignores_what_it_cannot_read(text: str | None) -> None:
    """A header that says nothing usable asks for no pause."""
    assert retry_after(text, NOW) is None


@given(st.text())
def test_retry_after_is_bounded(text: str) -> None:
    """No server, whatever it sends, can make the tool wait longer than two minutes."""
    assert 0 <= (retry_after(text, NOW) or 0) <= 120


@given(st.integers(0, 10**30))
def test_retry_after_in_seconds_is_bounded(seconds: int) -> None:
    """The bound holds for huge numbers too."""
    assert 0 <= (retry_after(str(seconds), NOW) or 0) <= 120


def test_transient_problems_are_tried_as_often_as_set() -> None:
    """The last error comes out as it was raised, after exactly the tries that are set."""
    error = TransientError(SERVER_ERROR, subject="x")
    assert asyncio.run(_attempts(Backoff(tries=4, base_s=0), error)) == 4


def test_what_failed_as_nothing_can_be_opened_is_tried_again() -> None:
    """Trying again opens no file: descriptors that ran out are back at a later try."""
    done = subprocess.run(
        [sys.executable, "-c", NOTHING_CAN_BE_OPENED], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_other_problems_are_never_tried_again() -> None:
    """What cannot get better is raised at once."""
    assert (
        asyncio.run(_attempts(Backoff(tries=4, base_s=0), MigrateError(DENIED, subject="x"))) == 1
    )


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "request-refused", False),
        (401, "unauthorized", False),
        (403, "denied", False),
        (404, "name-unknown", False),
        (405, "unsupported", False),
        (408, "unreachable", True),
        (409, "request-refused", False),
        (412, "request-refused", False),
        (413, "request-refused", False),
        (416, "request-refused", False),
        (429, "too-many-requests", True),
        (499, "server-error", True),
        (500, "server-error", True),
        (501, "server-error", False),
        (502, "server-error", True),
        (503, "server-error", True),
        (504, "server-error", True),
        (307, "bad-reply", False),
    ],
)
def test_each_status_is_a_problem(status: int, code: str, *, transient: bool) -> None:
    """Each status has its problem, and only those that can get better are transient."""
    error = problem_of(Reply(status, {}, b"plain words", "https://h/x?secret=1"), "h/x")
    assert error.problem.code == code
    assert isinstance(error, TransientError) is transient


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("gcr.io", "not-migrated"),
        ("eu.gcr.io", "not-migrated"),
        ("us-docker.pkg.dev", "not-migrated"),
        ("harbor.example", "request-refused"),
        ("127.0.0.1:5000", "request-refused"),
        ("gcr.io.harbor.example", "request-refused"),
    ],
)
def test_412_is_the_end_of_container_registry_at_google_s_hosts_only(host: str, code: str) -> None:
    """Of any other registry it is a request that was refused, such as for a tag that stays."""
    reply = Reply(412, {}, b"plain words", f"https://{host}/v2/p/x/tags/list")
    assert problem_of(reply, "h/x").problem.code == code


def test_412_with_an_error_body_is_a_refused_request() -> None:
    """Only Container Registry's plain text says that a project was never migrated."""
    body = b'{"errors": [{"code": "FAILED_PRECONDITION", "message": "tag is immutable"}]}'
    error = problem_of(Reply(412, {}, body, "https://gcr.io/v2/p/x"), "h/x")
    assert error.problem.code == "request-refused"
    assert error.saw == "412 FAILED_PRECONDITION tag is immutable"


@pytest.mark.parametrize(
    ("body", "saw"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "no\\nway"}]}', "403 DENIED no way"),
        (
            b'{"error": {"status": "PERMISSION_DENIED", "message": "no"}}',
            "403 PERMISSION_DENIED no",
        ),
        (b"plain \x1b[31mtext", "403 plain [31mtext"),
        (b"", "403"),
        (b"[" * 100_000, "403 " + "[" * 500),
    ],
)
def test_the_words_of_a_service_are_shown_on_one_line(body: bytes, saw: str) -> None:
    """Errors of registries, of Google's APIs and plain text all come out short and printable."""
    assert problem_of(Reply(403, {}, body, ""), "h/x").saw == saw
