"""The sandbox's own certificate authority, and the certificate for all the names it plays."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import trustme

if TYPE_CHECKING:
    from pathlib import Path

_NAMES: Final = (
    "gcr.io",
    "*.gcr.io",
    "*.pkg.dev",
    "*.googleapis.com",
    "metadata.google.internal",
    "localhost",
    "127.0.0.1",
)


class Authority:
    """A certificate authority that exists as long as the sandbox.

    Args:
        directory: where its certificate is written; the keys stay in memory.

    Attributes:
        certificate: the file that clients must trust.
        context: what serves TLS with it.
    """

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA(organization_name="gcr-migrate sandbox")
        self.certificate = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.certificate)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*_NAMES).configure_cert(self.context)
