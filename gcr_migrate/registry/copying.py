"""Google's server-side copy from Container Registry, asked page by page.

It is a list of tags by its address, and writes all the same; it answers for up to ten minutes.
Nothing is tried again here but what a new token or a pause of the quota mends: what is known of
the rest belongs to who walks (FACTS section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from gcr_migrate.errors import UNREACHABLE, MigrateError
from gcr_migrate.model.copying import CopyQuery, CopyReply
from gcr_migrate.registry.auth import Authorizer
from gcr_migrate.registry.scopes import to_pull
from gcr_migrate.wire.replies import problem_of

if TYPE_CHECKING:
    from gcr_migrate.wire.replies import Reply
    from gcr_migrate.wire.secret import CredentialSource
    from gcr_migrate.wire.transport import Wire

TIMEOUT_S: Final = 600.0
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
# A quota that is used up is waited for by everybody together; all else is answered as it came.
_ANSWERED: Final = frozenset(range(_OK, 600)) - {_TOO_MANY}


class CopyClient:
    """One host that copies.

    Args:
        host: its real host.
        wire: connections that wait long enough for an answer, and try nothing again.
        login_wire: those by which its tokens are got.
        credentials: who knows how to log in.
    """

    def __init__(
        self, host: str, wire: Wire, login_wire: Wire, credentials: CredentialSource
    ) -> None:
        self._host = host
        self._wire = wire
        self._base = f"https://{host}"
        self._auth = Authorizer(host, self._base, login_wire, credentials)

    async def copy(self, query: CopyQuery) -> CopyReply:
        """Ask for one page, and wait until it is copied or the service gives up.

        Raises:
            MigrateError: `token-expired`; `too-many-requests` after all waiting for the quota;
                what stands in the way of a login.
        """
        subject = f"{self._host}/{query.name}"
        url = f"{self._base}/v2/{quote(query.name)}/tags/list?{urlencode(query.fields)}"
        scopes = (to_pull(query.name),)
        authorization = await self._auth.headers(scopes)
        try:
            reply = await self._ask(url, authorization, subject)
            if reply.status == _UNAUTHORIZED:
                header = reply.headers.get("www-authenticate")
                asks = await self._auth.refused(header, authorization, scopes)
                reply = await self._ask(url, await self._auth.headers(scopes, asks), subject)
        except MigrateError as error:
            if error.problem is not UNREACHABLE:
                raise
            return CopyReply(0, problem=error.problem, saw=error.saw)
        if reply.status == _OK:
            return CopyReply(_OK, reply.body)
        told = problem_of(reply, subject)
        return CopyReply(reply.status, reply.body, told.problem, told.saw)

    async def _ask(self, url: str, headers: dict[str, str], subject: str) -> Reply:
        return await self._wire.request("GET", url, ok=_ANSWERED, headers=headers, subject=subject)
