"""Images that never left Container Registry, copied by Google's service and accounted for."""

from __future__ import annotations

import json
import shlex
import signal
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.faults import Fault
from gcr_migrate.sandbox.scenarios import Scenario
from gcr_migrate.sandbox.store import Repository
from tests.rescuing import BROKEN, OLD, Left, codes, left_behind, scenario

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Cli

pytestmark = pytest.mark.slow

US, GCR = "us-docker.pkg.dev", "gcr.io/old-builds"
CLAIMS = ("manifests_copied", "tags_copied", "manifests_failed", "manifests_not_found")


@pytest.fixture
def left(tmp_path: Path, cli: Cli) -> Iterator[Left]:
    """A project with one image of which a layer is gone."""
    with left_behind(tmp_path, cli, scenario()) as one:
        yield one


@pytest.fixture
def whole(tmp_path: Path, cli: Cli) -> Iterator[Left]:
    """The same without that image."""
    with left_behind(tmp_path, cli, scenario(whole=True)) as one:
        yield one


def _claims(part: dict[str, Any]) -> list[int]:
    return [part["claimed"][name] for name in CLAIMS]


def test_everything_that_can_be_copied_is_and_the_rest_is_named(left: Left) -> None:
    """Repositories are made, every name and page is walked, and sums are the true ones.

    The next run asks for nothing but what failed, and counts nothing twice.
    """
    facts = left.run(code=1)
    assert left.at_target() == left.at_source()
    assert facts["outcome"] == "failed"
    assert codes(facts) == {"copy-damaged"}
    copied = sum(map(len, left.at_source().values()))
    assert _claims(facts) == [copied, 8, 1, 1]
    assert facts["checked"] == {"before": 0, "found": copied}
    gcr, eu = facts["targets"]
    assert gcr["repository"] == eu["repository"] == "created"
    assert (gcr["asked"], eu["claimed"]["manifests_copied"]) == (f"{US}/{OLD}/gcr.io", 1)
    image = next(one for one in facts["images"] if one["name"].endswith(BROKEN))
    assert _claims(image) == [0, 0, 1, 1]
    assert image["examples"][0].startswith(f"{BROKEN}@sha256:")
    assert (
        len(left.asked("/gcr.io/app/web/")) == len(left.asked("/gcr.io/app/web/", "NextPage")) + 1
    )

    left.box.log.reset()
    again = left.run(code=1)
    assert left.asked() == left.asked(BROKEN)
    assert again["claimed"] == facts["claimed"]
    assert again["checked"] == facts["checked"]
    assert again["runs"] == 2
    what_failed_is_evidence_before_a_move(left)


def what_failed_is_evidence_before_a_move(left: Left) -> None:
    """The redirect begins with copying as something failed; of another project it tells nothing."""
    plan = json.loads(left.call("redirect", "plan", OLD, "--rescue", f"{OLD}.rescue").stdout)
    assert plan["target"] == "REDIRECTION_FROM_GCR_IO_ENABLED_AND_COPYING"
    told = {one["name"]: "\n".join(one["evidence"]) for one in plan["gates"]}
    assert (
        f"{GCR} by the rescue: 9 manifests copied, 1 failed, 1 of these damaged" in told["copied"]
    )
    assert f"{GCR}: the copy last answered on 2" in told["copy"]
    other = left.call("redirect", "plan", "builds", "--rescue", f"{OLD}.rescue")
    assert (other.returncode, json.loads(other.stdout)["errors"][0]["code"]) == (2, "bad-usage")


