"""Names that are expected to be there: read out of whatever people have, and held against it."""

from __future__ import annotations

import pytest

from gcr_migrate.model.names import Project
from gcr_migrate.rescue.expected import Expected, Verdict, Wanted, judge

ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
APP = Expected("gcr.io", "team/app")


def _wanted(project: str = "builds", start: str = "") -> Wanted:
    return Wanted(Project.parse(project), {"gcr.io", "eu.gcr.io"}, start)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("gcr.io/builds/team/app", ["gcr.io/builds/team/app"]),
        ("gcr.io/builds/team/app:v1", ["gcr.io/builds/team/app:v1"]),
        (f"gcr.io/builds/app@{ONE}", [f"gcr.io/builds/app@{ONE}"]),
        (f"gcr.io/builds/app:v1@{ONE}", [f"gcr.io/builds/app:v1@{ONE}"]),
        ("- image: https://eu.gcr.io/builds/app:1.0, then", ["eu.gcr.io/builds/app:1.0"]),
        ('"gcr.io/builds/a:1","gcr.io/builds/b:2"', ["gcr.io/builds/a:1", "gcr.io/builds/b:2"]),
        ("us-docker.pkg.dev/builds/gcr.io/app:v1", ["gcr.io/builds/app:v1"]),
        ("pulled gcr.io/builds/app:v1.", ["gcr.io/builds/app:v1"]),
        ("see gcr.io/builds/app/ and gcr.io/builds/app.", ["gcr.io/builds/app"]),
        ("gcr.io/builds/app:v1\tgcr.io/builds/app:v1", ["gcr.io/builds/app:v1"]),
        # None of these is an image of the project at these hosts.
        ("us.gcr.io/builds/app asia.gcr.io/builds/app", []),
        ("gcr.io/other/app gcr.io/builds mygcr.io/builds/app x.gcr.io/builds/app", []),
        ("us-docker.pkg.dev/builds/images/app europe-docker.pkg.dev/builds/gcr.io/app", []),
        ("gcr.io/$PROJECT/app gcr.io//app gcr.io/builds/Up gcr.io:443/builds/app", []),
    ],
)
def test_names_are_found_wherever_they_stand(line: str, names: list[str]) -> None:
    """Each once, with its tag and digest; what only looks like one is passed over."""
    wanted = _wanted()
    wanted.add_text([line])
    assert sorted(one.shown(wanted.project) for one in wanted.names) == names


def test_a_project_of_a_domain_and_a_folder_are_told_apart() -> None:
    """The domain is a part of the path; what is not below the folder is elsewhere."""
    wanted = _wanted("example.com:p", "team")
    wanted.add_text(["gcr.io/example.com/p/team/app:1 gcr.io/example.com/p/teams/app:1"])
    assert wanted.names == {Expected("gcr.io", "team/app", "1")}
    assert wanted.elsewhere == 1


def test_a_snapshot_gives_its_tags_and_the_digests_without_one() -> None:
    """A tag brings its digest along, so that no digest is asked for twice."""
    wanted = _wanted()
    wanted.add_image("gcr.io/builds/team/app", [ONE, OTHER], {"v1": ONE, "lost": ""})
    assert wanted.names == {
        Expected("gcr.io", "team/app", "v1", ONE),
        Expected("gcr.io", "team/app", "lost"),
        Expected("gcr.io", "team/app", "", OTHER),
    }


@pytest.mark.parametrize(
    ("tag", "digest", "verdict", "there"),
    [
        ("v1", ONE, Verdict.SAME, ONE),
        ("v1", "", Verdict.THERE, ONE),
        ("v1", OTHER, Verdict.OTHER, ONE),
        ("v2", ONE, Verdict.MISSING, ONE),  # the tag is gone, what it stood for is not
        ("v2", OTHER, Verdict.MISSING, ""),
        ("v2", "", Verdict.MISSING, ""),
        ("", ONE, Verdict.SAME, ""),
        ("", OTHER, Verdict.MISSING, ""),
        ("", "", Verdict.THERE, ""),
    ],
)
def test_what_became_of_a_name(tag: str, digest: str, verdict: Verdict, there: str) -> None:
    """A tag counts with what it points to, a digest by itself, an image if it has anything."""
    name = Expected(APP.host, APP.path, tag, digest)
    found = {(APP.host, APP.path): ({ONE}, {"v1": ONE})}
    assert [*judge([name], found)] == [(name, verdict, there)]
    assert next(judge([name], {}))[1] is Verdict.MISSING
    assert next(judge([name], {}, complete=False))[1] is Verdict.NOT_SEEN
