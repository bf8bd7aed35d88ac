"""Names of images in any text: where they begin and end, what they say, whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.refs.finder import filled, find, gaps, name_of
from gcr_migrate.refs.reading import Whose, read
from tests.made import made

HEX = "a" * 64


def texts(line: str) -> list[str]:
    """Return what is found in a text, as it is written there."""
    return [one.text for one in find(line)]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("image: us.gcr.io/builds/a/b:beta-2.0", ["us.gcr.io/builds/a/b:beta-2.0"]),
        (f"FROM gcr.io/d.com/p/i@sha256:{HEX} AS x", [f"gcr.io/d.com/p/i@sha256:{HEX}"]),
        ("docker push gcr.io/$PROJECT_ID/app:$SHA", ["gcr.io/$PROJECT_ID/app:$SHA"]),
        ("X=${X:-gcr.io/p-roject/i:1}", ["gcr.io/p-roject/i:1"]),
        ('"gcr.io/{{ .V.project }}/a:{{.V.tag}}"', ["gcr.io/{{ .V.project }}/a:{{.V.tag}}"]),
        ("in gcr.io/p-roject/a. And (gcr.io/p/b).", ["gcr.io/p-roject/a", "gcr.io/p/b"]),
        ("auth configure-docker gcr.io,us.gcr.io", ["gcr.io", "us.gcr.io"]),
        ("zone *.gcr.io.", ["gcr.io"]),
        ("notgcr.io/x x-gcr.io/y gcr.io.evil.com/x gcrxio/p/i", []),
        ("someone@gcr.io is no host here", []),
        ("docker://gcr.io:443/p/i", ["gcr.io:443/p/i"]),
        ("${_L}-docker.pkg.dev/$P/r/app:${T:-v1}", ["${_L}-docker.pkg.dev/$P/r/app:${T:-v1}"]),
        ("docker.us-east1.rep.pkg.dev/p/r/i", ["docker.us-east1.rep.pkg.dev/p/r/i"]),
        ("gs://us.artifacts.builds.appspot.com/x", ["us.artifacts.builds.appspot.com"]),
        (
            "[i](https://console.cloud.google.com/gcr/images/builds/US/app?project=x)",
            ["https://console.cloud.google.com/gcr/images/builds/US/app?project=x"],
        ),
        ('"gcr.io/" + project + "/app"', ["gcr.io/"]),
    ],
)
def test_a_name_is_found_from_its_first_to_its_last_character(line: str, names: list[str]) -> None:
    """Neither less, which would be another name, nor what stands around it."""
    assert texts(line) == names


@pytest.mark.parametrize(
    ("text", "whose", "name"),
    [
        ("gcr.io/builds/a:1", Whose.OURS, "gcr.io/builds/a:1"),
        ("gcr.io:443/builds/a", Whose.OURS, "gcr.io/builds/a"),
        ("gcr.io/v2/builds/a/manifests/1", Whose.OURS, "gcr.io/builds/a"),
        ("us-docker.pkg.dev/builds/r/a", Whose.OURS, "us-docker.pkg.dev/builds/r/a"),
        ("us.artifacts.builds.appspot.com", Whose.OURS, "gs://us.artifacts.builds.appspot.com"),
        ("gcr.io/other-one/a", Whose.SOMEBODYS, "gcr.io/other-one/a"),
        ("gcr.io/distroless/static:nonroot", Whose.GOOGLES, "gcr.io/distroless/static:nonroot"),
        ("gcr.io/google.com/cloudsdktool/x", Whose.GOOGLES, "gcr.io/google.com/cloudsdktool/x"),
        ("mirror.gcr.io/library/redis:7", Whose.GOOGLES, "mirror.gcr.io/library/redis:7"),
        ("k8s.gcr.io/pause:3.9", Whose.RETIRED, "k8s.gcr.io/pause:3.9"),
        ("gcr.io/google-containers/pause", Whose.RETIRED, "gcr.io/google-containers/pause"),
        ("gcr.io/distroless/java:$TAG", Whose.GOOGLES, "gcr.io/distroless/java"),
        ("gcr.io/other-one/a:$TAG", Whose.SOMEBODYS, "gcr.io/other-one/a"),
        ("gcr.io/google-containers/a:$V", Whose.RETIRED, "gcr.io/google-containers/a"),
        ("gcr.io", Whose.HOST, "gcr.io"),
        ("gcr.io/v2/", Whose.HOST, "gcr.io"),
        ("us-docker.pkg.dev/v2/token", Whose.HOST, "us-docker.pkg.dev"),
        ("gcr.io/$PROJECT/a", Whose.OPEN, ""),
        ("gcr.io/PROJECT_ID/a", Whose.OPEN, ""),
        ("gcr.io/builds/a:$SHA", Whose.OPEN, "gcr.io/builds/a"),
        ("us.gcr.io/example.com:p/img", Whose.UNREADABLE, ""),
        ("gcr.io/p/Img", Whose.UNREADABLE, ""),
        ("gcr.io/p/a+b", Whose.UNREADABLE, ""),
        ("gcr.io/p//b", Whose.UNREADABLE, ""),
        ("foo.gcr.io/a/b", Whose.UNREADABLE, ""),
        ("eu-docker.pkg.dev/builds/r/i", Whose.UNREADABLE, ""),
    ],
)
def test_what_is_found_says_whose_it_is(text: str, whose: Whose, name: str) -> None:
    """What cannot be read is told as such, and never dropped."""
    found = read(next(find(text)), {}, {"builds"})
    assert (found.whose, found.name) == (whose, name)
    assert (whose in {Whose.UNREADABLE, Whose.RETIRED}) == bool(found.why)


@pytest.mark.parametrize(
    ("gap", "name"),
    [
        ("$PROJECT_ID", "PROJECT_ID"),
        ("${PROJECT_ID}", "PROJECT_ID"),
        ("${TAG:-v1}", "TAG"),
        ("$(params.image)", "params.image"),
        ("{{ .Values.image.tag }}", "Values.image.tag"),
        ("{{ .Values.tag | default .Chart.AppVersion }}", "Values.tag"),
        ("${{ env.PROJECT }}", "env.PROJECT"),
        ("${var.project}", "var.project"),
        ("{project}", "project"),
        ("%(project)s", "project"),
        ("<your-project>", "your-project"),
        ("[PROJECT-ID]", "PROJECT-ID"),
        ("#{project}", "project"),
        ("@PROJECT@", "PROJECT"),
    ],
)
def test_a_gap_is_called_what_its_language_calls_it(gap: str, name: str) -> None:
    """And the value of that name fills it."""
    text = f"gcr.io/{gap}/app"
    assert [name_of(one) for one in gaps(text, "name")] == [name]
    assert filled(text, "name", {name: "builds"}) == "gcr.io/builds/app"


def test_a_shells_default_fills_a_gap_without_a_value() -> None:
    """A value that is given counts for more."""
    found = next(find("gcr.io/builds/app:${TAG:-v1}"))
    assumed = read(found, {})
    assert (assumed.name, assumed.assumed) == ("gcr.io/builds/app:v1", (("TAG", "v1"),))
    known = read(found, {"TAG": "v2"})
    assert (known.name, known.assumed) == ("gcr.io/builds/app:v2", ())


@pytest.mark.parametrize("host", ["gcr.io", "us.gcr.io", "us-docker.pkg.dev"])
@pytest.mark.parametrize("default", [":-", "-", ":=", "="])
def test_a_shells_default_may_be_the_beginning_of_a_name(host: str, default: str) -> None:
    """Whatever the host: a hyphen is part of the shell's spelling, and of none of its labels."""
    text = f"image: ${{R{default}{host}/builds/r}}/app:1"
    (found,) = find(text)
    assert found.text == text.removeprefix("image: ")
    assert read(found, {}).name == f"{host}/builds/r/app:1"
    whole = f"X=${{X{default}{host}/builds/r/app:1}}"
    assert [one.text for one in find(whole)] == [f"{host}/builds/r/app:1"]


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", fullmatch=True).filter(
    lambda text: len(text) < 40
)
NAMES = made(
    lambda host, project, path, tag: f"{host}/{project}/{'/'.join(path)}{tag}",
    st.sampled_from(["gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"]),
    st.from_regex(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", fullmatch=True),
    st.lists(COMPONENT, min_size=1, max_size=4),
    st.one_of(
        st.just(""), st.from_regex(r":[A-Za-z0-9_][A-Za-z0-9._-]{0,20}[a-z0-9]", fullmatch=True)
    ),
)


@pytest.mark.slow
@given(NAMES, st.sampled_from(['"{}"', "x={} y", "- {}", "`{}`", "<a>{}</a>", "FROM {}", "[{}]"]))
def test_any_name_is_found_whole_in_any_surroundings(name: str, around: str) -> None:
    """And reads as itself."""
    found = list(find(around.format(name)))
    assert [one.text for one in found] == [name]
    assert read(found[0], {}).name == name


@given(st.text(max_size=300))
def test_no_text_is_too_strange_to_be_searched(text: str) -> None:
    """What is found lies where it is said to lie, and can always be told."""
    for one in find(text + " gcr.io/" + text):
        assert (text + " gcr.io/" + text)[one.start : one.end] == one.text
        assert read(one, {}).whose
