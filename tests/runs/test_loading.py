"""What commands load: nobody waits for what he does not use."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import httpx
import pytest

from gcr_migrate.cli import main
from gcr_migrate.cli.reach import Way
from gcr_migrate.cli.worker import Setup
from gcr_migrate.model.content import OCI_MANIFEST
from gcr_migrate.model.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

# Runs commands in one process and names all that was loaded.
CODE = """\
import json, sys
from gcr_migrate.cli.main import outcome
for args in json.loads(sys.argv[1]):
    assert outcome(args) == 0, args
print(json.dumps(sorted(sys.modules)))
"""
# All of these take long to load.
GOOGLES = {"cryptography", "google", "requests", "trustme", "urllib3"}
SPEAKS_HTTP = {"httptools", "httpx"}
LOGS = {"attr", "pygments", "structlog"}
FALL_BACK = {"anyio", "h11", "http.client", "httpcore", "httpx"}  # for HTTP, and what it loads
# What reads specs and documents, and makes schemas: it takes longer than many a command.
READS = {"annotated_types", "pydantic", "ruamel"}
READS_FILES_FOR_NAMES = {"gcr_migrate.refs.files", "hcl2", "lark"}
SPEC = """\
version: 1
source: {{registry: "{source}"}}
target: {{registry: "{target}"}}
"""


class Registry(Protocol):
    """A real registry on loopback, see `tests/conftest.py`."""

    host: str
    url: str


def loaded(home: Path, *commands: list[str]) -> set[str]:
    """Run commands in a folder, one after the other; return what they loaded."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(commands)],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return set(json.loads(done.stdout.splitlines()[-1]))


def push(registry: Registry) -> None:
    """Push the smallest image that there can be: one without layers."""
    config = b"{}"
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/json", "digest": digest, "size": len(config)},
        "layers": [],
    }
    with httpx.Client(base_url=f"{registry.url}/v2/some/app/") as at:
        opened = at.post("blobs/uploads/").headers["location"]
        assert at.put(f"{opened}&digest={digest}", content=config).status_code == 201
        kind = {"content-type": OCI_MANIFEST}
        pushed = at.put("manifests/v1", content=json.dumps(manifest).encode(), headers=kind)
    assert pushed.status_code == 201, pushed.text


@pytest.fixture
def target(make_registry: Callable[[], Registry], tmp_path: Path) -> Registry:
    """Return a registry that `spec.yaml` moves an image to, from another one."""
    source, target = make_registry(), make_registry()
    push(source)
    (tmp_path / "spec.yaml").write_text(SPEC.format(source=source.host, target=target.host))
    return target


@pytest.mark.parametrize("args", [["--help"], ["plan", "--help"]])
def test_help_loads_nothing_that_only_runs_need(args: list[str], tmp_path: Path) -> None:
    """Neither what speaks HTTP or waits for it, nor what draws or logs."""
    unwanted = GOOGLES | SPEAKS_HTTP | LOGS | READS | {"asyncio", "jinja2", "rich", "ssl"}

    assert not unwanted & loaded(tmp_path, args)


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    """Neither their modules of the command line, nor what describes their options."""
    others = {f"gcr_migrate.cli.{name}" for name in main._COMMANDS} - {"gcr_migrate.cli.tools"}  # noqa: SLF001

    assert not others & loaded(tmp_path, ["explain", "unrouted"])


@pytest.mark.needs("docker-registry")
@pytest.mark.usefixtures("target")
def test_status_loads_only_what_reads_the_file_and_draws(tmp_path: Path) -> None:
    """Neither what speaks HTTP, nor what reads specs, nor what logs."""
    loaded(tmp_path, ["plan", "spec.yaml", "-o", "m"], ["apply", "m"])

    found = loaded(tmp_path, ["status", "m"])

    unwanted = GOOGLES | SPEAKS_HTTP | LOGS | READS | {"asyncio", "jinja2", "ssl"}
    assert not unwanted & found


@pytest.mark.needs("docker-registry")
@pytest.mark.usefixtures("target")
def test_a_run_with_nothing_to_tell_loads_nothing_that_tells_it(tmp_path: Path) -> None:
    """Neither what logs, nor what reads specs or others' files: the plan is all that it needs."""
    loaded(tmp_path, ["plan", "spec.yaml", "-o", "m"])

    unwanted = {"jinja2"} | LOGS | FALL_BACK | READS | READS_FILES_FOR_NAMES
    for command in ("apply", "verify"):
        assert unwanted & loaded(tmp_path, [command, "m"]) == set()


@pytest.mark.needs("docker-registry")
@pytest.mark.usefixtures("target")
def test_an_object_loads_nothing_that_draws_lines(tmp_path: Path) -> None:
    """Nor what logs for people."""
    loaded(tmp_path, ["plan", "spec.yaml", "-o", "m"])

    for command in (["apply", "m", "--workers", "1"], ["status", "m"], ["verify", "m"]):
        found = loaded(tmp_path, [*command, "--json"])
        assert not ({"rich"} | LOGS | READS) & found


@pytest.mark.needs("docker-registry")
@pytest.mark.usefixtures("target")
def test_a_run_loads_nothing_of_what_its_plan_has_not(tmp_path: Path) -> None:
    """Neither what makes repositories, nor other processes, nor how plans are told."""
    loaded(tmp_path, ["plan", "spec.yaml", "-o", "m"])

    unwanted = {"apply.others", "apply.provision", "apply.workers", "report.facts"}
    for command in ("apply", "status"):
        found = loaded(tmp_path, [command, "m"])
        assert not {f"gcr_migrate.{name}" for name in unwanted} & found


@pytest.mark.needs("docker-registry")
def test_a_migration_between_plain_registries_loads_nothing_of_googles(
    target: Registry, tmp_path: Path
) -> None:
    """Neither its clients and their transport, nor what signs for its keys, nor httpx."""
    found = loaded(
        tmp_path,
        ["plan", "spec.yaml", "-o", "m"],
        ["show", "m"],
        ["apply", "m"],
        ["status", "m"],
        ["verify", "m"],
    )

    assert not (GOOGLES | FALL_BACK) & found
    assert httpx.get(f"{target.url}/v2/some/app/tags/list").json()["tags"] == ["v1"]


def test_services_of_google_load_its_libraries_when_they_are_called() -> None:
    """Much is asked without them, and they take a tenth of a second and more."""
    code = "import json, sys, gcr_migrate.google.services\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert not {"google.api_core", "requests", "urllib3"} & set(json.loads(done.stdout))


def test_a_worker_loads_no_command_line(tmp_path: Path) -> None:
    """What `apply` tells it first names nothing that reads options, specs or documents."""
    told = Setup(Way.of(None, quota_project="builds"), tmp_path / "m", Limits(), as_json=True)
    code = (
        "import json, pickle, sys, gcr_migrate.cli.worker\n"
        "pickle.loads(bytes.fromhex(sys.argv[1]))\nprint(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, pickle.dumps(told).hex()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert not (READS | LOGS | FALL_BACK | {"rich", "typer"}) & set(json.loads(done.stdout))