def test_a_rescue_without_failures_is_proven_as_far_as_it_can_be(whole: Left) -> None:
    """Exit 0, and what nobody can prove is said; a list of names proves more.

    Names may stand anywhere in a text; those of others are passed over. The inventory that was
    kept is such a list, too.
    """
    notes = whole.cli.home / "notes.txt"
    web = "gcr.io/old-builds/app/web"
    notes.write_text(
        f'pulled "{web}:2.0" twice (see https://{web}:1.0).\n{GCR}/app/api\n'
        f"image: {US}/{OLD}/gcr.io/tools/deep/cli:v1, gcr.io/other/app:1 and nothing\n"
    )
    facts = whole.run("--expected", "notes.txt", code=0)
    assert facts["outcome"] == "rescued"
    told = {one["code"] for one in facts["findings"]}
    assert "source-unlisted" in told
    expected = facts["expected"]
    assert (expected["there"], expected["elsewhere"], expected["missing"]) == (4, 1, 0)
    again = whole.run("--expected", facts["inventory"], code=0)
    assert again["expected"]["same"] == 11  # of tags, and of digests without one
    assert again["expected"]["missing"] == again["expected"]["other_digest"] == 0


def test_a_rescued_domain_is_switched_and_verified(whole: Left) -> None:
    """By the commands that are printed: from names that answer 412 to names that are proven."""
    steps = [shlex.split(one, comments=True)[1:] for one in whole.run(code=0)["next_steps"]]
    plan = json.loads(whole.call(*steps[0]).stdout)
    move = [*steps[0], "--yes", "--i-have-read", plan["code"]]
    moved = whole.call(*("enable" if word == "plan" else word for word in move))
    assert moved.returncode == 0, moved.stdout + moved.stderr
    verified = whole.call(*steps[1])
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_what_was_expected_and_is_not_there_fails(whole: Left) -> None:
    """A name that is missing, a tag with another digest: each with its own code."""
    names, home = f"{GCR}/app/web:3.0\n{GCR}/app/api:1.0@sha256:{'0' * 64}\n", whole.cli.home
    (home / "names").write_text(f"{names}{GCR}/gone@sha256:{'1' * 64}\n")
    facts = whole.run("--expected", "names", code=1)
    assert codes(facts) == {"expected-missing", "expected-other-digest"}
    assert {one["name"]: one["verdict"] for one in facts["expected"]["names"]} == {
        f"{GCR}/app/web:3.0": "missing",
        f"{GCR}/app/api:1.0@sha256:{'0' * 64}": "other-digest",
        f"{GCR}/gone@sha256:{'1' * 64}": "missing",
    }
    (home / "others").write_text("gcr.io/other/app:1\n")
    whole.box.log.reset()
    assert whole.run("--expected", "others", code=2)["errors"][0]["code"] == "no-names"
    assert not whole.asked()


def test_what_lists_do_not_show_is_asked_for_by_name(whole: Left) -> None:
    """Expected names and those of answers are pulled, with their children and blobs.

    A list that fails hides nothing that can be pulled; what cannot is not seen, and never missing.
    """
    whole.run(code=0)
    (whole.cli.home / "names").write_text(
        f"{GCR}/app/api:1.0\n{GCR}/app/api:9\n{GCR}/app/web:2.0\n"
    )
    whole.box.faults.rules.append(
        Fault.model_validate({"host": US, "path": "gcr.io/app/(api|web)/tags/list", "status": 500})
    )
    api = whole.box.store.repositories[OLD, "us", "gcr.io"].images["app/api"]
    api.blobs.discard(api.manifests[api.tags["1.0"]].manifest.blobs[0].digest)
    facts = whole.run("--expected", "names", code=1)
    verdicts = {one["name"]: one["verdict"] for one in facts["expected"]["names"]}
    assert verdicts == {
        f"{GCR}/app/api:1.0": "there",
        f"{GCR}/app/api:9": "not-seen",
        f"{GCR}/app/web:2.0": "there",
    }
    assert {"blob-unknown", "listing-failed"} <= codes(facts)
    assert "copy-not-there" not in codes(facts)


@pytest.mark.parametrize(
    "rule",
    [
        {"status": 504, "when": "after", "times": 3},
        {"status": 200, "body": '{"manifestsCopied": 1', "skip": 1, "times": 2},
        {"status": 429, "headers": {"Retry-After": "0"}, "skip": 3, "times": 1},
        {"status": 400, "path": "app/web/.*NextPage", "times": 2},
        {"delay_s": 2, "skip": 4, "times": 1},
        {"ends_tokens": True, "skip": 6, "times": 1},
    ],
    ids=lambda rule: " ".join(map(str, rule.values())),
)
def test_a_request_that_fails_for_a_while_changes_nothing(
    whole: Left, rule: dict[str, Any]
) -> None:
    """The same is at the target in the end, in one run."""
    whole.fault(**rule)
    facts = whole.run(code=0, GCR_MIGRATE_COPY_TIMEOUT_S="1")
    assert whole.at_target() == whole.at_source()
    assert facts["claimed"]["manifests_failed"] == 0


