"""Policies with answers that were worked out by hand: what is granted, and what is said of whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from gcr_migrate.access import SourceAccess, settle
from gcr_migrate.model.access import (
    AccessWish,
    Binding,
    Condition,
    Grant,
    Level,
    ObjectAccess,
    Picture,
    Policy,
    PolicyOn,
)

NOW_MS: Final = 1_795_000_000_000  # in November 2026
RIGHTS: Final = ("pull", "push", "delete")
CASES: Final[list[dict[str, Any]]] = YAML(typ="safe").load(
    (Path(__file__).parents[1] / "data" / "access_cases.yaml").read_text("utf-8")
)
_BASIC: Final = {"owner", "editor", "viewer"}
_ARTIFACTS: Final = {"reader", "writer", "repoAdmin"}


def _role(short: str) -> str:
    if "/" in short:
        return short
    if short in _BASIC or "." in short:
        return f"roles/{short}"
    service = "artifactregistry" if short in _ARTIFACTS else "storage"
    return f"roles/{service}.{short}"


def _policy(written: dict[str, Any]) -> Policy:
    bindings = [
        Binding(_role(role), tuple(members)) for role, members in written.items() if role != "if"
    ]
    some = written.get("if", [])
    for one in some if isinstance(some, list) else [some]:
        condition = Condition("limited", one["when"])
        bindings += [
            Binding(_role(role), tuple(one[role]), condition) for role in one if role != "when"
        ]
    return Policy(tuple(bindings), "etag")


def _grants(written: dict[str, list[str]]) -> set[tuple[str, str]]:
    return {(_role(role), member) for role, members in written.items() for member in members}


def _above(case: dict[str, Any]) -> tuple[PolicyOn, ...]:
    levels = {
        "project": (Level.PROJECT, "projects/p"),
        "folder": (Level.FOLDER, "folders/70"),
        "organization": (Level.ORGANIZATION, "organizations/7"),
    }
    return tuple(
        PolicyOn(level, name, _policy(case.get(key, {}))) for key, (level, name) in levels.items()
    )


def _roles(case: dict[str, Any]) -> tuple[tuple[str, frozenset[str] | None], ...]:
    return tuple(
        (role, None if some is None else frozenset(some))
        for role, some in case.get("roles", {}).items()
    )


def _source(case: dict[str, Any]) -> Picture:
    by_bucket = case.get("from") != "repository"
    level = Level.BUCKET if by_bucket else Level.REPOSITORY
    name = "gs://us.artifacts.p.appspot.com" if by_bucket else "projects/p/…/us.gcr.io"
    own = PolicyOn(level, name, _policy(case.get("bucket", {})))
    written = case.get("objects")
    objects = None
    if written:
        readers = tuple(written["readers"].items())
        objects = ObjectAccess(readers, written["seen"], complete=written.get("complete", True))
    return Picture("us.gcr.io/p", level, "p", (own, *_above(case)), _roles(case), objects)


def _target(case: dict[str, Any]) -> Picture:
    written = case.get("target", {})
    project = written.get("project", "p")
    own: tuple[PolicyOn, ...] = ()
    if "own" in written:
        own = (PolicyOn(Level.REPOSITORY, "projects/p/…/site", _policy(written["own"])),)
    above = _above(case)
    if project != "p":
        inherited = _policy(written.get("inherited", {}))
        above = (PolicyOn(Level.PROJECT, f"projects/{project}", inherited),)
    shown = f"us-docker.pkg.dev/{project}/site"
    return Picture(shown, Level.REPOSITORY, project, (*own, *above), _roles(case), exists=bool(own))


def _wish(case: dict[str, Any]) -> AccessWish:
    written = case.get("wish", {})
    return AccessWish(
        translate=True,
        public=written.get("public", False),
        deny=tuple(written.get("deny", ())),
        accept=tuple((one[0], one[1], one[2]) for one in written.get("accept", ())),
        grants=tuple(Grant(*one) for one in sorted(_grants(written.get("grant", {})))),
    )


def _verdicts(words: str) -> dict[str, str]:
    parts = words.split()
    pairs = dict(zip(parts[::2], parts[1::2], strict=True))
    return dict.fromkeys(RIGHTS, pairs["all"]) if "all" in pairs else pairs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"].replace(" ", "-"))
def test_what_was_worked_out_by_hand_is_what_comes_out(case: dict[str, Any]) -> None:
    """Grants, verdicts, consent and members who see names only are those of the case."""
    settled = settle(_target(case), [SourceAccess(_source(case), _wish(case))], NOW_MS)

    always = {(one.role, one.member) for one in settled.grants if one.condition is None}
    limited = {(one.role, one.member) for one in settled.grants if one.condition}
    assert always == _grants(case["grants"])
    assert limited == _grants(case.get("conditional", {}))
    told: dict[str, dict[str, str]] = {}
    for row in settled.rows:
        told.setdefault(row.member, {})[str(row.right)] = str(row.verdict)
    assert told == {member: _verdicts(words) for member, words in case["rights"].items()}
    agreed = {row.member for row in settled.rows if row.consent}
    assert agreed == set(case.get("consent", ()))
    names = {one.saw for one in settled.findings if one.problem.code == "names-only"}
    assert names == ({", ".join(case["names_only"])} if "names_only" in case else set())
