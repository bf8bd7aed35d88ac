"""Names that share, hold or begin one another: all of them change together, or none does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gcr_migrate.refs.change import patch
from tests.pure.test_refs_rewrite import DIGEST, rewritten

NEW = "us-docker.pkg.dev/acme-prod/shop/shop"
SHARED = "r: &r gcr.io\na: {registry: *r, repository: acme-prod/shop, tag: 1}\n"


UMBRELLA = """\
global: {imageRegistry: gcr.io}
web: {image: {repository: acme-prod/shop, tag: 1}}
job: {image: {registry: docker.io, repository: acme-prod/shop, tag: '2.0'}}
"""


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (
            "values.yaml",
            UMBRELLA,
            UMBRELLA.replace("gcr.io", NEW[:17]).replace("prod/shop", "prod/shop/shop"),
        ),
        (
            "values.yaml",
            "a: {registry: gcr.io, repository: acme-prod, name: shop, tag: 1}\n",
            "a: {registry: us-docker.pkg.dev, repository: acme-prod, name: shop/shop, tag: 1}\n",
        ),
        (
            "values.yaml",
            "a: {registry: gcr.io, project: acme-prod, image: shop, tag: 1}\n",
            "a: {registry: us-docker.pkg.dev, project: acme-prod, image: shop/shop, tag: 1}\n",
        ),
        (
            "values.yaml",
            "a: {project: acme-prod, registry: gcr.io, repository: acme-prod/shop, tag: 1}\n",
            (
                "a: {project: acme-prod, registry: us-docker.pkg.dev,"
                " repository: acme-prod/shop/shop, tag: 1}\n"
            ),
        ),
        (
            "Chart.yaml",
            (
                "dependencies:\n- {name: side, version: 2.0.0, repository: oci://us.gcr.io/acme-prod/c}\n"
                "- name: side\n  repository: 'oci://us.gcr.io/acme-prod/c/'\n  version: ^2\n"
            ),
            (
                "dependencies:\n"
                "- {name: side, version: 2.0.0, repository: oci://us-docker.pkg.dev/acme-prod/c/d}\n"
                "- name: side\n  repository: 'oci://us-docker.pkg.dev/acme-prod/c/d/'\n"
                "  version: ^2\n"
            ),
        ),
        ("a.md", "_gcr.io/acme-prod/shop:1_", f"_{NEW}:1_"),
        (
            "m.tf",
            'i = { repository = "gcr.io/acme-prod/shop", tag = var.t }',
            f'i = {{ repository = "{NEW}", tag = var.t }}',
        ),
        (
            "values.yaml",
            (
                "a: &i {registry: gcr.io, repository: acme-prod/shop, tag: 1}\nb: *i\n"
                "c: {<<: *i, tag: '2.0'}\n"
            ),
            (
                "a: &i {registry: us-docker.pkg.dev, repository: acme-prod/shop/shop, tag: 1}\n"
                "b: *i\n"
                "c: {<<: *i, tag: '2.0'}\n"
            ),
        ),
        ("values.yaml", SHARED, SHARED.replace("gcr.io", NEW[:17]).replace("shop,", "shop/shop,")),
        ("a.txt", "gcr.io/acme-prod/shop:1,gcr.io/acme-prod/shop", f"{NEW}:1,{NEW}"),
        ("a.md", "**gcr.io/acme-prod/shop**", f"**{NEW}**"),
        ("a.txt", "gcr.io/acme-prod/shop:*", f"{NEW}:*"),
        ("a.json", '"\\ngcr.io/acme-prod/shop:1\\n"', f'"\\n{NEW}:1\\n"'),
    ],
)
def test_a_part_that_several_names_share_changes_once(name: str, before: str, after: str) -> None:
    """Anchors, merges, and names beside each other."""
    made = rewritten(before, name)
    assert (made.after.decode(), made.refused) == (after, [])
    assert not rewritten(after, name).is_any


@pytest.mark.parametrize(
    ("name", "text", "refused"),
    [
        ("values.yaml", f"{SHARED}b: {{registry: *r, repository: distroless/static}}\n", 1),
        ("values.yaml", f"{SHARED}b: {{registry: *r, repository: acme-prod/far}}\n", 2),
        (
            "values.yaml",
            (
                "a: &i {registry: gcr.io, repository: acme-prod/shop, tag: 1}\n"
                "c: {<<: *i, tag: gone}\n"
            ),
            2,
        ),
        ("values.yaml", f"{UMBRELLA}far: {{image: {{repository: acme-prod/far, tag: 1}}}}\n", 3),
        ("values.yaml", f"{UMBRELLA}not: {{image: {{repository: acme-prod/no, tag: 1}}}}\n", 3),
        ("Dockerfile", "ARG B=gcr.io/acme-prod/shop\nFROM ${B}/sub:1\n", 2),
        ("Chart.yaml", "d: [{name: shop, repository: oci://gcr.io/acme-prod, version: 2.0.1}]", 1),
        ("Chart.yaml", "d: [{name: old, repository: oci://us.gcr.io/acme-prod, version: ^1}]", 1),
        ("a.sh", "REG=gcr.io/acme-prod\ndocker push $REG/shop:1\n", 1),
        ("compose.yaml", "image: ${R:-gcr.io/acme-prod}/shop:1\n", 1),
        ("a.json", '{"a": "gcr.io\\/acme-prod\\/shop:1"}', 1),
        ("templates/a.yaml", 'a: {{ .V.r | default "gcr.io" }}/acme-prod/shop:1', 1),
        ("a.rego", "gcr\\.io/acme-prod/shop:1", 0),
        ("a.txt", "GCR.IO/acme-prod/shop:1", 1),
        ("a.txt", "harbor.example.com/gcr.io/acme-prod/shop:1", 0),
        ("a.sh", "sed s/gcr.io/us-docker.pkg.dev/", 0),
        ("a.sh", "docker pull gcr.io/acme-prod/shop{,-debug}:1", 0),
        ("a.yaml", "allow: gcr.io/acme-prod/shop*", 0),
        ("a.yaml", "a: us-docker.pkg.dev/acme-prod/gcr.io/acme-prod/shop:1", 1),
    ],
)
def test_what_would_make_another_name_wrong_is_left(name: str, text: str, refused: int) -> None:
    """No name of another registry, no pattern, and no part that somebody else needs."""
    made = rewritten(text, name)
    assert not made.is_any
    assert len(made.refused) == refused


@pytest.mark.parametrize(
    ("name", "text", "pinned"),
    [
        ("a.sh", "docker run gcr.io/acme-prod/shop:1", True),
        ("a.sh", "docker push gcr.io/acme-prod/shop:1", False),
        ("a.sh", "docker pull x && docker build . -t gcr.io/acme-prod/shop:1", False),
        ("a.sh", "docker push x && docker run gcr.io/acme-prod/shop:1", True),
        ("a.sh", "executor --destination=gcr.io/acme-prod/shop:1", False),
        ("cloudbuild.yaml", "images: ['gcr.io/acme-prod/shop:1']", False),
        ("cloudbuild.yaml", "steps: [{name: 'gcr.io/acme-prod/shop:1'}]", True),
        ("pom.xml", "<to><image>gcr.io/acme-prod/shop:1</image></to>", False),
        ("pom.xml", "<from><image>gcr.io/acme-prod/shop:1</image></from>", True),
    ],
)
def test_a_name_that_an_image_is_given_gets_no_digest(
    name: str, text: str, *, pinned: bool
) -> None:
    """A registry refuses to be sent a name with one; its name changes all the same."""
    digest = f"@{DIGEST}" if pinned else ""
    assert rewritten(text, name, pin=True).after.decode() == text.replace(
        "gcr.io/acme-prod/shop:1", f"{NEW}:1{digest}"
    )


PART = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-)[a-z0-9]+){0,3}", fullmatch=True)


@pytest.mark.slow
@given(
    st.from_regex(
        r"(?:us|asia-east1)-docker\.pkg\.dev/[a-z][a-z0-9-]{4,9}[a-z0-9]/[a-z][a-z0-9]{0,9}",
        fullmatch=True,
    ),
    st.lists(PART, min_size=1, max_size=3),
    st.sampled_from(["", ":1", ":v1.2-x", f"@{DIGEST}", f":1@{DIGEST}"]),
    st.sampled_from(["a: {}\n", "- {}\n", "[{}]\n", "{{a: {}}}\n", "a: {} # c\n", "? {}\n: 1\n"]),
)
def test_no_new_name_needs_quotes_in_yaml(
    begin: str, path: list[str], suffix: str, around: str
) -> None:
    """Whatever stands without them is the same text for a reader, in every place of YAML."""
    name = f"{begin}/{'/'.join(path)}{suffix}"
    read = YAML(typ="safe").load(around.format(name))
    values = read.values() if isinstance(read, dict) and "a" in read else read
    assert list(values) == [name]


@pytest.mark.parametrize(
    ("path", "spelled"),
    [("a b.yaml", "a/a b.yaml"), ("a\nb", '"a/a\\012b"'), ('q"', '"a/q\\""')],
)
def test_a_patch_spells_paths_as_git_does(path: str, spelled: str) -> None:
    """A line end in a path is none in the patch."""
    assert next(patch(rewritten("gcr.io/acme-prod/shop:1"), path)) == f"--- {spelled}\n"
