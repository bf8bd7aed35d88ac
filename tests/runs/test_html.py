"""HTML reports as their readers get them: from the command line, and in a real browser."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import html5lib
import pytest

from gcr_migrate.cli.drawing import draw
from gcr_migrate.errors import MigrateError
from gcr_migrate.report.html.migration import report_page
from gcr_migrate.report.html.render import html_parts
from gcr_migrate.report.html.results import result_page
from gcr_migrate.report.words import visible
from gcr_migrate.sandbox.app import running
from tests.browser import browser
from tests.pages import HOSTILE, report
from tests.runs.test_cli_basics import check_schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser import Tab
    from tests.conftest import Cli

pytestmark = pytest.mark.slow

SPEC = """\
source: {project: builds, hosts: [us.gcr.io]}
routes: [{match: "{p}/**", repository: "{p}"}]
"""


def title_of(text: str) -> str:
    """Return the title of a page that a strict parser takes."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return str(parser.parse(text).findtext("head/title"))


def adds_up(report: dict[str, Any]) -> None:
    """Hold the sums of a report's overview against its plan and its ledger."""
    plan, status, overview = report["plan"], report["status"], report["overview"]
    counts, repositories, images = plan["counts"], overview["repositories"], overview["images"]
    assert sum(one["images"] for one in repositories) == len(images) == counts["images"]
    assert sum(one["manifests"] for one in repositories) == counts["manifests"]
    assert sum(one["manifests"] for one in images) == counts["manifests"]
    assert sum(one["tags"] for one in repositories) == counts["tags"]
    assert {one["state"] for one in images} == {"done"}
    # Each blob once: in a registry, in a repository of it, in an image of that.
    of_repositories = sum(one["size_bytes"] for one in repositories)
    assert plan["bytes"]["total"] <= of_repositories <= sum(one["size_bytes"] for one in images)
    sizes = [one["size_bytes"] for one in overview["layers"]]
    assert sizes == sorted(sizes, reverse=True)
    (course,) = overview["courses"]
    assert sum(course["done"]) == status["counts"]["done"]
    assert sum(course["sent"]) == status["bytes"]["transferred"]
    assert sum(course["failed"]) == status["counts"]["failed"] == 0


def test_every_station_has_a_page(cli: Cli, tmp_path: Path) -> None:
    """A plan, a run, a proof, access and a comparison are drawn, each with how it stands."""
    home = cli.home
    (home / "spec.yaml").write_text(SPEC)
    with running("builds", tmp_path / "sandbox") as box:
        box.write_endpoints(home / "endpoints.yaml")
        settings = {"GCR_MIGRATE_ACCESS_TOKEN": box.token}
        settings["GCR_MIGRATE_ENDPOINTS"] = str(home / "endpoints.yaml")

        def drawn(*args: str) -> str:
            """Draw what a command prints, and return the title of the page."""
            told = cli(*args, "--json", timeout_s=60, **settings).stdout
            (home / f"{args[0]}.json").write_text(told)
            return title_of("".join(html_parts(result_page(told, "told.json"))))

        cli("plan", "spec.yaml", "-o", "m", timeout_s=60, **settings)
        assert cli("report", "m", "--html", "m.html").returncode == 0
        assert "nothing has been done yet" in title_of((home / "m.html").read_text())
        assert "Complete" in drawn("apply", "m")
        assert "Complete" in drawn("report", "m")
        assert "Access" in drawn("access", "show", "m")
        assert "Equal" in drawn("compare", "m", "m")
        assert "Proven" in drawn("verify", "m")
    adds_up(check_schema((home / "report.json").read_text()))
    assert cli("report", "verify.json", "--html", "v.html").returncode == 0
    assert "Proven" in title_of((home / "v.html").read_text())
    done = cli("report", "spec.yaml", "--html", "x.html")
    assert done.returncode == 2
    assert done.stderr.startswith("error[not-a-result]")


