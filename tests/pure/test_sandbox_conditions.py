"""What the sandbox makes of conditions and of `fields`: by examples and for all joints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.sandbox.conditions import met
from gcr_migrate.sandbox.fields import pick, read_fields

NOW: Final = datetime(2026, 7, 1, tzinfo=UTC)
PAST: Final = 'request.time < timestamp("2024-12-31T00:00:00Z")'
AHEAD: Final = "request.time < timestamp('2027-01-01T00:00:00+02:00')"
OTHER: Final = 'resource.name.startsWith("a || b (")'
TEXTS: Final = {True: AHEAD, False: PAST, None: OTHER}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (PAST, False),
        (AHEAD, True),
        ('timestamp("2024-12-31T00:00:00Z") <= request.time', True),
        ('request.time >= timestamp("2027-01-01T00:00:00Z")', False),
        ('request.time != timestamp("2027-01-01T00:00:00Z")', True),
        (f"!({PAST})", True),
        (f"({AHEAD} || {PAST}) && ({AHEAD})", True),
        (f"({PAST}) || ({PAST})", False),
        ("false", False),
    ],
)
def test_the_time_decides(expression: str, expected: bool) -> None:  # noqa: FBT001  # an example
    """Comparisons with moments, in either order, in brackets and negated."""
    assert met(expression, NOW) is expected


@pytest.mark.parametrize(
    "expression",
    [
        OTHER,
        "",
        'request.time < timestamp("soon")',
        'request.time < timestamp("2024-12-31T00:00:00")',
        f"{OTHER} ? {PAST} : {AHEAD} || {AHEAD}",
        f"!{PAST}",
        ")(",
        'request.time < timestamp("2024-12-31T00:00:00Z") + duration("9000h")',
    ],
)
def test_what_more_than_the_time_decides_is_left_open(expression: str) -> None:
    """Other attributes, moments without a zone, and whatever else is in that language."""
    assert met(expression, NOW) is None


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=4), st.data())
def test_joints_follow_from_their_parts(values: list[bool | None], data: st.DataObject) -> None:
    """A part that is open leaves the whole open, but where another one decides it."""
    joint, decisive = data.draw(st.sampled_from([("&&", False), ("||", True)]))
    whole = f" {joint} ".join(TEXTS[one] for one in values)
    left_open = None if None in values else not decisive

    assert met(whole, NOW) is (decisive if decisive in values else left_open)


@given(st.integers(-(10**6), 10**6).filter(bool))
def test_an_end_is_over_when_its_moment_is(seconds: int) -> None:
    """Neither earlier nor later."""
    moment = (NOW + timedelta(seconds=seconds)).isoformat()
    assert met(f'request.time < timestamp("{moment}")', NOW) is (seconds > 0)


BODY: Final = {"kind": "k", "items": [{"name": "a", "acl": [{"role": "OWNER", "entity": "e"}]}]}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("", BODY),
        ("kind", {"kind": "k"}),
        ("items/name,nextPageToken", {"items": [{"name": "a"}]}),
        ("items(name,acl(role))", {"items": [{"name": "a", "acl": [{"role": "OWNER"}]}]}),
        ("items/acl/entity,kind", {"kind": "k", "items": [{"acl": [{"entity": "e"}]}]}),
        ("items/*/role", {"items": [{"name": "a", "acl": [{"role": "OWNER"}]}]}),
    ],
)
def test_fields_choose_parts_of_an_answer(fields: str, expected: dict[str, Any]) -> None:
    """By names, paths and brackets; nothing said chooses everything."""
    assert pick(BODY, read_fields(fields)) == expected


@pytest.mark.parametrize("fields", ["a(", "a()", "a,", "a/", "(a)", "a)b", "a b", "a(b"])
def test_what_selects_no_fields_is_refused(fields: str) -> None:
    """A selection that does not end, or begins with nothing."""
    with pytest.raises(ValueError, match="Invalid field selection"):
        read_fields(fields)
