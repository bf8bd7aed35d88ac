"""What to do after a rescue: the commands, and the spec of a second step that renames."""

from __future__ import annotations

import io
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML

from gcr_migrate.cli.files import write_parts
from gcr_migrate.cli.options import read_text
from gcr_migrate.errors import AGENT_DENIED, FILE_MISSING, MigrateError
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY
from gcr_migrate.rescue.targets import REDIRECTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.cli.rescuing import Course, Wish
    from gcr_migrate.report.rescues import RescueFacts

_ACCOUNT: Final = re.compile(r"[\w.-]+@[\w.-]*gserviceaccount\.com")
_AGENT: Final = "service-PROJECT_NUMBER@gcp-sa-artifactregistry.iam.gserviceaccount.com"


def next_steps(
    command: str, wish: Wish, course: Course, facts: RescueFacts, spec: Path | None
) -> Iterator[str]:
    """Tell what to do next.

    Args:
        command: the command line of this run.
        wish: what was wanted.
        course: what became of it.
        facts: the same, as it is told.
        spec: a spec whose routes rename what was rescued; None for none.
    """
    grants = {_grant(wish, one.saw) for one in facts.findings if one.code == AGENT_DENIED.code}
    yield from (f"{grant}  # in force after some minutes" for grant in sorted(grants))
    if facts.outcome == "dry-run":
        yield command
    elif facts.outcome != "rescued":
        yield f"{command}  # goes on where it stopped"
    if facts.outcome in {"rescued", "failed"}:
        if spec:
            yield from _second_step(wish, course, spec)
        yield from _in_use(wish, course, facts)


def _in_use(wish: Wish, course: Course, facts: RescueFacts) -> Iterator[str]:
    """Tell how what was rescued is put to use."""
    own = [one for one in course.targets if one.is_own]
    project, baseline = shlex.quote(wish.project.id), ""
    if facts.inventory:
        baseline = f" --baseline {shlex.quote(facts.inventory)}"
    if own and course.state not in REDIRECTED:
        answers = f" --rescue {shlex.quote(facts.file)}"
        yield f"gcr-migrate redirect plan {project}{answers}{baseline}"
    if own and baseline:
        yield f"gcr-migrate verify {project}{baseline}  # once the names are redirected"
    for one in course.targets:
        if not one.is_own:
            yield f"# to split: `source: {one.registry}/{one.name}` in a spec, then plan and apply"


def _grant(wish: Wish, saw: str) -> str:
    account = _ACCOUNT.search(saw)
    return (
        f"gcloud projects add-iam-policy-binding {shlex.quote(wish.project.id)}"
        f" --member=serviceAccount:{account[0] if account else _AGENT}"
        " --role=roles/storage.objectViewer"
    )


def _second_step(wish: Wish, course: Course, spec: Path) -> Iterator[str]:
    """Write the spec that reads what was rescued, and give the commands for it."""
    second = wish.path.with_name(f"{spec.stem}.rescued.yaml")
    migration = second.with_suffix(".migration")
    text = _second_spec(read_text(spec), course)
    try:
        if not second.exists():
            write_parts(second, [text])
        elif second.read_text(encoding="utf-8", errors="replace") != text:
            yield f"# {second} is there already, and was left as it is: compare it with {spec}"
    except OSError as error:
        saw = error.strerror or ""
        raise MigrateError(FILE_MISSING, subject=str(second), saw=saw) from error
    names = shlex.quote(str(second)), shlex.quote(str(migration))
    yield f"gcr-migrate plan {names[0]} -o {names[1]}"
    yield f"gcr-migrate apply {names[1]}  # mounts; no blob is sent"
    yield f"gcr-migrate verify {names[1]}"


def _second_spec(text: str, course: Course) -> str:
    """Return a spec as it is written, but for a source that is read in Artifact Registry."""
    yaml = YAML()
    yaml.width = 4096
    plain: Any = yaml.load(text)
    before = plain.get("source")
    kept = dict(before) if isinstance(before, dict) else {}
    project = course.targets[0].project
    hosts = [one.host.name for one in course.targets]
    plain["source"] = kept | {
        "project": project.id,
        "hosts": hosts,
        "dialect": ARTIFACT_REGISTRY.name,
    }
    start = course.targets[0].start
    if start and not {"below", "paths"} & kept.keys():
        plain["source"]["below"] = [start]
    stream = io.StringIO()
    yaml.dump(plain, stream)
    return stream.getvalue()
