"""What the spec says about damage at the source: one word, or one for each kind."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field

from gcr_migrate.model.nearest import with_question
from gcr_migrate.spec.fields import Part

Word = Literal["stop", "skip", "copy"]
_StopOrSkip = Literal["stop", "skip"]
_WORDS: Final = get_args(Word)


class DamageRules(Part):
    """What to do with each kind of damage: stop and make no plan, or skip it, with a report."""

    blobs: _StopOrSkip = Field("skip", description="A manifest of which blobs are gone.")
    bytes: _StopOrSkip = Field("skip", description="Bytes without their digest or stated size.")
    manifests: _StopOrSkip = Field(
        "skip", description="A manifest that is listed and gone, or cannot be read."
    )
    tags: _StopOrSkip = Field("skip", description="A tag that points to nothing.")
    children: Word = Field(
        "skip",
        description="An index with a child that is gone, or left out as it is damaged; with `copy`"
        " the index goes without that child.",
    )

    @property
    def stops(self) -> frozenset[str]:
        """The kinds of which one case is enough to make no plan."""
        return frozenset(kind for kind, word in self if word == "stop")

    @property
    def copies_sparse(self) -> bool:
        """Whether an index goes without those of its children that are damaged."""
        return self.children == "copy"


def _of_word(written: Any) -> Any:
    """Turn one word into rules for all kinds; all else is read as rules."""
    if not isinstance(written, str):
        return written
    if written not in _WORDS:
        said = "Input should be 'stop', 'skip' or 'copy', or a mapping of kinds to these"
        raise ValueError(with_question(said, written, _WORDS))
    rest = "skip" if written == "copy" else written
    kinds = dict.fromkeys(("blobs", "bytes", "manifests", "tags"), rest)
    return {**kinds, "children": written}


Damaged = Annotated[
    DamageRules, BeforeValidator(_of_word, json_schema_input_type=Word | DamageRules)
]
