"""One call to a registry name, and how a registry refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from gcr_migrate.sandbox.images import Image
    from gcr_migrate.sandbox.store import Place, Repository
    from gcr_migrate.sandbox.tokens import Caller

NAME: Final = "sandbox.name"  # in the scope: the registry name that an opaque address stands for


class Call(Struct, frozen=True):
    """A request that passed the gate.

    Attributes:
        host: the registry host that was asked.
        request: the request itself.
        caller: who asked.
        name: the registry name in the path.
        where: where that leads.
        repository: the repository there.
        reference: tag, digest or nothing, the last part of the path.
    """

    host: str
    request: Request
    caller: Caller
    name: str
    where: Place
    repository: Repository
    reference: str

    @property
    def image(self) -> Image:
        """Return the image that is named; an empty one where there is none."""
        return self.repository.image(self.where.path)


def refuse(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an error as the distribution specification words it."""
    body = {"errors": [{"code": code, "message": message}]}
    return JSONResponse(body, status, headers=headers)
