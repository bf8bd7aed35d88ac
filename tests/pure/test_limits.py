"""Limits: what services are known to take, what is left to others, and how it is written."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.limits import (
    MOST_AT_ONCE,
    Asked,
    Limits,
    Quota,
    Rates,
    quota_host,
    read_bandwidth,
    read_percent,
    summed,
)
from gcr_migrate.spec import load_spec
from gcr_migrate.wire.minute import Minute
from tests.made import made

US, EUROPE, PLAIN = "us-docker.pkg.dev", "europe-docker.pkg.dev", "registry.example:5000"
SPEC = "source: {project: builds, hosts: [us.gcr.io]}\n"

per_second = st.none() | st.floats(0.1, 10_000)
quotas = made(Quota, per_second, per_second, st.none() | st.floats(0, 0.99))
limits = made(
    Limits,
    quotas,
    st.lists(st.tuples(st.sampled_from([US, EUROPE, PLAIN]), quotas), max_size=2).map(tuple),
    per_second,
    per_second,
    st.integers(1, MOST_AT_ONCE),
)


def of(text: str) -> Limits:
    """Return the limits that a spec states."""
    return load_spec(f"{SPEC}limits: {text}\n", "spec.yaml").limits.limits


def test_a_location_is_left_a_fifth_of_its_quota() -> None:
    """What nobody stated is begun slowly; other registries have no known quota."""
    assert Limits().rates(US) == Rates(800, 240, 150)
    assert Limits().rates(PLAIN) == Rates()


def test_a_spec_states_quotas_of_all_and_of_some() -> None:
    """What one location leaves open is as for all; a gcr.io host is where its repository is."""
    found = of("{requests_per_second: 100, headroom: 50%, at: {us.gcr.io: {headroom: 90%}}}")
    assert found.rates(EUROPE).requests_per_s == 50
    assert found.rates(US).requests_per_s == pytest.approx(10)
    assert found.rates(US).first_per_s is None
    assert found.rates(PLAIN) == Rates(50)


def test_the_port_that_is_meant_anyway_changes_nothing() -> None:
    """A host with `:443` is the host without it."""
    found = of("{at: {'registry.example:443': {requests_per_second: 10, headroom: 0%}}}")
    assert found.rates("registry.example").requests_per_s == 10


def test_an_option_s_rate_is_taken_as_it_is() -> None:
    """No head-room is taken from it, no location has another one, and writes stay as they were."""
    found = of("{at: {us: {requests_per_second: 40, writes_per_second: 10}}}").but(max_rate=90)
    assert found.rates(US) == Rates(90, 8)
    assert found.rates(PLAIN) == Rates(90)


@pytest.mark.parametrize(
    ("text", "saw"),
    [
        ("{headroom: 20}", "limits.headroom: a part from 0% to below 100%"),
        ("{headroom: 100%}", "limits.headroom: a part from 0% to below 100%"),
        ("{bandwidth: 10}", "limits.bandwidth: 1kB/s or more"),
        ("{bandwidth: 10 Mbit/s}", "limits.bandwidth: 1kB/s or more"),
        ("{requests_per_second: 0}", "limits.requests_per_second: Input should be greater than"),
        ("{requests_per_second: 1.0e-300}", "limits.requests_per_second: Input should be greater"),
        ("{at: {'registry.example:99999': {headroom: 1%}}}", "port 99999 is not between 1"),
        ("{requests_per_second: true}", "limits.requests_per_second: "),
        ("{requests_per_second: .inf}", "limits.requests_per_second: "),
        ("{concurrency: 0}", "limits.concurrency: "),
        ("{at: {eu: {headroom: 1%}}}", "limits.at.eu: location 'eu': the location is `europe`"),
        ("{at: {us: {}, us.gcr.io: {}}}", "us and us.gcr.io are counted as one"),
        ("{at: {us: {request_per_second: 3}}}", "did you mean `requests_per_second`?"),
        ("{rates: 3}", "limits.rates: unknown"),
    ],
)
def test_what_is_no_limit_is_refused_with_its_field(text: str, saw: str) -> None:
    """Whoever wrote it reads what to write."""
    with pytest.raises(MigrateError) as raised:
        of(text)
    assert raised.value.problem.code == "bad-spec"
    assert saw in raised.value.saw


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [("100MB/s", 1e8), ("1.5 GB", 1.5e9), ("8MiB/s", 8 * 2**20), ("500kB", 5e5), ("2000B", 2e3)],
)
def test_bandwidth_is_read_in_bytes(text: str, bytes_per_s: float) -> None:
    """By a thousand or by 1024, as the unit says."""
    assert read_bandwidth(text) == bytes_per_s


@pytest.mark.parametrize("text", ["999999999999999999999999GB", "1.0000000MB/s", f"{'9' * 400}B"])
def test_a_bandwidth_of_too_many_digits_is_told_as_that(text: str) -> None:
    """It is not called too little."""
    with pytest.raises(ValueError, match="at most 9 digits before the point and 6 after it"):
        read_bandwidth(text)


@given(st.text(max_size=8))
def test_any_text_is_a_part_or_refused(text: str) -> None:
    """Nothing beyond a whole gets through, and no other exception."""
    try:
        assert 0 <= read_percent(text) < 1
    except ValueError:
        return


@given(limits)
def test_limits_outlive_the_migration_file_and_a_pipe(found: Limits) -> None:
    """As JSON and as pickles they are the same."""
    assert Limits.read(json.loads(json.dumps(found.kept()))) == found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301  # ours


def test_a_file_of_before_has_the_default() -> None:
    """Nothing was kept then."""
    assert Limits.read({}) == Limits()


@given(limits, st.integers(1, 64), st.sampled_from([US, EUROPE, PLAIN]))
def test_workers_together_keep_the_limits_of_one(found: Limits, count: int, host: str) -> None:
    """Rates and bandwidth are divided; each moves as many blobs at once as one would."""
    share = found.share(count)
    pairs = [
        (share.bytes_per_s, found.bytes_per_s),
        (share.rates(host).requests_per_s, found.rates(host).requests_per_s),
        (share.rates(host).writes_per_s, found.rates(host).writes_per_s),
        (share.rates(host).first_per_s, found.rates(host).first_per_s),
    ]
    for part, whole in pairs:
        assert (part is None) == (whole is None)
        assert part is None or part * count == pytest.approx(whole)
    assert share.blobs_at_once == found.blobs_at_once


@pytest.mark.parametrize(
    ("max_rate", "wanted", "count"),
    [(None, 8, 8), (2, 8, 2), (2.9, 8, 2), (0.5, 8, 1), (100, 8, 8), (2, 1, 1)],
)
def test_a_rate_bounds_the_processes(max_rate: float | None, wanted: int, count: int) -> None:
    """Each sends one request in a second: together they would send more than they may."""
    assert Limits(max_rate=max_rate).workers_of(wanted) == count


@pytest.mark.parametrize(
    ("host", "stands_for"),
    [
        ("gcr.io", US),
        ("us.gcr.io", US),
        ("eu.gcr.io", EUROPE),
        (US, US),
        (PLAIN, PLAIN),
        ("localhost", "localhost"),
    ],
)
def test_hosts_of_one_location_have_one_quota(host: str, stands_for: str) -> None:
    """The gcr.io hosts are counted with Artifact Registry's; no other host is."""
    assert quota_host(host) == stands_for


