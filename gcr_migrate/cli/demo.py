"""The whole migration on a sandbox of this machine, with the commands that a person would type."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.cli.options import Json
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import NOT_WRITABLE, Exit, MigrateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

MIGRATION: Final = "builds.migration"
REPORT: Final = "report.md"
PAGE: Final = "report.html"
COMMANDS: Final = (
    ("plan", "plans/builds.yaml"),
    ("show", MIGRATION),
    ("apply", MIGRATION),
    ("status", MIGRATION),
    ("verify", MIGRATION),
    ("report", MIGRATION, "--markdown", "-o", REPORT),
    ("report", MIGRATION, "--html", PAGE),
)


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    app.command()(demo)


def demo(
    directory: Annotated[
        Path,
        typer.Argument(metavar="DIRECTORY", help="Where files go; one beside it if it is in use."),
    ] = Path("gcr-migrate-demo"),
    as_json: Json = False,
) -> int:
    """Migrate the example of Container Registry's documentation, here and now, with no account.

    Runs the real commands against a sandbox on loopback; no real service is reached.

    Exit codes: 0 migrated and proven, else that of the command that failed.
    """
    from gcr_migrate.report.problems import DemoFacts
    from gcr_migrate.report.terminal import demo_lines
    from gcr_migrate.sandbox.app import running

    output = Output(as_json=as_json)
    folder = _fresh(directory)
    _write_sample(folder)
    with running("builds", folder / "sandbox") as box:
        box.write_endpoints(folder / "endpoints.yaml")
        settings = {
            "GCR_MIGRATE_ENDPOINTS": "endpoints.yaml",
            "GCR_MIGRATE_ACCESS_TOKEN": box.token,  # of the sandbox, worth nothing elsewhere
        }
        _echo(output, f"cd {shlex.quote(str(folder))}")
        _echo(output, f"export {' '.join(f'{k}={v}' for k, v in settings.items())}")
        for command in COMMANDS:
            code = _run(output, command, folder, settings)
            if code:
                return Exit(code) if code in set(Exit) else Exit.DEFECT
    facts = DemoFacts(
        directory=str(folder),
        migration=str(folder / MIGRATION),
        report=str(folder / REPORT),
        page=str(folder / PAGE),
    )
    output.result(facts, demo_lines(facts))
    return Exit.OK


def _fresh(directory: Path) -> Path:
    """Make the folder, or one beside it: what an earlier demo left is not touched."""
    number, folder = 2, directory
    try:
        while folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            folder = directory.with_name(f"{directory.name}-{number}")
            number += 1
        (folder / "plans").mkdir(parents=True)
    except OSError as error:
        raise MigrateError(NOT_WRITABLE, subject=str(folder), saw=error.strerror or "") from error
    return folder


def _write_sample(folder: Path) -> None:
    (folder / "plans" / "builds.yaml").write_bytes(_plans().joinpath("builds.yaml").read_bytes())


def _plans() -> Traversable:
    """Return the folder of samples: in the wheel below the package, in a checkout beside it."""
    package = resources.files("gcr_migrate")
    shipped = package.joinpath("plans")
    return shipped if shipped.is_dir() else Path(str(package)).parent / "plans"


def _echo(output: Output, text: str) -> None:
    """Show what is typed; before the command's own words, which come from another process."""
    stream = output.err if output.as_json else output.out
    stream.print(f"\n$ {text}", soft_wrap=True, markup=False, highlight=False, style="bold")
    stream.file.flush()


def _run(
    output: Output, command: tuple[str, ...], folder: Path, settings: Mapping[str, str]
) -> int:
    _echo(output, shlex.join(["gcr-migrate", *command]))
    done = subprocess.run(  # noqa: S603  # our own program with constant arguments
        [sys.executable, "-m", "gcr_migrate", *command],
        cwd=folder,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if output.as_json else None,
        check=False,
    )
    return done.returncode
