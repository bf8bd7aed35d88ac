"""No test leaves this machine: what it connects to, or asks the address of, is loopback.

Python imports this when it starts with this folder in PYTHONPATH, as the tests' tool does; tests
import it as what it is.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

LEFT: Final = 99  # exit code of a process that tried, which no command of the tool has


def stand(caught: Callable[[str], NoReturn]) -> None:
    """Look at all that this process and its forks connect to, until they end.

    Args:
        caught: is called with what was wanted before anything is sent; it does not return.
    """

    def look(event: str, args: tuple[Any, ...]) -> None:
        # No name of this module here: it is called when the interpreter ends, too.
        if event in {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}:
            host = _host(event, args)
            if host.endswith(".invalid"):
                raise socket.gaierror(socket.EAI_NONAME, "nobody has such a name")
            if host and not _is_here(host):
                caught(f"{event}: {host} is not on this machine")

    sys.addaudithook(look)


def end(what: str) -> NoReturn:
    """End this process at once, and say why."""
    os.write(2, f"{what}\n".encode())
    os._exit(LEFT)


def _host(event: str, args: tuple[Any, ...]) -> str:
    """Return where a socket is going, or whose address is asked; empty for the file system."""
    if event == "socket.getaddrinfo":
        host = args[0]
    else:
        sock, address = args[0], args[-1]
        is_internet = sock.family in {socket.AF_INET, socket.AF_INET6}
        host = address[0] if is_internet and address else None
    return host.decode() if isinstance(host, bytes) else str(host or "")


def _is_here(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


if __name__ == "sitecustomize":
    stand(end)
