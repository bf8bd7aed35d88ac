"""Every way to log in to Google, each to its end: a pull from the sandbox as the right account."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from gcr_migrate.connect import Connections, Settings
from gcr_migrate.errors import MigrateError
from gcr_migrate.google.credentials import Credentials
from gcr_migrate.model.login import Login
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.transport import Wire
from tests import logins as ways
from tests.logins import AUDIENCE, MIDDLE, PRINCIPAL, READER, ROBOT, TARGET, new_key
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from gcr_migrate.model.caller import Caller
    from gcr_migrate.sandbox.app import Sandbox

ADA: Final = "user:ada@example.com"
HOST: Final = "us-docker.pkg.dev"
TOKEN: Final = "ya29.ada-s-own-token"  # noqa: S105  # of the sandbox
ADA_S: Final = {
    "member": ADA,
    "token": TOKEN,
    "token_lifetime": 3_600,
    "refresh_token": "1//ada",
    "roles": [READER],
}
SCENARIO: Final = ways.SCENARIO | {"identities": [ADA_S, *ways.SCENARIO["identities"][1:]]}
NO_METADATA: Final = {"NO_GCE_CHECK": "true"}


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


def endpoints_of(box: Sandbox) -> Endpoints:
    """Return the endpoints file that leads to the sandbox."""
    return Endpoints.load(json.dumps(box.endpoints), "endpoints.yaml")


def working(
    endpoints: Endpoints,
    work: Callable[[Connections], Awaitable[Any]],
    environ: Mapping[str, str],
    source: Login | None = None,
    target: Login | None = None,
) -> Any:
    """Work with connections, of which the environment is all there is."""

    async def run() -> Any:
        settings = Settings(endpoints=endpoints, environ=environ, tries=2, base_s=0.01)
        async with Connections(settings, source, target) as connections:
            return await work(connections)

    return asyncio.run(run())


@dataclass(frozen=True)
class Pulled:
    """Whom the sandbox took the puller for, and whom the puller took itself for."""

    member: str
    caller: Caller


def pull(box: Sandbox, environ: Mapping[str, str], login: Login | None = None) -> Pulled:
    """Pull an image and ask Artifact Registry's API; both as the same account."""

    async def work(connections: Connections) -> Caller:
        await connections.source(HOST, "artifact-registry").manifest("builds/us.gcr.io/app", "v1")
        caller = await connections.caller("source")
        await connections.repositories("source").get(
            "projects/builds/locations/us/repositories/us.gcr.io"
        )
        return caller

    caller = working(endpoints_of(box), work, environ, login)
    asked = httpx.get(f"{box.control_url}/requests").json()
    members = [
        next(one["member"] for one in reversed(asked) if one["host"] == host)
        for host in (HOST, "artifact_registry")
    ]
    assert members[0] == members[1]
    return Pulled(members[0], caller)


def refusal(box: Sandbox, environ: Mapping[str, str], login: Login | None = None) -> MigrateError:
    """Return the error with which a pull ends."""
    with pytest.raises(MigrateError) as raised:
        pull(box, environ, login)
    return raised.value


def file_of(tmp_path: Path, info: Mapping[str, Any], name: str = "credentials.json") -> str:
    """Write a credential file; return its path."""
    (tmp_path / name).write_text(json.dumps(info))
    return str(tmp_path / name)


def program(tmp_path: Path, name: str, script: str) -> dict[str, str]:
    """Write a program; return an environment in which it is the first of its name."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"} | NO_METADATA


def docker(tmp_path: Path, **body: Any) -> dict[str, str]:
    """Write a Docker configuration; return the environment that leads to it."""
    file_of(tmp_path, body, "config.json")
    return {"DOCKER_CONFIG": str(tmp_path)} | NO_METADATA


def auth(user: str, password: str) -> dict[str, str]:
    """Return an entry as `docker login` writes it."""
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def pool(box: Sandbox, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """Return a configuration of workload identity federation, its token in a file."""
    (tmp_path / "subject").write_text("from-git")
    return {
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{box.addresses['sts']}/v1/token",
        "credential_source": {"file": str(tmp_path / "subject")},
    } | more


def test_a_token_file_pulls(box: Sandbox, tmp_path: Path) -> None:
    """It comes before everything else, and cannot be renewed."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    environ = {"GCR_MIGRATE_ACCESS_TOKEN": "ya29.other"}

    pulled = pull(box, environ, Login(access_token_file=str(tmp_path / "token")))

    assert pulled.member == ADA
    assert not pulled.caller.renewable
    assert str(tmp_path / "token") in pulled.caller.source


