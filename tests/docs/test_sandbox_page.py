"""The page on the sandbox leaves nothing out that a scenario can say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest

from gcr_migrate.sandbox import copy_parts, image_parts, scenarios

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "sandbox.md").read_text("utf-8")
PARTS = (
    scenarios.Scenario,
    scenarios.IdentityPart,
    scenarios.ProjectPart,
    scenarios.BucketPart,
    scenarios.OrgPolicyPart,
    scenarios.QuotaPart,
    scenarios.LimitsPart,
    scenarios.FolderPart,
    scenarios.PerimeterPart,
    scenarios.RepositoryPart,
    scenarios.GiantPart,
    image_parts.ImagePart,
    copy_parts.KeptImagePart,
    copy_parts.ContainerRegistryPart,
    scenarios.ServiceAccountPart,
    scenarios.IdentityPoolPart,
    scenarios.MetadataPart,
)
TABLE = PAGE.partition("| field | meaning |")[2].partition("\n## ")[0]
PLACES = re.findall(r"^\| `([a-z_.\[\]]+)` \|", TABLE, re.MULTILINE)
FIELDS = sorted({name for part in PARTS for name in part.model_fields})


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_on_the_page(field: str) -> None:
    """It stands there as code, alone, as a list, or with what it is set to."""
    assert any(f"`{field}{end}" in PAGE for end in ("`", "[]`", ":"))


@pytest.mark.parametrize("place", PLACES)
def test_each_row_says_where_its_field_stands(place: str) -> None:
    """From the top of a scenario down, with `[]` behind each list."""
    part: Any = scenarios.Scenario
    for written in place.split("."):
        kind = part.model_fields[written.removesuffix("[]")].annotation
        assert written.endswith("[]") == (get_origin(kind) is tuple)
        part = next(iter(get_args(kind)), kind)


@pytest.mark.parametrize("name", scenarios.scenario_names())
def test_each_ready_scenario_is_on_the_page(name: str) -> None:
    """The table says what is there."""
    assert f"| `{name}` |" in PAGE