def test_a_name_that_always_fails_leaves_the_others_alone(whole: Left) -> None:
    """Exit 1 or 4 with its reason, never 0; the next run goes on with it, and with nothing else."""
    whole.fault(status=404, path="/gcr.io/app/web/.*CopyFromGCR", body="{}")
    facts = whole.run(code=1)
    assert codes(facts) == {"name-unknown"}
    assert facts["targets"][0]["names_open"] == 1
    lacking = {"gcr.io/app/web"}
    assert whole.at_source().keys() - whole.at_target().keys() == lacking
    whole.box.faults.rules.clear()
    whole.fault(status=504, path="/gcr.io/app/web/.*CopyFromGCR")
    slow = whole.run(code=4)
    assert codes(slow) == {"copy-timeout"}
    assert slow["targets"][0]["timeouts"] > 4
    whole.box.faults.rules.clear()
    body = '{"manifestsCopied": "many", "tagsCopied": 1}'
    whole.fault(status=200, body=body, path="/gcr.io/app/web/.*CopyFromGCR")
    odd = whole.run(code=4)
    assert codes(odd) == {"bad-reply"}
    whole.box.faults.rules.clear()
    whole.box.log.reset()
    assert whole.run(code=0)["outcome"] == "rescued"
    assert whole.asked() == whole.asked("/gcr.io/app/web/")
    assert whole.at_target() == whole.at_source()


def test_work_that_takes_longer_than_a_request_may_is_parted(whole: Left) -> None:
    """One new manifest for each request: the newest come first, then more, then all."""
    whole.habits(work_per_request=1, page_size=50, numbers_as_text=True, zeros=True)
    facts = whole.run(code=0)
    assert whole.at_target() == whole.at_source()
    assert facts["targets"][0]["timeouts"] > 0
    assert whole.asked("app/web", "MaxVersions=1")
    assert facts["claimed"]["manifests_copied"] < facts["checked"]["found"]


def test_names_and_pages_that_are_told_again_are_walked_once(whole: Left) -> None:
    """Children on every page cost nothing; pages without end are left, and are no success."""
    whole.habits(repeats="children")
    whole.run("--state", "first", code=0)
    asked = whole.asked()
    assert len(asked) == len(set(asked))
    whole.habits(repeats="pages")
    facts = whole.run("--state", "second", code=4)
    assert codes(facts) >= {"bad-reply"}


def test_a_service_that_copies_no_more_is_no_success(whole: Left) -> None:
    """404 is out of reach; a plain list proves nothing, unless all that was expected is there."""
    (whole.cli.home / "names").write_text(f"{GCR}/app/web:2.0\n")
    whole.habits(answers="gone")
    assert codes(whole.run(code=4)) == {"copy-unavailable"}
    whole.habits(answers="lists")
    assert codes(whole.run(code=4)) == {"copy-unproven"}
    facts = whole.run("--expected", "names", code=1)
    assert codes(facts) == {"copy-unproven", "expected-missing"}
    whole.habits(answers="copies")
    whole.run("--state", "other", code=0)
    whole.habits(answers="lists")
    facts = whole.run(GCR, "--state", "third", "--expected", "names", code=0)
    assert facts["outcome"] == "rescued"


def test_a_host_of_which_nothing_came_is_doubted_where_its_bucket_has_blobs(whole: Left) -> None:
    """That another host was copied from proves nothing of it; an empty bucket has nothing."""
    whole.kept.images["eu.gcr.io"].clear()
    name = "eu.artifacts.old-builds.appspot.com"
    facts = whole.run(code=4)
    doubts = [one for one in facts["findings"] if one["severity"] == "error"]
    assert [(one["code"], one["subject"]) for one in doubts] == [
        ("copy-unproven", "eu.gcr.io/old-builds")
    ]
    assert name in doubts[0]["saw"]
    assert whole.run("--newest", "1", code=0)["outcome"] == "rescued"  # may leave out all of a host
    whole.box.store.buckets[name].objects.clear()
    assert whole.run(code=0)["outcome"] == "rescued"


