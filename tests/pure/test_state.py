"""The migration file: sealed plan, ledger, lock."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.access import AccessRow, Condition, Grant, Right, Verdict
from gcr_migrate.model.content import (
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Digest,
    Manifest,
    RawManifest,
)
from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.model.login import Login
from gcr_migrate.model.plan import PlannedManifest, PlannedTag, Repository, Source, TagAction
from gcr_migrate.state.amounts import Amounts
from gcr_migrate.state.file import create_draft, lock, open_migration
from gcr_migrate.state.ledger import Ledger
from gcr_migrate.state.migration import Migration
from tests.made import made

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcr_migrate.errors import Problem
    from gcr_migrate.state.frozen import Draft

TARGET = "eu-docker.pkg.dev"
RESOURCE = "projects/builds/locations/eu/repositories/product1"
SOURCE = Source("eu.gcr.io/builds", "127.0.0.1:5000", "builds/eu.gcr.io", "plain", plain_http=True)
UNTIL = Condition("until", "request.time < timestamp('2027-01-01T00:00:00Z')", "d")
REPOSITORY = Repository(
    TARGET,
    "builds/product1",
    "artifact-registry",
    RESOURCE,
    exists=False,
    grants=(
        Grant("roles/a", "group:a@b.example"),
        Grant("roles/a", "group:a@b.example", UNTIL),
        Grant("roles/b", "group:a@b.example"),
    ),
    granted=(Grant("roles/a", "group:a@b.example"),),
)
ROWS = (
    AccessRow(
        "eu.gcr.io/builds",
        "eu-docker.pkg.dev/builds/product1",
        "group:a@b.example",
        Right.PULL,
        before=True,
        after=None,
        before_by="roles/storage.objectViewer on gs://b",
        verdict=Verdict.UNKNOWN,
        why="not seen",
    ),
    AccessRow(
        "eu.gcr.io/builds",
        "eu-docker.pkg.dev/builds/product1",
        "allUsers",
        Right.DELETE,
        before=None,
        after=False,
        after_by="nothing",
        verdict=Verdict.LOST,
        consent="nobody needs it",
        proved_by="analysis",
    ),
)


def image_manifest(*layers: bytes, foreign: bytes = b"") -> Manifest:
    """Make a manifest of these layers; the first one is the config."""
    entries = [
        {"mediaType": "x/y", "digest": str(Digest.of(layer)), "size": len(layer)}
        for layer in layers
    ]
    if foreign:
        entry = {"mediaType": "x/y", "digest": str(Digest.of(foreign)), "size": len(foreign)}
        entries.append({**entry, "urls": ["https://layers.example/1"]})
    body = {"mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
    return Manifest.read(json.dumps(body).encode(), OCI_MANIFEST)


def index_of(*children: Manifest) -> Manifest:
    """Make an index of these manifests."""
    entries = [
        {"mediaType": c.media_type, "digest": str(c.digest), "size": len(c.raw)} for c in children
    ]
    body = {"mediaType": OCI_INDEX, "manifests": entries}
    return Manifest.read(json.dumps(body).encode(), OCI_INDEX)


_NOBODY = 65_534
AMD = image_manifest(b"config-amd", b"base", b"amd")
ARM = image_manifest(b"config-arm", b"base", b"arm")
BOTH = index_of(AMD, ARM)


def seal(
    draft: Draft,
    *,
    complete: bool = True,
    minute: int = 0,
    logins: dict[str, Login] | None = None,
) -> str:
    """Seal with what does not matter to a test."""
    return draft.seal(
        complete=complete,
        spec_name="spec.yaml",
        spec_text="project: builds\n",
        estimate={"seconds": minute},
        tool_version="1",
        created_at=datetime(2026, 1, 1, 0, minute, tzinfo=UTC),
        logins=logins,
    )


def write_plan(
    path: Path,
    *,
    manifests: Sequence[Manifest] = (AMD, ARM, BOTH),
    images: Sequence[str] = ("app", "web"),
    present: bool = False,
    minute: int = 0,
    rows: Sequence[AccessRow] = ROWS,
) -> str:
    """Write a plan of images that all have the same index; return its digest."""
    with create_draft(path) as draft:
        source, repository = draft.add_source(SOURCE), draft.add_repository(REPOSITORY)
        draft.add_access_rows(repository, rows)
        for manifest in manifests:
            draft.add_manifest(manifest)
        for name in images:
            image = draft.add_image(source, name, repository, name, "fail", "fail")
            planned = [
                PlannedManifest(AMD.digest, minute, present=present, rank=0),
                PlannedManifest(ARM.digest, None, present=False, rank=0),
                PlannedManifest(BOTH.digest, None, present=False, rank=1),
            ]
            draft.add_manifests(image, planned)
            draft.add_blobs(image)
            draft.add_tags(
                image,
                [
                    PlannedTag("1.0", BOTH.digest, TagAction.SET),
                    PlannedTag("old", AMD.digest, TagAction.KEEP, Digest.of(b"elsewhere")),
                ],
            )
        draft.add_left_out(LeftOut(errors.UNTAGGED_LEFT, "eu.gcr.io/builds/app", by_rule=True))
        draft.add_finding(Finding(errors.HOST_EMPTY, Severity.INFO, "us.gcr.io/builds", "404"))
        return seal(draft, minute=minute)


def refused(problem: Problem, error: MigrateError) -> bool:
    """Whether the error is this problem."""
    return error.problem is problem


def test_what_was_planned_is_read_back(tmp_path: Path) -> None:
    """Every row that goes into a draft comes out of the migration as it was."""
    path = tmp_path / "a.migration"
    digest = write_plan(path)

    with open_migration(path) as migration:
        migration.check_seal()
        manifests, tags = migration.manifests(1), list(migration.tags(1))
        assert migration.digest == digest
        assert migration.sources() == {1: SOURCE}
        assert migration.repositories() == {1: REPOSITORY}
        assert tuple(migration.access_rows()) == ROWS
        assert [image.target_path for image in migration.images()] == ["app", "web"]
        assert [m.digest for m in manifests] == [AMD.digest, ARM.digest, BOTH.digest]
        assert manifests[2].needs == (manifests[0].id, manifests[1].id)
        assert migration.manifest(BOTH.digest) == BOTH
        assert migration.raw_manifest(BOTH.digest) == RawManifest(
            BOTH.raw, BOTH.media_type, BOTH.digest
        )
        assert [b.digest for b in migration.blobs_of(manifests[0].id)] == [
            b.digest for b in AMD.blobs
        ]
        assert [t.action for t in tags] == [TagAction.SET, TagAction.KEEP]
        assert tags[0].manifest_item_id == manifests[2].id
        assert tags[1].found == Digest.of(b"elsewhere")
        assert next(migration.findings()).saw == "404"
        assert next(migration.left_outs()).by_rule


@pytest.mark.parametrize("read", [Migration.manifest, Migration.raw_manifest])
def test_a_manifest_that_was_damaged_in_the_file_is_never_given(
    tmp_path: Path, read: Callable[[Migration, Digest], object]
) -> None:
    """Neither to be looked at nor to be sent on; it is the file that is damaged, no registry."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.execute("DROP TRIGGER manifest_frozen_update")
        sql.execute(
            "UPDATE manifest SET raw = ? WHERE digest = ?", (AMD.raw + b" ", str(AMD.digest))
        )

    with open_migration(path) as migration, pytest.raises(MigrateError) as caught:
        read(migration, AMD.digest)

    assert caught.value.problem is errors.PLAN_DAMAGED
    assert "the manifest in the file: bytes hash to" in caught.value.saw


