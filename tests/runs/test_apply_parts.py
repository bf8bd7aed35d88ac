"""A part of a plan, a window of time, and what others do meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import sqlite3
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import Cli
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Digest
    from tests.warm import Running
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

EUROPE = "europe-docker.pkg.dev"
UPLOAD = "^/artifacts-uploads/.*digest="
TARGET = ("builds", "europe", "moved")


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An empty source, and requests that are not tried again."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as found:
        yield found


@pytest.fixture
def teams(zoo: Zoo) -> Zoo:
    """A planned source of two teams with two images each."""
    for path in ("a/one", "a/two", "b/one", "b/two"):
        zoo.image(path, "1", name=path)
    assert zoo.plan()[0] == 0
    return zoo


def there(zoo: Zoo) -> dict[str, dict[str, Digest]]:
    """Return the tags of the target by image path."""
    images = zoo.box.store.repositories[TARGET].images
    return {path: dict(image.tags) for path, image in images.items() if image.tags}


def apply(zoo: Zoo, *options: str) -> tuple[int, dict[str, Any]]:
    """Apply the plan in this process."""
    return zoo.run("apply", str(zoo.home / "m"), *options)


def way(zoo: Zoo) -> tuple[str, ...]:
    """Return the options that lead to the sandbox."""
    home = zoo.home
    return ("--endpoints", f"{home}/endpoints.yaml", "--access-token-file", f"{home}/token")


def started(zoo: Zoo, *options: str, **variables: str) -> Running:
    """Start to apply the plan in another process."""
    return Cli(zoo.home).start("apply", "m", "--json", *way(zoo), *options, **variables)


def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition."""
    late = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < late
        time.sleep(0.02)


def test_only_some_paths_are_worked_on(teams: Zoo) -> None:
    """Nothing of the others is touched, and the exit says that there is more to do."""
    code, facts = apply(teams, "--only", "a/**")
    assert (code, facts["outcome"], facts["counts"]["failed"]) == (10, "pending", 0)
    assert set(there(teams)) == {"a/one", "a/two"}
    code, facts = apply(teams)
    assert (code, facts["outcome"]) == (0, "complete")
    assert set(there(teams)) == {"a/one", "a/two", "b/one", "b/two"}


def test_a_pattern_that_takes_nothing_is_refused(teams: Zoo) -> None:
    """It is a slip of the pen, and no success."""
    code, facts = apply(teams, "--only", "c/**")
    assert (code, facts["code"]) == (2, "bad-usage")
    assert "--only c/**" in facts["subject"]


def test_each_pattern_that_takes_nothing_is_refused(teams: Zoo) -> None:
    """Beside others that take something, too: it is named, and nothing is done."""
    code, facts = apply(teams, "--only", "a/*", "--only", "c/**", "--only", "d")
    assert (code, facts["code"], facts["subject"]) == (2, "bad-usage", "--only c/** d")
    assert TARGET not in teams.box.store.repositories


def test_a_retry_works_on_what_failed_alone(teams: Zoo) -> None:
    """Paths of which nothing failed are not asked about."""
    teams.fault(host=EUROPE, method="PUT", path="a/one/manifests/1", status=500, times=1)
    code, facts = apply(teams, "--only", "a/*")
    assert (code, facts["outcome"]) == (1, "failed")
    teams.forget()
    code, facts = apply(teams, "--retry-failed")
    assert (code, facts["outcome"]) == (10, "pending")
    assert not teams.asked("/(a/two|b/one|b/two)/")
    assert set(there(teams)) == {"a/one", "a/two"}


@pytest.mark.parametrize(
    ("goes_on_with", "sent"),
    [
        ("the file", set()),
        ("a new plan", {"a/one"}),
        ("an old copy", {"a/one", "a/two", "b/one", "b/two"}),
    ],
)
def test_who_knows_which_layers_have_arrived(teams: Zoo, goes_on_with: str, sent: set[str]) -> None:
    """The ledger knows all, a new plan those of whole images, an old copy of the file none."""
    file = teams.home / "m"
    old = file.read_bytes()
    teams.fault(method="PUT", path="moved/a/one/manifests/", status=400, times=2)
    assert apply(teams)[0] == 1
    if goes_on_with == "a new plan":
        file.unlink()
        assert teams.plan()[0] == 0
    elif goes_on_with == "an old copy":
        file.write_bytes(old)
    teams.forget()
    assert apply(teams)[0] == 0
    layers = {path: hashlib.sha256(path.encode()).hexdigest() for path in there(teams)}
    assert {path for path, layer in layers.items() if teams.asked(f"{UPLOAD[1:]}.*{layer}")} == sent


