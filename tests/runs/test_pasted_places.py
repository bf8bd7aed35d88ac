"""Pasted places through the command line: what is read is what was pasted, no more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Cli

CONSOLE = "https://console.cloud.google.com"
ROUTES = """\
routes:
  - {match: "*", repository: single}
  - {match: "{team}/**", repository: "{team}", strip: "{team}"}
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox with an image at the very name of a folder, beside it and below it."""
    paths = ("shop", "shop/web", "shop/web/api", "shop/cart", "shopping/cart")
    images = [
        {"path": path, "tags": ["1"], "layers": [{"name": path.replace("/", "-")}]}
        for path in paths
    ]
    other = [{"path": "only-here/one", "tags": ["1"], "layers": [{"name": "one"}]}]
    here = {"project": "acme-images", "images": images}
    scenario = Scenario.model_validate(
        {
            "repositories": [
                {**here, "location": "us", "id": "us.gcr.io"},
                {**here, "location": "us", "id": "gcr.io", "images": other},
            ]
        }
    )
    with running(scenario, tmp_path_factory.mktemp("box")) as box:
        yield box


def _run(cli: Cli, box: Sandbox, *args: str, code: int = 0) -> dict[str, Any]:
    box.write_endpoints(cli.home / "endpoints.yaml")
    done = cli(
        *args,
        "--json",
        GCR_MIGRATE_ENDPOINTS=str(cli.home / "endpoints.yaml"),
        GCR_MIGRATE_ACCESS_TOKEN=box.token,
    )
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _plan(cli: Cli, box: Sandbox, source: str, code: int = 0) -> dict[str, Any]:
    (cli.home / "spec.yaml").write_text(f"source: {source}\n{ROUTES}")
    return _run(cli, box, "plan", "spec.yaml", code=code)


def _planned(cli: Cli) -> set[str]:
    done = cli("show", "acme-images.migration", "--json")
    facts = json.loads(done.stdout)
    return {image["source"] for image in facts["images"]}


@pytest.mark.parametrize(
    ("source", "planned"),
    [
        ("us.gcr.io/acme-images/shop", {"shop", "shop/web", "shop/web/api", "shop/cart"}),
        ("us-docker.pkg.dev/acme-images/us.gcr.io/shop/web", {"shop/web", "shop/web/api"}),
        (f"{CONSOLE}/gcr/images/acme-images/US/shop/web?project=x", {"shop/web", "shop/web/api"}),
        (
            "{project: acme-images, hosts: [us.gcr.io], below: [shop/web, shopping]}",
            {"shop/web", "shop/web/api", "shopping/cart"},
        ),
        ("{project: acme-images, hosts: [us.gcr.io], paths: [shop/web]}", {"shop/web"}),
    ],
)
def test_a_pasted_path_takes_what_is_at_and_below_it(
    cli: Cli, box: Sandbox, source: str, planned: set[str]
) -> None:
    """One host, and of it the image at the path and those in the folder, none beside it."""
    assert _plan(cli, box, source)["complete"]
    assert _planned(cli) == {f"us.gcr.io/acme-images/{path}" for path in planned}


def test_a_path_at_which_nothing_is_is_named(cli: Cli, box: Sandbox) -> None:
    """A mistyped path gives nothing, never what is around it, and the plan says so."""
    facts = _plan(cli, box, "us.gcr.io/acme-images/shpo")
    assert facts["counts"]["images"] == 0
    (finding,) = facts["findings"]
    assert finding["code"] == "path-empty"
    assert finding["subject"] == "us.gcr.io/acme-images/shpo"


def test_a_path_that_one_of_the_hosts_has_is_not_named(cli: Cli, box: Sandbox) -> None:
    """The other hosts may lack it: each path has to be somewhere, not everywhere."""
    facts = _plan(cli, box, "{project: acme-images, below: [only-here, shop/cart]}")
    assert [one for one in facts["findings"] if one["code"] == "path-empty"] == []
    assert {"gcr.io/acme-images/only-here/one", "us.gcr.io/acme-images/shop/cart"} <= _planned(cli)


def test_an_image_with_a_tag_is_refused_with_its_line(cli: Cli, box: Sandbox) -> None:
    """A plan takes an image with all its tags: the spec's line says what to write."""
    facts = _plan(cli, box, "us.gcr.io/acme-images/shop/web:1", code=2)
    assert facts["subject"] == "spec.yaml:1"
    assert "write us.gcr.io/acme-images/shop/web" in facts["saw"]


def test_a_place_can_stand_instead_of_a_spec(cli: Cli, box: Sandbox) -> None:
    """A pasted page is planned as a spec that says no more, in the project's own file."""
    page = f"{CONSOLE}/gcr/images/acme-images/US/shop/web?authuser=1"
    assert _run(cli, box, "plan", page)["complete"]
    assert _planned(cli) == {f"us.gcr.io/acme-images/shop/{one}" for one in ("web", "web/api")}


def test_a_signed_address_leaves_no_signature_in_the_plan(cli: Cli, box: Sandbox) -> None:
    """Of an address of a bucket only the place is kept, and shown."""
    bucket = "https://storage.googleapis.com/artifacts.acme-images.appspot.com"
    facts = _run(cli, box, "plan", f"{bucket}/containers/images?X-Goog-Signature=hush")
    assert _planned(cli) == {"gcr.io/acme-images/only-here/one"}
    assert "hush" not in json.dumps(facts)
    assert b"hush" not in (cli.home / "acme-images.migration").read_bytes()


@pytest.mark.parametrize(
    ("args", "code", "subject"),
    [
        (("plan", "no-such.yaml"), "file-missing", "no-such.yaml"),
        (("plan", "no/such/file"), "file-missing", "no/such/file"),
        (
            ("plan", "https://gcr.io.evil.com/a?sig=hush"),
            "file-missing",
            "https://gcr.io.evil.com/a",
        ),
        (("plan", "acme", "--quota-project", "gcr.io/acme"), "bad-name", "gcr.io/acme"),
        (("plan", "acme", "--impersonate-service-account", "bob"), "bad-name", "bob"),
    ],
)
def test_a_name_that_cannot_be_is_refused_before_anybody_is_asked(
    cli: Cli, args: tuple[str, ...], code: str, subject: str
) -> None:
    """Files, places, projects and accounts are told apart by their own words."""
    done = cli(*args, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["code"], found["subject"]) == (2, code, subject)
    assert "hush" not in done.stdout + done.stderr


def test_a_snapshot_names_no_path_that_one_of_the_hosts_has(cli: Cli, box: Sandbox) -> None:
    """As in a plan: each path has to be somewhere, and one that is nowhere is named once."""
    spec = "source: {project: acme-images, below: [only-here, shop/cart, shpo]}\n"
    (cli.home / "spec.yaml").write_text(spec)
    facts = _run(cli, box, "inventory", "spec.yaml", "-o", "a.snapshot")
    empty = [one["subject"] for one in facts["findings"] if one["code"] == "path-empty"]
    assert empty == ["gcr.io/acme-images/shpo"]
