"""Prices: what is stated, what is known, and what stays unknown."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.locations import area_of
from gcr_migrate.model.prices import Prices
from gcr_migrate.spec.prices import load_prices, prices_json_schema

FILE = """\
as_of: "2026-11"
storage: {artifact-registry: 0.05, NEARLINE/US: 0.015}
transfer:
  - {from: us, to: europe-west1, usd: 0.08}
  - {from: us, to: internet, usd: 0.12}
  - {from: "*", to: asia, usd: 0.2}
scan: 0.5
"""
PLACES = ("us", "us-east1", "us-central1", "europe", "europe-west1", "asia", "127.0.0.1:5000")


def test_a_file_states_prices_and_of_when_they_are() -> None:
    """Each sum can say whose prices it stands on; what the file leaves out stays as it is."""
    prices = load_prices(FILE, "somewhere/prices.yaml")
    assert prices.as_of == "prices.yaml of 2026-11; else of 2025"
    assert (prices.repository, prices.scanned) == (0.05, 0.5)
    assert prices.bucket("NEARLINE", "US", is_multi_region=True) == 0.015
    assert prices.bucket("STANDARD", "US", is_multi_region=True) == 0.026
    assert prices.sent("us", "europe-west1") == 0.08
    assert prices.sent("us", "internet") == 0.12
    assert prices.sent("europe", "asia") == 0.2
    assert load_prices("as_of: '2026'", "p").repository == Prices().repository == 0.10


def test_the_sample_fits_the_published_schema() -> None:
    """Editors accept what the tool reads."""
    jsonschema.validate(YAML(typ="safe").load(FILE), prices_json_schema())


@given(st.sampled_from(PLACES), st.sampled_from(PLACES))
def test_only_what_is_known_to_be_free_costs_nothing(source: str, target: str) -> None:
    """The same location, or a multi-region of the same continent; all else is unknown."""
    usd = Prices().sent(source, target)
    within = target in {"us", "europe", "asia"} and area_of(source) == area_of(target) != ""
    assert usd == (0.0 if source == target or within else None)
    assert Prices().sent(source, "internet") is None


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("", "p:1", "empty"),
        ("as_of: 2026-11-01\nstorage: {x: 1}", "p:1", "as_of"),
        ("as_of: '2026'\nstorage: {artifact-registry: -1}", "p:2", "storage.artifact-registry"),
        ("as_of: '2026'\nstorage: {tape: 1}", "p:2", "storage.tape"),
        ("as_of: '2026'\nscan: cheap", "p:2", "scan"),
        ("as_of: '2026'\ntransfer: [{from: us, usd: 1}]", "p:2", "transfer.0.to"),
        ("as_of: '2026'\nprice: 1", "p:2", "price: unknown field"),
        ("as_of: '2026'\nscan: .nan", "p:2", "scan"),
    ],
)
def test_what_is_no_price_is_named_with_its_line(text: str, where: str, words: str) -> None:
    """A file that does not fit is refused as a whole, never read in part."""
    with pytest.raises(MigrateError, match="bad-prices") as refused:
        load_prices(text, "p")
    assert refused.value.subject == where
    assert words in refused.value.saw


def test_the_file_in_the_documents_is_one() -> None:
    """What a reader copies from the page is read, and fits the schema."""
    page = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    text = page.partition("```yaml\n")[2].partition("```")[0]
    jsonschema.validate(YAML(typ="safe").load(text), prices_json_schema())
    assert load_prices(text, "prices.yaml").sent("us", "europe-west1") == 0.05