def test_a_dry_run_asks_nobody_and_begins_nothing(teams: Zoo) -> None:
    """It tells what is left, 10 for something and 0 for nothing; and holds no lock."""
    teams.forget()
    code, facts = apply(teams, "--dry-run")
    assert (code, facts["outcome"], facts["counts"]["done"]) == (10, "pending", 0)
    assert teams.requests() == []
    with contextlib.closing(sqlite3.connect(teams.home / "m")) as ledger:
        assert ledger.execute("SELECT * FROM run").fetchall() == []
    assert apply(teams)[0] == 0
    assert apply(teams, "--dry-run")[0] == 0


def test_a_dry_run_counts_what_is_chosen_alone(teams: Zoo) -> None:
    """What other paths need is not told as if this part would bring it."""
    code, facts = apply(teams, "--dry-run", "--only", "a/one")
    assert (code, facts["began_with"]["manifests"], facts["began_with"]["tags"]) == (10, 1, 1)
    assert facts["began_with"]["blobs"] == 2
    assert apply(teams, "--dry-run")[1]["began_with"]["manifests"] == 4


@pytest.mark.parametrize(
    ("refused", "codes", "puts"),
    [
        ("manifests/", {"1": "request-refused", "2": "blocked", "3": "blocked"}, 2),
        ("manifests/1", {"1": "request-refused"}, 4),
    ],
)
def test_what_is_refused_is_tried_once_more_by_its_digest(
    zoo: Zoo, refused: str, codes: dict[str, str], puts: int
) -> None:
    """A tag may be refused for its own sake, its manifest not; no other tag is tried in vain."""
    zoo.image("app", "1", "2", "3")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path=f"app/{refused}", status=400)
    status, facts = apply(zoo)
    told = {
        name.rpartition(":")[2]: one["code"]
        for one in facts["failures"]
        if one["kind"] == "tag"
        for name in (one["subject"], *one["others"])
    }
    assert (status, told) == (1, codes)
    assert zoo.asked("^PUT .*/app/manifests/") == puts


def test_a_run_ends_when_its_time_is_up(teams: Zoo) -> None:
    """What is in flight is finished, nothing new begins, and the same command goes on."""
    teams.fault(host=EUROPE, method="PUT", path=UPLOAD, delay_s=4.0)
    with started(teams, "--dry-run") as first:  # which waits until modules are loaded
        first.communicate(timeout=60)
    ends = datetime.now().astimezone() + timedelta(seconds=3.0)
    with started(teams, "--until", ends.isoformat()) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 10, out + err
    assert '"outcome": "time-is-up"' in out or '"outcome":"time-is-up"' in out
    told = [json.loads(line)["event"] for line in err.splitlines()]
    assert told.count("apply.time-is-up") == 1
    with contextlib.closing(sqlite3.connect(teams.home / "m")) as ledger:
        for view in ("blob_state", "manifest_state", "tag_item"):
            sql = f"SELECT count(*) FROM {view} WHERE last_event = 'started'"  # noqa: S608
            assert ledger.execute(sql).fetchall() == [(0,)]
    code, facts = apply(teams)
    assert (code, facts["outcome"]) == (0, "complete")