@pytest.mark.parametrize(
    "name",
    ["GCR_MIGRATE_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"],
)
def test_a_token_of_the_environment_pulls(box: Sandbox, tmp_path: Path, name: str) -> None:
    """Before application default credentials; whose it is and when it ends is asked of Google."""
    environ = {name: TOKEN, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing")}

    pulled = pull(box, environ)

    assert pulled.member == ADA
    assert pulled.caller.account == "ada@example.com"
    assert pulled.caller.expires_at is not None
    assert name in pulled.caller.source


@pytest.mark.parametrize("how", ["named", "default"])
def test_a_key_file_pulls(box: Sandbox, tmp_path: Path, key: dict[str, str], how: str) -> None:
    """By GOOGLE_APPLICATION_CREDENTIALS, or as `key_file` of a side."""
    path = file_of(tmp_path, key)
    environ = {} if how == "named" else {"GOOGLE_APPLICATION_CREDENTIALS": path}

    pulled = pull(box, environ, Login(key_file=path) if how == "named" else None)

    assert pulled.member == f"serviceAccount:{ROBOT}"
    assert (pulled.caller.account, pulled.caller.renewable) == (ROBOT, True)


def test_the_user_of_application_default_credentials_pulls(box: Sandbox, tmp_path: Path) -> None:
    """The file that gcloud leaves in its folder, at HOME or where CLOUDSDK_CONFIG says."""
    user = {"type": "authorized_user", "refresh_token": "1//ada"}
    user |= {"client_id": "client", "client_secret": "secret"}
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    file_of(folder, user, "application_default_credentials.json")

    for environ in ({"HOME": str(tmp_path)}, {"CLOUDSDK_CONFIG": str(folder)}):
        pulled = pull(box, environ)
        assert pulled.member == ADA
        assert pulled.caller.account == "ada@example.com"


@pytest.mark.parametrize("source", ["file", "url", "executable"])
def test_workload_identity_federation_pulls(box: Sandbox, tmp_path: Path, source: str) -> None:
    """The token of the other provider lies in a file, at a server, or comes from a program."""
    info = pool(box, tmp_path)
    answer = {"version": 1, "success": True, "id_token": "from-git"}
    answer |= {"token_type": "urn:ietf:params:oauth:token-type:jwt"}
    script = tmp_path / "provider"
    script.write_text(f"#!/bin/sh\necho {shlex.quote(json.dumps(answer))}\n")
    script.chmod(0o755)
    with Scripted(lambda _: Answer(body="from-git")) as provider:
        if source == "url":
            info["credential_source"] = {"url": f"{provider.url}/token"}
        if source == "executable":
            info["credential_source"] = {"executable": {"command": str(script)}}
        environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, info)}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
            assert pull(box, environ).member == PRINCIPAL


def test_federation_may_lead_to_a_service_account(box: Sandbox, tmp_path: Path) -> None:
    """A configuration that names an account to act as pulls as that account."""
    url = f"{box.addresses['iam_credentials']}/v1/projects/-/serviceAccounts/{TARGET}"
    info = pool(box, tmp_path, service_account_impersonation_url=f"{url}:generateAccessToken")

    pulled = pull(box, {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, info)})

    assert (pulled.member, pulled.caller.account) == (f"serviceAccount:{TARGET}", TARGET)


def test_federation_with_aws_asks_its_own_servers(tmp_path: Path) -> None:
    """They are no hosts of Google's and in no endpoints file; the secret key stays here."""
    role = {"AccessKeyId": "AKIA", "SecretAccessKey": "hunter2", "Token": "session"}
    answers = {
        "/zone": Answer(body="us-east-1a"),
        "/role": Answer(body="builder"),
        "/role/builder": Answer(body=json.dumps(role)),
    }
    with Scripted(lambda asked: answers[asked.target]) as aws, Scripted(_exchanged) as sts:
        source = {"environment_id": "aws1", "region_url": f"{aws.url}/zone"}
        source |= {"url": f"{aws.url}/role"}
        source["regional_cred_verification_url"] = (
            "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
        )
        info = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": source,
        }
        endpoints = Endpoints.load(json.dumps({"sts": sts.url}), "endpoints.yaml")

        assert token_by(endpoints, file_of(tmp_path, info)) == "Bearer ya29.exchanged"
        assert [one.target for one in aws.asked] == ["/zone", "/role", "/role/builder"]
        sent = sts.asked[0].body.decode()
        assert "sts.us-east-1.amazonaws.com" in sent
        assert "hunter2" not in sent


