"""Challenges and tokens, against a registry of a few lines on httpx's own seam."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, TypeVar

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Descriptor, Digest
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.registry import auth
from gcr_migrate.registry.auth import Authorizer, Challenge
from gcr_migrate.registry.client import RegistryClient
from gcr_migrate.registry.listing import Lists
from gcr_migrate.wire.endpoints import Endpoints
from gcr_migrate.wire.pilot import Pilot
from gcr_migrate.wire.replies import Reply
from gcr_migrate.wire.retry import Backoff
from gcr_migrate.wire.secret import Secret
from gcr_migrate.wire.transport import Wire
from tests.feeds import one_piece, whole
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from gcr_migrate.model.dialect import Dialect

T = TypeVar("T")
HOST = "registry.example"
REALM = f"https://{HOST}/token"


class Fake:
    """A registry that wants tokens.

    Attributes:
        challenge: WWW-Authenticate of its 401.
        token_reply: what the token service gives; `{n}` is the number of the token.
        token_statuses: what it answers, the last again and again.
        odd_tokens: bodies that it gives before, one after the other.
        lists: replies to everything else, the last again and again.
        asked: requests, as method and target, with their Authorization.
    """

    def __init__(self, challenge: str = f'bEaReR realm="{REALM}",service="s"') -> None:
        self.challenge = challenge
        self.token_reply: dict[str, object] = {"token": "t{n}", "expires_in": 3600}
        self.token_statuses = [200]
        self.odd_tokens: list[str] = []
        self.lists = [Answer(body={"tags": ["a"]})]
        self.asked: list[tuple[str, str]] = []
        self.tokens = 0
        self._lock = threading.Lock()

    def answer(self, request: Asked) -> Answer:
        """Answer one request."""
        with self._lock:
            authorization = request.headers.get("authorization", "")
            self.asked.append((f"{request.method} {request.target}", authorization))
            if request.target == "/v2/":
                return Answer(401, headers={"www-authenticate": self.challenge})
            if request.target.startswith("/token"):
                self.tokens += 1
                if self.odd_tokens:
                    return Answer(body=self.odd_tokens.pop(0))
                text = json.dumps(self.token_reply).replace("{n}", str(self.tokens))
                return Answer(_next(self.token_statuses), text)
            return _next(self.lists)


def _next(answers: list[T]) -> T:
    return answers.pop(0) if len(answers) > 1 else answers[0]


class Logins:
    """Logs in with passwords, one after the other; the last again and again.

    Attributes:
        outcomes: what was told of them: `accepted` or `refused`, and the Authorization.
    """

    def __init__(self, *passwords: str) -> None:
        self.passwords = list(passwords)
        self.outcomes: list[tuple[str, str]] = []

    async def for_host(self, _host: str) -> tuple[str, Secret] | None:
        """Log in as ada, or as nobody where there is no password."""
        return ("ada", Secret(self.passwords[0])) if self.passwords else None

    async def accepted(self, sent: Mapping[str, str]) -> None:
        """Take note of it."""
        self.outcomes.append(("accepted", sent.get("authorization", "")))

    async def refused(self, sent: Mapping[str, str]) -> None:
        """Take note of it, and take the next password."""
        self.outcomes.append(("refused", sent.get("authorization", "")))
        if len(self.passwords) > 1:
            self.passwords.pop(0)


def using(
    fake: Fake,
    work: Callable[[RegistryClient], Awaitable[object]],
    dialect: Dialect = DISTRIBUTION,
    *,
    anonymous: bool = False,
    logins: Logins | None = None,
    pilot: Pilot | None = None,
) -> None:
    """Work with a client of the fake."""
    chosen = Logins() if anonymous else logins or Logins("hunter2")

    async def run(endpoints: Endpoints) -> None:
        async with Wire(endpoints, Backoff(tries=2, base_s=0.001), pilot=pilot) as wire:
            await work(RegistryClient(HOST, wire, chosen, dialect))

    with Scripted(fake.answer) as server:
        mapped = {"registries": {HOST: server.url}}
        asyncio.run(run(Endpoints.load(json.dumps(mapped), "endpoints.yaml")))


def hurried() -> Pilot:
    """Return a pilot for whom a second is a fiftieth of one."""
    return Pilot(
        clock=lambda: time.monotonic() * 50, sleep=lambda wait_s: asyncio.sleep(wait_s / 50)
    )


def refusal(fake: Fake, dialect: Dialect = DISTRIBUTION) -> MigrateError:
    """Return the error that a listing ends with."""
    with pytest.raises(MigrateError) as raised:
        using(fake, lambda client: client.listing("a/b"), dialect)
    assert "hunter2" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ('Bearer realm="https://h/t",service="s"', Challenge("bearer", "https://h/t", "s")),
        ('BEARER Realm="https://h/t" , SERVICE=s', Challenge("bearer", "https://h/t", "s")),
        ('bearer realm="https://h/t?a=b,c",service=""', Challenge("bearer", "https://h/t?a=b,c")),
        ('Basic realm="x"', Challenge("basic", "x")),
        ("", Challenge("")),
        (None, Challenge("")),
    ],
)
def test_challenges_are_read(header: str | None, challenge: Challenge) -> None:
    """Scheme and names count in any case; commas may be within quotes."""
    assert Challenge.parse(header) == challenge


def test_the_password_goes_to_the_token_service_only() -> None:
    """The call itself carries the token that was bought."""
    fake = Fake()
    using(fake, lambda client: client.listing("a/b"))
    assert [authorization.partition(" ")[0] for _, authorization in fake.asked] == [
        "",
        "Basic",
        "Bearer",
    ]
    assert "scope=repository%3Aa%2Fb%3Apull" in fake.asked[1][0]
    assert "service=s" in fake.asked[1][0]


def test_anonymous_callers_buy_tokens_without_a_password() -> None:
    """Public images need a token too."""
    fake = Fake()
    using(fake, lambda client: client.listing("a/b"), anonymous=True)
    assert [a for _, a in fake.asked] == ["", "", "Bearer t1"]


def test_a_mount_asks_for_both_names() -> None:
    """Push on the target and pull on the source, in one token."""
    fake = Fake()
    fake.lists = [Answer(201)]
    using(fake, lambda client: client.mount("new/name", Digest.of(b""), "old/name"))
    token = fake.asked[1][0]
    assert "scope=repository%3Anew%2Fname%3Apull%2Cpush" in token
    assert "scope=repository%3Aold%2Fname%3Apull" in token


def test_a_basic_challenge_gets_the_password_with_each_call() -> None:
    """Some plain registries know no tokens."""
    fake = Fake('Basic realm="x"')
    using(fake, lambda client: client.listing("a/b"))
    assert fake.asked[-1][1].startswith("Basic ")
    assert fake.tokens == 0


def test_waiters_share_one_renewal() -> None:
    """Thirty callers at once, and one token that lives long enough for all."""
    fake = Fake()
    using(fake, lambda client: asyncio.gather(*(client.listing("a/b") for _ in range(30))))
    assert fake.tokens == 1


def test_a_token_service_over_its_quota_is_asked_again_once_for_all() -> None:
    """Fifty callers wait for the same pause, and one of them asks."""
    fake = Fake()
    fake.token_statuses = [429, 200]
    fifty = range(50)
    using(
        fake,
        lambda client: asyncio.gather(*(client.listing("a/b") for _ in fifty)),
        pilot=hurried(),
    )
    assert fake.tokens == 2


@pytest.mark.parametrize(("life", "bought"), [(3600, 1), (None, 1), (0.001, 2)])
def test_a_token_is_renewed_before_it_ends(life: float | None, bought: int) -> None:
    """One without a stated life is used for a minute; one that is over is bought again."""
    fake = Fake()
    fake.token_reply = {"access_token": "t{n}"} | ({"expires_in": life} if life else {})

    async def twice(client: RegistryClient) -> None:
        await client.listing("a/b")
        await asyncio.sleep(0.01)
        await client.listing("a/b")

    using(fake, twice)
    assert fake.tokens == bought


@pytest.mark.parametrize(("anonymous", "calls"), [(False, 4), (True, 2)])
def test_a_refused_token_is_renewed_a_few_times_only(anonymous: bool, calls: int) -> None:  # noqa: FBT001
    """A registry that goes on to say 401 gets so many calls, and then it is a problem."""
    fake = Fake()
    fake.lists = [Answer(401)]
    with pytest.raises(MigrateError, match="unauthorized"):
        using(fake, lambda client: client.listing("a/b"), anonymous=anonymous)
    assert fake.tokens == calls
    assert len([one for one, _ in fake.asked if "tags/list" in one]) == calls


def test_the_same_token_again_is_tried_once_only() -> None:
    """A service that has no other one is not asked on and on."""
    fake = Fake()
    fake.token_reply = {"token": "t", "expires_in": 3600}
    fake.lists = [Answer(401)]
    assert refusal(fake).problem.code == "unauthorized"
    assert len([one for one, _ in fake.asked if "tags/list" in one]) == 2


async def _list(client: RegistryClient) -> None:
    await client.listing("a/b")


async def _read(client: RegistryClient) -> None:
    async with client.open_blob("a/b", Descriptor("x", Digest.of(b"{}"), 2)) as feed:
        assert await whole(feed) == b"{}"


async def _write(client: RegistryClient) -> None:
    blob = Descriptor("x", Digest.of(b"{}"), 2)
    await client.upload("a/b", blob, lambda: one_piece(b"{}"), session=f"https://{HOST}/session")


@pytest.mark.parametrize("work", [_list, _read, _write])
def test_tokens_that_are_revoked_in_a_row_are_renewed(
    work: Callable[[RegistryClient], Awaitable[None]],
) -> None:
    """Each was good when it was bought, and the fourth one lasts."""

    class Revoking(Fake):
        def answer(self, request: Asked) -> Answer:
            if request.method == "POST":  # the session of an upload is not what is refused
                return Answer(202, headers={"location": "/session"})
            return super().answer(request)

    fake = Revoking()
    good = Answer(201) if work is _write else Answer(body={"tags": []} if work is _list else {})
    fake.lists = [Answer(401), Answer(401), Answer(401), good]
    using(fake, work)
    assert len({authorization for _, authorization in fake.asked if "Bearer" in authorization}) >= 4


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (403, "denied")])
def test_the_token_service_may_refuse(status: int, code: str) -> None:
    """403 there means that rights are missing, or the name."""
    fake = Fake()
    fake.token_statuses = [status]
    assert refusal(fake).problem.code == code


@pytest.mark.parametrize("odd", ["<html>", "[]", '{"token": "t'], ids=["page", "list", "cut"])
def test_one_odd_answer_of_the_token_service_is_asked_for_again(odd: str) -> None:
    """What is no JSON object says nothing about the login: the next answer has the token."""
    fake = Fake()
    fake.odd_tokens, fake.lists = [odd], [Answer()]
    using(fake, _read)
    assert fake.tokens == 2


@pytest.mark.parametrize("work", [_list, _read])
def test_a_token_service_that_stays_odd_is_given_up(
    work: Callable[[RegistryClient], Awaitable[None]],
) -> None:
    """It is asked as often as anything is, also by who asks for a whole list again."""
    fake = Fake()
    fake.odd_tokens = ["[]"] * 9
    with pytest.raises(MigrateError, match="bad-reply"):
        using(fake, work)
    assert fake.tokens == 2


def test_an_answer_without_a_token_is_one() -> None:
    """The service is not asked on and on for what it does not give."""
    fake = Fake()
    fake.token_reply = {"expires_in": 3600}
    assert refusal(fake).problem.code == "unauthorized"
    assert fake.tokens == 1


@pytest.mark.parametrize(
    "realm", ["http://elsewhere.example/token", "http://127.0.0.1:9/token", "ftp://x/token", ""]
)
def test_a_password_goes_to_no_insecure_realm(realm: str) -> None:
    """A realm that is not https must be the registry itself; nobody at all is asked."""

    async def run() -> None:
        async with Wire(Endpoints()) as wire:
            authorizer = Authorizer(HOST, f"https://{HOST}", wire, Logins("hunter2"))
            authorizer.challenged(f'Bearer realm="{realm}"')
            await authorizer.headers(("scope",))

    with pytest.raises(MigrateError, match="bad-reply"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("realm", "shown"),
    [
        ("", "''"),
        ("/token", "'/token'"),
        ("https://[half/token", "'https://[half/token'"),
        ("https://ada:hunter2@h.example/token", "'h.example/token'"),
    ],
)
def test_a_realm_that_is_no_url_is_told_as_the_realm(realm: str, shown: str) -> None:
    """Who runs the registry finds the header in which it stands; a login in it is not shown."""
    error = refusal(Fake(f'Bearer realm="{realm}",service="s"'))
    assert error.problem.code == "bad-reply"
    assert error.saw == f"the token realm of its challenge is no URL that can be asked: {shown}"


@pytest.mark.parametrize("token", ["schlüssel", "a\nb", "\x7f"])
def test_a_token_that_no_header_can_carry_is_told_as_such(token: str) -> None:
    """It is the token service that gave it, and nothing was unreachable."""
    fake = Fake()
    fake.token_reply = {"token": token}
    error = refusal(fake)
    assert error.problem.code == "bad-reply"
    assert "token service" in error.saw
    assert token not in error.saw


@pytest.mark.parametrize("stolen", ["/v2/", "/token", "/v2/a/b/tags/list", "/v2/a/b/blobs/"])
def test_who_is_redirected_to_gets_no_password(stolen: str) -> None:
    """A host that a registry leads to has no say in where the login for that registry goes."""

    def steal(asked: Asked) -> Answer:
        challenge = f'Bearer realm="http://{asked.headers["host"]}/token",service="s"'
        return Answer(401, headers={"www-authenticate": challenge})

    async def work(client: RegistryClient) -> None:
        await client.listing("a/b")
        async with client.open_blob("a/b", Descriptor("x", Digest.of(b"{}"), 2)) as feed:
            assert await whole(feed) == b"{}"

    class Leading(Fake):
        def answer(self, request: Asked) -> Answer:
            target = request.target
            if target == stolen or (stolen != "/v2/" and target.startswith(stolen)):
                return Answer(302, headers={"location": f"{thief.url}/"})
            return super().answer(request)

    fake = Leading()
    fake.lists.append(Answer())
    with Scripted(steal) as thief:
        if stolen == "/v2/":  # whose own 401 tells it then
            using(fake, work)
        else:
            with pytest.raises(MigrateError, match="bad-reply"):
                using(fake, work)
    assert thief.asked
    assert not [one for one in thief.asked if "authorization" in one.headers]


@pytest.mark.slow
def test_a_list_that_invents_names_for_ever_is_given_up() -> None:
    """Each time that its end is asked for there is one more name."""
    asked: list[str] = []

    async def invent(url: str) -> Reply:
        asked.append(url)
        tags = [*(f"{at:03}" for at in range(999)), f"z{len(asked):05}"]
        return Reply(200, {}, json.dumps({"tags": tags}).encode(), url)

    lists = Lists(invent, Wire(Endpoints()), DISTRIBUTION, "x")
    with pytest.raises(MigrateError, match="never end"):
        asyncio.run(lists.listing(f"https://{HOST}/v2/a/tags/list", "a"))
    assert len(asked) <= 1_010


def test_a_password_that_ended_is_renewed_once() -> None:
    """The token service's 401 is told to who gave it; the next one is taken, and told as good."""
    fake = Fake()
    fake.token_statuses = [401, 200]
    logins = Logins("old", "new")
    using(fake, lambda client: client.listing("a/b"), logins=logins)
    assert [outcome for outcome, _ in logins.outcomes] == ["refused", "accepted"]
    assert logins.outcomes[0][1] != logins.outcomes[1][1]