def test_a_plan_is_read_where_nothing_can_be_written() -> None:
    """As in a volume that a scheduler lays down: no file can be made beside it, none is needed."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        digest = write_plan(path)
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        user = os.geteuid()
        os.seteuid(user or _NOBODY)
        try:
            with pytest.raises(PermissionError):
                (Path(folder) / "m-shm").touch()
            with open_migration(path) as migration:
                migration.check_seal()
                assert migration.digest == digest
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)


def test_a_code_that_a_later_version_wrote_is_told_as_it_is(tmp_path: Path) -> None:
    """Findings and left-outs keep their code; who reads them learns where it is from."""
    path, later = tmp_path / "a.migration", errors.Problem("not-yet", "", "", "", errors.Exit.OK)
    with create_draft(path) as draft:
        draft.add_left_out(LeftOut(later, "us.gcr.io/builds/app", by_rule=True))
        draft.add_finding(Finding(later, Severity.INFO, "us.gcr.io/builds", ""))
        seal(draft)
    with open_migration(path) as migration:
        for one in (next(migration.left_outs()), next(migration.findings())):
            assert one.problem.code == "not-yet"
            assert "later version" in one.problem.title


def test_pages_join_without_gap(tmp_path: Path) -> None:
    """Manifests read two at a time are the same as all at once."""
    path = tmp_path / "a.migration"
    write_plan(path)

    with open_migration(path) as migration:
        first = migration.manifests(2, limit=2)
        rest = migration.manifests(2, after_id=first[-1].id, limit=2)
        assert first + rest == migration.manifests(2)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=12,
)
@given(
    manifests=st.permutations([AMD, ARM, BOTH]),
    images=st.permutations(["app", "web", "db"]),
    minute=st.integers(0, 59),
)
def test_the_digest_is_that_of_the_content(
    tmp_path: Path, manifests: list[Manifest], images: list[str], minute: int
) -> None:
    """Order of insertion, times and estimates do not change a plan's digest."""
    usual = write_plan(tmp_path / "a.migration", images=["app", "db", "web"])
    other = write_plan(tmp_path / "b.migration", manifests=manifests, images=images, minute=minute)

    assert other == usual


