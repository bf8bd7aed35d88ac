"""New names in the place of old ones: the right characters change, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gcr_migrate.model.content import Digest
from gcr_migrate.model.cover import Moved
from gcr_migrate.refs.change import Change, change, patch
from gcr_migrate.refs.cover import Verdict, cover
from gcr_migrate.refs.files import scan_text
from gcr_migrate.refs.reading import read

DIGEST = Digest("sha256", "a" * 64)
OTHER = Digest("sha256", "b" * 64)


@dataclass
class Plan:
    """A plan of a few names, held in memory."""

    images: dict[str, str]
    tags: dict[str, dict[str, Digest]] = field(default_factory=dict)
    digests: frozenset[Digest] = frozenset({DIGEST, OTHER})

    def image(self, name: str) -> Moved | None:
        """Return where an image goes."""
        return Moved(1, name, self.images[name]) if name in self.images else None

    def at_target(self, name: str) -> Moved | None:
        """Return the image that gets this name."""
        found = (Moved(1, old, new) for old, new in self.images.items() if new == name)
        return next(found, None)

    def tag(self, image: Moved, tag: str) -> Digest | None:
        """Return what a tag points to."""
        return self.tags.get(
            image.source, {"1": DIGEST, "2.0": OTHER, "2.0.0": OTHER, "v3": DIGEST}
        ).get(tag)

    def has(self, image: Moved, digest: Digest) -> bool:
        """Whether a digest goes with an image."""
        return digest in self.digests and image.source in self.images

    def touches(self, repository: str) -> bool:
        """Whether something goes there."""
        return any(new.startswith(f"{repository}/") for new in self.images.values())

    def left_out(self, name: str) -> str:
        """Return why a name is left out."""
        return "not-selected" if name.endswith("/left") else ""


PLAN = Plan(
    {
        "gcr.io/acme-prod/shop": "us-docker.pkg.dev/acme-prod/shop/shop",
        "us.gcr.io/acme-prod/team-a/side": "us-docker.pkg.dev/acme-prod/team-a/side",
        "us.gcr.io/acme-prod/c/side": "us-docker.pkg.dev/acme-prod/c/d/side",
        "us.gcr.io/acme-prod/old": "us-docker.pkg.dev/acme-prod/c/new",
        "gcr.io/acme-prod/far": "europe-docker.pkg.dev/other-prod/far/far",
    }
)


def rewritten(
    text: str, name: str = "f.yaml", *, pin: bool = False, values: dict[str, str] | None = None
) -> Change:
    """Rewrite one file of the project `acme-prod`."""
    known = values or {}

    def judge(found: Any) -> Any:
        reference = read(found.written, known, {"acme-prod"}, defaults=found.values)
        return reference, cover(reference, PLAN)

    return change(name, text.encode(), judge, known, pin=pin)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('image: "gcr.io/acme-prod/shop:1"', 'image: "us-docker.pkg.dev/acme-prod/shop/shop:1"'),
        (f"gcr.io/acme-prod/shop@{DIGEST}", f"us-docker.pkg.dev/acme-prod/shop/shop@{DIGEST}"),
        ("gcr.io:443/acme-prod/shop:1", "us-docker.pkg.dev/acme-prod/shop/shop:1"),
        ("gcr.io/acme-prod/shop:$TAG", "us-docker.pkg.dev/acme-prod/shop/shop:$TAG"),
        ("gcr.io/$P/shop:1", "us-docker.pkg.dev/$P/shop/shop:1"),
        ("docker://gcr.io/acme-prod/shop", "docker://us-docker.pkg.dev/acme-prod/shop/shop"),
        ("gcr.io/acme-prod/else:1", "gcr.io/acme-prod/else:1"),
        ("gcr.io/distroless/static", "gcr.io/distroless/static"),
        ("us-docker.pkg.dev/acme-prod/shop/shop:1", "us-docker.pkg.dev/acme-prod/shop/shop:1"),
    ],
)
def test_a_name_that_moves_is_replaced_and_all_else_stays(before: str, after: str) -> None:
    """Its tag, its digest, what stands around it, and the gap for the project."""
    assert rewritten(before, values={"P": "acme-prod"}).after.decode() == after


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("gcr.io/acme-prod/$IMAGE:1", {"IMAGE": "shop"}),
        ("gcr.io/$P/far:1", {"P": "acme-prod"}),  # its project becomes another one
        ("https://gcr.io/v2/acme-prod/shop/manifests/1", {}),
    ],
)
def test_what_cannot_be_put_right_is_left_and_told(text: str, values: dict[str, str]) -> None:
    """A name of which a gap is more than the project, or that is an address."""
    made = rewritten(text, values=values)
    assert not made.is_any
    assert len(made.refused) == 1


def test_both_parts_of_a_name_change_together_or_not_at_all() -> None:
    """The tag keeps its quotes; a registry with a path keeps as many parts."""
    text = (
        "a: {registry: gcr.io, repository: 'acme-prod/shop', tag: \"1\"}\n"
        "b:\n  repository: acme-prod/team-a/side # here\n  registry: us.gcr.io\n"
        "c: {registry: gcr.io/acme-prod, repository: shop}\n"
        "d: {registry: gcr.io, repository: acme-prod/unknown}\n"
        "e: {repository: gcr.io/acme-prod/shop, tag: 1}\n"
    )
    assert rewritten(text, "values.yaml").after.decode() == (
        "a: {registry: us-docker.pkg.dev, repository: 'acme-prod/shop/shop', tag: \"1\"}\n"
        "b:\n  repository: acme-prod/team-a/side # here\n  registry: us-docker.pkg.dev\n"
        "c: {registry: us-docker.pkg.dev/acme-prod, repository: shop/shop}\n"
        "d: {registry: gcr.io, repository: acme-prod/unknown}\n"
        "e: {repository: us-docker.pkg.dev/acme-prod/shop/shop, tag: 1}\n"
    )


def test_a_pinned_name_has_tag_and_digest() -> None:
    """Only where the tag is known, and nothing is pinned yet."""
    made = rewritten("gcr.io/acme-prod/shop:2.0 gcr.io/acme-prod/shop:$T", pin=True)
    new = "us-docker.pkg.dev/acme-prod/shop/shop"
    assert made.after.decode() == f"{new}:2.0@{OTHER} {new}:$T"


def test_a_dockerfile_whose_base_is_an_argument_changes_at_the_argument() -> None:
    """What takes the argument follows by itself, and is no name that was left."""
    made = rewritten(
        "ARG BASE=gcr.io/acme-prod/shop\nARG TAG=1\nFROM ${BASE}:${TAG}\n", "Dockerfile"
    )
    new = "ARG BASE=us-docker.pkg.dev/acme-prod/shop/shop\nARG TAG=1\nFROM ${BASE}:${TAG}\n"
    assert (made.after.decode(), made.refused) == (new, [])


def test_lock_files_and_other_encodings_are_told_and_not_touched() -> None:
    """Their own tools, or a person, have to do it."""
    names = ("images.lock", "kbld.lock.yml", "pnpm-lock.yaml", "templates/x-lock.yaml")
    for lock in (rewritten("image: gcr.io/acme-prod/shop:1", name) for name in names):
        assert not lock.is_any
        assert "lock file" in lock.refused[0][1]

    def judge(found: Any) -> Any:
        reference = read(found.written, {}, {"acme-prod"})
        return reference, cover(reference, PLAN)

    wide = change("w.txt", "gcr.io/acme-prod/shop:1".encode("utf-16"), judge, {})
    assert not wide.is_any
    assert "UTF-8" in wide.refused[0][1]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("gcr.io/acme-prod/shop:1", Verdict.MOVES),
        ("gcr.io/acme-prod/shop:gone", Verdict.GONE),
        (f"gcr.io/acme-prod/shop@sha256:{'c' * 64}", Verdict.GONE),
        (f"gcr.io/acme-prod/shop:1@{OTHER}", Verdict.TAG_MOVED),
        (f"gcr.io/acme-prod/shop:1@{DIGEST}", Verdict.MOVES),
        ("gcr.io/acme-prod/unknown:1", Verdict.NOT_PLANNED),
        ("gcr.io/acme-prod/left", Verdict.NOT_PLANNED),
        ("us-docker.pkg.dev/acme-prod/shop/shop:1", Verdict.NEW),
        ("gcr.io/another-one/x:1", Verdict.STAYS),
        ("k8s.gcr.io/pause:3", Verdict.STAYS),
        ("gcr.io/$P/shop:1", Verdict.OPEN),
        ("gcr.io/acme-prod/Shop", Verdict.UNREADABLE),
        ("gcr.io", Verdict.BY_HAND),
        ("gs://artifacts.acme-prod.appspot.com", Verdict.BY_HAND),
    ],
)
def test_a_plan_says_what_becomes_of_each_name(text: str, verdict: Verdict) -> None:
    """One verdict each, and never a guess."""
    (found,) = scan_text("f.txt", text)
    reference = read(found.written, {}, {"acme-prod"})
    covered = cover(reference, PLAN)
    assert covered.verdict is verdict
    assert (covered.target != "") == (verdict in {Verdict.MOVES, Verdict.GONE, Verdict.TAG_MOVED})


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "image: gcr.io/acme-prod/shop:1",
                "image: 'gcr.io/acme-prod/shop:2.0' # gcr.io/acme-prod/shop",
                "x: {registry: us.gcr.io, repository: acme-prod/team-a/side, tag: '1'}",
                "y: [gcr.io/acme-prod/far:v3, gcr.io/other-one/z]",
                f"z: gcr.io/acme-prod/shop@{DIGEST}",
            ]
        ),
        st.text(st.characters(blacklist_categories=["Cs"]), max_size=30).map(lambda t: f"# {t!r}"),
    ),
    max_size=12,
)
ENDS = st.sampled_from(["\n", "\r\n"])


@given(lines=LINES, end=ENDS, closes=st.booleans(), pin=st.booleans())
def test_rewriting_leaves_new_names_only_and_again_changes_nothing(
    *, lines: list[str], end: str, closes: bool, pin: bool
) -> None:
    """Nothing else of a file changes: line ends, comments, quotes, the last line."""
    keyed = [line.replace(": ", f"{number}: ", 1) for number, line in enumerate(lines)]
    text = end.join(keyed) + (end if closes else "")
    made = rewritten(text, pin=pin)
    assert made.refused == []
    after = made.after.decode()
    again = rewritten(after, pin=pin)
    assert not again.is_any
    names = [read(one.written, {}, {"acme-prod"}) for one in scan_text("f.yaml", after)]
    assert Verdict.MOVES not in {cover(one, PLAN).verdict for one in names}
    restored = after
    if pin:
        for tag, digest in (("1", DIGEST), ("v3", DIGEST), ("2.0", OTHER)):
            restored = restored.replace(f":{tag}@{digest}", f":{tag}")
    for old, new in PLAN.images.items():
        host, _, rest = new.partition("/")
        restored = restored.replace(
            f"registry: {host}, repository: {rest}",
            "registry: us.gcr.io, repository: " + old.partition("/")[2],
        )
        restored = restored.replace(new, old)
    assert restored == text


@given(LINES)
def test_a_rewritten_file_means_the_same_but_for_names(lines: list[str]) -> None:
    """It parses to the same structure."""
    text = "".join(f"{line.replace(': ', f'{n}: ', 1)}\n" for n, line in enumerate(lines))
    yaml = YAML(typ="safe")
    assert shape(yaml.load(text)) == shape(yaml.load(rewritten(text).after.decode()))


def shape(value: Any) -> Any:
    """Return a value without its texts."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


def test_a_patch_says_where_the_last_line_has_no_end() -> None:
    """So that `git apply` takes it."""
    made = rewritten("a\nimage: gcr.io/acme-prod/shop:1")
    assert list(patch(made, "k8s/f.yaml")) == [
        "--- a/k8s/f.yaml\n",
        "+++ b/k8s/f.yaml\n",
        "@@ -1,2 +1,2 @@\n",
        " a\n",
        "-image: gcr.io/acme-prod/shop:1\n\\ No newline at end of file\n",
        "+image: us-docker.pkg.dev/acme-prod/shop/shop:1\n\\ No newline at end of file\n",
    ]
