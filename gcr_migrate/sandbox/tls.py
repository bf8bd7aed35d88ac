"""The sandbox's own certificate authority, and the certificate for all the names it plays."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
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
        self._authority = authority = trustme.CA(organization_name="gcr-migrate sandbox")
        self.certificate = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.certificate)
        self.context = _serving(authority.issue_cert(*_NAMES))

    def bad_context(self, trouble: str) -> ssl.SSLContext:
        """Return what serves TLS with a certificate that no client takes.

        Args:
            trouble: `expired`, `other-name` or `unknown-issuer`.
        """
        if trouble == "expired":
            ended = datetime.now(UTC) - timedelta(days=1)
            return _serving(self._authority.issue_cert(*_NAMES, not_after=ended))
        if trouble == "other-name":
            return _serving(self._authority.issue_cert("registry.example"))
        return _serving(trustme.CA(organization_name="somebody else").issue_cert(*_NAMES))


def _serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context
