"""What decides about the end of a bucket, as Cloud Storage words it, and where it is awkward."""

from __future__ import annotations

from typing import Any

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.storage import BucketSettings, StoredObject
from tests import google_clients as clients
from tests.scripted import Answer, Asked, Scripted

NAME = "us.artifacts.builds.appspot.com"
SETTINGS: dict[str, Any] = {
    "name": NAME,
    "projectNumber": "42",
    "location": "US",
    "locationType": "multi-region",
    "storageClass": "NEARLINE",
    "retentionPolicy": {"retentionPeriod": "86400", "isLocked": True},
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "defaultEventBasedHold": True,
    "versioning": {"enabled": True},
    "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]},
}
OBJECTS: list[dict[str, Any]] = [
    {"name": "a", "size": "7", "storageClass": "NEARLINE", "timeCreated": "1970-01-01T00:00:01Z"},
    {"name": "b", "size": "8", "storageClass": "NEARLINE", "eventBasedHold": True},
    {"name": "b", "size": "9", "retention": {"retainUntilTime": "1970-01-01T00:00:02.000Z"}},
]


class Storage(Scripted):
    """Gives the same answer to each question for a bucket, and pages of objects in turn."""

    def __init__(self, bucket: Answer, *pages: dict[str, Any]) -> None:
        super().__init__(self._next)
        self._bucket, self._pages = bucket, list(pages)

    def _next(self, asked: Asked) -> Answer:
        if "/o?" not in asked.target:
            return self._bucket
        return Answer(200, self._pages.pop(0) if len(self._pages) > 1 else self._pages[0])


def _settings(bucket: Answer) -> BucketSettings | None:
    with Storage(bucket) as service:
        return clients.using(service.endpoints, lambda all_: all_.buckets.settings(NAME), "t")


def _objects(*pages: dict[str, Any]) -> tuple[list[StoredObject], list[str]]:
    with Storage(Answer(200, {}), *pages) as service:
        found = clients.using(
            service.endpoints, lambda all_: clients.listed(all_.buckets.objects(NAME)), "t"
        )
        return found, [one.target for one in service.asked]


def test_each_setting_is_read() -> None:
    """Numbers come as texts; what is not said is none."""
    found = _settings(Answer(200, SETTINGS))
    whole: dict[str, Any] = {
        "retention_s": 86_400,
        "retention_locked": True,
        "holds_new_objects": True,
        "soft_delete_s": 604_800,
        "versioned": True,
        "deletes_by_itself": True,
    }
    assert found == BucketSettings(
        NAME, "42", "US", is_multi_region=True, storage_class="NEARLINE", **whole
    )
    assert _settings(Answer(200, {"name": NAME})) == BucketSettings(NAME)


def test_objects_come_with_their_older_versions_page_by_page() -> None:
    """A few fields of each are asked for; holds and dates of their own are told."""
    found, asked = _objects({"items": OBJECTS[:2], "nextPageToken": "2"}, {"items": OBJECTS[2:]})
    assert found == [
        StoredObject("a", 7, "NEARLINE", 1_000),
        StoredObject("b", 8, "NEARLINE", is_held=True),
        StoredObject("b", 9, "", retained_until_ms=2_000),
    ]
    assert ["pageToken=2" in one for one in asked] == [False, True]
    assert all("versions=true" in one for one in asked)


def test_what_is_not_there_and_what_is_hidden_are_told_apart() -> None:
    """Nothing is 404 to anybody; whoever may not see it is refused."""
    assert _settings(Answer(404, {"error": {"code": 404}})) is None
    with pytest.raises(MigrateError, match="denied"):
        _settings(Answer(403, {"error": {"code": 403, "message": "no"}}))


@pytest.mark.parametrize(
    "body",
    [
        {"items": [{"name": "a", "size": "-1"}]},
        {"items": [{"name": "a", "size": "many"}]},
        {"items": "none"},
        {"items": [], "nextPageToken": "1"},
    ],
)
def test_what_is_no_list_of_objects_ends_it(body: dict[str, Any]) -> None:
    """A size that is none, and a list that leads back to itself, say nothing of what is there."""
    with pytest.raises(MigrateError, match="bad-reply"):
        _objects(body)


def test_a_retention_that_cannot_be_read_is_not_taken_for_none() -> None:
    """Else its objects would seem to be free to go."""
    with pytest.raises(MigrateError, match="bad-reply"):
        _settings(Answer(200, SETTINGS | {"retentionPolicy": {"retentionPeriod": "a year"}}))
