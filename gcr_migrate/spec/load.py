"""Reading a spec, with errors that lead back to its lines."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gcr_migrate.errors import BAD_SPEC, BAD_YAML, MigrateError
from gcr_migrate.model.nearest import nearest, with_question
from gcr_migrate.spec.credentials import Credentials
from gcr_migrate.spec.damage import DamageRules
from gcr_migrate.spec.limits import LimitRules, QuotaRules
from gcr_migrate.spec.model import Spec
from gcr_migrate.spec.places import NO_SECRETS, is_secret_field, looks_secret
from gcr_migrate.spec.rules import Access, GrantRule, Route
from gcr_migrate.spec.select import Period, Pulled, Select
from gcr_migrate.spec.settings import CleanupConditionRule, CleanupRule, NewestRule, Settings
from gcr_migrate.spec.sides import (
    ProjectSource,
    ProjectTarget,
    RegistrySource,
    RegistryTarget,
    RepositorySource,
)
from gcr_migrate.spec.virtual import VirtualRule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pydantic_core import ErrorDetails

    from gcr_migrate.errors import Problem

# What the YAML library lets through for tags and keys that do not fit, found by fuzzing.
_YAML_SLIPS: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def load_spec(text: str, filename: str) -> Spec:
    """Read a spec.

    Args:
        text: the YAML.
        filename: the name that errors show.

    Returns:
        The spec, checked.

    Raises:
        MigrateError: BAD_YAML, or BAD_SPEC with every field that does not fit.
    """
    data = read_fields(text, filename, BAD_SPEC)
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        every = error.errors(include_url=False)
        wrong = [one for one in every if not any(_is_within(other, one) for other in every)]
        found = [_explain(data, one) for one in wrong]
        # Without the cause: it shows the names of fields, and one may be a misplaced secret.
        raise not_fitting(BAD_SPEC, filename, found) from None


def read_fields(text: str, filename: str, problem: Problem) -> dict[str, Any]:
    """Read the fields of a YAML file, which know their lines.

    Args:
        text: the YAML.
        filename: the name that errors show.
        problem: what it is where there are no fields.

    Raises:
        MigrateError: BAD_YAML, or that problem.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # an anchor used twice is no concern here
            data = YAML(typ="rt", pure=True).load(text)
    except (YAMLError, *_YAML_SLIPS) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{filename}:{mark.line + 1}" if mark else filename
        saw = getattr(error, "problem", None) or str(error).partition("\n")[0]
        saw = saw.partition(" with value ")[0]  # of a key that is there twice; it may be a secret
        raise MigrateError(BAD_YAML, subject=where, saw=saw) from None  # it shows values, too
    if not isinstance(data, dict):
        saw = "empty" if data is None else "not a mapping of fields"
        raise MigrateError(problem, subject=f"{filename}:1", saw=saw)
    return data


def not_fitting(problem: Problem, filename: str, found: Iterable[tuple[int, str]]) -> MigrateError:
    """Return the error that tells of all fields that do not fit, each by its line.

    Args:
        problem: what it is.
        filename: the name that it shows.
        found: lines, counted from 1, with what is said of a field there; at least one.
    """
    (first, said), *others = sorted(found)
    saw = "; ".join([said, *(f"line {line}: {more}" for line, more in others)])
    return MigrateError(problem, subject=f"{filename}:{first}", saw=saw)


def spec_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the format, for editors and for checks elsewhere."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Spec.model_json_schema(),
        "title": "gcr-migrate spec",
    }


_IN_WORDS: Final = {
    "missing": "missing",
    "model_type": "a mapping of fields is needed",
    "tuple_type": "a list is needed",
    "dict_type": "a mapping is needed",
    "string_type": "a text is needed",
}
_QUOTED: Final = re.compile(r"'([^']+)'")
_PLAIN: Final = ("(registry source)", "(registry target)")
_OF_PATHS: Final = "unknown; a repository is the first part of a path, as in below: [product1]"
_ELSEWHERE: Final = {
    "repositories": _OF_PATHS,
    "repository": _OF_PATHS,
    "hosts": "unknown beside location; gcr.io hosts are read without one",
    "dialect": "unknown beside location; it is Artifact Registry's",
}
_FIELDS_BELOW: Final[dict[str, type[BaseModel]]] = {
    "": Spec,
    "(project source)": ProjectSource,
    "(repository source)": RepositorySource,
    "(registry source)": RegistrySource,
    "(project target)": ProjectTarget,
    "(registry target)": RegistryTarget,
    "routes": Route,
    "credentials": Credentials,
    "settings": Settings,
    "cleanup_policies": CleanupRule,
    "condition": CleanupConditionRule,
    "most_recent_versions": NewestRule,
    "virtual": VirtualRule,
    "access": Access,
    "grant": GrantRule,
    "select": Select,
    "uploaded": Period,
    "pulled": Pulled,
    "damaged": DamageRules,
    "limits": LimitRules,
    "at": QuotaRules,
}


def _explain(data: Any, error: ErrorDetails) -> tuple[int, str]:
    """Turn one error of the model into a line and a sentence with the field's full name."""
    steps = [step for step in error["loc"] if not str(step).startswith(("(", "[key]"))]
    name = "".join(f"[{s}]" if isinstance(s, int) else f".{_shown(s)}" for s in steps).lstrip(".")
    said = error["msg"].removeprefix("Value error, ")
    above = [step for step in error["loc"][:-1] if isinstance(step, str)]
    known = _fields(above).model_fields
    if error["type"] == "extra_forbidden":
        said = _unknown(str(steps[-1]), error["loc"], known)
    elif error["type"] == "literal_error":
        said = with_question(said, str(error["input"]), _QUOTED.findall(said))
    elif error["type"] == "string_pattern_mismatch" and (field := known.get(str(steps[-1]))):
        said = f"does not fit: {field.description}"
    else:
        said = _IN_WORDS.get(error["type"], said)
    return line_of(data, steps), f"field {name}: {said}" if name else said


def _fields(above: list[str]) -> type[BaseModel]:
    """Return what has the fields here; in a mapping by names, these say nothing of that."""
    return next((_FIELDS_BELOW[step] for step in reversed(above) if step in _FIELDS_BELOW), Spec)


def _shown(step: str) -> str:
    """Return the name of a field, unless somebody wrote a secret in its place."""
    return "…" if looks_secret(step) else step


def _unknown(name: str, loc: tuple[int | str, ...], known: Collection[str]) -> str:
    """Say what to write instead of a field that there is not."""
    if "(repository source)" in loc and name in _ELSEWHERE:
        return _ELSEWHERE[name]
    near = nearest(name, known)
    if is_secret_field(name) and (not near or near in Credentials.model_fields):
        return NO_SECRETS
    if name == "credentials" and any(step in loc for step in _PLAIN):
        return "only projects have them; a registry's login comes from Docker's configuration"
    return f"unknown; did you mean `{near}`?" if near else f"unknown; known: {', '.join(known)}"


def _is_within(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    """Whether the outer error only follows from the inner one, as a list without good entries."""
    depth = len(outer["loc"])
    return outer["type"] == "too_short" and inner["loc"][:depth] == outer["loc"] != inner["loc"]


def line_of(data: Any, steps: list[int | str]) -> int:
    """Line of the deepest field on the way that is in the file, counted from 1."""
    line = data.lc.line
    for step in steps:
        places = getattr(getattr(data, "lc", None), "data", None) or {}
        if step not in places:
            break
        line = places[step][0]
        data = data[step]
    return int(line) + 1
