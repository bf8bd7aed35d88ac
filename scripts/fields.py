"""A JSON Schema as a page for people: one table of fields for each kind of object."""

from __future__ import annotations

import json
import re
from typing import Any, Final

_WORDS: Final = {"string": "text", "integer": "whole number", "number": "number", "null": "nothing"}
_LIMITS: Final = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "up to {}",
    "maxItems": "at most {}",
}
_LONG: Final = 60


def fields_page(schema: dict[str, Any]) -> str:
    """Return a page: the fields of the whole, then of each object in it, in order of first use.

    Args:
        schema: a JSON Schema with `$defs`, as pydantic makes it.
    """
    objects: dict[str, dict[str, Any]] = {"": schema}
    places: dict[str, list[str]] = {}
    for name in _first_use(schema):
        objects[name] = schema["$defs"][name]
    for name, one in objects.items():
        for field, about in one.get("properties", {}).items():
            for used in _references(about):
                place = f"{_heading(name)}: `{field}`" if name else f"`{field}`"
                places.setdefault(used, []).append(place)
    lines = []
    for name, one in objects.items():
        if name:
            lines += ["", f"## {_heading(name)}", ""]
            lines += [f"{one.get('description', '')} Stands at {', '.join(places[name])}.".strip()]
        if "properties" not in one:
            lines += ["", f"One of {_takes(one)}."]
            continue
        lines += ["", "| field | takes | without it | what it is |", "|---|---|---|---|"]
        must = set(one.get("required", ()))
        lines += [
            _row(*field, is_needed=field[0] in must) for field in one.get("properties", {}).items()
        ]
    return "\n".join(lines).strip() + "\n"


def _first_use(schema: dict[str, Any]) -> list[str]:
    """Return the names of all objects that are used, in the order in which they are met."""
    met: list[str] = []
    waiting = [schema]
    while waiting:
        for about in waiting.pop(0).get("properties", {}).values():
            for name in _references(about):
                if name not in met:
                    met.append(name)
                    waiting.append(schema["$defs"][name])
    return met


def _references(about: dict[str, Any]) -> list[str]:
    """Return the names of the objects that a field may hold, at any depth of lists and choices."""
    return re.findall(r'"\$ref": "#/\$defs/(\w+)"', json.dumps(about))


def _row(field: str, about: dict[str, Any], *, is_needed: bool) -> str:
    default = "*needed*" if is_needed else _default(about.get("default"))
    cells = (f"`{field}`", _takes(about), default, about.get("description", ""))
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _default(value: object) -> str:
    if value is None or value in ([], {}):
        return ""
    text = json.dumps(value, ensure_ascii=False)
    return f"`{text}`" if len(text) <= _LONG else "see there"


def _takes(about: dict[str, Any]) -> str:
    """Tell in words what a field may hold."""
    choices = about.get("anyOf") or about.get("oneOf")
    if choices:
        told = [_takes(one) for one in choices if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(told))
    if "$ref" in about:
        name = about["$ref"].rpartition("/")[2]
        return f"[{_heading(name).lower()}](#{_anchor(name)})"
    values = [about["const"]] if "const" in about else about.get("enum")
    if values:
        return ", ".join(f"`{one}`" for one in values)
    return _kind(about) + _limits(about)


def _kind(about: dict[str, Any]) -> str:
    match about.get("type"):
        case "array":
            return f"list of {_takes(about['items'])}"
        case "object":
            more = about.get("additionalProperties")
            return f"by name, {_takes(more)}" if isinstance(more, dict) else "fields by name"
        case "boolean":
            return "`true`, `false`"
        case kind:
            return _WORDS.get(kind or "", "anything")


def _limits(about: dict[str, Any]) -> str:
    told = [form.format(about[key]) for key, form in _LIMITS.items() if key in about]
    return f" {' '.join(told)}" if told else ""


def _heading(name: str) -> str:
    words = re.findall(r"[A-Z][a-z]*", name)
    return " ".join(words).capitalize()


def _anchor(name: str) -> str:
    return _heading(name).lower().replace(" ", "-")
