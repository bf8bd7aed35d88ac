"""Manifests that come damaged: asked for once more, unless they have the digest asked for."""

from __future__ import annotations

import pytest

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.content import OCI_INDEX, Digest
from tests.asking import using
from tests.scripted import Answer, Asked

INDEX = Answer(
    body={"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
    headers={"content-type": OCI_INDEX},
)
PAGE = Answer(body="<html>Back soon</html>", headers={"content-type": "text/html"})
CUT = Answer(body=INDEX.content()[:-9], headers=INDEX.headers)


class Giver:
    """A registry whose manifest is answered for in turn, the last answer again and again.

    Attributes:
        reads: how often it was asked for.
    """

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.reads = 0

    def answer(self, asked: Asked) -> Answer:
        """Answer a request."""
        if "/manifests/" not in asked.target:
            return Answer()
        self.reads += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.mark.parametrize("damaged", [PAGE, CUT], ids=["page", "cut"])
@pytest.mark.parametrize(
    "reference", ["1.0", str(Digest.of(INDEX.content()))], ids=["tag", "digest"]
)
def test_what_is_no_manifest_is_asked_for_again(damaged: Answer, reference: str) -> None:
    """A page of a proxy, or half of the bytes, is not what the registry has."""
    giver = Giver(damaged, INDEX)
    manifest = using(giver.answer, lambda client: client.manifest("app", reference))
    assert (manifest.raw, giver.reads) == (INDEX.content(), 2)


def test_a_page_that_stays_is_a_bad_manifest() -> None:
    """It is asked for twice, and no more."""
    giver = Giver(PAGE)
    with pytest.raises(MigrateError, match="bad-manifest"):
        using(giver.answer, lambda client: client.manifest("app", "1.0"))
    assert giver.reads == 2


def test_what_has_its_digest_is_read_once() -> None:
    """Bytes that were pushed so come no other way the next time."""
    giver = Giver(PAGE)
    reference = str(Digest.of(PAGE.content()))
    with pytest.raises(MigrateError, match="bad-manifest"):
        using(giver.answer, lambda client: client.manifest("app", reference))
    assert giver.reads == 1
