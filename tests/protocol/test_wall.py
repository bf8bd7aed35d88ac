"""No test leaves this machine: whoever tries is stopped, and named."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.wall import sitecustomize as wall

if TYPE_CHECKING:
    from tests.conftest import Cli

ADDRESS: Final = ("192.0.2.1", 443)  # of documentation: nobody has it
TOLD: Final = "is not on this machine"
# No endpoints file: the real hosts are meant.
COMMAND: Final = ("inventory", "us-docker.pkg.dev/builds/images", "-o", "a.snapshot")
LOGIN: Final[dict[str, Any]] = {"GCR_MIGRATE_ACCESS_TOKEN": "ya29.x"}


def test_a_test_connects_to_nobody_else() -> None:
    """It fails at once, whatever it would do with an error of the network."""
    with pytest.raises(pytest.fail.Exception, match=TOLD), socket.socket() as one:
        one.connect(ADDRESS)


@pytest.mark.parametrize("name", ["us-docker.pkg.dev", b"gcr.io"])
def test_a_test_asks_for_nobodys_address(name: str | bytes) -> None:
    """The resolver's servers are elsewhere, too."""
    with pytest.raises(pytest.fail.Exception, match=TOLD):
        socket.getaddrinfo(name, 443)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "0.0.0.0"])  # noqa: S104  # asks only
def test_this_machine_is_reached(host: str) -> None:
    """All names and addresses of it."""
    assert socket.getaddrinfo(host, 443)


def test_the_tool_does_not_either(cli: Cli) -> None:
    """The test fails with the host, whatever the tool would have made of it."""
    with pytest.raises(AssertionError, match=TOLD):
        cli(*COMMAND, **LOGIN)
    with cli.start(*COMMAND, **LOGIN) as process, pytest.raises(AssertionError, match=TOLD):
        process.communicate(timeout=60)


@pytest.mark.slow
def test_an_interpreter_of_its_own_does_not_either(cli: Cli) -> None:
    """Nor do those that it starts, as they have its variables."""
    with cli.start_anew(*COMMAND, **LOGIN) as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, TOLD in err) == (wall.LEFT, True)
