"""The command `schedule render`: files by which schedulers of others run `verify`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from msgspec import Struct

from gcr_migrate.cli.files import check_files, write_file
from gcr_migrate.cli.options import SPEC_SUFFIXES, Json, chosen
from gcr_migrate.cli.output import Output
from gcr_migrate.errors import BAD_SCHEDULE, BAD_USAGE, Exit, MigrateError
from gcr_migrate.model.names import check_location, check_service_account
from gcr_migrate.model.places import read_place, read_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcr_migrate.schedule.job import Form
    from gcr_migrate.schedule.words import Word

_SUBJECT: Final = "gcr-migrate schedule render"
_PROGRAM: Final = "/usr/local/bin/gcr-migrate"
# Of verify's options those that name a file which it writes.
_WRITES: Final = ("metrics_file", "junit")
# What only some forms have a use for, and who cannot do without.
_ONLY: Final[dict[str, tuple[str, ...]]] = {
    "--image": ("cloud-run", "cloud-build", "kubernetes", "github"),
    "--location": ("cloud-run", "cloud-build"),
    "--files": ("cloud-run", "cloud-build"),
    "--namespace": ("kubernetes",),
    "--repository": ("github",),
    "--provider": ("github",),
    "--program": ("systemd",),
}
_MAY_LACK: Final = frozenset({"--files", "--namespace", "--program"})


def add_to(app: typer.Typer) -> None:
    """Add this command to the program."""
    schedule = typer.Typer(
        help="Have the verification run by itself, by schedulers of others.",
        rich_markup_mode=None,
    )
    schedule.callback()(_schedule)
    schedule.command()(render)
    app.add_typer(schedule, name="schedule")


def _schedule() -> None:
    """Have the verification run by itself, by schedulers of others."""


def render(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORM", help="cloud-run, kubernetes, systemd, github or cloud-build."
        ),
    ],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")
    ],
    command: Annotated[
        str,
        typer.Option(
            "--command",
            metavar="WORDS",
            help="The verify command, quoted as for a shell. secret:NAME and file:NAME stand for"
            " files that the job is given.",
        ),
    ],
    project: Annotated[
        str,
        typer.Option(
            "--project", metavar="PROJECT", help="Whose the job, its account and its alerts are."
        ),
    ],
    time: Annotated[
        str, typer.Option("--time", metavar="CRON", help="Five fields of cron.")
    ] = "17 4 * * *",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="Such as Europe/Berlin.")
    ] = "UTC",
    deadline: Annotated[
        str, typer.Option("--deadline", metavar="TIME", help="How long a run may take.")
    ] = "3h",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of all that is made.")
    ] = "gcr-verify",
    reads: Annotated[
        list[str] | None,
        typer.Option(
            "--reads",
            metavar="PROJECT",
            help="Project that is read and that the command does not name; repeat it.",
        ),
    ] = None,
    service_account: Annotated[
        str | None,
        typer.Option(
            "--service-account",
            metavar="ACCOUNT",
            help="Whom the job runs as. Default: NAME of --project, which is made.",
        ),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            "--notify",
            metavar="WHOM",
            help="projects/P/notificationChannels/N, repeat it; for systemd a program.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image", metavar="IMAGE", help="The tool as an image; all but systemd need it."
        ),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            "--location", metavar="REGION", help="Of the job, for cloud-run and cloud-build."
        ),
    ] = None,
    files: Annotated[
        str | None,
        typer.Option(
            "--files",
            metavar="gs://BUCKET",
            help="Where each file:NAME is, for cloud-run and cloud-build.",
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="NAMESPACE", help="For kubernetes. Default: default."),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(
            "--repository", metavar="OWNER/REPO", help="Whose workflow it is, for github."
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="RESOURCE",
            help="projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER,"
            " for github.",
        ),
    ] = None,
    program: Annotated[
        str | None,
        typer.Option(
            "--program", metavar="PATH", help=f"The tool, for systemd. Default: {_PROGRAM}."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that this command did not write.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Write files by which a scheduler runs verify, tells of failure, and of silence.

    Job, time, an account with the least roles, secrets, alerts: complete and commented, to be
    applied by you. Reads nothing, and applies nothing.

    Exit codes: 0 written, 2 it cannot be scheduled so, or files of others are there.
    """
    from importlib.metadata import version

    from gcr_migrate.doctor.permissions import roles_to_verify
    from gcr_migrate.report.scheduled import ScheduleFacts, schedule_lines
    from gcr_migrate.schedule.cron import Cron
    from gcr_migrate.schedule.job import Form, Job, account_of
    from gcr_migrate.schedule.render import render as files_of
    from gcr_migrate.schedule.zones import check_zone
    from gcr_migrate.spec.settings import read_duration

    (chosen_form,) = chosen("FORM", Form, [form])
    given = {"--image": image, "--location": location, "--files": files}
    given |= {"--namespace": namespace, "--repository": repository}
    given |= {"--provider": provider, "--program": program}
    _check_options(chosen_form, given)
    asked = _asked(command)
    home = read_project(project).id
    projects = dict.fromkeys((*asked.projects, *(read_project(one).id for one in reads or [])))
    if not projects:
        saw = "which projects are read is not in the command: name them by --reads"
        raise MigrateError(BAD_SCHEDULE, subject="--command", saw=saw)
    if service_account:
        check_service_account(service_account)
    if location:
        check_location(location)
    check_zone(timezone)
    try:
        deadline_s = read_duration(deadline)
    except ValueError as error:
        raise MigrateError(BAD_USAGE, subject="--deadline", saw=str(error)) from error
    job = Job(
        name=name,
        words=asked.words,
        cron=Cron.parse(time),
        zone=timezone,
        deadline_s=deadline_s,
        project=home,
        account=service_account or account_of(name, home),
        reads=tuple(projects),
        roles=roles_to_verify(asked.levels),
        state=asked.state,
        notify=tuple(notify or ()),
        image=image or "",
        location=location or "",
        files=files or "",
        namespace=namespace or "default",
        repository=repository or "",
        provider=provider or "",
        program=program or _PROGRAM,
        outputs=asked.outputs,
    )
    found = files_of(chosen_form, job, version("gcr-migrate"))
    texts = {folder / name: text for name, text in found.items()}
    check_files(texts, force=force)
    for path, text in texts.items():
        write_file(path, text, runs=path.suffix == ".sh")
    facts = ScheduleFacts(
        form=chosen_form,
        time=job.cron.text,
        timezone=job.zone,
        account=job.account,
        roles=[*job.roles],
        projects=[*job.reads],
        silence_hours=job.silence_h,
        told=[*job.notify],
        files=[str(path) for path in texts],
    )
    Output(as_json=as_json).result(facts, schedule_lines(facts))
    return Exit.OK


