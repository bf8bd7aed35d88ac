"""What others say may hold what nobody is to see."""

from __future__ import annotations

import base64
import json

import pytest

from gcr_migrate.wire.refusals import Refusal
from gcr_migrate.wire.secret import unrepeated, without_secrets

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


@pytest.mark.parametrize(
    "said",
    [
        f"the token {OPAQUE} may not write",
        f'{{"message": "{OPAQUE} is unknown"}}',
        json.dumps({"message": f"the token {OPAQUE}"}).replace("/", "\\/"),
        f"token={OPAQUE}",
        f"{BASIC} is no login",
        f"no such password: {OPAQUE}",
        f"<SignatureProvided>{HIDDEN}%2Fmore</SignatureProvided>",
        f"<SignatureProvided>{HIDDEN}/more</SignatureProvided>",
    ],
)
@pytest.mark.parametrize("login", [f"Bearer {OPAQUE}", f"Basic {BASIC}"])
def test_what_was_sent_is_not_shown_in_whatever_words_it_is_repeated(said: str, login: str) -> None:
    """No pattern knows each form of a token; but what we have sent ourselves is known."""
    sent = {"Authorization": login, "accept": "*/*"}
    shown = unrepeated(said.encode(), sent, URL).decode()
    told = {BASIC} if login.startswith("Bearer") else set()
    assert not any(
        one in shown for one in {HIDDEN, OPAQUE, OPAQUE.replace("/", "\\/"), BASIC} - told
    )


def test_an_answer_that_repeats_nothing_is_left_as_it_is() -> None:
    """Nor is what is too short to be told from a part of a word."""
    said = b"denied to a user of p: 2 of 2 parts"
    login = base64.b64encode(b"u:p").decode()
    assert (
        unrepeated(said, {"authorization": f"Basic {login}"}, "https://h/x?key=2&part=of") == said
    )
    assert unrepeated(said, {}, "https://h/x") == said
