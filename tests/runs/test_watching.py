"""A run that is followed: status from another terminal, metrics, traces, and the lines it logs."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.image_parts import ImagePart, LayerPart
from gcr_migrate.sandbox.scenarios import Scenario
from tests.conftest import Cli, free_port, refusing_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

UPLOAD = "^/artifacts-uploads/.*digest="
SPEC = """\
version: 1
source: {project: builds, hosts: [us.gcr.io]}
target: {location: europe}
routes: [{match: "**", repository: moved}]
"""


@contextmanager
def planned(cli: Cli, folder: Path) -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    """Have a plan of an index of two images in `m`, and what reaches its sandbox."""
    image = ImagePart(
        path="app",
        tags=("1.0", "latest"),
        layers=(LayerPart(name="base", size=300_000), LayerPart(name="app", size=9_000)),
        platforms=("linux/amd64", "linux/arm64"),
    )
    (cli.home / "spec.yaml").write_text(SPEC)
    scenario = Scenario.model_validate(
        {"repositories": [{"project": "builds", "location": "us", "id": "us.gcr.io"}]}
    )
    scenario = scenario.model_copy(
        update={"repositories": (scenario.repositories[0].model_copy(update={"images": (image,)}),)}
    )
    with running(scenario, folder / "sandbox") as box:
        box.write_endpoints(cli.home / "endpoints.yaml")
        way: dict[str, Any] = {
            "GCR_MIGRATE_ENDPOINTS": str(cli.home / "endpoints.yaml"),
            "GCR_MIGRATE_ACCESS_TOKEN": box.token,
        }
        assert cli("plan", "spec.yaml", "-o", "m", **way).returncode == 0
        yield box, way


def hold_uploads(box: Sandbox, seconds: float) -> None:
    """Have the sandbox hold the end of each upload for so long."""
    fault(box, {"method": "PUT", "path": UPLOAD, "when": "before", "delay_s": seconds, "times": 99})


def fault(box: Sandbox, rule: dict[str, Any]) -> None:
    """Have the sandbox do something wrong."""
    request = urllib.request.Request(  # noqa: S310  # loopback
        f"{box.control_url}/faults", json.dumps(rule).encode()
    )
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310  # loopback
        pass


def status(cli: Cli) -> dict[str, Any]:
    """Return what `status` tells of the plan."""
    done = cli("status", "m", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def metrics(text: str) -> dict[str, float]:
    """Return values of metrics by name, and those of items by kind and outcome."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line).groups()  # type: ignore[union-attr]
            own = re.findall(r'(kind|outcome|level|result)="(\w+)"', labels)
            found[".".join([name.removeprefix("gcr_migrate_"), *dict(own).values()])] = float(value)
    return found


def until(what: Any) -> Any:
    """Wait until something is so."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.05)
    pytest.fail("it did not become so")


def test_a_run_is_followed_from_outside_and_after_its_death(cli: Cli, tmp_path: Path) -> None:
    """In flight and waiting are told while it runs, with metrics; after a kill, what is unknown."""
    port = free_port()
    with planned(cli, tmp_path) as (box, way):
        before = status(cli)
        hold_uploads(box, 600)
        with cli.start("apply", "m", "--metrics-port", str(port), "--json", **way) as process:
            there = until(lambda: (now := status(cli))["in_flight"]["items"] > 3 and now)
            far = until(lambda: status(cli)["progress"])
            told = cli("status", "m").stdout
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                scraped = metrics(answer.read().decode())
            lines = until(process.stderr.readline) if process.stderr else ""
            process.send_signal(signal.SIGKILL)
        after = status(cli)
        text = cli("status", "m").stdout

    assert not before["is_running"]
    assert before["hold_ups"][0]["tags"] == 2
    assert there["is_running"]
    assert 0 <= far["bytes_done"] <= far["bytes_total"]
    assert far["time_left_s"] is None
    assert re.search(r"  \S+ [KM]iB of \S+ [KM]iB sent by 2.*, time left: unknown", told)
    largest = there["in_flight"]["largest"][0]
    assert largest["size_bytes"] >= 300_000
    assert largest["subject"].startswith("europe-docker.pkg.dev/builds/moved/app@sha256:")
    held = there["hold_ups"][0]
    assert (held["tags"], held["some_tags"], held["state"]) == (2, ["1.0", "latest"], "moving")
    assert len(held["chain"]) == 2  # index, image
    assert (scraped["in_flight"], scraped["items_left.tag"]) == (scraped["items_left.blob"], 2)
    assert scraped["requests_total"] > 5
    assert '"level"' in lines
    assert not after["is_running"]
    assert after["progress"] is None
    assert after["to_ask_about"] == there["in_flight"]["blobs"] > 0
    assert "was cut off" in text
    assert re.search(r"waits for blob .*, begun by a run that was cut off\)", text)


class _Receiver(BaseHTTPRequestHandler):
    """Takes traces."""

    taken: list[Any]

    def do_POST(self) -> None:  # named by the library
        """Keep what is sent."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.taken += [
            span
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receiver() -> Iterator[tuple[str, list[Any]]]:
    """Have somebody on loopback who takes traces; gives the address and the spans."""
    spans: list[Any] = []
    handler = type("Receiver", (_Receiver,), {"taken": spans})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", spans
        server.shutdown()
        thread.join()