def test_a_user_of_another_provider_logs_in(tmp_path: Path) -> None:
    """`gcloud auth application-default login` leaves such a file for workforce identities."""
    info = {
        "type": "external_account_authorized_user",
        "audience": "//iam.googleapis.com/locations/global/workforcePools/p/providers/q",
        "refresh_token": "refresh",
        "token_url": "https://sts.googleapis.com/v1/oauthtoken",
        "client_id": "client",
        "client_secret": "secret",
    }
    with Scripted(_exchanged) as sts:
        endpoints = Endpoints.load(json.dumps({"sts": sts.url}), "endpoints.yaml")
        assert token_by(endpoints, file_of(tmp_path, info)) == "Bearer ya29.exchanged"
        assert sts.asked[0].target == "/v1/oauthtoken"


def _exchanged(_: Asked) -> Answer:
    kind = "urn:ietf:params:oauth:token-type:access_token"
    body = {"access_token": "ya29.exchanged", "expires_in": 3600, "token_type": "Bearer"}
    return Answer(body=body | {"issued_token_type": kind})


def token_by(endpoints: Endpoints, path: str) -> str:
    """Return the Authorization that a credential file leads to."""

    async def run() -> str:
        async with Wire(endpoints) as wire:
            credentials = Credentials(Login(key_file=path), {}, wire)
            try:
                return (await credentials.api_headers())["authorization"]
            finally:
                await credentials.close()

    return asyncio.run(run())


def test_the_metadata_server_pulls(box: Sandbox) -> None:
    """On a machine of Google's nothing has to be set up."""
    pulled = pull(box, {})

    assert pulled.member == f"serviceAccount:{ROBOT}"
    assert (pulled.caller.source, pulled.caller.account) == ("metadata server", ROBOT)


def test_the_metadata_server_may_be_elsewhere(box: Sandbox) -> None:
    """GCE_METADATA_HOST names it where no endpoints file does."""
    addresses = box.endpoints
    metadata = addresses.pop("metadata")
    endpoints = Endpoints.load(json.dumps(addresses), "endpoints.yaml")
    environ = {"GCE_METADATA_HOST": metadata.removeprefix("http://")}

    async def account(connections: Connections) -> str:
        return (await connections.caller("source")).account

    assert working(endpoints, account, environ) == ROBOT
    assert not working(endpoints, account, {})


def test_only_the_metadata_server_s_own_answer_counts(box: Sandbox) -> None:
    """A sign-in page at its address is passed over after one request; NO_GCE_CHECK asks nobody."""
    with Scripted(lambda _: Answer(body="<html>Welcome to the hotel</html>")) as hotel:
        endpoints = Endpoints.load(json.dumps(box.endpoints | {"metadata": hotel.url}), "e.yaml")

        async def is_anonymous(connections: Connections) -> bool:
            return "anonymous" in (await connections.caller("source")).source

        assert working(endpoints, is_anonymous, {})
        assert len(hotel.asked) == 1
        assert working(endpoints, is_anonymous, NO_METADATA)
        assert len(hotel.asked) == 1


GCLOUD = """\
echo "$@" >> {log}
case "$*" in *force*) t={second};; *) t={first};; esac
printf '{{"credential": {{"access_token": "%s", "token_expiry": "{ends}"}},' "$t"
printf '"configuration": {{"properties": {{"core": {{"account": "ada@example.com"}}}}}}}}'
"""


