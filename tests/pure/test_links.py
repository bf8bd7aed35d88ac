"""Link header fields: whatever way a link is written, the next page is seen, or it is doubted."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.registry.links import is_whole, next_in

TOKEN = st.text("abcDEF019!#$%&'*+.^_`|~-", min_size=1, max_size=6)
BLANKS = st.text(" \t", max_size=2)
TEXT = st.text("ab,;<>=\\\" '/é", max_size=8)
TARGET = st.text("abc/?&=,;%20", max_size=10)
RELATION = st.sampled_from(["first", "prev", "last", "next-archive", "urn:x:next", "start"])
NEXT = st.sampled_from(["next", "NEXT", "Next"])


@dataclass(frozen=True)
class Written:
    """A link as a header has it.

    Attributes:
        text: all of it.
        target: where it leads to.
        is_next: whether that is the next page.
    """

    text: str
    target: str
    is_next: bool


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def links(draw: st.DrawFn) -> Written:
    """Links with any parameters in any order, of which the first `rel` counts."""
    relations = draw(st.lists(RELATION, max_size=2))
    is_next = draw(st.booleans())
    if is_next:
        relations.insert(draw(st.integers(0, len(relations))), draw(NEXT))
    value = " ".join(relations)
    bare = len(relations) == 1 and draw(st.booleans())
    rel = f"{draw(st.sampled_from(['rel', 'REL', 'Rel']))}={value if bare else _quoted(value)}"
    others = TOKEN.filter(lambda name: name.lower() != "rel")
    parameter = st.one_of(
        others,
        st.builds("{}={}".format, others, TOKEN),
        st.builds("{} = {}".format, others, TEXT.map(_quoted)),
        st.just(""),
    )
    before, behind = draw(st.lists(parameter, max_size=3)), draw(st.lists(parameter, max_size=2))
    behind += draw(st.sampled_from([[], ["rel=next"], ['rel="prev"']]))
    target = draw(TARGET)
    text = f"<{target}>"
    for one in (*before, rel, *behind):
        text += f"{draw(BLANKS)};{draw(BLANKS)}{one}"
    return Written(text + draw(BLANKS), target, is_next)


@pytest.mark.slow
@given(st.lists(links(), max_size=4), st.sampled_from([",", ", ", " , ,"]))
def test_the_next_page_is_seen_however_links_are_written(found: list[Written], joint: str) -> None:
    """The first one that has the relation, among others; and a header of links only is whole."""
    header = joint.join(one.text for one in found)
    wanted = next((one.target for one in found if one.is_next), None)
    assert next_in(header) == wanted
    assert is_whole(header)


@pytest.mark.parametrize(
    "header",
    [
        "</v2/a/tags/list?last=x; rel=next",
        "/v2/a/tags/list?last=x; rel=next",
        '</v2/a/tags/list?last=x>; rel="next',
        "</v2/a/tags/list?last=x> rel=next",
        "rel=next; </v2/a/tags/list?last=x>",
        "</v2/a/tags/list>; rel=first, next",
    ],
)
def test_a_header_that_cannot_be_read_is_not_whole(header: str) -> None:
    """What it says of a next page is not guessed, and not passed over."""
    assert next_in(header) is None
    assert not is_whole(header)


def test_a_link_behind_what_cannot_be_read_is_seen() -> None:
    """A proxy may have put its own before that of the registry."""
    assert next_in('?, <a>; title="x, <b>; rel=next') == "b"


@given(st.text())
def test_any_text_can_be_asked(header: str) -> None:
    """No header is an error, and only one with angle brackets names a page."""
    assert next_in(header) is None or "<" in header
    assert isinstance(is_whole(header), bool)
