"""Where the sandbox's access tokens come from: google-auth and gcloud log in, others cannot."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import google.auth.jwt
import google.oauth2.credentials
import httpx
import pytest
from google.auth import identity_pool, impersonated_credentials
from google.auth.crypt import RSASigner
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

ROBOT: Final = "robot@builds.iam.gserviceaccount.com"
MIDDLE: Final = "middle@builds.iam.gserviceaccount.com"
TARGET: Final = "target@builds.iam.gserviceaccount.com"
POOL: Final = "projects/1/locations/global/workloadIdentityPools/ci"
PRINCIPAL: Final = f"principal://iam.googleapis.com/{POOL}/subject/main"
AUDIENCE: Final = f"//iam.googleapis.com/{POOL}/providers/git"
SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
EMAIL_SCOPE: Final = "https://www.googleapis.com/auth/userinfo.email"
OAUTH: Final = "https://oauth2.googleapis.com/token"
READER: Final = "roles/artifactregistry.reader"
SCENARIO: Final = {
    "identities": [
        {"member": "user:ada@example.com", "token": "ya29.ada", "refresh_token": "1//ada"},
        {"member": f"serviceAccount:{ROBOT}", "token": "", "roles": [READER]},
        {"member": f"serviceAccount:{MIDDLE}", "token": "", "roles": []},
        {"member": f"serviceAccount:{TARGET}", "token": "", "roles": [READER]},
        {"member": PRINCIPAL, "token": "", "roles": [READER]},
    ],
    "identity_pools": [{"audience": AUDIENCE, "subject_token": "from-git", "member": PRINCIPAL}],
    "service_accounts": [
        {"email": TARGET, "token_creators": [PRINCIPAL, f"serviceAccount:{MIDDLE}"]},
        {"email": MIDDLE, "token_creators": [f"serviceAccount:{ROBOT}"]},
    ],
    "metadata": {"member": f"serviceAccount:{ROBOT}", "project": "builds"},
    "repositories": [
        {
            "project": "builds",
            "location": "us",
            "id": "us.gcr.io",
            "images": [{"path": "app", "tags": ["v1"], "layers": [{"name": "a"}]}],
        }
    ],
}


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


def new_key(box: Sandbox, email: str, **more: str) -> dict[str, str]:
    """Return a new key of a service account."""
    wanted = {"member": f"serviceAccount:{email}"} | more
    made: dict[str, str] = httpx.post(f"{box.control_url}/keys", json=wanted).json()
    return made


def refreshed(credentials: Any) -> str:
    """Return the token that google-auth gets over its own transport."""
    credentials.refresh(Request())
    return str(credentials.token)


def by_key(key: dict[str, str], *scopes: str) -> Any:
    """Return credentials of google-auth for a key."""
    make = service_account.Credentials.from_service_account_info
    return make(key, scopes=scopes)  # type: ignore[no-untyped-call]


def puller(box: Sandbox, auth: tuple[str, str]) -> str:
    """Pull with a user and password; return whom the sandbox took the puller for."""
    host = box.addresses["us.gcr.io"]
    asked = {"scope": "repository:builds/app:pull", "service": "us.gcr.io"}
    reply = httpx.get(f"{host}/v2/token", params=asked, auth=auth)
    assert reply.status_code == 200, reply.text
    bearer = {"Authorization": f"Bearer {reply.json()['token']}", "Accept": "*/*"}
    assert httpx.get(f"{host}/v2/builds/app/manifests/v1", headers=bearer).status_code == 200
    return str(httpx.get(f"{box.control_url}/requests").json()[-1]["member"])


def with_token(token: str) -> tuple[str, str]:
    """Return the user and password for an access token."""
    return "oauth2accesstoken", token


def test_a_key_buys_tokens_for_its_account(box: Sandbox, key: dict[str, str]) -> None:
    """google-auth signs with a key that the sandbox made, and the token pulls."""
    credentials = by_key(key, SCOPE)

    assert puller(box, with_token(refreshed(credentials))) == f"serviceAccount:{ROBOT}"


def test_a_signed_token_stands_for_itself_at_the_apis(box: Sandbox, key: dict[str, str]) -> None:
    """What Google's client libraries send for a key, a JWT and no access token, is accepted."""
    audience = "https://artifactregistry.googleapis.com/"
    credentials = google.auth.jwt.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        key, audience=audience
    )
    bearer: dict[str, str] = {}
    credentials.before_request(Request(), "GET", audience, bearer)

    url = f"{box.addresses['artifact_registry']}/v1/projects/builds/locations/us/repositories"
    assert httpx.get(url, headers=bearer).status_code == 200
    assert httpx.get(f"{box.control_url}/requests").json()[-1]["member"].endswith(ROBOT)


@pytest.mark.parametrize("encoded", [False, True])
def test_a_key_is_a_password(box: Sandbox, key: dict[str, str], *, encoded: bool) -> None:
    """`_json_key` takes the file as it is, `_json_key_base64` in one line of base64."""
    text = json.dumps(key, indent=2)
    auth = ("_json_key", text)
    if encoded:
        auth = ("_json_key_base64", base64.b64encode(text.encode()).decode())

    assert puller(box, auth) == f"serviceAccount:{ROBOT}"


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


def pool(box: Sandbox, subject_file: Path, **more: Any) -> identity_pool.Credentials:
    """Return credentials of another identity provider, whose token lies in a file."""
    info = {
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{box.addresses['sts']}/v1/token",
        "credential_source": {"file": str(subject_file)},
    }
    return identity_pool.Credentials(**info | more, scopes=[SCOPE])  # type: ignore[no-untyped-call]


