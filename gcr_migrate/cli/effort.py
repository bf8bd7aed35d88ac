"""How much a verification may cost, and how much of what could be looked at it looks at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.model.limits import read_bandwidth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from gcr_migrate.verify.sample import Sample

    T = TypeVar("T")

SampleOption = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="N|P%",
        help="Of level deep: so many of all blobs, or such a part, drawn at random.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", metavar="N", help="Draw the sample that this number stands for."),
]
BudgetOption = Annotated[
    int | None,
    typer.Option("--budget", metavar="REQUESTS", help="Send no more requests than these in all."),
]
BudgetBytesOption = Annotated[
    str | None,
    typer.Option(
        "--budget-bytes", metavar="SIZE", help="Read no more than this in all, such as 10GB."
    ),
]
ResumeOption = Annotated[
    str,
    typer.Option(
        "--resume-within",
        metavar="TIME",
        help="Go on with a run that did not end, if it stopped no longer ago: 90m, 7d; 0 begins"
        " anew.",
    ),
]
RESUME: Final = "6h"
_LARGEST_SEED: Final = 2**63 - 1
_TIME: Final = re.compile(r"([0-9]{1,6})([smhd])")
_SECONDS: Final[Mapping[str, float]] = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Effort(Struct, frozen=True):
    """What the options of a verification say of its cost.

    Attributes:
        sample: how many blobs are read by level deep; None: all.
        seed: by which a sample is drawn; None: as an earlier run drew it, or by chance.
        requests: how many may be sent; None: any number.
        bytes_: how many bytes may be read; None: any number.
        resume_s: how long ago a run may have stopped that is gone on with.
    """

    sample: Sample | None = None
    seed: int | None = None
    requests: int | None = None
    bytes_: int | None = None
    resume_s: float = 0.0

    @classmethod
    def of(
        cls,
        sample: str | None,
        seed: int | None,
        requests: int | None,
        bytes_: str | None,
        resume_within: str,
    ) -> Effort:
        """Return what the options tell.

        Raises:
            MigrateError: `bad-usage`.
        """
        from gcr_migrate.verify.sample import Sample

        if seed is not None and not 0 <= seed <= _LARGEST_SEED:
            saw = f"a number from 0 to {_LARGEST_SEED} is needed"
            raise MigrateError(BAD_USAGE, subject=f"--seed {seed}", saw=saw)
        if requests is not None and requests < 1:
            saw = "at least one request is needed"
            raise MigrateError(BAD_USAGE, subject=f"--budget {requests}", saw=saw)
        return cls(
            None if sample is None else _read("--sample", Sample.read, sample),
            seed,
            requests,
            None if bytes_ is None else _read("--budget-bytes", _size, bytes_),
            _read("--resume-within", _seconds, resume_within),
        )

    @property
    def question(self) -> str:
        """What of it decides about the checks."""
        return f"sample {self.sample or 'all'}"


def _read(option: str, read: Callable[[str], T], text: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise MigrateError(BAD_USAGE, subject=f"{option} {text}", saw=str(error)) from error


def _size(text: str) -> int:
    try:
        return int(read_bandwidth(text.removesuffix("/s")))
    except ValueError as error:
        raise ValueError(str(error).replace("B/s", "B")) from error


def _seconds(text: str) -> float:
    if text.strip() == "0":
        return 0.0
    found = _TIME.fullmatch(text.strip())
    if not found:
        raise ValueError("a time is needed, such as 90m, 6h or 7d, or 0")
    return int(found[1]) * _SECONDS[found[2]]
