"""Lists over several pages: a mark that more follow is seen, or what is behind it is in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import OCI_INDEX, Digest
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION, GCR
from tests.asking import using
from tests.scripted import Answer, Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcr_migrate.model.dialect import Dialect

LINK = '</v2/app/a/tags/list?last=b>; rel="next"'
BROKEN = "</v2/app/a/tags/list?last=b; rel=next"


def paged(link: str, *, listens: bool = True) -> Callable[[Asked], Answer]:
    """Answer with two tags and this header, then with another one; `listens` to who asks on."""

    def answer(asked: Asked) -> Answer:
        if "/tags/list" not in asked.target:
            return Answer()
        if listens and "last=" in asked.target:
            return Answer(body={"tags": [] if "last=c" in asked.target else ["c"]})
        return Answer(body={"tags": ["a", "b"]}, headers={"link": link})

    return answer


@pytest.mark.parametrize(
    "parameters",
    [
        'title="a,b"; rel="next"',
        'rel="start next"',
        "REL=Next",
        'title="a \\" ; b" ; rel = "next"',
        'rel="first", </v2/app/a/tags/list?last=b>; rel="next"',
    ],
)
@pytest.mark.parametrize("dialect", [DISTRIBUTION, ARTIFACT_REGISTRY], ids=["plain", "google"])
def test_no_tag_is_lost_however_the_next_page_is_written(dialect: Dialect, parameters: str) -> None:
    """The link is followed, and the list is whole."""
    link = f"</v2/app/a/tags/list?last=b>; {parameters}"
    listing = using(paged(link), lambda client: client.listing("app/a"), dialect)
    assert (list(listing.tags), listing.cut) == (["a", "b", "c"], "")


@pytest.mark.parametrize("dialect", [GCR, ARTIFACT_REGISTRY], ids=["gcr", "ar"])
@pytest.mark.parametrize("count", [2, 3])
def test_a_tag_that_a_list_puts_at_several_digests_has_none_there(
    dialect: Dialect, count: int
) -> None:
    """Whoever needs it asks for the tag itself; the tag beside it keeps its digest."""
    digests = [str(Digest.of(bytes([one]))) for one in range(count)]
    entries = {one: {"tag": ["moved", f"own{at}"]} for at, one in enumerate(digests)}
    body = {"tags": ["moved", "own0"], "child": [], "manifest": entries}

    def answer(asked: Asked) -> Answer:
        return Answer(body=body if "/tags/list" in asked.target else {})

    tags = using(answer, lambda client: client.listing("app/a"), dialect).tags
    assert tags["moved"] is None
    assert tags["own0"] == Digest.parse(digests[0])


def test_a_link_to_another_page_than_the_next_one_is_none_to_follow() -> None:
    """Where the first page is says nothing of a next one."""
    link = "</v2/app/a/tags/list?last=a>; rel=first"
    listing = using(paged(link), lambda client: client.listing("app/a"), ARTIFACT_REGISTRY)
    assert (list(listing.tags), listing.cut) == (["a", "b"], "")


def test_a_plain_registry_is_asked_what_is_behind_a_link_that_cannot_be_read() -> None:
    """It lists in order, so that its end can be asked for."""
    listing = using(paged(BROKEN), lambda client: client.listing("app/a"))
    assert (list(listing.tags), listing.cut) == (["a", "b", "c"], "")


@pytest.mark.parametrize(
    ("dialect", "listens"),
    [(DISTRIBUTION, False), (ARTIFACT_REGISTRY, True)],
    ids=["deaf", "google"],
)
def test_a_list_whose_link_cannot_be_read_may_be_cut(dialect: Dialect, listens: bool) -> None:  # noqa: FBT001
    """Where nobody can be asked what follows, it is said."""
    work = lambda client: client.listing("app/a")  # noqa: E731
    listing = using(paged(BROKEN, listens=listens), work, dialect)
    assert "Link" in listing.cut


@pytest.mark.parametrize("body", [{}, {"errors": [{"code": "UNKNOWN"}]}, {"name": "app/a"}])
@pytest.mark.parametrize("dialect", [DISTRIBUTION, ARTIFACT_REGISTRY], ids=["plain", "google"])
def test_a_page_without_a_member_of_a_list_is_none(
    dialect: Dialect, body: dict[str, object]
) -> None:
    """The only page or a later one: it is an error, and no list that is empty or ends there."""
    work = lambda client: client.listing("app/a")  # noqa: E731
    with pytest.raises(MigrateError, match="no `tags`"):
        using(lambda _: Answer(body=body), work, dialect)

    def later(asked: Asked) -> Answer:
        return Answer(body=body) if "last=" in asked.target else paged(LINK)(asked)

    with pytest.raises(MigrateError, match="no `tags`"):
        using(later, work, dialect)


@pytest.mark.parametrize(
    ("body", "dialect"),
    [
        ({"tags": None}, DISTRIBUTION),
        ({"tags": None}, ARTIFACT_REGISTRY),
        ({"child": []}, ARTIFACT_REGISTRY),
        ({"manifest": {}}, ARTIFACT_REGISTRY),
    ],
)
def test_a_list_of_nothing_is_one(body: dict[str, object], dialect: Dialect) -> None:
    """Docker's registry writes null for no tags; Google's lists tell more than tags."""
    work = lambda client: client.listing("app/a")  # noqa: E731
    listing = using(lambda _: Answer(body=body), work, dialect)
    assert (listing.tags, listing.children, listing.cut) == ({}, (), "")


def test_a_list_of_manifests_is_none_of_a_plain_registry() -> None:
    """What only Google's registries tell does not stand for the tags of another one."""
    with pytest.raises(MigrateError, match="bad-reply"):
        using(lambda _: Answer(body={"child": []}), lambda client: client.listing("app/a"))


