"""What a rewrite leaves: all of it is told, whether the file changes or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gcr_migrate.refs.change import Elsewhere, change
from gcr_migrate.refs.cover import Verdict, cover
from gcr_migrate.refs.files import scan_text
from gcr_migrate.refs.reading import Whose, read
from tests.pure.test_refs_rewrite import DIGEST, OTHER, PLAN, Plan

if TYPE_CHECKING:
    from gcr_migrate.refs.cover import Covered
    from gcr_migrate.refs.files import Found
    from gcr_migrate.refs.reading import Reference

NEW_PROJECT = "europe-docker.pkg.dev/other/all"
SOURCES = frozenset({"gcr.io", "us.gcr.io"})


def judge(found: Found) -> tuple[Reference, Covered]:
    """Tell what becomes of a name of the project `acme-prod`."""
    reference = read(found.written, {}, {"acme-prod"}, defaults=found.values)
    return reference, cover(reference, PLAN)


def left(text: str, name: str = "a.yaml") -> tuple[list[str], list[str]]:
    """Return what is said of names that should change and do not, and of all else."""
    elsewhere = Elsewhere.of(scan_text(name, text), SOURCES)
    made = change(name, text.encode(), judge, {}, elsewhere=elsewhere)
    return [why for _, why in made.refused], [why for _, why in made.hints]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gcr.io/acme-prod/unknown:1", "not-in-plan"),
        ("gcr.io/acme-prod/left", "not-in-plan: left out: not-selected"),
        ("gcr.io/acme-prod/shop:none", "gone: the plan has no such tag"),
        (f"gcr.io/acme-prod/shop:1@{OTHER}", f"tag-moved: the tag points to {DIGEST}"),
        ("gcr.io/acme-prod/unknown:$TAG", "not-in-plan"),
    ],
)
def test_a_name_of_ones_own_that_has_no_new_one_is_told(text: str, why: str) -> None:
    """Somebody who rewrites to be rid of old names has to know which stay."""
    assert left(f"image: {text}") == ([why], [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("image: gcr.io/$P/shop:1", "no value for P"),
        ("image: ${L}.gcr.io/$P/shop:1", "no value for L, P"),
        ("namePattern: gcr.io/acme-prod/*", "names that begin with it begin otherwise now"),
        ("REG: gcr.io/acme-prod", "names that begin with it begin otherwise now"),
        ("allow: ^gcr\\.io/acme", "a pattern of names: what it lets through is changed by hand"),
        ("rrdatas: [gcr.io.]", "where hosts are listed, the new ones belong too"),
    ],
)
def test_what_is_no_whole_name_is_told_in_a_file_that_does_not_change(text: str, why: str) -> None:
    """An allow-list, a zone or a pipeline has to change by hand, and has no other name in it."""
    assert left(text) == ([], [why])


@pytest.mark.parametrize(
    "text",
    [
        "gcr.io/distroless/java:$TAG",
        "gcr.io/other-one/app:$TAG",
        "artifacts.other-one.appspot.com",
        "us-docker.pkg.dev/$P/shop/shop:1",
        "us-docker.pkg.dev/acme-prod/shop/new:1",
        "us-docker.pkg.dev/acme-prod/native/app:1",
        "us-docker.pkg.dev",
    ],
)
def test_what_is_new_or_not_ones_own_asks_for_nothing(text: str) -> None:
    """Else every second run would tell it again."""
    assert left(f"a: {text}") == ([], [])


def test_prose_that_does_not_change_asks_for_nothing() -> None:
    """It may say gcr.io for any reason."""
    assert left("It was at gcr.io/<project>/shop on gcr.io.", "a.md") == ([], [])


@pytest.mark.parametrize("resource", ["", "image: gcr.io/acme-prod/shop"])
def test_what_kustomize_looks_for_has_to_be_there_still(resource: str) -> None:
    """A new tag would silently go nowhere if the resources say the old name."""
    text = "images:\n- {name: gcr.io/acme-prod/shop, newTag: '2.0'}\n"
    names = [*scan_text("kustomization.yaml", text), *scan_text("web.yaml", resource)]
    elsewhere = Elsewhere.of(names, SOURCES)
    made = change("kustomization.yaml", text.encode(), judge, {}, elsewhere=elsewhere)
    assert len(made.done) == 1
    assert bool(made.hints) is not bool(resource)


def test_a_repository_that_a_plan_does_not_touch_is_no_business_of_its() -> None:
    """It was made for Artifact Registry; a gcr.io name under its newer name is not such a one."""

    def verdict(text: str) -> Verdict:
        (found,) = scan_text("a.txt", text)
        return judge(found)[1].verdict

    assert verdict("us-docker.pkg.dev/acme-prod/native/app:1") is Verdict.STAYS
    assert verdict("us-docker.pkg.dev/acme-prod/shop/typo:1") is Verdict.NOT_PLANNED
    assert verdict("us-docker.pkg.dev/acme-prod/us.gcr.io/app:1") is Verdict.NOT_PLANNED


@pytest.mark.parametrize("tag", [":1", ":$TAG", ":${TAG:-1}", ""])
def test_without_a_plan_an_old_name_is_one_whatever_its_tag(tag: str) -> None:
    """A gate that a variable opens is none."""
    (found,) = scan_text("a.yaml", f"image: gcr.io/acme-prod/shop{tag}")
    reference = read(found.written, {}, {"acme-prod"}, defaults=found.values)
    assert cover(reference, None).verdict is Verdict.OLD


@pytest.mark.parametrize("project", ["example.com:shop-1", "example.com/shop-1"])
@pytest.mark.parametrize("target", ["us-docker.pkg.dev/example.com/shop-1", NEW_PROJECT])
def test_a_gap_may_hold_a_project_with_its_domain(project: str, target: str) -> None:
    """As its id or as a path; it stays where the project does, and else is told."""
    plan = Plan({"gcr.io/example.com/shop-1/team/app": f"{target}/team/app"})
    values = {"P": project}

    def read_and_cover(found: Found) -> tuple[Reference, Covered]:
        reference = read(found.written, values, {"example.com:shop-1"})
        return reference, cover(reference, plan)

    made = change("a.yaml", b"image: gcr.io/$P/team/app:1", read_and_cover, values)
    if target == NEW_PROJECT:
        assert [why for _, why in made.refused] == ["a gap in it stands for more than the project"]
        assert not made.is_any
    else:
        assert made.after == b"image: us-docker.pkg.dev/$P/team/app:1"


@pytest.mark.parametrize("rest", ["app", "team/app", "team/app:1"])
def test_a_colon_in_a_project_is_told_with_the_name_that_is_meant(rest: str) -> None:
    """However long its path is, and with a tag too."""
    (found,) = scan_text("a.yaml", f"image: gcr.io/example.com:shop-1/{rest}")
    told = read(found.written, {}, {"example.com:shop-1"})
    assert told.whose is Whose.UNREADABLE
    assert told.why.endswith(f"in image names write gcr.io/example.com/shop-1/{rest}")
