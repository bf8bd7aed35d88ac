"""The way of a migration: what somebody is told who types the program's name and nothing else."""

from __future__ import annotations

from typing import Final

STEPS: Final = (
    ("discover PROJECT", "which gcr.io hosts are in use, and what each needs"),
    ("init PROJECT", "a spec to begin with, PROJECT.yaml"),
    ("doctor PROJECT.yaml", "what would stop it, with the commands that mend it"),
    ("plan PROJECT.yaml", "a dry run, frozen in PROJECT.migration; `show` it"),
    ("apply PROJECT.migration", "do that and nothing else; again, it goes on"),
    ("verify PROJECT.migration", "proof: both registries are asked"),
)
JOBS: Final = (
    ("split", "images in one bag per gcr.io host", "the steps above"),
    ("move", "another project, region or registry to go to", "init --target-project, --location"),
    ("verify", "names that shall stay as they are", "inventory PROJECT, schedule render"),
    ("rescue", "pulls that answer 412: never migrated", "rescue PROJECT, then the steps"),
    ("salvage", "nothing but the buckets", "not in this version: keep them"),
)
MORE: Final = (
    ("demo", "all of it here and now, with no account"),
    ("--help", "every command; COMMAND --help has examples"),
    ("explain", "every error and finding, and what to do about it"),
    ("--install-completion", "let the tab key complete commands and names"),
)
_WIDTH: Final = 37


def way_lines() -> list[str]:
    """Return the steps in order, the jobs that people come with, and where to go on."""
    return [
        "Moves container images from gcr.io names to repositories of Artifact Registry.",
        "",
        "The steps of a migration:",
        *(f"  {f'gcr-migrate {command}':<{_WIDTH}} {what}" for command, what in STEPS),
        "",
        "Which job is yours?",
        *(f"  {job:<8} {have:<45} {do}" for job, have, do in JOBS),
        "",
        "More:",
        *(f"  {f'gcr-migrate {command}':<{_WIDTH}} {what}" for command, what in MORE),
    ]
