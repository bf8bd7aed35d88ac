"""Writes that were done, whatever was answered: nothing is told as failed that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runs.test_apply_parts import EUROPE, apply, there
from tests.zoo import SPEC, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.zoo import Zoo

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """An index of two images, planned; requests are not tried again."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "1")
    with opened(tmp_path) as found:
        found.index("a", "all", of=[found.image("a", "1", "2"), found.image("a", name="other")])
        assert found.plan()[0] == 0
        yield found


@pytest.mark.parametrize("status", [200, 202, 204, 500, 504])
@pytest.mark.parametrize("path", ["/manifests/", "/manifests/1$", "uploads/"])
def test_what_was_written_counts_whatever_success_or_proxy_answers(
    zoo: Zoo, status: int, path: str
) -> None:
    """Some say 200 or 202 in place of 201, and who stands in between gives up: a look tells."""
    zoo.fault(host=EUROPE, method="PUT", path=path, status=status, when="after")
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert sorted(there(zoo)["a"]) == ["1", "2", "all"]
    assert zoo.asked("^PUT .*uploads/") == 3  # none twice
    assert zoo.run("verify", str(zoo.home / "m"))[0] == 0


@pytest.mark.parametrize("status", [408, 503])
@pytest.mark.parametrize("policy", ["fail", "keep"])
def test_a_tag_that_was_set_without_an_answer_is_not_set_again(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, policy: str, status: int
) -> None:
    """The look before the next try sees that it is ours; each write more could take another's."""
    monkeypatch.setenv("GCR_MIGRATE_RETRY_TRIES", "3")
    (zoo.home / "m").unlink()
    assert zoo.plan(spec=f"{SPEC}existing_tags: {policy}\n")[0] == 0
    zoo.fault(host=EUROPE, method="PUT", path="/manifests/1$", status=status, when="after")
    zoo.forget()
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (0, "complete")
    assert zoo.asked("^PUT .*/manifests/1") == 1


@pytest.mark.parametrize("status", [200, 202, 204])
@pytest.mark.parametrize("is_blob", [False, True])
def test_a_success_after_which_nothing_is_there_is_a_failure(
    zoo: Zoo, status: int, *, is_blob: bool
) -> None:
    """It is no success, and not told as one."""
    layer = zoo.image("a", name="other").blobs[-1].digest.encoded
    zoo.fault(
        host=EUROPE,
        method="PUT",
        path=f"uploads/.*{layer}" if is_blob else "/manifests/1$",
        status=status,
    )
    code, facts = apply(zoo)
    assert (code, facts["outcome"]) == (1, "failed")
    first = facts["failures"][0]
    assert (first["code"], first["saw"][:3]) == ("bad-reply", str(status))
    assert first["subject"].endswith(layer if is_blob else "a:1")
    zoo.heal()
    assert apply(zoo)[1]["outcome"] == "complete"
