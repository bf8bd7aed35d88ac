"""The sandbox's counterpart of Google's server-side copy, as a plain HTTP client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gcr_migrate.model.content import ACCEPT
from gcr_migrate.sandbox.app import Sandbox, running
from gcr_migrate.sandbox.scenarios import Scenario, load_scenario
from gcr_migrate.sandbox.store import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = "old-builds/gcr.io"
WEB = f"{ROOT}/app/web"
US = "us-docker.pkg.dev"
COUNTERS = ("manifestsCopied", "tagsCopied", "manifestsFailed", "tagsFailed")


class Copier:
    """Asks one sandbox to copy."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        for location, id_ in (("us", "gcr.io"), ("us", "staging"), ("europe", "eu.gcr.io")):
            box.store.add(Repository("old-builds", location, id_))

    def get(self, name: str, host: str = US, token: str = "", **query: str) -> httpx.Response:
        """Ask for a page; `query` comes beside `CopyFromGCR=same`."""
        wanted = {"CopyFromGCR": "same"} | query
        url = f"{self.box.addresses[host]}/v2/{name}/tags/list"
        headers = {"Authorization": f"Bearer {token or self.box.token}"}
        return httpx.get(url, params=wanted, headers=headers)

    def pages(self, name: str, **query: str) -> list[dict[str, Any]]:
        """Ask for all pages of a name."""
        found: list[dict[str, Any]] = []
        following: dict[str, str] = {}
        while True:
            reply = self.get(name, **query, **following)
            assert reply.status_code == 200, reply.text
            found.append(reply.json())
            if not found[-1].get("nextPage"):
                return found
            following = {"NextPage": found[-1]["nextPage"]}

    def habits(self, **more: Any) -> None:
        """Change how the service copies."""
        kept = self.box.store.project("old-builds").kept
        assert kept
        kept.habits = kept.habits.model_copy(update=more)


@pytest.fixture
def copier(tmp_path: Path) -> Iterator[Copier]:
    """The scenario of images that were left behind, with empty repositories for them."""
    with running("left-behind", tmp_path) as box:
        yield Copier(box)


def _sums(pages: list[dict[str, Any]]) -> list[int]:
    return [sum(int(page.get(name, 0)) for page in pages) for name in COUNTERS]


@pytest.mark.slow
def test_what_was_copied_is_counted_once_over_all_pages(copier: Copier) -> None:
    """Each page tells what it copied; a second round copies nothing and has no counters at all."""
    pages = copier.pages(WEB)
    assert len(pages) > 2
    assert _sums(pages) == [6, 4, 0, 0]
    again = copier.pages(WEB)
    assert not any(name in page for page in again for name in COUNTERS)
    image = copier.box.store.repositories["old-builds", "us", "gcr.io"].images["app/web"]
    assert len(image.manifests) == 6
    assert {"1.0", "2.0", "latest"} < set(image.tags)


@pytest.mark.slow
def test_names_below_are_told_by_pages_and_not_copied(copier: Copier) -> None:
    """`child` is spread over the pages, and left out where there is none."""
    assert copier.pages(ROOT)[0]["child"] == ["app", "tools"]
    assert copier.pages(f"{ROOT}/app")[0]["child"] == ["api", "broken", "web"]
    assert "child" not in copier.pages(WEB)[0]
    assert "app/web" not in copier.pages(ROOT)[0]["manifest"]


def test_an_image_that_lost_a_part_fails_each_time(copier: Copier) -> None:
    """It is counted among the failures and those not found, with an example that names it."""
    for _ in range(2):
        (page,) = copier.pages(f"{ROOT}/app/broken")
        assert (page["manifestsFailed"], page["manifestsFailedWithNotFound"]) == (1, 1)
        assert page["exampleFailuresWithNotFound"][0].startswith("app/broken@sha256:")
        assert "exampleFailures" not in page


