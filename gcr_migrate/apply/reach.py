"""When going on is pointless: for one name, or for all of a run, by what failed in a row.

A service that is gone fails for whatever is asked of it. But one name may fail by itself, each time
and for ever: a repository that nobody may write to, or one whose storage is broken. It must not
keep all others from being copied, nor be asked for each of its thousand layers.
"""

from __future__ import annotations

from typing import Final

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError

# So many in a row, and none done: that is no bad item.
_IN_A_ROW: Final = 8
# And of so many names, or of all that there are: several may be bad at once, each by itself.
_NAMES_IN_A_ROW: Final = 8
# A service that answers may do so for a whole folder. As many names are worked on at once.
_NAMES_ANSWERED: Final = 32
_ANSWERED: Final = frozenset(
    {errors.BAD_REPLY, errors.DENIED, errors.REFUSED_ALONE, errors.SERVER_ERROR}
)


class SharedError(MigrateError):
    """Several items fail by one cause: they count as one of those in a row.

    Attributes:
        cause: what failed first, the same for all of them.
    """

    cause: MigrateError

    @classmethod
    def of(cls, error: MigrateError, cause: MigrateError | None = None) -> SharedError:
        """Return what befell a request, as what befell all its items, or all of one cause."""
        found = cls(error.problem, subject=error.subject, saw=error.saw)
        found.cause = cause or error
        return found


class Reach:
    """What a run can reach, as far as it knows.

    A name is the number of an image path; None: what failed or was done belongs to none.

    Args:
        names: how many there are.

    Attributes:
        fatal: why nothing can be reached any more; None: something can.
    """

    def __init__(self, names: int) -> None:
        self._names = max(1, names)
        self.fatal: MigrateError | None = None
        # What failed first of each cause, since anything was done, and since something of a name.
        self._in_a_row: list[tuple[MigrateError, int | None]] = []
        self._of_name: dict[int, list[MigrateError]] = {}
        self._first: MigrateError | None = None  # of an image path
        self._first_around: MigrateError | None = None  # of what belongs to none
        self._lost: dict[int, MigrateError] = {}
        self._done_of: int | None = None  # the last name of which something was done
        self._are_several_done = self._is_anything_done = False

    def done(self, name: int | None) -> None:
        """Take note that something of a name was done."""
        self._in_a_row.clear()
        self._is_anything_done = True
        if name is None:
            return
        self._of_name.pop(name, None)
        if self._done_of is not None:
            self._are_several_done = self._are_several_done or name != self._done_of
        self._done_of = name

    def failed(self, error: MigrateError, name: int | None) -> None:
        """Take note that something of a name was out of reach."""
        cause = error.cause if isinstance(error, SharedError) else error
        row = self._in_a_row
        if not any(cause is one for one, _ in row):
            row.append((cause, name))
        if name is None:
            self._first_around = self._first_around or error
        else:
            self._first = self._first or error
            mine = self._of_name.setdefault(name, [])
            if not any(cause is one for one in mine):
                mine.append(cause)
            if len(mine) >= _IN_A_ROW:
                self._lost.setdefault(name, error)
        names = {one for _, one in row}
        around = sum(one is None for _, one in row)
        enough = _NAMES_ANSWERED if error.problem in _ANSWERED else _NAMES_IN_A_ROW
        are_many = len(names - {None}) >= min(enough, self._names)
        is_gone = around >= _IN_A_ROW or (len(row) >= _IN_A_ROW and are_many)
        if error.problem is errors.NO_CREDENTIALS or is_gone:  # without them nothing can succeed
            self.fatal = self.fatal or error

    def is_lost(self, name: int) -> bool:
        """Whether so much of a name failed that nothing of it is to be begun any more."""
        return name in self._lost

    def why_not(self) -> MigrateError | None:
        """Return why a run that has ended could reach nothing, or in the end nothing any more."""
        if self.fatal:
            return self.fatal
        if self._done_of is None:
            around = None if self._is_anything_done else self._first_around
            return self._first or around
        return None if self._are_several_done else self._lost.get(self._done_of)
