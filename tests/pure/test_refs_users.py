"""Who uses names of images, case by case, and which texts are names at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gcr_migrate.refs.cover import cover
from gcr_migrate.refs.files import scan_text
from gcr_migrate.refs.finder import find
from gcr_migrate.refs.hints import hint, secrets
from gcr_migrate.refs.reading import Whose, read
from tests.pure.test_refs_rewrite import PLAN

USERS: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).parent.parent / "data" / "refs_users.yaml"
)
HEX = "a" * 64
CONSOLE = "https://console.cloud.google.com"


@pytest.mark.parametrize("user", USERS, ids=[one["who"] for one in USERS])
def test_whoever_uses_a_name_is_found_and_told_what_to_do(user: dict[str, Any]) -> None:
    """Names with their field and owner; of what is no image, what has to be done beside it."""
    lines = user["text"].split("\n")
    found = []
    for one in scan_text(user["file"], user["text"]):
        reference = read(one.written, {}, {"acme-prod"}, defaults=one.values)
        also = hint(one, reference, lines[one.line - 1])
        found.append(f"{one.field or '-'}|{one.written.text}|{reference.whose}|{also}")
    assert found == user["names"]


def test_pods_that_log_in_by_a_secret_are_pointed_at() -> None:
    """It holds a login for one host."""
    assert secrets(USERS[0]["text"]) == [4]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "us.gcr.io/builds/product1/dev/app:beta-2.0",
            "us.gcr.io/builds/product1/dev/app:beta-2.0",
        ),
        (f"gcr.io/example.com/tools/i@sha256:{HEX}", f"gcr.io/example.com/tools/i@sha256:{HEX}"),
        *((f"gcr.io/p-roject/{one}",) * 2 for one in ("a__b", "a--b", "a---b", "a.b", "a_b")),
        *((f"gcr.io/p-roject/i:{tag}",) * 2 for tag in ("_x", "A.B", "x" * 128)),
        ("gcr.io:443/p-roject/i", "gcr.io/p-roject/i"),
        ("https://gcr.io/p-roject/i", "gcr.io/p-roject/i"),
        ("GCR.IO/p-roject/i", "gcr.io/p-roject/i"),
        ("oci://US-docker.pkg.dev/p-roject/r/i", "us-docker.pkg.dev/p-roject/r/i"),
        (f"{CONSOLE}/gcr/images/p-roject/GLOBAL/a/b?tag=T", "gcr.io/p-roject/a/b:T"),
        (f"{CONSOLE}/gcr/images/p-roject/US/a?project=x", "us.gcr.io/p-roject/a"),
        (f"{CONSOLE}/gcr/images/p-roject/EU/a@sha256:{HEX}", f"eu.gcr.io/p-roject/a@sha256:{HEX}"),
        (f"{CONSOLE}/gcr/images/p-roject/ASIA/a", "asia.gcr.io/p-roject/a"),
        (f"{CONSOLE}/artifacts/docker/p-roject/us/r/a%2Fb", "us-docker.pkg.dev/p-roject/r/a/b"),
        ("gs://eu.artifacts.p-roject.appspot.com/", "gs://eu.artifacts.p-roject.appspot.com"),
    ],
)
def test_what_is_a_name_reads_in_its_plain_form(text: str, name: str) -> None:
    """Whatever stands before it, and whichever page shows it."""
    (found,) = find(text)
    assert read(found, {}).name == name


@pytest.mark.parametrize(
    "text",
    [
        *(f"gcr.io/p-roject/{one}" for one in ("a___b", "a..b", "a._b", "_b", "a-", "-b")),
        *(f"gcr.io/p-roject/{one}" for one in ("Img", "a//b", "a+b", "a%2Fb")),
        *(f"gcr.io/p-roject/i:{tag}" for tag in (".x", "-x", "v1+build", "x" * 129)),
        "us.gcr.io/example.com:p/img",
        "foo.gcr.io/p-roject/i",
        *(f"us-docker.pkg.dev/p-roject/{one}/i" for one in ("1p", "product_1", "Product", "p-")),
        "eu-docker.pkg.dev/p-roject/r/i",
    ],
)
def test_what_is_no_name_is_told_as_such(text: str) -> None:
    """With the reason, and never as a shorter name that it begins with."""
    told = [read(one, {}) for one in find(text)]
    assert [(one.whose, bool(one.why)) for one in told] == [(Whose.UNREADABLE, True)]


@pytest.mark.parametrize(
    "text", ["gcrxio/p/img", "gcr.io.evil.com/p/i", "notgcr.io/p/i", "x-gcr.io/p/i", "a@gcr.io"]
)
def test_another_host_is_not_found(text: str) -> None:
    """Its name is anchored at both ends."""
    assert not list(find(text))


def test_what_stands_for_many_images_is_none() -> None:
    """A project, a pattern of a folder; a colon at the end is of the sentence."""
    (project,) = find("gcr.io/p-roject")
    assert (read(project, {}).name, read(project, {}).whose) == ("gcr.io/p-roject", "somebodys")
    (folder,) = find("gcr.io/p-roject/a/**")
    assert read(folder, {}).name == "gcr.io/p-roject/a"
    assert cover(read(folder, {}, {"p-roject"}), PLAN).verdict == "by-hand"
    (image,) = find("as in gcr.io/p-roject/i:")
    assert image.text == "gcr.io/p-roject/i"


def test_a_host_in_a_gap_is_told_where_the_gap_has_it() -> None:
    """`{{ .Values.registry }}/x` says nothing by itself."""
    text = "a: {{ .Values.registry }}/x\nb: gcr.io/{{ .Values.p }}/x\n"
    (found,) = scan_text("templates/a.yaml", text)
    assert read(found.written, {}).gaps == ("Values.p",)
