"""Time and money of a plan: ranges with their reasons, and nothing unknown that looks like 0."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gcr_migrate.model.amounts import Service, Stored, Stream
from gcr_migrate.model.limits import Limits
from gcr_migrate.model.pace import Amount
from gcr_migrate.model.prices import GIB, Prices
from gcr_migrate.plan.costs import Kind, charges, total
from gcr_migrate.plan.duration import Course, time_left
from gcr_migrate.report.figures import span_text, usd_text
from tests.made import made

US, EU, OWN = "us-docker.pkg.dev", "europe-west1-docker.pkg.dev", "127.0.0.1:5000"
STATED = Prices("p", transfer={("us", "europe-west1"): 0.02, ("us", "internet"): 0.1})
SIZES = st.integers(0, 2**50)  # bytes


def test_each_charge_says_what_it_stands_on() -> None:
    """Storage for a month, scans and transfer once; the way through the internet is in no sum."""
    found = charges([Stored(EU, 10 * GIB)], [Stream("us.gcr.io", EU, 5 * GIB, 9)], 100, STATED)
    assert [(one.kind, one.subject, one.usd) for one in found] == [
        (Kind.STORAGE, EU, 1.0),
        (Kind.SCANS, "vulnerability scans", 26.0),
        (Kind.TRANSFER, "us -> europe-west1", 0.1),
        (Kind.TRANSFER, "us -> internet", 0.5),
    ]
    assert [one.instead for one in found] == [False, False, False, True]
    assert (total(found, monthly=True), total(found, monthly=False)) == (1.0, 26.1)
    assert all(one.why for one in found)


def test_what_nobody_knows_is_unknown_and_so_is_its_sum() -> None:
    """A transfer without a price, scans that nobody could be asked about, a stranger's storage."""
    found = charges([Stored(OWN, 1, is_googles=False)], [Stream(US, EU, 1, 1)], None, Prices())
    assert [one.usd for one in found] == [None] * 4
    assert total(found, monthly=True) is total(found, monthly=False) is None


def test_blobs_without_a_size_are_not_taken_for_empty_ones() -> None:
    """Their price is not known, unless it is free whatever they have."""
    assert charges([Stored(EU, 0, unsized=1)], [], 0, Prices())[0].usd is None
    free = charges([], [Stream("us-east1-docker.pkg.dev", US, 0, 1, unsized=1)], 0, Prices())
    assert free[1].usd == 0.0


@given(
    st.integers(1, 2**50), st.sampled_from([US, EU, OWN, "gcr.io"]), st.sampled_from([US, EU, OWN])
)
def test_nothing_costs_nothing_that_is_not_free(size: int, source: str, target: str) -> None:
    """Only what is free is 0; less than a cent is more than that, in figures and in words."""
    for one in charges([Stored(target, size)], [Stream(source, target, size, 1)], 0, Prices()):
        free = one.amount == 0 or "free between" in one.why
        assert (one.usd == 0) == free
        assert one.usd is None or (usd_text(one.usd) == "$0.00") == free


def test_where_nothing_is_sent_that_is_told() -> None:
    """A plan of mounts has no transfer, rather than one that was forgotten."""
    (_, sent) = charges([], [], 0, Prices())
    assert (sent.kind, sent.usd, sent.why) == (Kind.TRANSFER, 0.0, "nothing is sent")


SERVICES = st.lists(
    made(
        Service,
        st.sampled_from([US, EU, OWN]),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        SIZES,
        st.integers(0, 10**6),
    ),
    max_size=3,
)


@given(SERVICES, st.integers(0, 1000))
def test_a_range_of_time_has_its_ends_in_order_and_its_reason(
    services: list[Service], repositories: int
) -> None:
    """It is empty only where nothing is left, and the quota's time is never undercut."""
    span = time_left(services, repositories, Limits())
    assert 2 * repositories <= span.low_s <= span.high_s
    quota = max((one.writes / 240 for one in services if one.host != OWN), default=0)
    assert span.low_s >= 2 * repositories + quota - 1e-6
    assert span.bound
    work = repositories or any(one.writes or one.size_bytes for one in services)
    assert bool(span.high_s) == bool(work)


def test_what_takes_most_is_named() -> None:
    """The creation of repositories, a quota, the line, or the bandwidth that the spec allows."""
    bulk, many = Service(US, 10, 0, 10**12, 5), Service(US, 0, 10**6, 0, 10)
    assert "creation" in time_left([], 100, Limits()).bound
    assert time_left([bulk], 0, Limits()).bound == "the line"
    assert time_left([many], 0, Limits()).bound == f"240 writes a second at {US}"
    capped = time_left([bulk], 0, Limits(bytes_per_s=10**6))
    assert capped.bound == "the bandwidth that the spec allows, 1 MB/s"
    assert capped.low_s >= 10**6
    assert "no run" in capped.basis


@given(st.integers(10**6, 10**8), st.integers(1, 50), st.integers(10, 1000))
def test_what_runs_have_shown_counts(rate: int, items: int, seconds: int) -> None:
    """A steady run of this plan tells when as much again is done, within the width of the range."""
    step = Amount(rate * seconds // 60, items * seconds // 60 + 1)
    run = Course(3, float(seconds), [step] * 60)
    rest = Service(OWN, 0, run.done.requests, run.done.bytes, 0)
    span = time_left([rest], 0, Limits(), [run])
    assert span.is_measured
    assert span.low_s <= seconds * 1.02
    assert span.high_s >= seconds * 0.98
    assert span.high_s <= 1.6 * seconds
    assert span.basis.startswith("as run 3 of this plan: ")


def test_a_run_that_shows_nothing_is_not_measured_by() -> None:
    """One that ended at once or did nothing."""
    rest = Service(OWN, 1, 0, 10**9, 1)
    for run in (Course(1, 1.0, [Amount(1, 1)]), Course(1, 60.0, [Amount()] * 60)):
        assert not time_left([rest], 0, Limits(), [run]).is_measured


def test_a_range_is_told_in_the_unit_that_fits() -> None:
    """Rounded outwards, so that it holds what it says."""
    assert span_text(100, 290) == "1 to 5 min"
    assert span_text(0, 0) == "0 s"
    assert span_text(0.2, 0.4) == "up to 1 s"
    assert span_text(4, 4) == "about 4 s"
    assert span_text(3600 * 5, 3600 * 11) == "5 to 11 h"
    assert span_text(86400 * 5, 86400 * 9.5) == "5 to 10 days"
