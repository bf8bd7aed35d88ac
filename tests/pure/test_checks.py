"""What a plan finds before anything moves."""

from __future__ import annotations

from gcr_migrate.model.plan import RepositorySettings
from gcr_migrate.plan.checks import differences


def test_only_what_the_spec_states_is_compared() -> None:
    """A description that the spec says nothing about is no difference."""
    has = RepositorySettings(description="made by hand", labels=(("team", "a"),))
    assert differences(has, RepositorySettings()) == []


def test_each_setting_that_differs_is_named_with_both_values() -> None:
    """A setting and a label that differ are named one by one."""
    has = RepositorySettings(labels=(("team", "a"),))
    wants = RepositorySettings(labels=(("team", "b"),), immutable_tags=True)
    assert differences(has, wants) == [
        "immutable_tags is False, spec says True",
        "labels.team is 'a', spec says 'b'",
    ]
