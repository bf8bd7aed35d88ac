"""Keys of service accounts that the sandbox gave out, and what is signed with them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Mapping

_JWT_PARTS: Final = 3
_LONGEST_LIFE: Final = 3600  # seconds between iat and exp
_SKEW: Final = 60  # seconds by which a client's clock may be ahead
_PROJECT_OF: Final = ".iam.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class _Key:
    """One key: whose it is, and both its halves."""

    email: str
    private: str = field(repr=False)
    public: rsa.RSAPublicKey = field(repr=False)


class Keys:
    """All keys that were given out, by their ids."""

    def __init__(self) -> None:
        self._issued: dict[str, _Key] = {}

    async def issue(self, email: str, token_uri: str) -> dict[str, str]:
        """Make a key for a service account, in the form of a key file.

        Args:
            email: of the service account.
            token_uri: where its holder gets access tokens.
        """
        pair = await asyncio.to_thread(rsa.generate_private_key, 65_537, 2_048)
        private = pair.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        id_ = secrets.token_hex(20)
        self._issued[id_] = _Key(email, private, pair.public_key())
        return {
            "type": "service_account",
            "project_id": email.rpartition("@")[2].removesuffix(_PROJECT_OF),
            "private_key_id": id_,
            "private_key": private,
            "client_email": email,
            "client_id": client_id(email),
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }

    def owner(self, text: str) -> str | None:
        """Return the email that a key file stands for; None if it was not given out here."""
        try:
            file = json.loads(text)
        except ValueError:
            return None
        if not isinstance(file, dict):
            return None
        key = self._issued.get(str(file.get("private_key_id")))
        if key is None or file.get("client_email") != key.email:
            return None
        return key.email if file.get("private_key") == key.private else None

    def claims(self, assertion: str) -> dict[str, Any] | None:
        """Return what a JWT claims; None unless a key of its issuer signed it."""
        parts = assertion.split(".")
        if len(parts) != _JWT_PARTS:
            return None
        try:
            head, claims = (json.loads(_unpack(part)) for part in parts[:2])
            signature = _unpack(parts[2])
        except ValueError:
            return None
        if not (isinstance(head, dict) and isinstance(claims, dict)):
            return None
        key = self._issued.get(str(head.get("kid")))
        if key is None or head.get("alg") != "RS256" or claims.get("iss") != key.email:
            return None
        signed = f"{parts[0]}.{parts[1]}".encode()
        try:
            key.public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        return claims


def timely(claims: Mapping[str, Any]) -> bool:
    """Whether a JWT is good now, and for no more than an hour in all."""
    issued, ends, now = claims.get("iat"), claims.get("exp"), time.time()
    if not (isinstance(issued, int | float) and isinstance(ends, int | float)):
        return False
    return issued - _SKEW <= now < ends <= issued + _LONGEST_LIFE


def client_id(name: str) -> str:
    """Return the number that Google would give an account."""
    digest = hashlib.sha256(name.encode()).digest()
    return str(10**20 + int.from_bytes(digest) % 10**20)


def _unpack(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
