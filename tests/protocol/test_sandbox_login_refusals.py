"""Who gets no access token from the sandbox, in which words, and when tokens end."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any, Final

import google.auth.jwt
import google.oauth2.credentials
import httpx
import pytest
from google.auth.crypt import RSASigner
from google.auth.exceptions import RefreshError

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.logins import (
    ACCOUNT,
    AUDIENCE,
    EMAIL_SCOPE,
    FLAVOR,
    MIDDLE,
    OAUTH,
    ROBOT,
    SCENARIO,
    SCOPE,
    TARGET,
    generate,
    impersonated,
    info,
    new_key,
    refreshed,
    with_token,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox


EXCHANGE: Final = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "audience": AUDIENCE,
    "subject_token": "from-git",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}
REFRESH: Final = {"grant_type": "refresh_token", "client_id": "c", "client_secret": "s"}
METADATA_ROOT: Final = "computeMetadata/v1"


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


@pytest.mark.slow
def test_only_a_key_that_was_given_out_is_a_password(box: Sandbox, key: dict[str, str]) -> None:
    """Another id, another key, another account, no key and a user of no known kind answer 401."""
    other = new_key(box, MIDDLE)
    passwords = [
        ("_json_key", json.dumps(key | {"private_key_id": "0"})),
        ("_json_key", json.dumps(key | {"private_key": other["private_key"]})),
        ("_json_key", json.dumps(key | {"client_email": MIDDLE})),
        ("_json_key", "ya29.ada"),
        ("_json_key", "[]"),
        ("_json_key_base64", json.dumps(key)),
        ("ada", "ya29.ada"),
        ("oauth2accesstoken", json.dumps(key)),
    ]

    url = f"{box.addresses['us.gcr.io']}/v2/token"
    assert {httpx.get(url, auth=auth).status_code for auth in passwords} == {401}
    assert httpx.get(url, auth=("_json_key", json.dumps(other))).status_code == 200


def test_who_may_not_act_as_an_account_is_told_the_permission(
    box: Sandbox, key: dict[str, str]
) -> None:
    """Without the delegate the robot is refused, in the words and details of Google."""
    with pytest.raises(RefreshError) as caught:
        refreshed(impersonated(box, key, []))

    refusal = json.loads(caught.value.args[1])["error"]
    assert refusal["code"] == 403
    assert "iam.serviceAccounts.getAccessToken" in refusal["message"]
    assert refusal["details"][0]["reason"] == "IAM_PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("email", "body", "token", "status"),
    [
        ("nobody@builds.iam.gserviceaccount.com", {}, "ya29.ada", 404),
        (TARGET, {"lifetime": "3601s"}, "ya29.ada", 400),
        (TARGET, {"lifetime": "an hour"}, "ya29.ada", 400),
        (TARGET, {"scope": []}, "ya29.ada", 400),
        (TARGET, {"delegates": [MIDDLE]}, "ya29.ada", 400),
        (TARGET, {}, "ya29.nobody", 401),
    ],
)
def test_wrong_requests_to_act_as_an_account_are_refused(
    box: Sandbox, email: str, body: dict[str, Any], token: str, status: int
) -> None:
    """Unknown accounts, lifetimes beyond an hour, no scope, bare delegates and no login."""
    bearer = {"Authorization": f"Bearer {token}"}
    reply = httpx.post(generate(box, email), json={"scope": [SCOPE]} | body, headers=bearer)

    assert (reply.status_code, reply.json()["error"]["code"]) == (status, status)


def sign(key: dict[str, str], **claims: Any) -> str:
    """Return a JWT of a key, good but for the claims that are given; times are from now on."""
    now = int(time.time())
    good: dict[str, Any] = {"iss": key["client_email"], "aud": OAUTH, "iat": 0, "exp": 3600}
    payload = {k: v for k, v in (good | {"scope": SCOPE} | claims).items() if v is not None}
    payload |= {name: now + payload[name] for name in ("iat", "exp") if name in payload}
    signer = RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    return google.auth.jwt.encode(signer, payload).decode()  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"iss": MIDDLE}, "invalid_grant", "Signature"),
        ({"aud": "https://example.com/token"}, "invalid_grant", "audience"),
        ({"iat": -86_400, "exp": -82_800}, "invalid_grant", "short-lived"),
        ({"exp": 86_400}, "invalid_grant", "short-lived"),
        ({"iat": 600}, "invalid_grant", "short-lived"),
        ({"exp": None}, "invalid_grant", "short-lived"),
        ({"sub": "ada@example.com"}, "unauthorized_client", "unauthorized"),
        ({"scope": None}, "invalid_scope", "scope"),
    ],
)
def test_a_wrong_assertion_buys_nothing(
    box: Sandbox, key: dict[str, str], claims: dict[str, object], code: str, words: str
) -> None:
    """Signed by another, for another, stale, too long, ahead, for a user, without a scope."""
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    form = {"grant_type": grant, "assertion": sign(key, **claims)}
    reply = httpx.post(f"{box.addresses['oauth2']}/token", data=form)

    assert reply.status_code in {400, 401}
    assert reply.json()["error"] == code
    assert words in reply.json()["error_description"]


@pytest.mark.slow
def test_a_signature_that_was_tampered_with_buys_nothing(box: Sandbox, key: dict[str, str]) -> None:
    """Other claims under the signature, another algorithm and no JWT at all are refused."""
    head, claims, signature = sign(key).split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    other = sign(key, scope=EMAIL_SCOPE).split(".")[1]
    for text in (f"{head}.{other}.{signature}", f"{unsigned}.{claims}.", "a.b.c", "x", "[].[].x"):
        form = {"grant_type": grant, "assertion": text}
        reply = httpx.post(f"{box.addresses['oauth2']}/token", data=form)
        assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant"), text


@pytest.mark.parametrize(
    ("url", "form", "code"),
    [
        ("oauth2/token", REFRESH | {"refresh_token": "1//eve"}, "invalid_grant"),
        ("oauth2/token", REFRESH | {"refresh_token": ""}, "invalid_grant"),
        ("oauth2/token", REFRESH | {"client_id": ""}, "invalid_client"),
        ("oauth2/token", {"grant_type": "password"}, "unsupported_grant_type"),
        ("sts/v1/token", EXCHANGE | {"audience": "//other"}, "invalid_target"),
        ("sts/v1/token", EXCHANGE | {"subject_token": "forged"}, "invalid_grant"),
        ("sts/v1/token", EXCHANGE | {"subject_token_type": "jwt"}, None),
        ("sts/v1/token", EXCHANGE | {"subject_token_type": "spell"}, "invalid_request"),
        ("sts/v1/token", EXCHANGE | {"grant_type": "refresh_token"}, "unsupported_grant_type"),
    ],
)
def test_errors_of_logins_are_worded_as_oauth_words_them(
    box: Sandbox, url: str, form: dict[str, str], code: str | None
) -> None:
    """Each wrong field has its code; none of them gives a token."""
    label, _, path = url.partition("/")
    told = httpx.post(f"{box.addresses[label]}/{path}", data=form).json()

    assert told.get("error") == code
    assert ("access_token" in told) is (code is None)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("", {}, 200),
        (f"{ACCOUNT}/email", FLAVOR, 200),
        (f"{METADATA_ROOT}/instance/service-accounts/{ROBOT}/token", FLAVOR, 200),
        (f"{ACCOUNT}/token", {}, 403),
        (f"{ACCOUNT}/token", FLAVOR | {"X-Forwarded-For": "10.0.0.1"}, 403),
        (f"{METADATA_ROOT}/universe/universe-domain", FLAVOR, 404),
        (f"{METADATA_ROOT}/instance/service-accounts/other/token", FLAVOR, 404),
        (f"{METADATA_ROOT}/project/token", FLAVOR, 404),
    ],
)
def test_the_metadata_server_answers_only_who_means_it(
    box: Sandbox, path: str, headers: dict[str, str], status: int
) -> None:
    """Without its header, or through a proxy, nothing is told; every answer bears the header."""
    reply = httpx.get(f"{box.addresses['metadata']}/{path}", headers=headers)

    assert (reply.status_code, reply.headers["metadata-flavor"]) == (status, "Google")


@pytest.mark.slow
def test_tokens_end(tmp_path: Path) -> None:
    """Static ones after their life, granted ones after theirs, and all when they are ended."""
    ada = {"member": "user:ada@example.com", "token": "ya29.ada", "refresh_token": "1//ada"}
    eve = {"member": "user:eve@example.com", "token": "ya29.eve", "token_lifetime": 0.0}
    scenario = {"identities": [ada, eve], "access_token_lifetime": 0.0}
    with running(Scenario.model_validate(scenario), tmp_path) as box:
        form = REFRESH | {"refresh_token": "1//ada"}
        granted = httpx.post(f"{box.addresses['oauth2']}/token", data=form).json()
        url = f"{box.addresses['us.gcr.io']}/v2/"
        bought = httpx.get(f"{url}token", auth=with_token("ya29.ada")).json()["token"]

        def status(*tokens: str) -> list[int]:
            headers = [{"Authorization": f"Bearer {one}"} for one in tokens]
            return [httpx.get(url, headers=one).status_code for one in headers]

        assert status(granted["access_token"], "ya29.eve", "ya29.ada") == [401, 401, 200]
        httpx.post(f"{box.control_url}/tokens/expire", json={}).raise_for_status()
        assert status("ya29.ada", bought) == [401, 200]
        wanted = {"registry": True}
        httpx.post(f"{box.control_url}/tokens/expire", json=wanted).raise_for_status()
        assert status(bought) == [401]
        assert httpx.get(box.addresses["metadata"]).status_code == 404


def test_keys_are_made_only_for_service_accounts(box: Sandbox) -> None:
    """A user has no key; a key may name the real token end-point, for use through a proxy."""
    reply = httpx.post(f"{box.control_url}/keys", json={"member": "user:ada@example.com"})

    assert reply.status_code == 400
    assert new_key(box, ROBOT, token_uri=OAUTH)["token_uri"] == OAUTH


def test_tokens_are_not_logged(box: Sandbox) -> None:
    """A token that comes in the query is hidden in the log of requests."""
    info(box, "ya29.ada")

    logged = httpx.get(f"{box.control_url}/requests").json()
    assert "access_token=***" in [one["query"] for one in logged]
    assert "ya29.ada" not in json.dumps(logged)