def test_a_run_says_when_its_window_ends(teams: Zoo, capfd: pytest.CaptureFixture[str]) -> None:
    """A time that has just gone by is tomorrow's: for machines a line of the log tells it too."""
    gone = datetime.now().astimezone() - timedelta(minutes=1)
    words = ("apply", "m", "--yes", "--only", "a/one", "--until", f"{gone:%H:%M}")
    done = Cli(teams.home)(*words, *way(teams))
    assert re.search(rf"Nothing new begins after .*{gone:%H:%M}, in 23 h 5[0-9] min", done.stderr)
    assert apply(teams, "--until", f"{gone:%H:%M}")[0] == 0
    lines = [json.loads(one) for one in capfd.readouterr().err.splitlines() if one[:1] == "{"]
    told = next(one for one in lines if one["event"] == "apply.until")
    assert datetime.fromisoformat(told["ends_at"]) > gone + timedelta(hours=23)
    assert told["left_s"] > 23 * 3600


def test_a_window_that_is_over_begins_nothing(teams: Zoo) -> None:
    """The time is read before anything is done."""
    code, facts = apply(teams, "--until", "2020-01-01T00:00")
    assert (code, facts["code"]) == (2, "bad-usage")


@pytest.mark.parametrize("policy", ["fail", "keep", "overwrite"])
def test_what_is_pushed_meanwhile_is_not_overwritten(zoo: Zoo, policy: str) -> None:
    """A tag that somebody sets at the target while its blobs are on their way is theirs."""
    for version in ("1", "2"):
        zoo.image("app", version, name=f"layer {version}")
    theirs = zoo.image("elsewhere", "x", name="theirs")
    spec = (
        "source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}\n"
        "target: {location: europe}\n"
        f"existing_tags: {policy}\n"
        "routes: [{match: app, repository: moved}, {match: elsewhere, repository: moved}]\n"
    )
    assert zoo.plan(spec=spec)[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path=UPLOAD, delay_s=1.0)
    with started(zoo) as process:
        until(lambda: zoo.asked(f"PUT {EUROPE} /artifacts-uploads/"))
        zoo.box.store.repositories[TARGET].put_manifest("app", theirs, "2")
        out, err = process.communicate(timeout=60)
    code = process.returncode
    tags = there(zoo)["app"]
    if policy == "overwrite":
        assert code == 0, out + err
        assert tags["2"] != theirs.digest
        return
    assert code == (1 if policy == "fail" else 0), out + err
    assert "tag-conflict" in out
    assert tags["2"] == theirs.digest
    assert tags["1"] == zoo.repository.images["app"].tags["1"]
    planned = zoo.repository.images["app"].tags["2"]
    assert planned in zoo.box.store.repositories[TARGET].images["app"].manifests


@pytest.mark.parametrize("policy", ["fail", "keep", "overwrite"])
@pytest.mark.parametrize("status", [401, 429, 503])
def test_what_is_pushed_before_a_tag_is_tried_again_is_not_overwritten(
    zoo: Zoo, policy: str, status: int
) -> None:
    """The target asked to wait with it, and somebody sets it in that time: it is theirs."""
    ours = zoo.image("app", "1")
    theirs = zoo.image("elsewhere", "x", name="theirs")
    spec = SPEC.replace("routes:", f"existing_tags: {policy}\nroutes:")
    assert zoo.plan(spec=spec)[0] == 0
    late = {"delay_s": 1.5} if status == 401 else {}  # it is answered by a new token at once
    zoo.fault(
        host=EUROPE,
        method="PUT",
        path="app/manifests/1$",
        status=status,
        headers={"retry-after": "2"},
        times=1,
        **late,
    )
    with started(zoo, GCR_MIGRATE_RETRY_TRIES="2", GCR_MIGRATE_QUOTA_WAIT_S="60") as process:
        until(lambda: zoo.asked(f"^PUT {EUROPE} .*app/manifests/1"))
        zoo.box.store.repositories[TARGET].put_manifest("app", theirs, "1")
        out, err = process.communicate(timeout=60)
    assert process.returncode == (1 if policy == "fail" else 0), out + err
    assert there(zoo)["app"]["1"] == (ours if policy == "overwrite" else theirs).digest
    assert ("tag-conflict" in out) == (policy != "overwrite")
    assert ours.digest in zoo.box.store.repositories[TARGET].images["app"].manifests