def _check_options(form: Form, given: dict[str, str | None]) -> None:
    for option, forms in _ONLY.items():
        if given[option] is not None and form not in forms:
            saw = f"{option} is for {', '.join(forms)}"
            raise MigrateError(BAD_USAGE, subject=_SUBJECT, saw=saw)
        if given[option] is None and form in forms and option not in _MAY_LACK:
            raise MigrateError(BAD_USAGE, subject=_SUBJECT, saw=f"{form} needs {option}")


class _Asked(Struct, frozen=True):
    """What a command asks for, as `verify` itself reads it.

    Attributes:
        words: the words, from `verify` on.
        projects: projects that it names.
        levels: levels that it names; none: all of them.
        state: where it keeps what was told.
        outputs: files that it writes.
    """

    words: tuple[Word, ...]
    projects: tuple[str, ...]
    levels: tuple[str, ...]
    state: str
    outputs: tuple[str, ...]


def _asked(command: str) -> _Asked:
    """Read a command; refuse one that `verify` would refuse."""
    from gcr_migrate.schedule.words import Word
    from gcr_migrate.verify.result import Level

    try:
        words = shlex.split(command)
    except ValueError as error:
        raise MigrateError(BAD_USAGE, subject="--command", saw=str(error)) from error
    if words[:1] == ["gcr-migrate"]:
        words = words[1:]
    if words[:1] != ["verify"]:
        raise MigrateError(BAD_USAGE, subject="--command", saw="it begins with the word verify")
    targets, options = _read_by_verify(words[1:])
    if not targets and not options.get("projects"):
        saw = "a TARGET or --projects FILE is needed"
        raise MigrateError(BAD_USAGE, subject="--command", saw=saw)
    projects = [str(read_place(one).project) for one in targets if _is_place(one)]
    levels = chosen("--level", Level, options.get("level") or [])
    if any(one.endswith(SPEC_SUFFIXES) for one in targets):
        levels = frozenset()  # a plan is made of it first, which reads whatever a plan reads
    return _Asked(
        tuple(map(Word.parse, words)),
        tuple(projects),
        tuple(sorted(levels)),
        str(options.get("alarm_state") or ""),
        tuple(str(options[one]) for one in _WRITES if options.get(one)),
    )


def _read_by_verify(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the targets, and the values of options by name, as the program's own parser has them.

    Raises:
        MigrateError: `bad-usage` with the parser's words.
    """
    from typer.exceptions import TyperException

    from gcr_migrate.cli.main import command

    verify = command("verify").commands["verify"]
    try:
        context = verify.make_context("gcr-migrate verify", [*words])
    except TyperException as error:
        raise MigrateError(BAD_USAGE, subject="--command", saw=error.format_message()) from error
    arguments = [one.name for one in verify.params if one.param_type_name == "argument"]
    given = [context.params[name] for name in arguments]
    targets = [one for some in given for one in (some if isinstance(some, list) else [some])]
    return [str(one) for one in targets if one], context.params


def _is_place(target: str) -> bool:
    """Whether a target is a name and no file: files are named by file:NAME, or have an ending."""
    if target.startswith(("secret:", "file:", "/")):
        return False
    try:
        read_place(target)
    except MigrateError:
        return False
    return True
