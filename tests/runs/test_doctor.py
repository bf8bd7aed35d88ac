"""What `doctor` says of projects in all states, asked of the sandbox by the real program."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest

from gcr_migrate.cli.tools import json_schema
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from tests.conftest import refusing_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Cli, Registry

STEPS: Final = ("discover", "plan", "apply", "verify", "redirect", "rescue")
MIGRATOR: Final = "user:migrator@example.com"
READER: Final = "ya29.sandbox-reader"
STRANGER: Final = "ya29.sandbox-stranger"


@dataclass(frozen=True)
class Found:
    """What a run said, as its JSON object."""

    facts: dict[str, Any]

    @property
    def checks(self) -> list[dict[str, Any]]:
        """All lines of the first list."""
        checks: list[dict[str, Any]] = self.facts["lists"][0]["checks"]
        return checks

    def check(self, area: str, subject: str = "") -> dict[str, Any]:
        """Return the one line of an area with this in its subject."""
        found = [c for c in self.checks if c["area"] == area and subject in c["subject"]]
        assert len(found) == 1, self.checks
        return found[0]

    def missing(self) -> set[tuple[str, str]]:
        """Area and subject of everything that is missing."""
        return {(c["area"], c["subject"]) for c in self.checks if c["status"] == "missing"}

    def stopped(self) -> set[str]:
        """The steps that lack something."""
        steps = self.facts["lists"][0]["steps"]
        return {step for step, status in steps.items() if status == "missing"}


@dataclass(frozen=True)
class Stage:
    """A sandbox and the tool in front of it."""

    box: Sandbox
    cli: Cli

    def doctor(self, *args: str, code: int = 0, token: str = "") -> Found:
        """Run `doctor --json`, after a check of the exit code and of the published schema."""
        token = token or self.box.token
        done = self.cli(
            "doctor",
            *args,
            "--json",
            GCR_MIGRATE_ENDPOINTS=str(self.cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=token,
        )
        assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert token not in done.stdout + done.stderr
        facts = json.loads(done.stdout)
        jsonschema.validate(facts, json_schema("doctor"))
        return Found(facts)


@pytest.fixture
def open_stage(cli: Cli, tmp_path: Path) -> Iterator[Callable[[Scenario | str], Stage]]:
    """Open a sandbox; it closes with the test."""
    with ExitStack() as stack:

        def start(scenario: Scenario | str) -> Stage:
            box = stack.enter_context(running(scenario, tmp_path / "box"))
            box.write_endpoints(cli.home / "endpoints.yaml")
            return Stage(box, cli)

        yield start


def _builds(**project: Any) -> Scenario:
    """The example, with something said about its project."""
    known = load_scenario("builds").model_dump()
    return Scenario.model_validate(known | {"projects": [{"id": "builds", **project}]})


@pytest.mark.slow
def test_an_owner_lacks_nothing(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """With all rights on a redirected project every step but a needless rescue is ready."""
    found = open_stage("builds").doctor("builds")
    assert found.missing() == set()
    assert list(found.facts["lists"][0]["steps"]) == [s for s in STEPS if s != "rescue"]
    pull = found.check("pull")
    assert pull["subject"].startswith(
        "us-docker.pkg.dev/builds/us.gcr.io/product1/dev/product1-app@"
    )
    assert "bytes of a blob" in pull["saw"]
    assert found.check("host", "eu.gcr.io/")["saw"].startswith("not in use")
    assert found.check("credentials")["subject"] == "migrator@example.com"


def test_doctor_changes_nothing(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Nothing but reads is sent, and permissions are only tested."""
    stage = open_stage("builds")
    before = stage.box.store.state()
    stage.doctor("builds")
    assert stage.box.store.state() == before


