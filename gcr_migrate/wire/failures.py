"""What connections, the system and TLS raise, as problems of the catalogue."""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING, Final, TypeVar

from gcr_migrate.errors import BAD_REPLY, UNREACHABLE, UNTRUSTED, MigrateError
from gcr_migrate.model.address import NO_ADDRESS
from gcr_migrate.wire import trouble
from gcr_migrate.wire.retry import TransientError

if TYPE_CHECKING:
    from gcr_migrate.wire.sender import Limits

C = TypeVar("C", bound=OSError)

FAILURES: Final = (
    trouble.TransportError,
    OSError,  # some of TLS and of the system comes through as it is
    UnicodeError,  # of a host that cannot be a name of the Internet
    trouble.InvalidURL,
    trouble.DecodingError,
)

_URL: Final = re.compile(r"https?://\S+")
_PROXY_REFUSES: Final = re.compile(r"(?:401|403|407)\b")
# Numbers of OpenSSL's X509_V_ERR_*: its own words name neither side nor remedy.
_EXPIRED: Final = frozenset({10})
_NOT_YET: Final = frozenset({9})
_WRONG_NAME: Final = frozenset({62, 64})
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})


def named(
    error: Exception, subject: str, via: str = "", limits: Limits | None = None
) -> MigrateError:
    """Return the problem that one of `FAILURES` is.

    Args:
        error: what was raised.
        subject: what it happened to.
        via: address of the proxy on the way, empty if there is none.
        limits: seconds that each phase may take, to be told where one was over.
    """
    match error:
        case trouble.RemoteProtocolError():
            return TransientError(BAD_REPLY, subject=subject, saw=_why(error))
        case trouble.TransportError():
            return _of_transport(error, subject, via, limits)
        case OSError():
            return _of_system(error, subject, via)
        case UnicodeError():
            return MigrateError(UNREACHABLE, subject=subject, saw=type(error).__name__)
        case _:
            return MigrateError(BAD_REPLY, subject=subject, saw=_why(error))


def _of_transport(
    error: trouble.TransportError, subject: str, via: str, limits: Limits | None
) -> MigrateError:
    if isinstance(error, (trouble.UnsupportedProtocol, trouble.LocalProtocolError)):
        return MigrateError(BAD_REPLY, subject=subject, saw=_why(error))
    tls = _cause(error, ssl.SSLError)
    if tls is not None:
        return _of_system(tls, subject, via)
    lookup = _cause(error, socket.gaierror)
    if lookup is not None:
        saw = f"{_way(via)}{NO_ADDRESS}{lookup.strerror or 'the name is not known'}"
        return TransientError(UNREACHABLE, subject=subject, saw=saw)
    saw = _way(via) + (_waited(error, limits) or _why(error))
    if isinstance(error, trouble.ProxyError) and _PROXY_REFUSES.match(str(error)):
        return MigrateError(UNREACHABLE, subject=subject, saw=saw)
    return TransientError(UNREACHABLE, subject=subject, saw=saw)


def _of_system(error: OSError, subject: str, via: str) -> MigrateError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return MigrateError(UNTRUSTED, subject=subject, saw=_way(via) + _distrust(error))
    words = _why(error)
    if isinstance(error, ssl.SSLError):
        words = f"TLS failed: {(error.reason or 'no reason given').replace('_', ' ').lower()}"
    return TransientError(UNREACHABLE, subject=subject, saw=_way(via) + words)


def _way(via: str) -> str:
    return f"through the proxy {via}: " if via else ""


def _cause(error: BaseException, kind: type[C]) -> C | None:
    """Return the first of a kind that led to an error; what several wait for may lead in a ring."""
    found: BaseException | None = error
    seen: set[int] = set()
    while found is not None and id(found) not in seen:
        if isinstance(found, kind):
            return found
        seen.add(id(found))
        found = found.__cause__ or found.__context__
    return None


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code in _EXPIRED:
        return "the certificate has expired, or this machine's clock is ahead"
    if code in _NOT_YET:
        return "the certificate is not valid yet, or this machine's clock is behind"
    if code in _WRONG_NAME:
        return f"the certificate is for another host: {error.verify_message}"
    if code in _UNKNOWN_ISSUER:
        return f"the certificate's issuer is not known here: {error.verify_message}"
    return f"the certificate was refused: {error.verify_message}"


def _waited(error: Exception, limits: Limits | None) -> str:
    """Say which phase took too long, and what that is; empty where nothing did."""
    if limits is None:
        return ""
    match error:
        case trouble.ConnectTimeout():
            return f"no connection within {limits['connect']:g} s"
        case trouble.PoolTimeout():
            return f"all connections were in use for {limits['pool']:g} s"
        case trouble.WriteTimeout():
            return f"no byte was taken for {limits['write']:g} s"
        case trouble.ReadTimeout():
            return str(error) or f"no byte for {limits['read']:g} s"
        case _:
            return ""


def _why(error: Exception) -> str:
    words = _URL.sub("(URL)", " ".join(str(error).split()))[:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
