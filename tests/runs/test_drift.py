"""What was changed behind the tool's back, and the codes that `verify` has for it: no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.images import Stored
from gcr_migrate.sandbox.scenarios import RepositoryPart
from tests.zoo import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Manifest
    from gcr_migrate.sandbox.images import Image
    from gcr_migrate.sandbox.store import Repository
    from tests.zoo import Zoo

pytestmark = pytest.mark.slow

SOURCE, TARGET = "us.gcr.io/builds", "europe-docker.pkg.dev/builds/moved"
_DAY_MS = 86_400_000
_DELETES_OLD = {"action": "DELETE", "condition": {"olderThan": "86400s"}}
_KEEPS_TEN = {"action": "KEEP", "mostRecentVersions": {"keepCount": 10}}


@dataclass
class Scene:
    """A place that should hold what it held: where a snapshot was taken, or a plan's target.

    Attributes:
        zoo: the sandbox.
        repository: what is verified.
        made: what was pushed there, by a word for each.
        shown: name of the place.
    """

    zoo: Zoo
    repository: Repository
    made: dict[str, Manifest]
    shown: str

    def image(self, path: str) -> Image:
        """Return an image of the place."""
        found: Image = self.repository.images[path]
        return found

    def delete(self, path: str, what: str) -> None:
        """Delete a version as the service does: with the tags that point to it."""
        digest = self.made[what].digest
        image = self.image(path)
        image.tags = {tag: one for tag, one in image.tags.items() if one != digest}
        del image.manifests[digest]

    def policies(self, *, dry_run: bool = False, **policies: dict[str, Any]) -> None:
        """Set clean-up policies, each with its id."""
        named = {id_: {"id": id_} | one for id_, one in policies.items()}
        self.repository.settings["cleanupPolicies"] = named
        self.repository.settings["cleanupPolicyDryRun"] = dry_run


def _fill(zoo: Zoo) -> dict[str, Manifest]:
    made = {
        "app": zoo.image("app", "1", "latest", name="app"),
        "old": zoo.image("app", name="old"),
        "web": zoo.image("team/web", "1", name="web"),
    }
    made |= {one: zoo.image("multi", name=one) for one in ("amd64", "arm64")}
    made["index"] = zoo.index("multi", "1", of=[made["amd64"], made["arm64"]])
    return made


@dataclass(frozen=True)
class Case:
    """A change, and what is told of it.

    Attributes:
        name: what happened.
        change: makes it happen.
        found: code and subject below the place, in order.
        code: exit status.
        before: sets the place up before it is looked at first.
        plan: whether it is also a case for a plan's target.
    """

    name: str
    change: Callable[[Scene], None]
    found: tuple[tuple[str, str], ...]
    code: int = 1
    before: Callable[[Scene], None] = field(default=lambda _: None)
    plan: bool = True

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def _nothing(_scene: Scene) -> None:
    """Leave all as it is."""


def _moves_a_tag(scene: Scene) -> None:
    scene.image("app").tags["1"] = scene.made["old"].digest


def _drops_a_tag(scene: Scene) -> None:
    del scene.image("app").tags["latest"]


def _drops_a_blob(scene: Scene) -> None:
    image = scene.image("team/web")
    image.blobs.discard(scene.made["web"].blobs[1].digest)


def _serves_other_bytes(scene: Scene) -> None:
    image, digest = scene.image("app"), scene.made["old"].digest
    image.manifests[digest] = Stored(scene.made["app"], 0, 0)


def _cuts_a_blob(scene: Scene) -> None:
    digest = scene.made["web"].blobs[1].digest
    scene.zoo.box.store.blob_file(digest).write_bytes(b"x")


def _pushes_more(scene: Scene) -> None:
    scene.image("app").tags["2"] = scene.made["old"].digest
    scene.repository.put_manifest("fresh", scene.made["app"], "1")


def _drops_an_image(scene: Scene) -> None:
    del scene.repository.images["app"]


def _drops_the_repository(scene: Scene) -> None:
    one = scene.repository
    del scene.zoo.box.store.repositories[one.project, one.location, one.id]


def _makes_it_remote(scene: Scene) -> None:
    scene.repository.settings["mode"] = "REMOTE_REPOSITORY"


def _fixes_tags(scene: Scene) -> None:
    scene.repository.settings["dockerConfig"] = {"immutableTags": True}


def _ages(scene: Scene) -> None:
    for image in scene.repository.images.values():
        for digest, stored in image.manifests.items():
            month_ago = stored.uploaded_ms - 30 * _DAY_MS
            image.manifests[digest] = Stored(stored.manifest, month_ago, month_ago)


def _deletes_old(scene: Scene) -> None:
    _ages(scene)
    scene.policies(old=_DELETES_OLD)


def _would_delete_old(scene: Scene) -> None:
    _ages(scene)
    scene.policies(dry_run=True, old=_DELETES_OLD)


def _keeps_the_newest(scene: Scene) -> None:
    _ages(scene)
    scene.policies(old=_DELETES_OLD, newest=_KEEPS_TEN)


CASES = (
    Case("nothing", _nothing, (), code=0),
    Case("a tag is set elsewhere", _moves_a_tag, (("tag-moved", "app:1"),)),
    Case("a tag is deleted", _drops_a_tag, (("tag-gone", "app:latest"),)),
    Case("an untagged version is deleted", lambda s: s.delete("app", "old"),
         (("digest-gone", "app@old"),)),
    Case("a tagged version is deleted", lambda s: s.delete("team/web", "web"),
         (("digest-gone", "team/web"),)),
    Case("a child is deleted", lambda s: s.delete("multi", "arm64"),
         (("digest-gone", "multi@arm64"),)),
    Case("a version is deleted with its tags", lambda s: s.delete("app", "app"),
         (("tag-gone", "app:1"), ("tag-gone", "app:latest"), ("digest-gone", "app@app"))),
    Case("a blob is lost", _drops_a_blob, (("blob-gone", "team/web@layer"),)),
    Case("other bytes are served", _serves_other_bytes, (("bytes-differ", "app@old"),)),
    Case("a blob is cut", _cuts_a_blob, (("bytes-differ", "team/web@layer"),)),
    Case("more is pushed", _pushes_more, (("image-new", "app:2"), ("image-new", "fresh")),
         code=0, plan=False),
    Case("an image is deleted", _drops_an_image, (("digest-gone", "app"),)),
    Case("the repository is deleted", _drops_the_repository, (("repository-changed", ""),)),
    Case("the repository is another one", _makes_it_remote, (("repository-changed", ""),)),
    Case("tags are fixed", _fixes_tags, (("repository-changed", ""),), plan=False),
    Case("a clean-up policy comes", lambda s: s.policies(old=_DELETES_OLD),
         (("repository-changed", ""),), plan=False),
    Case("a clean-up policy deletes a version", lambda s: s.delete("app", "old"),
         (("cleanup-deleted", "app@old"),), before=_deletes_old, plan=False),
    Case("a clean-up policy deletes a tagged version", lambda s: s.delete("app", "app"),
         (("cleanup-deleted", "app:1"), ("cleanup-deleted", "app:latest"),
          ("cleanup-deleted", "app@app")), before=_deletes_old, plan=False),
    Case("a clean-up policy empties an image", _drops_an_image,
         (("cleanup-deleted", "app"),), before=_deletes_old, plan=False),
    Case("a dry run deletes nothing", lambda s: s.delete("app", "old"),
         (("digest-gone", "app@old"),), before=_would_delete_old, plan=False),
    Case("a policy keeps what was deleted", lambda s: s.delete("app", "old"),
         (("digest-gone", "app@old"),), before=_keeps_the_newest, plan=False),
    Case("a tag is deleted where a policy deletes versions", _drops_a_tag,
         (("tag-gone", "app:latest"),), before=_deletes_old, plan=False),
)  # fmt: skip


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """A sandbox with a few images."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "2")
    monkeypatch.setenv("GCR_MIGRATE_RETRY_PAUSE_S", "0.01")
    with opened(tmp_path) as one:
        yield one


