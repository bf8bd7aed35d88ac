"""What a command may ask and read in all: never more, whatever is still to be done.

A request is taken from the budget before it is sent, and the bytes of an answer as soon as its
head says how many they are, so that answers that come at once cannot exceed it together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BUDGET_SPENT, MigrateError
from gcr_migrate.wire.pieces import Iterated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gcr_migrate.interfaces import Take
    from gcr_migrate.wire.sender import Answer

_NO_BODY: Final = "HEAD"


class Budget:
    """Requests and bytes that are left; shared by all connections of a command.

    Once something did not fit, nothing more is sent: what is under way comes to its end.

    Attributes:
        requests_left: how many may still be sent; None: any number.
        bytes_left: how many bytes of answers may still be read; None: any number.
    """

    def __init__(self) -> None:
        self.requests_left: int | None = None
        self.bytes_left: int | None = None
        self._spent = ""

    def limit(self, requests: int | None, bytes_: int | None) -> None:
        """State how much there is from now on; None: any number."""
        self.requests_left, self.bytes_left = requests, bytes_

    def has_room(self, size_bytes: int) -> bool:
        """Whether an answer of so many bytes would fit now."""
        return not self._spent and (self.bytes_left is None or size_bytes <= self.bytes_left)

    def request(self, subject: str) -> None:
        """Take one request.

        Raises:
            MigrateError: BUDGET_SPENT.
        """
        if self.requests_left is not None and self.requests_left <= 0:
            self._spent = self._spent or "no request is left"
        if self._spent:
            raise MigrateError(BUDGET_SPENT, subject=subject, saw=self._spent)
        if self.requests_left is not None:
            self.requests_left -= 1

    def not_sent(self) -> None:
        """Give back a request that was taken and never sent."""
        if self.requests_left is not None:
            self.requests_left += 1

    def take(self, size_bytes: int, subject: str) -> None:
        """Take bytes that are going to be read.

        Raises:
            MigrateError: BUDGET_SPENT.
        """
        if self.bytes_left is None:
            return
        if size_bytes > self.bytes_left:
            self._spent = f"{self.bytes_left} bytes are left, and the answer has {size_bytes}"
            raise MigrateError(BUDGET_SPENT, subject=subject, saw=self._spent)
        self.bytes_left -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give back bytes that were taken and not read."""
        if self.bytes_left is not None:
            self.bytes_left += size_bytes

    def metered(self, answer: Answer, method: str, subject: str) -> Answer:
        """Return an answer whose body is taken from the budget.

        Raises:
            MigrateError: BUDGET_SPENT, as its body does not fit; nothing of it was read.
        """
        if self.bytes_left is None or method == _NO_BODY:
            return answer
        text = answer.headers.get("content-length", "")
        length = int(text) if text.isdigit() else 0
        self.take(length, subject)
        return _Metered(answer, self, length, subject)


class _Metered:
    """An answer that is read at the budget's cost.

    Args:
        answer: the answer itself.
        budget: what it costs.
        taken: bytes that were taken for it.
        subject: what an error is about.
    """

    def __init__(self, answer: Answer, budget: Budget, taken: int, subject: str) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._answer = answer
        self._budget = budget
        self._taken = taken
        self._subject = subject

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def _pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._answer:
            beyond = max(0, len(piece) - self._taken)  # more than it said, or it said nothing
            self._budget.take(beyond, self._subject)
            self._taken += beyond - len(piece)
            yield piece

    async def into(self, take: Take) -> None:
        await Iterated(self).into(take)

    async def aclose(self) -> None:
        self._budget.give_back(self._taken)
        self._taken = 0
        await self._answer.aclose()