@pytest.mark.parametrize(
    ("file", "page", "code"),
    [
        ("m.json", "m.json", "bad-usage"),
        ("none", "x.html", "file-missing"),
        (".", "x.html", "file-missing"),
        ("m.json", "none/x.html", "not-writable"),
    ],
)
def test_what_is_told_of_is_never_replaced(tmp_path: Path, file: str, page: str, code: str) -> None:
    """A page never replaces its own file, and what cannot be read or written is told."""
    text = "".join(report(1).json_parts())
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(MigrateError) as caught:
        draw(tmp_path / file, tmp_path / page)
    assert caught.value.problem.code == code
    assert (tmp_path / "m.json").read_text() == text


def page_of(folder: Path, images: int, *words: str) -> Path:
    """Write a page of so many images, and of strangers' words."""
    path = folder / "page.html"
    with path.open("w", encoding="utf-8") as page:
        page.writelines(html_parts(report_page(report(images, *words))))
    return path


def rows(tab: Tab, table: str = "images") -> list[str]:
    """Return the first cells of the rows that are seen."""
    found: list[str] = tab.run(
        f"[...document.querySelectorAll('#{table} tbody tr')].map((one) => one.cells[0].innerText)"
    )
    return found


@pytest.mark.needs("chromium")
def test_a_page_in_a_real_browser(tmp_path: Path) -> None:
    """Search, choices, order, turning, links and keys work; strangers' words do nothing."""
    page = page_of(tmp_path, 400, *HOSTILE)
    with browser() as tab:
        tab.look()
        tab.open(page)
        assert tab.run("document.title") == "Migration builds.migration: Finished, with failures"
        assert len(rows(tab)) == 50
        tab.run("document.querySelector('#images .on').click()")
        assert "51 to 100 of 411" in tab.run("document.querySelector('#images .state').innerText")

        def search(words: str) -> list[str]:
            tab.run("document.querySelector('#images input').select()")
            tab.call("Input.insertText", text=words)
            return rows(tab)

        assert search("이미지") == ["레지스트리/이미지"]
        assert all("/web/" in one for one in search("WEB latest"))
        assert search("no such image") == []
        tab.run("document.querySelector('#images .controls button').click()")
        choose = (
            "(() => { const one = document.querySelector('#images select'); one.value = [...one"
            ".options].find((each) => each.text === 'failed').value;"
            " one.dispatchEvent(new Event('input', { bubbles: true })); })()"
        )
        tab.run(choose)
        told = tab.run("document.querySelector('#images .state').innerText")
        wanted = sum(one.state == "failed" for one in report(400, *HOSTILE).overview.images)
        assert f"of {wanted}, 411 in all" in told
        tab.run("document.querySelector('#images .sort').click()")
        assert rows(tab) == sorted(rows(tab))

        for name in (HOSTILE[0], HOSTILE[2], HOSTILE[4], HOSTILE[9], HOSTILE[7]):
            tab.run(f"location.hash = '#image=' + encodeURIComponent({visible(name)!r})")
            tab.wait("document.querySelector('#images .state').innerText.includes('of 1,')")
            assert rows(tab) == [visible(name)]
        assert tab.run("document.activeElement.innerText.length") == 5_000
        tab.open(page, "#error-tag-gone")
        assert tab.run("document.getElementById('error-tag-gone').open")

        tab.run("document.activeElement.blur()")
        for kind in ("rawKeyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", windowsVirtualKeyCode=9)
        assert tab.run("document.activeElement.matches('a, button, input, summary, [tabindex]')")
        for width in (390, 1280):
            tab.look(width=width)
            assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.told == []
        assert set(tab.asked) == {page.as_uri()}


@pytest.mark.needs("chromium")
def test_a_page_is_accessible(tmp_path: Path) -> None:
    """No rule of axe is broken on a wide page, and none about contrast on a dark narrow one."""
    axe = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    ask = (
        "axe.run({}).then((said) => said.violations.map((one) =>"
        " one.id + ': ' + one.nodes.map((node) => node.html).join(' ').slice(0, 300)))"
    )
    page = page_of(tmp_path, 2, HOSTILE[0])
    with browser() as tab:
        tab.look()
        tab.open(page)
        tab.run(f"{axe};0")
        assert tab.run(ask.format("")) == []
        tab.look(width=390, dark=True)
        assert tab.run(ask.format("{runOnly: ['color-contrast']}")) == []
