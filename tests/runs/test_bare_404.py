"""A 404 that no registry wrote, as of a proxy that has lost it, says nothing of names and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gcr_migrate.cli.reading import Doubts
from gcr_migrate.errors import NAME_UNKNOWN, BareError, MigrateError
from gcr_migrate.spec.sides import ProjectSource
from tests.runs.test_apply_parts import EUROPE, TARGET, apply
from tests.runs.test_tags_that_wait import theirs
from tests.zoo import SPEC, US, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

BARE = {"status": 404, "body": "default backend - 404"}
# What says as little: that there is no such end-point, or only that something was not found.
NO_REASONS: Final = {
    "text": BARE["body"],
    "no code": '{"errors": [{"message": "page not found"}]}',
    "no end-point": '{"errors": [{"code": "UNSUPPORTED"}]}',
    "something": '{"errors": [{"code": "NOT_FOUND"}]}',
    "of a balancer": '{"error": {"code": 404, "message": "Not found", "status": "NOT_FOUND"}}',
}
_EACH_BODY = pytest.mark.parametrize("body", NO_REASONS.values(), ids=list(NO_REASONS))
UNKNOWN: Final = '{"errors": [{"code": "NAME_UNKNOWN"}]}'


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """Two images, each with a tag."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "2")
    with opened(tmp_path) as found:
        for name in ("a", "b"):
            found.image(name, "1", name=name)
        yield found


@_EACH_BODY
@pytest.mark.parametrize("times", [1, None])
@pytest.mark.parametrize("path", ["/a/tags/list", "/v2/.*/a/(tags|manifests)"])
def test_a_tag_of_others_is_not_taken_for_free(
    zoo: Zoo, path: str, times: int | None, body: str
) -> None:
    """Whether the list alone is lost or whatever reads, once or for good, the other one is done."""
    assert apply_to_others(zoo, path, times, body) == {
        "a": theirs().digest,
        "b": zoo_digest(zoo, "b"),
    }


def zoo_digest(zoo: Zoo, name: str) -> object:
    """Return what the tag of an image points to at the source."""
    return zoo.repository.images[name].tags["1"]


def apply_to_others(zoo: Zoo, path: str, times: int | None, body: str) -> dict[str, object]:
    """Plan while somebody has the tag of one image, apply with a fault, and return all tags."""
    zoo.migrate()
    target = zoo.box.store.repositories[TARGET]
    del target.images["b"]
    target.put_manifest("a", theirs(), "1")
    (zoo.home / "m").unlink()
    code, _ = zoo.plan()
    assert code == 1
    limit = {} if times is None else {"times": times}
    for method in ("GET", "HEAD"):
        zoo.fault(host=EUROPE, method=method, path=path, status=404, body=body, **limit)
    assert apply(zoo)[0] != 0
    return {name: image.tags["1"] for name, image in target.images.items()}


@_EACH_BODY
def test_a_registry_without_lists_is_asked_for_each_tag(zoo: Zoo, body: str) -> None:
    """Also by the plan, which knows of no list then; and nobody's tag is overwritten."""
    zoo.migrate()
    target = zoo.box.store.repositories[TARGET]
    target.put_manifest("a", theirs(), "1")
    zoo.fault(host=EUROPE, path="/tags/list", status=404, body=body)
    (zoo.home / "m").unlink()
    code, facts = zoo.plan()
    assert (code, [one["code"] for one in facts["findings"] if one["severity"] == "error"]) == (
        1,
        ["tag-conflict"],
    )
    assert apply(zoo)[0] == 1
    assert target.images["a"].tags["1"] == theirs().digest


@_EACH_BODY
def test_what_the_source_cannot_say_is_not_skipped(zoo: Zoo, body: str) -> None:
    """With `moved_tags: skip` an outage leaves nothing out: what fails is done by the next run."""
    assert zoo.plan(spec=f"{SPEC}moved_tags: skip\n")[0] == 0
    zoo.fault(host=US, path="/v2/.*/a/", status=404, body=body)
    code, facts = apply(zoo)
    assert code == 1
    assert not facts["left_by_rule"]
    zoo.heal()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert {*zoo.box.store.repositories[TARGET].images} == {"a", "b"}


@pytest.mark.parametrize(("times", "code"), [(1, 0), (None, 3)])
@pytest.mark.parametrize("body", [*NO_REASONS.values(), UNKNOWN], ids=[*NO_REASONS, "its name"])
def test_a_list_that_was_not_given_is_no_empty_one(
    zoo: Zoo, body: str, times: int | None, code: int
) -> None:
    """It is asked for again; if that does not help, the plan may miss images, and says so.

    Even where the registry does not know the name, as another list has named it.
    """
    limit = {} if times is None else {"times": times}
    zoo.fault(host=US, path="/a/tags/list", status=404, body=body, **limit)
    ended, facts = zoo.plan()
    failed = [one["subject"] for one in facts["findings"] if one["code"] == "listing-failed"]
    assert (ended, len(failed)) == (code, 1 if code else 0)


