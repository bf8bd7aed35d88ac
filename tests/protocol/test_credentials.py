"""Where credentials come from, and where they may go."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.login import Login
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.secret import Secret
from gcr_migrate.wire.transport import Wire

if TYPE_CHECKING:
    from pathlib import Path

HOST = "registry.example:5000"
NOWHERE = Endpoints.load("{}", "endpoints.yaml")  # no test may reach a metadata server


def auth(text: str) -> dict[str, str]:
    """Return an entry as `docker login` writes it."""
    return {"auth": base64.b64encode(text.encode()).decode()}


def config(tmp_path: Path, **body: object) -> dict[str, str]:
    """Write a Docker configuration; return the environment that leads to it."""
    (tmp_path / "config.json").write_text(json.dumps(body))
    return {"DOCKER_CONFIG": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}


def helper(tmp_path: Path, script: str, name: str = "test") -> None:
    """Write a credential helper."""
    path = tmp_path / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\nread host\n{script}\n")
    path.chmod(0o755)


def found(environ: dict[str, str], host: str = HOST, file: Path | None = None) -> object:
    """Return user and revealed password for a host, or None."""

    async def ask() -> object:
        async with Wire(NOWHERE) as wire:
            login = Login(access_token_file=str(file or ""))
            pair = await Credentials(login, environ, wire).for_host(host)
            return (pair[0], pair[1].reveal()) if pair else None

    return asyncio.run(ask())


def refusal(environ: dict[str, str], host: str = HOST, file: Path | None = None) -> str:
    """Return the words of BAD_CREDENTIALS."""
    with pytest.raises(MigrateError) as raised:
        found(environ, host, file)
    assert raised.value.problem.code == "bad-credentials"
    return str(raised.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    """No way of printing gives the text away."""
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")


@pytest.mark.parametrize(
    "host", ["gcr.io", "us.gcr.io", "us-docker.pkg.dev", "artifactregistry.googleapis.com"]
)
def test_an_access_token_goes_to_google(host: str) -> None:
    """Google's hosts get the token as the password of a fixed user."""
    environ = {"GCR_MIGRATE_ACCESS_TOKEN": "ya29.t\n"}
    assert found(environ, host) == ("oauth2accesstoken", "ya29.t")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:5000", "gcr.io.evil.example", "evilgcr.io", "us-docker.pkg.dev.evil.example"],
)
def test_an_access_token_goes_nowhere_else(host: str) -> None:
    """A name that only looks like Google's gets nothing."""
    assert found({"GCR_MIGRATE_ACCESS_TOKEN": "ya29.t"}, host) is None


def test_the_token_file_comes_before_the_variable_and_is_read_each_time(tmp_path: Path) -> None:
    """A file that is renewed during a run counts from the next use on."""
    file = tmp_path / "token"

    async def ask() -> None:
        async with Wire(NOWHERE) as wire:
            login = Login(access_token_file=str(file))
            credentials = Credentials(login, {"GCR_MIGRATE_ACCESS_TOKEN": "env"}, wire)
            for text in ("first", "second"):
                file.write_text(f"{text}\n")  # a test has nothing else to do
                assert await credentials.api_headers() == {"authorization": f"Bearer {text}"}

    asyncio.run(ask())


@pytest.mark.parametrize("text", ["", "\n", "two words", "two\nlines"])
def test_a_token_file_holds_one_token(tmp_path: Path, text: str) -> None:
    """Anything else is refused, and its text is not repeated."""
    file = tmp_path / "token"
    file.write_text(text)
    assert "two" not in refusal({}, "gcr.io", file)


def test_a_token_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """The path is in the error."""
    assert str(tmp_path / "none") in refusal({}, "gcr.io", tmp_path / "none")


def test_auths_of_a_host_are_used(tmp_path: Path) -> None:
    """Both ways in which a password can stand there; a colon may be in it."""
    assert found(config(tmp_path, auths={HOST: auth("ada:pass:word")})) == ("ada", "pass:word")
    plain = {"username": "ada", "password": "p"}
    assert found(config(tmp_path, auths={f"https://{HOST}": plain})) == ("ada", "p")


def test_home_has_the_configuration_where_no_variable_names_it(tmp_path: Path) -> None:
    """`~/.docker/config.json` is the place."""
    (tmp_path / ".docker").mkdir()
    config(tmp_path / ".docker", auths={HOST: auth("a:b")})
    assert found({"HOME": str(tmp_path)}) == ("a", "b")


def test_without_an_entry_a_host_is_anonymous(tmp_path: Path) -> None:
    """No file, or nothing in it for this host."""
    assert found({}) is None
    assert found({"DOCKER_CONFIG": str(tmp_path / "none")}) is None
    assert found(config(tmp_path, auths={"other.example": auth("a:b")})) is None


def test_a_helper_of_the_host_comes_before_the_store_and_auths(tmp_path: Path) -> None:
    """It gets the host on stdin, and its answer counts."""
    helper(tmp_path, 'echo "{\\"Username\\": \\"u\\", \\"Secret\\": \\"for $host\\"}"')
    helper(tmp_path, "exit 1", "other")
    environ = config(
        tmp_path, credHelpers={HOST: "test"}, credsStore="other", auths={HOST: auth("a:b")}
    )
    assert found(environ) == ("u", f"for {HOST}")


def test_a_store_that_has_nothing_leaves_it_to_auths(tmp_path: Path) -> None:
    """`credentials not found` is an answer, not an error."""
    helper(tmp_path, 'echo "credentials not found in native keychain"; exit 1')
    environ = config(tmp_path, credsStore="test", auths={HOST: auth("a:b")})
    assert found(environ) == ("a", "b")
    assert found(config(tmp_path, credsStore="test")) is None


def test_a_helper_that_fails_is_quoted(tmp_path: Path) -> None:
    """Helpers tell their errors on stdout."""
    helper(tmp_path, 'echo "keychain is locked"; exit 1')
    assert "keychain is locked" in refusal(config(tmp_path, credsStore="test"))


@pytest.mark.parametrize(
    "body",
    [
        {"credHelpers": {HOST: "not-installed"}},
        {"credsStore": "../evil"},
        {"auths": {HOST: {"auth": "%%%"}}},
        {"auths": {HOST: {"identitytoken": "hunter2"}}},
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, body: dict[str, object]) -> None:
    """A configuration that means to log in never leads to an anonymous call."""
    assert "hunter2" not in refusal(config(tmp_path, **body))


def test_a_broken_configuration_is_refused(tmp_path: Path) -> None:
    """Not JSON: named by its path, not quoted."""
    (tmp_path / "config.json").write_text("hunter2")
    words = refusal({"DOCKER_CONFIG": str(tmp_path)})
    assert "config.json" in words
    assert "hunter2" not in words


def test_what_a_failing_helper_gives_away_is_not_shown(tmp_path: Path) -> None:
    """It may print the password before it fails."""
    helper(tmp_path, """echo '{"Username": "u", "Secret": "hunter2"}'; exit 1""")
    assert "hunter2" not in refusal(config(tmp_path, credsStore="test"))
