"""Whose pulls a verification tries, as a person names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from gcr_migrate.errors import BAD_USAGE, MigrateError

if TYPE_CHECKING:
    from gcr_migrate.verify.answers import Expect
    from gcr_migrate.verify.redirect import Identity

_OPTION: Final = "--as-token-file"
AsTokenFile = Annotated[
    list[str] | None,
    typer.Option(
        _OPTION,
        metavar="NAME=FILE[:works|:refused]",
        help="Access token of somebody who tries to pull by each gcr.io name; repeat it. Without"
        " a word at its end the pull should work.",
    ),
]
Anonymous = Annotated[
    str | None,
    typer.Option(
        "--anonymous",
        metavar="works|refused",
        help="What a pull without a login should come to. Default: what it came to when the"
        " baseline was taken; without one it is not tried.",
    ),
]


def identities(named: list[str]) -> tuple[Identity, ...]:
    """Return who is named by `--as-token-file`.

    The files are read when they are used, so that one that is missing hides nothing else.

    Raises:
        MigrateError: `bad-usage`.
    """
    found = tuple(map(_identity, named))
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1:
            raise MigrateError(BAD_USAGE, subject=f"{_OPTION} {name}=", saw="named twice")
    return found


def _identity(text: str) -> Identity:
    from gcr_migrate.model.login import Login
    from gcr_migrate.verify.answers import Expect
    from gcr_migrate.verify.redirect import ANYBODY, Identity

    name, _, file = text.partition("=")
    expects = Expect.WORKS
    path, colon, word = file.rpartition(":")
    if colon and word in set(Expect):
        file, expects = path, Expect(word)
    if not name or not file or name == ANYBODY or not name.isprintable():
        saw = "not NAME=FILE, with or without :works or :refused at its end"
        raise MigrateError(BAD_USAGE, subject=f"{_OPTION} {name}=", saw=saw)
    return Identity(name, Login(access_token_file=file), expects)


def anonymous(word: str | None) -> Expect | None:
    """Return what `--anonymous` says.

    Raises:
        MigrateError: `bad-usage`.
    """
    from gcr_migrate.verify.answers import Expect

    if word is None:
        return None
    if word not in set(Expect):
        saw = f"it is {' or '.join(Expect)}"
        raise MigrateError(BAD_USAGE, subject=f"--anonymous {word}", saw=saw)
    return Expect(word)
