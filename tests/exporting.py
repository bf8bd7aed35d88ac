"""Target repositories as plans have them, of every kind that code is written for."""

from __future__ import annotations

from hypothesis import strategies as st

from gcr_migrate.model.access import Condition, Grant
from gcr_migrate.model.plan import Repository
from gcr_migrate.model.settings import (
    CleanupCondition,
    CleanupPolicy,
    RepositorySettings,
    Scanning,
)

# Of all that can stand in a description, what languages give a meaning to, and what ends a line.
TEXTS = st.text(
    st.one_of(
        st.sampled_from([*"${}%\"\\'\n\r\t`!#^|:;,= ~\u2028\u00e9\U0001f600"]),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=30,
)
NASTY = (
    'it\'s a "web" $5',
    "${x} $${y} $$${z} %{if} %%{for} \\${w}",
    "two\nlines\r\n\tand a tab",
    "POLICIES\n# no comment\n}",
    "$(touch x) `touch x` ; & | > <",
    "\u2028 \u00e9 \U0001f600 \x1b[31m \u202e",
    "--description=-",
    " ^:^a=b, c ",
)
ALL_ROLES = ("roles/artifactregistry.reader", "projects/builds/roles/puller")
ENDS = Condition("until, 2030", "request.time < timestamp('2030-01-01T00:00:00Z')", "a, b: c; d|e")


def repository(  # of the parts that tests differ in
    id_: str = "one",
    settings: RepositorySettings | None = None,
    *,
    exists: bool = False,
    grants: tuple[Grant, ...] = (),
    granted: tuple[Grant, ...] = (),
    project: str = "builds",
    upstreams: tuple[str, ...] = (),
) -> Repository:
    """Return a target in `us`."""
    return Repository(
        "us-docker.pkg.dev",
        f"{project.replace(':', '/')}/{id_}",
        "artifact-registry",
        f"projects/{project}/locations/us/repositories/{id_}",
        exists=exists,
        settings=settings or RepositorySettings(),
        grants=grants,
        granted=granted,
        upstreams=tuple(f"projects/{project}/locations/us/repositories/{one}" for one in upstreams),
    )


def everything(text: str = "a text") -> RepositorySettings:
    """Return settings of which none is as it comes."""
    picks = CleanupCondition("untagged", (text,), ("sha256:1",), ("web", text), 86_400, 60)
    return RepositorySettings(
        description=text,
        labels=(("for", "1"), ("team", "web")),
        immutable_tags=True,
        kms_key="projects/p/locations/us/keyRings/r/cryptoKeys/k",
        cleanup=(
            CleanupPolicy("keep", deletes=False, keep_count=5, newest_prefixes=("web",)),
            CleanupPolicy("old", deletes=True, condition=picks),
        ),
        scanning=Scanning.AFTER_COPY,
    )