def test_a_token_of_another_provider_is_exchanged(box: Sandbox, tmp_path: Path) -> None:
    """Workload identity federation ends in a pull as the principal of the pool."""
    (tmp_path / "token").write_text("from-git")

    token = refreshed(pool(box, tmp_path / "token"))

    assert puller(box, with_token(token)) == PRINCIPAL
    told = httpx.post(f"{box.addresses['sts']}/v1/introspect", data={"token": token}).json()
    assert (told["active"], told["username"]) == (True, PRINCIPAL)


def test_another_provider_may_lead_to_a_service_account(box: Sandbox, tmp_path: Path) -> None:
    """A federation file that names a service account ends in a pull as that account."""
    (tmp_path / "token").write_text("from-git")
    url = f"{generate(box, TARGET)}"

    token = refreshed(pool(box, tmp_path / "token", service_account_impersonation_url=url))

    assert puller(box, with_token(token)) == f"serviceAccount:{TARGET}"


def generate(box: Sandbox, email: str) -> str:
    """Return where tokens of a service account come from."""
    base = box.addresses["iam_credentials"]
    return f"{base}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"


def impersonated(box: Sandbox, key: dict[str, str], delegates: list[str]) -> Any:
    """Return credentials of the target for the holder of a key."""
    source = by_key(key, SCOPE)
    named = [f"projects/-/serviceAccounts/{one}" for one in delegates]
    return impersonated_credentials.Credentials(  # type: ignore[no-untyped-call]
        source, TARGET, [SCOPE], named, iam_endpoint_override=generate(box, TARGET)
    )


def test_delegates_lead_to_the_account_that_one_acts_as(box: Sandbox, key: dict[str, str]) -> None:
    """The robot may act as the middle, and the middle as the target: so does google-auth."""
    token = refreshed(impersonated(box, key, [MIDDLE]))

    assert puller(box, with_token(token)) == f"serviceAccount:{TARGET}"


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


def sign(key: dict[str, str], **claims: object) -> str:
    """Return a JWT of a key, good but for the claims that are given."""
    now = int(time.time())
    good = {"iss": key["client_email"], "aud": OAUTH, "iat": now, "exp": now + 3600}
    payload = {k: v for k, v in (good | {"scope": SCOPE} | claims).items() if v is not None}
    signer = RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    return google.auth.jwt.encode(signer, payload).decode()  # type: ignore[no-untyped-call, no-any-return]


@pytest.mark.parametrize(
    ("claims", "code", "words"),
    [
        ({"iss": MIDDLE}, "invalid_grant", "Signature"),
        ({"aud": "https://example.com/token"}, "invalid_grant", "audience"),
        ({"iat": 0, "exp": 3600}, "invalid_grant", "short-lived"),
        ({"exp": int(time.time()) + 86_400}, "invalid_grant", "short-lived"),
        ({"iat": int(time.time()) + 600}, "invalid_grant", "short-lived"),
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


EXCHANGE: Final = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "audience": AUDIENCE,
    "subject_token": "from-git",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}
REFRESH: Final = {"grant_type": "refresh_token", "client_id": "c", "client_secret": "s"}


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


def info(box: Sandbox, token: str) -> dict[str, Any]:
    """Return what the sandbox tells about a token."""
    url = f"{box.addresses['oauth2']}/tokeninfo"
    posted: dict[str, Any] = httpx.post(url, data={"access_token": token}).json()
    got = httpx.get(url, params={"access_token": token}).json()
    assert {**got, "expires_in": 0, "exp": 0} == {**posted, "expires_in": 0, "exp": 0}
    return posted


def test_tokeninfo_tells_whose_a_token_is(box: Sandbox, key: dict[str, str]) -> None:
    """With the scope for it the email is told, without it only the scope and the end."""
    told = info(box, refreshed(by_key(key, SCOPE, EMAIL_SCOPE)))
    bare = info(box, refreshed(by_key(key, SCOPE)))

    assert told["email"] == ROBOT
    assert 3_500 < int(told["expires_in"]) <= 3_600
    assert (bare["scope"], bare.get("email")) == (SCOPE, None)
    assert info(box, "ya29.ada")["email"] == "ada@example.com"
    assert info(box, "ya29.eve")["error"] == "invalid_token"


def test_tokens_are_not_logged(box: Sandbox) -> None:
    """A token that comes in the query is hidden in the log of requests."""
    info(box, "ya29.ada")

    logged = httpx.get(f"{box.control_url}/requests").json()
    assert "access_token=***" in [one["query"] for one in logged]
    assert "ya29.ada" not in json.dumps(logged)


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


METADATA_ROOT: Final = "computeMetadata/v1"
ACCOUNT: Final = f"{METADATA_ROOT}/instance/service-accounts/default"
FLAVOR: Final = {"Metadata-Flavor": "Google"}


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


@pytest.mark.needs("gcloud")
def test_the_real_gcloud_logs_in_with_a_key(
    box: Sandbox, key: dict[str, str], tmp_path: Path
) -> None:
    """Gcloud takes the key for its credentials, and its token pulls."""
    (tmp_path / "key.json").write_text(json.dumps(key))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path / "config"),
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(tmp_path / "key.json"),
        "CLOUDSDK_AUTH_TOKEN_HOST": key["token_uri"],
    }
    command = ["gcloud", "auth", "print-access-token"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)

    assert puller(box, with_token(done.stdout.strip())) == f"serviceAccount:{ROBOT}"
