"""What is believed of a tag that leads elsewhere, and for how long it is left then."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.model.content import OCI_MANIFEST
from tests.fault_stage import EUROPE
from tests.runs.test_tags_that_wait import theirs
from tests.zoo import SPEC, US, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Digest
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

SKIP = "moved_tags: skip\n"
KEEP = "existing_tags: keep\n"
OVERWRITE = "existing_tags: overwrite\n"
TARGET = ("builds", "europe", "moved")
LIE = "sha256:" + "1" * 64
MANIFEST = "app/manifests/1$"
UNKNOWN: dict[str, Any] = {
    "status": 404,
    "body": json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN"}]}),
}
REFUSED: dict[str, Any] = {"status": 403}
GARBAGE: dict[str, Any] = {"status": 200, "body": "no manifest"}


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    """An image with a tag."""
    with opened(tmp_path) as found:
        found.image("app", "1", name="planned")
        yield found


def planned(zoo: Zoo, rules: str) -> Digest:
    """Plan by these rules; return what the tag points to."""
    assert zoo.plan(spec=SPEC + rules)[0] == 0
    return zoo.repository.images["app"].tags["1"]


def applied(zoo: Zoo) -> tuple[int, list[str], dict[str, Any]]:
    """Apply; return the exit status, the codes of what a rule left, and what was counted."""
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    return code, [one["code"] for one in facts["left_by_rule"]], facts["counts"]


def at_target(zoo: Zoo) -> Digest | None:
    """Return what the tag points to at the target."""
    return zoo.box.store.repositories[TARGET].images["app"].tags.get("1")


def pushed_to_target(zoo: Zoo) -> None:
    """Let somebody else set the tag at the target."""
    zoo.box.store.repositories[TARGET].put_manifest("app", theirs(), "1")


def given_back(zoo: Zoo) -> None:
    """Let somebody delete the tag at the target."""
    del zoo.box.store.repositories[TARGET].images["app"].tags["1"]


def listed(*digests: str) -> str:
    """Return a list of Google's, in which the tag is at these digests."""
    entry = {"tag": ["1"], "mediaType": "", "imageSizeBytes": "1"}
    body = {"name": "app", "tags": ["1"] if digests else [], "child": []}
    return json.dumps(body | {"manifest": dict.fromkeys(digests, entry)})