def _told(scene: Scene, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and subject of each finding, digests by the words of what they are."""
    words = {str(one.digest): word for word, one in scene.made.items()}
    words[str(scene.made["web"].blobs[1].digest)] = "layer"

    def short(subject: str) -> str:
        below = subject.removeprefix(scene.shown).removeprefix("/")
        path, at, digest = below.partition("@")
        return path + at + words.get(digest, digest)

    return [(one["code"], short(one["subject"])) for one in facts["findings"]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_change_since_a_snapshot_has_its_code(case: Case, zoo: Zoo) -> None:
    """And nothing else is told; counts add up, by host as well."""
    scene = Scene(zoo, zoo.repository, _fill(zoo), SOURCE)
    case.before(scene)
    file = str(zoo.home / "was.snapshot")
    assert zoo.run("inventory", SOURCE, "-o", file, "--no-cache")[0] == 0
    case.change(scene)
    code, facts = zoo.run("verify", file)
    assert (code, sorted(_told(scene, facts))) == (case.code, sorted(case.found))
    assert facts["outcome"] == ("differs" if case.code else "proven")
    assert facts["hosts"][SOURCE]["levels"] == facts["levels"]
    assert all(one["checked"] == one["ok"] + one["wrong"] for one in facts["levels"].values())


@pytest.mark.parametrize("case", [one for one in CASES if one.plan], ids=str)
def test_each_change_at_a_target_has_its_code(case: Case, zoo: Zoo) -> None:
    """A plan holds its targets to the same, whatever the ledger says."""
    made = _fill(zoo)
    assert zoo.plan()[0] == 0
    assert zoo.run("apply", str(zoo.home / "m"))[0] == 0
    repository = zoo.box.store.repositories["builds", "europe", "moved"]
    scene = Scene(zoo, repository, made, TARGET)
    case.change(scene)
    code, facts = zoo.run("verify", str(zoo.home / "m"), "--level", "tags", "--level", "manifests",
                          "--level", "blobs")  # fmt: skip
    assert (code, sorted(_told(scene, facts))) == (case.code, sorted(case.found))


def _digest_of(facts: dict[str, Any], code: str) -> list[str]:
    return [one["subject"] for one in facts["findings"] if one["code"] == code]


def test_a_place_is_whole_by_itself_or_not(zoo: Zoo) -> None:
    """Without anything to hold it against: each tag leads somewhere, nothing is missing."""
    made = _fill(zoo)
    scene = Scene(zoo, zoo.repository, made, SOURCE)
    for target in ("builds", SOURCE, f"{SOURCE}/team"):
        code, facts = zoo.run("verify", target)
        assert (code, facts["outcome"], facts["findings"]) == (0, "proven", [])
        assert list(facts["hosts"]) == [SOURCE]
    scene.delete("multi", "arm64")
    _drops_a_blob(scene)
    _serves_other_bytes(scene)
    code, facts = zoo.run("verify", "builds")
    assert code == 1
    assert sorted(_told(scene, facts)) == [
        ("blob-gone", "team/web@layer"),
        ("bytes-differ", "app@old"),
        ("digest-gone", "multi@arm64"),
    ]


def test_a_project_is_held_against_a_baseline(zoo: Zoo) -> None:
    """Only the roots that are named; a baseline of another place is refused."""
    scene = Scene(zoo, zoo.repository, _fill(zoo), SOURCE)
    file = str(zoo.home / "was.snapshot")
    assert zoo.run("inventory", "builds", "-o", file, "--no-cache")[0] == 0
    assert zoo.run("verify", "builds", "--baseline", file)[0] == 0
    _moves_a_tag(scene)
    code, facts = zoo.run("verify", SOURCE, "--baseline", file)
    assert (code, facts["kind"], _told(scene, facts)) == (1, "live", [("tag-moved", "app:1")])
    code, error = zoo.run("verify", "eu.gcr.io/builds", "--baseline", file)
    assert (code, error["code"]) == (2, "bad-usage")
    code, error = zoo.run("verify", file, "--baseline", file)
    assert (code, error["code"]) == (2, "bad-usage")


def test_a_spec_is_proven_without_a_file(zoo: Zoo) -> None:
    """Its plan is made for that alone: what is to be moved is not there yet, then it is."""
    _fill(zoo)
    zoo.migrate()
    before = sorted(zoo.home.iterdir())
    code, facts = zoo.run("verify", str(zoo.home / "spec.yaml"))
    assert (code, facts["kind"], facts["file"], facts["outcome"]) == (0, "spec", "", "proven")
    zoo.image("late", "1", name="late")
    code, facts = zoo.run("verify", str(zoo.home / "spec.yaml"))
    assert (code, [one["code"] for one in facts["findings"]]) == (1, ["digest-gone"])
    assert sorted(zoo.home.iterdir()) == before


def test_a_host_that_is_lost_is_told_once_and_never_green(zoo: Zoo) -> None:
    """Unreachable, or never migrated: one finding with the number of checks that nobody made."""
    _fill(zoo)
    file = str(zoo.home / "was.snapshot")
    assert zoo.run("inventory", SOURCE, "-o", file, "--no-cache")[0] == 0
    text = {"body": "Container Registry is deprecated.", "headers": {"content-type": "text/plain"}}
    zoo.fault(host="us-docker.pkg.dev", path="^/v2/builds/", status=412, **text)
    code, facts = zoo.run("verify", file)
    assert (code, facts["outcome"]) == (4, "unproven")
    assert _digest_of(facts, "not-migrated") == [SOURCE]
    assert len(facts["findings"]) == 1
    assert facts["levels"]["manifests"]["unchecked"] == 6


def test_several_targets_make_one_document(zoo: Zoo) -> None:
    """One that fails hides no other, and the worst of them counts."""
    scene = Scene(zoo, zoo.repository, _fill(zoo), SOURCE)
    file = str(zoo.home / "was.snapshot")
    assert zoo.run("inventory", SOURCE, "-o", file, "--no-cache")[0] == 0
    (zoo.home / "all.txt").write_text(f"# every night\n{SOURCE}\n\n{file}  # as it was\n")
    code, facts = zoo.run("verify", "--projects", str(zoo.home / "all.txt"))
    assert (code, facts["outcome"], facts["errors"]) == (0, "proven", [])
    assert [one["target"] for one in facts["targets"]] == [SOURCE, file]
    _drops_a_tag(scene)
    code, facts = zoo.run("verify", "nobody-there", SOURCE, file)
    assert (code, facts["outcome"]) == (1, "differs")
    assert [one["outcome"] for one in facts["targets"]] == ["proven", "differs"]
    assert [(one["target"], one["code"]) for one in facts["errors"]] == [
        ("nobody-there", "repository-missing")
    ]
    assert zoo.run("verify")[0] == 2


def test_a_baseline_of_a_project_that_a_domain_scopes_is_found(tmp_path: Path) -> None:
    """Its id has a colon, its images' names have a slash there."""
    part = RepositoryPart(project="example.com:shop", location="us", id="us.gcr.io")
    with opened(tmp_path, part) as zoo:
        image = zoo.image("app", "1", name="app")
        there = zoo.box.store.repositories["example.com:shop", "us", "us.gcr.io"]
        there.images["app"] = zoo.repository.images["app"]
        file = str(zoo.home / "was.snapshot")
        assert zoo.run("inventory", "example.com:shop", "-o", file, "--no-cache")[0] == 0
        code, facts = zoo.run("verify", "example.com:shop", "--baseline", file)
        assert (code, list(facts["hosts"])) == (0, ["us.gcr.io/example.com/shop"])
        del there.images["app"].manifests[image.digest]
        assert zoo.run("verify", "example.com:shop", "--baseline", file)[0] == 1


def test_settings_that_a_plan_makes_are_held_to(zoo: Zoo) -> None:
    """Once they are written; what a plan does not say may be otherwise."""
    _fill(zoo)
    spec = """\
source: {project: builds, hosts: [us.gcr.io], dialect: artifact-registry}
target: {location: europe}
routes: [{match: "**", repository: moved, settings: {immutable_tags: true}}]
"""
    assert zoo.migrate(spec) == (0, 0, 0)
    settings = zoo.box.store.repositories["builds", "europe", "moved"].settings
    settings["labels"] = {"team": "other"}
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0
    settings["dockerConfig"] = {}
    code, facts = zoo.run("verify", str(zoo.home / "m"))
    assert (code, [(one["code"], one["saw"]) for one in facts["findings"]]) == (
        1,
        [("repository-changed", "immutable_tags is false, planned true")],
    )