def test_a_password_of_each_call_is_renewed_once_too() -> None:
    """A registry that takes passwords itself says 401 to one that has ended."""
    fake = Fake('Basic realm="x"')
    fake.lists = [Answer(401), Answer(body={"tags": []})]
    logins = Logins("old", "new")
    using(fake, lambda client: client.listing("a/b"), logins=logins)
    assert [outcome for outcome, _ in logins.outcomes] == ["refused"]
    assert fake.asked[-1][1] != fake.asked[-2][1]


def test_what_cannot_be_renewed_is_refused_twice_at_most() -> None:
    """The same password again: one more try, and then it is a problem."""
    fake = Fake()
    fake.token_statuses = [401]
    assert refusal(fake).problem.code == "unauthorized"
    assert fake.tokens == 2


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (Answer(body=b'{"tags": ["a"'), "bad-reply"),
        (Answer(body=b"[]"), "bad-reply"),
        (Answer(body={"tags": "a"}), "bad-reply"),
        (Answer(body={"tags": [], "manifest": {"x": {}}}), "bad-reply"),
        (
            Answer(body={"tags": []}, headers={"link": '</v2/a/b/tags/list>; rel="next"'}),
            "bad-reply",
        ),
        (
            Answer(body={"tags": []}, headers={"link": '<https://evil.example/>; rel="next"'}),
            "bad-reply",
        ),
        (Answer(412, "Precondition Failed"), "request-refused"),
    ],
)
def test_lists_that_cannot_be_used_are_refused(first: Answer, code: str) -> None:
    """Cut JSON, other shapes, pages in a circle or at another host: no listing, no traceback."""
    fake = Fake()
    fake.lists = [first]
    assert refusal(fake, ARTIFACT_REGISTRY).problem.code == code


