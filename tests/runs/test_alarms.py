"""What machines are told of `verify`, night after night: files, messages, metrics and logs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring

import jsonschema
import pytest

from gcr_migrate.report.alarms import AlarmFacts
from gcr_migrate.report.reading import json_schema
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario
from tests.receiving import Receiver, receiving

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from gcr_migrate.model.content import Digest
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

HOST, BUCKET = "us.gcr.io/builds", "alarms-of-builds"
SCENARIO = {
    "repositories": [
        {
            "project": "builds",
            "location": "us",
            "id": "us.gcr.io",
            "images": [
                {"path": "app", "tags": ["1.0"], "layers": [{"name": "one", "size": 1_000}]},
                {"path": "web", "tags": ["1.0"], "layers": [{"name": "two", "size": 1_000}]},
            ],
        }
    ],
    "projects": [
        {
            "id": "builds",
            "buckets": [
                {
                    "name": BUCKET,
                    "bindings": [
                        {"role": "roles/storage.admin", "members": ["projectOwner:builds"]}
                    ],
                }
            ],
        }
    ],
}
SCHEMA = json_schema(AlarmFacts)


class Nights:
    """A schedule over one host of a sandbox, held against a baseline.

    Args:
        cli: the tool.
        box: the sandbox.
        way: environment that leads to it.
    """

    def __init__(self, cli: Cli, box: Sandbox, way: dict[str, Any]) -> None:
        self.cli, self.box, self.way = cli, box, way
        self._gone: dict[str, Digest] = {}
        made = cli("inventory", HOST, "-o", "b.inventory", **way)
        assert made.returncode == 0, made.stderr

    def verify(self, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Verify the host against the baseline."""
        environment: dict[str, Any] = {**self.way, **more}
        done = self.cli("verify", "b.inventory", "--json", *args, **environment)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def take(self, path: str) -> None:
        """Delete a tag behind everybody's back."""
        self._gone[path] = self._tags(path).pop("1.0")

    def bring_back(self, path: str) -> None:
        """Set it again."""
        self._tags(path)["1.0"] = self._gone[path]

    def _tags(self, path: str) -> dict[str, Digest]:
        return self.box.store.repositories["builds", "us", "us.gcr.io"].image(path).tags


@contextmanager
def schedule(cli: Cli, folder: Path) -> Iterator[tuple[Nights, Receiver]]:
    """Have a sandbox, a baseline of it, and somebody who is told."""
    with running(Scenario.model_validate(SCENARIO), folder / "box") as box, receiving() as receiver:
        box.write_endpoints(cli.home / "endpoints.yaml")
        way = {
            "GCR_MIGRATE_ENDPOINTS": str(cli.home / "endpoints.yaml"),
            "GCR_MIGRATE_ACCESS_TOKEN": box.token,
            "GCR_MIGRATE_RETRY_PAUSE_S": "0.01",
            "GCR_MIGRATE_RETRY_TRIES": "3",
            "GCR_MIGRATE_WEBHOOK": f"{receiver.url}/T012345/hunter2hunter2",
        }
        yield Nights(cli, box, way), receiver


