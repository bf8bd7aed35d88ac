"""What helps around a migration: explain, schema, sandbox."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcr_migrate.cli.options import Json, check_known
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import BAD_USAGE, CATALOGUE, GROUPS, NOT_WRITABLE, Exit, MigrateError
from gcr_migrate.model.nearest import did_you_mean

if TYPE_CHECKING:
    from gcr_migrate.sandbox.app import Sandbox


def add_to(app: typer.Typer) -> None:
    """Add these commands to the program."""
    for command in (explain, schema, sandbox):
        app.command()(command)


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="As an error or finding shows it.")
    ] = None,
    list_all: Annotated[bool, typer.Option("--list", help="Every code, as without CODE.")] = False,
    as_json: Json = False,
) -> int:
    """Tell what the code of an error or finding means, and what to do.

    Without a code it lists all, by what they are about.

    Exit codes: 0 told, 2 no such code.
    """
    from gcr_migrate.report.problems import ExplainFacts, ProblemFact
    from gcr_migrate.report.terminal import catalogue_lines, problem_lines

    if code is not None and list_all:
        saw = "a CODE and --list contradict each other"
        raise MigrateError(BAD_USAGE, subject="gcr-migrate explain", saw=saw)
    if code is not None and code not in CATALOGUE:
        saw = f"no such code; {did_you_mean(code, CATALOGUE) or '--list shows all'}"
        raise MigrateError(BAD_USAGE, subject=code, saw=saw)
    facts = ExplainFacts(
        problems=[
            ProblemFact.of(problem, group)
            for group, problems in GROUPS.items()
            for problem in problems
            if code in {None, problem.code}
        ]
    )
    lines = catalogue_lines(facts) if code is None else problem_lines(facts.problems[0])
    Output(as_json=as_json).result(facts, lines)
    return Exit.OK


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of the spec or of a command's `--json` object.

    Raises:
        MigrateError: `bad-usage`, there is no such schema.
    """
    from gcr_migrate.report.published import PUBLISHED
    from gcr_migrate.report.reading import json_schema as json_schema_of
    from gcr_migrate.spec import spec_json_schema
    from gcr_migrate.spec.prices import prices_json_schema

    if name == "spec":
        return spec_json_schema()
    if name == "prices":
        return prices_json_schema()
    if name not in PUBLISHED:
        check_known("schema", ["spec", "prices", *PUBLISHED], [name])
    model = json_schema_of(PUBLISHED[name])
    draft = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": draft, **model, "title": f"gcr-migrate {name}"}


def schema(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="spec, prices, or a command: plan, apply, verify, …"),
    ],
    as_json: Json = False,
) -> int:
    """Print the JSON Schema of the spec, or of what a command prints with --json.

    Exit codes: 0 printed, 2 no such schema.
    """
    from gcr_migrate.report.terminal import show

    text = json.dumps(json_schema(name), indent=None if as_json else 2)
    show(Output(as_json=as_json).out, text.splitlines())
    return Exit.OK


def sandbox(
    scenario: Annotated[
        str,
        typer.Option("--scenario", metavar="NAME|FILE", help="What it holds: a name, or YAML."),
    ] = "builds",
    write_endpoints: Annotated[
        Path | None,
        typer.Option("--write-endpoints", metavar="FILE", help="Where to write its addresses."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option("--directory", metavar="D", help="Where blobs lie. Default: temporary."),
    ] = None,
    events: Annotated[
        Path | None,
        typer.Option("--events", metavar="FILE", help="Append each request as a JSON line."),
    ] = None,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Serve TLS; its authority is ca.pem in the directory."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Run a registry to rehearse on: gcr.io, Artifact Registry and its API, on loopback only.

    It holds made-up images and policies, and reaches no real service. Ctrl-C ends it.

    Exit codes: 0 ended, 2 no such scenario.
    """
    from gcr_migrate.cli.interrupt import until_signal
    from gcr_migrate.report.problems import SandboxFacts
    from gcr_migrate.report.terminal import sandbox_lines
    from gcr_migrate.sandbox.app import Sandbox
    from gcr_migrate.sandbox.scenarios import load_scenario

    with ExitStack() as stack:
        if directory is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="gcr-migrate-"))
            directory = Path(temporary)
        box = Sandbox(directory, load_scenario(scenario), events=events, tls=tls)
        wait = stack.enter_context(until_signal())
        stack.enter_context(box.start_in_background())
        # Written when it answers already: who waits for the file may connect at once.
        if write_endpoints:
            _write_endpoints(box, write_endpoints)
        facts = SandboxFacts(
            control=box.control_url,
            endpoints=str(write_endpoints or ""),
            access_token=box.token,
            directory=str(directory),
            scenario=scenario,
            registries=box.endpoints["registries"],
            certificate=str(box.certificate or ""),
        )
        output = Output(as_json=as_json)
        output.result(facts, sandbox_lines(facts))
        output.out.file.flush()
        wait()
    return Exit.OK


def _write_endpoints(box: Sandbox, path: Path) -> None:
    try:
        box.write_endpoints(path)
    except OSError as error:
        raise MigrateError(NOT_WRITABLE, subject=str(path), saw=error.strerror or "") from error
