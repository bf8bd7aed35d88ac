"""A transport adapter of `requests` by which Google's client libraries reach the wire."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING, Final

import requests
import requests.adapters
from urllib3.response import HTTPResponse

from gcr_migrate.google.bridge import ANSWERED

if TYPE_CHECKING:
    from typing import Any

    from gcr_migrate.google.api import Api
    from gcr_migrate.google.bridge import Bridge
    from gcr_migrate.wire.replies import Reply

# A redirect that the wire did not follow itself is not for a library to follow with our login.
_TAKEN: Final = ANSWERED - frozenset(range(300, 400))
# The wire has its own: for the login, for the encoding of bodies, for what a hop adds.
_NOT_SENT: Final = frozenset(
    {"authorization", "accept-encoding", "connection", "content-length", "user-agent"}
)
_OF_THE_HOP: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class WireAdapter(requests.adapters.BaseAdapter):
    """The transport adapter of a `requests` session: authorises a request, and hands it over.

    Args:
        bridge: the way to the loop.
        api: calls with our login.
    """

    def __init__(self, bridge: Bridge, api: Api) -> None:
        super().__init__()
        self._bridge = bridge
        self._api = api
        self._of_thread = threading.local()

    def about(self, subject: str) -> None:
        """Say what the next requests of this thread are about, for their errors."""
        self._of_thread.subject = subject

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002  # as the base class has it
        timeout: Any = None,
        *_: Any,
        **__: Any,
    ) -> requests.Response:
        """Send one request; certificates and proxies are the wire's.

        A `timeout` is for the call as a whole, tries and waits included: the wire has its own
        for each phase of each try.

        Raises:
            MigrateError: there is no answer, or it says 401, or to try again, once too often.
        """
        method, url = request.method or "GET", request.url or ""
        fields: dict[str, str | bytes] = dict(request.headers)  # those of an upload may be bytes
        headers = {
            name: value if isinstance(value, str) else value.decode("latin-1")
            for name, value in fields.items()
            if name.lower() not in _NOT_SENT
        }
        body = request.body.encode() if isinstance(request.body, str) else request.body
        subject = getattr(self._of_thread, "subject", "") or url.partition("?")[0]
        reply = self._bridge.run(
            lambda: self._api.send(method, url, subject, ok=_TAKEN, headers=headers, body=body),
            timeout_s=timeout if isinstance(timeout, (int, float)) else None,
            subject=subject,
        )
        return _response(reply, request)

    def close(self) -> None:
        """Do nothing: the wire is closed by who opened it."""


def _response(reply: Reply, request: requests.PreparedRequest) -> requests.Response:
    response = requests.Response()
    response.status_code = reply.status
    # The body is whole and decoded, whatever the header fields say of the way it came.
    kept = {k: v for k, v in reply.headers.items() if k.lower() not in _OF_THE_HOP}
    response.headers.update(kept)
    response.raw = HTTPResponse(io.BytesIO(reply.body), preload_content=False)
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response.url, response.request = request.url or "", request
    return response
