"""Names in files that break readers: found whole, once, in their field, and in linear time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gcr_migrate.refs.files import Found, scan_bytes, scan_text
from gcr_migrate.refs.reading import read

ODD: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).parent.parent / "data" / "refs_odd.yaml"
)


@pytest.mark.parametrize("odd", ODD, ids=[one["file"] for one in ODD])
def test_what_is_oddly_written_is_found_as_it_was_judged(odd: dict[str, Any]) -> None:
    """Anchors, merges, escapes, broken documents, templates, defaults, tabs, other encodings."""
    found = [
        f"{one.field or '-'}|{one.written.text}"
        f"|{read(one.written, {}, {'acme-prod'}, defaults=one.values).whose}"
        for one in scan_bytes(odd["file"], odd["text"].encode("latin-1"))
        if isinstance(one, Found)
    ]
    assert found == odd["names"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_beginning_tells_the_encoding(encoding: str) -> None:
    """A name stands at its place among characters, however many bytes they take."""
    raw = "é:\nimage: gcr.io/acme-prod/a:1\n".encode(encoding)
    (found,) = [one for one in scan_bytes("a.yaml", raw) if isinstance(one, Found)]
    assert (found.written.text, found.line, found.column) == ("gcr.io/acme-prod/a:1", 2, 8)


UNITS = [
    *("$a", "$aaaaaaaa", "${a}", "${", "{{a}}", "{{", "{%", "$(", "%s", "{a}", "@A", "/<a", "/[A"),
    *(
        "a-",
        "a.",
        "a:",
        "/a:",
        "a",
        " ",
        "\t",
        "\\",
        '"',
        "a=",
        "[",
        "[a,",
        "{a: ",
        "- ",
        "&a ",
        "%2F",
    ),
    *("artifacts.$a", "docker.$a", "gcr.io", "gcr.io/a:$aaaa", "//a:", "\\n", "\x1b[1m"),
]


@pytest.mark.parametrize(
    "file", ["f.txt", "f.yaml", "templates/f.yaml", "f.sh", "f.tf", "Dockerfile"]
)
def test_no_text_takes_longer_than_its_length_says(file: str) -> None:
    """A search that tries every way to part a line does not end in the life of a person."""
    length = 6000
    for unit in UNITS:
        for before in ("", "gcr.io/a:", "artifacts.", "a: ") if file == "f.txt" else ("",):
            text = before + unit * (length // len(unit)) + " gcr.io/acme-prod/x"
            began = time.process_time()
            list(scan_text(file, text))
            assert time.process_time() - began < 5, (before, unit)


@pytest.mark.parametrize(
    "one",
    [
        "---\nkind: Pod\nspec:\n  items:\n  - image: gcr.io/acme-prod/a:1\n    args: [a, 'b']\n",
        "- name: n\n  value: {a: 1, b: 'two'}\n  text: gcr.io/acme-prod/a:1\n",
    ],
    ids=["many documents", "one long one"],
)
def test_a_long_text_of_yaml_has_fields_within_a_second(one: str) -> None:
    """All of its values are read; a reader in Python alone took three for it."""
    text = one * (300_000 // len(one))
    began = time.process_time()
    found = list(scan_text("a.yaml", text))
    assert {one.field.rpartition(".")[2] for one in found} in ({"image"}, {"text"})
    assert time.process_time() - began < 1.5


def test_yaml_within_yaml_within_yaml_is_read_twice_at_most() -> None:
    """However deep it goes."""
    deep = "".join(f"{' ' * n}a: |\n" for n in range(1500)) + " " * 1500 + "gcr.io/acme-prod/a:1\n"
    began = time.process_time()
    assert [one.line for one in scan_text("a.yaml", deep)] == [1501]
    assert time.process_time() - began < 3


def test_lines_of_a_long_file_are_counted_once() -> None:
    """A log of a hundred thousand names takes seconds, and not hours."""
    log = "".join(f"{n} pulled gcr.io/acme-prod/app:{n}\n" for n in range(20_000))
    began = time.process_time()
    last = list(scan_text("a.log", log))[-1]
    assert (last.line, last.column) == (20_000, 14)
    assert time.process_time() - began < 15
