"""The way out of this machine: proxies and trusted certificates, as the environment says.

Every client goes this one way, so that what lets one of them out lets out all.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import certifi
from msgspec import Struct

from gcr_migrate.errors import BAD_NETWORK, MigrateError
from gcr_migrate.model.names import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The address is what google-auth asks first; neither has TLS, and neither is behind a proxy.
METADATA_HOSTS: Final = frozenset({"metadata.google.internal", "169.254.169.254"})
_METADATA_VARIABLES: Final = ("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT")
_TRUST_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
CERTIFICATE_VARIABLE: Final = "GCR_MIGRATE_CLIENT_CERT"
KEY_VARIABLE: Final = "GCR_MIGRATE_CLIENT_KEY"
_TLS_VARIABLES: Final = (*_TRUST_VARIABLES, CERTIFICATE_VARIABLE, KEY_VARIABLE)
PORTS: Final = {"http": 80, "https": 443}  # where no other one is named
LIBRARY_VARIABLE: Final = "GCR_MIGRATE_HTTP"
LIBRARIES: Final = ("asyncio", "httpx")  # whose connections there are; the first one is usual


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that opens tunnels (CONNECT).

    Attributes:
        url: its address without user and password; may be shown.
        auth: user and password, None if it asks for none.
    """

    url: str
    auth: tuple[str, str] | None = field(default=None, repr=False)


class Network:
    """Who is asked by way of a proxy, whose certificates are trusted, and by which library.

    Attributes:
        metadata_hosts: names of the metadata server.
        library: whose connections are used, one of `LIBRARIES`.

    Args:
        environ: environment variables; none of them: no proxy and the usual certificates.

    Raises:
        MigrateError: BAD_NETWORK if a variable holds what cannot be used.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = environ or {}
        any_scheme = _proxy(environ, "ALL_PROXY")
        self._proxies = {
            "https": _proxy(environ, "HTTPS_PROXY") or any_scheme,
            "http": _proxy(environ, "HTTP_PROXY") or any_scheme,
        }
        self._without = _without(_value(environ, "NO_PROXY"))
        named = (environ.get(name, "").partition(":")[0] for name in _METADATA_VARIABLES)
        self.metadata_hosts = METADATA_HOSTS | {host for host in named if host}
        self._environ = {name: environ[name] for name in _TLS_VARIABLES if environ.get(name)}
        if self._environ:
            self.trust  # noqa: B018  # what a person named is looked at now, and not in mid-run
        self.library = environ.get(LIBRARY_VARIABLE) or LIBRARIES[0]
        if self.library not in LIBRARIES:
            saw = f"it is neither {' nor '.join(LIBRARIES)}"
            subject = f"{LIBRARY_VARIABLE}={self.library}"
            raise MigrateError(BAD_NETWORK, subject=subject, saw=saw)

    @functools.cached_property
    def trust(self) -> ssl.SSLContext:
        """Whose certificates are trusted, and what we show; read when needed, as it takes long."""
        context = trust(self._environ)
        _show_certificate(context, self._environ)
        return context

    @property
    def proxies(self) -> frozenset[Proxy]:
        """All proxies that may be used."""
        return frozenset(proxy for proxy in self._proxies.values() if proxy)

    def proxy_for(self, scheme: str, host: str, port: int | None) -> Proxy | None:
        """Return the proxy for an address, None if it is asked directly."""
        proxy = self._proxies.get(scheme)
        host = host.lower().strip("[]")
        if proxy is None or is_loopback(host) or host in self.metadata_hosts:
            return None
        number = port or PORTS[scheme]
        return None if any(one.covers(host, number) for one in self._without) else proxy


class _Exempt(Struct, frozen=True):
    """One entry of NO_PROXY: a host and what is below it, a network, or everything."""

    host: str
    port: int | None = None
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None

    def covers(self, host: str, port: int) -> bool:
        if self.port not in {None, port}:
            return False
        if self.network is not None:
            try:
                return ipaddress.ip_address(host) in self.network
            except ValueError:
                return False
        return self.host in {"*", host} or host.endswith(f".{self.host}")


def trust(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return whose certificates are trusted; servers' names are always checked.

    What the variables name is trusted, all of it and nothing else. Without them it is what the
    machine trusts, to which companies add their own authority, and what browsers trust.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificates and names
    named: dict[Path, str] = {}  # by which variable; many name one file more than once
    for variable in _TRUST_VARIABLES:
        value = environ.get(variable, "")
        for text in value.split(os.pathsep) if variable == "SSL_CERT_DIR" else [value]:
            if value:
                named.setdefault(Path(text), variable)
    for path, variable in named.items():
        _load(context, path, variable)
    if named:
        return context
    machine = ssl.get_default_verify_paths()
    # Not load_default_certs: it would read the variables of the process, not those given here.
    file = machine.openssl_cafile if Path(machine.openssl_cafile).is_file() else None
    folder = machine.openssl_capath if Path(machine.openssl_capath).is_dir() else None
    if file or folder:
        context.load_verify_locations(file, folder)
    context.load_verify_locations(certifi.where())
    return context


def _show_certificate(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    """Have a certificate of one's own shown to servers that ask for one."""
    file, key = environ.get(CERTIFICATE_VARIABLE), environ.get(KEY_VARIABLE)
    if not file and not key:
        return
    if not file:
        saw = f"a key without a certificate: {CERTIFICATE_VARIABLE} names that"
        raise MigrateError(BAD_NETWORK, subject=f"{KEY_VARIABLE}={key}", saw=saw)
    subject = f"{CERTIFICATE_VARIABLE}={file}" + (f", {KEY_VARIABLE}={key}" if key else "")
    not_fit = "it is no certificate in PEM form with its key, or the key is locked by a passphrase"
    with _read(subject, not_fit):
        # Without a word of ours OpenSSL would ask for one at the terminal.
        context.load_cert_chain(file, key, password=lambda: "")


