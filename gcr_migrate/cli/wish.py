"""What is to be proven: of which kind a target is, at which levels, and what that may cost."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field

from gcr_migrate.cli.effort import Effort
from gcr_migrate.cli.options import SNAPSHOT_SUFFIX, SPEC_SUFFIXES, is_file
from gcr_migrate.errors import BAD_USAGE, FILE_MISSING, MigrateError
from gcr_migrate.state.snapshot import is_snapshot
from gcr_migrate.state.verifying import SUFFIX as KEPT_SUFFIX
from gcr_migrate.verify.result import Level

if TYPE_CHECKING:
    from gcr_migrate.refs.files import Found
    from gcr_migrate.verify.answers import Expect
    from gcr_migrate.verify.redirect import Identity

_FILES: Final = (SNAPSHOT_SUFFIX, ".migration")
_PATHS: Final = ("./", "../", "/", "~")  # so begins no name of a place
_LONGEST: Final = 200  # of a name, so that a file can have it with what is put behind it


def kind_of(text: str) -> Literal["migration", "spec", "snapshot", "live"]:
    """Return what a person named as a target.

    Raises:
        MigrateError: FILE_MISSING.
    """
    path = Path(text)
    if path.suffix in SPEC_SUFFIXES:
        return "spec"
    if is_file(text):
        return "snapshot" if is_snapshot(path) else "migration"
    if path.suffix in _FILES or text.startswith(_PATHS):
        raise MigrateError(FILE_MISSING, subject=text, saw="no such file")
    return "live"


def kept_path(text: str) -> Path:
    """Return where a verification keeps how far it came: beside a file, or in this folder."""
    if is_file(text):
        return Path(text + KEPT_SUFFIX)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return Path(name + KEPT_SUFFIX)


class Wish(Struct, frozen=True):
    """What is to be proven of each target.

    Attributes:
        levels: what to look at; none: all that a target speaks of.
        baseline: snapshot that live projects and hosts are held against.
        effort: how much it may cost.
        identities: whose pulls are tried by gcr.io names.
        anonymous: what a pull by anybody should come to; None: as a baseline says.
        references: names that files use; None: no list of them was given.

    Raises:
        MigrateError: BAD_USAGE if pulls or names are given for levels that do not ask for them.
    """

    levels: frozenset[Level] = frozenset()
    baseline: Path | None = None
    effort: Effort = field(default_factory=Effort)
    identities: tuple[Identity, ...] = ()
    anonymous: Expect | None = None
    references: tuple[Found, ...] | None = None

    def __post_init__(self) -> None:
        if self.tries_pulls and self.levels and Level.REDIRECT not in self.levels:
            subject = "--as-token-file" if self.identities else "--anonymous"
            raise MigrateError(BAD_USAGE, subject=subject, saw="goes with level redirect")
        has_level = Level.REFERENCES in self.levels
        if self.references is None and has_level:
            saw = "needs --references FILE"
            raise MigrateError(BAD_USAGE, subject="--level references", saw=saw)
        if self.references is not None and self.levels and not has_level:
            raise MigrateError(BAD_USAGE, subject="--references", saw="goes with level references")

    @property
    def question(self) -> str:
        """What of it decides about the checks, beside the levels."""
        pulls = [f"{one.name}:{one.expects}" for one in self.identities]
        return "\n".join([self.effort.question, f"anonymous {self.anonymous}", *pulls])

    @property
    def tries_pulls(self) -> bool:
        """Whether somebody's pull is to be tried."""
        return bool(self.identities or self.anonymous)

    def levels_for(self, usual: frozenset[Level]) -> frozenset[Level]:
        """Return the levels for a target which by itself speaks of the usual ones."""
        also = set[Level]()
        if self.tries_pulls:
            also.add(Level.REDIRECT)
        if self.references is not None:
            also.add(Level.REFERENCES)
        return self.levels or usual | also
