"""A verification that is to run by itself: what, when, as whom, and who is told."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from gcr_migrate.errors import BAD_SCHEDULE, MigrateError
from gcr_migrate.model.names import Project
from gcr_migrate.schedule.words import variable

if TYPE_CHECKING:
    from gcr_migrate.schedule.cron import Cron
    from gcr_migrate.schedule.words import Input, Word

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{4,22}[a-z0-9]")
_OBJECT: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/([A-Za-z0-9._/-]{1,500})")
_HOUR_S: Final = 3_600


class Form(StrEnum):
    """Whose scheduler runs it."""

    CLOUD_RUN = "cloud-run"
    CLOUD_BUILD = "cloud-build"
    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"
    GITHUB = "github"


class Job(Struct, frozen=True):
    """What every form is rendered from.

    Attributes:
        name: of all that is made.
        words: the command without the program, beginning with `verify`.
        cron: when it runs.
        zone: whose clock that is meant by.
        deadline_s: how long a run may take.
        project: Google project of the job, its account and its alerts.
        account: e-mail address of the service account that it runs as.
        reads: projects that it reads.
        roles: what the account needs on each of them.
        state: where it keeps what it told before, if anywhere: `gs://BUCKET/OBJECT` or a path.
        notify: who is told: notification channels, or a program.
        image: the tool as an image.
        location: region of the job.
        files: bucket with the files that the command names, as `gs://BUCKET`.
        namespace: of Kubernetes.
        repository: of GitHub, as `OWNER/REPO`.
        provider: of GitHub's tokens, as a resource of workload identity.
        program: the tool as a program of a machine.
        outputs: files that the command writes.
    """

    name: str
    words: tuple[Word, ...]
    cron: Cron
    zone: str
    deadline_s: int
    project: str
    account: str
    reads: tuple[str, ...]
    roles: tuple[str, ...]
    state: str = ""
    notify: tuple[str, ...] = ()
    image: str = ""
    location: str = ""
    files: str = ""
    namespace: str = "default"
    repository: str = ""
    provider: str = ""
    program: str = ""
    outputs: tuple[str, ...] = ()

    def inputs(self, kind: str) -> tuple[Input, ...]:
        """Return the secrets or the files that the command names, each once."""
        found = {one.input for one in self.words if one.input and one.input.kind == kind}
        return tuple(sorted(found))

    @property
    def bucket(self) -> str:
        """The bucket of its state; empty if that is in none."""
        found = _OBJECT.fullmatch(self.state)
        return found[1] if found else ""

    @property
    def object(self) -> str:
        """The object of its state; empty if that is in none."""
        found = _OBJECT.fullmatch(self.state)
        return found[2] if found else ""

    @property
    def silence_h(self) -> int:
        """After so many hours without a success something is wrong, whatever was told."""
        _, longest = self.cron.gaps_s()
        return math.ceil((longest + self.deadline_s) / _HOUR_S) + 1

    def check(self) -> None:
        """Refuse what would be a bad job in any form.

        Raises:
            MigrateError: `bad-schedule`.
        """
        if not _NAME.fullmatch(self.name):
            saw = "6 to 24 lower-case letters, digits and hyphens, a letter first, no hyphen last"
            raise bad("--name", self.name, saw)
        shortest, _ = self.cron.gaps_s()
        if self.deadline_s >= shortest:
            saw = f"{self.deadline_s} s, and the next run begins after {shortest} s"
            raise bad("--deadline", f"{self.deadline_s}s", saw)
        names = [variable(one) for one in self.inputs("secret")]
        if len(set(names)) < len(names):
            raise bad("--command", ", ".join(names), "two secrets would get one variable")
        if self.state.startswith("gs://") and not self.bucket:
            raise bad("--alarm-state", self.state, "gs://BUCKET/OBJECT is needed")


def account_of(name: str, project: str) -> str:
    """Return the e-mail address of a service account of a project."""
    domain, _, id_ = Project.parse(project).id.rpartition(":")
    return f"{name}@{f'{id_}.{domain}' if domain else id_}.iam.gserviceaccount.com"


def bad(option: str, given: str, saw: str) -> MigrateError:
    """Return the refusal of a value of an option."""
    return MigrateError(BAD_SCHEDULE, subject=f"{option} {given[:200]}", saw=saw)
