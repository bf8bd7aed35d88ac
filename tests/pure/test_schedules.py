"""Files of schedules: what reads them elsewhere takes them, and finds in them what was meant."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcl2
import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # it has no types
import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.schedule.cron import Cron
from gcr_migrate.schedule.job import Form, account_of
from gcr_migrate.schedule.render import render
from gcr_migrate.schedule.words import Word
from tests.scheduling import NASTY, WORDS, documents, fitted, read_by_systemd, words_in

if TYPE_CHECKING:
    from gcr_migrate.schedule.job import Job

FORMS = pytest.mark.parametrize("form", Form)
STATE = "gs://ops-state/verify/alarms.json"
FULL = (
    *("--webhook-file", "secret:web-hook", "--as-token-file", "ci=secret:ci:refused"),
    "file:a.migration",
)


def _full(form: Form, **more: Any) -> Job:
    return fitted(form, *FULL, state=STATE, **more)


def _schema(name: str) -> Any:
    folder = resources.files("check_jsonschema") / "builtin_schemas" / "vendor"
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _run(*args: str) -> tuple[int, str]:
    done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def _expressions(form: Form, job: Job) -> list[str]:
    """Return every expression by which Prometheus, or who speaks its language, is asked."""
    files = render(form, job, "0")
    if form is Form.KUBERNETES:
        (rules,) = documents(files["alerts.yaml"])
        return [one["expr"] for one in rules["spec"]["groups"][0]["rules"]]
    found = []
    for block in hcl2.loads(files["alerts.tf"])["resource"]:
        for policy in block.get('"google_monitoring_alert_policy"', {}).values():
            for condition in policy["conditions"]:
                asked = condition.get("condition_prometheus_query_language", [])
                found += [json.loads(one["query"]) for one in asked]
    return found


def _selectors(node: Any) -> list[promql_parser.VectorSelector]:
    """Return the selectors of series in an expression."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "vector_selector")]
    inside = [*filter(None, parts), *getattr(node, "args", ())]
    return [found for one in inside for found in _selectors(one)]


@pytest.mark.parametrize("form", [Form.CLOUD_RUN, Form.CLOUD_BUILD, Form.GITHUB, Form.KUBERNETES])
@pytest.mark.parametrize("name", ["gcr-verify", "a-1--2-of-twenty-four-ab"])
def test_a_parser_of_promql_takes_every_alert(form: Form, name: str) -> None:
    """Its types fit, and each selector names the job, whatever that is called."""
    expressions = _expressions(form, _full(form, name=name))
    assert len(expressions) == (2 if form is Form.KUBERNETES else 1)
    for text in expressions:
        selectors = _selectors(promql_parser.parse(text))
        assert selectors
        for one in selectors:
            labels = {label.name: label.value for label in one.matchers.matchers}
            own = f"{one.name} {labels}"
            assert name in own or name.replace("-", "_") in own


@pytest.mark.parametrize("form", [Form.CLOUD_RUN, Form.CLOUD_BUILD, Form.GITHUB])
def test_silence_is_the_absence_of_any_success_over_the_whole_time(form: Form) -> None:
    """The range is that of the job's silence, and the selector names no run that failed."""
    (text,) = _expressions(form, _full(form))
    call = promql_parser.parse(text)
    assert isinstance(call, promql_parser.Call)
    (over,) = call.args
    assert isinstance(over, promql_parser.MatrixSelector)
    assert (call.func.name, over.range) == ("absent_over_time", timedelta(hours=28))
    selector = f"{over.vector_selector.name} {over.vector_selector.matchers.matchers}"
    assert ("succeeded" in selector) is (form is Form.CLOUD_RUN)
    assert "failed" not in selector


@FORMS
@pytest.mark.needs("systemd-analyze")
def test_words_with_a_meaning_elsewhere_arrive(form: Form) -> None:
    """What YAML, a shell, a unit or a substitution would act on is a word and nothing else."""
    assert words_in(form, render(form, fitted(form, *NASTY), "0")) == ["verify", *NASTY]


@pytest.mark.slow
@FORMS
@pytest.mark.needs("systemd-analyze")
@settings(max_examples=15)
@given(words=st.lists(WORDS, max_size=12))
def test_any_words_arrive(form: Form, words: list[str]) -> None:
    """Whatever the command is, the one who runs the file gets exactly that."""
    assert words_in(form, render(form, fitted(form, *words), "0")) == ["verify", *words]