@pytest.mark.parametrize(
    ("link", "good"),
    [(LINK, 1), (BROKEN, 1), (LINK, 2)],
    ids=["page", "question", "second reading"],
)
def test_a_name_that_is_gone_after_a_page_is_not_unknown(link: str, good: int) -> None:
    """What was read is not passed over as a name that does not exist: the list is an error."""
    lists: list[str] = []

    def answer(asked: Asked) -> Answer:
        lists.extend([asked.target] * ("/tags/list" in asked.target))
        gone = len(lists) > good
        return Answer(404, {"errors": [{"code": "NAME_UNKNOWN"}]}) if gone else paged(link)(asked)

    with pytest.raises(MigrateError, match="a page was read") as raised:
        using(answer, lambda client: client.listing("app/a"))
    assert raised.value.problem.code == "bad-reply"
    assert "NAME_UNKNOWN" in raised.value.saw


def test_a_short_catalogue_whose_link_cannot_be_read_is_not_relied_on() -> None:
    """Names that it lacks may be behind it."""
    names = Answer(body={"repositories": ["a"]}, headers={"link": BROKEN})
    assert using(lambda _: names, lambda client: client.short_catalog()) is None


def test_referrers_whose_link_cannot_be_read_are_an_error() -> None:
    """A signature may be behind it."""
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    answer = Answer(body=index, headers={"link": BROKEN})
    with pytest.raises(MigrateError, match="listing-cut"):
        using(lambda _: answer, lambda client: client.referrers("a", Digest.of(b"x")))


@pytest.mark.parametrize(
    ("body", "knows"),
    [
        ({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, True),
        ({"errors": [{"code": "NOT_FOUND"}]}, False),
        ({"errors": [{"code": "NAME_UNKNOWN"}]}, False),
        ({}, False),
    ],
)
def test_who_looked_for_a_manifest_has_the_end_point_of_referrers(
    body: dict[str, Any], *, knows: bool
) -> None:
    """Against the protocol, some say 404 where nothing is attached; others have no such thing."""
    found = using(
        lambda _: Answer(404, body=body), lambda client: client.referrers("a", Digest.of(b"x"))
    )
    assert found == (() if knows else None)


def test_referrers_of_which_a_later_page_is_gone_are_an_error() -> None:
    """What the first page told is not all, whatever the second one says."""
    one = {"mediaType": "a/b", "digest": f"sha256:{'1' * 64}", "size": 2}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [one]}
    link = {"link": '<?next=2>; rel="next"'}

    def answer(asked: Asked) -> Answer:
        if "next=2" in asked.target:
            return Answer(404, body={"errors": [{"code": "MANIFEST_UNKNOWN"}]})
        return Answer(body=index, headers=link)

    with pytest.raises(MigrateError, match="listing-cut"):
        using(answer, lambda client: client.referrers("a", Digest.of(b"x")))