@pytest.mark.parametrize("odd", [b'{"tags": ["a"', b"[]", b"null"], ids=["cut", "list", "null"])
def test_json_that_is_no_object_is_asked_for_again(odd: bytes) -> None:
    """Cut or of another shape: the second answer is whole."""
    fake = Fake()
    fake.lists = [
        Answer(body=odd),
        Answer(body={"tags": ["a"]}),
    ]
    using(fake, lambda client: client.listing("a/b"))


@pytest.mark.parametrize(
    ("count", "linked", "cut"), [(9_999, 0, 0), (10_000, 0, 1), (10_000, 1, 0)]
)
def test_a_list_as_long_as_lists_get_may_be_cut(count: int, linked: int, cut: int) -> None:
    """Ten thousand entries without a mark that more follow are suspect."""
    tags = {"tags": [f"t{number}" for number in range(count)], "manifest": {}}
    fake = Fake()
    link = {"link": '</v2/a/b/tags/list?last=x>; rel="next"'} if linked else {}
    fake.lists = [Answer(body=tags, headers=link)]
    if linked:  # a list of several pages is read twice, as it may change between them
        fake.lists += [Answer(body={"tags": ["last"], "manifest": {}}), *fake.lists]
        fake.lists.append(fake.lists[1])

    async def work(client: RegistryClient) -> None:
        listing = await client.listing("a/b")
        assert bool(listing.cut) is bool(cut)
        assert len(listing.tags) == count + linked

    using(fake, work, ARTIFACT_REGISTRY)


