"""What a spec selects goes with all that it needs; the rest is listed with its rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import force_setattr

from gcr_migrate.model.content import fallback_tag
from tests.zoo import SPEC, Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400_000
FIRST_MS = 1_700_000_000_000  # 2023-11-14


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """A source with versions of one image, one of them signed, and images of other makers."""
    with opened(tmp_path_factory.mktemp("zoo")) as one:
        for number in range(1, 4):
            one.image("team/app", f"v{number}", name=f"v{number}")
        child = one.image("team/app", name="arm")
        one.index("team/app", "v4", of=[child])
        signed = one.repository.images["team/app"].tags["v2"]
        one.image("team/app", f"{fallback_tag(signed)}.sig", name="signature")
        one.image("team/app", name="untagged")
        one.image("gcf/europe-west1/f", "version_1", name="function")
        one.image("team/app/cache", "layer", name="cache")
        for number, stored in enumerate(one.repository.images["team/app"].manifests.values()):
            force_setattr(stored, "uploaded_ms", FIRST_MS + number * DAY)
        yield one


def _plan(zoo: Zoo, select: str, code: int = 0) -> dict[str, Any]:
    status, facts = zoo.plan(spec=f"{SPEC}select: {select}\n")
    assert status == code, facts
    return facts


@pytest.mark.slow
def test_groups_by_origin_are_told_and_carried_unless_the_spec_says_not(zoo: Zoo) -> None:
    """Each group is one finding with its size and the line that leaves it out; that line works."""
    facts = _plan(zoo, "{}")
    told = [one["saw"] for one in facts["findings"] if one["code"] == "origin-group"]
    assert [one.partition(";")[0] for one in told] == [
        "1 image, 1 tag, 1 manifest: images that Cloud Functions built",
        "1 image, 1 tag, 1 manifest: caches of builds",
    ]
    assert zoo.images().keys() == {"team/app", "team/app/cache", "gcf/europe-west1/f"}
    _, _, line = told[0].rpartition("; select.")
    before = zoo.asked("gcf/europe-west1/f/manifests")
    left = _plan(zoo, f"{{{line}}}")
    assert zoo.images().keys() == {"team/app", "team/app/cache"}
    assert found(left, "not-selected") == {
        "gcf/europe-west1/f": "select.leave_out: cloud-functions; 1 tag, 1 manifest"
    }
    told = [one["saw"] for one in left["findings"] if one["code"] == "origin-group"]
    assert [one.partition(";")[0] for one in told] == [
        "1 image, 1 tag, 1 manifest: caches of builds"
    ]
    assert zoo.asked("gcf/europe-west1/f/manifests") == before


@pytest.mark.slow
def test_paths_that_are_left_out_need_no_route(zoo: Zoo) -> None:
    """A path is judged before it is routed, and is listed with its rule."""
    spec = SPEC.replace('match: "**"', 'match: "team/app"')
    assert zoo.plan(spec=spec)[0] == 2
    spec += 'select: {paths: ["team/**"], except_paths: ["**/cache"]}\n'
    code, facts = zoo.plan(spec=spec)
    assert code == 0
    assert zoo.images().keys() == {"team/app"}
    assert found(facts, "not-selected") == {
        "gcf/europe-west1/f": "select.paths: none of team/**; 1 tag, 1 manifest",
        "team/app/cache": "select.except_paths: **/cache; 1 tag, 1 manifest",
    }


def test_tags_are_selected_with_what_hangs_on_them(zoo: Zoo) -> None:
    """A signature comes along with its image, a child with its index; the rest is named."""
    tags = zoo.repository.images["team/app"].tags
    facts = _plan(zoo, '{paths: [team/app], tags: ["v[24]", "v2", "v4"], untagged: false}', code=2)
    facts = _plan(zoo, "{paths: [team/app], tags: [v2, v4], untagged: false}")
    signature = f"{fallback_tag(tags['v2'])}.sig"
    assert zoo.images() == {"team/app": sorted(["v2", "v4", signature])}
    assert facts["counts"]["manifests"] == 4
    named = found(facts, "not-selected")
    assert named["team/app:v1"] == f"{tags['v1']}: select.tags: none of v2, v4"
    assert named[f"team/app@{tags['v3']}"] == "select.tags: none of v2, v4"
    assert len(found(facts, "untagged-left-out")) == 1


@pytest.mark.slow
def test_the_newest_are_kept_and_age_is_counted_from_a_moment(zoo: Zoo) -> None:
    """Both by time of upload; a rule with a fixed moment gives the same plan again."""
    facts = _plan(zoo, "{paths: [team/app], newest: 2, untagged: false}")
    assert zoo.images() == {"team/app": ["v3", "v4"]}
    select = "{paths: [team/app], uploaded: {after: 2023-11-16}, untagged: false}"
    facts = _plan(zoo, select)
    assert zoo.images() == {"team/app": ["v3", "v4"]}
    saw = found(facts, "not-selected")["team/app:v2"]
    assert saw.endswith(": select.uploaded after 2023-11-16T00:00:00+00:00: uploaded 2023-11-15")
    assert _plan(zoo, select)["digest"] == facts["digest"]


def test_what_the_audit_log_tells_of_pulls_selects(zoo: Zoo, tmp_path: Path) -> None:
    """An export of gcloud's is read as it is; a file that is none is refused."""
    log = tmp_path / "pulls.json"
    image = "projects/builds/locations/us/repositories/us.gcr.io/dockerImages/team%2Fapp"
    entries = [
        _pull(image, "2023-01-01T00:00:00.123456789Z", "v1"),
        _pull(image, "2024-02-01T00:00:00Z", "v3"),
        _pull(image, "2024-02-01T00:00:00Z", "v2", status={"code": 5}),
        {"protoPayload": {"methodName": "Docker-GetTags"}, "timestamp": "2022-01-01T00:00:00Z"},
        {"protoPayload": {"methodName": ["Docker-GetManifest"], "resourceName": {}}},
        # A request of each month, in vain: the log was written all the time.
        *(
            _pull(image, f"2023-{month:02}-15T00:00:00Z", "none", status={"code": 5})
            for month in range(1, 13)
        ),
        # Nobody uses what this tool and a scanner pulled.
        _pull(
            image,
            "2024-02-01T00:00:00Z",
            "v4",
            requestMetadata={"callerSuppliedUserAgent": "gcr-migrate,gzip(gfe)"},
        ),
        _pull(
            image,
            "2024-02-01T00:00:00Z",
            "v4",
            authenticationInfo={
                "principalEmail": "service-1@container-analysis.iam.gserviceaccount.com"
            },
        ),
    ]
    log.write_text(json.dumps(entries, indent=2), encoding="utf-8-sig")
    select = f"{{paths: [team/app], pulled: {{after: 2024-01-01, log: {log}}}, untagged: false}}"
    facts = _plan(zoo, select)
    assert zoo.images() == {"team/app": ["v3"]}
    named = found(facts, "not-selected")
    assert named["team/app:v1"].endswith(": last pulled 2023-01-01")
    assert named["team/app:v2"].endswith(": no pull in the log")
    assert named["team/app:v4"].endswith(": no pull in the log")
    for text, says in (("[]", "none of them a pull"), ("{", "no JSON"), ("[1]", "no object")):
        log.write_text(text)
        error = _plan(zoo, select, code=2)
        assert (error["code"], error["subject"]) == ("bad-pull-log", str(log))
        assert says in error["saw"]
    log.unlink()
    assert _plan(zoo, select, code=2)["code"] == "file-missing"


