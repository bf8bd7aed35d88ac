"""How a repository of Artifact Registry is set up, and when each setting is written.

What is written only once the copy is done: tags that cannot move, clean-up policies and scans
would meet the copy itself (FACTS 4.2, 8).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields


class Scanning(StrEnum):
    """When images are scanned for vulnerabilities, for a fee each."""

    OFF = "off"
    AFTER_COPY = "after_copy"  # what is pushed once the copy is done
    ON = "on"  # the copy too


class CleanupCondition(Struct, frozen=True):
    """What a clean-up policy picks; ages are in seconds, None where it does not ask.

    Attributes:
        tag_state: `any`, `tagged` or `untagged`.
        tag_prefixes: beginnings of tags, one of which has to fit; none: all do.
        version_prefixes: beginnings of digests, likewise.
        package_prefixes: beginnings of image paths, likewise.
        older_than_s: uploaded longer ago.
        newer_than_s: uploaded later.
        more_stale_than_s: not pulled for so long.
    """

    tag_state: str = "any"
    tag_prefixes: tuple[str, ...] = ()
    version_prefixes: tuple[str, ...] = ()
    package_prefixes: tuple[str, ...] = ()
    older_than_s: int | None = None
    newer_than_s: int | None = None
    more_stale_than_s: int | None = None


class CleanupPolicy(Struct, frozen=True):
    """One rule by which a repository deletes versions of images, or keeps them from others.

    Attributes:
        id: its name in the repository.
        deletes: whether it deletes; else it keeps, which counts for more.
        condition: what it picks, where it does not keep the newest.
        keep_count: how many of the newest versions of each image it keeps.
        newest_prefixes: beginnings of the image paths of which it keeps the newest; none: all.
    """

    id: str
    deletes: bool
    condition: CleanupCondition | None = None
    keep_count: int | None = None
    newest_prefixes: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Return what it does, in a few words."""
        if self.keep_count is not None:
            return f"keep the newest {self.keep_count}{_of('images', self.newest_prefixes)}"
        picks = self.condition or CleanupCondition()
        words = [
            "" if picks.tag_state == "any" else picks.tag_state,
            _of("tags", picks.tag_prefixes),
            _of("digests", picks.version_prefixes),
            _of("images", picks.package_prefixes),
            _age("older than", picks.older_than_s),
            _age("newer than", picks.newer_than_s),
            _age("not pulled for", picks.more_stale_than_s),
        ]
        chosen = ", ".join(one.strip() for one in words if one) or "everything"
        return f"{'delete' if self.deletes else 'keep'} {chosen}"


def _of(what: str, prefixes: tuple[str, ...]) -> str:
    return f" of {what} {'*, '.join(prefixes)}*" if prefixes else ""


def _age(word: str, seconds: int | None) -> str:
    if seconds is None:
        return ""
    days = seconds % _DAY_S == 0
    return f"{word} {seconds // _DAY_S} days" if days else f"{word} {seconds} s"


class RepositorySettings(Struct, frozen=True):
    """How a repository is set up, or shall be.

    Attributes:
        description: a text.
        labels: keys and values, sorted.
        immutable_tags: whether tags can never move or be deleted.
        kms_key: key that encrypts it; empty for Google's own.
        cleanup: clean-up policies, sorted by id.
        cleanup_dry_run: whether they only say what they would delete.
        scanning: when it scans; of a repository as it is, `OFF` or `ON`.
        adopt: whether one that is there already may be changed to this.
    """

    description: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    immutable_tags: bool = False
    kms_key: str = ""
    cleanup: tuple[CleanupPolicy, ...] = ()
    cleanup_dry_run: bool = False
    scanning: Scanning | None = None
    adopt: bool = False


_DAY_S: Final = 86_400
AS_IT_COMES: Final = RepositorySettings()
IMMUTABLE: Final = "immutable_tags"
CLEANUP: Final = "cleanup_policies"
CLEANUP_DRY_RUN: Final = "cleanup_dry_run"
SCANNING: Final = "scanning"
DESCRIPTION: Final = "description"
LABELS: Final = "labels"
KMS_KEY: Final = "kms_key"


def after_copy(wants: RepositorySettings) -> tuple[str, ...]:
    """Return which settings of a new repository are written only once its images are there."""
    found = []
    if wants.immutable_tags:
        found.append(IMMUTABLE)
    if wants.cleanup:
        found += [CLEANUP, CLEANUP_DRY_RUN]
    if wants.scanning is Scanning.AFTER_COPY:
        found.append(SCANNING)
    return tuple(sorted(found))


