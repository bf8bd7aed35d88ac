"""A plain registry that tells attachments of some names: it is said of which it does not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from gcr_migrate.model.content import OCI_INDEX, OCI_MANIFEST
from tests.scripted import UNKNOWN, Answer, Asked, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Cli

NAMES: Final = ("app", "web")
IMAGE: Final = {
    "schemaVersion": 2,
    "mediaType": OCI_MANIFEST,
    "config": {"mediaType": "a/b", "digest": f"sha256:{'0' * 64}", "size": 2},
    "layers": [],
}


def registry(says_no: Callable[[str, int], bool]) -> Callable[[Asked], Answer]:
    """Return what answers as one with two images; of some it knows no referrers at times."""
    asked = dict.fromkeys(NAMES, 0)

    def answer(what: Asked) -> Answer:
        path = what.target.partition("?")[0]
        if path == "/v2/_catalog":
            return Answer(body={"repositories": list(NAMES)})
        name = path.split("/")[2] if path.count("/") > 2 else ""
        if path.endswith("/tags/list"):
            return Answer(body={"name": name, "tags": ["1"]})
        if re.search("/manifests/", path):
            return Answer(body=IMAGE, headers={"content-type": OCI_MANIFEST})
        if "/referrers/" in path:
            asked[name] += 1
            if says_no(name, asked[name]):
                return Answer(404)
            empty = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
            return Answer(body=empty, headers={"content-type": OCI_INDEX})
        return Answer()

    return answer


def nothing(what: Asked) -> Answer:
    """Answer as a registry without content."""
    empty = {"/v2/": Answer(), "/v2/_catalog": Answer(body={"repositories": []})}
    return empty.get(what.target.partition("?")[0], UNKNOWN)


@pytest.mark.parametrize("command", ["plan", "inventory"])
@pytest.mark.parametrize(
    ("says_no", "code", "finding"),
    [
        (lambda name, _: name == "app", 0, "referrers-unknown"),
        (lambda name, number: name == "app" and number == 1, 3, "listing-failed"),
        (lambda _, __: True, 0, None),
    ],
    ids=["always-of-one", "once", "of-all"],
)
def test_a_name_without_attachments_is_told_where_others_have_them(
    cli: Cli,
    command: str,
    says_no: Callable[[str, int], bool],
    code: int,
    finding: str | None,
) -> None:
    """A no that passes makes what was read incomplete; a registry that never tells is in order."""
    with Scripted(registry(says_no)) as source, Scripted(nothing) as target:
        host = source.url.removeprefix("http://")
        sides = f'source: {{registry: "{host}"}}\n'
        sides += f'target: {{registry: "{target.url.removeprefix("http://")}"}}\n'
        (cli.home / "spec.yaml").write_text(f"version: 1\n{sides}")
        done = cli(
            command, *(["spec.yaml"] if command == "plan" else [host]), "-o", "out", "--json"
        )
    assert done.returncode == code, done.stdout + done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    told = {one["code"]: one["subject"] for one in facts["findings"]}
    doubts = {"referrers-unknown", "listing-failed"} & told.keys()
    assert doubts == ({finding} if finding else set())
    assert not finding or told[finding] == f"{host}/app"
