"""Numbers and words in environment variables: what cannot be used is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.connect.settings import Settings
from gcr_migrate.errors import MigrateError

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.mark.parametrize(
    ("name", "text", "saw"),
    [
        ("GCR_MIGRATE_RETRY_TRIES", "many", "it is no whole number from 1 to 100"),
        ("GCR_MIGRATE_RETRY_TRIES", "0", "it is no whole number from 1 to 100"),
        ("GCR_MIGRATE_RETRY_TRIES", "2.5", "it is no whole number from 1 to 100"),
        ("GCR_MIGRATE_RETRY_TRIES", "101", "it is no whole number from 1 to 100"),
        ("GCR_MIGRATE_RETRY_PAUSE_S", "-1", "it is no number of 0 or more"),
        ("GCR_MIGRATE_IDLE_TIMEOUT_S", "0", "it is no number of 0.1 or more"),
        ("GCR_MIGRATE_COPY_TIMEOUT_S", "nan", "it is no number of 0.1 or more"),
        ("GCR_MIGRATE_QUOTA_WAIT_S", "2m", "it is no number of 0 or more"),
        ("GCR_MIGRATE_READ_BYTES", "4GiB", "it is no whole number of 1 or more"),
        ("GCR_MIGRATE_CREATION_PAUSE_S", "1e3", "it is no number of 0 or more"),
    ],
)
def test_a_number_that_is_none_is_refused(name: str, text: str, saw: str) -> None:
    """By the name of its variable, with what it can hold."""
    with pytest.raises(MigrateError) as raised:
        Settings(environ={name: text})

    error = raised.value
    assert (error.problem.code, error.subject, error.saw) == ("bad-variable", f"{name}={text}", saw)


def test_numbers_count_as_they_are_written() -> None:
    """Fractions where seconds are told, and what is empty is not set."""
    settings = Settings(
        environ={
            "GCR_MIGRATE_RETRY_TRIES": "100",
            "GCR_MIGRATE_RETRY_PAUSE_S": "0.5",
            "GCR_MIGRATE_IDLE_TIMEOUT_S": "1.5",
            "GCR_MIGRATE_QUOTA_WAIT_S": ".5",
            "GCR_MIGRATE_CREATION_PAUSE_S": "2.",
            "GCR_MIGRATE_READ_BYTES": "9900000000",
            "GCR_MIGRATE_COPY_TIMEOUT_S": "",
        }
    )

    assert (settings.backoff().tries, settings.backoff().base_s) == (100, 0.5)
    assert (settings.idle_s(), settings.creation_pause_s()) == (1.5, 2)
    assert settings.dialect("distribution").read_bytes_at_most == 9_900_000_000
    assert settings.copy_s() == Settings(environ={}).copy_s() == 600


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--version"], ["apply", "--help"], ["explain", "bad-variable"]])
def test_who_asks_what_to_do_about_a_variable_is_answered(cli: Cli, words: list[str]) -> None:
    """Whatever is in it."""
    variables: dict[str, Any] = {"GCR_MIGRATE_LOG": "loud"}

    assert cli(*words, **variables).returncode == 0
