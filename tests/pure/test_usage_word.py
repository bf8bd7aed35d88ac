"""The word on the use of a host is read where there is one, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.registry.usage import usage_word

pytestmark = pytest.mark.slow

VALUES: Any = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"usage": "ACTIVE"}', "ACTIVE"),
        (b'{"usage": "REDIRECTION_INCOMPLETE", "name": "p"}', "REDIRECTION_INCOMPLETE"),
        (b'{"usage": ""}', ""),
        (b'{"usage": "\\u001b[2J"}', ""),
        (b'{"usage": ["ACTIVE"]}', ""),
        (b'["usage"]', ""),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_word_or_none(body: bytes, word: str) -> None:
    """Only a plain word is one; anything else is none, and no error."""
    assert usage_word(body) == word


@given(st.binary() | VALUES.map(lambda value: json.dumps({"usage": value}).encode()))
def test_no_answer_breaks_the_reading(body: bytes) -> None:
    """Any bytes give a word in capitals, or nothing."""
    word = usage_word(body)
    assert not word or (word.isascii() and word == word.upper())