@pytest.mark.parametrize(
    ("query", "copied"),
    [
        ({"PullDays": "30"}, 3),  # the index that was pulled, with what it lists
        ({"MaxVersions": "2"}, 4),  # that index, which was pushed last, and one more
        ({"PullDays": "30", "MaxVersions": "1"}, 3),
        ({}, 6),
    ],
)
def test_filters_leave_what_was_used_or_pushed_last(
    copier: Copier, query: dict[str, str], copied: int
) -> None:
    """An index takes what it lists along, and counts as one."""
    assert _sums(copier.pages(WEB, **query))[0] == copied


def test_a_request_that_takes_too_long_has_copied_a_part(copier: Copier) -> None:
    """It ends with 504 and no counters; the same page goes on from there."""
    copier.habits(work_per_request=2, page_size=50)
    replies = [copier.get(WEB) for _ in range(3)]
    assert [one.status_code for one in replies] == [504, 504, 200]
    assert replies[2].json()["manifestsCopied"] == 2


def test_a_token_of_another_page_is_refused(copier: Copier) -> None:
    """400: it is neither guessed nor taken for the first page."""
    first = copier.get(WEB).json()["nextPage"]
    assert copier.get(WEB, NextPage=first[:-1]).status_code == 400
    assert copier.get(f"{ROOT}/app", NextPage=first).status_code == 400
    assert copier.get(WEB, NextPage=first).status_code == 200


def test_a_copy_into_another_repository_keeps_its_path(copier: Copier) -> None:
    """The source is named, `same` is refused there, and nothing is renamed."""
    name = "old-builds/staging/app/api"
    assert copier.get(name).status_code == 400
    reply = copier.get(name, CopyFromGCR="gcr.io/old-builds")
    assert reply.json()["manifestsCopied"] == 1
    staging = copier.box.store.repositories["old-builds", "us", "staging"]
    assert list(staging.images) == ["app/api"]


def test_the_account_that_may_not_read_the_bucket_is_named(copier: Copier) -> None:
    """403 in the words that gcloud looks for; who may not write is told that first."""
    copier.box.store.project("old-builds").bindings.clear()
    text = copier.get(WEB).text
    assert "artifact-registry-same-project-copier@system.gserviceaccount.com to have" in text
    reply = copier.get("old-builds/staging/x", CopyFromGCR="gcr.io/old-builds")
    assert "service-220000000001@gcp-sa-artifactregistry" in reply.text
    stranger = copier.get(WEB, token="ya29.sandbox-stranger")  # noqa: S106
    assert stranger.status_code == 403
    assert "to have storage" not in stranger.text


def test_a_service_that_copies_no_more_lists_or_has_gone(copier: Copier) -> None:
    """A list without a counter looks like success; 404 does not."""
    copier.habits(answers="lists")
    reply = copier.get(WEB)
    assert reply.status_code == 200
    assert not reply.json()["manifest"]
    copier.habits(answers="gone")
    assert copier.get(WEB).status_code == 404


def test_a_missing_image_is_copied_when_it_is_pulled_while_copying(tmp_path: Path) -> None:
    """In ENABLED_AND_COPYING a pull at the gcr.io host finds it; in ENABLED it does not."""
    plain = load_scenario("left-behind").model_dump()
    plain["repositories"] = [{"project": "old-builds", "location": "us", "id": "gcr.io"}]
    with running(Scenario.model_validate(plain), tmp_path) as box:
        project, path = box.store.project("old-builds"), "/v2/old-builds/app/web/manifests/2.0"
        url = f"{box.addresses['gcr.io']}{path}"
        headers = {"Authorization": f"Bearer {box.token}", "Accept": ACCEPT}
        seen = []
        for state in ("DISABLED", "ENABLED", "ENABLED_AND_COPYING", "ENABLED"):
            project.redirect_state = f"REDIRECTION_FROM_GCR_IO_{state}"
            seen.append(httpx.get(url, headers=headers).status_code)
        assert seen == [412, 404, 200, 200]
