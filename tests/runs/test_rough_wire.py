"""The wire is not as plain as the specification: one image through all of it, by one `apply`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from gcr_migrate.model.content import Digest
from tests.rough import LETTERS, MIB, SIGNATURE, SOURCE_TOKEN, TARGET_TOKEN, Rough

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SECRETS = (SIGNATURE, LETTERS[:200], SOURCE_TOKEN, TARGET_TOKEN)


class Cli(Protocol):
    """The tool as a process, see `tests/conftest.py`."""

    home: Path

    def __call__(self, *args: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        ...


@pytest.fixture
def rough() -> Iterator[Rough]:
    """Two registries that behave as real ones do."""
    with Rough().running() as one:
        yield one


def run(cli: Cli, *args: str | Path) -> dict[str, Any]:
    """Run a command that has to succeed without a word of what is secret."""
    done = cli(*args, "--json")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert not [one for one in SECRETS if one in done.stdout + done.stderr]
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def test_one_apply_gets_through_whatever_a_wire_does(cli: Cli, rough: Rough) -> None:
    """Cut, broken and damaged transfers end right, and no login or address gets where it must not.

    A cut upload starts over under a new session; a broken download goes on where it stopped, in
    the upload that waits for it; damaged bytes never become a whole upload.
    """
    source, target = (f"127.0.0.1:{rough.ports[one]}" for one in ("source", "target"))
    (cli.home / "spec.yaml").write_text(
        f"source: {{registry: '{source}'}}\n"
        f"target: {{registry: '{target}'}}\n"
        "routes: [{match: '**'}]\n"
    )
    run(cli, "plan", "spec.yaml", "-o", "m")
    rough.forget()
    facts = run(cli, "apply", "m")
    assert facts["bytes"]["transferred"] >= 24 * MIB
    asked, puts = rough.asked, rough.puts
    cut, broken, damaged = rough.layers
    assert rough.kept["1"] == rough.kept[str(Digest.of(rough.raw))] == rough.raw

    sessions = [one.session for one in puts if one.digest == cut]
    assert len(sessions) == len(set(sessions)) == 2
    posts = [one for one in asked["target"] if one.method == "POST"]
    assert len(posts) == len({one.session for one in puts}) == len(puts) == 6

    first, rest = [one.range for one in asked["storage"] if one.path == f"/{broken}"]
    assert (first, rest.startswith("bytes=")) == ("", True)
    assert 0 < int(rest.removeprefix("bytes=").rstrip("-")) <= 3 * MIB
    assert [one.received for one in puts if one.digest == broken] == [8 * MIB]

    assert [one.range for one in asked["storage"] if one.path == f"/{damaged}"] == ["", ""]
    never, whole = [one.received for one in puts if one.digest == damaged]
    assert (never < 8 * MIB, whole) == (True, 8 * MIB)

    assert not [one for one in asked["storage"] if "authorization" in one.headers]
    uploads = [one for one in asked["target"] if one.path.startswith("/artifacts-uploads/")]
    assert {one.headers.get("authorization") for one in uploads} == {f"Bearer {TARGET_TOKEN}"}
    assert {one.method for one in uploads} == {"PUT"}
    kept = b"".join(file.read_bytes() for file in cli.home.iterdir() if file.is_file())
    assert not [one for one in SECRETS if one.encode() in kept]

    run(cli, "verify", "m", "--level", "blobs")
    assert len([one for one in rough.asked["target"] if one.method == "PATCH"]) == 0