def test_only_asked_steps_are_judged(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """With --step the list has these steps and nothing that only others need."""
    found = open_stage("builds").doctor("builds", "--step", "verify", "--step", "plan")
    assert list(found.facts["lists"][0]["steps"]) == ["plan", "verify"]
    assert not [c for c in found.checks if "repositories.create" in c["subject"]]


def test_a_reader_is_told_the_least_role(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Somebody who may only pull can pull, and is given one command for all that `apply` lacks."""
    found = open_stage("least").doctor("builds", "--step", "apply", code=4)
    assert found.check("pull")["status"] == "ok"
    create = found.check("permission", "repositories.create")
    assert create["commands"] == [
        (
            "gcloud projects add-iam-policy-binding builds --member=user:migrator@example.com"
            " --role=roles/artifactregistry.containerRegistryMigrationAdmin --condition=None"
        )
    ]
    missing = [c for c in found.checks if c["status"] == "missing"]
    assert {c["area"] for c in missing} == {"permission"}
    assert len({command for c in missing for command in c["commands"]}) == 1


def test_a_disabled_api_is_one_finding(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """The service is missing with its command, and nothing that it hides is called missing."""
    stage = open_stage(_builds(disabled_services=["artifactregistry.googleapis.com"]))
    found = stage.doctor("builds", code=4)
    assert found.missing() == {("service", "artifactregistry.googleapis.com in builds")}
    assert found.check("service", "artifactregistry")["commands"] == [
        "gcloud services enable artifactregistry.googleapis.com --project=builds"
    ]
    assert found.check("redirect")["status"] == "not-asked"
    assert found.stopped() == set(STEPS)


def test_billing_that_is_off(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """A project without billing is told so, with the command that links an account."""
    found = open_stage(_builds(billing=False)).doctor("builds", code=4)
    (line,) = [c for c in found.checks if c["code"] == "billing-off" and c["commands"]]
    assert line["status"] == "missing"
    assert line["commands"] == ["gcloud billing projects link builds --billing-account=ACCOUNT"]


def test_a_perimeter_is_recognised_with_its_id(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A refusal by a service perimeter is one line with a unique id to pass on."""
    found = open_stage("guarded").doctor("secret-builds", code=4)
    (line,) = [c for c in found.checks if c["status"] == "missing"]
    assert (line["area"], line["code"]) == ("refusal", "perimeter")
    assert "vpcServiceControlsUniqueIdentifier: " in line["saw"]
    assert "us.gcr.io" in line["subject"]
    assert "ingress or egress" in line["remedy"]


def test_a_project_that_was_never_migrated(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """It can be rescued and nothing else, and the hosts without a bucket are not in use."""
    found = open_stage("never-migrated").doctor("old-builds", code=4)
    assert found.stopped() == {"plan", "apply", "verify", "redirect"}
    assert found.check("host", "eu.gcr.io/")["code"] == "not-migrated"
    assert found.check("host", "asia.gcr.io/")["status"] == "ok"
    assert found.check("redirect")["commands"] == ["gcr-migrate rescue old-builds"]
    assert "gs://artifacts.old-builds.appspot.com" in found.check("bucket", " gcr.io/")["saw"]
    assert open_stage is not None


def test_a_rescue_alone_is_ready(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Asked for the rescue only, a never-migrated project lacks nothing."""
    found = open_stage("never-migrated").doctor("old-builds", "--step", "rescue")
    assert found.missing() == set()


def test_a_project_of_a_domain(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Its id has a colon, its images a slash, its buckets the domain, and all are asked for."""
    found = open_stage("domain-scoped").doctor("eu.gcr.io/example.com/my-project")
    assert found.check("pull")["subject"].startswith(
        "europe-docker.pkg.dev/example.com/my-project/eu.gcr.io/app/web@"
    )
    bucket = found.check("bucket")["saw"]
    assert "gs://eu.artifacts.my-project.example.com.a.appspot.com" in bucket
    assert found.check("project")["subject"] == "example.com:my-project"


def test_no_credentials_are_missing(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Without a login that is the one thing missing, and grants are not proposed to nobody."""
    stage = open_stage("builds")
    done = stage.cli(
        "doctor",
        "builds",
        "--json",
        GCR_MIGRATE_ENDPOINTS=str(stage.cli.home / "endpoints.yaml"),
        PATH="/nonexistent",
    )
    assert done.returncode == 4, done.stdout + done.stderr
    found = Found(json.loads(done.stdout))
    assert found.missing() == {("credentials", "anonymous")}
    assert "add-iam-policy-binding" not in done.stdout
    assert found.check("credentials")["code"] == "no-credentials"


def test_a_token_that_is_no_good(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """A token that services refuse is told by its place, and the rest could not be asked."""
    found = open_stage("builds").doctor("builds", token="ya29.ended-or-wrong", code=4)  # noqa: S106
    (line,) = [c for c in found.checks if c["status"] == "missing"]
    assert line["area"] == "credentials"
    assert line["code"] in {"unauthorized", "token-expired"}
    assert "GCR_MIGRATE_ACCESS_TOKEN" in line["saw"]


def test_a_token_that_has_ended(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """A token past its end is the one thing missing."""
    known = load_scenario("builds").model_dump()
    known["identities"][0]["token_lifetime"] = 0.001
    found = open_stage(Scenario.model_validate(known)).doctor("builds", code=4)
    (line,) = [c for c in found.checks if c["status"] == "missing"]
    assert line["area"] == "credentials"


@pytest.mark.slow
def test_a_quota_project_that_may_not_be_used(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A refusal because of the project that calls are counted to names the role for it."""
    known = load_scenario("builds").model_dump()
    known["identities"][0]["roles"] = ["roles/artifactregistry.admin"]
    stage = open_stage(Scenario.model_validate(known))
    found = stage.doctor("builds", "--quota-project", "other-project", code=4)
    lines = [c for c in found.checks if c["code"] == "quota-project" and c["commands"]]
    assert [line["status"] for line in lines] == ["missing"]
    assert "roles/serviceusage.serviceUsageConsumer" in lines[0]["commands"][0]


def test_a_repository_that_is_missing_for_its_bucket(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A redirected host whose repository is lost is told apart from one that nobody uses."""
    bucket = {"name": "asia.artifacts.builds.appspot.com", "location": "ASIA"}
    found = open_stage(_builds(buckets=[bucket])).doctor("builds", code=4)
    line = found.check("host", "asia.gcr.io/")
    assert line["steps"]["redirect"] == line["steps"]["rescue"] == "missing"
    assert line["steps"]["plan"] == "warning"
    assert line["commands"] == [
        (
            "gcloud artifacts repositories create asia.gcr.io --repository-format=docker"
            " --location=asia --project=builds"
        ),
        "gcr-migrate rescue builds",
    ]


def test_an_unknown_redirect_word_is_not_disabled(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A state that this version does not know is said as it is, and holds back redirect only."""
    word = "REDIRECTION_FROM_GCR_IO_BRAND_NEW"
    found = open_stage(_builds(redirect_state=word)).doctor("builds", code=4)
    line = found.check("redirect")
    assert line["saw"].startswith(f"{word}: ")
    assert line["steps"] == {
        "discover": "ok",
        "plan": "warning",
        "apply": "warning",
        "verify": "warning",
        "redirect": "missing",
        "rescue": "missing",
    }


def test_a_partial_redirect_tells_its_share(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A canary that was never finished is told with the share of reads that work."""
    found = open_stage(_builds(redirect_state="PARTIAL", pull_percent=30)).doctor("builds")
    assert "30 % of reads" in found.check("redirect")["saw"]


@pytest.mark.slow
def test_an_organisation_that_forbids_the_location(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """Policies of locations, keys and members are judged, each with what to do."""
    policies = [
        {"constraint": "constraints/gcp.resourceLocations", "allowed": ["in:eu-locations"]},
        {
            "constraint": "constraints/gcp.restrictNonCmekServices",
            "denied": ["artifactregistry.googleapis.com"],
        },
        {"constraint": "constraints/iam.allowedPolicyMemberDomains", "allowed": ["C0abcd"]},
    ]
    stage = open_stage(_builds(org_policies=policies))
    found = stage.doctor("builds", "--step", "apply", code=4)
    assert found.missing() == {("policy", "constraints/gcp.resourceLocations on builds")}
    assert found.check("policy", "restrictNonCmek")["status"] == "warning"
    assert "C0abcd" in found.check("policy", "allowedPolicyMember")["saw"]


_SPEC: Final = """\
source: {project: builds, hosts: [us.gcr.io], paths: [product1/stable/product1],
         credentials: {access_token_file: reader.token}}
target: {project: new-builds, location: europe-west1,
         credentials: {access_token_file: writer.token}}
routes:
  - match: "**"
    repository: product1
    access: {grant: [{role: artifactregistry.reader, members: ["group:a@example.com"]}]}
"""


def test_a_spec_with_a_target_elsewhere(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """Source and target are asked with their own logins, each for what it has to do."""
    known = load_scenario("builds").model_dump()
    reader = {"member": "user:reader@example.com", "token": READER, "roles": []}
    known["identities"] = [*known["identities"], reader]
    known["repositories"][0]["bindings"] = [
        {"role": "roles/artifactregistry.reader", "members": ["user:reader@example.com"]}
    ]
    known["projects"] = [{"id": "builds"}, {"id": "new-builds"}]
    stage = open_stage(Scenario.model_validate(known))
    (stage.cli.home / "spec.yaml").write_text(_SPEC)
    (stage.cli.home / "reader.token").write_text(READER)
    (stage.cli.home / "writer.token").write_text(stage.box.token)
    steps = ("--step", "plan", "--step", "apply", "--step", "verify")
    found = stage.doctor("spec.yaml", *steps)
    assert found.check("credentials", "source: ")["subject"] == "source: reader@example.com"
    assert found.check("credentials", "target: ")["subject"] == "target: migrator@example.com"
    assert found.check("pull")["subject"].startswith(
        "us-docker.pkg.dev/builds/us.gcr.io/product1/stable/product1@"
    )
    assert found.check("permission", "repositories.create in new-builds")["status"] == "ok"
    assert found.check("permission", "downloadArtifacts in builds")["saw"] == "held on us.gcr.io"
    assert found.check("permission", "setIamPolicy in new-builds")["status"] == "ok"
    assert "not there yet" in found.check("repository")["saw"]
    assert found.check("location")["subject"] == "europe-west1 for new-builds"


@pytest.mark.slow
def test_reading_who_has_access_needs_rights_of_its_own(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """Where a bucket's access is carried over, whoever may only pull is told what is lacking."""
    stage = open_stage("who-could-pull")
    spec = str(Path(__file__).parents[2] / "plans" / "split-access.yaml")
    owner = stage.doctor(spec, "--step", "plan")
    assert not owner.missing()
    bucket = "us.artifacts.acme-web.appspot.com"
    assert owner.check("permission", "storage.buckets.get in")["saw"] == f"held on {bucket}"
    assert owner.check("permission", "organizations.getIamPolicy")["status"] == "ok"
    reader = [{"role": "roles/artifactregistry.reader", "members": ["user:stranger@example.com"]}]
    browser = [{"role": "roles/browser", "members": ["user:stranger@example.com"]}]
    stage.box.store.project("acme-web").bindings += [*reader, *browser]
    found = stage.doctor(spec, "--step", "plan", code=4, token=STRANGER)
    assert found.missing() == {("permission", "storage.buckets.getIamPolicy in acme-web")}
    policy = found.check("permission", "storage.buckets.getIamPolicy")
    assert "--role=roles/iam.securityReviewer" in policy["commands"][0]
    folder = found.check("permission", "folders.getIamPolicy")
    assert folder["status"] == "warning"
    assert folder["commands"][0].startswith("gcloud resource-manager folders")
    assert found.check("permission", "iam.roles.get")["status"] == "warning"


def test_a_named_host_that_is_not_there(open_stage: Callable[[Scenario | str], Stage]) -> None:
    """A host that a person named and the project does not use stops a plan."""
    found = open_stage("builds").doctor("asia.gcr.io/builds", "--step", "plan", code=4)
    assert found.check("host")["code"] == "repository-missing"


@pytest.mark.slow
def test_a_named_repository_of_another_kind(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """A target repository that takes no images is missing for who wants to write to it."""
    known = load_scenario("builds").model_dump()
    other = {"project": "builds", "location": "us", "id": "maven", "format": "MAVEN"}
    known["repositories"] = [*known["repositories"], other]
    stage = open_stage(Scenario.model_validate(known))
    found = stage.doctor("us-docker.pkg.dev/builds/maven", "--step", "apply", code=4)
    assert found.check("repository")["saw"].startswith("it is MAVEN")


@pytest.mark.slow
def test_what_cannot_be_asked_stops_nothing(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """Services that fail leave their lines unasked, and every other line as it is."""
    stage = open_stage("builds")
    text = (stage.cli.home / "endpoints.yaml").read_text()
    lines = [one for one in text.splitlines() if not one.startswith(("org_policy", "storage"))]
    (stage.cli.home / "endpoints.yaml").write_text("\n".join(lines) + "\n")
    found = stage.doctor("builds")
    assert {c["status"] for c in found.checks if c["area"] == "policy"} == {"not-asked"}
    assert {c["status"] for c in found.checks if c["area"] == "bucket"} == {"not-asked"}
    assert found.check("pull")["status"] == "ok"


class _LateClock(BaseHTTPRequestHandler):
    """Refuses everything, and tells a time that is long ago."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        del timestamp
        return "Mon, 02 Nov 2020 10:00:00 GMT"

    def do_GET(self) -> None:  # the name that the library calls
        body = b'{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}'
        self.send_response(403)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # as above

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _late_clock() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _LateClock)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_wrong_clock_is_missing(cli: Cli) -> None:
    """A clock years away from that of the services stops every step."""
    with _late_clock() as url:
        services = ("artifact_registry", "storage", "resource_manager", "service_usage")
        mapped = [f"{name}: {url}" for name in (*services, "org_policy", "oauth2")]
        mapped += ["registries:", f"  '*.gcr.io': {url}", f"  gcr.io: {url}"]
        (cli.home / "endpoints.yaml").write_text("\n".join(mapped) + "\n")
        done = cli(
            "doctor",
            "builds",
            "--json",
            GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
            GCR_MIGRATE_ACCESS_TOKEN=READER,
        )
    assert done.returncode == 4, done.stdout + done.stderr
    clock = Found(json.loads(done.stdout)).check("clock")
    assert clock["status"] == "missing"
    assert clock["saw"].endswith(" s ahead")


@pytest.mark.parametrize("columns", ["60", "200"])
def test_text_fits_narrow_and_wide_terminals(
    open_stage: Callable[[Scenario | str], Stage], columns: str
) -> None:
    """Wide: a column per step; narrow: steps at the line's end; commands stand alone on theirs."""
    stage = open_stage("least")
    done = stage.cli(
        "doctor",
        "builds",
        COLUMNS=columns,
        GCR_MIGRATE_ENDPOINTS=str(stage.cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=stage.box.token,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    is_table = any(
        line.split()[:3] == ["discover", "plan", "apply"] for line in done.stdout.splitlines()
    )
    assert is_table is (columns == "200")
    commands = [line.strip() for line in done.stdout.splitlines() if "gcloud " in line]
    assert commands
    assert all(line.startswith("gcloud ") for line in commands)
    assert f"--member={MIGRATOR}" in done.stdout


def test_several_targets_have_one_outcome(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """Each target has a list of its own, and the worst of them decides."""
    stage = open_stage("builds")
    found = stage.doctor("builds", "asia.gcr.io/builds", "--step", "plan", code=4)
    assert [one["steps"] for one in found.facts["lists"]] == [
        {"plan": "not-asked"},
        {"plan": "missing"},
    ]
    assert found.facts["outcome"] == "missing"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("builds", "--step", "fly"), "bad-usage"),
        (("foo.gcr.io/builds",), "bad-name"),
        (("nothing.yaml",), "file-missing"),
    ],
)
def test_what_cannot_be_understood_is_bad_input(cli: Cli, args: tuple[str, ...], code: str) -> None:
    """A step, a name or a file that is none is refused before anybody is asked."""
    done = cli("doctor", *args, "--json")
    assert done.returncode == 2, done.stdout + done.stderr
    assert json.loads(done.stdout)["code"] == code


@pytest.mark.needs("docker-registry")
def test_plain_registries_are_asked_without_writing(cli: Cli, registry: Registry) -> None:
    """A spec of two plain registries: both answer, and only writing is left unasked."""
    spec = f"source: {{registry: {registry.host}}}\ntarget: {{registry: {registry.host}}}\n"
    (cli.home / "spec.yml").write_text(spec)
    done = cli("doctor", "spec.yml", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = Found(json.loads(done.stdout))
    assert found.check("pull")["saw"] == "no image is there to pull"
    assert found.check("repository")["steps"] == {
        "plan": "ok",
        "apply": "not-asked",
        "verify": "ok",
    }
    assert [c["area"] for c in found.checks] == ["pull", "repository"]


def test_registries_out_of_reach_are_missing(cli: Cli) -> None:
    """Where nobody listens, both sides are named with the refusal."""
    with refusing_port() as port:
        spec = f"source: {{registry: '127.0.0.1:{port}', paths: [app]}}\n"
        spec += f"target: {{registry: '127.0.0.1:{port}'}}\n"
        (cli.home / "spec.yaml").write_text(spec)
        done = cli("doctor", "spec.yaml", "--json")
    assert done.returncode == 4, done.stdout + done.stderr
    assert {c["code"] for c in Found(json.loads(done.stdout)).checks} == {"unreachable"}


@pytest.mark.parametrize(
    ("account", "saw"),
    [
        ("nobody@acme.iam.gserviceaccount.com", "404"),
        ("image-reader@legacy-images.iam.gserviceaccount.com", "403"),
    ],
)
def test_an_account_that_cannot_be_acted_as(
    open_stage: Callable[[Scenario | str], Stage], account: str, saw: str
) -> None:
    """No such account, or no right to act as it: one finding, and nothing else is judged by it."""
    known = load_scenario("cross-project").model_dump()
    stranger = {"member": "user:stranger@example.com", "token": READER, "roles": []}
    known["identities"] = [*known["identities"], stranger]
    stage = open_stage(Scenario.model_validate(known))
    found = stage.doctor(
        "legacy-images", "--impersonate-service-account", account, code=4, token=READER
    )
    assert {area for area, _ in found.missing()} == {"credentials"}
    line = found.check("credentials")
    assert line["code"] == "impersonation-refused"
    assert saw in line["saw"]
    assert account in line["commands"][0]


@pytest.mark.slow
def test_a_file_called_like_a_project_does_not_hide_it(
    open_stage: Callable[[Scenario | str], Stage],
) -> None:
    """What can be read as a name is a name; specs end in .yaml, or are no names."""
    stage = open_stage("builds")
    (stage.cli.home / "builds").write_text("no spec")
    assert stage.doctor("builds", "--step", "verify").facts["lists"][0]["source"] == "builds"
    (stage.cli.home / "spec.txt").write_text("source: us.gcr.io/builds")
    assert stage.doctor("spec.txt", "--step", "verify").facts["lists"][0]["name"] == "spec.txt"
