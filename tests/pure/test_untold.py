"""Of which manifests it is told that nobody knows what they need."""

from __future__ import annotations

from typing import Any

import pytest

from gcr_migrate.errors import NEEDS_UNKNOWN
from gcr_migrate.inventory.untold import what_is_untold
from gcr_migrate.model.content import OCI_ARTIFACT, OCI_MANIFEST, Digest, Manifest
from gcr_migrate.model.finding import Finding, Severity
from tests import shapes

THING = "application/vnd.example.thing.v1+json"
LAYER = shapes.entry(shapes.OCI_LAYER, shapes.ONE)
ONE, TWO = (str(Digest.of(data)) for data in (shapes.ONE, shapes.TWO))


def _told(media_type: str, body: dict[str, Any]) -> list[Finding]:
    return what_is_untold(Manifest.read(shapes.compact(body), media_type), "host/app")


@pytest.mark.parametrize(
    ("body", "saw"),
    [
        ({}, "neither a blob nor a manifest"),
        ({"layers": ["one"], "note": "two"}, "neither a blob nor a manifest"),
        ({"subject": LAYER}, "neither a blob nor a manifest"),
        ({"things": [LAYER]}, ONE),
        ({"layers": [LAYER], "things": {TWO: 1}}, TWO),
        ({"layers": [{"digest": ONE}, {"digest": TWO}]}, f"{min(ONE, TWO)} and 1 more"),
    ],
)
def test_an_unknown_kind_is_told_with_what_it_names(body: dict[str, Any], saw: str) -> None:
    """Nothing at all, or digests of which nobody knows what they are: a warning says which."""
    subject = f"host/app@{Digest.of(shapes.compact(body))}"
    finding = Finding(NEEDS_UNKNOWN, Severity.WARNING, subject, f"{THING} names {saw}")
    assert _told(THING, body) == [finding]


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        (THING, {"layers": [LAYER]}),
        (THING, {"manifests": [LAYER], "subject": shapes.entry("a/b", shapes.TWO)}),
        (OCI_ARTIFACT, {"blobs": [], "annotations": {"base": ONE}}),
        (OCI_MANIFEST, {"config": LAYER, "layers": [], "annotations": {"base": TWO}}),
    ],
)
def test_what_is_known_is_not_told(media_type: str, body: dict[str, Any]) -> None:
    """Nor is a kind that is known, whatever else it names."""
    assert _told(media_type, body) == []
