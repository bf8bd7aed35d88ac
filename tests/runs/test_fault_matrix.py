"""Each fault in each step of a migration ends as if nothing had been, or in an honest failure.

A cell of the table is a fault in a step. A step is one request of an undisturbed migration, and
the fault hits nothing else. After it the same command must go through, and `verify` prove it.
"""

from __future__ import annotations

import re
import shutil
import ssl
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest
import trustme

from gcr_migrate.model.content import Digest
from gcr_migrate.state.file import open_migration
from tests.fault_stage import IDLE, SOURCE, Stage, Told, staged
from tests.fault_table import CELLS, Column, End, Row
from tests.relay import Relay
from tests.sample import covering
from tests.scripted import Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# That a fault may cost: three tries of what one image has, and three tokens that a quiet run is
# spared by those that have written something.
MORE_REQUESTS: Final = 24 + 3
SECONDS: Final = 60
SLOW, LONG = (pytest.mark.slow,), (pytest.mark.long,)


@dataclass(frozen=True)
class Quiet:
    """An undisturbed migration, which the cells are held against.

    Attributes:
        home: a folder with the files `planned` and `applied`.
        plan: what planning said; `apply` and `verify` likewise.
        target: what the target holds in the end.
        requests: how many each command sent.
        names: the digests that stand in the table by name.
        tls: what a relay serves TLS with.
    """

    home: Path
    plan: Told
    apply: Told
    verify: Told
    target: Any
    requests: dict[str, int]
    names: dict[str, str]
    tls: ssl.SSLContext

    def said(self, pattern: str) -> str:
        """Return a pattern of the table with digests for their names."""
        for name, digest in self.names.items():
            pattern = pattern.replace("{" + name + "}", f"sha256(?::|%3A){digest[7:]}")
        return pattern


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """Plan, apply and verify with nothing in the way."""
    home = tmp_path_factory.mktemp("quiet")
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    with pytest.MonkeyPatch.context() as variables, staged(home) as stage:
        variables.setenv("SSL_CERT_FILE", str(home / "ca.pem"))
        variables.setenv("HOME", str(home))
        told, requests = {}, {}
        for command in ("plan", "apply", "verify"):
            stage.forget()
            told[command] = stage.command(command, quiet=True)
            assert told[command].exit == 0, told
            requests[command] = stage.requests
            shutil.copy(home / "m", home / f"after-{command}")
        yield Quiet(
            home, **told, target=stage.target, requests=requests, names=_names(stage), tls=context
        )


def _names(stage: Stage) -> dict[str, str]:
    images = stage.box.store.state()[SOURCE]["images"]
    tagged = images["app/b"]["tags"]["1"]
    (untagged,) = set(images["app/b"]["manifests"]) - {tagged}
    stored = stage.box.store.repositories["builds", "us", "us.gcr.io"].images["app/b"].manifests
    needs = next(one.manifest for digest, one in stored.items() if str(digest) == tagged)
    base, layer = (str(blob.digest) for blob in needs.blobs[-2:])
    assert base in images["app/a"]["blobs"]
    return {"tagged": tagged, "untagged": untagged, "base": base, "layer": layer}


def _cells() -> list[Any]:
    """Return the cells: one of each step, slow ones for each end, and others as long."""
    names = [(row.name, column.name, f"{row.name}: {row.ends(column)}") for row, column in CELLS]
    sample = covering(names)
    quick = {name[1]: name for name in sorted(sample)}.values()
    return [
        pytest.param(
            *cell,
            id="-in-".join(name[:2]),
            marks=() if name in quick else SLOW if name in sample else LONG,
        )
        for cell, name in zip(CELLS, names, strict=True)
    ]


@pytest.mark.parametrize(("row", "column"), _cells())
def test_each_fault_in_each_step_ends_right(
    row: Row, column: Column, quiet: Quiet, tmp_path: Path
) -> None:
    """It ends as its cell says, within bounds, and nothing of it is left after the next run."""
    end = row.ends(column)
    assert end
    with ExitStack() as stack:
        stage = stack.enter_context(_stage_before(column, quiet, tmp_path))
        elsewhere = stack.enter_context(Scripted(_elsewhere(stage, quiet.names["layer"])))
        hits = _disturb(stack, stage, row, column, quiet, elsewhere.url)
        told = stage.command(column.command)
        asked = stage.requests
        stage.calm()

        assert hits(), "nothing went wrong"
        assert told.exit in {0, 1, 3, 4}, told.stderr
        assert asked <= quiet.requests[column.command] + MORE_REQUESTS
        assert told.seconds < SECONDS
        assert not [one for one in elsewhere.asked if "authorization" in one.headers]
        _ends(end, row, column, quiet, told)
        if end.how == "heals":
            _is_as_undisturbed(column, quiet, stage, told, end)
        _heals(column, quiet, stage, anew=bool(end.unproven))


@contextmanager
def _stage_before(column: Column, quiet: Quiet, home: Path) -> Iterator[Stage]:
    """Open a stage with all done that comes before a command."""
    file = None if column.command == "plan" else quiet.home / "after-plan"
    with staged(home / "stage", file) as stage:
        if column.command == "verify":
            assert stage.command("apply", quiet=True).exit == 0
        stage.forget()
        yield stage