def test_what_workers_asked_adds_up() -> None:
    """Requests do; pauses were at the same time."""
    total = summed([{US: Asked(5, 2, 1, 3.0)}, {US: Asked(7, 1, 0, 4.0), PLAIN: Asked(1)}])
    assert total == {US: Asked(12, 3, 1, 4.0), PLAIN: Asked(1)}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(500, busiest_minute=500), ""),
        (Asked(10**6, busiest_minute=47_999), ""),
        (Asked(10**6, busiest_minute=48_000), "48000 requests in a minute, of 60000"),
        (
            Asked(100, 0, 3, 12.4, 100),
            "3 requests were refused as a quota was used up, and 12 s were waited for it",
        ),
    ],
)
def test_a_quota_is_near_at_four_fifths_or_where_it_refused(asked: Asked, said: str) -> None:
    """A run that is small, or keeps its head-room, is never warned of."""
    assert Limits().nearness(US, asked) == said


def test_only_a_quota_that_is_known_can_be_near() -> None:
    """Nobody knows what a plain registry takes, unless a spec states it."""
    many = Asked(10**6, busiest_minute=10**6)
    assert Limits().nearness(PLAIN, many) == ""
    stated = Limits(at=((PLAIN, Quota(requests_per_s=1.0)),))
    assert stated.nearness(PLAIN, Asked(50, busiest_minute=48)) == "48 requests in a minute, of 60"


@given(st.lists(st.floats(0, 300), max_size=200))
def test_the_busiest_minute_is_never_missed(times: list[float]) -> None:
    """Counted by whole seconds, so that at most two at the edges are too many."""
    minute = Minute()
    for time in sorted(times):
        minute.add(time)
    exact = max((sum(start <= one < start + 59 for one in times) for start in times), default=0)
    wider = max((sum(start - 1 < one < start + 61 for one in times) for start in times), default=0)
    assert exact <= minute.busiest <= wider
