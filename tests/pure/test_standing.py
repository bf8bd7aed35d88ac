"""How targets stand, and what machines are told of it: metrics and messages."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import jsonschema
import pytest
from hypothesis import given
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gcr_migrate import errors
from gcr_migrate.alarm.news import news_of
from gcr_migrate.alarm.sending import checked
from gcr_migrate.cli.output import Output
from gcr_migrate.cli.reach import Way
from gcr_migrate.cli.teller import Teller
from gcr_migrate.cli.telling import Format, Receivers
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.duration import read_duration
from gcr_migrate.model.finding import Severity
from gcr_migrate.model.login import Login
from gcr_migrate.report.alarms import LISTED_AT_MOST, AlarmFacts, alarm_facts, look_of, slack_text
from gcr_migrate.report.proof import SampleFact
from gcr_migrate.report.proof_metrics import FINISHED, SUCCEEDED, ProofMetrics, pushed, times_in
from gcr_migrate.report.reading import json_schema
from gcr_migrate.report.standing import SAMPLED, Standing
from gcr_migrate.verify.result import Outcome
from tests.standings import HOST, STANDINGS, facts, finding, host, level, standing

if TYPE_CHECKING:
    from pathlib import Path

NIGHT = datetime(2026, 11, 27, 3, tzinfo=UTC)
DAY = timedelta(hours=24)
SCHEMA = json_schema(AlarmFacts)


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return values by name and labels, those of command and target left out."""
    return {
        (
            one.name,
            *(value for key, value in one.labels.items() if key not in {"command", "target"}),
        ): (one.value)
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def message(*standings: Standing) -> AlarmFacts:
    """Return what is told where nothing is remembered."""
    looks = [look_of(one, NIGHT, len(standings)) for one in standings]
    return alarm_facts([news_of((), one, DAY) for one in looks], standings, NIGHT, "1")


@pytest.mark.parametrize("outcome", [Outcome.DIFFERS, Outcome.UNPROVEN])
def test_what_nothing_explains_is_told_all_the_same(outcome: Outcome) -> None:
    """A bad outcome without an error has one: no alarm and no test stays green over it."""
    told = message(Standing.of(facts(outcome)))

    assert [(one.code, one.subject) for one in told.new] == [("not-checked", HOST)]
    assert told.outcome is outcome
    assert message(Standing.of(facts(Outcome.PROVEN))).new == []


def test_what_was_cut_short_clears_nothing() -> None:
    """A list that is not whole makes the target unproven, and looked at nothing as a whole."""
    short = Standing.of(facts(Outcome.PROVEN, complete=False))

    assert look_of(short, NIGHT).whole == {HOST: frozenset()}
    assert [one.code for one in message(short).new] == ["not-checked"]
    assert look_of(Standing.of(facts(Outcome.PROVEN)), NIGHT).whole == {HOST: frozenset({"tags"})}


@pytest.mark.parametrize(
    ("wanted", "levels"), [(3, {"tags", SAMPLED}), (9, {"tags", "deep", SAMPLED})]
)
def test_a_sample_clears_nothing_at_its_level(wanted: int, levels: set[str]) -> None:
    """Who has read some blobs has not looked at the one that was bad; who has read all, has."""
    sample = SampleFact(population=9, wanted=wanted, checked=wanted, bad=0, seed=1, sentence="")

    whole = look_of(Standing.of(facts(Outcome.PROVEN, sample=sample)), NIGHT).whole
    assert whole == {HOST: frozenset(levels)}


@pytest.mark.parametrize(
    ("problem", "over"),
    [
        (errors.BYTES_DIFFER, False),
        (errors.BLOB_GONE, False),
        (errors.TAG_GONE, True),
        (errors.NOT_CHECKED, True),
        (errors.UNREACHABLE, True),
    ],
)
def test_a_sample_clears_what_is_not_in_bytes(problem: errors.Problem, over: bool) -> None:  # noqa: FBT001  # pytest names it
    """A night that draws other blobs sees that a tag is back, and not that a blob is good again."""
    drawn = SampleFact(population=9, wanted=3, checked=3, bad=0, seed=1, sentence="")
    first = facts(Outcome.DIFFERS, finding(problem), sample=drawn)
    news = news_of((), look_of(Standing.of(first), NIGHT), DAY)
    second = look_of(Standing.of(facts(Outcome.PROVEN, sample=drawn)), NIGHT)

    assert [one.trouble.code for one in news.new] == [problem.code]
    assert bool(news_of(news.new, second, DAY).over) is over
    assert not news_of(news.new, look_of(Standing.of(facts(Outcome.PROVEN)), NIGHT), DAY).over


def test_a_target_that_could_not_be_begun_is_told() -> None:
    """The error that stopped it is the finding; it clears nothing."""
    failed = Standing.failed("x", MigrateError(errors.UNREACHABLE, subject="us.gcr.io", saw="no"))

    assert [(one.code, one.target) for one in message(failed).new] == [("unreachable", "x")]
    assert look_of(failed, NIGHT).whole == {}
    assert message(Standing.failed("x", None)).new[0].code == "not-checked"


def test_metrics_are_by_host_level_and_code() -> None:
    """What is unproven has no `proven` at all, and does not count as finished."""
    bad = host(finding(), finding(saw="x"), counts=level(ok=2, wrong=1))
    lost = host(name="eu.gcr.io/builds", outcome=Outcome.UNPROVEN, counts=level(unchecked=4))
    metrics = ProofMetrics(["builds"])
    metrics.came_out([standing(bad), standing(lost, target="lost")])
    told = samples(generate_latest(metrics.registry).decode())

    assert told["gcr_migrate_proven", HOST] == 0
    assert ("gcr_migrate_proven", "eu.gcr.io/builds") not in told
    assert told["gcr_migrate_checks", "eu.gcr.io/builds", "tags", "unchecked"] == 4
    assert told["gcr_migrate_checks", HOST, "tags", "wrong"] == 1
    assert told["gcr_migrate_findings", "tag-gone", HOST] == 2
    times = metrics.collect()
    told_of = {one.name: [s.labels["target"] for s in one.samples] for one in times}
    assert told_of[FINISHED] == ["builds"]
    assert SUCCEEDED not in told_of


def test_the_last_success_is_kept_in_the_file(tmp_path: Path) -> None:
    """What an earlier run wrote stays when the next one does not end well; rubbish is nothing."""
    file, good = tmp_path / "v.prom", host(outcome=Outcome.PROVEN)
    first = ProofMetrics(["builds"], times_in(file))
    first.came_out([standing(good)])
    file.write_bytes(generate_latest(first.registry))
    before = times_in(file)
    second = ProofMetrics(["builds"], before)
    second.came_out([Standing.failed("builds", None)])

    assert before[SUCCEEDED, "builds"] > 0
    assert (
        samples(generate_latest(second.registry).decode())[SUCCEEDED,]
        == before[SUCCEEDED, "builds"]
    )
    file.write_text("rubbish {")
    assert times_in(file) == {}


def test_each_target_is_pushed_as_its_own_group() -> None:
    """A name with slashes is in the path in base64; a failure leaves the last success alone."""
    path, body = pushed(Standing.failed("us.gcr.io/builds", None))

    front, _, name = path.rpartition("/")
    assert front == "/metrics/job/gcr-migrate/target@base64"
    assert base64.urlsafe_b64decode(name) == b"us.gcr.io/builds"
    assert SUCCEEDED.encode() not in body
    assert b'outcome="unproven",target="us.gcr.io/builds"} 1.0' in body


def test_the_beginning_that_is_told_is_that_of_the_command(tmp_path: Path) -> None:
    """In the file and at the gateway, though both are written at its end."""
    file = tmp_path / "v.prom"
    way = Way(None, Login())
    to = Receivers(None, file, None, None, Format.GENERIC, "", DAY)
    teller = Teller(Output(as_json=False), to, way, ["builds"])
    began_at = time.time()
    time.sleep(0.05)
    teller.failed(ValueError())
    teller.end()
    told = samples(file.read_text())["gcr_migrate_started_timestamp_seconds",]
    assert began_at - 10 < told <= began_at
    pushed_then = samples(pushed(Standing.failed("builds", None), 5.0)[1].decode())
    assert pushed_then["gcr_migrate_started_timestamp_seconds",] == 5.0


@given(STANDINGS)
def test_metrics_can_be_read_whatever_the_names_are(standings: list[Standing]) -> None:
    """Any words of strangers are labels that a scraper takes."""
    metrics = ProofMetrics([])
    metrics.came_out(standings)
    list(text_string_to_metric_families(generate_latest(metrics.registry).decode()))


@pytest.mark.slow
@given(STANDINGS)
def test_messages_hold_to_their_schema_and_their_size(standings: list[Standing]) -> None:
    """Whatever was found: valid by the published schema, bounded, and nobody can be called."""
    told = message(*standings)
    whole = "".join(told.json_parts())

    jsonschema.validate(json.loads(whole.encode()), SCHEMA)
    assert max(len(told.new), len(told.over)) <= LISTED_AT_MOST
    text = json.loads(slack_text(told).encode())["text"]
    assert len(text) < 4_000
    assert "<" not in text


def test_a_message_folds_what_it_has_no_room_for() -> None:
    """Fifty are listed, and the number of the others is told; errors come first."""
    warning = finding(errors.IMAGE_NEW, severity=Severity.WARNING)
    many = [finding(subject=f"{HOST}/app:{n}") for n in range(LISTED_AT_MOST + 2)]
    told = message(standing(host(warning, *many)))

    assert told.not_listed == {"new": 3}
    assert {one.code for one in told.new} == {"tag-gone"}
    assert told.summary == f"builds: differs; {LISTED_AT_MOST + 3} new"
    assert "New: 45 more" in slack_text(told)


def test_nothing_secret_is_in_a_message() -> None:
    """What looks like a token in the words of a stranger is left out."""
    told = message(standing(host(finding(saw="refused: Bearer ya29.abcdefgh12345678"))))

    assert "ya29.abcdefgh" not in "".join(told.json_parts()) + slack_text(told)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example/x",
        "http://hooks.example/secret",
        "https://user:secret@hooks.example/",
        "https://hooks.example/a https://hooks.example/secret",
        "https://[secret/",
        "https://hooks.example:99999/secret",
        "ftp://127.0.0.1/secret",
        "https://hööks.example/secret",
    ],
)
def test_an_address_that_cannot_be_used_is_not_shown(text: str) -> None:
    """The error names the file, and no part of what is in it."""
    with pytest.raises(MigrateError) as caught:
        checked(text, "--webhook-file w", "webhook")

    assert caught.value.problem.code == "bad-webhook"
    assert "secret" not in f"{caught.value.saw} {caught.value.subject} {caught.value}"


def test_an_address_shows_itself_to_nobody() -> None:
    """It is good for https, and for plain HTTP on this machine."""
    for text in ("https://hooks.example/secret", " http://127.0.0.1:8080/secret\n"):
        assert "secret" not in repr(checked(text, "w", "webhook"))
    assert checked("https://p/x/", "p", "gateway").reveal() == "https://p/x"


@pytest.mark.parametrize(("text", "hours"), [("30m", 0.5), ("24h", 24), ("7d", 168)])
def test_a_span_of_time_is_read(text: str, hours: float) -> None:
    """Minutes, hours and days."""
    assert read_duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "0h", "24", "h", "-1h", "1.5h", "1w"])
def test_what_is_no_span_is_refused(text: str) -> None:
    """No span is guessed at."""
    with pytest.raises(ValueError, match="such as 24h"):
        read_duration(text)
