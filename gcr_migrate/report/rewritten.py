"""New names in people's files, as facts and as a difference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from rich.text import Text

from gcr_migrate.errors import Exit, printable
from gcr_migrate.refs.change import patch
from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.references import UnreadFact
from gcr_migrate.report.terminal import rows
from gcr_migrate.report.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gcr_migrate.refs.change import Change
    from gcr_migrate.refs.files import Found, Unread


class RenamedFact(Fact):
    """A name that has a new one."""

    file: str
    line: int
    column: int
    old: str
    new: str


class LeftFact(Fact):
    """What a person has to see to."""

    file: str
    line: int
    text: str
    why: str


class RefsRewriteFacts(Fact):
    """Result of `refs rewrite`."""

    schema_: Literal["gcr-migrate/refs-rewrite"] = "gcr-migrate/refs-rewrite"
    version: Literal[1] = VERSION
    written: bool = Field(description="Whether files were changed, or only shown.")
    renamed: list[RenamedFact]
    left: list[LeftFact] = Field(
        description="Names of your own that were not rewritten, and should be."
    )
    hints: list[LeftFact] = Field(
        description="What files need beside new names, and names that could not be looked up."
    )
    patch: str = Field(description="The difference, as `git apply` takes it.")
    unread: list[UnreadFact]

    @classmethod
    def of(
        cls,
        changes: Sequence[Change],
        unread: Iterable[Unread],
        *,
        written: bool,
    ) -> Self:
        """Put together what one run did, or would do."""
        return cls(
            written=written,
            renamed=[
                RenamedFact(
                    file=printable(one.file),
                    line=one.line,
                    column=one.column,
                    old=printable(one.written.text),
                    new=covered.target,
                )
                for change in changes
                for one, covered in change.done
            ],
            left=[_left(one, why) for change in changes for one, why in change.refused],
            hints=[one for change in changes for one in _hints(change)],
            patch=patch_bytes(changes).decode("utf-8", "replace"),
            unread=[UnreadFact(file=printable(one.file), why=one.why) for one in unread],
        )

    @property
    def exit(self) -> Exit:
        """Failed where a name is left or a file was not read."""
        return Exit.FAILED if self.left or self.unread else Exit.OK


def _left(found: Found, why: str) -> LeftFact:
    return LeftFact(
        file=printable(found.file), line=found.line, text=printable(found.written.text), why=why
    )


def _hints(change: Change) -> Iterator[LeftFact]:
    """Tell what else a file needs."""
    for one, why in sorted(change.hints, key=lambda each: each[0].written.start):
        yield _left(one, why)
    for line in change.secrets:
        why = "its secret has to hold a login for the new hosts too"
        yield LeftFact(file=printable(change.file), line=line, text="imagePullSecrets", why=why)


def patch_bytes(changes: Iterable[Change]) -> bytes:
    """Return the difference as `git apply` takes it, in whatever encoding the files are."""
    lines = (line for one in changes if one.is_any for line in patch(one, _in_patch(one.file)))
    return "".join(lines).encode("utf-8", "surrogateescape")


def _in_patch(file: str) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix().lstrip("/")


def rewrite_lines(facts: RefsRewriteFacts) -> Iterator[Text]:
    """Show the difference, then what is left to a person."""
    for line in facts.patch.splitlines():
        yield Text(line, style={"+": "green", "-": "red", "@": "cyan"}.get(line[:1], ""))
    files = len({one.file for one in facts.renamed})
    done = "were given" if facts.written else "would get"
    yield Text(
        f"{counted(len(facts.renamed), 'name')} in {counted(files, 'file')} {done} new ones",
        style="bold",
    )
    if facts.renamed and not facts.written:
        yield Text("  --write changes the files; --format patch gives the difference alone")
    for title, listed in (("could not be rewritten", facts.left), ("are left to you", facts.hints)):
        if listed:
            yield Text(f"{len(listed)} {title}", style="bold yellow")
            yield from rows(
                [(f"{one.file}:{one.line}", f"{one.text}  ({one.why})") for one in listed]
            )
    if facts.unread:
        yield Text(f"{len(facts.unread)} could not be read", style="bold red")
        yield from rows([(one.file, one.why) for one in facts.unread])
