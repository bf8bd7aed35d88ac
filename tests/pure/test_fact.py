"""What all facts are: named values, told in the order in which they are declared."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

import pytest

from gcr_migrate.report.fact import VERSION, Fact, Field
from gcr_migrate.report.reading import json_schema, read


class Part(Fact):
    """A fact with a default, and a rule."""

    name: str
    least: int = Field(default=0, description="Never more than most.")
    most: int

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.least > self.most:
            raise ValueError(self)


class Whole(Part):
    """A fact with more than another has."""

    schema_: Literal["whole"] = "whole"
    version: Literal[1] = VERSION


@pytest.mark.parametrize(
    "values", [{"name": "a"}, {"most": 1}, {"name": "a", "most": 1, "odd": 2}, {}]
)
def test_a_fact_has_just_its_fields(values: dict[str, Any]) -> None:
    """What is missing or unknown is refused, with its name."""
    with pytest.raises(TypeError, match=r"Part: missing or unknown: .*(name|most|odd)"):
        Part(**values)


def test_a_fact_refuses_what_contradicts_itself() -> None:
    """The rule of a class holds however a fact is made: with values, as another, or read."""
    with pytest.raises(ValueError, match="Part"):
        Part(name="a", least=2, most=1)
    with pytest.raises(ValueError, match="Part"):
        Part(name="a", most=1).but(least=2)
    with pytest.raises(ValueError, match="Whole"):
        read(Whole, '{"schema": "whole", "version": 1, "name": "a", "least": 2, "most": 1}')


def test_a_fact_never_changes() -> None:
    """No value can be set or taken away."""
    fact = Part(name="a", most=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fact.most = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del fact.most
    assert fact.most == 1


def test_facts_are_the_same_by_their_values() -> None:
    """Two facts of one class with the same values are one in a set; those of others are not."""
    one, same = Part(name="a", most=1), Part(most=1, least=0, name="a")
    assert (one, hash(one)) == (same, hash(same))
    assert one != Part(name="b", most=1)
    assert one != Whole(name="a", most=1)
    assert repr(one) == "Part(name='a', least=0, most=1)"


def test_a_fact_is_told_in_the_order_of_its_fields() -> None:
    """JSON and schema have the order of the class, in whichever order values are given."""
    told = "".join(Whole(most=1, name="a").json_parts())
    assert [*json.loads(told)] == ["schema", "version", "name", "least", "most"]
    assert read(Whole, told) == Whole(name="a", most=1)
    assert [*json_schema(Whole)["properties"]] == ["name", "least", "most", "schema", "version"]
