"""The plan of one image path."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gcr_migrate import errors
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import Digest, fallback_tag
from gcr_migrate.model.dialect import ARTIFACT_REGISTRY, DISTRIBUTION
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.inventory import Damage, ImageContent, Node, TargetView
from gcr_migrate.model.names import Tag
from gcr_migrate.model.plan import TagAction
from gcr_migrate.plan.build import Rules, plan_image
from gcr_migrate.plan.damage import Kind, stops_at
from gcr_migrate.plan.selection import Choice
from tests.made import made

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn

    from gcr_migrate.model.dialect import Dialect

EMPTY = TargetView({}, frozenset())
ALL = Rules(Choice(), existing_tags="fail", target=ARTIFACT_REGISTRY)


def node(
    number: int,
    *,
    children: tuple[Digest, ...] = (),
    subject: Digest | None = None,
    uploaded_ms: int | None = None,
) -> Node:
    """Make a manifest whose digest follows from its number."""
    digest = Digest.of(str(number).encode())
    return Node(digest, "application/x", 100, False, children, subject, uploaded_ms)  # noqa: FBT003


def content(*nodes: Node, tags: dict[str, Digest] | None = None) -> ImageContent:
    """Make the content of an image path."""
    return ImageContent("us.gcr.io/builds/app", tags or {}, {one.digest: one for one in nodes})


@st.composite
def contents(draw: DrawFn) -> ImageContent:
    """Draw content whose manifests hang together without a loop, as digests force it to."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(0, 12))):
        earlier = [one.digest for one in nodes]
        some = (
            st.lists(st.sampled_from(earlier), unique=True, max_size=3) if earlier else st.just([])
        )
        children = tuple(draw(some))
        subject = draw(st.none() | st.sampled_from(earlier)) if earlier else None
        time = draw(st.none() | st.integers(0, 50))
        one = node(number, children=children, subject=subject, uploaded_ms=time)
        nodes.append(replace(one, is_schema1=draw(st.integers(0, 9)) == 0))
    digests = [one.digest for one in nodes]
    names = st.sampled_from(["a", "b", "c", "1.0", *(fallback_tag(digest) for digest in digests)])
    tags = draw(st.dictionaries(names, st.sampled_from(digests))) if digests else {}
    return content(*nodes, tags=tags)


@st.composite
def damaged_contents(draw: DrawFn) -> ImageContent:
    """Draw content of which some manifests lack a blob and some indexes a child."""
    whole = draw(contents())
    problems = {}
    for digest, one in whole.nodes.items():
        if draw(st.integers(0, 3)) == 0:
            found = errors.CHILD_MISSING if one.children else errors.BLOB_UNKNOWN
            problems[digest] = Damage(found, "gone")
    return replace(whole, damaged=problems)


RULES = made(
    Rules,
    made(Choice, untagged=st.booleans(), attachments=st.booleans()),
    existing_tags=st.sampled_from(["fail", "keep", "overwrite"]),
    target=st.sampled_from([ARTIFACT_REGISTRY, DISTRIBUTION]),
    copies_sparse=st.booleans(),
)
CONTENTS = contents() | damaged_contents()


@pytest.mark.slow
@given(CONTENTS, RULES)
def test_nothing_is_lost_silently(image: ImageContent, rules: Rules) -> None:
    """Every tag and every manifest is planned, or is named on the list of what is left out."""
    plan = plan_image(image, EMPTY, rules)
    left = {one.subject for one in plan.left_out}
    planned = {row.digest for row in plan.manifests}
    for tag in image.tags:
        assert tag in {row.tag for row in plan.tags} or f"{image.shown}:{tag}" in left
    for digest in image.nodes.keys() - planned:
        names = {f"{image.shown}:{tag}" for tag, at in image.tags.items() if at == digest}
        assert f"{image.shown}@{digest}" in left or names & left


@pytest.mark.slow
@given(CONTENTS, RULES)
def test_what_a_manifest_needs_is_written_before_it(image: ImageContent, rules: Rules) -> None:
    """Children stand before their indexes and subjects before their referrers, with lower rank."""
    rows = plan_image(image, EMPTY, rules).manifests
    ranks = {row.digest: row.rank for row in rows}
    written: set[Digest] = set()
    for row in rows:
        one = image.nodes[row.digest]
        for need in (*one.children, one.subject):
            if need in ranks:
                assert need in written
                assert ranks[need] < row.rank
        written.add(row.digest)


@pytest.mark.slow
@given(CONTENTS, RULES)
def test_a_planned_tag_has_its_manifest_planned(image: ImageContent, rules: Rules) -> None:
    """No tag is set on a manifest that the plan does not carry."""
    plan = plan_image(image, EMPTY, rules)
    assert {row.digest for row in plan.tags} <= {row.digest for row in plan.manifests}


