"""Planning again costs listings, and no manifest; counted at the server."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Cli
from tests.zoo import SPEC, Zoo, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

FETCH = "^GET us-docker.pkg.dev /v2/.*/manifests/"
HEAD = "^HEAD us-docker.pkg.dev /v2/.*/manifests/"
WRITE = "^(PUT|POST|PATCH|DELETE) (?!oauth2)"
COUNT = 9  # manifests of the source below


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """A source with an index of two, a referrer, and six images."""
    with opened(tmp_path) as zoo:
        children = [zoo.image("team/app", name=name) for name in ("amd64", "arm64")]
        index = zoo.index("team/app", "1", of=children)
        zoo.image("team/app", "sbom", name="sbom", subject=index)
        for number in range(5):
            zoo.image("team/web", f"v{number}", name=f"web-{number}")
        yield zoo


def _plan(zoo: Zoo, *options: str, to: str = "m", code: int = 0) -> dict[str, Any]:
    spec = zoo.home / "spec.yaml"
    spec.write_text(SPEC)
    ended, facts = zoo.run("plan", str(spec), "-o", str(zoo.home / to), *options)
    assert ended == code, facts
    return facts


def _kept(zoo: Zoo) -> int:
    connection = sqlite3.connect(zoo.home / "builds.cache")
    found = connection.execute("SELECT count(*) FROM manifest").fetchall()[0][0]
    connection.close()
    return int(found)


def test_an_unchanged_source_gives_no_manifest_twice(zoo: Zoo) -> None:
    """The second plan fetches none, asks for no head, and is the same plan."""
    first = _plan(zoo)
    fetched = zoo.asked(FETCH)
    second = _plan(zoo)
    assert fetched == _kept(zoo) >= COUNT
    assert (zoo.asked(FETCH), zoo.asked(HEAD)) == (fetched, 0)
    assert second["digest"] == first["digest"]


def test_without_a_cache_everything_is_fetched_anew(zoo: Zoo) -> None:
    """The switch neither reads the cache nor leaves one."""
    first = _plan(zoo, "--no-cache")
    fetched = zoo.asked(FETCH)
    assert not (zoo.home / "builds.cache").exists()
    assert _plan(zoo, "--no-cache")["digest"] == first["digest"]
    assert zoo.asked(FETCH) == 2 * fetched


def test_only_what_is_new_is_fetched(zoo: Zoo) -> None:
    """One more image costs one manifest."""
    _plan(zoo)
    fetched = zoo.asked(FETCH)
    zoo.image("team/web", "v9", name="web-9")
    facts = _plan(zoo)
    assert zoo.asked(FETCH) == fetched + 1
    assert facts["counts"]["images"] == 2


def test_what_is_gone_from_the_source_does_not_live_on_in_the_cache(zoo: Zoo) -> None:
    """A child that the source has lost is told as lost, though the cache has its bytes."""
    _plan(zoo)
    child = zoo.image("team/app", name="amd64")
    zoo.lose("team/app", child)
    facts = _plan(zoo, code=1)
    assert "child-missing" in {one["code"] for one in (*facts["findings"], *facts["left_out"])}


def test_a_damaged_entry_is_fetched_anew(zoo: Zoo) -> None:
    """Other bytes in the cache cost one fetch, and never reach a plan."""
    first = _plan(zoo)
    fetched = zoo.asked(FETCH)
    connection = sqlite3.connect(zoo.home / "builds.cache")
    connection.execute("UPDATE manifest SET raw = x'7b7d' WHERE id = 3")
    connection.commit()
    connection.close()
    assert _plan(zoo)["digest"] == first["digest"]
    assert zoo.asked(FETCH) == fetched + 1
    _plan(zoo)
    assert zoo.asked(FETCH) == fetched + 1


def test_a_broken_cache_stops_no_plan(zoo: Zoo) -> None:
    """A file of which nothing can be read is made anew."""
    first = _plan(zoo)
    path, fetched = zoo.home / "builds.cache", zoo.asked(FETCH)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    assert _plan(zoo)["digest"] == first["digest"]
    assert zoo.asked(FETCH) == 2 * fetched
    _plan(zoo)
    assert zoo.asked(FETCH) == 2 * fetched


def test_proofs_ask_the_registries_and_not_the_cache(zoo: Zoo) -> None:
    """What is changed behind the tool's back is found, whatever the cache remembers."""
    _plan(zoo)
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    lost = zoo.image("team/web", "v1", name="web-1")
    target = zoo.box.store.repositories["builds", "europe", "moved"]
    del target.images["team/web"].manifests[lost.digest]
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 1


def test_a_nightly_plan_costs_listings_only(zoo: Zoo) -> None:
    """With all in place, planning again fetches and writes nothing, and has nothing to do."""
    _plan(zoo)
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    before = [zoo.asked(form) for form in (FETCH, WRITE, "^GET .*/blobs/", "^HEAD ")]
    facts = _plan(zoo, "--detailed-exitcode", to="nightly")
    assert [zoo.asked(form) for form in (FETCH, WRITE, "^GET .*/blobs/", "^HEAD ")] == before
    assert not any(facts["todo"].values())
    zoo.image("team/web", "v7", name="web-7")
    facts = _plan(zoo, "--detailed-exitcode", to="nightly", code=10)
    assert (facts["todo"]["manifests"], facts["todo"]["tags"]) == (1, 1)
    assert zoo.asked(FETCH) == before[0] + 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_read_before_a_plan_was_stopped_is_not_read_again(
    zoo: Zoo, how: signal.Signals
) -> None:
    """Killed or interrupted in the middle, the next plan fetches only the rest."""
    zoo.fault(host="us-docker.pkg.dev", method="GET", path="/manifests/", skip=6, delay_s=600.0)
    cli, spec = Cli(zoo.home), zoo.home / "spec.yaml"
    spec.write_text(SPEC)
    login = {"GCR_MIGRATE_ENDPOINTS": str(zoo.home / "endpoints.yaml")}
    login["GCR_MIGRATE_ACCESS_TOKEN"] = zoo.box.token
    with cli.start("plan", spec, "-o", "m", **login) as process:
        until = time.monotonic() + 30
        while not (Path(zoo.home / "builds.cache").exists() and _started(zoo) and _kept(zoo) >= 6):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        os.kill(process.pid, how)
        process.communicate(timeout=30)
    assert process.returncode == (130 if how is signal.SIGINT else -signal.SIGKILL)
    assert not (zoo.home / "m").exists()
    kept, asked = _kept(zoo), zoo.asked(FETCH)
    zoo.heal()
    _plan(zoo)
    assert zoo.asked(FETCH) - asked == _kept(zoo) - kept < _kept(zoo)


def _started(zoo: Zoo) -> bool:
    """Whether the cache has its tables already."""
    connection = sqlite3.connect(zoo.home / "builds.cache")
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'wanted'").fetchall()
    connection.close()
    return bool(found)
