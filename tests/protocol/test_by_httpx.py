"""What httpx raises, as the exceptions of ours that it becomes."""

from __future__ import annotations

import httpx
import pytest

from gcr_migrate.wire import trouble
from gcr_migrate.wire.by_httpx import ByHttpx
from gcr_migrate.wire.network import Network
from tests.peer import run

RAISED = [
    (kind, name)
    for kind in vars(httpx).values()
    if isinstance(kind, type) and issubclass(kind, (httpx.TransportError, httpx.DecodingError))
    for name in [kind.__name__ if hasattr(trouble, kind.__name__) else "TransportError"]
]


@pytest.mark.parametrize(("kind", "name"), RAISED, ids=[kind.__name__ for kind, _ in RAISED])
def test_each_kind_has_the_name_that_it_has_there(
    monkeypatch: pytest.MonkeyPatch, kind: type[httpx.RequestError], name: str
) -> None:
    """Or that of all of them, where there is none here; it leads to what was raised there."""

    async def fail(*_: object) -> None:
        raise kind("the words")

    async def work() -> None:
        await ByHttpx(Network(), 1).send("GET", "http://registry.test", {}, None, {})

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)
    with pytest.raises(getattr(trouble, name), match=r"^the words$") as raised:
        run(work())
    assert type(raised.value).__name__ == name
    assert isinstance(raised.value.__cause__, kind)
