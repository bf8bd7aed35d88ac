"""Make pictures of HTML reports: `python -m scripts.screenshots [FOLDER]`.

Each of a demo's migration and of one with 100,000 images is seen on a desktop and on a phone, light
and dark. The first of them is the picture in the documents.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.drawing import draw
from tests.browser import browser
from tests.pages import report

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    print(f"written: {folder}, {IN_THE_DOCUMENTS.relative_to(ROOT)}")
    return 0 if IN_THE_DOCUMENTS.stat().st_size <= _LARGEST else 1


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