def meanwhile(is_time: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """Have somebody do something at its time, in another thread, which has been started."""

    def wait() -> None:
        until = time.monotonic() + 60
        while not is_time() and time.monotonic() < until:
            time.sleep(0.02)
        act()

    somebody = threading.Thread(target=wait)
    somebody.start()
    return somebody


def says(zoo: Zoo, host: str, digest: str, **rule: Any) -> None:
    """Let lists of a host tell no digests, and heads of the tag this one."""
    body = json.dumps({"name": "app", "tags": ["1"]})
    zoo.fault(host=host, path="app/tags/list", status=200, body=body)
    headers = {"docker-content-digest": digest}
    zoo.fault(host=host, method="HEAD", path=MANIFEST, status=200, headers=headers, **rule)


@pytest.mark.parametrize("host", [US, EUROPE])
@pytest.mark.parametrize("rules", ["", SKIP + KEEP, SKIP + OVERWRITE])
def test_that_a_tag_moved_is_not_believed_of_a_head_alone(zoo: Zoo, host: str, rules: str) -> None:
    """Its manifest tells, whose bytes have one digest only; whatever the spec says of such tags."""
    digest = planned(zoo, rules)
    says(zoo, host, LIE, times=1)
    code, left, _ = applied(zoo)
    assert (code, left, at_target(zoo)) == (0, [], digest)


def test_a_list_with_a_wrong_digest_moves_no_tag(zoo: Zoo) -> None:
    """Lists that tell digests are one word, too."""
    digest = planned(zoo, SKIP)
    zoo.fault(host=US, path="app/tags/list", status=200, body=listed(LIE))
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


def test_a_tag_that_has_something_unreadable_now_has_moved(zoo: Zoo) -> None:
    """There is no manifest to be shown: that the head says it twice is enough."""
    planned(zoo, SKIP)
    says(zoo, US, LIE)
    zoo.fault(host=US, method="GET", path=MANIFEST, **GARBAGE)
    assert applied(zoo)[:2] == (0, ["tag-moved"])
    assert at_target(zoo) is None


def test_a_page_in_place_of_a_manifest_moves_no_tag(zoo: Zoo) -> None:
    """Who says one thing and then another is not believed, and asked by the next run."""
    digest = planned(zoo, SKIP)
    for digit in "123456":
        says(zoo, US, f"sha256:{digit * 64}", times=1)
    zoo.fault(host=US, method="GET", path=MANIFEST, **GARBAGE)
    code, facts = zoo.run("apply", str(zoo.home / "m"))
    assert (code, [one["code"] for one in facts["failures"]]) == (1, ["bad-manifest"])
    zoo.heal()
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


@pytest.mark.parametrize("rules", [SKIP, SKIP + KEEP, SKIP + OVERWRITE])
def test_a_tag_that_was_set_back_is_copied_by_the_next_run(zoo: Zoo, rules: str) -> None:
    """As long as the source has another it is left and named, and counts once."""
    digest = planned(zoo, rules)
    zoo.repository.put_manifest("app", theirs(), "1")
    first, second = applied(zoo), applied(zoo)
    assert first == second
    assert first[:2] == (0, ["tag-moved"])

    zoo.repository.images["app"].tags["1"] = digest
    code, left, counts = applied(zoo)
    assert (code, left, at_target(zoo)) == (0, [], digest)
    assert counts == first[2] | {"done": counts["planned"], "skipped": 0}
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize(("rules", "code"), [(SKIP, 1), (SKIP + KEEP, 0)])
def test_a_tag_that_was_set_back_is_taken_from_nobody(zoo: Zoo, rules: str, code: int) -> None:
    """Who pushed to the target meanwhile has it: it is a matter of `existing_tags` then."""
    digest = planned(zoo, rules)
    zoo.repository.put_manifest("app", theirs(), "1")
    assert applied(zoo)[:2] == (0, ["tag-moved"])
    zoo.repository.images["app"].tags["1"] = digest
    pushed_to_target(zoo)
    assert applied(zoo)[:2] == (code, [] if code else ["tag-conflict"])
    assert at_target(zoo) == theirs().digest


def test_what_the_plan_was_to_replace_is_replaced_when_the_source_is_set_back(zoo: Zoo) -> None:
    """It was there before, and the spec says so."""
    assert zoo.migrate() == (0, 0, 0)
    old = at_target(zoo)
    zoo.image("app", "1", name="newer")
    (zoo.home / "m").unlink()
    digest = planned(zoo, SKIP + OVERWRITE)
    zoo.repository.put_manifest("app", theirs(), "1")
    assert applied(zoo)[:2] == (0, ["tag-moved"])
    assert at_target(zoo) == old
    zoo.repository.images["app"].tags["1"] = digest
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


@pytest.mark.parametrize("rules", [KEEP, OVERWRITE])
def test_a_tag_that_others_gave_back_is_set_by_the_next_run(zoo: Zoo, rules: str) -> None:
    """What they had pushed over it was theirs, and is gone."""
    digest = planned(zoo, rules)
    assert applied(zoo)[0] == 0
    pushed_to_target(zoo)
    assert applied(zoo)[:2] == (0, ["tag-conflict"])
    given_back(zoo)
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


def test_what_was_left_stays_left_where_the_source_cannot_be_asked(zoo: Zoo) -> None:
    """It may be shut down by now, and nothing else is wanted of it."""
    planned(zoo, SKIP)
    zoo.repository.put_manifest("app", theirs(), "1")
    first = applied(zoo)
    zoo.fault(host=US, status=403)
    assert applied(zoo) == first


@pytest.mark.parametrize("rules", ["", SKIP])
def test_old_bytes_of_a_tag_do_not_undo_its_move(zoo: Zoo, rules: str) -> None:
    """A cache may have them still, while list and head tell what there is now."""
    planned(zoo, rules)
    raw = zoo.read(US, "builds/us.gcr.io/app/manifests/1")[1].decode()
    zoo.repository.put_manifest("app", theirs(), "1")
    headers = {"content-type": OCI_MANIFEST}
    zoo.fault(host=US, method="GET", path=MANIFEST, status=200, body=raw, headers=headers)
    assert applied(zoo)[:2] == ((0, ["tag-moved"]) if rules else (1, []))


@pytest.mark.parametrize(("rules", "code"), [("", 1), (KEEP, 0), (OVERWRITE, 0)])
@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, GARBAGE], ids=["404", "403", "unreadable"])
@pytest.mark.parametrize("times", [1, None])
def test_a_tag_of_others_stays_theirs_where_its_manifest_cannot_be_had(
    zoo: Zoo, rules: str, code: int, answer: dict[str, Any], times: int | None
) -> None:
    """Who has said twice that it is theirs is believed, in each run."""
    planned(zoo, rules)
    assert applied(zoo)[0] == 0
    pushed_to_target(zoo)
    for _ in range(2):
        zoo.fault(host=EUROPE, method="GET", path=MANIFEST, times=times, **answer)
        assert applied(zoo)[:2] == (code, [] if code else ["tag-conflict"])
        assert at_target(zoo) == theirs().digest


