"""The wire breaks between the tool and a registry server of others, in each step."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.conftest import Registry, docker_registry
from tests.fault_stage import IDLE, IMPATIENT, Tool, staged
from tests.relay import Lie, Relay
from tests.sample import covering

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.needs("docker-registry")]

FROM, TO = "one.example", "two.example"
SPEC: Final = f"source: {{registry: {FROM}}}\ntarget: {{registry: {TO}}}\n"
FILL: Final = "source: {project: builds, hosts: [us.gcr.io]}\ntarget: {registry: one.example}\n"


@dataclass(frozen=True)
class Step:
    """A step, and the requests of it: who is asked, by which method, for what."""

    command: str
    host: str
    method: str
    path: str
    has_body: bool = False  # in the reply


STEPS: Final = {
    "catalogue": Step("plan", FROM, "GET", "/v2/_catalog", has_body=True),
    "listing": Step("plan", FROM, "GET", "/app/b/tags/list", has_body=True),
    "manifest-read": Step("plan", FROM, "GET", "/app/b/manifests/", has_body=True),
    "blob-read": Step("apply", FROM, "GET", "/app/b/blobs/", has_body=True),
    "upload-start": Step("apply", TO, "POST", "/app/[ab]/blobs/uploads/"),
    "upload": Step("apply", TO, "PUT", "/app/b/blobs/uploads/"),
    "mount": Step("apply", TO, "POST", "mount="),
    "manifest-write": Step("apply", TO, "PUT", "/app/c/manifests/sha256:"),
    "tag-write": Step("apply", TO, "PUT", "/app/b/manifests/1"),
    "proof": Step("verify", TO, "GET", "/app/b/manifests/sha256:", has_body=True),
}
LIES: Final[tuple[Lie, ...]] = (
    "reset-before",
    "reset-within",
    "reset-after",
    "stall",
    "clock",
    "cut",
    "extra",
    "longer",
    "shorter",
    "corrupt",
    "corrupt-request",
)
SECONDS: Final = 60
OF_REPLY: Final = frozenset({"cut", "extra", "longer", "shorter", "corrupt"})
CELLS: Final = [
    (lie, name)
    for lie in LIES
    for name, step in STEPS.items()
    if (step.has_body or lie not in OF_REPLY)
    and (lie != "corrupt" or name in {"manifest-read", "blob-read", "proof"})
    and (lie != "corrupt-request" or name in {"upload", "manifest-write"})
]


@dataclass
class Pair:
    """Two registries, the first of them full, and the tool.

    Attributes:
        digest: of the plan in the file `planned`.
        end: the files of the second registry after an undisturbed run.
    """

    source: Registry
    target: Registry
    tool: Tool
    digest: str
    end: frozenset[str] = frozenset()

    @property
    def held(self) -> frozenset[str]:
        """What the target holds: the files of its storage, but those of uploads."""
        root = self.target.storage
        files = (str(one.relative_to(root)) for one in root.rglob("*") if one.is_file())
        return frozenset(one for one in files if "_uploads" not in one)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Fill one registry from a sandbox, and migrate it to the other with nothing in the way."""
    home = tmp_path_factory.mktemp("pair")
    with (
        pytest.MonkeyPatch.context() as variables,
        docker_registry(home / "one") as source,
        docker_registry(home / "two") as target,
    ):
        variables.setenv("HOME", str(home))
        with staged(home / "stage") as stage:
            stage.straight["registries"][FROM] = source.url
            stage.command("plan", quiet=True, spec=FILL)
            assert stage.command("apply", quiet=True).exit == 0
        straight = {"registries": {FROM: source.url, TO: target.url}}
        tool = Tool(home, straight, straight)
        digest = tool.command("plan", quiet=True, spec=SPEC).facts["digest"]
        shutil.copy(home / "m", home / "planned")
        assert tool.command("apply", quiet=True).exit == 0
        assert tool.command("verify", quiet=True).exit == 0
        found = Pair(source, target, tool, digest)
        found.end = found.held
        yield found


def _cells() -> list[Any]:
    sample, long = covering(CELLS), (pytest.mark.long,)
    return [
        pytest.param(*cell, id="-in-".join(cell), marks=() if cell in sample else long)
        for cell in CELLS
    ]


@pytest.mark.parametrize("ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize(("lie", "name"), _cells())
def test_what_breaks_on_the_way_ends_right(lie: Lie, name: str, pair: Pair, *, ever: bool) -> None:
    """Once, nobody notices; for ever, it fails with a code; afterwards the command goes through."""
    step, tool = STEPS[name], pair.tool
    _before(step, pair)
    upstream = pair.source if step.host == FROM else pair.target
    relay = Relay(
        int(upstream.host.rpartition(":")[2]),
        step.path,
        lie,
        times=None if ever else 1,
        method=step.method,
    )
    tool.settings = IMPATIENT | (IDLE if lie == "stall" else {})
    with relay.running():
        tool.endpoints = {"registries": {**tool.straight["registries"], step.host: relay.url}}
        told = tool.command(step.command, spec=SPEC)
    assert relay.told, "nothing went wrong"
    assert told.seconds < SECONDS
    assert told.exit == 0 or (ever and lie != "clock"), told.facts
    # Bytes that follow a reply may be taken for none of it, or for a lie. A blob or tag whose write
    # got no answer is asked for, and a blob that cannot be mounted is sent.
    heals = lie in {"clock", "extra"} or name == "mount"
    heals |= name in {"upload", "tag-write"} and lie in {"reset-after", "stall"}
    assert told.exit in {1, 3, 4} or not ever or heals, told.facts
    if told.exit:
        assert re.search("unreachable|bad-reply|digest-mismatch|bytes-differ", str(told.facts))
    else:
        assert step.command != "plan" or told.facts["digest"] == pair.digest
        assert step.command != "apply" or pair.held == pair.end
    _heals(step, pair)


def _before(step: Step, pair: Pair) -> None:
    """Do all that comes before a command."""
    if step.command == "plan":
        for file in ("m", *(one.name for one in pair.tool.home.glob("*.cache"))):
            (pair.tool.home / file).unlink(missing_ok=True)
    else:
        shutil.copy(pair.tool.home / "planned", pair.tool.home / "m")
    if step.command != "verify":
        shutil.rmtree(pair.target.storage, ignore_errors=True)
    elif pair.held != pair.end:
        assert pair.tool.command("apply", quiet=True).exit == 0


def _heals(step: Step, pair: Pair) -> None:
    again = pair.tool.command(step.command, quiet=True, spec=SPEC)
    assert again.exit == 0, again
    if step.command == "plan":
        assert again.facts["digest"] == pair.digest
    if step.command == "apply":
        assert pair.held == pair.end
        assert pair.tool.command("verify", quiet=True).exit == 0
