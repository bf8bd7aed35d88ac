"""Where replies lead to: the short way for addresses at the same server changes none of them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.registry.uploads import with_digest
from gcr_migrate.wire.replies import joined

ASKED = "http://127.0.0.1:5000/v2/a/blobs/uploads/"
# A mark with nothing behind it is dropped by some readers; here it stays as it came.
PATHS = st.text("ab./%2F=&?~", max_size=12).filter(lambda text: not text.endswith("?"))


@given(PATHS)
def test_a_whole_address_is_what_any_reader_of_addresses_makes_of_it(path: str) -> None:
    """Also with steps upwards and queries."""
    target = f"http://127.0.0.1:5000/{path}"

    assert joined(ASKED, target, "a") == urljoin(ASKED, target)


@pytest.mark.parametrize("wrong", ["\x7f", "\u00e9"])
def test_what_cannot_be_sent_is_no_address_at_the_same_server_either(wrong: str) -> None:
    """It is refused as one at any other server is."""
    with pytest.raises(MigrateError) as caught:
        joined(ASKED, f"http://127.0.0.1:5000/a{wrong}", "a")

    assert caught.value.problem is BAD_REPLY


@pytest.mark.parametrize(
    ("session", "whole"),
    [
        ("http://h/u", "http://h/u?digest=sha256%3Aa"),
        ("http://h/u?", "http://h/u?digest=sha256%3Aa"),
        ("http://h/u?s=%2F", "http://h/u?s=%2F&digest=sha256%3Aa"),
        ("http://h/u?s=1&", "http://h/u?s=1&&digest=sha256%3Aa"),
        ("http://h/u&", "http://h/u&?digest=sha256%3Aa"),
        ("http://h/u?s=1#end", "http://h/u?s=1&digest=sha256%3Aa#end"),
    ],
)
def test_a_digest_is_added_to_a_session_that_stays_as_it_is(session: str, whole: str) -> None:
    """Whatever its path and its query end with."""
    assert with_digest(session, "sha256:a") == whole
    assert urldefrag(whole)[1] == urldefrag(session)[1]


@given(st.from_regex(r"[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+", fullmatch=True))
def test_any_digest_in_a_query_is_read_as_what_it_is(digest: str) -> None:
    """Also one with characters that mean something there."""
    query = urlsplit(with_digest("http://h/u?s=1", digest)).query

    assert parse_qsl(query) == [("s", "1"), ("digest", digest)]