def _load(context: ssl.SSLContext, path: Path, variable: str) -> None:
    with _read(f"{variable}={path}", "no certificates in PEM form are in it"):
        if path.is_dir():
            next(path.iterdir(), None)  # OpenSSL would not tell that it may not look into it
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)


@contextmanager
def _read(subject: str, not_fit: str) -> Iterator[None]:
    """Tell of a file that cannot be read, or, in the words given, of one that does not fit."""
    try:
        yield
    except OSError as error:
        saw = not_fit if isinstance(error, ssl.SSLError) else error.strerror
        saw = saw or type(error).__name__
        raise MigrateError(BAD_NETWORK, subject=subject, saw=saw) from error


def _value(environ: Mapping[str, str], name: str) -> str:
    """Return a variable that is written in lower or upper case; lower case counts more."""
    return (environ.get(name.lower()) or environ.get(name) or "").strip()


def _proxy(environ: Mapping[str, str], name: str) -> Proxy | None:
    """Read a proxy variable; no part of its value is shown, as a password may be anywhere."""
    value = _value(environ, name)
    if not value:
        return None
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise MigrateError(BAD_NETWORK, subject=name, saw="it is not a URL") from error
    if parts.scheme not in {"http", "https"} or not host:
        saw = "it is not the address of an HTTP proxy, such as http://proxy.example:3128"
        raise MigrateError(BAD_NETWORK, subject=name, saw=saw)
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}:{port or PORTS[parts.scheme]}"
    if parts.username is None:
        return Proxy(url)
    return Proxy(url, (unquote(parts.username), unquote(parts.password or "")))


def _without(text: str) -> tuple[_Exempt, ...]:
    entries = (entry.strip().lower() for entry in text.replace(" ", ",").split(","))
    return tuple(_exempt(entry) for entry in entries if entry)


def _exempt(entry: str) -> _Exempt:
    bare = entry.strip("[]")
    try:
        return _Exempt("", network=ipaddress.ip_network(bare, strict=False))
    except ValueError:
        pass
    host, colon, port = bare.rpartition(":")
    if not colon or not port.isdigit():
        return _Exempt(_suffix(bare))
    host = host.strip("[]")
    try:
        return _Exempt("", int(port), ipaddress.ip_network(host, strict=False))
    except ValueError:
        return _Exempt(_suffix(host), int(port))


def _suffix(host: str) -> str:
    return host if host == "*" else host.removeprefix("*").lstrip(".")
