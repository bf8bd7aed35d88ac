"""Exports of what runs: their records, where strings stand in them, and who pulls."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.refs.consumers import Clusters, resource
from gcr_migrate.refs.exports import ASSETS, KUBECTL, export_kind
from gcr_migrate.refs.files import Found, Unread, scan_bytes, scan_text
from gcr_migrate.refs.reading import Whose, read
from gcr_migrate.refs.records import records, strings

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
OBJECTS = st.dictionaries(
    st.text().filter(lambda key: key not in {"assets", "items", "results"}), VALUES
)
LONE = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": "1"}, "x": "gcr.io/a-project/i"'


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str]]:
    """Return the strings of a value, each with what leads to it."""
    if isinstance(value, str):
        return [(path, value)]
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [leaf for key, one in pairs for leaf in leaves(one, (*path, str(key)))]


@pytest.mark.slow
@given(OBJECTS, st.sampled_from([True, False]), st.sampled_from([None, 1, "\t"]))
def test_each_string_of_a_record_is_told_with_where_it_stands(
    value: dict[str, Any], ascii_only: Any, indent: int | str | None
) -> None:
    """What is between its quotes decodes to what it says, however the text is laid out."""
    text = json.dumps([7, value], ensure_ascii=ascii_only, indent=indent)
    (record,) = records(text)
    said = list(strings(text, record.start))
    assert [(one.path, one.text) for one in said] == leaves(value)
    assert all(
        json.loads(f'"{text[one.start : one.end]}"', strict=False) == one.text for one in said
    )


@settings(max_examples=25)
@given(st.lists(OBJECTS, max_size=3))
def test_records_are_the_same_in_an_array_in_lines_and_in_a_list(
    values: list[dict[str, Any]],
) -> None:
    """Three ways in which tools write what they list."""
    array, lines = json.dumps(values), "\n".join(map(json.dumps, values))
    listed = json.dumps({"kind": "List", "items": values, "metadata": {}})
    for text in (array, lines, listed, f"\ufeff{array}\n"):
        assert [one.value for one in records(text)] == values


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (LONE + "}", KUBECTL),
        ('[{"assetType": "x"}]', ASSETS),
        ('{"asset_type": "x"}\n', ASSETS),
        ('{"apiVersion": "v1", "kind": "Pod"}', ""),
        ('metadata:\n  uid: "1"\n# "apiVersion": "uid":', ""),
    ],
)
def test_an_export_is_known_by_its_shape(text: str, kind: str) -> None:
    """A manifest that somebody keeps has no id of a cluster."""
    assert export_kind(text) == kind


def test_an_export_that_is_cut_off_is_not_taken_for_a_whole_one() -> None:
    """Half of a list would look as if the rest had no names."""
    (whole,) = scan_bytes("a.json", (LONE + "}").encode())
    (cut,) = scan_bytes("a.json", LONE.encode())
    assert isinstance(whole, Found)
    assert isinstance(cut, Unread)


def pods(*accounts: str) -> tuple[str, str]:
    """Return who pulls for a pod in a cluster whose pools have some accounts."""
    cluster, clusters = (
        "//container.googleapis.com/projects/p-one/locations/l/clusters/c",
        Clusters({}),
    )
    pools = [{"config": {"serviceAccount": one}} for one in accounts]
    about = {"name": cluster, "assetType": "container.googleapis.com/Cluster"}
    clusters.note(
        {**about, "resource": {"data": {"nodePools": pools}}, "ancestors": ["projects/12"]}
    )
    pod = {"name": f"{cluster}/k8s/namespaces/n/pods/p", "assetType": "k8s.io/Pod"}
    found = resource(pod, clusters)
    return found.identity, found.why


def test_who_pulls_for_a_pod_is_told_only_where_all_nodes_are_alike() -> None:
    """A pod may come to run on any of them."""
    assert pods("n@p.example.com")[0] == "serviceAccount:n@p.example.com"
    assert (
        pods("default", "default")[0] == "serviceAccount:12-compute@developer.gserviceaccount.com"
    )
    assert pods("n@p.example.com", "default") == ("", "the cluster's nodes have several accounts")
    assert pods()[0] == ""


def test_nothing_of_a_resource_has_to_be_there() -> None:
    """Exports are cut to what somebody asked for; what is not told is unknown."""
    bare = {"assetType": "run.googleapis.com/Service", "name": "//run.googleapis.com/x"}
    found = resource(bare, Clusters({}))
    assert (found.name, found.project, found.location, found.identity) == ("x", "", "", "")
    odd = {**bare, "resource": {"data": ["x"]}, "ancestors": "x", "versionedResources": ["x"]}
    assert resource(odd, Clusters({})) == found


@pytest.mark.parametrize(("project", "whose"), [("a-project", Whose.OURS), ("123", Whose.OPEN)])
def test_a_build_trigger_knows_its_project(project: str, whose: Whose) -> None:
    """So the usual spelling of its images has no gap; a number is no part of a name."""
    asset = {
        "name": f"//cloudbuild.googleapis.com/projects/{project}/locations/global/triggers/t",
        "assetType": "cloudbuild.googleapis.com/BuildTrigger",
        "resource": {"data": {"build": {"images": ["gcr.io/$PROJECT_ID/app"]}}},
    }
    (found,) = scan_text("assets.json", json.dumps(asset))
    assert read(found.written, {}, {"a-project"}, defaults=found.values).whose is whose