def test_writes_of_a_path_begin_oldest_first(zoo: Zoo) -> None:
    """However slow the oldest one's blob: clean-up rules judge by the target's upload times.

    A few are in flight together, so that one may arrive some places early or late.
    """
    pushed = [zoo.image("app", str(number), name=f"layer {number}") for number in range(40)]
    oldest = pushed[0].blobs[1].digest
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path=str(oldest).replace(":", "(:|%3A)"), delay_s=0.8)
    zoo.forget()
    assert apply(zoo)[0] == 0
    writes = [one for one in zoo.requests() if one.startswith("PUT") and "/manifests/" in one]
    order = [int(re.sub(r".*/manifests/(.*)\?", r"\1", one)) for one in writes]
    assert sorted(order) == list(range(40))
    assert all(abs(place - number) < 20 for place, number in enumerate(order)), order


def test_a_manifest_is_written_under_its_tag_alone(zoo: Zoo) -> None:
    """One write for a manifest with a tag, one more for each further tag, one for untagged ones."""
    zoo.image("app", "1", "latest", name="one")
    zoo.image("app", name="no tag")
    assert zoo.plan()[0] == 0
    zoo.forget()
    assert apply(zoo)[0] == 0
    assert zoo.asked(f"PUT {EUROPE} /v2/.*/manifests/") == 3
    assert zoo.asked(f"PUT {EUROPE} /v2/.*/manifests/sha256") == 1
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize("status", [403, 500])
def test_a_tag_that_is_refused_leaves_its_manifest(zoo: Zoo, status: int) -> None:
    """Who may write and not tag brings the content; the tag alone fails."""
    zoo.image("app", "1", name="one")
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/manifests/1$", status=status)
    code, facts = apply(zoo)
    assert (code, [one["kind"] for one in facts["failures"]]) == (1, ["tag"])
    image = zoo.box.store.repositories[TARGET].images["app"]
    assert (len(image.manifests), image.tags) == (1, {})


def test_the_largest_blobs_begin_first(zoo: Zoo) -> None:
    """A large blob of the last path is on its way before the small ones of all others are."""
    for number in range(40):
        zoo.image(f"app{number:02}", "1", name=f"layer {number}")
    large = zoo.blob("last", bytes(33 * 1024 * 1024))
    zoo.push(
        "last",
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": zoo.blob("last", b"{}"),
            "layers": [large],
        },
        "1",
    )
    assert zoo.plan()[0] == 0
    zoo.forget()
    assert apply(zoo)[0] == 0
    sent = [one for one in zoo.requests() if one.startswith(f"PUT {EUROPE}") and "digest=" in one]
    place = next(at for at, one in enumerate(sent) if large["digest"].split(":")[1] in one)
    assert place < 20
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


BY_TEAM = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes:
  - match: "{team}/**"
    repository: "{team}"
    strip: "{team}"
    access: {grant: [{role: artifactregistry.reader, members: ["group:{team}@example.com"]}]}
"""


def _made(zoo: Zoo) -> set[str]:
    return {one[2] for one in zoo.box.store.repositories if one[1] == "europe"}


def test_a_part_makes_the_repositories_of_its_images_only(
    teams: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others need is made by the run that brings them."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    assert teams.plan(spec=BY_TEAM)[0] == 0
    code, facts = apply(teams, "--only", "a/**")
    assert (code, _made(teams)) == (10, {"a"})
    assert (facts["kinds"]["grant"]["done"], facts["kinds"]["grant"]["pending"]) == (1, 1)
    assert apply(teams)[0] == 0
    assert _made(teams) == {"a", "b"}


def test_what_failed_is_tried_again_with_the_repository_that_it_needed(
    teams: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that could not be made, and a grant that could not, take all of theirs along."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    assert teams.plan(spec=BY_TEAM)[0] == 0
    refused = {"method": "POST", "status": 403, "times": 1}
    teams.fault(path="/locations/europe/repositories[?]", **refused)
    code, facts = apply(teams)
    assert (code, facts["kinds"]["repository"]["failed"]) == (1, 1)
    teams.fault(path="repositories/[ab]:setIamPolicy", **refused)
    code, facts = apply(teams, "--retry-failed")
    assert (code, facts["kinds"]["grant"]["failed"]) == (1, 1)
    code, facts = apply(teams, "--retry-failed")
    assert (code, facts["outcome"]) == (0, "complete")
