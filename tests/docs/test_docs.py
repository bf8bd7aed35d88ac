"""The documents say what the program says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from gcr_migrate.errors import CATALOGUE, Exit, Problem
from gcr_migrate.spec import load_spec

ROOT = Path(__file__).resolve().parents[2]
PLANS = sorted((ROOT / "plans").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.timeout(660)  # the whole tutorial is walked through
def test_what_is_generated_is_fresh() -> None:
    """Reference, schemas and the README's output are what this version prints."""
    check = [sys.executable, "-m", "scripts.docs", "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("problem", CATALOGUE.values(), ids=list(CATALOGUE))
def test_a_problem_says_all_that_helps(problem: Problem) -> None:
    """Each problem has a title without full stop, a meaning, a remedy and a known exit code."""
    assert problem.title
    assert not problem.title.endswith(".")
    assert problem.meaning.endswith(".")
    assert problem.remedy.endswith(".")
    assert problem.exit in set(Exit)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.name)
def test_a_sample_fits_the_published_schema(path: Path) -> None:
    """Each sample is a spec, by the model and by the JSON Schema that editors use."""
    text = path.read_text(encoding="utf-8")
    load_spec(text, path.name)
    schema = json.loads((ROOT / "docs" / "reference" / "spec.schema.json").read_text())
    jsonschema.validate(YAML(typ="safe").load(text), schema)


def test_the_readme_shows_the_first_sample() -> None:
    """The spec in the README is the first sample without its comments."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("```yaml\n")[2].partition("```")[0]
    sample = (ROOT / "plans" / "builds.yaml").read_text(encoding="utf-8")
    assert load_spec(shown, "README.md") == load_spec(sample, "builds.yaml")


PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")})


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page names a file or folder that is there, and a heading in it."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    missing = [link for link in links if "://" not in link and not _there(page, link)]
    assert not missing


def _there(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """Headings as the web pages of repositories name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_page_is_in_the_index() -> None:
    """Whoever starts at the index of the documentation finds every page of it."""
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not {name for name in pages if f"({name}" not in index}
