"""What tests of protocols share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.wire import network

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=network.LIBRARIES)
def each_library(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a module's tests once by each library of connections, which is the usual one then."""
    library: str = request.param
    others = [other for other in network.LIBRARIES if other != library]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "LIBRARIES", (library, *others))
        yield library
