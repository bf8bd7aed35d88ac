"""Ways to log in at a sandbox: one of each, and a pull with what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
from google.auth import impersonated_credentials
from google.auth.transport.requests import Request
from google.oauth2 import service_account

if TYPE_CHECKING:
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
ACCOUNT: Final = "computeMetadata/v1/instance/service-accounts/default"
FLAVOR: Final = {"Metadata-Flavor": "Google"}
SCENARIO: Final[dict[str, Any]] = {
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


def with_token(token: str) -> tuple[str, str]:
    """Return the user and password for an access token."""
    return "oauth2accesstoken", token


def puller(box: Sandbox, auth: tuple[str, str]) -> str:
    """Pull with a user and password; return whom the sandbox took the puller for."""
    host = box.addresses["us.gcr.io"]
    asked = {"scope": "repository:builds/app:pull", "service": "us.gcr.io"}
    reply = httpx.get(f"{host}/v2/token", params=asked, auth=auth)
    assert reply.status_code == 200, reply.text
    bearer = {"Authorization": f"Bearer {reply.json()['token']}", "Accept": "*/*"}
    assert httpx.get(f"{host}/v2/builds/app/manifests/v1", headers=bearer).status_code == 200
    return str(httpx.get(f"{box.control_url}/requests").json()[-1]["member"])


def info(box: Sandbox, token: str) -> dict[str, Any]:
    """Return what the sandbox tells about a token."""
    url = f"{box.addresses['oauth2']}/tokeninfo"
    posted: dict[str, Any] = httpx.post(url, data={"access_token": token}).json()
    got = httpx.get(url, params={"access_token": token}).json()
    assert {**got, "expires_in": 0, "exp": 0} == {**posted, "expires_in": 0, "exp": 0}
    return posted
