"""Schedules as a user has them made: their files run what was asked for, as their readers would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest

from gcr_migrate.cli.main import outcome
from gcr_migrate.cli.tools import json_schema
from gcr_migrate.doctor.permissions import roles_to_verify
from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import IdentityPart, RepositoryPart, Scenario
from gcr_migrate.schedule.job import Form
from tests.scheduling import (
    IMAGE,
    PROVIDER,
    documents,
    read_by_systemd,
    substituted_by_cloud_build,
    words_in,
)
from tests.zoo import SPEC, Zoo, opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.conftest import Cli

pytestmark = pytest.mark.slow

VERIFY: Final = (
    "verify file:m --level tags --level manifests --access-token-file secret:token --max-rate 50"
)
GIVEN: Final[dict[Form, tuple[str, ...]]] = {
    Form.CLOUD_RUN: ("--image", IMAGE, "--location", "us-central1", "--files", "gs://ops-files"),
    Form.CLOUD_BUILD: ("--image", IMAGE, "--location", "us-central1", "--files", "gs://ops-files"),
    Form.KUBERNETES: ("--image", IMAGE),
    Form.GITHUB: ("--image", IMAGE, "--repository", "acme/ops", "--provider", PROVIDER),
    Form.SYSTEMD: (),
}
# Stand where these programs stand. The first runs what is in the image, with its files in place.
DOCKER: Final = f"""\
#!{sys.executable}
import os, sys
at = sys.argv.index({IMAGE!r})
words = sys.argv[at + 1 :]
for option in sys.argv[:at]:
    if option.startswith("--volume="):
        here, there = option.removeprefix("--volume=").split(":")[:2]
        words = [word.replace(there + "/", here + "/", 1) for word in words]
os.execv(sys.executable, [sys.executable, "-m", "gcr_migrate", *words])
"""
TOOL: Final = f"""\
#!/bin/sh
exec {sys.executable} -m gcr_migrate "$@"
"""
GCLOUD: Final = """\
#!/bin/sh
echo "$*" >>"$NOTES"
if [ "$1 $2" = "storage cp" ]; then
  mkdir -p "$(dirname "$4")"
  cp "$BUCKET/${3#gs://ops-files/}" "$4"
fi
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """A source that was migrated, a folder of programs, and a secret."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
        with opened(tmp_path_factory.mktemp("schedules")) as one:
            one.image("app", "1")
            assert one.migrate() == (0, 0, 0)
            patch.setenv("GCR_MIGRATE_ENDPOINTS", str(one.home / "endpoints.yaml"))
            programs = one.home / "bin"
            programs.mkdir()
            for name, text in (("docker", DOCKER), ("gcloud", GCLOUD), ("gcr-migrate", TOOL)):
                (programs / name).write_text(text)
                (programs / name).chmod(0o755)
            yield one


def _render(zoo: Zoo, form: Form, *more: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    folder = zoo.home / form
    code, facts = zoo.run_here(
        *("schedule", "render", form, "-o", str(folder), "--command", VERIFY),
        *("--project", "ops-project", "--reads", "builds", *GIVEN[form], *more),
    )
    files = {one.name: one.read_text() for one in folder.iterdir()} if code == 0 else {}
    return code, facts, files


def _night(zoo: Zoo, form: Form, files: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Run a job as its files say; return how it ended, and what was told to the log."""
    if form is Form.GITHUB:
        return _by_github(zoo, files, folder)
    if form is Form.CLOUD_BUILD:
        return _by_cloud_build(zoo, files, folder)
    if form is Form.SYSTEMD:
        (words,) = read_by_systemd({"gcr-verify.service": files["gcr-verify.service"]}).values()
        assert words.pop(0) == "/usr/local/bin/gcr-migrate"
    else:
        words = words_in(form, files)
    places = {"/m": str(zoo.home / "m"), "/token": str(zoo.home / "token")}
    places |= {"/token/value": places["/token"]}
    for path, here in places.items():
        words = [here if word.startswith("/") and word.endswith(path) else word for word in words]
    return outcome(words), ""