def test_a_quota_that_is_used_up_ends_a_run_that_goes_on_later(whole: Left) -> None:
    """It is out of reach, not a failure; what cannot be listed then is not called missing."""
    project = whole.box.store.project(OLD)
    project.quotas = {"us": 16, "europe": 16}
    (whole.cli.home / "names").write_text(f"{GCR}/app/web:2.0\n")
    facts = whole.run("--expected", "names", code=4)
    assert "too-many-requests" in codes(facts)
    assert not codes(facts) & {"copy-not-there", "expected-missing"}
    project.quotas = {}
    assert whole.run(code=0)["outcome"] == "rescued"
    assert whole.at_target() == whole.at_source()


def test_the_grant_that_the_service_needs_is_printed_and_never_made(whole: Left) -> None:
    """The command names the account; once somebody ran it, the same command goes on."""
    project = whole.box.store.project(OLD)
    bindings, project.bindings = project.bindings, []
    facts = whole.run(code=4)
    assert codes(facts) == {"agent-denied"}
    account = "artifact-registry-same-project-copier@system.gserviceaccount.com"
    assert shlex.split(facts["next_steps"][0], comments=True) == [
        *("gcloud", "projects", "add-iam-policy-binding", OLD),
        *(f"--member=serviceAccount:{account}", "--role=roles/storage.objectViewer"),
    ]
    assert not project.bindings
    assert len(whole.asked()) == 2  # one small request for each host
    project.bindings = bindings
    assert whole.run(code=0)["outcome"] == "rescued"


def test_only_what_was_used_or_pushed_last_is_copied_where_that_is_wished(whole: Left) -> None:
    """Each request says so; the next run for all of it copies the rest, and sums hold for both."""
    first = whole.run("--pulled-within", "30", "--newest", "1", code=0)
    web = whole.at_source()["gcr.io/app/web"]
    assert len(whole.at_target()["gcr.io/app/web"]) == 3  # an index with what it lists
    assert whole.at_target().keys() == {"gcr.io/app/web"}
    assert whole.asked() == whole.asked("PullDays=30", "MaxVersions=1")
    assert first["claimed"]["manifests_copied"] == 3
    facts = whole.run(code=0)
    assert whole.at_target()["gcr.io/app/web"] == web
    assert facts["claimed"]["manifests_copied"] == facts["checked"]["found"]


def test_what_was_there_before_is_told_apart(whole: Left) -> None:
    """A repository that exists is used as it is; a tag that somebody has pushed since stays."""
    repository = Repository(OLD, "us", "gcr.io")
    whole.box.store.add(repository)
    image = whole.kept.images["gcr.io"]["app/web"]
    one, other = image.tags["1.0"], image.tags["2.0"]
    repository.put_manifest("app/web", image.manifests[one].manifest, "2.0")
    repository.images["app/web"].blobs.update(image.blobs)
    (whole.cli.home / "names").write_text(f"{GCR}/app/web:2.0@{other}\n")
    facts = whole.run(GCR, "--expected", "names", code=1)
    assert facts["targets"][0]["repository"] == "exists"
    web = next(one for one in facts["images"] if one["name"] == f"{GCR}/app/web")
    assert (web["checked"]["before"], web["claimed"]["manifests_copied"]) == (1, 5)
    assert repository.images["app/web"].tags["2.0"] == one
    assert codes(facts) == {"expected-other-digest"}