def test_a_run_leaves_a_text_file_and_traces(cli: Cli, tmp_path: Path) -> None:
    """Metrics add up to the plan; slow items and repositories are spans; verify adds its proof."""
    with planned(cli, tmp_path) as (box, way), receiver() as (address, spans):
        hold_uploads(box, 1.2)
        sends: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": address}
        done = cli("apply", "m", "--metrics-file", "m.prom", "--json", **way, **sends)
        assert done.returncode == 0, done.stderr
        applied = metrics((cli.home / "m.prom").read_text())
        proven = cli("verify", "m", "--metrics-file", "v.prom", **way)
        assert proven.returncode == 0, proven.stderr
        proof = metrics((cli.home / "v.prom").read_text())
        earlier = (cli.home / "v.prom").read_text()
        failing = {**way, "GCR_MIGRATE_ACCESS_TOKEN": "none"}
        assert cli("verify", "m", "--metrics-file", "v.prom", **failing).returncode
        later = metrics((cli.home / "v.prom").read_text())

    counts = json.loads(done.stdout)["kinds"]
    told = {kind: applied[f"items_total.{kind}.done"] for kind in counts}
    assert told == {kind: one["done"] for kind, one in counts.items()}
    assert applied["sent_bytes_total"] > 300_000
    assert applied["left_bytes"] == applied["in_flight"] == applied["time_left_seconds"] == 0
    assert applied["last_success_timestamp_seconds"] >= applied["started_timestamp_seconds"]
    assert proof["proven"] == 1
    assert proof["checks.tags.wrong"] == 0
    last = "last_success_timestamp_seconds"
    assert later[last] == metrics(earlier)[last]  # a failure does not make it forgotten

    assert {span.name for span in spans} == {"apply", "repository", "blob"}
    run = next(span for span in spans if span.name == "apply")
    assert all(span.parent_span_id == run.span_id for span in spans if span is not run)
    assert box.token not in str(spans)
    told_words = [str(one.value) for span in spans for one in span.attributes]
    assert not [text for text in told_words if "?" in text]  # no URL with a query


@pytest.mark.parametrize(
    ("level", "told"), [("debug", [("retry", "server-error")]), ("", []), ("error", [])]
)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "people"])
@pytest.mark.parametrize("path", ["/manifests/1.0$", UPLOAD], ids=["manifest", "layer"])
def test_a_request_that_is_sent_once_more_is_logged_to_who_wants_to_know(
    cli: Cli, tmp_path: Path, path: str, level: str, told: list[tuple[str, str]], *, as_json: bool
) -> None:
    """With its cause and what it was about, where `GCR_MIGRATE_LOG` says so; else it is counted."""
    options = ["--json"] if as_json else []
    with planned(cli, tmp_path) as (box, way):
        fault(box, {"method": "PUT", "path": path, "status": 503, "times": 1})
        done = cli("apply", "m", *options, GCR_MIGRATE_LOG=level, **way)
        report = json.loads(cli("report", "m", "--json").stdout)

    assert done.returncode == 0, done.stderr
    assert report["overview"]["courses"][0]["retried"] == 1
    if as_json:
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        found = [(one["event"], one["code"]) for one in lines if "code" in one]
        assert found == told
        assert level != "error" or not lines
    else:
        assert [("retry", "server-error")] * done.stderr.count("code=server-error") == told
        what = "@sha256:" if path == UPLOAD else ":1.0"
        assert (f"moved/app{what}" in done.stderr) == bool(told)


def test_who_cannot_follow_says_so_before_anything_is_done(cli: Cli, tmp_path: Path) -> None:
    """A port in use and a file in no folder are errors; a receiver that is gone is a warning."""
    with planned(cli, tmp_path) as (_, way), refusing_port() as port:
        taken = cli("apply", "m", "--metrics-port", str(port), **way)
        nowhere = cli("apply", "m", "--metrics-file", "no/m.prom", **way)
        untouched = status(cli)["runs"]
        gone: dict[str, Any] = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        }
        alone = cli("apply", "m", **way, **gone)
    assert (taken.returncode, nowhere.returncode) == (2, 2)
    assert f"--metrics-port {port}" in taken.stderr
    assert "no/m.prom" in nowhere.stderr
    assert untouched == []
    assert alone.returncode == 0
    assert alone.stderr.count("traces.not-sent") == 1
    assert "Traceback" not in alone.stderr
