"""Messages to those who are told of a run: over the wire, within a time, with no address shown."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from gcr_migrate.errors import BAD_USAGE, BAD_WEBHOOK, NOT_TOLD, MigrateError
from gcr_migrate.model.names import is_loopback
from gcr_migrate.wire.secret import Secret, without_secrets

if TYPE_CHECKING:
    from gcr_migrate.wire.transport import Wire

WITHIN_S: Final = 60.0
_TAKEN: Final = frozenset(range(200, 300))
_SHORT: Final = 6


class Receiver:
    """Somebody who is sent messages.

    Args:
        wire: connections that are used for nothing else.
        address: a URL; of a webhook it is a secret, as whoever has it can post there.
        name: what it is called in errors instead.
        within_s: seconds for a message, all tries included.
    """

    def __init__(
        self, wire: Wire, address: Secret, name: str, *, within_s: float = WITHIN_S
    ) -> None:
        self._wire = wire
        self._address = address
        self._name = name
        self._within_s = within_s

    async def post(self, body: bytes, media_type: str, *, below: str = "", key: str = "") -> None:
        """Send a message until it is taken.

        Args:
            body: the message.
            media_type: of the body.
            below: path below the address.
            key: tells the receiver that a second try is no second message.

        Raises:
            MigrateError: `not-told`, in words that do not hold the address.
        """
        url = self._address.reveal() + below
        headers = {"content-type": media_type} | ({"idempotency-key": key} if key else {})
        try:
            async with asyncio.timeout(self._within_s):
                await self._wire.request(
                    "POST", url, ok=_TAKEN, headers=headers, body=body, subject=self._name
                )
        except TimeoutError as error:
            saw = f"it was not taken within {self._within_s:g} s"
            raise MigrateError(NOT_TOLD, subject=self._name, saw=saw) from error
        except MigrateError as error:
            raise MigrateError(NOT_TOLD, subject=self._name, saw=self._words(error)) from None

    def _words(self, error: MigrateError) -> str:
        """Return what went wrong, without the receiver's words where they repeat the address."""
        said = without_secrets(error.saw)
        parts = re.split(r"[^\w.-]+", self._address.reveal())
        if any(len(part) > _SHORT and part in said for part in parts):
            said = ""
        return f"{error.problem.title}: {said}" if said else error.problem.title


def checked(text: str, subject: str, kind: Literal["webhook", "gateway"]) -> Secret:
    """Read an address as it was written.

    Args:
        text: one URL, with white space around it.
        subject: where it was written, for errors.
        kind: whose address it is; a gateway's has neither query nor login.

    Raises:
        MigrateError: `bad-webhook`, of a gateway `bad-usage`; nothing of the address is in it.
    """
    problem = BAD_WEBHOOK if kind == "webhook" else BAD_USAGE
    address = text.strip()
    saw = _unusable(address)
    if not saw and kind == "gateway" and urlsplit(address).query:
        saw = "it has a query"
    if saw:
        raise MigrateError(problem, subject=subject, saw=saw)
    return Secret(address.rstrip("/") if kind == "gateway" else address)


def _unusable(address: str) -> str:
    """Return why nothing can be sent to an address, without any of it; empty if something can."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        return "it is not one URL"
    if not parts.hostname or port == 0:
        return "it is not a URL with a host"
    if "@" in parts.netloc:
        return "a login stands before its host"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
        return "neither https, nor http to this machine"
    return ""
