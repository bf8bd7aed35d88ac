"""Heads of requests and answers: what is sent can be read in one way only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.wire import trouble
from gcr_migrate.wire.heads import Fields, request_head

NAMES = st.from_regex(r"\A[a-z][a-z0-9-]{0,20}\Z")
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\0\r\n"), max_size=40)
BREAKS = st.sampled_from(["\0", "\r", "\n", "\r\n", "\r\nhost: other", "\n\n", "\r\n\r\n"])


@given(fields=st.dictionaries(NAMES, VALUES, max_size=5))
def test_a_head_is_its_line_and_its_fields(fields: dict[str, str]) -> None:
    """Each field is one line, byte for byte, and an empty line ends them."""
    first, *lines, empty, nothing = (
        request_head("PUT", "/v2/", fields.items()).decode("latin-1").split("\r\n")
    )
    assert (first, empty, nothing) == ("PUT /v2/ HTTP/1.1", "", "")
    assert lines == [f"{name}: {value}" for name, value in fields.items()]


@given(fields=st.dictionaries(NAMES, VALUES, min_size=1, max_size=5), data=st.data())
def test_no_field_can_be_read_as_something_else(
    fields: dict[str, str], data: st.DataObject
) -> None:
    """A line end or a NUL anywhere in a value is refused, and the field is named, not its value."""
    name = data.draw(st.sampled_from(sorted(fields)))
    value, at = fields[name], data.draw(st.integers(0, len(fields[name])))
    fields[name] = value[:at] + data.draw(BREAKS) + value[at:]
    with pytest.raises(trouble.LocalProtocolError) as raised:
        request_head("PUT", "/v2/", fields.items())
    assert str(raised.value) == f"fields ['{name}'] cannot be sent"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "a\0", "ü", "(a)"])
def test_no_name_has_what_names_cannot_have(name: str) -> None:
    """Names are tokens, as RFC 9110 has them; it is the same the second time."""
    for _ in range(2):
        with pytest.raises(trouble.LocalProtocolError, match="cannot be sent"):
            request_head("PUT", "/v2/", {name: "value"}.items())


def test_fields_of_one_name_are_one() -> None:
    """Names count in any case, and values of one name are joined in their order."""
    fields = Fields([(b"Link", b"<a>"), (b"LINK", b"<b>"), (b"Date", b"now \xfc")])
    assert dict(fields) == {"link": "<a>, <b>", "date": "now ü"}
    assert fields["lInK"] == fields.get("Link") == "<a>, <b>"
