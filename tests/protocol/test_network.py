"""Networks as companies have them: a proxy, an authority of their own, and no other way out."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import trustme

from gcr_migrate.errors import MigrateError
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.network import LIBRARY_VARIABLE, Network
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.transport import Wire
from tests.conftest import Cli, refusing_port
from tests.connect_proxy import ConnectProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("each_library")

FAST = Backoff(tries=3, base_s=0.001)
SERVICES = {
    "artifact_registry": "artifactregistry.googleapis.com",
    "oauth2": "oauth2.googleapis.com",
}
SPEC = """\
version: 1
source: {project: builds}
target: {location: europe}
routes:
  - {match: "**", repository: moved}
"""
# Runs in the tool's process before anything else, and notes where it tries to go.
WATCHER = """\
import os, sys

_log = open(os.environ["WATCHER_LOG"], "a", buffering=1)


def _watch(event, args):
    if event == "socket.connect":
        _log.write(f"connect {args[1]!r}\\n")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        _log.write(f"resolve {args[0]!r}\\n")


sys.addaudithook(_watch)
"""


def known_hosts(box: Sandbox) -> dict[str, int]:
    """Return what a proxy must know so that real names lead to the sandbox."""
    names = {label: SERVICES.get(label, label) for label in box.addresses}
    return {
        f"{names[label]}:443": urlsplit(address).port or 0
        for label, address in box.addresses.items()
    }


@dataclass(frozen=True)
class Company:
    """A network whose only way out is a proxy.

    Attributes:
        box: plays Google, with TLS.
        proxy: the way to it.
    """

    box: Sandbox
    proxy: ConnectProxy

    def environment(self) -> dict[str, str]:
        """Return what such a company sets on its machines."""
        return {
            "HTTPS_PROXY": f"http://robot:s3cr3t-word@127.0.0.1:{self.proxy.port}",
            "SSL_CERT_FILE": str(self.box.certificate),
            "GCR_MIGRATE_ACCESS_TOKEN": self.box.token,
        }


@contextmanager
def company(directory: Path) -> Iterator[Company]:
    """Run such a network while the block runs."""
    with running("builds", directory, tls=True) as box:
        proxy = ConnectProxy(known_hosts(box), login="robot:s3cr3t-word")
        with proxy.running():
            yield Company(box, proxy)


@dataclass(frozen=True)
class Run:
    """A whole migration in such a network.

    Attributes:
        exits: exit status of plan, apply and verify.
        words: all that they wrote.
        asked: tunnels that the proxy was asked for.
        went: what the watcher in the tool's process noted.
        proxy_port: where the proxy was.
    """

    exits: list[int]
    words: str
    asked: set[str]
    went: set[str]
    proxy_port: int


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, each_library: str) -> Run:
    """Plan, apply and verify with no endpoints file, through the proxy."""
    home = tmp_path_factory.mktemp("company")
    (home / "sitecustomize.py").write_text(WATCHER)
    (home / "spec.yaml").write_text(SPEC)
    log = home / "watcher.log"
    cli = Cli(home)
    with company(home / "box") as network:
        variables = network.environment() | {"PYTHONPATH": str(home), "WATCHER_LOG": str(log)}
        variables[LIBRARY_VARIABLE] = each_library
        commands = (
            ("plan", "spec.yaml", "-o", "m.gcrm"),
            ("apply", "m.gcrm", "--yes"),
            ("verify", "m.gcrm"),
        )
        exits, words = [], ""
        for command in commands:
            # Started from nothing: only a new interpreter takes the watcher in.
            with cli.start_anew(*command, **variables) as process:
                out, err = process.communicate(timeout=120)
            exits.append(process.returncode)
            words += out + err
        return Run(
            exits,
            words,
            set(network.proxy.asked),
            set(log.read_text().splitlines()),
            network.proxy.port,
        )


@pytest.mark.slow
def test_a_migration_runs_through_a_proxy_with_no_other_setting(run: Run) -> None:
    """Plan, apply and verify need the company's variables and no endpoints file."""
    assert run.exits == [0, 0, 0], run.words


def test_the_proxy_is_asked_for_the_migration_s_hosts_and_no_other(run: Run) -> None:
    """Source hosts, registries, the API that Google's libraries call, and whose token it is."""
    four = {f"{host}:443" for host in ("gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io")}
    registries = {"us-docker.pkg.dev:443", "europe-docker.pkg.dev:443"}
    services = ("artifactregistry", "oauth2", "pubsub", "serviceusage")
    google = {f"{one}.googleapis.com:443" for one in services}
    assert run.asked == four | registries | google


def test_the_process_goes_nowhere_but_to_the_proxy(run: Run) -> None:
    """Not one connection is opened elsewhere, and not one name is looked up here."""
    addresses = {f"resolve {name!r}" for name in ("127.0.0.1", b"127.0.0.1")}
    assert run.went <= {f"connect ('127.0.0.1', {run.proxy_port})"} | addresses
    assert f"connect ('127.0.0.1', {run.proxy_port})" in run.went


