"""A bucket of Cloud Storage as a person sees it who wants to be rid of it."""

from __future__ import annotations

from msgspec import Struct


class BucketSettings(Struct, frozen=True):
    """What decides about the end of a bucket, and what it costs until then.

    Attributes:
        name: its name.
        project_number: of the project that it belongs to; empty if it was not told.
        location: such as `US` or `EUROPE-WEST1`.
        is_multi_region: whether that is a multi-region, and neither one region nor two.
        storage_class: of new objects, such as `STANDARD`.
        retention_s: how old an object has to be before it can be deleted; 0 without such a rule.
        retention_locked: whether nobody can shorten that any more.
        holds_new_objects: whether new objects are held until somebody lets them go.
        soft_delete_s: how long what was deleted can be restored, and is billed.
        versioned: whether what is replaced or deleted stays as an older version.
        deletes_by_itself: whether a lifecycle rule deletes objects.
    """

    name: str
    project_number: str = ""
    location: str = ""
    is_multi_region: bool = False
    storage_class: str = ""
    retention_s: int = 0
    retention_locked: bool = False
    holds_new_objects: bool = False
    soft_delete_s: int = 0
    versioned: bool = False
    deletes_by_itself: bool = False


class StoredObject(Struct, frozen=True):
    """An object of a bucket, or an older version of one.

    Attributes:
        name: such as `containers/images/sha256:…`.
        size_bytes: its length.
        storage_class: such as `STANDARD`.
        created_ms: when it was written, in milliseconds since 1970; None if it was not told.
        is_held: whether it cannot be deleted until somebody lets it go.
        retained_until_ms: until when it cannot be deleted by a date of its own, likewise.
    """

    name: str
    size_bytes: int
    storage_class: str
    created_ms: int | None = None
    is_held: bool = False
    retained_until_ms: int | None = None