@pytest.mark.slow
@given(CONTENTS, RULES)
def test_planning_over_a_finished_target_leaves_nothing_to_do(
    image: ImageContent, rules: Rules
) -> None:
    """With everything at the target, each row is marked as present."""
    first = plan_image(image, EMPTY, rules)
    there = TargetView(
        {row.tag: row.digest for row in first.tags}, frozenset(r.digest for r in first.manifests)
    )
    again = plan_image(image, there, rules)
    assert all(row.present for row in again.manifests)
    assert {row.action for row in again.tags} <= {TagAction.PRESENT}


@pytest.mark.slow
@given(damaged_contents(), RULES)
def test_no_index_lacks_anything_but_what_is_damaged_and_told(
    image: ImageContent, rules: Rules
) -> None:
    """An index goes without a child only by consent, for that child's damage, with a warning."""
    plan = plan_image(image, EMPTY, rules)
    planned = {row.digest for row in plan.manifests}
    told = {one.subject for one in plan.findings if one.problem is errors.CHILD_MISSING}
    assert told <= {f"{image.shown}@{digest}" for digest in planned}
    for digest in planned:
        lacking = {*image.nodes[digest].children} - planned
        if lacking or digest in image.damaged:
            assert rules.copies_sparse
            assert f"{image.shown}@{digest}" in told
        assert all(image.damaged[one].problem is errors.BLOB_UNKNOWN for one in lacking)
    stuck = {digest for digest, one in image.nodes.items() if one.is_schema1}
    assert not stuck & planned


@pytest.mark.slow
@given(damaged_contents())
def test_to_copy_what_is_whole_never_carries_less(image: ImageContent) -> None:
    """What goes with `skip` goes with `copy` too, and what is planned is planned in both once."""
    rules = [replace(ALL, copies_sparse=copies) for copies in (False, True)]
    few, many = ([row.digest for row in plan_image(image, EMPTY, one).manifests] for one in rules)
    assert {*few} <= {*many}
    assert len(many) == len({*many})


@pytest.mark.slow
@given(CONTENTS)
def test_all_damage_is_of_a_kind(image: ImageContent) -> None:
    """A spec that says stop to every kind gets everything damaged; and each kind its share."""
    everything = stops_at(image, frozenset(Kind))
    assert everything or not image.damaged
    assert {f"{image.shown}@{one}" for one in image.damaged} <= {one.subject for one in everything}
    assert sorted(map(str, everything)) == sorted(
        str(one) for kind in Kind for one in stops_at(image, {kind})
    )


def test_unrelated_manifests_are_written_oldest_first() -> None:
    """Upload order is kept, as clean-up rules of the target judge by it; unknown times go last."""
    old, new, unknown = node(1, uploaded_ms=5), node(2, uploaded_ms=9), node(3)
    rows = plan_image(content(unknown, new, old), EMPTY, ALL).manifests
    assert [row.digest for row in rows] == [old.digest, new.digest, unknown.digest]


@pytest.mark.parametrize(
    ("word", "action", "problem", "severity"),
    [
        ("fail", TagAction.CONFLICT, errors.TAG_CONFLICT, Severity.ERROR),
        ("keep", TagAction.KEEP, errors.TAG_CONFLICT, Severity.INFO),
        ("overwrite", TagAction.OVERWRITE, errors.TAG_REPLACED, Severity.WARNING),
    ],
)
def test_a_tag_that_points_elsewhere_is_a_finding_with_both_digests(
    word: str, action: TagAction, problem: errors.Problem, severity: Severity
) -> None:
    """Whatever the spec says about it, and as grave as what becomes of it."""
    one, other = node(1), Digest.of(b"other")
    there = TargetView({"1.0": other}, frozenset())
    rules = replace(ALL, existing_tags=word)
    plan = plan_image(content(one, tags={"1.0": one.digest}), there, rules)
    assert [row.action for row in plan.tags] == [action]
    (told,) = plan.findings
    assert (told.problem, told.severity, told.subject) == (
        problem,
        severity,
        "us.gcr.io/builds/app:1.0",
    )
    assert f"target has {other}, planned {one.digest}" in told.saw


@given(st.text(max_size=4) | st.integers(126, 130).map(lambda length: "t" * length))
def test_a_tag_that_no_registry_takes_is_left_out_and_its_manifest_is_not(tag: str) -> None:
    """It is planned if and only if it is a tag; what it points to goes in any case."""
    one = node(1)
    plan = plan_image(content(one, tags={tag: one.digest}), EMPTY, ALL)
    assert [row.digest for row in plan.manifests] == [one.digest]
    refused = [left.subject for left in plan.left_out if left.problem is errors.TAG_REFUSED]
    try:
        Tag.parse(tag)
    except MigrateError:
        assert (refused, plan.tags) == ([f"us.gcr.io/builds/app:{tag}"], ())
    else:
        assert (refused, [row.tag for row in plan.tags]) == ([], [tag])


