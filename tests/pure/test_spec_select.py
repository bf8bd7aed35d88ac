"""Rules of the spec about what is carried: what they take, and what they mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import BAD_SPEC, MigrateError
from gcr_migrate.model.origin import ORIGINS, origin_of
from gcr_migrate.plan.choice import PathChoice, choice_of
from gcr_migrate.spec import Select, load_spec
from gcr_migrate.spec.select import Group

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _select(text: str) -> Select:
    return load_spec(f"source: builds\nselect: {text}\n", "move.yaml").select


@pytest.mark.parametrize(
    ("text", "begin", "told"),
    [
        ("{within: 180d}", NOW - timedelta(days=180), "within 180d"),
        ("{within: 36h}", NOW - timedelta(hours=36), "within 36h"),
        ("{within: 2w}", NOW - timedelta(weeks=2), "within 2w"),
        ("{within: 999999w}", datetime(1970, 1, 1, tzinfo=UTC), "within 999999w"),
        ("{after: 2024-01-31}", datetime(2024, 1, 31, tzinfo=UTC), None),
        ('{after: "2024-01-31"}', datetime(2024, 1, 31, tzinfo=UTC), None),
        ("{after: 2024-01-31T10:00:00}", datetime(2024, 1, 31, 10, tzinfo=UTC), None),
        ('{after: "2024-01-31T10:00:00+02:00"}', datetime(2024, 1, 31, 8, tzinfo=UTC), None),
    ],
)
def test_a_period_begins_where_it_says(text: str, begin: datetime, told: str | None) -> None:
    """Durations count back from planning; dates are their first moment in UTC."""
    since = choice_of(_select(f"{{uploaded: {text}}}"), NOW).uploaded
    assert since
    assert since.from_ms == round(begin.timestamp() * 1000)
    expected = told or f"after {begin.isoformat(timespec='seconds')}"
    assert since.told == f"select.uploaded {expected}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{newest: 0}", "newest"),
        ("{uploaded: 180d}", "uploaded: a mapping of fields is needed"),
        ("{uploaded: {}}", "one of within and after is needed"),
        ("{uploaded: {within: 1d, after: 2024-01-01}}", "one of within and after is needed"),
        ("{uploaded: {within: 6 months}}", "a number and h, d or w is needed"),
        ("{uploaded: {within: 0d}}", "a number and h, d or w is needed"),
        ("{uploaded: {after: yesterday}}", "a date is needed"),
        ('{uploaded: {after: "0001-01-01T00:00:00+14:00"}}', "from year 1 to 9999"),
        ("{uploaded: {after: 20240101}}", "a date is needed"),
        ("{pulled: {within: 1d}}", "log: missing"),
        ("{pulled: {within: 1d, log: a, file: b}}", "file: unknown"),
        ('{tags: ["v[0-9]"]}', "* stands for any characters"),
        ('{tags: [""]}', "* stands for any characters"),
        ("{paths: ['a*']}", "`*` and `**` stand for whole path components"),
        ("{leave_out: [gcf]}", "leave_out[0]"),
        ("{labels: x}", "unknown"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(text: str, says: str) -> None:
    """With the line and the name of the field."""
    with pytest.raises(MigrateError) as caught:
        _select(text)
    assert (caught.value.problem, caught.value.subject) == (BAD_SPEC, "move.yaml:2")
    assert says in caught.value.saw


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("team/app", ""),
        ("team/app/cache", "select.leave_out: build-cache"),
        ("team/old/app", "select.except_paths: **/old/**"),
        ("other", "select.paths: none of team/**"),
    ],
)
def test_a_path_is_judged_by_the_first_rule_that_leaves_it_out(path: str, why: str) -> None:
    """Exceptions come first, then what is wanted, then groups."""
    select = _select("{paths: [team/**], except_paths: ['**/old/**'], leave_out: [build-cache]}")
    assert PathChoice(select).why_not(path) == why


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("gcf/us-central1/0a1b/worker", "cloud-functions"),
        ("gcf", "cloud-functions"),
        ("gcf-artifacts/f", "cloud-functions"),
        ("appengine/default.v1", "app-engine"),
        ("gae-runtimes/x", "app-engine"),
        ("gae_python37", "app-engine"),
        ("app-engine-tmp/build-cache/ttl-7d/default/buildpack-cache", "app-engine-tmp"),
        ("team/app/cache", "build-cache"),
        ("cache", "build-cache"),
        ("team/app-cache", "build-cache"),
        ("team/buildcache", "build-cache"),
        ("team/kaniko-cache", "build-cache"),
        ("gcfx/app", None),
        ("team/gcf/app", None),
        ("appengineer/app", None),
        ("gae/app", None),
        ("team/cache/app", None),
        ("team/memcached", None),
        ("team/cachetool", None),
    ],
)
def test_groups_are_known_by_whole_paths(path: str, group: str | None) -> None:
    """Names that only sound alike belong to nobody but their people."""
    origin = origin_of(path)
    assert (origin.name if origin else None) == group


def test_in_a_repository_a_path_is_what_routes_see() -> None:
    """It begins with the repository; groups are known by the repository or below it."""
    select = _select("{paths: ['one/**'], leave_out: [app-engine, cloud-functions]}")
    choice = PathChoice(select)
    assert choice.why_not("app", "one") == ""
    assert choice.why_not("app", "two") == "select.paths: none of one/**"
    assert choice.why_not("gcf/f", "one") == "select.leave_out: cloud-functions"
    anything = PathChoice(select.model_copy(update={"paths": ()}))
    assert anything.why_not("default.v1", "gae-flexible") == "select.leave_out: app-engine"


def test_every_group_can_be_left_out_and_every_name_is_a_group() -> None:
    """The spec's words and the table are the same."""
    assert {one.name for one in ORIGINS} == set(Group.__args__)  # type: ignore[attr-defined]


@given(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True))
def test_without_rules_no_path_is_left_out(path: str) -> None:
    """The default wants everything."""
    assert PathChoice(Select()).why_not(path) == ""