def test_what_vanished_after_it_was_copied_is_found_out(whole: Left) -> None:
    """A manifest, a tag, or a layer of an image: the service's word is no proof."""
    whole.run(code=0)
    repository = whole.box.store.repositories[OLD, "us", "gcr.io"]
    api = repository.images["app/api"]
    del api.manifests[api.tags.pop("1.0")]
    del repository.images["tools/deep/cli"].tags["v1"]
    web = repository.images["app/web"]
    lost = web.manifests[web.tags["1.0"]].manifest.blobs[0].digest
    web.blobs.discard(lost)
    facts = whole.run(code=1)
    wrong = {(one["code"], one["subject"].partition("@")[0]) for one in facts["findings"]}
    assert ("copy-not-there", f"{GCR}/app/api") in wrong
    assert ("copy-not-there", f"{GCR}/tools/deep/cli") in wrong
    assert ("copy-not-there", f"{GCR}/app/web") not in wrong
    assert ("blob-unknown", f"{GCR}/app/web") in wrong

    del whole.box.store.repositories[OLD, "us", "gcr.io"]  # whatever goes on would ask for nothing
    gone = whole.run(code=2)
    assert (gone["code"], "begin anew" in gone["saw"]) == ("not-a-rescue", True)
    assert whole.run("--state", "anew.rescue", code=0)["outcome"] == "rescued"
    assert whole.at_target() == whole.at_source()


def test_a_killed_run_goes_on_where_it_stood(whole: Left) -> None:
    """What was answered is not asked again; what was copied untold makes no failure."""
    whole.fault(path="app/web/.*NextPage", delay_s=30, when="after", times=1)
    running = whole.start()
    try:
        while not whole.asked("app/web", "NextPage"):
            assert running.poll() is None
            time.sleep(0.01)
        taken = whole.run(code=3)
        assert taken["errors"][0]["code"] == "file-locked"
    finally:
        running.kill()
        running.communicate()
    whole.box.faults.rules.clear()
    answered = _answered(whole)
    whole.box.log.reset()
    facts = whole.run(code=0)
    assert not set(whole.asked()) & answered
    assert whole.at_target() == whole.at_source()
    assert facts["runs"] == 2
    untold = facts["checked"]["found"] - facts["claimed"]["manifests_copied"]
    assert 0 <= untold <= 2  # a page of two was on its way


def _answered(left: Left) -> set[str]:
    """Return the first pages that a run has kept answers to, as they were asked."""
    with closing(sqlite3.connect(left.cli.home / f"{OLD}.rescue")) as connection:
        rows = connection.execute(
            "SELECT t.host, r.path FROM reply r JOIN target t ON t.id = r.target_id"
            " WHERE r.status = 200 AND r.page = '' AND r.versions IS NULL"
        ).fetchall()
    hosts = {"gcr.io": US, "eu.gcr.io": "europe-docker.pkg.dev"}
    return {
        f"{hosts[host]}/v2/{'/'.join(filter(None, (OLD, host, path)))}/tags/list?CopyFromGCR=same"
        for host, path in rows
    }


def test_kills_at_any_point_lead_to_the_same_end(whole: Left) -> None:
    """While repositories are made, or while it copies: nothing is lost, nothing counted twice."""
    whole.fault(path="/repositories", method="POST", delay_s=10, when="after", times=1)
    whole.fault(delay_s=0.2, when="after")
    for asked in (0, 4):
        running = whole.start()
        try:
            while len(whole.asked()) < asked or not (asked or whole.box.store.repositories):
                assert running.poll() is None
                time.sleep(0.01)
        finally:
            running.kill()
            running.communicate()
    whole.box.faults.rules.clear()
    facts = whole.run(code=0)
    assert whole.at_target() == whole.at_source()
    assert facts["runs"] == 3
    assert facts["claimed"]["manifests_copied"] <= facts["checked"]["found"]
    posts = [one for one in whole.box.log.entries if one.method == "POST"]
    made = [one for one in posts if one.path.endswith("/repositories")]
    # What was begun is waited for, or found; of one the kill may cut off the request or its answer.
    assert len(made) <= 3


