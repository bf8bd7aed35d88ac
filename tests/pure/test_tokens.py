"""Tokens that are renewed in time, once for all, and tokens that cannot be."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from gcr_migrate.errors import BAD_CREDENTIALS, UNREACHABLE, MigrateError
from gcr_migrate.google.tokens import AccessToken, Given, Renewing, end_of
from gcr_migrate.wire.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable


class Mint:
    """Gives a new token each time, or fails.

    Attributes:
        life_s: for how long a token is good; None does not say.
        error: is raised instead of giving one.
        fresh: what was asked for each time.
    """

    words, renewable, quota_project = "mint", True, ""

    def __init__(self, life_s: float | None) -> None:
        self.life_s = life_s
        self.error: MigrateError | None = None
        self.fresh: list[bool] = []

    async def fetch(self, *, fresh: bool) -> AccessToken:
        """Give the next token."""
        self.fresh.append(fresh)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        ends = None if self.life_s is None else time.time() + self.life_s
        return AccessToken(Secret(f"t{len(self.fresh)}"), ends)

    async def account(self) -> str:
        """Say nothing."""
        return ""


class Note:
    """A place where one token stands."""

    words, renewable, quota_project = "note", False, ""

    def __init__(self, text: str) -> None:
        self.text = text
        self.error: MigrateError | None = None

    async def fetch(self, *, fresh: bool) -> AccessToken:
        """Read it."""
        assert not fresh
        if self.error:
            raise self.error
        return AccessToken(Secret(self.text))

    async def account(self) -> str:
        """Say nothing."""
        return ""


def holding(life_s: float | None) -> tuple[Mint, Renewing]:
    """Return a source, and who holds its tokens."""
    mint = Mint(life_s)
    return mint, Renewing(mint)


@pytest.mark.parametrize("life_s", [3600.0, 100.0, None])
def test_all_who_wait_get_one_token(life_s: float | None) -> None:
    """Fifty at once and fifty later lead to one request."""
    mint, holder = holding(life_s)

    async def work() -> set[Secret]:
        first = await asyncio.gather(*(holder.get() for _ in range(50)))
        later = await asyncio.gather(*(holder.get() for _ in range(50)))
        return {token.secret for token in (*first, *later)}

    assert asyncio.run(work()) == {Secret("t1")}
    assert mint.fresh == [False]


@pytest.mark.parametrize(("life_s", "left_s", "renewed"), [(3600, 290, True), (3600, 310, False)])
def test_a_token_is_renewed_five_minutes_ahead(
    monkeypatch: pytest.MonkeyPatch, life_s: float, left_s: float, *, renewed: bool
) -> None:
    """Of an hour, so that no long request ends after its token."""
    _, holder = holding(life_s)
    asyncio.run(holder.get())
    now = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now + life_s - left_s)
    assert asyncio.run(holder.get()).secret == Secret("t2" if renewed else "t1")


@pytest.mark.parametrize(("left_s", "renewed"), [(5, True), (15, False)])
def test_a_short_token_is_renewed_at_a_tenth_of_its_life(
    monkeypatch: pytest.MonkeyPatch, left_s: float, *, renewed: bool
) -> None:
    """Five minutes ahead of 100 seconds would be always."""
    _, holder = holding(100)
    asyncio.run(holder.get())
    now = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now + 100 - left_s)
    assert asyncio.run(holder.get()).secret == Secret("t2" if renewed else "t1")


def test_a_token_is_kept_while_its_source_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that fails five minutes ahead has five minutes to come back."""
    mint, holder = holding(3600)
    asyncio.run(holder.get())
    mint.error = MigrateError(UNREACHABLE, subject="mint")
    now = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now + 3400)
    assert asyncio.run(holder.get()).secret == Secret("t1")
    monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
    with pytest.raises(MigrateError, match="unreachable"):
        asyncio.run(holder.get())


def test_a_refused_token_is_renewed_once() -> None:
    """All whose token was refused get the next one; it is not refused by their late reports."""
    mint, holder = holding(3600)

    async def work() -> Secret:
        secret = (await holder.get()).secret
        for _ in range(3):
            await holder.refused(secret)
            await holder.get()
        return (await holder.get()).secret

    assert asyncio.run(work()) == Secret("t2")
    assert mint.fresh == [False, True]


def test_a_refused_token_is_not_kept_when_there_is_no_other() -> None:
    """That it should still be good does not count any more."""
    mint, holder = holding(3600)
    secret = asyncio.run(holder.get()).secret
    mint.error = MigrateError(BAD_CREDENTIALS, subject="mint")
    asyncio.run(holder.refused(secret))

    with pytest.raises(MigrateError, match="bad-credentials"):
        asyncio.run(holder.get())


def given_refused(prepare: Callable[[Note, Given], None]) -> None:
    """Let a service refuse the one token that there was."""
    note = Note("t1")
    holder = Given(note)
    prepare(note, holder)
    asyncio.run(holder.refused(Secret("t1")))


def test_a_token_that_was_never_good_has_not_ended() -> None:
    """A wrong token stays what it is: not accepted."""
    given_refused(lambda _, __: None)


@pytest.mark.parametrize("known", ["accepted", "ended"])
def test_a_token_that_was_good_has_ended(known: str) -> None:
    """By what a service said of it, or by its issuer's clock."""

    def prepare(_: Note, holder: Given) -> None:
        if known == "accepted":
            holder.accepted(Secret("t1"))
        else:
            holder.learn(Secret("t1"), time.time() - 1)

    with pytest.raises(MigrateError, match="token-expired"):
        given_refused(prepare)


def test_another_token_in_its_place_goes_on() -> None:
    """A file that was written anew has a token that nobody has refused."""

    def prepare(note: Note, holder: Given) -> None:
        holder.accepted(Secret("t1"))
        note.text = "t2"

    given_refused(prepare)


def test_a_token_is_kept_while_another_is_written_in_its_place() -> None:
    """A shell empties the file a second before the new token is in it."""
    note = Note("t1")
    holder = Given(note)
    asyncio.run(holder.get())

    note.error = MigrateError(BAD_CREDENTIALS, subject="note")
    assert asyncio.run(holder.get()).secret == Secret("t1")
    note.text, note.error = "t2", None
    assert asyncio.run(holder.get()).secret == Secret("t2")


def test_a_place_that_never_had_a_token_is_told() -> None:
    """Only what was once read can be kept."""
    note = Note("t1")
    note.error = MigrateError(BAD_CREDENTIALS, subject="note")
    with pytest.raises(MigrateError, match="bad-credentials"):
        asyncio.run(Given(note).get())


@pytest.mark.parametrize(
    ("said", "life_s"),
    [
        (3_599, 3_599),
        ("3600", 3_600),
        (0, 0),
        (1e308, 86_400),
        (10**400, 86_400),
        (float("inf"), 86_400),
        ("9" * 5_000, None),
        (-5, None),
        ("-6", None),
        (float("nan"), None),
        (True, None),
        ("\N{SUPERSCRIPT TWO}", None),
        ([], None),
    ],
)
def test_no_life_that_a_service_tells_is_beyond_us(said: object, life_s: float | None) -> None:
    """It is a moment that can be told to people, or nothing."""
    ends = end_of(said)
    assert ends is None if life_s is None else ends == pytest.approx(time.time() + life_s, abs=5)
