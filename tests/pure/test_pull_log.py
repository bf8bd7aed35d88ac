"""An exported audit log: who pulled and pushed what, and a log that is not whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate import errors
from gcr_migrate.cli.pulls import read_pulls
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.pulls import ANY, Pulls

if TYPE_CHECKING:
    from pathlib import Path

DAY_MS = 86_400_000
APP = "us-docker.pkg.dev/builds/us.gcr.io/app"
RESOURCE = "projects/builds/locations/us/repositories/us.gcr.io/dockerImages/app"
CI = "ci@builds.iam.gserviceaccount.com"


def entry(  # noqa: PLR0913  # an entry has as many parts
    email: str = CI,
    *,
    method: str = "Docker-GetManifest",
    url: str = "/v2/builds/us.gcr.io/app/manifests/1.0",
    resource: str = RESOURCE,
    subject: str = "",
    agent: str = "containerd",
    failed: bool = False,
    day: int = 20,
) -> dict[str, Any]:
    """An entry as Cloud Logging exports it."""
    about: dict[str, Any] = {
        "methodName": method,
        "resourceName": resource,
        "authenticationInfo": {"principalEmail": email, "principalSubject": subject},
        "requestMetadata": {"callerSuppliedUserAgent": agent},
        "request": {"requestUrl": url},
    }
    if failed:
        about["status"] = {"code": 5}
    return {"protoPayload": about, "timestamp": f"2026-11-{day}T08:00:00.123456789Z"}


def written(path: Path, *entries: dict[str, Any]) -> Path:
    """Write a log as gcloud does."""
    path.write_text(json.dumps(list(entries), indent=2))
    return path


def test_who_pulled_and_pushed_is_told_by_image(tmp_path: Path) -> None:
    """Pulls and pushes are counted by member, with the last day; references are kept apart."""
    log = written(
        tmp_path / "log.json",
        entry(),
        entry(day=22),
        entry(method="Docker-PutManifest", day=23, url="/v2/builds/us.gcr.io/app/manifests/2.0"),
        entry("ada@example.com", url="/v2/builds/us.gcr.io/app/manifests/2.0"),
    )
    pulls = read_pulls(log, "builds")
    assert set(pulls.uses[APP]) == {f"serviceAccount:{CI}", "user:ada@example.com"}
    told = pulls.uses[APP][f"serviceAccount:{CI}"].told
    assert told == "audit log: 2 pulls and 1 push, the last on 2026-11-23"
    assert set(pulls.last_ms[APP]) == {"1.0", "2.0"}
    assert set(pulls.pushed_ms[APP]) == {"2.0"}


@pytest.mark.parametrize(
    ("given_", "member"),
    [
        (entry(""), "allUsers"),
        (entry("", subject="user:bob@example.com"), "user:bob@example.com"),
        (entry("", subject="principal://iam/pool/subject/x"), "principal://iam/pool/subject/x"),
        (
            entry("service-42@serverless-robot-prod.iam.gserviceaccount.com"),
            "serviceAccount:service-42@serverless-robot-prod.iam.gserviceaccount.com",
        ),
    ],
    ids=["anonymous", "subject", "federated", "Cloud Run"],
)
def test_callers_are_spelled_as_policies_do(
    tmp_path: Path, given_: dict[str, Any], member: str
) -> None:
    """Nobody named is anybody, a pool's identity is itself, and Cloud Run's agent is kept."""
    pulls = read_pulls(written(tmp_path / "log.json", given_))
    assert list(pulls.uses[APP]) == [member]


def test_scanners_ourselves_and_failures_are_dropped(tmp_path: Path) -> None:
    """None of them is a use of an image."""
    log = written(
        tmp_path / "log.json",
        entry("service-42@container-analysis.iam.gserviceaccount.com"),
        entry("migrator@example.com", agent="gcr-migrate/0.3"),
        entry("late@example.com", failed=True),
        entry(),
    )
    assert list(read_pulls(log).uses[APP]) == [f"serviceAccount:{CI}"]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://us.gcr.io/v2/builds/app/manifests/1.0", APP),
        (
            "https://gcr.io/v2/example.com/p/team/app/manifests/sha256%3Aab",
            "us-docker.pkg.dev/example.com/p/gcr.io/team/app",
        ),
    ],
)
def test_a_request_to_a_gcr_io_host_is_read_by_its_address(
    tmp_path: Path, url: str, name: str
) -> None:
    """Where the entry names no image of Artifact Registry, the address that was asked does."""
    pulls = read_pulls(written(tmp_path / "log.json", entry(url=url, resource="projects/builds")))
    assert list(pulls.uses) == [name]
    assert ANY not in pulls.last_ms[name]


@given(data=st.data(), count=st.integers(1, 4), indent=st.sampled_from([None, 2]))
def test_a_list_that_is_cut_off_is_an_error_wherever_it_is(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, count: int, indent: int | None
) -> None:
    """Cut between entries, in one, or just before its end, a log does not pass as whole."""
    text = json.dumps([entry(day=10 + number) for number in range(count)], indent=indent)
    path = tmp_path_factory.mktemp("log") / "log.json"
    path.write_text(text)
    assert read_pulls(path).uses[APP][f"serviceAccount:{CI}"].pulls == count
    path.write_text(text[: data.draw(st.integers(1, len(text) - 1))].rstrip())
    with pytest.raises(MigrateError) as cut:
        read_pulls(path)
    assert cut.value.problem is errors.BAD_PULL_LOG


def test_lines_and_lists_one_after_the_other_are_one_log(tmp_path: Path) -> None:
    """What a sink wrote line by line, and two exports in one file, are read to their end."""
    path = tmp_path / "log.json"
    path.write_text(f"{json.dumps(entry())}\n{json.dumps(entry())}\n")
    assert read_pulls(path).uses[APP][f"serviceAccount:{CI}"].pulls == 2
    path.write_text(2 * f"{json.dumps([entry()])}\n")
    assert read_pulls(path).uses[APP][f"serviceAccount:{CI}"].pulls == 2


def test_a_log_of_another_project_is_refused(tmp_path: Path) -> None:
    """It would tell nothing about who pulls here."""
    path = written(tmp_path / "log.json", entry())
    with pytest.raises(MigrateError) as refused:
        read_pulls(path, "other")
    assert "none of them a pull from project other" in refused.value.saw


def logged(days: set[int]) -> Pulls:
    """A log of a project with entries on these days."""
    pulls = Pulls()
    for day in days:
        pulls.written("builds", day * DAY_MS + 5)
    return pulls


@given(
    start=st.integers(0, 30_000),
    weeks=st.integers(4, 30),
    rests=st.sets(st.integers(0, 6), max_size=3),
    data=st.data(),
)
def test_a_gap_in_the_middle_is_seen_and_weekends_are_none(
    start: int, weeks: int, rests: set[int], data: st.DataObject
) -> None:
    """What a project does each week is no gap; ten days that are missing always are."""
    days = {start + at for at in range(weeks * 7) if at % 7 not in rests}
    assert logged(days).silences("builds") == ()
    inner = sorted(days)[1:-1]
    first = data.draw(st.sampled_from([one for one in inner if one + 10 < max(days)]))
    kept = days - set(range(first, first + 10))
    (gap,) = logged(kept).silences("builds")
    assert gap.days >= 10
    span = logged(kept).span("builds")
    assert span
    assert span[0] < gap.first <= gap.last < span[1]


@pytest.mark.parametrize(
    ("days", "silent"),
    [
        ({0, 7}, []),  # too few to know a habit
        ({0, 8}, ["1970-01-02 to 1970-01-08"]),
        ({0, 30, 60, 90}, []),  # a job of each month
        ({0, 30, 60, 150}, ["1970-03-03 to 1970-05-30"]),
        ({*range(20)} - {10}, []),
        ({*range(40)} - {10, 11}, ["1970-01-11 to 1970-01-12"]),
        (set(), []),
    ],
)
def test_how_long_a_silence_may_be_is_told_by_the_others(days: set[int], silent: list[str]) -> None:
    """A log of daily use may lack a day, one of monthly use a month."""
    assert [one.told for one in logged(days).silences("builds")] == silent


def test_a_day_without_a_successful_pull_is_none_without_a_log(tmp_path: Path) -> None:
    """What failed, and what we or a scanner pulled, shows that the log was written that day.

    A push does not: it is in another log, which is switched on by itself.
    """
    log = written(
        tmp_path / "log.json",
        entry(day=10),
        entry(day=18, failed=True),
        entry(day=26, agent="gcr-migrate/1"),
    )
    assert len(read_pulls(log).days["builds"]) == 3
    log = written(tmp_path / "log.json", entry(day=10), entry(day=18, method="Docker-PutManifest"))
    assert len(read_pulls(log).days["builds"]) == 1


def test_what_was_not_found_is_kept_by_name(tmp_path: Path) -> None:
    """What somebody pulls and nobody has; another refusal, a push or a scanner's is no such."""
    url = "/v2/builds/us.gcr.io/app/manifests/gone"
    log = written(
        tmp_path / "log.json",
        entry(),
        entry(url=url, failed=True),
        entry(url=url.replace("gone", "pushed"), failed=True, method="Docker-PutManifest"),
        entry(url=url.replace("gone", "ours"), failed=True, agent="gcr-migrate/1"),
    )
    assert read_pulls(log).sought == {APP: {"gone"}}


def test_no_pull_is_never_concluded_from_a_log_with_a_gap() -> None:
    """A rule that leaves out what nobody pulled needs a log without gaps since then."""
    pulls = logged({*range(100)} - {*range(50, 60)})
    pulls.note("builds", 0)
    of_app = pulls.of(APP)
    assert not of_app.tells_all_since(20 * DAY_MS)
    assert of_app.tells_all_since(60 * DAY_MS)
    assert not of_app.tells_all_since(-1)
