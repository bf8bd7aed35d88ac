"""What the help of each command shows as examples: command lines that can be typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer
    from typer.models import CommandInfo

# By command; what stands after `#` is a comment for shells too.
EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "discover": (
        "discover builds",
        "discover builds hub-shared --write-specs specs",
        "discover --organization 123456789012",
    ),
    "init": (
        "init builds",
        "init builds us.gcr.io --by prefix -o builds-us.yaml",
        "init builds --location europe-west1 --stdout",
        "init builds --by keep --target-project new-builds",
    ),
    "doctor": (
        "doctor builds",
        "doctor builds.yaml --step plan --step apply",
    ),
    "inventory": (
        "inventory builds",
        "inventory us.gcr.io/builds -o before.snapshot --with-manifests",
    ),
    "compare": (
        "compare before.snapshot after.snapshot",
        "compare before.snapshot us.gcr.io/builds  # as it is now",
    ),
    "plan": (
        "plan builds.yaml",
        "plan builds.yaml -o friday.migration --check-source",
        "plan builds.yaml --detailed-exitcode  # 10: something to do",
        "plan specs -o plans  # each spec of a folder",
    ),
    "show": ("show builds.migration",),
    "export": (
        "export builds.migration --terraform infra",
        "export builds.migration --gcloud -",
    ),
    "apply": (
        "apply builds.migration",
        "apply builds.migration --expect-digest sha256:aa705603 --yes",
        "apply builds.migration --max-bandwidth 100MB --concurrency 4",
        "apply plans  # each migration file of a folder",
    ),
    "status": (
        "status builds.migration",
        "status builds.migration --json",
    ),
    "verify": (
        "verify builds.migration",
        "verify builds.migration --level tags --level access",
        "verify builds.migration --level deep --sample 1%",
        "verify builds --baseline before.snapshot --junit proof.xml",
    ),
    "report": (
        "report builds.migration --markdown -o report.md",
        "report builds.migration --html report.html",
    ),
    "access show": (
        "access show builds.yaml  # as it is now",
        "access show builds.migration --only changes",
        "access show builds.migration --member group:devs@example.com --csv",
    ),
    "access undo": (
        "access undo builds.migration --dry-run",
        "access undo builds.migration",
    ),
    "rescue": (
        "rescue builds",
        "rescue gcr.io/builds/web --expected names.txt",
    ),
    "redirect status": (
        "redirect status builds",
        "redirect status --folder 123456789012",
    ),
    "redirect plan": ("redirect plan builds --baseline before.snapshot",),
    "redirect enable": (
        "redirect enable builds --baseline before.snapshot",
        "redirect enable builds --yes --i-have-read 3f9c12  # in a job",
    ),
    "redirect finalize": ("redirect finalize builds --baseline before.snapshot",),
    "redirect disable": ("redirect disable builds",),
    "redirect partial": ("redirect partial builds",),
    "leftovers": (
        "leftovers builds --migration builds.migration",
        "leftovers builds --audit-log pulls.json --unused-days 30",
    ),
    "schedule render": (
        'schedule render systemd -o units --project ops --command "verify builds"',
        'schedule render cloud-run -o job --project ops --command "verify builds"',
    ),
    "refs scan": (
        "refs scan . --project builds",
        "refs scan --live --project builds",
    ),
    "refs check": (
        "refs check . --plan builds.migration",
        "refs check . --project builds  # no new gcr.io names",
    ),
    "refs rewrite": (
        "refs rewrite . --plan builds.migration",
        "refs rewrite . --plan builds.migration --pin --write",
    ),
    "explain": (
        "explain unrouted",
        "explain  # every code, by what it is about",
    ),
    "schema": (
        "schema spec  # for editors",
        "schema plan  # of plan --json",
    ),
    "sandbox": (
        "sandbox --write-endpoints endpoints.yaml",
        "sandbox --scenario hub-shared --write-endpoints endpoints.yaml",
    ),
    "demo": ("demo",),
}


def add_examples(app: typer.Typer) -> None:
    """Let the help of each command end with its examples."""
    for name, command in commands_of(app):
        if lines := [f"  gcr-migrate {line}" for line in EXAMPLES.get(name, ())]:
            command.epilog = "\n".join(["\b", "Examples:", *lines])


def commands_of(app: typer.Typer, above: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """Give every command with its name as it is typed, those of groups too."""
    for command in app.registered_commands:
        callback = command.callback
        name = command.name or (callback.__name__ if callback else "")
        yield f"{above}{name}".replace("_", "-"), command
    for group in app.registered_groups:
        if group.typer_instance:
            yield from commands_of(group.typer_instance, f"{above}{group.name} ")