@pytest.mark.parametrize(
    ("ends", "calls"), [("2099-01-01T00:00:00Z", 1), ("2020-01-01T00:00:00Z", 2)]
)
def test_gcloud_pulls(box: Sandbox, tmp_path: Path, ends: str, calls: int) -> None:
    """It is run once while its token lasts; one that is about to end it has to renew."""
    first = TOKEN if calls == 1 else "ya29.old"
    script = GCLOUD.format(log=tmp_path / "log", first=first, second=TOKEN, ends=ends)
    environ = program(tmp_path, "gcloud", script) | {"CLOUDSDK_CONFIG": str(tmp_path)}

    if calls == 1:
        pulled = pull(box, environ)
        assert pulled.member == ADA
        assert (pulled.caller.source, pulled.caller.account) == ("gcloud", "ada@example.com")
    else:

        async def headers(connections: Connections) -> str:
            await connections.caller("source")
            await connections.repositories("source").get(
                "projects/builds/locations/us/repositories/us.gcr.io"
            )
            return ""

        working(endpoints_of(box), headers, environ)
    asked = (tmp_path / "log").read_text().splitlines()
    assert "force" not in asked[0]
    assert ["force-auth-refresh" in one for one in asked[1:2]] == [True] * (calls - 1)


def test_gcloud_without_an_account_is_passed_over(box: Sandbox, tmp_path: Path) -> None:
    """What comes next counts; so it does where there is no such program."""
    say = 'echo "ERROR: (gcloud) You do not currently have an active account selected." >&2; exit 1'
    config = docker(tmp_path, auths={HOST: auth("oauth2accesstoken", TOKEN)})
    found = program(tmp_path, "gcloud", say) | config | {"CLOUDSDK_CONFIG": str(tmp_path)}
    absent = found | {"PATH": str(tmp_path)}

    assert pull(box, found).member == ADA
    assert pull(box, absent).member == ADA


def test_gcloud_that_fails_is_quoted_without_what_it_printed(box: Sandbox, tmp_path: Path) -> None:
    """Its error line is; its output, where a token could be, never."""
    say = f'echo {TOKEN}; echo "ERROR: (gcloud) There was a problem refreshing." >&2; exit 1'
    environ = program(tmp_path, "gcloud", say) | {"CLOUDSDK_CONFIG": str(tmp_path)}

    error = refusal(box, environ)

    assert error.problem.code == "bad-credentials"
    assert "problem refreshing" in str(error)
    assert TOKEN not in str(error)


@pytest.mark.slow
@pytest.mark.needs("gcloud")
def test_the_real_gcloud_pulls(box: Sandbox, tmp_path: Path, key: dict[str, str]) -> None:
    """The program of a real installation gives the token of a key that it was told of."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "CLOUDSDK_CONFIG": str(tmp_path),
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": file_of(tmp_path, key),
        "CLOUDSDK_AUTH_TOKEN_HOST": key["token_uri"],
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
    }

    pulled = pull(box, environ | NO_METADATA)

    assert pulled.member == f"serviceAccount:{ROBOT}"
    assert pulled.caller.source == "gcloud"
    assert pulled.caller.expires_at is not None


@pytest.mark.parametrize("user", ["_dcgcloud_token", "_token", "oauth2accesstoken"])
def test_a_helper_s_access_token_pulls(box: Sandbox, tmp_path: Path, user: str) -> None:
    """At the registry, and at the API as well."""
    answer = json.dumps({"Username": user, "Secret": TOKEN})
    environ = program(tmp_path, "docker-credential-gcr", f"echo {shlex.quote(answer)}")

    pulled = pull(box, environ | docker(tmp_path, credHelpers={HOST: "gcr"}))

    assert pulled.member == ADA
    assert pulled.caller.renewable


@pytest.mark.parametrize("user", ["_json_key", "_json_key_base64"])
@pytest.mark.parametrize("kept", ["auths", "helper"])
def test_a_key_in_docker_s_configuration_pulls(
    box: Sandbox, tmp_path: Path, key: dict[str, str], user: str, kept: str
) -> None:
    """The registry takes it as it is; for the API it gives an access token."""
    text = json.dumps(key)
    password = base64.b64encode(text.encode()).decode() if "64" in user else text
    answer = shlex.quote(json.dumps({"Username": user, "Secret": password}))
    environ = program(tmp_path, "docker-credential-store", f"printf '%s' {answer}")
    body: dict[str, Any] = {"credHelpers": {HOST: "store"}, "auths": {}}
    if kept == "auths":
        body = {"auths": {HOST: auth(user, password)}}

    pulled = pull(box, environ | docker(tmp_path, **body))

    assert pulled.member == f"serviceAccount:{ROBOT}"
    assert (pulled.caller.account, pulled.caller.renewable) == (ROBOT, True)


def test_impersonation_pulls_by_way_of_delegates(
    box: Sandbox, tmp_path: Path, key: dict[str, str]
) -> None:
    """The robot may act as the middle one, and that one as the target."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, key)}

    pulled = pull(box, environ, Login(impersonate=(MIDDLE, TARGET)))

    assert (pulled.member, pulled.caller.account) == (f"serviceAccount:{TARGET}", TARGET)
    assert pulled.caller.renewable