@FORMS
@pytest.mark.needs("systemd-analyze")
def test_inputs_are_where_the_command_looks(form: Form) -> None:
    """A secret or file stands in the command by its path, in the middle of what is around it."""
    words = words_in(form, render(form, _full(form), "0"))
    assert words[1::2] == ["--webhook-file", "--as-token-file", words[5]]
    assert "web-hook" in words[2]
    assert words[4].startswith("ci=/")
    assert words[4].endswith(":refused")
    assert words[5].endswith("/a.migration")


def test_kubernetes_takes_the_cron_job() -> None:
    """By its own strict schemas, oldest and newest; it runs as nobody and cannot write."""
    for document in documents(render(Form.KUBERNETES, _full(Form.KUBERNETES), "0")["cronjob.yaml"]):
        for version in ("1.27", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(document, version, strict=True)
    spec = document["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["timeZone"] == "Europe/Berlin"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    safe = pod["containers"][0]["securityContext"]
    assert safe["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsNonRoot"]
    mounted = {one["name"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}


def test_github_takes_the_workflow() -> None:
    """By its published schema; the zone is named, and one run waits for another."""
    (flow,) = documents(render(Form.GITHUB, _full(Form.GITHUB), "0")["gcr-verify.yml"])
    jsonschema.validate(flow, _schema("github-workflows"))
    times = [{"cron": "17 4 * * *", "timezone": "Europe/Berlin"}]
    assert flow["on"]["schedule"] == times
    assert flow["permissions"] == {"contents": "read", "id-token": "write"}


def test_cloud_build_takes_the_build() -> None:
    """By its published schema, and each secret that a step wants is declared."""
    (build,) = documents(render(Form.CLOUD_BUILD, _full(Form.CLOUD_BUILD), "0")["cloudbuild.yaml"])
    jsonschema.validate(build, _schema("cloudbuild"))
    declared = [one["env"] for one in build["availableSecrets"]["secretManager"]]
    assert declared == build["steps"][0]["secretEnv"] == ["SECRET_CI", "SECRET_WEB_HOOK"]


def test_cloud_run_gets_one_try_in_time() -> None:
    """Retries, deadline and account are of the task, beside the containers."""
    (run,) = documents(render(Form.CLOUD_RUN, _full(Form.CLOUD_RUN), "0")["job.yaml"])
    execution = run["spec"]["template"]["spec"]
    assert (execution["taskCount"], execution["parallelism"]) == (1, 1)
    task = execution["template"]["spec"]
    assert (task["maxRetries"], task["timeoutSeconds"]) == (0, 10_800)
    mounted = {one["name"] for one in task["containers"][0]["volumeMounts"]}
    assert mounted == {one["name"] for one in task["volumes"]}


@pytest.mark.needs("systemd-analyze")
def test_systemd_takes_the_units() -> None:
    """It verifies all of them without a word; what differs fails the unit, and that tells."""
    files = render(Form.SYSTEMD, fitted(Form.SYSTEMD, notify=("/usr/bin/true",)), "0")
    assert "SuccessExitStatus=" not in files["gcr-verify.service"].replace("# No Succ", "")
    units = {name: text for name, text in files.items() if not name.endswith(".sh")}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in units.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        named = [str(Path(folder) / name) for name in units if "@" not in name]
        assert _run("systemd-analyze", "verify", "--man=no", *named) == (0, "")
    read = read_by_systemd({k: v for k, v in units.items() if k.endswith("watch.service")})
    assert read["gcr-verify-watch.service"] == [
        "/bin/sh",
        "-c",
        'test -n "$(find /var/lib/gcr-verify/last-success -mmin -1680)"',
    ]


@FORMS
@pytest.mark.needs("shellcheck")
def test_scripts_are_in_order(form: Form) -> None:
    """A reader of shell scripts has nothing to say about them, or about what steps run."""
    files = render(form, _full(form), "0")
    scripts = [text for name, text in files.items() if name.endswith(".sh")]
    if form is Form.GITHUB:
        (flow,) = documents(files["gcr-verify.yml"])
        steps = flow["jobs"]["verify"]["steps"]
        scripts += [f"#!/bin/bash\n{one['run']}" for one in steps if "run" in one]
    for text in scripts:
        done = subprocess.run(
            ["shellcheck", "-"],  # noqa: S607  # the one in the path
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("form", [Form.CLOUD_RUN, Form.CLOUD_BUILD, Form.GITHUB])
def test_failure_and_silence_are_told(form: Form) -> None:
    """Two policies: one counts failures, one looks longer back than the longest gap of runs."""
    channel = "projects/ops/notificationChannels/7"
    text = render(form, _full(form, notify=(channel,)), "0")["alerts.tf"]
    read = hcl2.loads(text)
    policies: dict[str, Any] = {}
    for block in read["resource"]:
        policies |= block.get('"google_monitoring_alert_policy"', {})
    assert [*policies] == ['"gcr_verify_failed"', '"gcr_verify_silent"']
    (silent,) = policies['"gcr_verify_silent"']["conditions"]
    (query,) = silent["condition_prometheus_query_language"]
    assert "absent_over_time(" in query["query"]
    assert "[28h]" in query["query"]
    assert read["variable"][0]['"notification_channels"']["default"] == [f'"{channel}"']
    unset = hcl2.loads(render(form, _full(form), "0")["alerts.tf"])
    assert "default" not in unset["variable"][0]['"notification_channels"']


@pytest.mark.needs("terraform")
@pytest.mark.parametrize("form", [Form.CLOUD_RUN, Form.GITHUB])
def test_terraform_would_write_it_so(form: Form, tmp_path: Path) -> None:
    """Its own formatter changes nothing."""
    (tmp_path / "alerts.tf").write_text(render(form, _full(form), "0")["alerts.tf"])
    assert _run("terraform", "fmt", "-check", str(tmp_path))[0] == 0


def test_kubernetes_tells_of_silence() -> None:
    """By Prometheus: also when there never was a success."""
    (rules,) = documents(render(Form.KUBERNETES, _full(Form.KUBERNETES), "0")["alerts.yaml"])
    (group,) = rules["spec"]["groups"]
    assert [one["alert"] for one in group["rules"]] == ["GcrVerifyFailed", "GcrVerifySilent"]
    assert "> 100800) or absent(" in group["rules"][1]["expr"]


@FORMS
def test_a_file_says_what_it_is(form: Form) -> None:
    """At its top: what it is, what made it, what was tried and what was not."""
    for name, text in render(form, _full(form), "1.2").items():
        lines = text.removeprefix("#!/usr/bin/env bash\n").splitlines()
        assert lines[0].startswith("# gcr-verify: "), name
        assert lines[1] == "# Made by gcr-migrate 1.2; made again, it is replaced."
        told = " ".join(line[2:] for line in lines[: lines.index("")] if line.startswith("# "))
        assert "Tried: " in told
        assert "Not tried: " in told


@FORMS
def test_the_account_gets_no_more_than_it_needs(form: Form) -> None:
    """The roles on what is read, one object of the state, its secrets; nothing that writes images.

    Who starts the job is somebody else, and only where a scheduler has to.
    """
    files = render(form, _full(form), "0")
    script = files.get("apply.sh") or files["identity.sh"]
    granted = {word for line in script.splitlines() for word in line.split() if "roles/" in word}
    wanted = {"roles/artifactregistry.reader", "roles/storage.objectUser"}
    more = {
        Form.CLOUD_RUN: {"roles/storage.objectViewer", "--role=roles/run.invoker"},
        Form.CLOUD_BUILD: {
            "roles/storage.objectViewer",
            "roles/logging.logWriter",
            "roles/cloudbuild.builds.editor",
            "roles/iam.serviceAccountUser",
        },
        Form.KUBERNETES: {"roles/iam.workloadIdentityUser"},
        Form.GITHUB: {"roles/logging.logWriter", "roles/iam.workloadIdentityUser"},
        Form.SYSTEMD: set(),
    }
    secrets = {"--role=roles/secretmanager.secretAccessor"} if "on_secret" in script else set()
    assert granted == wanted | more[form] | secrets
    assert "objects/verify/alarms.json" in script


REFUSED: list[tuple[Form, str, tuple[str, ...], dict[str, Any]]] = [
    (Form.SYSTEMD, "--name", (), {"name": "x"}),
    (Form.SYSTEMD, "--name", (), {"name": "a; touch x"}),
    (Form.SYSTEMD, "--deadline", (), {"cron": Cron.parse("*/30 * * * *")}),
    (Form.GITHUB, "--deadline", (), {"deadline_s": 21_600}),
    (Form.CLOUD_BUILD, "--deadline", (), {"deadline_s": 86_000}),
    (
        Form.GITHUB,
        "--time",
        (),
        {"cron": Cron.parse("*/2 * * * *"), "deadline_s": 60},
    ),
    (Form.GITHUB, "--repository", (), {"repository": "acme"}),
    (Form.GITHUB, "--provider", (), {"provider": "octo"}),
    (Form.KUBERNETES, "--namespace", (), {"namespace": "A b"}),
    (Form.KUBERNETES, "--project", (), {"project": "example.com:ops"}),
    (Form.KUBERNETES, "--notify", (), {"notify": ("a@example.com",)}),
    (Form.SYSTEMD, "--notify", (), {"notify": ("mail",)}),
    (Form.SYSTEMD, "--notify", (), {"notify": ("/a", "/b")}),
    (Form.CLOUD_RUN, "--notify", (), {"notify": ("a@example.com",)}),
    (Form.CLOUD_RUN, "--image", (), {"image": "a b"}),
    (Form.SYSTEMD, "--program", (), {"program": "gcr-migrate"}),
    (Form.CLOUD_RUN, "--files", ("file:a",), {"files": ""}),
    (Form.CLOUD_RUN, "--files", (), {"files": "gs://unused"}),
    (Form.SYSTEMD, "--files", ("file:a",), {"files": "gs://unused"}),
    (Form.CLOUD_RUN, "--files", ("file:a",), {"files": "s3://x"}),
    (Form.CLOUD_RUN, "--alarm-state", (), {"state": "state.json"}),
    (Form.CLOUD_RUN, "--alarm-state", (), {"state": "gs://bucket"}),
    (Form.CLOUD_RUN, "--alarm-state", (), {"state": 'gs://abc/"x'}),
    (Form.SYSTEMD, "--alarm-state", (), {"state": "/etc/state"}),
    (Form.SYSTEMD, "--command", (), {"outputs": ("junit.xml",)}),
    (Form.KUBERNETES, "--command", (), {"outputs": ("junit.xml",)}),
    (Form.GITHUB, "--command", (), {"outputs": ("../junit.xml",)}),
    (Form.SYSTEMD, "--command", ("a\nb",), {}),
    (Form.SYSTEMD, "--command", ("secret:A b",), {}),
    (Form.SYSTEMD, "--command", ("file:../x",), {}),
    (Form.KUBERNETES, "--command", ("secret:WEB_HOOK",), {}),
    (Form.GITHUB, "--command", ("secret:web-hook", "secret:WEB_HOOK"), {}),
]


@pytest.mark.parametrize(
    ("form", "option", "words", "more"), REFUSED, ids=[str(at) for at in range(len(REFUSED))]
)
def test_what_a_form_cannot_do_is_refused(
    form: Form, option: str, words: tuple[str, ...], more: dict[str, Any]
) -> None:
    """The option is named, and nothing is rendered."""
    with pytest.raises(MigrateError) as refused:
        render(form, fitted(form, *words, **more), "0")
    assert refused.value.problem.code == "bad-schedule"
    assert refused.value.subject.startswith(option)


def test_an_account_has_the_address_of_its_project() -> None:
    """Where a domain scopes the project, that stands behind the project's name."""
    assert account_of("v", "ops") == "v@ops.iam.gserviceaccount.com"
    assert account_of("v", "example.com:ops") == "v@ops.example.com.iam.gserviceaccount.com"


@given(WORDS)
def test_a_word_that_names_no_input_is_itself(text: str) -> None:
    """Only secret: and file:, at its beginning or after a sign of equality, stand for a path."""
    assert Word.parse(text) == Word(text)


@pytest.mark.parametrize("there", [False, True], ids=["missing", "there"])
@FORMS
def test_scripts_run_to_their_end(form: Form, *, there: bool, tmp_path: Path) -> None:
    """Where nothing is yet, it is made; where all is there, it is changed and not made again."""
    files = render(form, _full(form), "0")
    (name,) = [one for one in files if one.endswith(".sh")]
    (tmp_path / name).write_text(files[name])
    (tmp_path / "gcloud").write_text(
        f'#!/bin/sh\necho "$*" >>"$0.calls"\ncase " $* " in *projectNumber*) echo 12 ;; '
        f"*projectId*) echo hub ;; *\\ describe\\ *) exit {0 if there else 1} ;; esac\n"
    )
    (tmp_path / "gcloud").chmod(0o755)
    done = subprocess.run(
        ["bash", str(tmp_path / name)],  # noqa: S607  # the one in the path
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    calls = (tmp_path / "gcloud.calls").read_text().splitlines()
    made = [call for call in calls if " create" in call]
    assert bool(made) is not there
    assert not [call for call in calls if "gcloud" in call or "$" in call]
    if form in {Form.CLOUD_RUN, Form.CLOUD_BUILD}:
        (timer,) = [one for one in calls if one.startswith("scheduler jobs") and " http " in one]
        assert timer.startswith("scheduler jobs update" if there else "scheduler jobs create")
        assert "projects/12/locations/us-central1/" in timer