def test_the_proxy_s_password_is_never_shown(run: Run) -> None:
    """Neither results nor progress hold it."""
    assert "s3cr3t-word" not in run.words


def fetch(url: str, environ: dict[str, str], backoff: Backoff = FAST) -> int:
    """GET a URL by a way out that these variables describe; return the status."""

    async def get() -> int:
        async with Wire(Endpoints(), backoff, Network(environ)) as wire:
            return (await wire.request("GET", url, ok={200, 401, 404})).status

    return asyncio.run(get())


def failure(url: str, environ: dict[str, str]) -> MigrateError:
    """Return the error that a GET ends with."""
    with pytest.raises(MigrateError) as raised:
        fetch(url, environ)
    return raised.value


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company's network for all tests that only look at it."""
    with company(tmp_path_factory.mktemp("firm")) as network:
        yield network


def trusting(firm: Company, **environ: str) -> dict[str, str]:
    """Return variables with the company's authority and these."""
    return {"SSL_CERT_FILE": str(firm.box.certificate), **environ}


@pytest.mark.parametrize("login", ["", "robot:wrong-word@"])
def test_a_proxy_that_wants_a_password_is_named(firm: Company, login: str) -> None:
    """What refused was the proxy, not the service; no password is shown."""
    proxy = f"http://{login}127.0.0.1:{firm.proxy.port}"
    error = failure("https://us.gcr.io/v2/", trusting(firm, HTTPS_PROXY=proxy))
    assert error.problem.code == "unreachable"
    assert f"through the proxy 127.0.0.1:{firm.proxy.port}: " in error.saw
    assert "407" in error.saw
    assert "wrong-word" not in str(error)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_all_names_of_the_variable_count(firm: Company, name: str) -> None:
    """Tools differ in which they write; each leads through the proxy."""
    proxy = f"http://robot:s3cr3t-word@127.0.0.1:{firm.proxy.port}"
    before = len(firm.proxy.asked)
    assert fetch("https://us.gcr.io/v2/", trusting(firm, **{name: proxy})) == 401
    assert firm.proxy.asked[before:] == ["us.gcr.io:443"]


def test_a_host_that_the_proxy_does_not_know_is_unreachable(firm: Company) -> None:
    """The name is not looked up here when the proxy cannot; what refused is named."""
    error = failure("https://other.pkg.dev/v2/", trusting(firm, **_through(firm)))
    assert (error.problem.code, "502" in error.saw) == ("unreachable", True)


def _through(firm: Company) -> dict[str, str]:
    return {"HTTPS_PROXY": firm.environment()["HTTPS_PROXY"]}


def test_a_proxy_that_is_not_there_is_named() -> None:
    """It is the proxy that refuses the connection, not the service."""
    with refusing_port() as port:
        error = failure("https://us.gcr.io/v2/", {"HTTPS_PROXY": f"127.0.0.1:{port}"})
    assert error.problem.code == "unreachable"
    assert f"through the proxy 127.0.0.1:{port}" in error.saw


def test_a_proxy_may_speak_tls_itself(firm: Company) -> None:
    """Its certificate is judged by the same trust as a service's; the tunnel has its own TLS."""
    heads: list[str] = []
    tunnels: list[asyncio.Task[Any]] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # either side may hang up first
            while piece := await reader.read(65_536):
                writer.write(piece)
            writer.close()
            await writer.wait_closed()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tunnels.append(task)
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        port = known_hosts(firm.box)["us.gcr.io:443"]
        there, onward = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, onward), pump(there, writer))

    async def get() -> int:
        authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        assert firm.box.certificate is not None
        bundle = firm.box.certificate.with_name("both.pem")
        bundle.write_bytes(firm.box.certificate.read_bytes() + authority.cert_pem.bytes())
        server = await asyncio.start_server(tunnel, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            environ = {"HTTPS_PROXY": f"https://127.0.0.1:{port}", "SSL_CERT_FILE": str(bundle)}
            async with Wire(Endpoints(), FAST, Network(environ)) as wire:
                reply = await wire.request("GET", "https://us.gcr.io/v2/", ok={401})
            await asyncio.gather(*tunnels)
        return reply.status

    assert asyncio.run(get()) == 401
    assert heads[0].startswith("CONNECT us.gcr.io:443 ")


def test_loopback_is_asked_without_the_proxy(firm: Company) -> None:
    """A proxy cannot reach our loopback."""
    before = len(firm.proxy.asked)
    address = firm.box.addresses["us.gcr.io"]
    assert fetch(f"{address}/v2/", trusting(firm, **_through(firm))) == 401
    assert firm.proxy.asked[before:] == []


def test_the_metadata_server_is_asked_without_proxy_and_without_tls(firm: Company) -> None:
    """It has no TLS, is on every machine's own link, and is never behind a proxy."""
    network = Network(_through(firm) | {"http_proxy": firm.proxy.url, "GCE_METADATA_HOST": "m:80"})
    for host in ("metadata.google.internal", "169.254.169.254", "m"):
        assert network.proxy_for("http", host, None) is None
    assert network.proxy_for("http", "other.internal", None) is not None

    async def get() -> bytes:
        text = f"metadata: {firm.box.addresses['metadata']}"
        async with Wire(Endpoints.load(text, "e"), FAST, network) as wire:
            headers = {"Metadata-Flavor": "Google"}
            url = "http://169.254.169.254/"
            return (await wire.request("GET", url, ok={200, 404}, headers=headers)).body

    assert asyncio.run(get()) is not None


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_each_variable_for_certificates_counts(firm: Company, variable: str) -> None:
    """Whichever tool's variable a company sets, its authority is trusted."""
    url = f"{firm.box.addresses['us.gcr.io']}/v2/"
    assert fetch(url, {variable: str(firm.box.certificate)}) == 401


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_a_folder_of_certificates_counts(firm: Company, tmp_path: Path, variable: str) -> None:
    """A folder in OpenSSL's form, with names that are hashes, is trusted."""
    assert firm.box.certificate is not None
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(firm.box.certificate)]
    hashed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (tmp_path / f"{hashed}.0").write_bytes(firm.box.certificate.read_bytes())
    url = f"{firm.box.addresses['us.gcr.io']}/v2/"
    assert fetch(url, {variable: str(tmp_path)}) == 401


