"""What a target lost of what it had: taken to be there with its index, unless it is asked for."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.corpus import Corpus, digest_of, push_over_http

if TYPE_CHECKING:
    from tests.conftest import Cli, MakeRegistry

pytestmark = [pytest.mark.slow, pytest.mark.needs("docker-registry")]


def _delete(url: str) -> None:
    request = urllib.request.Request(url, method="DELETE")  # noqa: S310  # loopback
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310  # loopback


def test_what_a_target_lost_below_an_index_is_found_and_brought_back(
    make_registry: MakeRegistry, cli: Cli
) -> None:
    """A child and a blob are deleted: `verify` finds both, `plan --check-target` plans them."""
    made, source, target = Corpus(), make_registry(), make_registry()
    children = [made.image("app", word, [b"base", word.encode()]) for word in ("amd64", "arm64")]
    made.index("app", children, "1")
    made.image("web", "web", [b"base", b"web"], "1")
    push_over_http(made, source.url)
    spec = f'source: {{registry: "{source.host}"}}\ntarget: {{registry: "{target.host}"}}\n'
    (cli.home / "spec.yaml").write_text(f"version: 1\n{spec}")

    def run(*args: str, code: int = 0) -> dict[str, Any]:
        done = cli(*args, "--json")
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    run("plan", "spec.yaml", "-o", "first")
    run("apply", "first")
    _delete(f"{target.url}/v2/app/manifests/{digest_of(children[0].raw)}")
    _delete(f"{target.url}/v2/web/blobs/{digest_of(b'web')}")
    wrong = {one["code"] for one in run("verify", "first", code=1)["findings"]}
    assert wrong >= {"digest-gone", "blob-gone"}
    assert not any(run("plan", "spec.yaml", "-o", "believing")["todo"].values())
    facts = run("plan", "spec.yaml", "--check-target", "-o", "asking")
    assert facts["todo"]["manifests"] == 2
    run("apply", "asking")
    run("verify", "asking")
