"""The sandbox over TLS: an authority of its own, and the real names of what it plays."""

from __future__ import annotations

import json
import signal
import ssl
from typing import TYPE_CHECKING, Final

import google.auth.transport.requests
import httpx
import pytest
import requests
from google.oauth2 import service_account

from gcr_migrate.sandbox.app import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox
    from tests.conftest import Cli

ROBOT: Final = "robot@builds.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run the scenario of the documentation over TLS."""
    with running("builds", tmp_path_factory.mktemp("box"), tls=True) as one:
        yield one


@pytest.fixture(scope="module")
def trusting(box: Sandbox) -> Iterator[httpx.Client]:
    """Return a client that trusts the sandbox's authority and no other."""
    with httpx.Client(verify=ssl.create_default_context(cafile=box.certificate)) as one:
        yield one


def test_only_who_trusts_the_authority_gets_through(box: Sandbox, trusting: httpx.Client) -> None:
    """With the certificate beside the blobs it answers, without there is no connection."""
    url = box.addresses["gcr.io"]

    assert trusting.get(f"{url}/v2/").status_code == 401
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{url}/v2/")


def test_all_but_the_metadata_server_speak_tls(box: Sandbox) -> None:
    """The metadata server has plain HTTP only, as Google's; the control calls have TLS too."""
    plain = {label for label, url in box.addresses.items() if url.startswith("http://")}

    assert plain == {"metadata"}
    assert box.control_url.startswith("https://")
    assert httpx.get(box.addresses["metadata"]).status_code == 404


@pytest.mark.parametrize(
    ("host", "label"),
    [
        ("gcr.io", "gcr.io"),
        ("asia.gcr.io", "asia.gcr.io"),
        ("us-docker.pkg.dev", "us-docker.pkg.dev"),
        ("oauth2.googleapis.com", "oauth2"),
        ("localhost", "storage"),
    ],
)
def test_it_may_be_called_by_its_real_names(
    box: Sandbox, trusting: httpx.Client, host: str, label: str
) -> None:
    """Whoever leads a real name here, as a proxy may, finds a certificate for it."""
    extensions = {"sni_hostname": host}

    reply = trusting.get(box.addresses[label], headers={"Host": host}, extensions=extensions)

    assert reply.status_code in {401, 404}


def test_the_challenge_leads_to_where_one_came_from(box: Sandbox, trusting: httpx.Client) -> None:
    """Under its real name a registry sends to that name, under an address to the address."""
    url = box.addresses["us.gcr.io"]
    extensions = {"sni_hostname": "us.gcr.io"}
    named = trusting.get(f"{url}/v2/", headers={"Host": "us.gcr.io"}, extensions=extensions)
    plain = trusting.get(f"{url}/v2/")

    assert 'realm="https://us.gcr.io/v2/token"' in named.headers["www-authenticate"]
    assert f'realm="{url}/v2/token"' in plain.headers["www-authenticate"]


def test_google_auth_logs_in_over_tls(
    box: Sandbox, trusting: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key leads to the address with TLS, and google-auth gets its token there."""
    wanted = {"member": f"serviceAccount:{ROBOT}"}
    key = trusting.post(f"{box.control_url}/keys", json=wanted).json()
    make = service_account.Credentials.from_service_account_info
    credentials = make(key, scopes=["x"])  # type: ignore[no-untyped-call]

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(box.certificate))
    with requests.Session() as session:
        credentials.refresh(google.auth.transport.requests.Request(session))

    url = f"{box.addresses['oauth2']}/tokeninfo"
    assert trusting.post(url, data={"access_token": credentials.token}).json()["scope"] == "x"


def test_no_private_key_is_left_on_disk(box: Sandbox) -> None:
    """Only the certificate of the authority is written."""
    assert box.certificate is not None
    written = [path for path in box.certificate.parent.rglob("*") if path.is_file()]

    assert box.certificate in written
    assert not [path for path in written if b"PRIVATE KEY" in path.read_bytes()]


@pytest.mark.slow
def test_the_command_tells_its_authority(cli: Cli, tmp_path: Path) -> None:
    """`sandbox --tls` says where the certificate is, and its endpoints are https."""
    with cli.start("sandbox", "--tls", "--json", "--directory", tmp_path) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)

    assert told["certificate"] == str(tmp_path / "ca.pem")
    assert (tmp_path / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert told["registries"]["gcr.io"].startswith("https://")