def _pull(image: str, at: str, tag: str, **more: Any) -> dict[str, Any]:
    path = image.rpartition("/")[2].replace("%2F", "/")
    url = f"https://us-docker.pkg.dev/v2/builds/us.gcr.io/{path}/manifests/{tag}"
    about = {"methodName": "Docker-GetManifest", "resourceName": image, **more}
    return {"protoPayload": about | {"request": {"requestUrl": url}}, "timestamp": at}


def test_rules_that_leave_nothing_make_a_plan_that_says_so(zoo: Zoo) -> None:
    """Nothing is created for images that nobody wants, and a warning tells it."""
    facts = _plan(zoo, "{tags: [nothing], untagged: false}")
    assert {**facts["counts"], **facts["todo"]} == dict.fromkeys(
        (
            *("repositories", "images", "manifests", "tags", "tags_replaced", "blobs"),
            *("grants", "settings"),
        ),
        0,
    )
    assert facts["estimate"]["repository_creation_s"] == 0
    assert grave(facts) == ["nothing-selected"]


def test_a_root_without_a_list_is_no_failure_where_rules_leave_all_of_it_out(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API's list is judged by the rules; that the registry's failed is told all the same."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    zoo.fault(host="us-docker.pkg.dev", path="/us.gcr.io/tags/list", status=403, times=1)
    facts = _plan(zoo, "{paths: [other]}", code=3)
    assert len(found(facts, "not-selected")) == 3
    assert not facts["complete"]
    assert {one["code"] for one in facts["findings"]} == {"listing-failed", "nothing-selected"}


def test_a_snapshot_tells_groups_by_origin_too(zoo: Zoo, tmp_path: Path) -> None:
    """Whoever looks first, and plans later, learns of them at once."""
    code, facts = zoo.run("inventory", "us.gcr.io/builds", "-o", str(tmp_path / "s"), "--no-cache")
    assert code == 0
    assert [one["code"] for one in facts["findings"]].count("origin-group") == 2