def _elsewhere(stage: Stage, layer: str) -> Callable[[Asked], Answer]:
    """Return how another host answers: with a layer's bytes, or after the login."""

    def answer(asked: Asked) -> Answer:
        if asked.target == "/store":
            return Answer(body=stage.box.store.blob_file(Digest.parse(layer)).read_bytes())
        if "/token" in asked.target:
            return Answer(body={"token": "stolen"})
        challenge = f'Bearer realm="http://{asked.headers["host"]}/token",service="thief"'
        return Answer(401, headers={"www-authenticate": challenge})

    return answer


def _disturb(
    stack: ExitStack, stage: Stage, row: Row, column: Column, quiet: Quiet, other_url: str
) -> Callable[[], int]:
    """Put the fault in the way; return what tells how often it struck."""
    path = quiet.said(column.path)
    if row.rule is not None:
        headers = {k: _made(v, other_url) for k, v in row.rule.get("headers", {}).items()}
        where = {"phase": column.phase, "host": column.host, "path": path}
        fault = stage.fault({**where, "times": row.times, **row.rule, "headers": headers})
        if headers.get("location") == "/v2/loop":
            stage.fault({"path": "^/v2/loop", "status": 302, "headers": headers})
        return lambda: int(fault.plain()["hits"])
    assert row.lie
    stage.settings |= IDLE if row.lie == "stall" else {}
    relay = Relay(
        urlsplit(stage.box.addresses[column.host]).port or 0,
        path,
        row.lie,
        times=row.times,
        skip=column.skip if row.times else 0,
        method=column.method,
        tls=quiet.tls if row.lie == "tls" else None,
    )
    stack.enter_context(relay.running())
    registries = {**stage.endpoints["registries"], column.host: relay.url}
    stage.endpoints = {**stage.endpoints, "registries": registries}
    return lambda: relay.told


def _made(value: str, other_url: str) -> str:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    words = {
        "DATE": format_datetime(soon, usegmt=True),
        "STORE": f"{other_url}/store",
        "THIEF": f"{other_url}/v2/somewhere",
        "LOOP": "/v2/loop",
        "ZEROS": f"sha256:{'0' * 64}",
    }
    return words.get(value, value)


def _ends(end: End, row: Row, column: Column, quiet: Quiet, told: Told) -> None:
    """Check exit code and codes."""
    gave_up_at_once = row.touches_all and told.facts.get("code") == end.code
    if end.how == "stops" or gave_up_at_once:
        assert (told.exit, told.facts.get("code")) == (4, end.code), told.facts
        return
    said = _failed(column, told)
    if end.how == "heals":
        assert (told.exit, said) == (0, []), told.facts
        return
    exits = {"plan": {1, 3}, "apply": {1}, "verify": {1, 4}}
    assert told.exit in exits[column.command], told.facts
    roots = [text for code, text, _ in said if code != "blocked"]
    assert roots, told.facts
    assert all(re.search(end.code, text) for text in roots), told.facts
    if not row.touches_all:
        for code, text, subject in said:
            touched = quiet.said(column.blocked if code == "blocked" else column.roots)
            assert re.search(touched, f"{subject} {text}"), told.facts
    _all_else_is_done(column, quiet, told, len(said))


def _failed(column: Column, told: Told) -> list[tuple[str, str, str]]:
    """Return code, code with its words, and subject of all that came out wrong."""
    if column.command == "apply":
        found = [
            one | {"subject": name}
            for one in told.facts["failures"]
            for name in (one["subject"], *one["others"])
        ]
    else:
        found = [one for one in told.facts["findings"] if one["severity"] == "error"]
        found += [one for one in told.facts.get("left_out", ()) if not one["by_rule"]]
    return [(one["code"], f"{one['code']}: {one['saw']}", one["subject"]) for one in found]


def _all_else_is_done(column: Column, quiet: Quiet, told: Told, failed: int) -> None:
    if column.command == "apply":
        counts = told.facts["counts"]
        assert (counts["pending"], counts["failed"]) == (0, failed)
        assert counts["done"] + failed == quiet.apply.facts["counts"]["done"]
    if column.command == "verify":
        checks = {
            level: counts["checked"] + counts["unchecked"]
            for level, counts in told.facts["levels"].items()
        }
        levels = quiet.verify.facts["levels"]
        assert checks == {level: counts["checked"] for level, counts in levels.items()}


def _is_as_undisturbed(column: Column, quiet: Quiet, stage: Stage, told: Told, end: End) -> None:
    if column.command == "plan":
        assert told.facts["digest"] == quiet.plan.facts["digest"]
    elif column.command == "apply":
        assert told.facts["counts"] == quiet.apply.facts["counts"]
        assert (stage.target == quiet.target) is not bool(end.unproven)
    else:
        assert told.facts["levels"] == quiet.verify.facts["levels"]
    if end.unproven:
        proof = stage.command("verify", quiet=True)
        assert proof.exit == 1
        assert end.unproven in {one["code"] for one in proof.facts["findings"]}


def _heals(column: Column, quiet: Quiet, stage: Stage, *, anew: bool) -> None:
    """Check that the command goes through with nothing in the way, and that it is the same end."""
    if column.command == "plan" or anew:
        (stage.home / "m").unlink(missing_ok=True)
        assert stage.command("plan", quiet=True).exit == 0
    if column.command == "plan":
        with open_migration(stage.home / "m") as migration:
            assert migration.digest == quiet.plan.facts["digest"]
        return
    applied = stage.command("apply", quiet=True)
    assert applied.exit == 0, applied
    if not anew:
        assert applied.facts["counts"] == quiet.apply.facts["counts"]
    assert stage.target == quiet.target
    assert stage.command("verify", quiet=True).exit == 0
