"""What surrounds targets, as plans tell it: listeners, scans, clean-up, locations, gcr.io names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.images import Stored
from gcr_migrate.sandbox.store import Repository
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

MOVED = "us-docker.pkg.dev/builds/moved"
SPEC = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
routes: [{match: "**", repository: moved}]
"""
DOMAIN = """\
source: us.gcr.io/builds
target: builds-new
routes: [{match: "**", repository: us.gcr.io}]
"""


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """Three versions of an image, the first without a tag, and another image."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as one:
        app = [one.image("app", *tags, name=f"app-{tags}") for tags in ((), ("1",), ("2",))]
        kept = one.repository.images["app"].manifests
        kept |= {one.digest: Stored(one, day, day) for day, one in enumerate(app, 1)}
        one.image("team/job", "1", name="job")
        yield one


def _add(zoo: Zoo, id_: str, **settings: Any) -> None:
    """Put a repository of these settings beside the first."""
    key = ("builds", "us", id_)
    zoo.box.store.add(Repository(*key, settings={"format": "DOCKER", **settings}))


def _told(facts: dict[str, Any], code: str) -> dict[str, tuple[str, str]]:
    """Return severity and what was seen of all findings of one code, by subject."""
    return {
        one["subject"]: (one["severity"], one.get("saw", ""))
        for one in facts["findings"]
        if one["code"] == code
    }


def test_everybody_who_listens_for_pushes_is_named_with_how_much_will_come(zoo: Zoo) -> None:
    """Also from another project; and who cannot be asked about is told as not seen."""
    store = zoo.box.store
    store.project("builds").subscriptions |= {
        "deploy": {"pushConfig": {"pushEndpoint": "https://cd.example.com/hook?token=secret"}},
        "log": {"bigqueryConfig": {"table": "builds.d.t"}, "filter": "attributes:x"},
    }
    store.project("partner").subscriptions["watch"] = {"topic": "projects/builds/topics/gcr"}
    code, facts = zoo.plan(spec=SPEC)
    assert (code, "secret" in str(facts)) == (0, False)
    many = "about 7 messages from this plan"  # four manifests and three tags
    assert _told(facts, "push-subscriber") == {
        "projects/builds/subscriptions/deploy": ("warning", f"push to cd.example.com; {many}"),
        "projects/builds/subscriptions/log": (
            "warning",
            f"BigQuery export to builds.d.t; filter attributes:x; {many}",
        ),
        "projects/partner/subscriptions/watch": ("warning", f"pull; {many}"),
    }
    zoo.fault(host="pubsub", path="subscriptions/watch", status=403)
    _, facts = zoo.plan("--new", spec=SPEC)
    assert len(_told(facts, "push-subscriber")) == 2
    assert [*_told(facts, "not-seen")] == ["projects/partner/subscriptions/watch"]
    zoo.fault(host="pubsub", path="topics/gcr", status=403)
    _, facts = zoo.plan("--new", spec=SPEC)
    ((severity, saw),) = _told(facts, "not-seen").values()
    assert (severity, saw[:6]) == ("warning", "denied")
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    _, facts = zoo.plan("--new", spec=SPEC)  # nothing is written, nobody is told
    assert not _told(facts, "push-subscriber")


def test_scans_are_told_with_their_price_where_the_copy_would_be_scanned(zoo: Zoo) -> None:
    """A new repository does not scan during the copy; one that is there does, unless it is off."""
    saw = "off while 4 image digests are copied; scans would cost about $1.04 at $0.26 each"
    _, facts = zoo.plan(spec=SPEC)
    assert _told(facts, "scan-fee") == {"projects/builds": ("info", f"{saw} (2025)")}
    _add(zoo, "moved")
    _, facts = zoo.plan("--new", spec=SPEC)
    ((severity, saw),) = _told(facts, "scan-fee").values()
    assert (severity, saw[:21]) == ("warning", "4 of 4 image digests ")
    zoo.box.store.project("builds").disabled.add("containerscanning.googleapis.com")
    _, facts = zoo.plan("--new", spec=SPEC)
    assert not _told(facts, "scan-fee")


def test_clean_up_that_would_delete_the_copy_is_found_before(zoo: Zoo) -> None:
    """Policies of a target that is there count; those of the source are named with new paths."""
    zoo.repository.settings["cleanupPolicies"] = {
        "team": {"action": "DELETE", "condition": {"packageNamePrefixes": ["team/"]}}
    }
    policies = {
        "untagged": {"action": "DELETE", "condition": {"tagState": "UNTAGGED"}},
        "old": {"action": "DELETE", "condition": {"tagState": "TAGGED", "olderThan": "86400s"}},
        "newest": {"action": "KEEP", "mostRecentVersions": {"keepCount": 1}},
    }
    _add(zoo, "moved", cleanupPolicies=policies)
    code, facts = zoo.plan(spec=SPEC)
    assert code == 0
    told = _told(facts, "cleanup-deletes")
    severity, saw = told[f"{MOVED} policy untagged"]
    assert severity == "warning"
    assert saw.startswith("of 4 planned versions it deletes 1 at once; first app@sha256:")
    # The newest of each image is kept: the version that is written last.
    assert told[f"{MOVED} policy old"] == (
        "info",
        "of 4 planned versions it deletes 1 from an age of 1d on; first app:1",
    )
    assert len(told) == 2
    stays = _told(facts, "cleanup-stays")
    assert stays == {
        "us.gcr.io/builds policy team": ("info", f"deletes; 'team/' is 'team/' in {MOVED}")
    }
    zoo.box.store.repositories["builds", "us", "moved"].settings["cleanupPolicyDryRun"] = True
    _, facts = zoo.plan("--new", spec=SPEC)
    assert {severity for severity, _ in _told(facts, "cleanup-deletes").values()} == {"info"}


def test_another_location_is_told_and_one_that_there_is_not_is_refused(zoo: Zoo) -> None:
    """With what it means and how much is streamed; the nearest spelling helps."""
    code, facts = zoo.plan(spec=f"{SPEC}target: {{location: europe-west1}}\n")
    assert code == 0
    ((pair, (severity, saw)),) = _told(facts, "location-changes").items()
    assert (pair, severity) == ("us -> europe-west1", "warning")
    assert saw.startswith("data leaves the United States for Europe; ")
    assert " in 5 blobs are streamed, not mounted; price per GB: unknown" in saw
    code, error = zoo.plan("--new", spec=f"{SPEC}target: {{location: europe-vest1}}\n")
    assert (code, error["code"], error["subject"]) == (2, "location-unknown", "europe-vest1")
    assert "europe-west1" in error["saw"]
    code, facts = zoo.plan("--new", spec=SPEC)
    assert (code, _told(facts, "location-changes")) == (0, {})


def test_a_domain_is_filled_from_another_project(zoo: Zoo) -> None:
    """Made in its own location, copied, proven; pulled by the gcr.io name once it redirects."""
    zoo.box.store.project("builds-new").redirect_state = "REDIRECTION_FROM_GCR_IO_DISABLED"
    code, facts = zoo.plan(spec=DOMAIN)
    saw = "us.gcr.io/builds-new does not serve them: REDIRECTION_FROM_GCR_IO_DISABLED"
    assert (code, _told(facts, "gcr-name-not-served")) == (
        0,
        {"us-docker.pkg.dev/builds-new/us.gcr.io": ("warning", saw)},
    )
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0
    zoo.box.store.project("builds-new").redirect_state = "REDIRECTION_FROM_GCR_IO_ENABLED"
    code, facts = zoo.plan("--new", spec=DOMAIN)
    ((severity, saw),) = _told(facts, "gcr-name-served").values()
    assert (severity, saw[:36]) == ("info", "us.gcr.io/builds-new serves them too")
    path = "app/manifests/1"
    moved, before = (zoo.read("us.gcr.io", f"{one}/{path}") for one in ("builds-new", "builds"))
    assert moved == before
    zoo.fault(host="artifact_registry", path="projectSettings", status=403)
    _, facts = zoo.plan("--new", spec=DOMAIN)
    assert [*_told(facts, "not-seen")] == ["redirect of projects/builds-new"]


def test_a_namesake_in_the_location_of_the_source_is_told(zoo: Zoo) -> None:
    """Whoever meant the one that is there reads where it is, before a second one is made."""
    _add(zoo, "moved")
    _add(zoo, "other")
    elsewhere = SPEC.replace("routes:", "target: {location: europe}\nroutes:")
    code, facts = zoo.plan(spec=elsewhere)
    assert code == 0
    assert _told(facts, "repository-elsewhere") == {
        "europe-docker.pkg.dev/builds/moved": (
            "info",
            "projects/builds/locations/us/repositories/moved",
        )
    }
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    assert _told(zoo.plan("--new", spec=elsewhere)[1], "repository-elsewhere") == {}
