"""A page as one HTML file that asks nothing of anybody."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gcr_migrate.report.html.page import short
from gcr_migrate.report.words import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.html.page import Page

_SIGNS: Final = {"good": "✓", "bad": "✗", "open": "!", "plain": "i"}
_BRIEF: Final = 300


def html_parts(page: Page, made: str = "") -> Iterator[str]:
    """Return a page in pieces; what is no style or script of ours is forbidden to the browser.

    Args:
        page: what is drawn.
        made: by which version, and when; empty: it does not say.
    """
    style, script = _ours("report.css"), _ours("report.js")
    environment = Environment(
        loader=PackageLoader("gcr_migrate.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        finalize=_finalized,
    )
    environment.filters["size"] = size_text
    environment.filters["count"] = lambda value: f"{value:,}"
    environment.filters["brief"] = _brief
    template = environment.get_template("report.html.j2")
    told = {
        "page": page,
        "made": made,
        "signs": _SIGNS,
        "style": Markup(style),  # noqa: S704  # a file of ours
        "script": Markup(script),  # noqa: S704  # a file of ours
        "policy": (
            f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
            " base-uri 'none'; form-action 'none'"
        ),
    }
    return template.generate(told)


def _finalized(value: object) -> object:
    """Clean every text that goes into the page, whoever wrote it; markup is ours."""
    return short(value) if type(value) is str else value


def _brief(text: str) -> str:
    """Return a value of a long table as it is shown before the script makes rows."""
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]}…"


def _ours(name: str) -> str:
    """Return a file of the templates' folder."""
    folder = resources.files("gcr_migrate.report").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