def test_variables_for_certificates_add_up(firm: Company) -> None:
    """One that was set for another tool takes nothing away from what the other names."""
    other = trustme.CA()
    path = firm.box.certificate.with_name("other.pem") if firm.box.certificate else Path()
    other.cert_pem.write_to_path(path)
    url = f"{firm.box.addresses['us.gcr.io']}/v2/"
    assert fetch(url, trusting(firm, REQUESTS_CA_BUNDLE=str(path))) == 401


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "bad-network"),
        (LIBRARY_VARIABLE, "curl", "bad-network"),
        ("GCR_MIGRATE_RETRY_TRIES", "many", "bad-variable"),
        ("GCR_MIGRATE_LOG", "loud", "bad-variable"),
    ],
)
def test_a_bad_variable_ends_a_command_with_a_code(
    cli: Cli, name: str, value: str, code: str
) -> None:
    """It is found before anything is called, and gives no traceback."""
    (cli.home / "spec.yaml").write_text(SPEC)
    variables: dict[str, Any] = {name: value}
    done = cli("plan", "spec.yaml", "--json", **variables)
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert (told["code"], told["subject"]) == (code, f"{name}={value}")


@contextmanager
def tls_server(context: ssl.SSLContext | None) -> Iterator[tuple[str, list[int]]]:
    """Answer each connection with 200, in the clear without a context; list the connections."""
    tries: list[int] = []

    def serve() -> None:
        with suppress(OSError):  # of the listening socket, when the block ends
            while True:
                client, _ = listener.accept()
                tries.append(1)
                with client, suppress(OSError):  # the client hangs up when it has no trust
                    client.settimeout(5)
                    with context.wrap_socket(client, server_side=True) if context else client as it:
                        it.recv(65_536)
                        it.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/", tries
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("name", "days", "known", "saw"),
    [
        ("127.0.0.1", -1, True, "the certificate has expired"),
        ("127.0.0.1", 9, True, "the certificate is not valid yet"),
        ("other.example", 1, True, "the certificate is for another host"),
        ("127.0.0.1", 1, False, "the certificate's issuer is not known here"),
    ],
    ids=["expired", "not-yet", "wrong-host", "unknown-issuer"],
)
def test_what_is_wrong_with_a_certificate_is_said_in_words(
    tmp_path: Path, name: str, days: int, saw: str, *, known: bool
) -> None:
    """It has a code of its own, and is not tried again: it would not get better."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    start, end = (1, 9) if days == 9 else (-9, days)
    now = datetime.now(UTC)
    authority.issue_cert(
        name, not_before=now + timedelta(days=start), not_after=now + timedelta(days=end)
    ).configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    environ = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")} if known else {}
    with tls_server(context) as (url, tries):
        error = failure(url, environ)
    assert error.problem.code == "untrusted"
    assert error.saw.startswith(saw)
    assert "SSL_CERT_FILE" in error.problem.remedy
    assert len(tries) == 1


def test_a_server_without_tls_is_unreachable_and_not_untrusted() -> None:
    """Plain HTTP on an https address has no certificate that could be mistrusted."""
    with tls_server(None) as (url, _):
        error = failure(url, {})
    assert error.problem.code == "unreachable"
    assert error.saw.startswith("TLS failed: ")


def test_the_clock_of_a_service_is_compared_with_ours(firm: Company) -> None:
    """Nothing is known before the first answer; then it is known to about a second."""

    async def compare() -> tuple[float | None, float | None]:
        async with Wire(Endpoints(), FAST, Network(trusting(firm))) as wire:
            before = wire.clock_skew_s
            await wire.request("GET", f"{firm.box.addresses['us.gcr.io']}/v2/", ok={401})
            return before, wire.clock_skew_s

    before, after = asyncio.run(compare())
    assert before is None
    assert after is not None
    assert abs(after) < 2