class Difference(Struct, frozen=True):
    """A setting that a repository has otherwise than the spec says.

    Attributes:
        setting: its name in the spec.
        has: what is there, as people write it.
        wants: what the spec says, likewise.
        fixed: whether it was fixed when the repository was made.
    """

    setting: str
    has: str
    wants: str
    fixed: bool = False

    def __str__(self) -> str:
        return f"{self.setting} is {self.has}, spec says {self.wants}"


def differences(has: RepositorySettings, wants: RepositorySettings) -> list[Difference]:
    """Compare what the spec states with a repository that is there; it is silent of the rest.

    Labels and clean-up policies that the spec does not name are others' and stay.
    """
    found = []
    if wants.description and has.description != wants.description:
        found.append(Difference(DESCRIPTION, repr(has.description), repr(wants.description)))
    labels = dict(has.labels)
    found += [
        Difference(f"{LABELS}.{key}", repr(labels.get(key, "")), repr(value))
        for key, value in wants.labels
        if labels.get(key) != value
    ]
    if wants.kms_key and has.kms_key != wants.kms_key:
        found.append(Difference(KMS_KEY, repr(has.kms_key), repr(wants.kms_key), fixed=True))
    if wants.immutable_tags and not has.immutable_tags:
        found.append(Difference(IMMUTABLE, "false", "true"))
    there = {policy.id: policy for policy in has.cleanup}
    found += [
        Difference(
            f"{CLEANUP}.{one.id}", there[one.id].told if one.id in there else "missing", one.told
        )
        for one in wants.cleanup
        if there.get(one.id) != one
    ]
    if wants.cleanup and has.cleanup_dry_run != wants.cleanup_dry_run:
        is_dry, shall_be = str(has.cleanup_dry_run).lower(), str(wants.cleanup_dry_run).lower()
        found.append(Difference(CLEANUP_DRY_RUN, is_dry, shall_be))
    if wants.scanning and (has.scanning is Scanning.OFF) != (wants.scanning is Scanning.OFF):
        found.append(Difference(SCANNING, str(has.scanning or Scanning.ON), str(wants.scanning)))
    return found


def changes_of(found: list[Difference]) -> tuple[str, ...]:
    """Return which settings have to be written to end some differences."""
    return tuple(sorted({one.setting.partition(".")[0] for one in found if not one.fixed}))


def stated(wants: RepositorySettings) -> dict[str, str]:
    """Return what the spec says about a repository, by setting and as people read it."""
    found = {DESCRIPTION: wants.description, KMS_KEY: wants.kms_key}
    found |= {f"{LABELS}.{key}": value for key, value in wants.labels}
    found[IMMUTABLE] = "true" if wants.immutable_tags else ""
    found |= {f"{CLEANUP}.{one.id}": one.told for one in wants.cleanup}
    found[CLEANUP_DRY_RUN] = "true" if wants.cleanup_dry_run else ""
    found[SCANNING] = str(wants.scanning or "")
    return {setting: value for setting, value in found.items() if value}


def plain(settings: RepositorySettings) -> dict[str, Any]:
    """Return settings as plain data, without what is as if nothing were said."""
    return _plain(settings)


def settings_of(data: dict[str, Any]) -> RepositorySettings:
    """Return the settings in plain data that `plain` made."""
    scanning = data.get("scanning")
    return RepositorySettings(
        **data
        | {
            "labels": tuple((key, value) for key, value in data.get("labels", ())),
            "cleanup": tuple(_policy_of(one) for one in data.get("cleanup", ())),
            "scanning": Scanning(scanning) if scanning else None,
        }
    )


def _policy_of(data: dict[str, Any]) -> CleanupPolicy:
    condition = data.get("condition")
    known = None if condition is None else CleanupCondition(**_tuples(condition))
    return CleanupPolicy(**_tuples(data) | {"condition": known})


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(one) if isinstance(one, list) else one for key, one in data.items()}


def _plain(value: RepositorySettings | CleanupPolicy | CleanupCondition) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields(value):
        one = getattr(value, field.name)
        if one == field.default and field.name != "condition":
            continue
        if isinstance(one, CleanupCondition):
            found[field.name] = _plain(one)
        elif field.name == "cleanup":
            found[field.name] = [_plain(policy) for policy in one]
        elif one is not None:
            found[field.name] = [*one] if isinstance(one, tuple) else one
    return found