def test_the_digest_differs_with_what_is_decided(tmp_path: Path) -> None:
    """What the target has, which images there are, who has access: each changes the digest."""
    path = tmp_path / "a.migration"
    digests = {
        write_plan(path),
        write_plan(path, present=True),
        write_plan(path, images=["app"]),
        write_plan(path, rows=ROWS[:1]),
        write_plan(path, rows=[replace(ROWS[0], consent="yes"), ROWS[1]]),
    }

    assert len(digests) == 5


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE planned_manifest SET present = 1",
        "UPDATE access_row SET consent = 'yes'",
        "DELETE FROM planned_tag",
        "INSERT INTO meta VALUES ('note', 'x')",
        "UPDATE meta SET value = 'x' WHERE key = 'digest'",
        "INSERT INTO left_out (code, subject, by_rule, saw) VALUES ('', '', 0, '')",
        "UPDATE manifest SET raw = NULL",
    ],
)
def test_a_sealed_row_cannot_change(tmp_path: Path, statement: str) -> None:
    """The file itself refuses to change its plan, whoever asks."""
    path = tmp_path / "a.migration"
    write_plan(path)

    with (
        closing(sqlite3.connect(path)) as other,
        pytest.raises(sqlite3.IntegrityError, match="sealed"),
    ):
        other.execute(statement)


def test_a_plan_edited_by_force_is_found_out(tmp_path: Path) -> None:
    """Who drops the guard and edits a row is caught by the digest."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER planned_tag_frozen_update")
        other.execute("UPDATE planned_tag SET tag = '2.0' WHERE id = 1")
        other.commit()

    with open_migration(path) as migration, pytest.raises(MigrateError) as caught:
        migration.check_seal()
    assert refused(errors.PLAN_DAMAGED, caught.value)


def test_a_draft_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """An error while planning leaves neither a file nor a change of the one before."""
    path = tmp_path / "a.migration"
    before = write_plan(path)

    with pytest.raises(MigrateError), create_draft(path) as draft:
        draft.manifest(AMD.digest)
    with create_draft(tmp_path / "unsealed.migration") as draft:
        draft.add_source(SOURCE)

    assert os.listdir(tmp_path) == ["a.migration"]  # noqa: PTH208  # the names are the point
    with open_migration(path) as migration:
        assert migration.digest == before


def test_a_plan_is_not_written_over_a_ledger(tmp_path: Path) -> None:
    """Once a run was started, planning into the file is refused."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with open_migration(path) as migration:
        ledger = Ledger(migration)
        ledger.start_run()
        asyncio.run(ledger.close())

    with pytest.raises(MigrateError) as caught:
        write_plan(path)
    assert refused(errors.FILE_IN_USE, caught.value)


def test_a_plan_does_not_replace_a_locked_file(tmp_path: Path) -> None:
    """While a run has the file, a new plan is refused, and the old one stays."""
    path = tmp_path / "a.migration"
    before = write_plan(path)

    with lock(path), pytest.raises(MigrateError) as caught:
        write_plan(path, images=["other"])
    assert refused(errors.FILE_LOCKED, caught.value)
    with open_migration(path) as migration:
        assert migration.digest == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, errors.FILE_MISSING),
        (b"", errors.NOT_A_MIGRATION),
        (b"x" * 99, errors.NOT_A_MIGRATION),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, problem: Problem) -> None:
    """What is no migration file is refused, and a plan is not written over it."""
    path = tmp_path / "a.migration"
    if content is not None:
        path.write_bytes(content)
        with pytest.raises(MigrateError) as caught:
            write_plan(path)
        assert refused(problem, caught.value)
        assert path.read_bytes() == content

    with pytest.raises(MigrateError) as caught, open_migration(path):
        pass
    assert refused(problem, caught.value)