def test_impersonation_lasts_as_long_as_the_login_behind_it(tmp_path: Path) -> None:
    """By a static token the account can be acted as until that ends: it is no renewable login."""
    scenario = SCENARIO | {"service_accounts": [{"email": TARGET, "token_creators": [ADA]}]}
    with running(Scenario.model_validate(scenario), tmp_path) as box:
        pulled = pull(box, {"GCR_MIGRATE_ACCESS_TOKEN": TOKEN}, Login(impersonate=(TARGET,)))

        assert (pulled.member, pulled.caller.account) == (f"serviceAccount:{TARGET}", TARGET)
        assert not pulled.caller.renewable
        assert pulled.caller.expires_at is not None
        made = [one["path"] for one in httpx.get(f"{box.control_url}/requests").json()]
        assert len([one for one in made if "generateAccessToken" in one]) == 1


def test_a_file_may_say_whom_to_impersonate(
    box: Sandbox, tmp_path: Path, key: dict[str, str]
) -> None:
    """`gcloud auth application-default login --impersonate-service-account` leaves such a file."""
    url = f"{box.addresses['iam_credentials']}/v1/projects/-/serviceAccounts/{TARGET}"
    info = {
        "type": "impersonated_service_account",
        "delegates": [MIDDLE],
        "service_account_impersonation_url": f"{url}:generateAccessToken",
        "source_credentials": key,
    }

    pulled = pull(box, {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, info)})

    assert (pulled.member, pulled.caller.account) == (f"serviceAccount:{TARGET}", TARGET)


def test_impersonation_that_is_not_allowed_names_the_role(
    box: Sandbox, tmp_path: Path, key: dict[str, str]
) -> None:
    """The robot may not act as the target itself; nobody at all may act as anyone."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, key)}

    error = refusal(box, environ, Login(impersonate=(TARGET,)))

    assert error.problem.code == "impersonation-refused"
    assert "roles/iam.serviceAccountTokenCreator" in error.saw
    assert TARGET in error.subject
    assert refusal(box, NO_METADATA, Login(impersonate=(TARGET,))).problem.code == "no-credentials"


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ({"token_uri": "https://evil.example/token"}, "evil.example"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "http://oauth2.googleapis.com"),
        ({"private_key": "hunter2"}, "service_account"),
        ({"type": "robot"}, "its type is none of"),
        ({"universe_domain": "example.com"}, "example.com"),
    ],
)
def test_a_spoilt_key_file_is_refused(
    box: Sandbox, tmp_path: Path, key: dict[str, str], spoilt: dict[str, str], words: str
) -> None:
    """One that would send what it signs elsewhere too; its content is never shown."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, key | spoilt)}

    error = refusal(box, environ)

    assert error.problem.code == "bad-credentials"
    assert words in str(error)
    assert "hunter2" not in str(error)
    assert "PRIVATE KEY" not in str(error)