@pytest.mark.parametrize(("kind", "complete"), [(BareError, False), (MigrateError, True)])
def test_a_host_that_says_nothing_is_not_one_out_of_use(
    kind: type[MigrateError], *, complete: bool
) -> None:
    """Where all hosts of a project are looked for, only one that says so has no images."""
    doubts = Doubts(lambda _: None)
    error = kind(NAME_UNKNOWN, subject="us.gcr.io/builds")
    doubts.no_host("us.gcr.io/builds", error, ProjectSource(project="builds"))
    assert doubts.complete is complete


@_EACH_BODY
@pytest.mark.parametrize("times", [None, 6])
@pytest.mark.parametrize("policy", ["fail", "keep"])
def test_a_tag_that_others_set_since_the_plan_is_not_overwritten(
    zoo: Zoo, policy: str, times: int | None, body: str
) -> None:
    """Where reads of a name find nothing, not even what has just been sent to it, nothing is set.

    Whether that lasts or not, the tag is theirs in the end.
    """
    zoo.migrate()  # which makes the repository
    target = zoo.box.store.repositories[TARGET]
    for name in ("a", "b"):
        del target.images[name]
    (zoo.home / "m").unlink()
    assert zoo.plan(spec=f"{SPEC}existing_tags: {policy}\n")[0] == 0
    target.put_manifest("a", theirs(), "1")
    limit = {} if times is None else {"times": times}
    for method in ("GET", "HEAD"):
        zoo.fault(host=EUROPE, method=method, path="/v2/.*/a/", status=404, body=body, **limit)
    apply(zoo)
    assert target.images["a"].tags["1"] == theirs().digest
    assert "b" in target.images


def test_a_target_that_gives_no_reasons_is_written_to(zoo: Zoo) -> None:
    """As long as it shows what has been sent to it: registries need not say why they answer 404."""
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, method="GET", path="/a/(tags|manifests)", **BARE)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert zoo.box.store.repositories[TARGET].images["a"].tags["1"] == zoo_digest(zoo, "a")


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("GET", US, "/blobs/"),
        ("POST", EUROPE, "/blobs/uploads/"),
        ("PUT", EUROPE, "/manifests/"),
    ],
)
def test_one_404_without_a_reason_fails_nothing(
    zoo: Zoo, method: str, host: str, path: str
) -> None:
    """What is read or written is asked for again, once the registry answers for itself."""
    assert zoo.plan()[0] == 0
    zoo.fault(host=host, method=method, path=f"/a{path}", **BARE, times=1)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")


def test_one_head_that_finds_nothing_proves_no_loss(zoo: Zoo) -> None:
    """A 404 to a HEAD has no reason: that something is gone is told once it was said twice."""
    assert zoo.migrate() == (0, 0, 0)
    for path in ("/a/manifests/", "/b/manifests/"):
        zoo.fault(host=EUROPE, method="HEAD", path=path, status=404, times=1)
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, facts["findings"]) == (0, [])


def test_a_blob_that_can_be_read_is_not_lost_whatever_a_head_says(zoo: Zoo) -> None:
    """Something that stands in between may know no HEAD: no bytes are read, but its GET begins."""
    assert zoo.migrate() == (0, 0, 0)
    zoo.fault(host=EUROPE, method="HEAD", path="/blobs/", status=404)
    zoo.forget()
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, facts["findings"]) == (0, [])
    assert zoo.asked("^GET .*/blobs/") == zoo.asked("^HEAD .*/blobs/") == 4
    zoo.fault(host=EUROPE, method="GET", path="/a/blobs/", **BARE)
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, {one["code"] for one in facts["findings"]}) == (1, {"blob-gone"})


def test_a_whole_image_that_can_be_read_is_not_lost_whatever_a_head_says(zoo: Zoo) -> None:
    """Also where the registry has no list of it."""
    assert zoo.migrate() == (0, 0, 0)
    zoo.fault(host=EUROPE, method="HEAD", path="/a/", status=404)
    zoo.fault(host=EUROPE, path="/a/tags/list", status=404, body=NO_REASONS["no end-point"])
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert "digest-gone" not in {one["code"] for one in facts["findings"]}
    assert code != 1


def test_lost_layers_are_told_where_their_manifest_was_hidden_for_a_moment(zoo: Zoo) -> None:
    """They are not told of who is lost with its manifest, which this one is not."""
    assert zoo.migrate() == (0, 0, 0)
    image = zoo.box.store.repositories[TARGET].images["a"]
    digest = str(image.tags["1"])
    unknown = '{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
    path = f"/a/manifests/{digest}"
    zoo.fault(host=EUROPE, method="GET", path=path, status=404, body=unknown, times=1)
    unknown = '{"errors": [{"code": "BLOB_UNKNOWN"}]}'
    zoo.fault(host=EUROPE, path="/a/blobs/", status=404, body=unknown)
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, {one["code"] for one in facts["findings"]}) == (1, {"blob-gone"})