def test_ctrl_c_ends_a_run_in_order(whole: Left) -> None:
    """What is in flight is waited for and kept; exit 130, and the same command goes on."""
    whole.fault(path="app/web/.*CopyFromGCR", delay_s=1.5, when="after", times=1)
    running = whole.start()
    try:
        while not whole.asked("app/web"):
            assert running.poll() is None
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "rescue.stopping" in [json.loads(line)["event"] for line in err.splitlines()]
    facts = json.loads(out)
    assert facts["outcome"] == "interrupted"
    assert facts["next_steps"][0].startswith(f"gcr-migrate rescue {OLD}")
    assert whole.run(code=0)["outcome"] == "rescued"
    assert whole.at_target() == whole.at_source()


def test_nothing_is_done_in_a_dry_run_or_where_the_state_is_unknown(whole: Left) -> None:
    """A dry run tells where images would go; a state that nobody knows is not taken for another."""
    facts = whole.run("--dry-run", code=0)
    assert [one["repository"] for one in facts["targets"]] == ["to-create", "to-create"]
    whole.box.store.project(OLD).redirect_state = "REDIRECTION_FROM_GCR_IO_HALFWAY"
    assert whole.run(code=3)["errors"][0]["code"] == "redirect-unknown"
    assert not whole.box.store.repositories
    assert not whole.asked()
    whole.box.store.project(OLD).redirect_state = "REDIRECTION_STATE_UNSPECIFIED"
    whole.box.store.buckets.clear()
    assert whole.run(code=3)["errors"][0]["code"] == "nothing-to-rescue"


def test_a_redirected_project_is_asked_by_its_own_names(whole: Left) -> None:
    """So it is for one that is stuck between the two; a folder alone is asked for as such."""
    whole.box.store.project(OLD).redirect_state = "REDIRECTION_FROM_GCR_IO_ENABLED_AND_COPYING"
    facts = whole.run(f"{GCR}/tools", code=0)
    assert facts["targets"][0]["asked"] == GCR
    assert whole.asked() == whole.asked("gcr.io/v2/old-builds/tools")
    assert whole.at_target().keys() == {"gcr.io/tools/deep/cli"}


def test_a_copy_into_another_repository_keeps_all_paths(whole: Left) -> None:
    """One host goes into one repository, and from there into others without a byte of a blob.

    The file of another rescue is not written over.
    """
    facts = whole.run(GCR, "--to", "staging", code=0)
    assert facts["targets"][0]["target"] == f"{US}/{OLD}/staging"
    source = {k.removeprefix("gcr.io/"): v for k, v in whole.at_source().items() if "eu." not in k}
    assert whole.at_target() == {f"staging/{path}": found for path, found in source.items()}
    assert any(f"source: {US}/{OLD}/staging" in one for one in facts["next_steps"])
    assert whole.asked() == whole.asked("CopyFromGCR=gcr.io%2Fold-builds")
    spec = f"source: {US}/{OLD}/staging\nroutes:\n"
    spec += '  - {match: "staging/app/**", repository: apps, strip: staging/app}\n'
    spec += '  - {match: "staging/**", repository: rest, strip: staging}\n'
    (whole.cli.home / "second.yaml").write_text(spec)
    assert whole.call("plan", "second.yaml", "-o", "m").returncode == 0
    assert json.loads(whole.call("apply", "m").stdout)["bytes"]["transferred"] == 0
    assert whole.at_target("apps")["apps/web"] >= source["app/web"]
    for words in ((GCR, "--to", "eu.gcr.io"), (OLD, "--to", "staging"), (GCR, "--to", "My_Repo")):
        assert whole.run(*words, code=2)["errors"]
    other = whole.run(GCR, "--state", "gcr.io-old-builds-to-staging.rescue", code=2)
    assert other["errors"][0]["code"] == "not-a-rescue"