@pytest.mark.parametrize("answer", [UNKNOWN, REFUSED, GARBAGE], ids=["404", "403", "unreadable"])
def test_a_tag_that_was_pushed_in_a_pause_stays_where_its_manifest_cannot_be_had(
    zoo: Zoo, answer: dict[str, Any]
) -> None:
    """So does one that is seen only when a write is to be sent once more."""
    planned(zoo, KEEP)
    late = {"retry-after": "1"}
    zoo.fault(host=EUROPE, method="PUT", path=MANIFEST, status=503, headers=late, times=1)
    zoo.fault(host=EUROPE, method="GET", path=MANIFEST, **answer)
    is_sent = f"PUT .*{MANIFEST[:-1]}"
    somebody = meanwhile(lambda: zoo.asked(is_sent) > 0, lambda: pushed_to_target(zoo))
    told = applied(zoo)[:2]
    somebody.join()
    assert told == (0, ["tag-conflict"])
    assert at_target(zoo) == theirs().digest


@pytest.mark.parametrize("method", ["GET", None])
@pytest.mark.parametrize("status", [403, 404, 412, 451])
def test_a_tag_that_moved_is_left_where_its_manifest_cannot_be_had(
    zoo: Zoo, status: int, method: str | None
) -> None:
    """It is no failure of this plan that what is there now may not be read, or asked for."""
    planned(zoo, SKIP)
    zoo.repository.put_manifest("app", theirs(), "1")
    zoo.fault(host=US, method=method, path=MANIFEST, status=status)
    for _ in range(2):
        assert applied(zoo)[:2] == (0, ["tag-moved"])


@pytest.mark.parametrize("rules", [KEEP, OVERWRITE])
def test_a_tag_of_others_that_nobody_may_ask_for_is_left_and_holds_up_nothing(
    zoo: Zoo, rules: str
) -> None:
    """The list has said it twice."""
    zoo.image("other", "1", name="other")
    planned(zoo, rules)
    assert applied(zoo)[0] == 0
    pushed_to_target(zoo)
    zoo.fault(host=EUROPE, path=MANIFEST, status=403)
    for _ in range(2):
        assert applied(zoo)[:2] == (0, ["tag-conflict"])


@pytest.mark.parametrize("rules", ["", KEEP, OVERWRITE])
@pytest.mark.parametrize("runs", [0, 1])
def test_a_list_that_lacks_a_tag_of_others_gives_it_to_nobody(
    zoo: Zoo, rules: str, runs: int
) -> None:
    """It is a witness alone: of what was there, the registry is asked by name, too."""
    planned(zoo, rules)
    assert applied(zoo)[0] == 0
    pushed_to_target(zoo)
    for _ in range(runs):
        applied(zoo)
    zoo.fault(host=EUROPE, path="app/tags/list", status=200, body=listed(), times=1)
    code, left, _ = applied(zoo)
    assert (code, left) == ((0, ["tag-conflict"]) if rules else (1, []))
    assert at_target(zoo) == theirs().digest


def test_a_tag_that_was_ours_is_not_taken_from_others_by_a_run_that_goes_on(zoo: Zoo) -> None:
    """A run could not set it again when others had given it back, and then they set it anew."""
    planned(zoo, OVERWRITE)
    assert applied(zoo)[0] == 0
    given_back(zoo)
    zoo.fault(host=EUROPE, method="PUT", path=MANIFEST, status=400)
    assert applied(zoo)[0] == 1
    zoo.heal()
    pushed_to_target(zoo)
    assert applied(zoo)[:2] == (0, ["tag-conflict"])
    assert at_target(zoo) == theirs().digest