def _step(zoo: Zoo, words: list[str], folder: Path, env: Mapping[str, str]) -> int:
    path = f"{zoo.home / 'bin'}:{os.environ['PATH']}"
    fixed = {"NOTES": str(folder / "notes"), "BUCKET": str(zoo.home), "PATH": path}
    done = subprocess.run(
        words,
        env={**os.environ, **fixed, **env},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode


def _by_github(zoo: Zoo, files: Mapping[str, str], folder: Path) -> tuple[int, str]:
    (flow,) = documents(files["gcr-verify.yml"])
    env = {
        "RUNNER_TEMP": str(folder),
        "GITHUB_WORKSPACE": str(zoo.home),
        "GOOGLE_APPLICATION_CREDENTIALS": str(folder / "gha-creds.json"),
    }
    put_in = {"${{ secrets.TOKEN }}": (zoo.home / "token").read_text()}
    code = 0
    for step in flow["jobs"]["verify"]["steps"]:
        if "run" not in step or (code and "always()" not in step.get("if", "")):
            continue
        put_in["${{ steps.verify.outcome }}"] = "failure" if code else "success"
        more = {name: put_in[value] for name, value in step.get("env", {}).items()}
        code = max(code, _step(zoo, ["bash", "-e", "-c", step["run"]], folder, env | more))
    return code, (folder / "notes").read_text()


def _by_cloud_build(zoo: Zoo, files: Mapping[str, str], folder: Path) -> tuple[int, str]:
    (build,) = documents(files["cloudbuild.yaml"])
    declared = [one["env"] for one in build["availableSecrets"]["secretManager"]]
    secrets = dict.fromkeys(declared, (zoo.home / "token").read_text())
    code = 0
    for step in build["steps"]:
        args = [
            substituted_by_cloud_build(one).replace("/workspace", str(folder))
            for one in step["args"]
        ]
        more = {name: secrets[name] for name in step.get("secretEnv", [])}
        code = code or _step(zoo, [step["entrypoint"], *args], folder, more)
    return code, (folder / "notes").read_text()


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("form", Form)
def test_a_night_goes_as_the_files_say(zoo: Zoo, form: Form, tmp_path: Path) -> None:
    """The command in them proves what is there, fails on what differs, and that is told."""
    code, facts, files = _render(zoo, form)
    assert code == 0
    jsonschema.validate(facts, json_schema("schedule-render"))
    assert {Path(one).name for one in facts["files"]} == {*files}
    assert facts["roles"] == ["roles/artifactregistry.reader"]
    logs = form in {Form.GITHUB, Form.CLOUD_BUILD}
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    code, told = _night(zoo, form, files, good)
    assert (code, "verify_ok" in told, "verify_failed" in told) == (0, logs, False)
    moved = zoo.box.store.repositories["builds", "europe", "moved"]
    tags = moved.images["app"].tags
    digest = tags.pop("1")
    try:
        code, told = _night(zoo, form, files, bad)
    finally:
        tags["1"] = digest
    assert (code, "verify_ok" in told, "verify_failed" in told) == (1, False, logs)


def test_the_roles_of_the_account_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what the scripts grant, each level proves; with what another level needs, not all do."""
    monkeypatch.setenv("GCR_MIGRATE_CREATION_PAUSE_S", "0")
    grant = "{role: artifactregistry.reader, members: ['group:a@example.com']}"
    spec = SPEC.replace('routes: [{match: "**", repository: moved}]', "routes:")
    spec += f'  - match: "**"\n    repository: moved\n    access: {{grant: [{grant}]}}\n'
    levels = {"tags": ["tags", "manifests", "blobs"], "access": ["access"]}
    who = tuple(
        IdentityPart(
            member=f"serviceAccount:{name}@ops-project.iam.gserviceaccount.com",
            token=f"ya29.{name}",
            roles=roles_to_verify(levels[name]),
        )
        for name in levels
    )
    part = RepositoryPart(project="builds", location="us", id="us.gcr.io")
    scenario = Scenario(repositories=(part,), identities=(IdentityPart(), *who))
    (tmp_path / "home").mkdir()
    with running(scenario, tmp_path / "box") as box:
        zoo = Zoo(box, tmp_path / "home", "us.gcr.io")
        zoo.image("app", "1")
        assert zoo.migrate(spec) == (0, 0, 0)
        codes = {}
        for name in levels:
            (zoo.home / "token").write_text(f"ya29.{name}")
            for asked, each in levels.items():
                words = [word for level in each for word in ("--level", level)]
                codes[name, asked] = zoo.run("verify", str(zoo.home / "m"), *words)[0]
    assert codes == {
        ("tags", "tags"): 0,
        ("tags", "access"): 4,
        ("access", "tags"): 0,
        ("access", "access"): 0,
    }


def test_what_was_written_is_replaced_and_nothing_else(zoo: Zoo) -> None:
    """Our own files again and again, a file of somebody else's only with --force."""
    assert _render(zoo, Form.KUBERNETES)[0] == 0
    code, facts, files = _render(zoo, Form.KUBERNETES, "--timezone", "Europe/Berlin")
    assert (code, facts["timezone"]) == (0, "Europe/Berlin")
    assert "Europe/Berlin" in files["cronjob.yaml"]
    assert os.access(zoo.home / "kubernetes" / "identity.sh", os.X_OK)
    (zoo.home / "kubernetes" / "alerts.yaml").write_text("mine")
    code, error, _ = _render(zoo, Form.KUBERNETES)
    assert (code, error["code"]) == (2, "not-ours")
    assert _render(zoo, Form.KUBERNETES, "--force")[0] == 0


def _refused(zoo: Zoo, *args: str) -> dict[str, Any]:
    code, error = zoo.run_here("schedule", "render", *args, "-o", str(zoo.home / "never"))
    assert code == 2
    assert not (zoo.home / "never").exists()
    return error


@pytest.mark.parametrize(
    ("options", "code", "saw"),
    [
        (("--command", "plan spec.yaml"), "bad-usage", "the word verify"),
        (("--command", "verify 'builds"), "bad-usage", "No closing quotation"),
        (("--command", "verify m --no-such-option"), "bad-usage", "--no-such-option"),
        (("--command", "verify"), "bad-usage", "a TARGET or --projects"),
        (("--command", "verify builds --level all"), "bad-usage", "It is one of tags"),
        (("--command", "verify file:m"), "bad-schedule", "name them by --reads"),
        (("--time", "17 4 * *"), "bad-schedule", "4 fields"),
        (("--timezone", "Mars/Base"), "bad-schedule", "no such zone"),
        (("--timezone", "../../etc/passwd"), "bad-schedule", "no such zone"),
        (("--deadline", "soon"), "bad-usage", "no time such as"),
        (("--deadline", "1d"), "bad-schedule", "the next run begins"),
        (("--project", "a b"), "bad-name", ""),
        (("--service-account", "x"), "bad-name", "no service account"),
        (("--image", IMAGE), "bad-usage", "--image is for cloud-run"),
        (("--notify", "me"), "bad-schedule", "absolute path"),
    ],
)
def test_a_bad_schedule_is_refused(zoo: Zoo, options: tuple[str, ...], code: str, saw: str) -> None:
    """The part that does not fit is named, and nothing is written."""
    given = {"--command": "verify builds", "--project": "ops-project"}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    error = _refused(zoo, "systemd", *(word for pair in given.items() for word in pair))
    assert error["code"] == code, error
    assert saw in error.get("saw", "")


def test_a_form_asks_for_what_it_needs(zoo: Zoo) -> None:
    """By the name of the option; a form that is not known is answered by those that are."""
    given = ("--command", "verify builds", "--project", "ops-project")
    assert _refused(zoo, "github", *given, "--image", IMAGE)["saw"] == "github needs --repository"
    assert "kubernetes" in _refused(zoo, "cron", *given)["saw"]


def test_the_result_says_what_comes_next(cli: Cli) -> None:
    """For people: when, as whom, who is told, and that nothing was applied."""
    done = cli(
        *("schedule", "render", "systemd", "-o", "units", "--project", "ops-project"),
        *("--command", "gcr-migrate verify builds", "--timezone", "Europe/Berlin"),
    )
    assert done.returncode == 0, done.stderr
    assert "runs at  17 4 * * * (Europe/Berlin)" in done.stdout
    assert "roles/iam.securityReviewer" in done.stdout
    assert "nobody yet" in done.stdout
    assert "Nothing was applied" in done.stdout