@pytest.mark.parametrize("stamp", [1_700_000_000_000, "1700000000000"], ids=["number", "text"])
def test_upload_times_are_read_as_number_or_text(stamp: object) -> None:
    """Container Registry wrote texts, Artifact Registry writes numbers."""
    digest = str(Digest.of(b"x"))
    entry = {"tag": ["a"], "mediaType": "m/t", "timeUploadedMs": stamp, "imageSizeBytes": "7"}
    fake = Fake()
    fake.lists = [Answer(body={"tags": ["a"], "manifest": {digest: entry}})]

    async def work(client: RegistryClient) -> None:
        manifests = (await client.listing("a/b")).manifests or ()
        assert [(m.uploaded_ms, m.size_bytes) for m in manifests] == [(1_700_000_000_000, 7)]

    using(fake, work, ARTIFACT_REGISTRY)


@pytest.mark.parametrize(
    ("location", "saw"),
    [
        (
            "https://evil.example/upload",
            "leads to https://evil.example instead of https://registry.example",
        ),
        ("", "without a Location"),
    ],
)
def test_an_upload_goes_to_the_registry_s_own_host(location: str, saw: str) -> None:
    """A session at another host gets neither bytes nor token, and both are named."""
    fake = Fake()
    fake.lists = [Answer(202, headers={"location": location} if location else {})]
    blob = Descriptor("a/b", Digest.of(b"x"), 1)

    def never() -> object:
        pytest.fail("the source was opened")

    with pytest.raises(MigrateError, match=saw):
        using(fake, lambda client: client.upload("a/b", blob, never))  # type: ignore[arg-type]  # never called
    assert not any("evil" in one for one, _ in fake.asked)


def test_only_the_last_tokens_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry with many names costs no more memory; a name whose token went buys another one."""
    monkeypatch.setattr(auth, "_TOKENS_AT_MOST", 2)
    fake = Fake()

    async def run(client: RegistryClient) -> None:
        for name in ("a", "b", "a", "c", "a", "b"):
            await client.listing(name)

    using(fake, run)
    bought = [asked.split("%3A")[1] for asked, _ in fake.asked if "scope=" in asked]
    assert bought == ["a", "b", "c", "b"]