def test_a_split_layout_is_reached_in_two_steps(whole: Left) -> None:
    """Copied first, then mounted into its repositories: no byte of a blob moves, and all is there.

    The commands are those that the first step prints.
    """
    spec = f"source: {{project: {OLD}, hosts: [gcr.io]}}  # left behind\nroutes:\n"
    spec += '  - {match: "app/**", repository: app, strip: app}\n'
    spec += '  - {match: "app", repository: bases}\n'
    spec += '  - {match: "{tool}/**", repository: "{tool}", strip: "{tool}"}\n'
    (whole.cli.home / "split.yaml").write_text(spec)
    facts = whole.run("split.yaml", code=0)
    steps = [shlex.split(one, comments=True)[1:] for one in facts["next_steps"][:3]]
    assert [one[0] for one in steps] == ["plan", "apply", "verify"]
    written = (whole.cli.home / steps[0][1]).read_text()
    assert "dialect: artifact-registry" in written
    assert "# left behind" in written
    for words in steps:
        done = whole.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        if words[0] == "apply":
            assert json.loads(done.stdout)["bytes"]["transferred"] == 0
    assert sum(one.bytes_in for one in whole.box.log.entries if "/uploads/" in one.path) == 0
    web = whole.at_source()["gcr.io/app/web"]
    assert web <= whole.at_target("app")["app/web"]
    assert whole.at_target("tools").keys() == {"tools/deep/cli"}

    (whole.cli.home / steps[0][1]).write_text(written + "# mine\n")
    again = whole.run("split.yaml", code=0)
    assert "left as it is" in again["next_steps"][0]
    assert (whole.cli.home / steps[0][1]).read_text().endswith("# mine\n")


def test_other_files_are_neither_written_over_nor_taken_for_a_rescue(whole: Left) -> None:
    """A snapshot, a text, a folder; nothing is asked of the service meanwhile."""
    home = whole.cli.home
    (home / "text.rescue").write_text("mine")
    (home / "folder.rescue").mkdir()
    (home / "mine.rescued.snapshot").write_text("mine")
    found = {
        name: whole.run("--state", name, code=2)["errors"][0]["code"]
        for name in ("text.rescue", "folder.rescue", "mine.rescue")
    }
    assert found == {
        "text.rescue": "not-a-rescue",
        "folder.rescue": "file-missing",
        "mine.rescue": "bad-usage",
    }
    assert (home / "text.rescue").read_text() == "mine"
    assert (home / "mine.rescued.snapshot").read_text() == "mine"
    assert whole.run("--expected", "gone.txt", code=2)["errors"][0]["code"] == "file-missing"
    assert not whole.asked()
    assert not whole.box.store.repositories


def test_an_audit_log_is_a_list_of_what_is_expected(whole: Left) -> None:
    """Of whatever was pulled, by tag or digest, it is told whether it is there."""
    images = f"projects/{OLD}/locations/us/repositories/gcr.io/dockerImages"
    entries = [
        {
            "protoPayload": {
                "methodName": "Docker-GetManifest",
                "resourceName": f"{images}/{path}",
                "request": {"requestUrl": f"/v2/{OLD}/gcr.io/{path}/manifests/{reference}"},
            },
            "timestamp": "2025-01-01T00:00:00Z",
        }
        for path, reference in (("app%2Fweb", "2.0"), ("app%2Fapi", f"sha256:{'3' * 64}"))
    ]
    (whole.cli.home / "pulls.json").write_text(json.dumps(entries))
    facts = whole.run(GCR, "--expected", "pulls.json", code=1)
    assert (facts["expected"]["there"], facts["expected"]["missing"]) == (1, 1)


def test_a_project_that_a_domain_scopes_is_rescued_alike(tmp_path: Path, cli: Cli) -> None:
    """Its names have a slash where its id has a colon, its bucket another name."""
    plain = scenario(whole=True).model_dump_json()
    plain = plain.replace("artifacts.old-builds.", "artifacts.old-builds.example.com.a.")
    plain = plain.replace(f'"{OLD}"', f'"example.com:{OLD}"')
    with left_behind(tmp_path, cli, Scenario.model_validate_json(plain)) as left:
        facts = left.run(f"example.com:{OLD}", code=0)
        assert facts["claimed"]["manifests_copied"] == facts["checked"]["found"] == 10
        assert facts["file"] == f"example.com-{OLD}.rescue"
        assert left.asked(f"/v2/example.com/{OLD}/gcr.io/app/web/")
        left.run(f"gcr.io/example.com/{OLD}", "--to", "staging", code=0)
        assert left.asked(f"CopyFromGCR=gcr.io%2Fexample.com%3A{OLD}")
