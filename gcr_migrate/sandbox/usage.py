"""What a gcr.io host says of the use of Container Registry, in one word.

Where there is no word the question is answered as if it had not been asked; so it is for a host
that never had a bucket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.sandbox.states import NOT_REDIRECTED, REDIRECTED

if TYPE_CHECKING:
    from starlette.requests import Request

    from gcr_migrate.sandbox.store import Store

_ASKED: Final = "check_usage_only"
_LEGACY: Final = "containers/repositories/library/"
_FINALIZED: Final = "REDIRECTION_FROM_GCR_IO_FINALIZED"


def usage_word(store: Store, host: str, project: str, request: Request) -> str:
    """Return the word for a request that asks for it; empty for any other, and for no word.

    A scenario may say the word; else it follows from the project's state and bucket.
    """
    if request.query_params.get(_ASKED) != "true" or not request.url.path.endswith("/tags/list"):
        return ""
    state = store.project(project)
    if host in state.usage:
        return state.usage[host]
    bucket = store.buckets.get(bucket_name(host, project))
    if bucket is None or bucket.project != project:
        return ""
    if state.redirect_state in {REDIRECTED, _FINALIZED}:
        return "REDIRECTED"
    if state.redirect_state not in {NOT_REDIRECTED, "REDIRECTION_STATE_UNSPECIFIED"}:
        return "REDIRECTION_INCOMPLETE"
    # Nobody has been able to use it since it was shut down.
    is_legacy = any(name.startswith(_LEGACY) for name in bucket.objects)
    return "LEGACY" if is_legacy else "INACTIVE"


def bucket_name(host: str, project: str) -> str:
    """Return the bucket in which Container Registry keeps what a project has at a host."""
    domain, scoped, name = project.rpartition(":")
    inner = f"{name}.{domain}.a" if scoped else name
    return f"{host.removesuffix('gcr.io')}artifacts.{inner}.appspot.com"