def test_another_version_is_refused(tmp_path: Path) -> None:
    """A file of a later layout is not guessed at."""
    path = tmp_path / "a.migration"
    write_plan(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 99")

    with pytest.raises(MigrateError) as caught, open_migration(path):
        pass
    assert refused(errors.SCHEMA_UNKNOWN, caught.value)
    assert "99" in caught.value.saw


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    """Who finds the file locked is told by which process; later it is free and nothing is left."""
    path = tmp_path / "a.migration"

    with lock(path), pytest.raises(MigrateError) as caught, lock(path):
        pass
    assert refused(errors.FILE_LOCKED, caught.value)
    assert f"process {os.getpid()} on " in caught.value.saw
    with lock(path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_finds_no_room_is_a_named_problem(tmp_path: Path) -> None:
    """A full disk is no traceback, and no lock is left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(MigrateError) as caught, lock(tmp_path / "a.migration"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused(errors.DISK_FULL, caught.value)
    assert not list(tmp_path.iterdir())


def test_a_blob_is_counted_once_per_target_registry(tmp_path: Path) -> None:
    """The first name of a registry costs a transfer, every further one a mount."""
    path = tmp_path / "a.migration"
    write_plan(path)
    once = sum({b.digest: b.size for b in (*AMD.blobs, *ARM.blobs)}.values())

    with open_migration(path) as migration:
        counts, blobs = migration.counts(), Amounts(migration).blobs()
    assert (counts.images, counts.manifests, counts.tags, blobs.blobs) == (2, 6, 4, 5)
    assert blobs.total == blobs.to_send == blobs.to_mount == once


BLOBS = tuple(
    Descriptor("x/y", Digest.of(bytes([size])), 10**size) for size in range(4)
)  # each size tells which they are, and how often one is counted


@dataclass(frozen=True)
class Named:
    """An image in a plan: where it is read, where it goes, its blobs, and whether it is there."""

    source: str
    target: str
    blobs: frozenset[int]
    present: bool


NAMED = made(
    Named,
    st.sampled_from(["us", "eu"]),
    st.sampled_from(["us", "eu"]),
    st.frozensets(st.sampled_from(range(len(BLOBS))), min_size=1),
    st.booleans(),
)


@pytest.mark.slow
@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    max_examples=60,
)
@given(images=st.lists(NAMED, max_size=6))
def test_what_images_share_is_counted_once(tmp_path: Path, images: list[Named]) -> None:
    """Each blob has its bytes once per target registry in all, and once where they have to come.

    They come where no name of the registry has them, and none is read from that registry itself.
    """
    path = tmp_path / "a.migration"
    path.unlink(missing_ok=True)
    with create_draft(path) as draft:
        for at, image in enumerate(images):
            source = draft.add_source(replace(SOURCE, registry=image.source, prefix=str(at)))
            repository = draft.add_repository(
                replace(REPOSITORY, registry=image.target, prefix=str(at))
            )
            manifest = _manifest_of(*(BLOBS[number] for number in sorted(image.blobs)))
            draft.add_manifest(manifest)
            id_ = draft.add_image(source, "app", repository, "app", "", "")
            one = PlannedManifest(manifest.digest, None, present=image.present, rank=0)
            draft.add_manifests(id_, [one])
            draft.add_blobs(id_)
        seal(draft)
    names: dict[tuple[str, int], list[Named]] = {}
    for image in images:
        for number in image.blobs:
            names.setdefault((image.target, number), []).append(image)
    lacking = {
        (target, number)
        for (target, number), of in names.items()
        if not any(one.present or one.source == target for one in of)
    }
    spared = [
        BLOBS[number].size * (sum(not one.present for one in of) - ((target, number) in lacking))
        for (target, number), of in names.items()
    ]

    with open_migration(path) as migration:
        amounts = Amounts(migration)
        found, streams = amounts.blobs(), amounts.streams()
        repositories = [*amounts.by_repository().values()]
        each = [
            amounts.of_image(one.id, image.target)
            for one, image in zip(migration.images(), images, strict=True)
        ]
    sent = sum(BLOBS[number].size for _, number in lacking)
    assert found.blobs == len(names)
    assert found.total == sum(BLOBS[number].size for _, number in names)
    assert found.to_send == sent
    assert found.to_mount == sum(spared)
    assert sum(one.size_bytes for one in streams) == sent
    assert sum(one.blobs for one in streams) == len(lacking)
    for parts in (repositories, each):
        assert sum(one.to_send for one in parts) == sent
        assert sum(one.to_mount for one in parts) == sum(spared)
        assert sum(one.there for one in parts) == sum(
            BLOBS[number].size for image in images if image.present for number in image.blobs
        )


def _manifest_of(*blobs: Descriptor) -> Manifest:
    entries = [{"mediaType": "x/y", "digest": str(one.digest), "size": one.size} for one in blobs]
    body = {"mediaType": OCI_MANIFEST, "config": entries[0], "layers": entries[1:]}
    return Manifest.read(json.dumps(body).encode(), OCI_MANIFEST)


def test_nothing_is_sent_within_one_registry(tmp_path: Path) -> None:
    """Where source and target are one registry every blob is mounted."""
    path = tmp_path / "a.migration"
    with create_draft(path) as draft:
        source = draft.add_source(replace(SOURCE, registry=TARGET))
        draft.add_manifest(AMD)
        image = draft.add_image(source, "app", draft.add_repository(REPOSITORY), "app", "", "")
        draft.add_manifests(image, [PlannedManifest(AMD.digest, None, present=False, rank=0)])
        draft.add_blobs(image)
        seal(draft)

    with open_migration(path) as migration:
        amounts = Amounts(migration)
        blobs = amounts.blobs()
    assert (blobs.to_send, blobs.to_mount) == (0, blobs.total)


@dataclass(frozen=True)
class Case:
    """Which foreign layers the source has, and how many blobs are planned then."""

    has: frozenset[Digest]
    blobs: int


@pytest.mark.parametrize(
    "case", [Case(frozenset(), 2), Case(frozenset({Digest.of(b"outside")}), 3)]
)
def test_a_foreign_layer_is_carried_only_if_the_source_has_it(tmp_path: Path, case: Case) -> None:
    """A layer with an outside address is planned when the source serves it, else left out."""
    path = tmp_path / "a.migration"
    manifest = image_manifest(b"config", b"layer", foreign=b"outside")
    with create_draft(path) as draft:
        source, repository = draft.add_source(SOURCE), draft.add_repository(REPOSITORY)
        draft.add_manifest(manifest, foreign_present=case.has)
        image = draft.add_image(source, "app", repository, "app", "fail", "fail")
        draft.add_manifests(image, [PlannedManifest(manifest.digest, None, present=False, rank=0)])
        draft.add_blobs(image)
        seal(draft)

    with open_migration(path) as migration:
        assert len(list(migration.blobs(1))) == case.blobs


@pytest.mark.parametrize("sizes", [(-1, 7), (7, -1)])
def test_a_size_that_one_manifest_knows_is_kept(tmp_path: Path, sizes: tuple[int, int]) -> None:
    """Schema 1 gives no sizes; another manifest's word for the same blob fills them in."""
    path = tmp_path / "a.migration"
    with create_draft(path) as draft:
        source, repository = draft.add_source(SOURCE), draft.add_repository(REPOSITORY)
        image = draft.add_image(source, "app", repository, "app", "fail", "fail")
        for manifest, size in zip((AMD, ARM), sizes, strict=True):
            draft.add_manifest(manifest, extra_blobs=(Descriptor("", Digest.of(b"late"), size),))
        planned = [PlannedManifest(m.digest, None, present=False, rank=0) for m in (AMD, ARM)]
        draft.add_manifests(image, planned)
        draft.add_blobs(image)
        seal(draft)

    with open_migration(path) as migration:
        found = {b.digest: b.size_bytes for b in migration.blobs(1)}
    assert found[Digest.of(b"late")] == 7


def test_a_plan_keeps_how_its_sides_log_in(tmp_path: Path) -> None:
    """Whoever applies it needs no flag again; what it does, and so its digest, is the same."""
    login = Login(key_file="key.json", impersonate=("a@x", "b@x"), quota_project="payer")
    digests = []
    for name, logins in (("with", {"source": login}), ("without", None)):
        with create_draft(tmp_path / name) as draft:
            digests.append(seal(draft, logins=logins))
    with open_migration(tmp_path / "with") as migration:
        assert migration.login("source") == login
        assert migration.login("target") == Login()
    assert digests[0] == digests[1]
