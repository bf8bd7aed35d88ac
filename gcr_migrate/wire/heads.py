"""Heads of requests and answers, and where an address is.

Answers are read by llhttp, which is strict: what could be read in two ways is an error.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from gcr_migrate.wire import trouble
from gcr_migrate.wire.network import PORTS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_ADDRESS: Final = re.compile(r"([a-z]+)://([^/?#]*)([^#]*)")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_VALUE: Final = re.compile(r"[\0\r\n]")


class Origin(Struct, frozen=True):
    """A server: who has the same one may share connections.

    Attributes:
        scheme: `http` or `https`.
        host: its name or address, without brackets.
        port: its port.
        named: as a request names it.
    """

    scheme: str
    host: str
    port: int
    named: str

    @classmethod
    @functools.lru_cache(maxsize=256)
    def read(cls, scheme: str, netloc: str) -> Origin:
        """Read the beginning of an address.

        Args:
            scheme: before `://`.
            netloc: what is behind it, a login included, which is not sent.

        Raises:
            trouble.UnsupportedProtocol: it is not that of an HTTP server.
            trouble.InvalidURL: it is none at all.
        """
        try:
            parts = urlsplit(f"{scheme}://{netloc}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise trouble.InvalidURL("it is no address") from error
        if scheme not in PORTS or not host:
            raise trouble.UnsupportedProtocol("it is not the address of an HTTP server")
        usual = port in {None, PORTS[scheme]}
        named = f"[{host}]" if ":" in host else host
        return cls(scheme, host, port or PORTS[scheme], named if usual else f"{named}:{port}")


def split_address(text: str) -> tuple[Origin, str]:
    """Return where a URL leads to, and what is asked for there: it goes out byte for byte.

    Raises:
        trouble.UnsupportedProtocol: it is not the address of an HTTP server.
        trouble.InvalidURL: it is no address.
    """
    text = text.replace(" ", "%20")
    if not text.isascii() or not text.isprintable():
        raise trouble.InvalidURL("it has characters that no address has")
    parts = _ADDRESS.match(text)
    if parts is None:
        raise trouble.UnsupportedProtocol("it is not the address of an HTTP server")
    path = parts[3]
    return Origin.read(parts[1], parts[2]), path if path.startswith("/") else f"/{path}"


def request_head(method: str, target: str, fields: Collection[tuple[str, str]]) -> bytes:
    """Return the head of a request, up to the empty line.

    Args:
        method: HTTP method.
        target: what is asked for.
        fields: names and values.

    Raises:
        trouble.LocalProtocolError: a field could be read as something else than a field.
        UnicodeEncodeError: a value has characters that none can have.
    """
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in fields:
        if not _is_name(name):
            raise trouble.LocalProtocolError(f"a field {name!r} cannot be sent")
        lines.append(f"{name}: {value}")
    lines += ["", ""]
    text = "\r\n".join(lines)
    ends = len(lines) - 1  # all of them together are looked at in a fraction of the time
    if "\0" in text or text.count("\r") != ends or text.count("\n") != ends:
        odd = [name for name, value in fields if _NO_VALUE.search(value)]
        raise trouble.LocalProtocolError(f"fields {odd} cannot be sent")
    return text.encode("latin-1")


@functools.lru_cache(maxsize=256)
def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


@functools.lru_cache(maxsize=256)
def _key(name: bytes) -> str:
    return name.decode("latin-1").lower()


class Fields(Mapping[str, str]):
    """Header fields; names in any case. Those of one name are one, as RFC 9110 §5.3 joins them.

    Args:
        raw: names and values as they came.
    """

    __slots__ = ("_values",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = ()) -> None:
        values: dict[str, str] = {}
        for name, value in raw:
            key, text = _key(name), value.decode("latin-1")
            known = values.get(key)
            values[key] = text if known is None else f"{known}, {text}"
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a field, or `default`; it may be absent as often as not."""
        return self._values.get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
