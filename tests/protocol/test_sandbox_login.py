"""Where the sandbox's access tokens come from: google-auth and gcloud log in, others cannot."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import google.auth.jwt
import google.oauth2.credentials
import httpx
import pytest
from google.auth import identity_pool
from google.auth.transport.requests import Request

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.logins import (
    ACCOUNT,
    AUDIENCE,
    EMAIL_SCOPE,
    FLAVOR,
    MIDDLE,
    PRINCIPAL,
    ROBOT,
    SCENARIO,
    SCOPE,
    TARGET,
    by_key,
    generate,
    impersonated,
    info,
    new_key,
    puller,
    refreshed,
    with_token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with one of each way to log in."""
    scenario = Scenario.model_validate(SCENARIO)
    with running(scenario, tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture(scope="module")
def key(box: Sandbox) -> dict[str, str]:
    """Return a key of the robot's."""
    return new_key(box, ROBOT)


def test_a_key_buys_tokens_for_its_account(box: Sandbox, key: dict[str, str]) -> None:
    """google-auth signs with a key that the sandbox made, and the token pulls."""
    credentials = by_key(key, SCOPE)

    assert puller(box, with_token(refreshed(credentials))) == f"serviceAccount:{ROBOT}"


def test_a_signed_token_stands_for_itself_at_the_apis(box: Sandbox, key: dict[str, str]) -> None:
    """What Google's clients send for a key, a JWT, is taken there and not by registries."""
    audience = "https://artifactregistry.googleapis.com/"
    credentials = google.auth.jwt.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        key, audience=audience
    )
    bearer: dict[str, str] = {}
    credentials.before_request(Request(), "GET", audience, bearer)

    url = f"{box.addresses['artifact_registry']}/v1/projects/builds/locations/us/repositories"
    assert httpx.get(url, headers=bearer).status_code == 200
    registry = f"{box.addresses['us.gcr.io']}/v2/"
    assert {httpx.get(f"{registry}{one}", headers=bearer).status_code for one in ("", "token")} == {
        401
    }
    assert httpx.get(f"{box.control_url}/requests").json()[-1]["member"].endswith(ROBOT)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_key_is_a_password(box: Sandbox, key: dict[str, str], *, encoded: bool) -> None:
    """`_json_key` takes the file as it is, `_json_key_base64` in one line of base64."""
    text = json.dumps(key, indent=2)
    auth = ("_json_key", text)
    if encoded:
        auth = ("_json_key_base64", base64.b64encode(text.encode()).decode())

    assert puller(box, auth) == f"serviceAccount:{ROBOT}"


def test_a_refresh_token_buys_tokens_for_its_user(box: Sandbox) -> None:
    """The file that `gcloud auth application-default login` leaves works with google-auth."""
    credentials = google.oauth2.credentials.Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token="1//ada",  # noqa: S106  # of the sandbox
        token_uri=f"{box.addresses['oauth2']}/token",
        client_id="client",
        client_secret="secret",  # noqa: S106  # of the sandbox
    )

    assert puller(box, with_token(refreshed(credentials))) == "user:ada@example.com"


def federation(box: Sandbox, subject_file: Path) -> dict[str, Any]:
    """Return what a file of workload identity federation says."""
    return {
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{box.addresses['sts']}/v1/token",
        "credential_source": {"file": str(subject_file)},
    }


def pool(box: Sandbox, subject_file: Path, **more: Any) -> identity_pool.Credentials:
    """Return credentials of another identity provider, whose token lies in a file."""
    info = federation(box, subject_file)
    return identity_pool.Credentials(**info | more, scopes=[SCOPE])  # type: ignore[no-untyped-call]


def test_a_token_of_another_provider_is_exchanged(box: Sandbox, tmp_path: Path) -> None:
    """Workload identity federation ends in a pull as the principal of the pool."""
    (tmp_path / "token").write_text("from-git")

    token = refreshed(pool(box, tmp_path / "token"))

    assert puller(box, with_token(token)) == PRINCIPAL
    told = httpx.post(f"{box.addresses['sts']}/v1/introspect", data={"token": token}).json()
    assert (told["active"], told["username"], "exp" in told) == (True, PRINCIPAL, True)
    endless = httpx.post(f"{box.addresses['sts']}/v1/introspect", data={"token": "ya29.ada"})
    assert "exp" not in endless.json()


def test_another_provider_may_lead_to_a_service_account(box: Sandbox, tmp_path: Path) -> None:
    """A federation file that names a service account ends in a pull as that account."""
    (tmp_path / "token").write_text("from-git")
    url = f"{generate(box, TARGET)}"

    token = refreshed(pool(box, tmp_path / "token", service_account_impersonation_url=url))

    assert puller(box, with_token(token)) == f"serviceAccount:{TARGET}"


