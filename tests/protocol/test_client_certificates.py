"""A certificate of one's own, for servers that let nobody in without one."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from gcr_migrate.errors import MigrateError
from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import LIBRARY_VARIABLE, Network
from gcr_migrate.wire.routes import sender_for
from tests.peer import EACH, EMPTY, LONG_S, Peer, run, script

if TYPE_CHECKING:
    from pathlib import Path

LIMITS: dict[str, float | None] = dict.fromkeys(("connect", "read", "write", "pool"), LONG_S)


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """Sign for a server and for us: `ca.pem`, `own.pem` with `own.key`, and `both.pem`."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = made.issue_cert("robot@example.com")
    own.cert_chain_pems[0].write_to_path(tmp_path / "own.pem")
    own.private_key_pem.write_to_path(tmp_path / "own.key")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    return made


async def status(authority: trustme.CA, library: str, **environ: str) -> int:
    """Ask a server that wants to see a certificate; return the status."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    sends = sender_for(Network({LIBRARY_VARIABLE: library, **environ}), 1)
    try:
        async with Peer(script(EMPTY), tls=context).running() as peer:
            host = {"host": peer.url.removeprefix("https://")}
            answer = await sends.send("GET", peer.url, host, None, LIMITS)
            await answer.aclose()
            return answer.status
    finally:
        await sends.aclose()


@EACH
@pytest.mark.parametrize("files", [("own.pem", "own.key"), ("both.pem",)], ids=["two", "one"])
def test_a_certificate_is_shown_to_who_asks_for_it(
    library: str, authority: trustme.CA, tmp_path: Path, files: tuple[str, ...]
) -> None:
    """Its key may be in a file of its own."""
    names = ("GCR_MIGRATE_CLIENT_CERT", "GCR_MIGRATE_CLIENT_KEY")
    environ = {name: str(tmp_path / file) for name, file in zip(names, files, strict=False)}
    environ["SSL_CERT_FILE"] = str(tmp_path / "ca.pem")

    assert run(status(authority, library, **environ)) == 200


@EACH
def test_without_one_such_a_server_lets_nobody_in(
    library: str, authority: trustme.CA, tmp_path: Path
) -> None:
    """So that the test before this one says something."""
    with pytest.raises((trouble.TransportError, ssl.SSLError)):
        run(status(authority, library, SSL_CERT_FILE=str(tmp_path / "ca.pem")))


@pytest.mark.parametrize(
    ("environ", "saw"),
    [
        ({"GCR_MIGRATE_CLIENT_CERT": "nowhere.pem"}, "No such file"),
        ({"GCR_MIGRATE_CLIENT_CERT": "own.pem"}, "no certificate in PEM form with its key"),
        ({"GCR_MIGRATE_CLIENT_CERT": "locked.pem"}, "locked by a passphrase"),
        ({"GCR_MIGRATE_CLIENT_KEY": "own.key"}, "a key without a certificate"),
    ],
    ids=["absent", "no-key", "locked", "key-alone"],
)
def test_a_certificate_that_cannot_be_used_is_named(
    authority: trustme.CA, tmp_path: Path, environ: dict[str, str], saw: str
) -> None:
    """Before anything is asked; nobody is asked for a passphrase, as nobody may be there."""
    own = authority.issue_cert("robot@example.com")
    key = serialization.load_pem_private_key(own.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    (tmp_path / "locked.pem").write_bytes(locked + own.cert_chain_pems[0].bytes())

    with pytest.raises(MigrateError) as raised:
        Network({name: str(tmp_path / file) for name, file in environ.items()})

    assert raised.value.problem.code == "bad-network"
    assert all(name in raised.value.subject for name in environ)
    assert saw in raised.value.saw
