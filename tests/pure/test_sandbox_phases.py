"""A fault of the sandbox strikes the step of a migration that it names, and no other."""

from __future__ import annotations

from typing import get_args

import pytest

from gcr_migrate.sandbox.faults import Fault, Phase

DIGEST = "sha256:" + "a" * 64
REQUESTS = {
    "GET /v2/token?scope=repository%3Aa%2Fb%3Apull": {"token"},
    "GET /v2/a/b/tags/list?n=10000": {"listing"},
    f"GET /v2/a/b/manifests/{DIGEST}": {"manifest-read"},
    "HEAD /v2/a/b/manifests/1.0": {"manifest-read"},
    f"GET /v2/a/b/blobs/{DIGEST}": {"blob-read"},
    f"HEAD /v2/a/b/blobs/{DIGEST}": {"blob-read"},
    "GET /artifacts-downloads/namespaces/a/repositories/b/downloads/x": {"blob-read"},
    "POST /v2/a/b/blobs/uploads/": {"upload-start"},
    f"POST /v2/a/b/blobs/uploads/?mount={DIGEST}&from=a/c": {"mount"},
    f"PUT /artifacts-uploads/x?opaque=y&digest={DIGEST}": {"upload-body", "upload-end"},
    f"PUT /v2/a/b/manifests/{DIGEST}": {"manifest-write"},
    f"PUT /v2/a/b/manifests/{DIGEST.replace(':', '%3A')}": {"manifest-write"},
    "PUT /v2/a/b/manifests/sha256-1": {"tag-write"},
    "GET /v2/": set(),
    f"GET /v2/a/b/referrers/{DIGEST}": set(),
    "POST /v1/projects/a/locations/us/repositories": set(),
}


@pytest.mark.parametrize("request_line", REQUESTS)
def test_each_request_is_of_its_step(request_line: str) -> None:
    """Of all steps, just these are struck."""
    method, _, target = request_line.partition(" ")
    phases: tuple[Phase, ...] = get_args(Phase)
    struck = {one for one in phases if Fault(phase=one).strikes("host", method, target)}
    assert struck == REQUESTS[request_line]


def test_each_step_has_a_request() -> None:
    """None is named in vain."""
    assert set().union(*REQUESTS.values()) == set(get_args(Phase))
