"""The cache of manifests: what it gives back is right, or it gives nothing."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST, Digest, Kind, Manifest
from gcr_migrate.state.cache import open_cache
from tests import shapes

if TYPE_CHECKING:
    from pathlib import Path


def _manifest(number: int, media_type: str = OCI_INDEX) -> Manifest:
    body = {"schemaVersion": 2, "manifests": [], "annotations": {"n": str(number)}}
    return Manifest.read(json.dumps(body).encode(), media_type)


ONE, TWO, THREE = (_manifest(number) for number in (1, 2, 3))


def _fill(path: Path, *manifests: Manifest, reader: str = "plan a", whole: bool = True) -> None:
    with open_cache(path, reader) as cache:
        for one in manifests:
            if cache.get(one.digest) is None:
                cache.put(one)
        if whole:
            cache.drop_unwanted()


def _held(path: Path) -> set[Manifest]:
    connection = sqlite3.connect(path)
    digests = {row[0] for row in connection.execute("SELECT digest FROM manifest").fetchall()}
    connection.close()
    return {one for one in (ONE, TWO, THREE) if str(one.digest) in digests}


def _sql(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    """Bytes, type and digest are those that were kept."""
    _fill(tmp_path / "c", ONE)
    with open_cache(tmp_path / "c", "plan a") as cache:
        assert cache.get(ONE.digest) == ONE
        assert cache.get(TWO.digest) is None
        assert (cache.found, cache.added, cache.was_empty) == (1, 0, False)


def test_what_an_earlier_version_kept_is_judged_anew(tmp_path: Path) -> None:
    """A type that was kept as a reply had it, and that says nothing, decides nothing."""
    path = tmp_path / "c"
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": shapes.entry("a/b", b"{}")}
    raw = json.dumps(body | {"layers": []}).encode()
    kept = Manifest(raw, "text/html", Digest.of(raw), Kind.UNKNOWN)
    _fill(path, kept)
    with open_cache(path, "plan a") as cache:
        assert cache.get(kept.digest) == Manifest.read(raw, OCI_MANIFEST)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE manifest SET raw = x'7b7d'",
        "UPDATE manifest SET raw = 'text'",
        "UPDATE manifest SET media_type = 'application/vnd.oci.image.manifest.v1+json'",
        "UPDATE manifest SET seal = ''",
    ],
)
def test_a_damaged_entry_is_dropped(tmp_path: Path, damage: str) -> None:
    """Other bytes or another type than were kept are not given out, and not asked for twice."""
    path = tmp_path / "c"
    _fill(path, ONE)
    _sql(path, damage)
    with open_cache(path, "plan a") as cache:
        assert cache.get(ONE.digest) is None
        cache.put(ONE)
        assert cache.get(ONE.digest) == ONE


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
)
@given(at=st.integers(0, 99), junk=st.binary(min_size=1, max_size=400))
def test_whatever_happens_to_the_file_no_wrong_manifest_comes_out(
    tmp_path: Path, at: int, junk: bytes
) -> None:
    """Junk anywhere in the file costs at most the fetching; it neither stops a run nor lies."""
    path = tmp_path / "c"
    path.unlink(missing_ok=True)
    _fill(path, ONE, TWO)
    whole = bytearray(path.read_bytes())
    start = len(whole) * at // 100
    whole[start : start + len(junk)] = junk
    path.write_bytes(bytes(whole))
    with open_cache(path, "plan a") as cache:
        for one in (ONE, TWO):
            assert cache.get(one.digest) in {None, one}
            cache.put(one)
        cache.drop_unwanted()


def test_a_file_of_another_program_is_left_alone(
    tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    """What the tool has not made is neither read nor written over, and one warning says so."""
    path = tmp_path / "c"
    path.write_text("mine")
    with open_cache(path, "plan a") as cache:
        cache.put(ONE)
        assert cache.get(ONE.digest) is None
    assert path.read_text() == "mine"
    assert [one["event"] for one in events] == ["cache.unusable"]


def test_a_cache_of_another_version_is_made_anew(tmp_path: Path) -> None:
    """Nothing in it is guessed at, and it is of use again afterwards."""
    path = tmp_path / "c"
    _fill(path, ONE)
    _sql(path, "PRAGMA user_version = 99")
    _fill(path, TWO)
    assert _held(path) == {TWO}


def test_what_a_whole_run_did_not_want_is_dropped(tmp_path: Path) -> None:
    """The cache grows no larger than what its readers wanted last."""
    _fill(tmp_path / "c", ONE, TWO)
    _fill(tmp_path / "c", TWO, THREE)
    assert _held(tmp_path / "c") == {TWO, THREE}


def test_what_another_reader_wants_is_kept(tmp_path: Path) -> None:
    """Two specs that are planned in turn do not drop each other's manifests."""
    _fill(tmp_path / "c", ONE, TWO, reader="plan a")
    _fill(tmp_path / "c", TWO, THREE, reader="plan b")
    assert _held(tmp_path / "c") == {ONE, TWO, THREE}
    _fill(tmp_path / "c", THREE, reader="plan a")
    assert _held(tmp_path / "c") == {TWO, THREE}


def test_a_run_that_was_broken_off_drops_nothing(tmp_path: Path) -> None:
    """What it had not come to is not what it did not want."""
    _fill(tmp_path / "c", ONE, TWO)
    _fill(tmp_path / "c", THREE, whole=False)
    assert _held(tmp_path / "c") == {ONE, TWO, THREE}


def test_room_of_what_is_dropped_is_given_back(tmp_path: Path) -> None:
    """The file itself shrinks with its content."""
    path = tmp_path / "c"
    _fill(path, *(_manifest(number) for number in range(500)))
    large = path.stat().st_size
    _fill(path, ONE)
    assert path.stat().st_size < large / 2


def test_two_runs_share_a_cache(tmp_path: Path) -> None:
    """What one has read the other finds at once, while both go on."""
    path = tmp_path / "c"
    with open_cache(path, "plan a") as first, open_cache(path, "plan b") as second:
        first.put(ONE)
        assert second.get(ONE.digest) == ONE
        second.put(TWO)
        assert first.get(TWO.digest) == TWO