def events(done: subprocess.CompletedProcess[str], name: str) -> list[dict[str, Any]]:
    """Return log lines of one event."""
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def subjects(pile: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return code and subject of what is told."""
    return [(one["code"], one["subject"]) for one in pile]


def test_only_changes_are_told_night_after_night(cli: Cli, tmp_path: Path) -> None:
    """Found, kept back, more, over: one message each, in all forms; the status is verify's."""
    with schedule(cli, tmp_path) as (nights, receiver):
        every = ["--alarm-state", "s.json", "--junit", "j.xml", "--metrics-file", "m.prom"]
        every += ["--push-gateway", receiver.url]
        quiet = nights.verify(*every)
        pushed = [one for one in receiver.taken if one.path.startswith("/metrics/")]
        calm = len(receiver.taken) - len(pushed)
        receiver.taken.clear()
        green = fromstring((cli.home / "j.xml").read_text())  # noqa: S314  # our own
        before = (cli.home / "m.prom").read_text()
        nights.take("app")
        first = nights.verify(*every)
        metrics = (cli.home / "m.prom").read_text()
        red = fromstring((cli.home / "j.xml").read_text())  # noqa: S314  # our own
        receiver.taken = [one for one in receiver.taken if not one.path.startswith("/metrics/")]
        new = receiver.told()
        nights.take("web")
        nights.verify("--alarm-state", "s.json")
        more = receiver.told()
        nights.bring_back("app")
        nights.verify("--alarm-state", "s.json")
        less = receiver.told()
        same = nights.verify("--alarm-state", "s.json")
        nothing = receiver.told()
        state = cli.home / "s.json"
        told_at = json.loads(state.read_text())["targets"]["b.inventory"][0]["told_at"]
        state.write_text(state.read_text().replace(told_at, "2026-01-01T00:00:00Z"))
        nights.verify("--alarm-state", "s.json")
        late = receiver.told()

    assert (quiet.returncode, first.returncode, same.returncode) == (0, 1, 1)
    assert (calm, len(pushed), nothing) == (0, 1, [])
    assert b'gcr_migrate_outcome{command="verify",outcome="proven"' in pushed[0].body
    (message,) = new
    jsonschema.validate(message, SCHEMA)
    assert subjects(message["new"]) == [("tag-gone", f"{HOST}/app:1.0")]
    assert [subjects(one["new"]) for one in more] == [[("tag-gone", f"{HOST}/web:1.0")]]
    assert more[0]["still"] == 1
    assert [subjects(one["over"]) for one in less] == [[("tag-gone", f"{HOST}/app:1.0")]]
    assert [subjects(one["reminders"]) for one in late] == [[("tag-gone", f"{HOST}/web:1.0")]]
    assert (green.get("failures"), green.get("errors")) == ("0", "0")
    assert red.find(f".//testcase[@name='tag-gone {HOST}/app:1.0']/failure") is not None
    assert 'code="tag-gone",command="verify"' in metrics
    last = [
        [line for line in text.splitlines() if line.startswith("gcr_migrate_last_success")]
        for text in (before, metrics)
    ]
    assert last[0] == last[1] != []
    (host,) = events(first, "verify.host")
    assert (host["host"], host["outcome"], host["codes"]) == (HOST, "differs", {"tag-gone": 1})
    assert events(first, "verify.done")[0]["requests"] > 2
    assert [one["code"] for one in events(first, "alarm.new")] == ["tag-gone"]


def test_who_could_not_be_told_is_told_the_next_night(cli: Cli, tmp_path: Path) -> None:
    """A receiver that stumbles gets one message; of one that refuses nothing but that is told."""
    with schedule(cli, tmp_path) as (nights, receiver):
        nights.take("app")
        receiver.answers, receiver.words = [403], "no_service T012345/hunter2hunter2"
        gateway = ("--push-gateway", f"{receiver.url}/gone")
        refused = nights.verify("--alarm-state", "s.json")
        receiver.refused.clear()
        receiver.words = ""
        receiver.answers = [500, 200, *[400] * 9]
        again = nights.verify("--alarm-state", "s.json", *gateway)
        tries = [*receiver.refused[:1], *receiver.taken]
        receiver.answers.clear()
        receiver.taken.clear()
        third = nights.verify("--alarm-state", "s.json")
        slack = nights.verify("--webhook-format", "slack")

    assert [done.returncode for done in (refused, again, third, slack)] == [1, 1, 1, 1]
    (failed,) = events(refused, "alarm.not-told")
    assert (failed["code"], failed["subject"]) == ("not-told", "webhook")
    everything = refused.stdout + refused.stderr + again.stderr + (cli.home / "s.json").read_text()
    assert "hunter2" not in everything
    assert "T012345" not in everything
    ids = {one.json()["id"] for one in tries} | {one.headers["idempotency-key"] for one in tries}
    assert (len(tries), len(ids)) == (2, 1)
    assert [one["subject"] for one in events(again, "alarm.not-told")] == [
        f"push gateway {receiver.url}/gone"
    ]
    (told,) = receiver.told()
    assert list(told) == ["text"]
    assert f"`{HOST}/app:1.0`" in told["text"]


def test_what_was_not_looked_at_is_told_and_clears_nothing(cli: Cli, tmp_path: Path) -> None:
    """A night without a login is an alarm of its own, and what was found before stays known."""
    with schedule(cli, tmp_path) as (nights, receiver):
        nights.take("app")
        nights.verify("--alarm-state", "s.json")
        receiver.taken.clear()
        lost = nights.verify(
            "--alarm-state",
            "s.json",
            "--junit",
            "j.xml",
            "--metrics-file",
            "m.prom",
            GCR_MIGRATE_ACCESS_TOKEN="none",  # noqa: S106  # a wrong one
        )
        (told,) = receiver.told()
        nights.bring_back("app")
        nights.verify("--alarm-state", "s.json")
        (over,) = receiver.told()
        red = fromstring((cli.home / "j.xml").read_text())  # noqa: S314  # our own
        metrics = (cli.home / "m.prom").read_text()

    assert lost.returncode == 4
    assert (told["outcome"], told["over"]) == ("unproven", [])
    assert told["new"]
    assert ("tag-gone", f"{HOST}/app:1.0") in subjects(over["over"])
    assert (over["new"], over["still"]) == ([], 0)
    assert int(red.get("errors", "0"))
    assert 'outcome="unproven",target="b.inventory"} 1.0' in metrics
    assert "gcr_migrate_proven{" not in metrics
    assert json.loads((cli.home / "s.json").read_text())["targets"] == {}


def test_an_object_remembers_for_runs_on_other_machines(cli: Cli, tmp_path: Path) -> None:
    """In a bucket as in a file; what is no memory there is left, and everything is told."""
    place = f"gs://{BUCKET}/nightly/state.json"
    with schedule(cli, tmp_path) as (nights, receiver):
        nights.take("app")
        for _ in range(2):
            assert nights.verify("--alarm-state", place).returncode == 1
        once = receiver.told()
        held = nights.box.store.buckets[BUCKET].objects
        (name,) = held
        (cli.home / "s.json").write_text('{"half')
        twice = [nights.verify("--alarm-state", "s.json") for _ in range(2)]
        loud = receiver.told()
        nowhere = nights.verify("--alarm-state", "gs://no-such-bucket/s.json")

    assert name == "nightly/state.json"
    assert len(once) == 1
    assert [subjects(one["new"]) for one in loud] == [[("tag-gone", f"{HOST}/app:1.0")]] * 2
    assert (cli.home / "s.json").read_text() == '{"half'
    assert [events(one, "alarm.not-told")[0]["code"] for one in twice] == ["bad-alarm-state"] * 2
    assert events(nowhere, "alarm.not-told")[0]["code"] == "file-missing"
    assert [done.returncode for done in (*twice, nowhere)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["--webhook-format", "xml"], "bad-usage", "generic, slack"),
        (["--webhook-file", "no"], "file-missing", "no"),
        (["--webhook-file", "w"], "bad-webhook", "neither https"),
        (["--push-gateway", "http://gateway.example"], "bad-usage", "neither https"),
        (["--remind-after", "soon"], "bad-usage", "such as 24h"),
        (["--alarm-state", "gs://bucket"], "bad-usage", "gs://BUCKET/OBJECT"),
        (["--alarm-state", "no/s.json"], "not-writable", "folder"),
        (["--junit", "no/j.xml"], "not-writable", "no/j.xml"),
    ],
)
def test_who_cannot_be_told_is_refused_before_anything_is_asked(
    cli: Cli, args: list[str], code: str, told: str
) -> None:
    """A wrong option costs no verification, and shows no address of a webhook."""
    (cli.home / "w").write_text("http://hooks.example/hunter2\n")
    done = cli("verify", "builds", *args)

    assert done.returncode == 2
    assert f"error[{code}]" in done.stderr
    assert told in done.stderr
    assert "hunter2" not in done.stderr


def test_a_report_does_not_replace_the_baseline(cli: Cli, tmp_path: Path) -> None:
    """Nor does it begin before that is known: the file that was named twice is as it was."""
    with schedule(cli, tmp_path) as (nights, _):
        before = (cli.home / "b.inventory").read_bytes()
        done = nights.verify("--junit", "./b.inventory")
        assert done.returncode == 2
        assert "bad-usage" in done.stdout + done.stderr
        assert (cli.home / "b.inventory").read_bytes() == before
