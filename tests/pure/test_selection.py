"""What a spec selects of an image path, and the words in which it leaves the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.model.content import Digest, cosign_subject, fallback_tag, is_fallback_tag
from gcr_migrate.model.finding import LeftOut
from gcr_migrate.model.inventory import ImageContent, Node
from gcr_migrate.model.pulls import ANY, ImagePulls, Pulls
from gcr_migrate.plan.selection import Choice, Selection, Since, select, with_children
from tests.made import made
from tests.pure.test_build import content, contents, node

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

DAY = 86_400_000


@st.composite
def images(draw: DrawFn) -> ImageContent:
    """Draw an image path with signatures, and tags that cannot be read."""
    image = draw(contents())
    digests = [*image.nodes]
    tags = dict(image.tags)
    for digest in draw(st.lists(st.sampled_from(digests), max_size=2)) if digests else ():
        tags[f"{fallback_tag(digest)}.sig"] = draw(st.sampled_from(digests))
    if draw(st.booleans()):
        tags["v-lost"] = Digest.of(b"lost")
    return replace(image, tags=tags)


sinces = st.none() | made(Since, st.just("select.x"), st.integers(0, 50))
pulls = made(
    ImagePulls,
    st.none() | st.integers(0, 50),
    st.dictionaries(st.sampled_from(["a", "b", ANY]), st.integers(0, 60)),
)
choices = made(
    Choice,
    st.lists(st.sampled_from(["a", "b*", "?", "1.*"]), max_size=2).map(tuple),
    st.lists(st.sampled_from(["c", "1*", "v*"]), max_size=2).map(tuple),
    sinces,
    sinces,
    pulls,
    st.none() | st.integers(1, 4),
    untagged=st.booleans(),
    attachments=st.booleans(),
)


def _of(image: ImageContent, choice: Choice) -> Selection:
    return select(image, choice, target_lists_referrers=False)


def _is_attachment(tag: str) -> bool:
    return bool(is_fallback_tag(tag) or cosign_subject(tag))


@pytest.mark.slow
@given(images(), choices, st.booleans())
def test_everything_is_selected_or_left_out_with_a_reason_and_never_both(
    image: ImageContent,
    choice: Choice,
    makes: bool,  # noqa: FBT001  # as drawn
) -> None:
    """Each tag once; each manifest by itself, or by the tag of an attachment that names it."""
    found = select(image, choice, target_lists_referrers=makes)
    left = [one.subject.removeprefix(image.shown) for one in found.left_out]
    assert len(left) == len(set(left))
    for tag in image.tags:
        assert (tag in found.tags) != (f":{tag}" in left)
    hanging = {digest for tag, digest in image.tags.items() if _is_attachment(tag)}
    for digest in image.nodes:
        assert not (digest in found.digests and f"@{digest}" in left)
        assert digest in found.digests or f"@{digest}" in left or digest in hanging
    assert all(one.by_rule for one in found.left_out)
    assert all(one.saw for one in found.left_out if one.problem is errors.NOT_SELECTED)


@pytest.mark.slow
@given(images(), choices)
def test_what_is_kept_takes_along_all_that_it_needs(image: ImageContent, choice: Choice) -> None:
    """Children at any depth, what tags point to, and what is attached to it."""
    found = _of(image, choice)
    assert with_children(image.nodes, found.digests) == found.digests
    assert {digest for digest in found.tags.values() if digest in image.nodes} <= found.digests
    if not choice.attachments:
        return
    for digest, one in image.nodes.items():
        assert one.subject not in found.digests or digest in found.digests
    for tag in image.tags:
        subject = is_fallback_tag(tag) or cosign_subject(tag)
        assert subject is None or (subject in found.digests) == (tag in found.tags)


@pytest.mark.slow
@given(images(), choices)
def test_no_rule_is_broken_but_for_what_is_needed(image: ImageContent, choice: Choice) -> None:
    """Kept tags match, are young enough and are not too many."""
    found = _of(image, choice)
    plain = {tag: at for tag, at in found.tags.items() if not _is_attachment(tag)}
    kept = {at for at in plain.values() if at in image.nodes}
    for digest in kept:
        uploaded = image.nodes[digest].uploaded_ms
        if choice.uploaded and uploaded is not None:
            assert uploaded >= choice.uploaded.from_ms
    if choice.newest:
        assert len(kept) <= choice.newest
    if choice.tags == ("a",):
        assert plain.keys() <= {"a"}
    if "c" in choice.except_tags:
        assert "c" not in plain


@pytest.mark.slow
@given(images(), choices)
def test_what_every_rule_lets_pass_is_kept(image: ImageContent, choice: Choice) -> None:
    """No tag is left out that matches, is young enough and is not one too many."""
    choice = replace(choice, newest=None, pulled=None)
    found = _of(image, choice)
    for tag, digest in image.tags.items():
        only, never = choice.tags, choice.except_tags
        wanted = not only or any(fnmatchcase(tag, one) for one in only)
        node_ = image.nodes.get(digest)
        time = node_.uploaded_ms if node_ else None
        young = choice.uploaded is None or time is None or time >= choice.uploaded.from_ms
        if _is_attachment(tag) or not wanted or any(fnmatchcase(tag, one) for one in never):
            continue
        assert (tag in found.tags) == young
        assert not young or digest in found.digests or node_ is None


@pytest.mark.slow
@given(images(), choices, st.integers(1, 4))
def test_a_larger_number_of_newest_keeps_all_that_a_smaller_one_does(
    image: ImageContent, choice: Choice, newest: int
) -> None:
    """And without a number nothing is kept less."""
    few, more, every = (
        _of(image, replace(choice, newest=number)) for number in (newest, newest + 1, None)
    )
    assert few.digests <= more.digests <= every.digests
    assert few.tags.items() <= more.tags.items() <= every.tags.items()


@pytest.mark.slow
@given(images(), choices, st.randoms())
def test_the_order_in_which_things_are_listed_does_not_matter(
    image: ImageContent, choice: Choice, chance: object
) -> None:
    """Two readings of the same source select the same."""
    tags, nodes = [*image.tags.items()], [*image.nodes.items()]
    chance.shuffle(tags)  # type: ignore[attr-defined]
    chance.shuffle(nodes)  # type: ignore[attr-defined]
    one, other = _of(image, choice), _of(replace(image, tags=dict(tags), nodes=dict(nodes)), choice)
    assert (one.tags, one.digests) == (other.tags, other.digests)
    assert {left.subject for left in one.left_out} == {left.subject for left in other.left_out}


@pytest.mark.slow
@given(images())
def test_without_rules_everything_is_selected(image: ImageContent) -> None:
    """The default leaves nothing out."""
    found = _of(image, Choice())
    assert found.left_out == []
    assert (found.tags, found.digests) == (dict(image.tags), set(image.nodes))


OLD, NEW, NEWER = (node(number, uploaded_ms=number * DAY) for number in (1, 2, 3))
IMAGE = content(OLD, NEW, NEWER, tags={"v1": OLD.digest, "v2": NEW.digest, "dev": NEWER.digest})


def _told(image: ImageContent, choice: Choice) -> dict[str, str]:
    found = _of(image, choice)
    return {one.subject.removeprefix(image.shown): one.saw for one in found.left_out}


@pytest.mark.parametrize(
    ("choice", "tag", "told"),
    [
        (Choice(tags=("v*",)), "dev", "select.tags: none of v*"),
        (Choice(except_tags=("x", "d?v")), "dev", "select.except_tags: d?v"),
        (
            Choice(uploaded=Since("select.uploaded within 7d", 2 * DAY)),
            "v1",
            "select.uploaded within 7d: uploaded 1970-01-02",
        ),
        (Choice(newest=2), "v1", "select.newest: 2"),
        (
            Choice(
                pulled=Since("select.pulled within 7d", 2 * DAY),
                pulls=ImagePulls(0, {"v1": DAY, "v2": 2 * DAY, "dev": 3 * DAY}),
            ),
            "v1",
            "select.pulled within 7d: last pulled 1970-01-02",
        ),
        (
            Choice(
                pulled=Since("select.pulled within 7d", 2 * DAY),
                pulls=ImagePulls(0, {"v2": 2 * DAY, str(NEWER.digest): 3 * DAY}),
            ),
            "v1",
            "select.pulled within 7d: no pull in the log",
        ),
    ],
    ids=["tags", "except", "uploaded", "newest", "pulled long ago", "not pulled"],
)
def test_each_rule_names_itself_and_its_value(choice: Choice, tag: str, told: str) -> None:
    """On the tag, with the digest to which it pointed, and on the manifest."""
    digest = IMAGE.tags[tag]
    assert _told(IMAGE, choice) == {f":{tag}": f"{digest}: {told}", f"@{digest}": told}


def test_of_equally_new_ones_the_digest_that_comes_first_is_kept() -> None:
    """And one whose time nobody knows is older than all others."""
    alike = [node(number, uploaded_ms=DAY) for number in range(4)]
    unknown = node(9)
    image = content(*alike, unknown)
    first = sorted((one.digest for one in alike), key=str)
    assert _of(image, Choice(newest=2)).digests == set(first[:2])
    assert _of(image, Choice(newest=4)).digests == set(first)
    assert _of(image, Choice(newest=5)).digests == {*first, unknown.digest}


def test_what_tells_no_time_is_kept_and_told() -> None:
    """A rule that cannot judge says of how many."""
    image = content(node(1), node(2), node(3, uploaded_ms=1), tags={"a": node(1).digest})
    found = _of(image, Choice(uploaded=Since("select.uploaded within 7d", DAY)))
    assert found.digests == {node(1).digest, node(2).digest}
    assert [(one.problem, one.saw) for one in found.findings] == [
        (
            errors.TIME_UNKNOWN,
            "select.uploaded within 7d: 2 of its manifests tell no time, and are kept",
        )
    ]


def test_what_another_rule_leaves_out_is_not_told_as_kept() -> None:
    """Without a time it passes the rule about time, and is then too many."""
    image = content(node(1), node(2, uploaded_ms=DAY), tags={"a": node(1).digest})
    choice = Choice(uploaded=Since("select.uploaded within 7d", DAY), newest=1)
    found = _of(image, choice)
    assert found.digests == {node(2).digest}
    assert found.findings == []


def test_a_log_that_begins_too_late_leaves_out_only_what_it_tells() -> None:
    """No pull in it says nothing of the time before it begins."""
    choice = Choice(
        pulled=Since("select.pulled after", 2 * DAY), pulls=ImagePulls(3 * DAY, {"dev": 3 * DAY})
    )
    found = _of(IMAGE, choice)
    assert found.digests == set(IMAGE.nodes)
    assert [one.problem for one in found.findings] == [errors.TIME_UNKNOWN]


def test_a_pull_of_a_platform_by_digest_is_a_pull_of_its_index() -> None:
    """Who pins the digest of a platform never asks for the index, and still needs it kept."""
    index = Node(Digest.of(b"i"), "x", 1, False, (OLD.digest,), None, DAY)  # noqa: FBT003
    image = content(OLD, index, tags={"v1": index.digest, "arm": OLD.digest})
    rule = Since("select.pulled after", 2 * DAY)
    for reference in (str(OLD.digest), "arm"):
        choice = Choice(pulled=rule, pulls=ImagePulls(0, {reference: 3 * DAY}))
        assert _of(image, choice).digests == {OLD.digest, index.digest}
    assert _of(image, Choice(pulled=rule, pulls=ImagePulls(0, {}))).digests == set()


@pytest.mark.parametrize(
    "name",
    ["us-docker.pkg.dev/builds-too/us.gcr.io/app", "us.gcr.io/builds/app", "localhost:5000/app"],
)
def test_a_log_of_another_project_or_registry_leaves_nothing_out(name: str) -> None:
    """That it tells of no pull there means nothing; nor does it for a project named alike."""
    log = Pulls()
    log.note("builds", 0)
    log.add("us-docker.pkg.dev/builds/us.gcr.io/app", "v1", DAY)
    choice = Choice(pulled=Since("select.pulled after", 2 * DAY), pulls=log.of(name))
    found = _of(IMAGE, choice)
    assert found.left_out == []
    assert [one.problem for one in found.findings] == [errors.TIME_UNKNOWN]
    known = replace(choice, pulls=log.of("europe-docker.pkg.dev/builds/eu.gcr.io/app"))
    assert _of(IMAGE, known).digests == set()


def test_a_pull_of_the_image_without_a_name_counts_for_all_of_it() -> None:
    """The log sometimes names no tag and no digest."""
    log = Pulls()
    log.add("us-docker.pkg.dev/builds/us.gcr.io/app", ANY, 5 * DAY)
    choice = Choice(
        pulled=Since("select.pulled after", 2 * DAY),
        pulls=log.of("us-docker.pkg.dev/builds/us.gcr.io/app"),
    )
    assert _of(IMAGE, choice).left_out == []
    other = replace(choice, pulls=replace(log.of("us-docker.pkg.dev/x"), begins_ms=0))
    assert _of(IMAGE, other).digests == set()


def test_a_signature_goes_and_stays_with_what_it_signs() -> None:
    """Patterns for tags and rules about time are not about attachments."""
    signature = node(5, uploaded_ms=0)
    referrer = node(6, subject=OLD.digest)
    tags = {**IMAGE.tags, f"{fallback_tag(OLD.digest)}.sig": signature.digest}
    image = content(OLD, NEW, NEWER, signature, referrer, tags=tags)
    kept = _of(image, Choice(tags=("v1",)))
    assert kept.digests == {OLD.digest, signature.digest, referrer.digest}
    assert kept.tags == {tag: at for tag, at in tags.items() if tag not in {"v2", "dev"}}
    told = _told(image, Choice(tags=("v2",)))
    left = f"attached to {OLD.digest}, which is left out"
    assert told[f":{fallback_tag(OLD.digest)}.sig"] == f"{signature.digest}: {left}"
    assert told[f"@{signature.digest}"] == told[f"@{referrer.digest}"] == left


def test_a_child_is_carried_for_its_index_and_its_own_tag_is_not() -> None:
    """What a kept index needs is carried whatever rules say of its tags; so is it said."""
    index = Node(Digest.of(b"i"), "x", 1, False, (OLD.digest,), None, 9 * DAY)  # noqa: FBT003
    image = content(OLD, NEW, index, tags={"arm": OLD.digest, "v9": index.digest, "x": NEW.digest})
    found = _of(image, Choice(tags=("v*",)))
    assert (found.digests, found.tags) == ({OLD.digest, index.digest}, {"v9": index.digest})
    other = _told(image, Choice(tags=("x",)))
    assert other[f"@{OLD.digest}"] == "select.tags: none of x"
    assert other[f"@{index.digest}"] == "select.tags: none of x"


def test_what_cannot_be_read_is_no_failure_where_a_rule_would_leave_it_out() -> None:
    """A lost image whose every tag is left out is left out by rule, else it is a loss."""
    lost = Digest.of(b"lost")
    lefts = tuple(
        LeftOut(errors.MANIFEST_UNKNOWN, f"{IMAGE.shown}{what}", by_rule=False, saw="404")
        for what in (f"@{lost}", ":dev2")
    )
    image = replace(IMAGE, tags={**IMAGE.tags, "dev1": lost}, left_out=lefts)
    found = {one.subject: one for one in _of(image, Choice(except_tags=("dev*",))).left_out}
    assert all(found[left.subject].by_rule for left in lefts)
    assert found[f"{IMAGE.shown}@{lost}"].saw == "404; select.except_tags: dev*"
    kept = _of(image, Choice(tags=("dev*",)))
    assert [one.by_rule for one in kept.left_out if one.problem is errors.MANIFEST_UNKNOWN] == [
        False,
        False,
    ]


def test_an_attached_index_is_no_list_of_what_is_attached_beside_it() -> None:
    """It is carried, though it lists nothing but another referrer of the same subject."""
    signed = node(1)
    beside = node(2, subject=signed.digest)
    attached = node(3, children=(beside.digest,), subject=signed.digest)
    image = content(signed, beside, attached, tags={"1": signed.digest})
    found = select(image, Choice(), target_lists_referrers=True)
    assert found.digests == {signed.digest, beside.digest, attached.digest}
    assert found.left_out == []
