"""What error bodies say: their three forms, what is known by structure, and what is never shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.wire.refusals import Refusal
from gcr_migrate.wire.replies import Reply, pause_of, problem_of
from tests.answers import google, oci

_WORDS = (
    "error errors code message status details @type reason metadata "
    "retryDelay violations type description uid consumer quota_limit"
)
_KEYS = st.sampled_from(_WORDS.split())
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(_KEYS, _JSON, max_size=5), st.integers(400, 599))
def test_no_body_is_too_odd_to_be_told(body: dict[str, object], status: int) -> None:
    """Members of any type, at any place, give an error and no traceback."""
    error = problem_of(Reply(status, {}, json.dumps(body).encode(), ""), "h/x")
    assert error.saw.startswith(str(status))
    assert error.saw.isprintable()


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd_to_be_told(body: bytes) -> None:
    """What is no JSON is plain text, whatever its bytes are."""
    assert problem_of(Reply(403, {}, body, ""), "h/x").problem.code == "denied"


def test_words_are_kept_to_five_hundred_characters() -> None:
    """Enough to read, too short to flood."""
    assert len(Refusal.read(oci("DENIED", "x" * 9_999).encode()).words) == 500


def test_a_unique_id_outlives_the_cut() -> None:
    """Those who run a perimeter find nothing without it."""
    message = "x" * 600 + " vpcServiceControlsUniqueIdentifier: the-id_1"
    error = problem_of(Reply(403, {}, oci("DENIED", message).encode(), ""), "h/x")
    assert (error.problem.code, error.saw[-8:]) == ("perimeter", "the-id_1")


@pytest.mark.parametrize(
    "secret",
    ["X-Goog-Signature=very-secret", "access_token=very-secret", "X-Goog-Credential=very-secret"],
)
def test_signed_addresses_in_a_body_are_not_shown(secret: str) -> None:
    """A storage that quotes the URL that it refuses gives nothing away."""
    body = f"<Error>GET https://storage.example/b?a=b&{secret}&c=d</Error>".encode()
    words = Refusal.read(body).words
    assert "very-secret" not in words
    assert "https://storage.example/b?a=b&" in words


@pytest.mark.parametrize(
    ("header", "delay", "pause"),
    [
        (None, "17s", 17.0),
        (None, "0.250s", 0.25),
        (None, "3600s", 120.0),
        (None, "soon", None),
        (None, "-4s", None),
        ("3", "17s", 3.0),
        ("soon", "17s", 17.0),
    ],
)
def test_the_pause_of_a_body_counts_where_no_header_says_one(
    header: str | None, delay: str, pause: float | None
) -> None:
    """A RetryInfo is read like Retry-After, with the same bound."""
    headers = {"retry-after": header} if header else {}
    body = google("RESOURCE_EXHAUSTED", delay=delay).encode()
    assert pause_of(Reply(429, headers, body, "")) == pause


@pytest.mark.parametrize(
    "message",
    [
        "Permission 'serviceusage.services.list' denied on projects/p",
        "caller does not have storage.objects.list access to the bucket",
        "Permission 'artifactregistry.repositories.get' denied on resource",
        "organization's policy",
    ],
)
def test_an_ordinary_denial_is_no_special_one(message: str) -> None:
    """Words that only resemble those of another cause lead nobody astray."""
    body = google("PERMISSION_DENIED", message).encode()
    assert problem_of(Reply(403, {}, body, ""), "h/x").problem.code == "denied"


def test_a_reason_counts_more_than_words() -> None:
    """Structure is stable, words are not."""
    body = google("X", "requires billing to be enabled", reason="SERVICE_DISABLED").encode()
    assert problem_of(Reply(403, {}, body, ""), "h/x").problem.code == "api-disabled"
