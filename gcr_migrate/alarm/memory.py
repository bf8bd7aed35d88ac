"""What was told, kept between runs: one small JSON document for any number of targets."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # pydantic reads it
from typing import Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from gcr_migrate.alarm.news import Known
from gcr_migrate.alarm.trouble import Trouble
from gcr_migrate.errors import BAD_ALARM_STATE, MigrateError
from gcr_migrate.model.finding import Severity

LARGEST: Final = 64 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Remembered(_Part):
    code: str
    subject: str
    severity: Severity
    saw: str = ""
    host: str = ""
    levels: tuple[str, ...] = ()
    count: int = Field(1, ge=1)
    mark: str = ""
    since: AwareDatetime
    seen_at: AwareDatetime
    told_at: AwareDatetime | None = None

    @classmethod
    def of(cls, known: Known) -> Self:
        one = known.trouble
        return cls(
            code=one.code,
            subject=one.subject,
            severity=one.severity,
            saw=one.saw,
            host=one.host,
            levels=tuple(sorted(one.levels)),
            count=one.count,
            mark=one.mark,
            since=known.since,
            seen_at=known.seen_at,
            told_at=known.told_at,
        )

    def known(self) -> Known:
        trouble = Trouble(
            self.code,
            self.severity,
            self.subject,
            self.saw,
            self.host,
            frozenset(self.levels),
            self.count,
            self.mark,
        )
        return Known(trouble, self.since, self.seen_at, self.told_at)


class Memory(_Part):
    """What is remembered of all targets; a target without troubles has no entry.

    Attributes:
        format: tells the file from any other.
        version: of its shape; a later one is not guessed at.
        written_at: when; None: it is new.
        targets: by target, what was found and not yet told to be over.
    """

    format: Literal["gcr-migrate/alarm-state"]
    version: Literal[1]
    written_at: AwareDatetime | None = None
    targets: dict[str, tuple[_Remembered, ...]] = {}

    @classmethod
    def empty(cls) -> Memory:
        """Return that of the first run."""
        return cls(format="gcr-migrate/alarm-state", version=1)

    @classmethod
    def read(cls, data: bytes, subject: str) -> Memory:
        """Read what an earlier run wrote.

        Args:
            data: the whole of it.
            subject: name of the file or object.

        Raises:
            MigrateError: `bad-alarm-state`, it is something else, damaged, or of a later version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"][:1]) or "file"
            saw = f"{where}: {first['msg']}"[:200]
            raise MigrateError(BAD_ALARM_STATE, subject=subject, saw=saw) from error

    def known(self, target: str) -> tuple[Known, ...]:
        """Return what is remembered of a target."""
        return tuple(one.known() for one in self.targets.get(target, ()))

    def but(self, target: str, known: tuple[Known, ...], at: datetime) -> Memory:
        """Return the same with something else for one target."""
        targets = {name: kept for name, kept in self.targets.items() if name != target}
        if known:
            entries = (_Remembered.of(one) for one in known)
            targets[target] = tuple(sorted(entries, key=lambda one: (one.code, one.subject)))
        update = {"written_at": at, "targets": dict(sorted(targets.items()))}
        return self.model_copy(update=update)

    def written(self) -> bytes:
        """Return it as a file, the same for the same memory."""
        return self.model_dump_json(indent=1).encode("utf-8", "backslashreplace") + b"\n"
