"""Stories of `verify` at level redirect: who answers gcr.io names, with what, and to whom."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.sandbox.store import Repository
from tests.answers import control, oci
from tests.conftest import refusing_port
from tests.connect_proxy import ConnectProxy
from tests.domains import EU, JOB, PROJECT, PUBLIC, WEB, Codes, Domains, opened
from tests.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


STATE: Final = "REDIRECTION_FROM_GCR_IO_"
ALL: Final = (WEB, EU, JOB)


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A baseline of the world, which is the same in every sandbox."""
    folder = tmp_path_factory.mktemp("then")
    with opened(folder) as one:
        yield one.cli.home / one.snapshot()


@pytest.fixture
def domains(tmp_path: Path, then: Path) -> Iterator[Domains]:
    """The world as it was, with its baseline."""
    with opened(tmp_path) as one:
        shutil.copy(then, one.cli.home / "then.snapshot")
        yield one


def _nothing(_: Domains) -> None:
    pass


def _of_s9(one: Domains) -> None:
    """What became of the names that a folder of manifests has."""
    del one.box.store.repositories[PROJECT, "europe", "eu.gcr.io"]
    one.repository("us.gcr.io").bindings = []
    web = one.repository("gcr.io").images["web"]
    (untagged,) = set(web.manifests) - set(web.tags.values())
    del web.manifests[untagged]


def _moved(one: Domains) -> None:
    web = one.repository("gcr.io").images["web"]
    (web.tags["3.1"],) = set(web.manifests) - set(web.tags.values())


def _untagged(one: Domains) -> None:
    del one.repository("gcr.io").images["web"].tags["3.1"]


def _opened(one: Domains) -> None:
    one.repository("gcr.io").bindings = [PUBLIC]


def _other_format(one: Domains) -> None:
    one.repository("gcr.io").settings["format"] = "MAVEN"


# A copy of one host's images into another project's domain.
SPEC: Final = """\
source: {project: acme-prod, hosts: [us.gcr.io], dialect: artifact-registry}
target: {project: other-prod}
routes: [{match: "**", repository: us.gcr.io}]
"""


@dataclass(frozen=True)
class Case:
    """What happened behind the tool's back, and what a baseline makes of it.

    Attributes:
        name: what happened.
        do: makes it happen.
        codes: code and subject of each finding; a subject may end with `*`.
        exit: exit status.
    """

    name: str
    do: Callable[[Domains], None]
    codes: Codes
    exit: int = 1


def _everywhere(code: str) -> Codes:
    return {(code, shown) for shown in ALL}