def test_delegates_lead_to_the_account_that_one_acts_as(box: Sandbox, key: dict[str, str]) -> None:
    """The robot may act as the middle, and the middle as the target: so does google-auth."""
    token = refreshed(impersonated(box, key, [MIDDLE]))

    assert puller(box, with_token(token)) == f"serviceAccount:{TARGET}"


@pytest.mark.slow
def test_tokeninfo_tells_whose_a_token_is(box: Sandbox, key: dict[str, str]) -> None:
    """With the scope for it the email is told, without it only the scope and the end."""
    told = info(box, refreshed(by_key(key, SCOPE, EMAIL_SCOPE)))
    bare = info(box, refreshed(by_key(key, SCOPE)))

    assert told["email"] == ROBOT
    assert 3_500 < int(told["expires_in"]) <= 3_600
    assert (bare["scope"], bare.get("email")) == (SCOPE, None)
    endless = info(box, "ya29.ada")
    assert (endless["email"], endless.get("expires_in")) == ("ada@example.com", None)
    assert info(box, "ya29.eve")["error"] == "invalid_token"


@pytest.mark.slow
def test_the_metadata_server_is_found_by_google_auth(box: Sandbox, tmp_path: Path) -> None:
    """On a machine of Google's the defaults are its account and project, and they pull."""
    lines = [
        "import google.auth, google.auth.transport.requests as transport",
        "found, project = google.auth.default(scopes=['x'])",
        "found.refresh(transport.Request())",
        "print(project, found.service_account_email, found.token)",
    ]
    host = box.addresses["metadata"].removeprefix("http://")
    environ = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=environ | {"CLOUDSDK_CONFIG": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    project, email, token = done.stdout.split()
    assert (project, email) == ("builds", ROBOT)
    assert puller(box, with_token(token)) == f"serviceAccount:{ROBOT}"


def test_the_metadata_server_lists_what_it_has(box: Sandbox) -> None:
    """A folder is a list of names, or all below it as JSON if that is asked for."""
    url = f"{box.addresses['metadata']}/{ACCOUNT}/"

    assert httpx.get(url, headers=FLAVOR).text.split() == ["aliases", "email", "scopes"]
    told = httpx.get(url, headers=FLAVOR, params={"recursive": "true"}).json()
    assert (told["email"], told["aliases"]) == (ROBOT, ["default"])


def test_the_metadata_server_tells_one_token_until_it_ends(box: Sandbox) -> None:
    """Asked again it tells the same one, as Google's does, and another when that has ended."""
    url = f"{box.addresses['metadata']}/{ACCOUNT}/token"
    first, again = (httpx.get(url, headers=FLAVOR).json()["access_token"] for _ in range(2))
    member = {"member": f"serviceAccount:{ROBOT}"}
    httpx.post(f"{box.control_url}/tokens/expire", json=member).raise_for_status()

    assert first == again
    assert httpx.get(url, headers=FLAVOR).json()["access_token"] != first
    assert info(box, first)["error"] == "invalid_token"


def files(box: Sandbox, key: dict[str, str], subject_file: Path) -> dict[str, dict[str, Any]]:
    """Return a credential file of each kind that gcloud takes."""
    refresh = {"client_id": "c", "client_secret": "s", "refresh_token": "1//ada"}
    subject_file.write_text("from-git")
    return {
        "key": key,
        "user": {"type": "authorized_user"} | refresh,
        "federation": {"type": "external_account"} | federation(box, subject_file),
    }


@pytest.mark.slow
@pytest.mark.needs("gcloud")
@pytest.mark.parametrize(
    "login",
    [
        ("key", "", f"serviceAccount:{ROBOT}"),
        ("key", MIDDLE, f"serviceAccount:{MIDDLE}"),
        ("user", "", "user:ada@example.com"),
        ("federation", "", PRINCIPAL),
    ],
)
def test_the_real_gcloud_logs_in(
    box: Sandbox, key: dict[str, str], tmp_path: Path, login: tuple[str, str, str]
) -> None:
    """With each kind of file, and as another account, gcloud's token is its owner's."""
    kind, acting_as, member = login
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(files(box, key, tmp_path / "subject")[kind]))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "config"),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(file),
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{box.addresses['oauth2']}/token",
        "CLOUDSDK_AUTH_TOKEN_INTROSPECTION_ENDPOINT": f"{box.addresses['sts']}/v1/introspect",
        "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT": acting_as,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS": f"{box.addresses['iam_credentials']}/",
    }
    command = ["gcloud", "auth", "print-access-token"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)

    url = f"{box.addresses['us.gcr.io']}/v2/"
    bearer = {"Authorization": f"Bearer {done.stdout.strip()}"}
    assert httpx.get(url, headers=bearer).status_code == 200
    assert httpx.get(f"{box.control_url}/requests").json()[-1]["member"] == member
