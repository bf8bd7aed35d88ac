"""A source that speaks as Container Registry does: a sandbox, and what it holds."""

from __future__ import annotations

import base64
import json
import math
import random
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.registries import Content
from benchmarks.stage import Box, sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.corpus import Shape

_HOST: Final = "us.gcr.io"
_PROJECT: Final = "builds"
_PLATFORMS: Final = ("linux/amd64", "linux/arm64")
SPEC: Final = """\
version: 1
source: {{project: builds, hosts: [us.gcr.io], dialect: artifact-registry}}
target: {{registry: "{target}"}}
routes: [{{match: "**", repository: builds}}]
"""


@dataclass(frozen=True)
class Google:
    """The images of a project at `us.gcr.io`.

    Attributes:
        box: the sandbox.
        host: where that host is really.
        content: all that there is, at paths that begin with the project.
    """

    box: Box
    host: str
    content: Content

    def forget(self) -> None:
        """Count requests from here on."""
        self.box.ask("requests/reset", b"")

    def requests(self) -> Counter[str]:
        """Return how many requests there were since then, by kind."""
        return Counter(self.box.ask("requests/counts"))

    def log_in(self, home: Path) -> dict[str, str]:
        """Write a login where other tools look for it; return variables for our own."""
        secret = base64.b64encode(f"oauth2accesstoken:{self.box.token}".encode()).decode()
        folder = home / ".docker"
        folder.mkdir()
        config = {"auths": {self.host: {"auth": secret}}}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return self.box.environ()


@contextmanager
def google(shape: Shape, folder: Path) -> Iterator[Google]:
    """Serve images of a shape, tagged and untagged ones, while the block runs."""
    folder.mkdir()
    with sandbox(scenario(shape), folder) as box:
        host = box.registries[_HOST].partition("://")[2]
        yield Google(box, host, _content(box.ask("state")))


def scenario(shape: Shape) -> dict[str, Any]:
    """Return what a sandbox has to hold: the same for equal shapes."""
    chance = random.Random(shape.seed)  # noqa: S311  # no secret

    def layer(name: str) -> dict[str, Any]:
        wanted = int(shape.median * math.exp(chance.gauss(0, shape.sigma)))
        return {"name": f"{shape.seed}-{name}", "size": max(1, min(wanted, shape.largest))}

    bases = [
        [layer(f"base{number}-{depth}") for depth in range(2)] for number in range(shape.bases)
    ]
    images = []
    for number in range(shape.images):
        at, release = number % shape.repositories, number // shape.repositories
        tags = [f"v{release}", *(f"v{release}-{extra}" for extra in range(1, shape.tags))]
        own = [layer(f"image{number}-{depth}") for depth in range(shape.layers)]
        images.append(
            {
                "path": f"team{at % 3}/app{at}",
                "tags": tags,
                "format": "oci",
                "layers": [*chance.choice(bases), *own],
                "platforms": _PLATFORMS[: 1 + (chance.random() < shape.indexes)],
            }
        )
    where = {"project": _PROJECT, "location": "us", "id": _HOST}
    return {"repositories": [where | {"times_as_text": True, "images": images}]}


def _content(state: dict[str, Any]) -> Content:
    """Return all that a sandbox says it holds, under the paths that a copy has."""
    (repository,) = state.values()
    images = {f"{_PROJECT}/{path}": one for path, one in repository["images"].items()}
    return Content(
        tags={(path, tag): it for path, one in images.items() for tag, it in one["tags"].items()},
        manifests=frozenset((path, it) for path, one in images.items() for it in one["manifests"]),
        blobs={(path, it): None for path, one in images.items() for it in one["blobs"]},
    )
