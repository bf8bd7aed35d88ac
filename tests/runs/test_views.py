"""The registry's lists and the API's are joined: what one of them hides, the other shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.zoo import API, US, Zoo, found, grave, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMPTY = {"status": 200, "body": "{}"}


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A source with two images, one below the other, and an untagged one."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as one:
        one.image("a", "1", name="a1")
        one.image("a", name="a-untagged")
        one.image("a/b", "1", "Latest", "latest", name="b1")
        yield one


def test_views_that_agree_give_no_finding(zoo: Zoo) -> None:
    """Nothing is said of two views that are alike; each costs a page a list."""
    code, facts = zoo.plan()
    assert (code, facts["complete"], grave(facts)) == (0, True, [])
    assert facts["counts"]["manifests"] == 3
    assert zoo.images() == {"a": ["1"], "a/b": ["1", "Latest", "latest"]}
    assert zoo.asked(f"{API} .*/(packages|dockerImages|versions|tags)") == 2
    assert zoo.asked("/tags/list") == 3


def test_an_api_that_refuses_leaves_one_view_and_a_whole_plan(zoo: Zoo) -> None:
    """The registry's lists alone make a plan; that nobody compared them is said."""
    zoo.fault(host=API, path="packages|dockerImages", status=403)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 4)
    assert "denied" in found(facts, "one-view-only")[""]
    assert grave(facts) == ["one-view-only"]


def test_an_api_that_shows_nothing_is_contradicted_path_by_path(zoo: Zoo) -> None:
    """What only the registry lists is planned and named."""
    zoo.fault(host=API, path="packages|dockerImages", **EMPTY)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 4)
    differ = found(facts, "views-differ")
    assert differ.keys() == {"a", "a/b"}
    assert all(saw.startswith("only the registry lists it") for saw in differ.values())


def test_a_registry_that_lists_nothing_is_made_good_by_the_api(zoo: Zoo) -> None:
    """What only the API lists is planned and named; nothing of it is lost."""
    zoo.fault(host=US, path="/tags/list", status=200, body='{"tags": []}')
    code, facts = zoo.plan()
    assert (code, facts["complete"]) == (0, True)
    assert (facts["counts"]["manifests"], facts["counts"]["tags"]) == (3, 4)
    differ = found(facts, "views-differ")
    assert differ.keys() == {"a", "a/b"}
    assert all(saw.startswith("only the API lists it") for saw in differ.values())


def test_a_registry_whose_lists_fail_makes_an_incomplete_plan_of_what_the_api_lists(
    zoo: Zoo,
) -> None:
    """With the registry's lists switched off, all else is planned, and the plan is in doubt."""
    zoo.fault(host=US, path="/tags/list", status=500)
    code, facts = zoo.plan()
    assert (code, facts["complete"]) == (3, False)
    assert facts["counts"]["tags"] == 4
    assert found(facts, "listing-failed").keys() == {"", "a", "a/b"}


def test_a_source_that_no_view_shows_gives_no_plan(zoo: Zoo) -> None:
    """An empty plan is never made of two refusals."""
    zoo.fault(path="/tags/list|packages|dockerImages", status=403)
    code, facts = zoo.plan()
    assert code == 4
    assert facts["schema"] == "gcr-migrate/error"


def test_a_path_that_the_list_above_it_hides_is_found(zoo: Zoo) -> None:
    """A child that only the API names is read by its name, and the difference is told."""
    body = json.dumps({"name": "builds/us.gcr.io", "child": [], "tags": [], "manifest": {}})
    zoo.fault(host=US, path="/v2/builds/us.gcr.io/tags/list", status=200, body=body)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 4)
    assert found(facts, "views-differ").keys() == {"a", "a/b"}


def test_a_path_that_only_the_list_of_packages_names_is_found(zoo: Zoo) -> None:
    """Where the list of images and the lists above a path hide it, its versions are asked for."""
    body = json.dumps({"name": "builds/us.gcr.io", "child": [], "tags": [], "manifest": {}})
    zoo.fault(host=US, path="/v2/builds/us.gcr.io/tags/list", status=200, body=body)
    unknown = json.dumps({"errors": [{"code": "NAME_UNKNOWN"}]})
    zoo.fault(host=US, path="us.gcr.io/a/b/tags/list", status=404, body=unknown)
    zoo.fault(host=API, path="/dockerImages", **EMPTY)
    code, facts = zoo.plan()
    assert (code, facts["complete"], facts["counts"]["tags"]) == (0, True, 4)
    differ = found(facts, "views-differ")
    assert differ["a/b"].startswith("only the API lists it (3 tags, 1 manifest)")
    assert differ["a"].startswith("only the API lists it")


def test_a_tag_and_a_digest_of_one_view_only_are_named_with_both_sides(zoo: Zoo) -> None:
    """Each kind of difference names what either side has, and all of it is planned."""
    image = zoo.repository.images["a"]
    tagged = image.tags["1"]
    (untagged,) = set(image.manifests) - {tagged}
    listed = {str(tagged): {"tag": ["1"], "mediaType": "", "timeUploadedMs": 1}}
    body = {"name": "a", "tags": ["1"], "child": ["b"], "manifest": listed}
    zoo.fault(host=US, path="us.gcr.io/a/tags/list", status=200, body=json.dumps(body))
    row = {"uri": f"{US}/builds/us.gcr.io/a/b@{tagged}", "tags": ["new"]}
    zoo.fault(host=API, path="/dockerImages", status=200, body=json.dumps({"dockerImages": [row]}))
    code, facts = zoo.plan()
    assert (code, facts["counts"]["manifests"]) == (0, 3)
    assert found(facts, "views-differ") == {
        f"a@{untagged}": "only the API lists it (manifest), the registry does not"
    }


def test_a_tag_that_points_elsewhere_is_asked_for_and_both_digests_are_kept(zoo: Zoo) -> None:
    """The registry's answer of the moment decides; the finding names what each view said."""
    image = zoo.repository.images["a"]
    here = image.tags["1"]
    (there,) = set(image.manifests) - {here}
    name = "projects/builds/locations/us/repositories/us.gcr.io/packages/a"
    rows = [{"uri": f"{US}/builds/us.gcr.io/a@{one}"} for one in (here, there)]
    rows[1]["tags"] = ["1"]  # type: ignore[assignment]
    zoo.fault(host=API, path="/dockerImages", status=200, body=json.dumps({"dockerImages": rows}))
    tags = {"tags": [{"name": f"{name}/tags/1", "version": f"{name}/versions/{there}"}]}
    zoo.fault(host=API, path="packages/a/tags", status=200, body=json.dumps(tags))
    code, facts = zoo.plan()
    assert (code, facts["counts"]["manifests"]) == (0, 3)
    saw = found(facts, "views-differ")["a:1"]
    assert saw == f"the registry lists {here}, the API {there}"
