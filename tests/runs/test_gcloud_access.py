"""The real gcloud reads who has access, in the sandbox as it does at Google's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gcr_migrate.sandbox.app import running
from gcr_migrate.sandbox.scenarios import RolePart, load_scenario
from tests.gcloud_runs import gcloud, gcloud_environ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.sandbox.app import Sandbox

pytestmark = pytest.mark.slow

PROJECT: Final = "acme-web"
BUCKET: Final = "us.artifacts.acme-web.appspot.com"
VIEWER: Final = "roles/storage.objectViewer"
ANALYSIS: Final = (
    f"asset analyze-iam-policy --organization=7 --permissions=storage.objects.get "
    f"--full-resource-name=//storage.googleapis.com/{BUCKET}"
)
GRANT: Final = (
    f"storage buckets add-iam-policy-binding gs://{BUCKET} --member=user:new@example.com "
    f"--role={VIEWER} --condition=None"
)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Run a sandbox with the bucket that nobody carried over, and a role of the project's own."""
    own = RolePart(name=f"projects/{PROJECT}/roles/puller", permissions=("storage.objects.get",))
    scenario = load_scenario("who-could-pull").model_copy(update={"roles": (own,)})
    with running(scenario, tmp_path_factory.mktemp("box")) as one:
        yield one


@pytest.fixture(scope="module")
def environ(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what gcloud needs to come to the sandbox."""
    return gcloud_environ(box, tmp_path_factory.mktemp("gcloud"), PROJECT)


@pytest.mark.needs("gcloud")
def test_gcloud_reads_and_writes_a_buckets_policy(environ: dict[str, str]) -> None:
    """Conditions are in it, and one more grant leaves the others as they were."""
    command = f"storage buckets get-iam-policy gs://{BUCKET}"
    before = gcloud(environ, command)["bindings"]
    gcloud(environ, GRANT)

    conditions = [one["condition"]["title"] for one in before if "condition" in one]
    assert conditions == ["until the end of 2024"]
    after = {
        (one["role"], member, "condition" in one)
        for one in gcloud(environ, command)["bindings"]
        for member in one["members"]
    }
    known = {
        (one["role"], member, "condition" in one) for one in before for member in one["members"]
    }
    assert after - known == {(VIEWER, "user:new@example.com", False)}
    assert known <= after


@pytest.mark.needs("gcloud")
def test_gcloud_reads_the_policies_above(environ: dict[str, str]) -> None:
    """Of the project and of all that it lies in, in one go."""
    found = gcloud(environ, f"projects get-ancestors-iam-policy {PROJECT}")

    assert [one["id"] for one in found] == [PROJECT, "70", "7"]
    members = ["serviceAccount:gke-nodes@acme-web.iam.gserviceaccount.com"]
    assert found[0]["policy"]["bindings"] == [{"role": VIEWER, "members": members}]


@pytest.mark.needs("gcloud")
def test_gcloud_opens_roles(environ: dict[str, str]) -> None:
    """A predefined one and one of the project."""
    known = gcloud(environ, f"iam roles describe {VIEWER}")
    own = gcloud(environ, f"iam roles describe puller --project={PROJECT}")

    assert "storage.objects.get" in known["includedPermissions"]
    assert own["includedPermissions"] == ["storage.objects.get"]


@pytest.mark.needs("gcloud")
def test_gcloud_analyses_policies(environ: dict[str, str]) -> None:
    """It finds who may read the bucket's objects, and which condition is open."""
    found = gcloud(environ, ANALYSIS)

    by_place = {
        (
            one["policy"]["attachedResource"].rpartition("/")[2],
            identity["name"],
            acl.get("conditionEvaluationValue", ""),
        )
        for one in found
        for acl in one["ACLs"]
        for identity in acl["identities"]
    }
    assert (BUCKET, "user:rel@acme.example", "") in by_place
    assert (BUCKET, "user:contractor@partner.example", "CONDITIONAL") in by_place
    node = "serviceAccount:gke-nodes@acme-web.iam.gserviceaccount.com"
    assert (PROJECT, node, "") in by_place
    assert not any("build@" in member for _, member, _ in by_place)
