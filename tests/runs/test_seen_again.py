"""What was at the target before a run has to be seen there by it: a list for each image path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.model.content import OCI_MANIFEST, Digest
from tests.runs.test_apply_parts import EUROPE, TARGET, apply
from tests.runs.test_bare_404 import BARE
from tests.runs.test_tags_that_wait import theirs
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.sandbox.giant_images import GiantImages
    from gcr_migrate.sandbox.images import Images
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """An index with children, and an image without a tag, all of them copied."""
    with opened(tmp_path) as found:
        children = [found.image("a", name=name) for name in ("one", "two")]
        found.index("a", "1", of=children)
        found.image("b", name="untagged")
        assert found.migrate() == (0, 0, 0)
        yield found


def images(zoo: Zoo) -> Images | GiantImages:
    """Return what the target has."""
    return zoo.box.store.repositories[TARGET].images


def check_all_is_back(zoo: Zoo) -> None:
    """Apply, after which everything is there."""
    code, facts = apply(zoo)
    assert (code, facts["outcome"], facts["counts"]["failed"]) == (0, "complete", 0)
    assert {name: len(image.manifests) for name, image in images(zoo).items()} == {"a": 3, "b": 1}
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize("anew", [False, True])
@pytest.mark.parametrize("name", ["a", "b"])
def test_what_the_target_has_lost_since_is_brought_again(
    zoo: Zoo, name: str, *, anew: bool
) -> None:
    """Whether an earlier run had brought it or the plan had found it."""
    if anew:
        (zoo.home / "m").unlink()
        assert zoo.plan()[0] == 0
    del images(zoo)[name]
    check_all_is_back(zoo)


def test_a_single_manifest_that_is_lost_is_brought_again(zoo: Zoo) -> None:
    """A child, of which its index tells nothing."""
    child = next(one for one in images(zoo)["a"].manifests if one not in tagged(zoo))
    del images(zoo)["a"].manifests[child]
    check_all_is_back(zoo)


def tagged(zoo: Zoo) -> set[object]:
    """Return the digests that have a tag at the target."""
    return {*images(zoo)["a"].tags.values()}


def test_a_tag_that_is_somebody_elses_by_now_is_a_conflict(zoo: Zoo) -> None:
    """It stays, and is told."""
    zoo.box.store.repositories[TARGET].put_manifest("a", theirs(), "1")
    code, facts = apply(zoo)
    assert (code, [one["code"] for one in facts["failures"]]) == (1, ["tag-conflict"])
    assert images(zoo)["a"].tags["1"] == theirs().digest


def test_a_tag_that_somebody_has_set_after_ours_is_not_rolled_back(zoo: Zoo) -> None:
    """`existing_tags: overwrite` was said of what was there before; it is named, and exit 0."""
    assert zoo.migrate(f"{SPEC}existing_tags: overwrite\n") == (0, 0, 0)
    zoo.box.store.repositories[TARGET].put_manifest("a", theirs(), "1")
    for _ in range(2):
        code, facts = apply(zoo)
        told = [(one["code"], one["subject"]) for one in facts["left_by_rule"]]
        assert (code, told) == (0, [("tag-conflict", f"{EUROPE}/builds/moved/a:1")])
        assert images(zoo)["a"].tags["1"] == theirs().digest


def test_what_is_lost_is_found_out_where_there_is_no_list(zoo: Zoo) -> None:
    """Each tag and manifest is asked for then."""
    del images(zoo)["a"]
    zoo.fault(host=EUROPE, path="/tags/list", **BARE)
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert len(images(zoo)["a"].manifests) == 3


def test_lists_that_are_refused_keep_no_other_image_from_being_copied(zoo: Zoo) -> None:
    """However many they are, as long as the service answers."""
    for number in range(10):
        zoo.image(f"c{number}", "1", name=f"c {number}")
    assert zoo.migrate() == (0, 0, 0)
    zoo.image("new", "1", name="new")
    (zoo.home / "m").unlink()
    assert zoo.plan()[0] == 0
    zoo.fault(host=EUROPE, path="/c[0-9]/tags/list", status=405)
    assert apply(zoo)[0] != 0
    assert "new" in images(zoo)


def test_nothing_is_told_as_there_that_nobody_could_see(zoo: Zoo) -> None:
    """A list that is refused ends the run with its reason; what else there is gets done."""
    del images(zoo)["b"]
    zoo.fault(host=EUROPE, path="/a/tags/list", status=403)
    code, facts = apply(zoo)
    assert (code, facts["code"], facts["subject"]) == (4, "denied", f"{EUROPE}/builds/moved/a")
    assert len(images(zoo)["b"].manifests) == 1


def test_a_run_that_has_to_bring_all_asks_for_no_list_more_than_before(zoo: Zoo) -> None:
    """Nothing is believed to be there, so nothing is doubted."""
    del images(zoo)["b"]
    (zoo.home / "m").unlink()
    del images(zoo)["a"]
    assert zoo.plan()[0] == 0
    zoo.forget()
    assert apply(zoo)[0] == 0
    assert zoo.asked("^GET .*/b/tags/list") == 0


def empty_after_copying_one_image_six_times(zoo: Zoo) -> None:
    """Copy an image under six names, and empty the target."""
    for number in range(6):
        zoo.image(f"c{number}", "1", name="same")
    assert zoo.migrate() == (0, 0, 0)
    for name in list(images(zoo)):
        del images(zoo)[name]
    zoo.forget()


def test_layers_of_a_target_that_was_emptied_are_sent_once_and_mounted(tmp_path: Path) -> None:
    """As in a first run, whatever was believed; and the run says how much it has to do."""
    with opened(tmp_path) as zoo:
        empty_after_copying_one_image_six_times(zoo)
        code, facts = apply(zoo)
        assert (code, facts["outcome"]) == (0, "complete")
        assert zoo.asked(f"PUT {EUROPE} .*uploads/") == 2  # a config and a layer
        assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


def test_layers_that_outlive_their_manifest_are_not_sent_again(zoo: Zoo) -> None:
    """The target is asked for them before they are sent."""
    for image in images(zoo).values():
        image.manifests.clear()
        image.tags.clear()
    zoo.forget()
    check_all_is_back(zoo)
    assert zoo.asked(f"P[A-Z]* {EUROPE} .*uploads/") == 0


def test_only_the_layer_that_is_lost_is_sent_again(tmp_path: Path) -> None:
    """`plan --check-target` has asked for each, so it knows of the others that they are there."""
    with opened(tmp_path) as zoo:
        layers = [zoo.blob("a", bytes([number]) * 1000) for number in range(3)]
        config = zoo.blob("a", b"config")
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        zoo.push("a", body, "1")
        assert zoo.migrate() == (0, 0, 0)
        target = zoo.box.store.repositories[TARGET].images["a"]
        target.blobs.discard(Digest.parse(layers[1]["digest"]))
        (zoo.home / "m").unlink()
        code, facts = zoo.plan("--check-target")
        assert (code, facts["bytes"]["to_transfer"], facts["todo"]["manifests"]) == (0, 1000, 1)
        zoo.forget()
        assert apply(zoo)[0] == 0
        assert zoo.asked(f"PUT {EUROPE} .*uploads/") == 1
        assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize("status", [None, 403])
def test_a_layer_of_many_manifests_that_were_lost_is_looked_for_once(
    tmp_path: Path, status: int | None
) -> None:
    """However many need it, and whatever a second question would have come to."""
    with opened(tmp_path) as zoo:
        shared = zoo.blob("a", b"shared" * 100)
        for number in range(120):
            config = zoo.blob("a", f"config {number}".encode())
            body = {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": config,
                "layers": [shared],
            }
            zoo.push("a", body, str(number))
        assert zoo.migrate() == (0, 0, 0)
        del images(zoo)["a"]
        zoo.forget()
        head = f"/a/blobs/{shared['digest']}"
        if status:
            zoo.fault(method="HEAD", host=EUROPE, path=head, status=status, skip=1)
        code, facts = apply(zoo)
        assert (code, facts["outcome"]) == (0, "complete")
        assert zoo.asked(f"HEAD {EUROPE} .*{head}") == 1
        assert zoo.asked(f"PUT {EUROPE} .*uploads/") == 121


def test_layers_that_were_not_looked_for_before_a_stop_are_looked_for_by_the_next_run(
    tmp_path: Path,
) -> None:
    """Those that the target has are not sent again."""
    with opened(tmp_path) as zoo:
        zoo.image("a", "1", name="one")
        assert zoo.migrate() == (0, 0, 0)
        target = images(zoo)["a"]
        target.manifests.clear()
        target.tags.clear()
        zoo.fault(method="HEAD", host=EUROPE, path="/a/blobs/", status=503)
        assert apply(zoo)[0] != 0
        zoo.heal()
        zoo.forget()
        assert apply(zoo)[0] == 0
        assert zoo.asked(f"P[A-Z]* {EUROPE} .*uploads/") == 0


def test_one_mount_that_fails_at_an_emptied_target_costs_no_other(tmp_path: Path) -> None:
    """What a name had before is not believed there, and asked for before anything is mounted."""
    with opened(tmp_path) as zoo:
        empty_after_copying_one_image_six_times(zoo)
        zoo.fault(method="POST", host=EUROPE, path="/c0/blobs/uploads/[?]mount=", status=404)
        assert apply(zoo)[0] == 0
        assert zoo.asked(f"PUT {EUROPE} .*uploads/") <= 4
