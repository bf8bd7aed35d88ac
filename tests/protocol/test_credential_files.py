"""What is in a credential file may be anything, and none of it may be seen or lead astray."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.errors import BAD_CREDENTIALS, MigrateError
from gcr_migrate.google.adc import CredentialFile
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HIDDEN: Final = "hunter2"
KEY: Final[dict[str, Any]] = {
    "type": "service_account",
    "client_email": "robot@acme.iam.gserviceaccount.com",
    "private_key_id": HIDDEN,
    "private_key": f"-----BEGIN PRIVATE KEY-----\n{HIDDEN}\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
}
USER: Final[dict[str, Any]] = {
    "type": "authorized_user",
    "client_id": "client",
    "client_secret": HIDDEN,
    "refresh_token": HIDDEN,
    "expiry": "",
}
FEDERATED: Final[dict[str, Any]] = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "service_account_impersonation": {},
    "credential_source": {"file": "/nowhere"},
}
ODD: Final[tuple[Any, ...]] = (5, True, [HIDDEN], {"a": HIDDEN}, f"http://[{HIDDEN}", "\x00")
SOURCES: Final[tuple[Any, ...]] = (
    HIDDEN,
    [HIDDEN],
    {"file": 5},
    {"file": "/"},
    {"url": "http://[x"},
    {"url": 5},
    {"url": "http://127.0.0.1:1/", "headers": HIDDEN},
    {"url": "http://127.0.0.1:1/", "headers": {"a": 5}},
    {"file": "/nowhere", "format": HIDDEN},
    {"executable": HIDDEN},
    {"executable": {"command": 5}},
    {"certificate": HIDDEN},
)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """Connections that may go nowhere."""
    wire = Wire(Endpoints.load("{}", "endpoints.yaml"), Backoff(tries=1))
    yield wire
    asyncio.run(wire.close())


def refusal(wire: Wire, info: dict[str, Any]) -> MigrateError | None:
    """Make a file's credentials and ask for a token; return what was raised."""

    async def ask() -> None:
        file = CredentialFile("key.json", info, wire, wire)
        try:
            await file.fetch(fresh=False)
        finally:
            file.close()

    try:
        asyncio.run(ask())
    except MigrateError as error:
        return error
    return None


@pytest.mark.parametrize("info", [KEY, USER, FEDERATED], ids=lambda info: str(info["type"]))
def test_no_odd_value_of_a_file_is_shown_or_a_defect(wire: Wire, info: dict[str, Any]) -> None:
    """Whatever stands where a text should be, it is the file's problem, told without its text."""
    for key in [*info, "universe_domain", "quota_project_id", "revoke_url"]:
        for odd in ODD:
            error = refusal(wire, {**info, key: odd})
            assert error is not None
            assert HIDDEN not in str(error), key


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_no_odd_source_of_identity_is_shown_or_a_defect(
    wire: Wire, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same goes for what a file says about where its identity is."""
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    error = refusal(wire, {**FEDERATED, "credential_source": source})
    assert error is not None
    assert error.problem is BAD_CREDENTIALS
    assert HIDDEN not in str(error)


def test_a_number_is_no_file_to_read_identity_from(wire: Wire) -> None:
    """Python would take it for an open file of this process, and close it."""
    mine = os.dup(0)
    refusal(wire, {**FEDERATED, "credential_source": {"file": mine}})
    os.close(mine)


@pytest.mark.parametrize(
    "url",
    [
        "http://::1%x@evil.example/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com@evil.example/token",
        "https://evil.example/oauth2.googleapis.com",
        "http://oauth2.googleapis.com/token",
        "//oauth2.googleapis.com/token",
    ],
)
@pytest.mark.parametrize("key", ["token_uri", "token_url", "service_account_impersonation_url"])
def test_no_look_alike_gets_what_proves_who_we_are(wire: Wire, key: str, url: str) -> None:
    """A file that names a stranger's host is refused before anything is sent."""
    error = refusal(wire, {**KEY, key: url})
    assert error is not None
    assert error.problem is BAD_CREDENTIALS
    assert "not Google's" in error.saw


def test_a_universe_that_is_null_is_googles_own(wire: Wire) -> None:
    """It is not taken for another universe, in which a key would stand for itself."""
    assert refusal(wire, {**KEY, "universe_domain": None}) is not None
    error = refusal(wire, {**USER, "universe_domain": None})
    assert error is not None
    assert error.problem.code == "endpoint-unmapped"  # the way to Google's own


def test_a_directory_in_the_place_of_a_file_is_told(tmp_path: Path, wire: Wire) -> None:
    """An identity that cannot be read is the file's problem."""
    error = refusal(wire, {**FEDERATED, "credential_source": {"file": str(tmp_path)}})
    assert error is not None
    assert error.problem is BAD_CREDENTIALS
