"""What a fact is: a part of a command's result, which `--json` prints.

The JSON Schemas of all facts are published under `docs/reference`. Facts are plain values: what
makes schemas of them and reads them again takes longer to load than many a command takes.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self, dataclass_transform

from gcr_migrate.model.finding import Finding, LeftOut, Severity
from gcr_migrate.report.rows import Rows, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION: Final = 1


def Field(*, default: Any = dataclasses.MISSING, **said: Any) -> Any:  # noqa: N802  # as a class
    """Return a field of a fact.

    Args:
        default: its value where none is given.
        said: what the schema says of it: its `description`, or that it is `gt` a number.
    """
    return dataclasses.field(default=default, metadata=said)


def _json_name(name: str) -> str:
    """Return the name that JSON has for a field: what Python means by it ends with `_`."""
    return name.rstrip("_")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))
class Fact:
    """A part of a command's result; it never changes once it is made.

    It is a dataclass, of which no method is made of its own: to compile those takes a millisecond
    for each class, and a command loads dozens.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]
    __pydantic_config__: ClassVar[Any] = {"extra": "forbid", "alias_generator": _json_name}
    _blank: ClassVar[dict[str, Any]]
    _required: ClassVar[frozenset[str]]

    def __init_subclass__(cls) -> None:
        """Make it a dataclass."""
        dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=True)(cls)
        blank = {name: one.default for name, one in cls.__dataclass_fields__.items()}
        cls._blank = blank
        cls._required = frozenset(k for k, v in blank.items() if v is dataclasses.MISSING)

    def __init__(self, **values: Any) -> None:
        told = self._blank | values
        if len(told) != len(self._blank) or not self._required <= values.keys():
            odd = (told.keys() - self._blank.keys()) | (self._required - values.keys())
            raise TypeError(f"{type(self).__name__}: missing or unknown: {', '.join(sorted(odd))}")
        vars(self).update(told)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Refuse values that contradict each other."""

    def __setattr__(self, name: str, value: object) -> None:
        raise dataclasses.FrozenInstanceError(name)

    def __delattr__(self, name: str) -> None:
        raise dataclasses.FrozenInstanceError(name)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({told})"

    @classmethod
    def like(cls, other: object) -> Self:
        """Tell what another value has under the same names."""
        return cls(**{name: getattr(other, name) for name in cls.field_names()})

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Return the names of all fields, in order."""
        return tuple(cls.__dataclass_fields__)

    def but(self, **changes: Any) -> Self:
        """Return the same with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def json_members(self) -> dict[str, Any]:
        """The values by the names that JSON has for them."""
        return {_json_name(name): value for name, value in vars(self).items()}

    def json_parts(self) -> Iterator[str]:
        """The value as one line of JSON in pieces, its schema and version first.

        Long lists are read while they are written.
        """
        data = self.json_members()
        long = {name: data.pop(name) for name in [*data] if isinstance(data[name], Rows)}
        first = {name: data.pop(name) for name in ("schema", "version") if name in data}
        members = (f"{json_text(key)}: {json_text(one)}" for key, one in (first | data).items())
        yield "{" + ", ".join(members)
        for name, rows in long.items():
            yield f", {json_text(name)}: ["
            yield from rows.json_parts()
            yield "]"
        yield "}"


class FindingFact(Fact):
    """What is noteworthy or wrong about one name."""

    code: str = Field(description="Stable code; `gcr-migrate explain CODE` tells more.")
    severity: Severity
    subject: str = Field(description="Full name of what it is about.")
    saw: str = Field(description="What was seen there.")
    message: str
    remedy: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Tell a finding."""
        return cls(
            code=finding.problem.code,
            severity=finding.severity,
            subject=finding.subject,
            saw=finding.saw,
            message=f"{finding.problem.title}. {finding.problem.meaning}",
            remedy=finding.problem.remedy,
        )


class LeftOutFact(Fact):
    """Something that the source shows and the plan does not carry."""

    code: str
    subject: str
    by_rule: bool = Field(description="A rule says so; else it could not be moved.")
    saw: str
    message: str
    remedy: str

    @classmethod
    def of(cls, left: LeftOut) -> Self:
        """Tell what is left out."""
        return cls(
            code=left.problem.code,
            subject=left.subject,
            by_rule=left.by_rule,
            saw=left.saw,
            message=f"{left.problem.title}. {left.problem.meaning}",
            remedy=left.problem.remedy,
        )
