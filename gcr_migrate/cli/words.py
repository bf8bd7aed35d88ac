"""The words of the command line as a table, which is generated, so that the tab key is quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enum import StrEnum


def word_table() -> dict[str, Any]:
    """Return commands with their options, and the values that options and arguments may have."""
    from gcr_migrate.cli.main import command

    return {"commands": _commands(command()), "values": _values()}


def _commands(command: Any, name: str = "") -> dict[str, Any]:
    """Return a command and all below it, by their names as they are typed."""
    options = {
        written: {"help": _short(one.help), "takes": not one.is_flag}
        for one in command.params
        if one.param_type_name == "option"
        for written in (*one.opts, *one.secondary_opts)
    }
    below = getattr(command, "commands", {})
    found = {
        name: {"help": command.get_short_help_str(60), "options": options, "below": sorted(below)}
    }
    for word, one in below.items():
        found |= _commands(one, f"{name} {word}".strip())
    return found


def _short(text: str | None) -> str:
    return (text or "").partition(". ")[0].removesuffix(".")


def _values() -> dict[str, dict[str, str]]:
    """Return what may stand after an option, or as an argument of a command, with its meaning."""
    from gcr_migrate.cli import access, refs, telling
    from gcr_migrate.discover.proposals import By
    from gcr_migrate.doctor.checks import Step
    from gcr_migrate.errors import CATALOGUE
    from gcr_migrate.model.names import GCR_HOSTS
    from gcr_migrate.refs.cover import Verdict
    from gcr_migrate.report.drafting import TITLES_OF
    from gcr_migrate.report.published import PUBLISHED
    from gcr_migrate.sandbox.scenarios import scenario_names
    from gcr_migrate.schedule.job import Form
    from gcr_migrate.verify.result import Level

    return {
        "--level": _plain(Level),
        "--step": _plain(Step),
        "--by": {str(way): TITLES_OF[way] for way in By},
        "--only": _plain(access.Only),
        "--fail-on": _plain(Verdict),
        "--format": _plain(refs.Form),
        "--webhook-format": _plain(telling.Format),
        "--scenario": dict.fromkeys(scenario_names(), ""),
        "host": {host.name: f"in {host.location}" for host in GCR_HOSTS},
        "explain": {code: problem.title for code, problem in CATALOGUE.items()},
        "schema": dict.fromkeys(("spec", *PUBLISHED), ""),
        "schedule render": _plain(Form),
    }


def _plain(kind: type[StrEnum]) -> dict[str, str]:
    return dict.fromkeys(map(str, kind), "")
