"""How many requests a migration takes, counted at the servers and held against the fewest."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.corpus import Bound, corpus, push_over_http
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Cli, MakeRegistry, Registry
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

MOST: Final = 1.05
# What is asked once, however much there is: a ping of each side, the catalogue or the API's lists
# of each, a test of the target's catalogue or the target's repository, and whether referrers are
# told, for six manifests and once more at the end.
ONCE: Final = 12
_LINE: Final = re.compile(r'"([A-Z]+) (\S+) HTTP/[0-9.]+" \d{3} ')
_KINDS: Final = ("uploads", "manifests", "blobs", "tags", "referrers", "_catalog")
_FEW_S: Final = 10.0


class Plain:
    """Two real registries, and the tool between them."""

    def __init__(self, source: Registry, target: Registry, cli: Cli) -> None:
        self.made = corpus(untagged=False)
        self.bound = Bound.of(self.made, lists_digests=False)
        # Whether a tag moved has to be asked of each, where lists tell no digests.
        self.looking = sum(len(name.tags) for name in self.made.names.values())
        self.source, self.target, self.home, self._cli = source, target, cli.home, cli
        push_over_http(self.made, source.url)
        spec = f'source: {{registry: "{source.host}"}}\ntarget: {{registry: "{target.host}"}}\n'
        (cli.home / "spec.yaml").write_text(f"version: 1\n{spec}")
        self._read: dict[Path, int] = {}
        self.counts()

    def run(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Run a command and return its object, after a check of the exit code."""
        done = self._cli(*args, "--json")
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def counts(self) -> Counter[str]:
        """Return what was asked since this was called last."""
        found = Counter[str]()
        for side, registry in (("source", self.source), ("target", self.target)):
            found.update(f"{side} {line}" for line in self._lines(registry))
        return found

    def _lines(self, registry: Registry) -> Iterator[str]:
        """Give method and kind of each request since."""
        text, begin = _settled(registry), self._read.get(registry.log, 0)
        self._read[registry.log] = len(text)
        for method, path in _LINE.findall(text[begin:]):
            if "?mark=" not in path:
                kind = next((one for one in _KINDS if f"/{one}" in path), "ping")
                yield f"{method} {kind}"


def _settled(registry: Registry) -> str:
    """Return a registry's log when it has a last request of ours, and so all that were before."""
    mark = f"/v2/?mark={time.monotonic_ns()}"
    urllib.request.urlopen(registry.url + mark, timeout=_FEW_S).close()  # noqa: S310  # loopback
    until = time.monotonic() + _FEW_S
    while mark not in (text := registry.log.read_text("utf-8")):
        assert time.monotonic() < until, f"{mark} does not come to the log"
    return text


class Google:
    """A project and a repository of the sandbox, and the tool between them."""

    def __init__(self, zoo: Zoo, dialect: str) -> None:
        self.made = corpus(untagged=True)
        self.bound = Bound.of(self.made, lists_digests=True)
        self.looking = 0
        self.home, self._zoo = zoo.home, zoo
        for path, name in self.made.names.items():
            for digest, one in name.manifests.items():
                for blob in one.blobs:
                    zoo.blob(path, self.made.blobs[blob])
                tags = [tag for tag, to in name.tags.items() if to == digest]
                zoo.push_raw(path, one.raw, one.media_type, *tags)
        spec = SPEC.replace("dialect: artifact-registry", f"dialect: {dialect}")
        (zoo.home / "spec.yaml").write_text(spec)

    def run(self, *args: str, code: int = 0) -> dict[str, Any]:
        """Run a command and return its object, after a check of the exit code."""
        ended, facts = self._zoo.run(*args)
        assert ended == code, facts
        return facts

    def counts(self) -> Counter[str]:
        """Return what was asked since this was called last, without logins and second addresses.

        A blob is read where the registry sends the reader; that is not the tool's to spare.
        """
        found = Counter[str]()
        for line in self._zoo.requests():
            method, host, path = line.split("?")[0].split(" ")
            kind = next((one for one in _KINDS if f"/{one}" in path), path.rpartition("/")[2])
            if host != "oauth2" and kind != "token" and "downloads" not in path:
                found[f"{method} {host} {kind}"] += 1
        self._zoo.forget()
        return found


@pytest.fixture(
    params=[
        pytest.param("plain", marks=pytest.mark.needs("docker-registry")),
        "artifact-registry",
        "gcr",
    ]
)
def sides(
    request: pytest.FixtureRequest, make_registry: MakeRegistry, cli: Cli, tmp_path: Path
) -> Iterator[Plain | Google]:
    """A source with a corpus and an empty target, of each dialect."""
    if request.param == "plain":
        yield Plain(make_registry(), make_registry(), cli)
        return
    (tmp_path / "zoo").mkdir()
    with opened(tmp_path / "zoo") as zoo:
        yield Google(zoo, request.param)


def test_a_migration_takes_hardly_more_requests_than_it_must(sides: Plain | Google) -> None:
    """Plan, apply, and plan and apply again over a target that has everything."""
    spec, first, second = (str(sides.home / name) for name in ("spec.yaml", "first", "second"))
    bound = sides.bound
    sides.run("plan", spec, "-o", first)
    planned = sides.counts()
    assert planned.total() <= MOST * bound.reading + ONCE, planned
    sides.run("apply", first)
    applied = sides.counts()
    assert applied.total() <= MOST * bound.copying + sides.looking + ONCE, applied
    facts = sides.run("plan", spec, "-o", second)
    again = sides.counts()
    assert not any(facts["todo"].values())
    assert again.total() <= MOST * bound.nothing_to_do + ONCE, again
    sides.run("apply", second)
    looked = sides.counts()
    assert looked.total() <= len(sides.made.names) + ONCE, looked
    sides.run("verify", second)


def test_a_resumed_run_asks_nothing_again(sides: Plain | Google) -> None:
    """Two runs that do a half each take what one takes, but for what is asked once."""
    spec, file = (str(sides.home / name) for name in ("spec.yaml", "m"))
    sides.run("plan", spec, "-o", file)
    half = sorted(sides.made.names)[::2]
    sides.counts()
    sides.run("apply", file, *(word for path in half for word in ("--only", path)), code=10)
    sides.run("apply", file)
    both = sides.counts()
    assert both.total() <= MOST * sides.bound.copying + sides.looking + 2 * ONCE, both


@pytest.mark.needs("docker-registry")
def test_a_pinned_source_is_not_asked_where_its_tags_are(
    make_registry: MakeRegistry, cli: Cli
) -> None:
    """The planned digest is copied, whatever its tag is by now."""
    sides = Plain(make_registry(), make_registry(), cli)
    spec, file = (str(sides.home / name) for name in ("spec.yaml", "m"))
    with (sides.home / "spec.yaml").open("a") as text:
        text.write("moved_tags: pin\n")
    sides.run("plan", spec, "-o", file)
    sides.counts()
    sides.run("apply", file)
    applied = sides.counts()
    assert applied.total() <= MOST * sides.bound.copying + ONCE, applied
    assert not applied["source HEAD manifests"]
