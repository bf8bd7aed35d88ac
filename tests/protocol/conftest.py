"""What tests of protocols share."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from gcr_migrate.wire import network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", params=network.LIBRARIES)
def each_library(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests once by each library of connections, which is the usual one then."""
    library: str = request.param
    others = [other for other in network.LIBRARIES if other != library]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "LIBRARIES", (library, *others))
        yield library


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for servers."""
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server at 127.0.0.1 speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file that names it."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"