def test_a_file_that_is_named_must_be_there(box: Sandbox, tmp_path: Path) -> None:
    """GOOGLE_APPLICATION_CREDENTIALS is never passed over for what comes after it."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")}

    error = refusal(box, environ)

    assert error.problem.code == "bad-credentials"
    assert "missing.json" in str(error)


def test_a_provider_that_gives_no_token_is_told_without_its_words(
    box: Sandbox, tmp_path: Path
) -> None:
    """What it answered could hold a secret."""
    info = pool(box, tmp_path)
    with Scripted(lambda _: Answer(403, body="hunter2")) as provider:
        info["credential_source"] = {"url": f"{provider.url}/token"}
        error = refusal(box, {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, info)})

    assert error.problem.code == "bad-credentials"
    assert "subject token" in error.saw
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("where", ["login", "variable", "file"])
def test_the_quota_project_is_sent_to_apis(tmp_path: Path, where: str) -> None:
    """As a header field of the call; it may be said by a person, a variable or the file."""

    def answer(asked: Asked) -> Answer:
        if asked.target == "/token":
            return Answer(body={"access_token": "ya29.x", "expires_in": 3600})
        return Answer(404)

    user = {"type": "authorized_user", "refresh_token": "r", "client_id": "c", "client_secret": "s"}
    if where == "file":
        user["quota_project_id"] = "payer"
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, user)}
    if where == "variable":
        environ["GOOGLE_CLOUD_QUOTA_PROJECT"] = "payer"
    login = Login(quota_project="payer") if where == "login" else None
    with Scripted(answer) as google:
        services = {"artifact_registry": google.url, "oauth2": google.url}
        endpoints = Endpoints.load(json.dumps(services), "e.yaml")
        working(
            endpoints,
            lambda connections: connections.repositories("source").get(
                "projects/p/locations/us/repositories/r"
            ),
            environ,
            login,
        )
        (call,) = (one for one in google.asked if one.target != "/token")

    assert call.headers["x-goog-user-project"] == "payer"
    assert call.headers["authorization"] == "Bearer ya29.x"
    assert not any("x-goog-user-project" in one.headers for one in google.asked if one is not call)


def test_sides_log_in_differently(box: Sandbox, tmp_path: Path, key: dict[str, str]) -> None:
    """The source by a key, the target by a token: the registry sees two accounts."""
    (tmp_path / "token").write_text(TOKEN)
    source = Login(key_file=file_of(tmp_path, key))
    target = Login(access_token_file=str(tmp_path / "token"))
    httpx.post(f"{box.control_url}/requests/reset")

    async def work(connections: Connections) -> None:
        for client in (
            connections.source(HOST, "artifact-registry"),
            connections.target(HOST, "artifact-registry"),
        ):
            await client.manifest("builds/us.gcr.io/app", "v1")

    working(endpoints_of(box), work, {}, source, target)

    asked = httpx.get(f"{box.control_url}/requests").json()
    members = [one["member"] for one in asked if "/manifests/" in one["path"]]
    assert members == [f"serviceAccount:{ROBOT}", ADA]


@pytest.mark.slow
def test_fifty_waiters_of_both_sides_share_one_refresh(
    box: Sandbox, tmp_path: Path, key: dict[str, str]
) -> None:
    """The token service is asked once at the start, and once more when the token is refused."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, key)}
    resource = "projects/builds/locations/us/repositories/us.gcr.io"
    httpx.post(f"{box.control_url}/requests/reset")

    def refreshes() -> int:
        asked = httpx.get(f"{box.control_url}/requests").json()
        return len([one for one in asked if one["host"] == "oauth2"])

    async def work(connections: Connections) -> list[int]:
        counts = []
        for _ in range(2):
            sides = [connections.repositories("source"), connections.repositories("target")]
            await asyncio.gather(*(side.get(resource) for side in sides * 25))
            counts.append(await asyncio.to_thread(refreshes))
            end = {"member": f"serviceAccount:{ROBOT}"}
            await asyncio.to_thread(httpx.post, f"{box.control_url}/tokens/expire", json=end)
        return counts

    assert working(endpoints_of(box), work, environ) == [1, 2]


def test_an_api_that_wants_a_login_gets_none(box: Sandbox) -> None:
    """Where nothing was found, that is the problem, and not a token that would be wrong."""
    with pytest.raises(MigrateError) as raised:
        working(
            endpoints_of(box),
            lambda connections: connections.repositories("source").get(
                "projects/builds/locations/us/repositories/us.gcr.io"
            ),
            NO_METADATA,
        )
    assert raised.value.problem.code == "no-credentials"


def test_no_login_is_shown_by_repr(box: Sandbox, tmp_path: Path, key: dict[str, str]) -> None:
    """Neither settings nor callers give a secret away."""
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": file_of(tmp_path, key)}
    pulled = pull(box, environ)
    shown = f"{pulled!r} {Settings(environ=environ | {'GCR_MIGRATE_ACCESS_TOKEN': TOKEN})!r}"

    assert TOKEN not in shown
    assert "PRIVATE" not in shown
