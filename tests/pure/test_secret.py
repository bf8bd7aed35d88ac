"""What others say may hold what nobody is to see."""

from __future__ import annotations

import base64
import json

import pytest

from gcr_migrate.wire.refusals import Refusal
from gcr_migrate.wire.replies import Reply, codes_of, words_of
from gcr_migrate.wire.secret import secrets_of, without_secrets
from tests.answers import oci

HIDDEN = "hunter2-hunter2.hunter2"


@pytest.mark.parametrize(
    "text",
    [
        f"no such page; request was Authorization: Bearer {HIDDEN}",
        f"authorization: basic {HIDDEN}==",
        f"token ya29.{HIDDEN} is not accepted",
        f"refresh token 1//{HIDDEN} was revoked",
        f"assertion eyJ{HIDDEN} is too old",
        f'{{"Username": "u", "Secret": "{HIDDEN}"}}',
        f'{{"access_token":"{HIDDEN}"}}',
        f"'id_token': '{HIDDEN}'",
        json.dumps(json.dumps({"private_key": HIDDEN})),
        f"-----BEGIN RSA PRIVATE KEY-----\n{HIDDEN}\n{HIDDEN}",
        f"https://storage.example/b?a=b&X-Goog-Signature={HIDDEN}&c=d",
        f"no such upload: PUT /v2/a/blobs/uploads/1?_state={HIDDEN}&digest=sha256:ab",
        f"<a href='/v2/a/blobs/uploads/1?digest=x&amp;_state={HIDDEN}'>",
        f"https://login.example/?code=1&state={HIDDEN}",
    ],
)
def test_no_secret_that_is_said_is_shown(text: str) -> None:
    """Neither where it is said alone nor in the error of a service."""
    assert "hunter2" not in without_secrets(text)
    for body in ({"error": {"message": text}}, {"errors": [{"message": text}]}, {"details": text}):
        assert "hunter2" not in Refusal.read(json.dumps(body).encode()).words
    assert "hunter2" not in Refusal.read(text.encode()).words


@pytest.mark.parametrize(
    "text",
    [
        "basic authentication failed",
        "the bearer of this token is not allowed",
        "Unauthenticated request. Unauthenticated requests do not have permission",
        "token is expired",
        '{"error": "invalid_grant"}',
        "no rows for ?tag_state=tagged&states=2",
    ],
)
def test_words_about_secrets_are_left(text: str) -> None:
    """A person has to know what was wrong with them."""
    assert without_secrets(text) == text


OPAQUE = "Opaque/of+no-known.form"
URL = f"https://storage.example/b?X-Goog-Signature={HIDDEN}%2Fmore&part=2"
BASIC = base64.b64encode(f"user:{OPAQUE}".encode()).decode()
FORM = b"grant_type=refresh_token&client_secret=Of%2Fa+client&scope=cloud-platform"


def told(said: str | bytes, **sent: str) -> str:
    """Return what is shown of the answer to a request with these fields."""
    body = said if isinstance(said, bytes) else said.encode()
    return words_of(Reply(403, {}, body, URL, secrets_of(sent, URL, FORM)))


@pytest.mark.parametrize(
    "said",
    [
        f"the token {OPAQUE} may not write",
        f'{{"errors": [{{"code": "DENIED", "message": "{OPAQUE} is unknown"}}]}}',
        f'{{"details": "{OPAQUE}"}}'.replace("/", "\\/"),
        f"token={OPAQUE}",
        f"no such password: {OPAQUE}",
    ],
)
@pytest.mark.parametrize("login", [f"Bearer {OPAQUE}", f"Basic {BASIC}"])
def test_what_was_sent_is_not_shown_in_whatever_words_it_is_repeated(said: str, login: str) -> None:
    """No pattern knows each form of a token; but what we have sent ourselves is known."""
    assert OPAQUE in told(said)
    assert "Opaque" not in told(said, Authorization=login)


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        (f"{BASIC} is no login", BASIC),
        (f"<SignatureProvided>{HIDDEN}%2Fmore</SignatureProvided>", "hunter2"),
        (f"<SignatureProvided>{HIDDEN}/more</SignatureProvided>", "hunter2"),
        ("no client has Of/a client", "Of/a"),
        ("the key an-api-key-of-ours is blocked", "an-api-key"),
    ],
)
def test_neither_are_signatures_keys_and_values_of_forms(said: str, hidden: str) -> None:
    """Wherever in a request a secret is."""
    fields = {"authorization": f"Basic {BASIC}", "x-api-key": "an-api-key-of-ours"}
    assert hidden in said
    assert hidden not in told(said, **fields)


@pytest.mark.parametrize("password", ['hunt<er2>&"x', "hunter\\2xx", "hünter2", "hunter/2"])
def test_a_password_is_found_in_whatever_way_json_writes_it(password: str) -> None:
    """Some encoders escape more than they must."""
    login = base64.b64encode(f"user:{password}".encode()).decode()
    body = json.dumps({"errors": [{"code": "DENIED", "message": f"no such password: {password}"}]})
    for one in (body, body.replace("<", "\\u003c").replace("&", "\\u0026").replace("/", "\\/")):
        assert told(one, authorization=f"Basic {login}") == "403 DENIED no such password: …"


def test_what_a_service_means_does_not_depend_on_a_password() -> None:
    """Its codes are read before anything is taken out of its words."""
    login = base64.b64encode(b"user:UNKNOWN").decode()
    sent = secrets_of({"authorization": f"Basic {login}"}, "https://h/x")
    assert codes_of(Reply(404, {}, oci("NAME_UNKNOWN").encode(), "", sent)) == {"NAME_UNKNOWN"}


def test_an_answer_that_repeats_nothing_is_left_as_it_is() -> None:
    """Nor is what is too short to be told from a part of a word."""
    login = base64.b64encode(b"u:p").decode()
    said = "denied to a user of p: 2 of 2 parts, as text/plain"
    fields = {"authorization": f"Basic {login}", "content-type": "text/plain", "accept": "denied"}
    assert told(said, **fields) == f"403 {said}"