CASES: Final = [
    Case("nothing", _nothing, set(), 0),
    Case(
        "a name that answers, but not for everybody",
        _of_s9,
        {
            ("digest-gone", f"{WEB}/web@sha256:*"),
            ("repository-changed", EU),
            ("access-lost", f"{JOB} anonymous"),
        },
    ),
    Case("a tag that moved", _moved, {("tag-moved", f"{WEB}/web:3.1")}),
    Case("a tag that went", _untagged, {("tag-gone", f"{WEB}/web:3.1")}),
    Case(
        "all images that went",
        lambda one: one.repository("gcr.io").images.clear(),
        {("digest-gone", f"{WEB}/web")},
    ),
    Case("everybody let in", _opened, {("access-gained", f"{WEB} anonymous")}),
    Case("another format", _other_format, {("repository-changed", WEB)}),
    Case(
        "the redirect taken back",
        lambda one: one.switch(f"{STATE}DISABLED"),
        _everywhere("redirect-changed"),
    ),
    Case(
        "a canary",
        lambda one: one.switch(f"{STATE}PARTIAL_AND_COPYING", 50),
        _everywhere("redirect-changed"),
    ),
    Case(
        "a word of tomorrow",
        lambda one: one.switch("REDIRECTION_OF_TOMORROW"),
        _everywhere("redirect-changed"),
    ),
    Case(
        "a move forward",
        lambda one: one.switch(f"{STATE}FINALIZED"),
        _everywhere("redirect-changed"),
        0,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.name)
def test_each_drift_has_its_code_and_no_other(case: Case, domains: Domains) -> None:
    """Once for all that it concerns, whatever levels and names it is met by."""
    case.do(domains)
    proof = domains.verify("then.snapshot")

    found = {(code, _cut(subject)) for code, subject in proof.codes}
    assert (found, proof.exit) == (case.codes, case.exit), proof.facts["findings"]


def test_who_may_pull_counts_as_access_where_that_is_asked_for(domains: Domains) -> None:
    """The references of a folder, held against a baseline at the levels that they are used at."""
    _of_s9(domains)
    levels = [word for one in ("manifests", "redirect", "access") for word in ("--level", one)]
    proof = domains.verify("then.snapshot", *levels)

    (case,) = [one for one in CASES if one.do is _of_s9]
    assert {(code, _cut(subject)) for code, subject in proof.codes} == case.codes
    found = proof.facts["levels"]["access"]
    assert (found["ok"], found["wrong"], found["unchecked"]) == (1, 2, 0)
    assert proof.domain(JOB)["evidence"][0] == "X-Gcr-Using-Artifact-Registry: true"
    again = domains.verify("then.snapshot", *levels)
    assert again.facts == proof.facts


def _cut(subject: str) -> str:
    name, at, _ = subject.partition("@sha256:")
    return f"{name}{at}*" if at else subject


def test_an_older_snapshot_is_held_against_what_should_be(domains: Domains) -> None:
    """It knows that the names were there, and not who answered or for whom."""
    file = domains.cli.home / "then.snapshot"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript("""
            DROP TABLE source_fact; DROP TABLE manifest_blob; DROP TABLE blob;
            PRAGMA user_version = 1;
        """)
    levels = [word for one in ("tags", "redirect") for word in ("--level", one)]
    _of_s9(domains)
    proof = domains.verify("then.snapshot", *levels)

    found = {(code, _cut(subject)) for code, subject in proof.codes}
    gone = {("digest-gone", f"{WEB}/web@sha256:*"), ("repository-changed", EU)}
    assert (found, proof.exit) == (gone, 1)


def test_who_answers_is_told_by_its_marks(domains: Domains) -> None:
    """Of each host: who, by which header and address, and the project's setting; as text too."""
    proof = domains.verify(PROJECT, "--level", "redirect")

    assert (proof.exit, set(proof.facts["hosts"])) == (0, set(ALL))
    assert proof.domain(WEB) == {
        "answered_by": "artifact-registry",
        "evidence": [
            "X-Gcr-Using-Artifact-Registry: true",
            "blobs come from /artifacts-downloads/",
        ],
        "redirection": f"{STATE}ENABLED",
    }
    text = domains.run("verify", WEB, "--level", "redirect").stdout
    assert f"{WEB}  artifact-registry answers  X-Gcr-Using-Artifact-Registry: true" in text


def test_without_a_baseline_what_is_expected_is_that_it_works(domains: Domains) -> None:
    """An unknown word proves nothing; a project that was never migrated says so, once a host."""
    domains.switch("REDIRECTION_OF_TOMORROW")
    unknown = domains.verify(WEB)
    assert (unknown.codes, unknown.exit) == ({("not-checked", WEB)}, 4)
    assert "not taken for disabled" in unknown.saw("not-checked")

    domains.switch(f"{STATE}PARTIAL_AND_COPYING", 0)
    part = domains.verify(WEB)
    assert (part.codes, part.exit) == ({("redirect-changed", WEB)}, 1)
    assert "(0 % of reads)" in part.saw("redirect-changed")

    domains.switch(f"{STATE}DISABLED")
    never = domains.verify(WEB)
    assert (never.codes, never.exit) == ({("not-migrated", WEB)}, 1)
    assert "Container Registry is deprecated" in never.saw("not-migrated")
    assert never.domain(WEB)["answered_by"] == "container-registry"

    missing = domains.verify("asia.gcr.io/acme-prod")
    assert missing.codes == {("not-migrated", "asia.gcr.io/acme-prod")}
    domains.switch(f"{STATE}ENABLED")
    missing = domains.verify("asia.gcr.io/acme-prod")
    assert (missing.codes, missing.exit) == (
        {("repository-missing", "asia.gcr.io/acme-prod")},
        1,
    )


def test_one_host_that_is_out_hides_no_other(domains: Domains) -> None:
    """A closed port and a name without an address: each is told, and what else is wrong too."""
    _moved(domains)
    domains.lead("us.gcr.io", "https://registry.invalid")
    with refusing_port() as port:
        domains.lead("eu.gcr.io", f"http://127.0.0.1:{port}")
        proof = domains.verify("then.snapshot")

    out = {("unreachable", EU), ("unreachable", JOB)}
    assert (proof.codes, proof.exit) == (out | {("tag-moved", f"{WEB}/web:3.1")}, 1)
    saws = {one["subject"]: one["saw"] for one in proof.facts["findings"]}
    assert saws[EU].startswith("network: ")
    assert saws[JOB].startswith("DNS: ")
    assert proof.facts["hosts"][JOB]["levels"]["redirect"]["unchecked"] > 0
    assert proof.facts["hosts"][JOB]["levels"]["tags"]["ok"] == 1
    assert {name: one["outcome"] for name, one in proof.facts["hosts"].items()} == {
        WEB: "differs",
        EU: "unproven",
        JOB: "unproven",
    }


def test_who_is_out_of_reach_every_night_lets_no_other_be_believed(domains: Domains) -> None:
    """A run that came to its end leaves nothing to the next one, though it proved not all."""
    with refusing_port() as port:
        domains.lead("us.gcr.io", f"http://127.0.0.1:{port}")
        out = {("unreachable", JOB)}
        first = domains.verify("then.snapshot")
        _moved(domains)
        second = domains.verify("then.snapshot")

    assert (first.codes, first.exit) == (out, 4)
    assert (second.codes, second.exit) == (out | {("tag-moved", f"{WEB}/web:3.1")}, 1)
    assert second.facts["earlier"] is None


def test_what_is_in_the_way_is_told_first(tmp_path: Path, then: Path) -> None:
    """By real names, through a proxy: it knows no way to one, and two have bad certificates."""
    bad = {"eu.gcr.io": "expired", "us.gcr.io": "other-name"}
    with opened(tmp_path, tls=True, certificates=bad) as one:
        names = {"artifact_registry": "artifactregistry.googleapis.com"}
        ports = {
            f"{names.get(label, label)}:443": int(address.rpartition(":")[2])
            for label, address in one.box.addresses.items()
            if label != "gcr.io"
        }
        with ConnectProxy(ports).running() as proxy:
            done = one.cli(
                "verify",
                then,
                "--json",
                HTTPS_PROXY=proxy.url,
                SSL_CERT_FILE=str(one.box.certificate),
                GCR_MIGRATE_ACCESS_TOKEN=one.box.token,
                GCR_MIGRATE_RETRY_TRIES="1",
            )
    facts = json.loads(done.stdout)

    assert done.returncode == 4, done.stderr
    assert {(one["code"], one["subject"]) for one in facts["findings"]} == _everywhere(
        "unreachable"
    )
    saws = {one["subject"]: one["saw"] for one in facts["findings"]}
    assert saws[EU].startswith("certificate: through the proxy 127.0.0.1:")
    assert "has expired" in saws[EU]
    assert "for another host" in saws[JOB]
    assert saws[WEB].startswith("network: through the proxy 127.0.0.1:")
    assert {one["levels"]["tags"]["ok"] for one in facts["hosts"].values()} == {1}


def test_identities_pull_or_are_refused_as_expected(domains: Domains) -> None:
    """By name; one whose token is no good proves nothing, and hides no other."""
    (domains.cli.home / "old").write_text("ya29.sandbox-old")
    asked = ["ci=ci", "stranger=stranger:refused", "old=old:refused", "none=none"]
    options = [word for one in asked for word in ("--as-token-file", one)]
    proof = domains.verify(WEB, *options, "--anonymous", "refused")

    assert (proof.codes, proof.exit) == (
        {("not-checked", f"{WEB} old"), ("not-checked", f"{WEB} none")},
        4,
    )
    wrong = domains.verify(
        WEB,
        "--as-token-file",
        "ci=ci:refused",
        "--as-token-file",
        "stranger=stranger",
        "--anonymous",
        "works",
    )
    assert (wrong.codes, wrong.exit) == (
        {
            ("access-gained", f"{WEB} ci"),
            ("access-lost", f"{WEB} stranger"),
            ("access-lost", f"{WEB} anonymous"),
        },
        1,
    )


@pytest.mark.parametrize(
    "options",
    [
        ["--as-token-file", "ci"],
        ["--as-token-file", "ci=ci", "--as-token-file", "ci=other"],
        ["--as-token-file", "anonymous=ci"],
        ["--anonymous", "perhaps"],
        ["--anonymous", "works", "--level", "tags"],
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(domains: Domains, options: list[str]) -> None:
    """Before anybody is asked, as bad usage."""
    done = domains.run("verify", WEB, *options)

    assert done.returncode == 2
    assert "error[bad-usage]" in done.stderr
    assert not domains.box.log.entries


def _answered(status: int, path: str, body: str = "", **headers: str) -> dict[str, Any]:
    rule = {"host": "gcr.io", "path": path, "status": status, "body": body}
    return rule | {"headers": headers, "method": "GET"}


NO_MARK: Final = "the answers carry no mark of Artifact Registry: "
MARKED: Final = {"x-gcr-using-artifact-registry": "true"}


@pytest.mark.parametrize(
    ("rule", "code", "begins"),
    [
        (_answered(401, "^/v2/$"), "not-checked", "ping: bad-reply: 401 without a challenge"),
        (_answered(403, "^/v2/token", oci("DENIED")), "not-checked", "token: denied"),
        (_answered(403, "/manifests/", oci("DENIED")), "not-checked", "manifest: denied"),
        (_answered(403, "^/artifacts-downloads/"), "not-checked", "blob: denied"),
        (_answered(404, "^/artifacts-downloads/"), "blob-gone", "blob: blob-unknown"),
        (_answered(200, "^/artifacts-downloads/", "x"), "bytes-differ", "blob: digest-mismatch"),
        (_answered(404, "^/v2/$", "no such page"), "redirect-changed", NO_MARK + "ping: name-unk"),
        (_answered(200, "/manifests/", "<html>", **MARKED), "bytes-differ", "manifest: bad-man"),
    ],
)
def test_the_step_that_fails_is_named(
    domains: Domains, rule: dict[str, Any], code: str, begins: str
) -> None:
    """Of docker's own way: ping, token, manifest, and a blob by its redirect."""
    control(domains.box, "POST", rule)
    proof = domains.verify(WEB, "--level", "redirect")

    assert {one for one, _ in proof.codes} == {code}
    assert proof.saw(code).startswith(begins)


def test_the_name_has_other_bytes_than_what_is_behind_it(domains: Domains) -> None:
    """Both sides are told, though the baseline agrees with one of them."""
    other = f"sha256:{'0' * 64}"
    media_type = "application/vnd.docker.distribution.manifest.v2+json"
    rule = _answered(200, "/web/manifests/3.1", "", **{"content-type": media_type})
    rule["headers"]["docker-content-digest"] = other
    control(domains.box, "POST", rule | {"method": "HEAD"})
    proof = domains.verify("then.snapshot")

    assert proof.codes == {("tag-moved", f"{WEB}/web:3.1")}
    assert f"{WEB} has {other}, and us-docker.pkg.dev sha256:" in proof.saw("tag-moved")


@pytest.mark.parametrize(("blobs_from", "exit_"), [("registry", 0), ("storage", 1)])
def test_without_any_mark_it_is_another_service(
    tmp_path: Path, then: Path, blobs_from: str, exit_: int
) -> None:
    """Where a proxy lost the header, the address of blobs is mark enough; nothing at all is not."""
    with opened(tmp_path, blobs_from=blobs_from) as one:
        shutil.copy(then, one.cli.home / "then.snapshot")
        port = int(one.box.addresses["gcr.io"].rpartition(":")[2])
        with Relay(port, "^/v2/", "unmarked").running() as relay:
            one.lead("gcr.io", relay.url)
            proof = one.verify("then.snapshot", "--level", "redirect")

    assert (proof.exit, proof.codes) == (exit_, {("redirect-changed", WEB)} if exit_ else set())
    known = {0: "artifact-registry", 1: "other"}
    assert proof.domain(WEB)["answered_by"] == known[exit_]


def test_blobs_from_another_host_get_no_login(tmp_path: Path) -> None:
    """Which storage would refuse, as the sandbox's does."""
    with opened(tmp_path, blobs_from="storage") as one:
        proof = one.verify(WEB, "--as-token-file", "ci=ci")
        asked = [entry for entry in one.box.log.plain() if entry["host"] == "storage"]

    assert proof.exit == 0, proof.facts["findings"]
    assert proof.domain(WEB)["evidence"] == ["X-Gcr-Using-Artifact-Registry: true"]
    downloads = [entry for entry in asked if "/artifacts-downloads/" in entry["path"]]
    assert downloads
    assert not [entry for entry in downloads if entry["authorization"]]
    assert json.dumps(proof.facts).count("artifacts-downloads") == 0


def test_a_plan_s_targets_are_proven_by_their_gcr_names_too(tmp_path: Path) -> None:
    """Where it is asked for: a plan does not say that they answer yet."""
    projects = [{"id": one} for one in (PROJECT, "other-prod")]
    with opened(tmp_path, projects=projects) as one:
        (one.cli.home / "spec.yaml").write_text(SPEC)
        assert one.run("plan", "spec.yaml", "-o", "m.migration").returncode == 0
        assert one.run("apply", "m.migration").returncode == 0
        assert "redirect" not in one.verify("m.migration").facts["levels"]
        proof = one.verify("m.migration", "--level", "redirect", "--as-token-file", "ci=ci")
        assert (proof.exit, proof.codes) == (0, set())
        assert proof.domain("us.gcr.io/other-prod")["answered_by"] == "artifact-registry"

        one.box.store.project("other-prod").redirect_state = f"{STATE}DISABLED"
        proof = one.verify("m.migration", "--level", "redirect")
        assert (proof.exit, proof.codes) == (1, {("not-migrated", "us.gcr.io/other-prod")})


def test_what_has_no_gcr_names_is_not_proven_to_answer(domains: Domains) -> None:
    """Nor is what a spent budget leaves; it is told as that, once."""
    location, id_ = "us", "apps"
    store = domains.box.store
    store.add(Repository(PROJECT, location, id_, images=domains.repository("gcr.io").images))
    target = f"us-docker.pkg.dev/{PROJECT}/{id_}"
    assert "redirect" not in domains.verify(target).facts["levels"]
    proof = domains.verify(target, "--anonymous", "refused")
    assert (proof.exit, {code for code, _ in proof.codes}) == (4, {"not-checked"})
    assert "none of its names is at a gcr.io host" in proof.saw("not-checked")

    for budget in ("1", "20"):
        proof = domains.verify(WEB, "--budget", budget, "--resume-within", "0")
        assert (proof.exit, proof.codes) == (4, {("budget-spent", WEB)})


def test_a_baseline_of_less_proves_no_more_than_it_shows(domains: Domains) -> None:
    """Hosts that it does not have are named; of a place in it, that place alone is looked at."""
    taken = domains.run("inventory", JOB, "-o", "job.snapshot", "--no-cache")
    assert taken.returncode == 0, taken.stderr
    whole = domains.verify(PROJECT, "--baseline", "job.snapshot")
    one = domains.verify(f"{WEB}/web", "--baseline", "then.snapshot")
    mistyped = domains.run("verify", f"{WEB}/wep", "--baseline", "then.snapshot")

    assert whole.exit == 4
    assert whole.codes == {("not-checked", f"{host}/{PROJECT}") for host in _OTHERS}
    assert (one.exit, one.codes, list(one.facts["hosts"])) == (0, set(), [WEB])
    assert mistyped.returncode == 2
    assert "no image at" in mistyped.stderr


def test_a_host_without_images_is_proven_to_be_as_private_as_it_was(domains: Domains) -> None:
    """Whoever switches to Artifact Registry is given all four repositories, and uses some."""
    eu = domains.repository("eu.gcr.io")
    eu.images.clear()
    (domains.cli.home / "then.snapshot").unlink()
    baseline = domains.snapshot()
    same = domains.verify(baseline, "--as-token-file", "old=stranger:refused")
    eu.bindings = [PUBLIC]
    opened_up = domains.verify(baseline)

    assert same.codes == {("access-gained", f"{JOB} old")}  # that host is public
    assert opened_up.codes == {("access-gained", f"{EU} anonymous")}


def test_where_nothing_is_nothing_is_proven(domains: Domains) -> None:
    """No image that could be looked at, and nobody who says that there should be none."""
    domains.repository("us.gcr.io").images.clear()
    names = domains.cli.home / "names"
    names.write_text(f"\ufeff{JOB} # from an editor that marks its files\r\n")
    empty = domains.run("verify", "--projects", "names", "--json")
    by_name = domains.verify(JOB, "--level", "redirect")
    spec = domains.cli.home / "m.yaml"
    spec.write_text(SPEC.replace("other-prod", PROJECT).replace("repository: us.", "repository: "))
    planned = domains.run("plan", "m.yaml", "-o", "m.migration", "--no-cache")
    access = domains.verify("m.migration", "--level", "access")

    (facts,) = json.loads(empty.stdout)["targets"]
    assert empty.returncode == 4
    assert [(one["code"], one["subject"]) for one in facts["findings"]] == [("not-checked", JOB)]
    assert (by_name.exit, by_name.codes) == (0, set())  # who answers is known all the same
    assert planned.returncode == 0, planned.stderr
    assert (access.exit, {code for code, _ in access.codes}) == (4, {"not-checked"})


def test_a_tag_is_gone_when_it_is_not_found_and_not_when_a_list_lacks_it(
    domains: Domains,
) -> None:
    """Lists lag behind, and proxies make them up; nobody is woken by what still resolves."""
    _untagged(domains)
    rule = {"method": "GET", "path": ".*/tags/list.*", "status": 200, "times": 99}
    control(domains.box, "POST", rule | {"body": '{"tags": []}'})
    proof = domains.verify("then.snapshot", "--level", "tags")
    assert proof.codes == {("tag-gone", f"{WEB}/web:3.1")}


_OTHERS: Final = ("gcr.io", "eu.gcr.io", "asia.gcr.io")