@given(st.sampled_from(["fail", "keep", "overwrite"]), st.booleans(), st.booleans())
def test_no_plan_moves_a_tag_that_cannot_move(word: str, moves: bool, there: bool) -> None:  # noqa: FBT001  # drawn
    """Only an overwrite is hindered by immutable tags, and only where a tag points elsewhere.

    Then the tag is left out, as all that cannot be moved, and its manifest goes without it.
    """
    one, other = node(1), Digest.of(b"other")
    view = TargetView({"1": other if there else one.digest}, frozenset())
    rules = replace(ALL, existing_tags=word, tags_move=moves)
    plan = plan_image(content(one, tags={"1": one.digest}), view, rules)
    found = [finding.problem for finding in plan.findings]
    left = [(one.problem, one.by_rule) for one in plan.left_out]
    hindered = there and word == "overwrite" and not moves
    assert left == ([(errors.IMMUTABLE_TAG, False)] if hindered else [])
    assert [row.tag for row in plan.tags] == ([] if hindered else ["1"])
    assert [row.digest for row in plan.manifests] == [one.digest]
    assert (errors.TAG_CONFLICT in found) is (there and word != "overwrite")
    overwrites = any(row.action is TagAction.OVERWRITE for row in plan.tags)
    assert overwrites is (there and word == "overwrite" and moves)


def test_artifact_registry_keeps_its_own_referrers_tag() -> None:
    """The tag that the target makes by itself is left to it, and its index is not written."""
    image = node(1)
    referrer = node(2, subject=image.digest)
    index = node(3, children=(referrer.digest,))
    tag = fallback_tag(image.digest)
    plan = plan_image(content(image, referrer, index, tags={tag: index.digest}), EMPTY, ALL)
    assert {row.digest for row in plan.manifests} == {image.digest, referrer.digest}
    assert (errors.REFERRERS_TAG_LEFT, True) in {(o.problem, o.by_rule) for o in plan.left_out}


@pytest.mark.parametrize("target", [ARTIFACT_REGISTRY, DISTRIBUTION])
def test_lists_of_referrers_that_lost_their_tag_go_where_no_server_makes_them(
    target: Dialect,
) -> None:
    """A shorter list that a longer one replaced is no image; other untagged indexes are."""
    image = node(1)
    referrers = [node(number, subject=image.digest) for number in (2, 3)]
    outdated = node(4, children=(referrers[0].digest,))
    other = node(5, children=(image.digest, referrers[0].digest))
    plan = plan_image(
        content(image, *referrers, outdated, other), EMPTY, replace(ALL, target=target)
    )
    left = {(one.problem, one.subject, one.by_rule) for one in plan.left_out}
    made_there = (errors.REFERRERS_TAG_LEFT, f"us.gcr.io/builds/app@{outdated.digest}", True)
    assert left == ({made_there} if target.makes_referrer_tags else set())
    assert len(plan.manifests) == 5 - len(left)


def test_a_plain_registry_gets_the_referrers_tag() -> None:
    """Where the target makes no such tag, it is carried as any other."""
    image = node(1)
    referrer = node(2, subject=image.digest)
    index = node(3, children=(referrer.digest,))
    tag = fallback_tag(image.digest)
    rules = replace(ALL, target=DISTRIBUTION)
    plan = plan_image(content(image, referrer, index, tags={tag: index.digest}), EMPTY, rules)
    assert [row.tag for row in plan.tags] == [tag]
    assert not plan.left_out


def test_an_index_over_a_schema_1_manifest_is_left_out_with_it() -> None:
    """What the target would refuse takes along what needs it; both are named as not movable."""
    old = replace(node(1), is_schema1=True)
    index = node(2, children=(old.digest,))
    plan = plan_image(content(old, index, tags={"1": index.digest}), EMPTY, ALL)
    assert not plan.manifests
    assert {one.problem for one in plan.left_out} == {
        errors.SCHEMA1_LEFT,
        errors.CHILD_MISSING,
        errors.BLOCKED,
    }
    assert not any(one.by_rule for one in plan.left_out)


def test_selection_without_untagged_still_carries_children_and_referrers() -> None:
    """What a kept tag needs and what is attached to it comes along; only loose digests stay."""
    child, loose = node(1), node(2)
    index = node(3, children=(child.digest,))
    referrer = node(4, subject=index.digest)
    rules = replace(ALL, choice=Choice(untagged=False))
    plan = plan_image(
        content(child, loose, index, referrer, tags={"1": index.digest}), EMPTY, rules
    )
    assert {row.digest for row in plan.manifests} == {child.digest, index.digest, referrer.digest}
    assert [(one.problem, one.by_rule) for one in plan.left_out] == [(errors.UNTAGGED_LEFT, True)]
