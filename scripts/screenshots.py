"""Make pictures of HTML reports and terminals: `python -m scripts.screenshots [FOLDER]`.

Each page of a demo's migration and of one with 100,000 images is seen on a desktop and on a phone,
light and dark. The first of them is the picture in the documents. What `show` prints is seen on
terminals of several widths, dark, light and without colour.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, DIMMED_MONOKAI

from gcr_migrate.cli.drawing import draw
from gcr_migrate.report.layout import laid_out
from gcr_migrate.report.planned import PlanReader
from gcr_migrate.report.showing import View, show_lines
from gcr_migrate.state.file import open_migration
from tests.browser import browser
from tests.pages import report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcr_migrate.report.layout import Line
    from tests.browser import Tab

ROOT: Final = Path(__file__).resolve().parent.parent
IN_THE_DOCUMENTS: Final = ROOT / "docs" / "report.webp"
_LARGEST: Final = 150_000
_IMAGES: Final = 100_000
_DEVICES: Final = {"desktop": (1280, 1000), "phone": (390, 844)}
# What is looked at: the beginning, pictures, and a search in the long table.
_VIEWS: Final = {
    "top": "scrollTo(0, 0)",
    "pictures": "document.getElementById('grid-2').scrollIntoView()",
    "runs": "document.getElementById('grid-4').scrollIntoView()",
    "images": "TABLES[0].words.value = 'product2 web'.split(' ').find((word) => TABLES[0].texts"
    ".some((text) => text.includes(word))); TABLES[0].filter();"
    " document.getElementById('images').scrollIntoView()",
}


_WIDTHS: Final = (40, 80, 160)
_THEMES: Final = {"dark": DIMMED_MONOKAI, "light": DEFAULT_TERMINAL_THEME, "plain": None}


def main() -> int:
    """Make all pictures; return the exit code."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, browser() as tab:
        for name, page in _pages(Path(home)):
            for device, (width, height) in _DEVICES.items():
                for dark in (False, True):
                    tab.look(width=width, height=height, dark=dark)
                    tab.open(page)
                    for view, code in _VIEWS.items():
                        tab.run(code)
                        shade = "dark" if dark else "light"
                        tab.picture(folder / f"{name}-{device}-{shade}-{view}.png")
            if name == "demo":
                tab.look(width=1100, height=940)
                tab.open(page)
                tab.picture(IN_THE_DOCUMENTS)
                _terminals(Path(home), tab, folder)
    print(f"written: {folder}, {IN_THE_DOCUMENTS.relative_to(ROOT)}")
    return 0 if IN_THE_DOCUMENTS.stat().st_size <= _LARGEST else 1


def _terminals(home: Path, tab: Tab, folder: Path) -> None:
    """Make pictures of what `show` prints of the demo, and of a plan with all that can be wrong."""
    with open_migration(home / "demo" / "builds.migration") as migration:
        reader = PlanReader(migration)
        _terminal(list(show_lines(reader.show(), reader.images_of, View())), "demo", tab, folder)
    plan = report(
        12, "레지스트리/이미지", "\x1b[31m\u202egnorw", "registry.example/" + "long-" * 30
    ).plan
    images = {
        one.name: [i for i in plan.images if i.repository == one.name] for one in plan.repositories
    }
    _terminal(list(show_lines(plan, images.__getitem__, View())), "wrong", tab, folder)


def _terminal(lines: list[Line], name: str, tab: Tab, folder: Path) -> None:
    for width in _WIDTHS:
        for shade, theme in _THEMES.items():
            console = Console(
                record=True,
                width=width,
                file=io.StringIO(),
                force_terminal=True,
                color_system="standard",
            )
            for line in laid_out(lines, width):  # a terminal breaks names that are too long for it
                console.print(line if theme else line.plain, overflow="fold", highlight=False)
            svg = console.export_svg(title="gcr-migrate show", theme=theme)
            page = folder / f"{name}-terminal-{width}-{shade}.html"
            page.write_text(
                f'<html data-ready="yes"><body style="margin:0">{svg}', encoding="utf-8"
            )
            tab.look(width=max(width * 13, 600), height=900)
            tab.open(page)
            tab.picture(page.with_suffix(".png"), whole=True)
            page.unlink()


def _pages(home: Path) -> Iterator[tuple[str, Path]]:
    """Give a demo's page and a very large one."""
    demo = [sys.executable, "-m", "gcr_migrate", "demo", "demo"]
    subprocess.run(demo, cwd=home, check=True, capture_output=True)
    yield "demo", home / "demo" / "report.html"
    (home / "large.json").write_text("".join(report(_IMAGES).json_parts()), encoding="utf-8")
    draw(home / "large.json", home / "large.html")
    yield "large", home / "large.html"


if __name__ == "__main__":
    sys.exit(main())