@pytest.mark.parametrize("lists", [True, False])
def test_a_tag_of_ours_stays_ours_whatever_one_answer_says(zoo: Zoo, *, lists: bool) -> None:
    """A finished file is applied once more, and a list or a head of the target is wrong."""
    digest = planned(zoo, OVERWRITE)
    assert applied(zoo)[0] == 0
    told = {"status": 200, "body": listed(LIE)}
    answer = told if lists else {"status": 404, "body": "no such page"}
    zoo.fault(host=EUROPE, path="app/tags/list", **answer)
    if not lists:
        headers = {"docker-content-digest": LIE}
        zoo.fault(host=EUROPE, method="HEAD", path=MANIFEST, status=200, headers=headers, times=1)
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


@pytest.mark.parametrize(("rules", "told"), [(KEEP, (1, [])), (KEEP + SKIP, (0, ["tag-moved"]))])
def test_a_tag_that_others_gave_back_may_have_moved_meanwhile(
    zoo: Zoo, rules: str, told: tuple[int, list[str]]
) -> None:
    """The reason for which it was left is gone, and there is another one."""
    planned(zoo, rules)
    assert applied(zoo)[0] == 0
    pushed_to_target(zoo)
    assert applied(zoo)[:2] == (0, ["tag-conflict"])
    given_back(zoo)
    zoo.repository.put_manifest("app", theirs(), "1")
    assert applied(zoo)[:2] == told
    assert applied(zoo)[:2] == told


def many_left(zoo: Zoo) -> int:
    """Have tags of many images moved and left; return how many."""
    names = [f"app{number}" for number in range(60)]
    for name in names:
        zoo.image(name, "1", name=name)
    planned(zoo, SKIP)
    for name in names:
        zoo.repository.put_manifest(name, theirs(), "1")
    assert applied(zoo)[:2] == (0, ["tag-moved"] * len(names))
    zoo.forget()
    return len(names)


def test_what_was_left_costs_a_further_run_one_question_each(zoo: Zoo) -> None:
    """That it is still elsewhere needs no proof; only what is to be written down does."""
    count = many_left(zoo)
    assert applied(zoo)[:2] == (0, ["tag-moved"] * count)
    assert zoo.asked(f"(GET|HEAD) {US} /v2/builds/") == count


def test_a_source_that_is_shut_down_is_not_asked_for_all_that_was_left(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be asked again and again, with pauses between."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_PAUSE_S", "0.01")
    count = many_left(zoo)
    zoo.fault(host=US, status=503)
    assert applied(zoo)[:2] == (0, ["tag-moved"] * count)
    asked = zoo.asked(f" {US} ")
    assert 0 < asked < 40 * 6  # those that are asked at once, before the first of them gives up


def test_what_a_registry_kept_of_a_damaged_write_is_not_taken_for_somebody_elses(zoo: Zoo) -> None:
    """It said itself that it had got other bytes, and under the tag they may be."""
    digest = planned(zoo, OVERWRITE)
    assert applied(zoo)[0] == 0
    given_back(zoo)
    error = {"code": "DIGEST_INVALID", "message": f"got {theirs().digest}"}
    body = json.dumps({"errors": [error]})
    zoo.fault(host=EUROPE, method="PUT", path=MANIFEST, status=400, body=body)
    assert applied(zoo)[0] == 1
    zoo.heal()
    pushed_to_target(zoo)
    assert applied(zoo)[:2] == (0, [])
    assert at_target(zoo) == digest


def test_what_comes_back_when_a_target_loses_our_write_is_replaced_as_planned(zoo: Zoo) -> None:
    """It answered 201, and then had what it had before; it is found out by an index."""
    assert zoo.migrate() == (0, 0, 0)
    old = at_target(zoo)
    assert old
    image = zoo.image("app", "1", name="newer")
    zoo.index("app", "index", of=[image])
    (zoo.home / "m").unlink()
    digest = planned(zoo, OVERWRITE)
    zoo.fault(host=EUROPE, method="PUT", path="manifests/index$", delay_s=2)
    there = zoo.box.store.repositories[TARGET].images["app"]

    def lose() -> None:
        there.tags["1"] = old
        del there.manifests[digest]

    somebody = meanwhile(lambda: there.tags["1"] == digest, lose)
    told = applied(zoo)[:2]
    somebody.join()
    assert told == (0, [])
    assert at_target(zoo) == digest
