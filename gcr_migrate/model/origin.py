"""Groups of images that tools of Google's or builds left behind, known by their paths.

Their makers know them and make them anew; hardly anybody pulls them by hand. They are told, so
that a person can leave them out, and are never left out otherwise.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct


class Origin(Struct, frozen=True):
    """A group of images.

    Attributes:
        name: how a spec names it.
        title: whose images these are.
        advice: what is known of their use.
        pattern: regular expression for whole image paths.
    """

    name: str
    title: str
    advice: str
    pattern: str

    def has(self, path: str) -> bool:
        """Whether an image path belongs to the group."""
        return re.fullmatch(self.pattern, path) is not None


_BUILT: Final = "the service keeps what it runs elsewhere and builds again at the next deployment"
ORIGINS: Final = (
    Origin(
        "cloud-functions", "images that Cloud Functions built", _BUILT, r"gcf(-artifacts)?(/.+)?"
    ),
    Origin(
        "app-engine",
        "images that App Engine's flexible environment built",
        "a version that runs still pulls its image when an instance starts: deploy again first",
        r"(appengine|gae-[^/]+|gae_[^/]+)(/.+)?",
    ),
    Origin(
        "app-engine-tmp",
        "layers and caches of App Engine's builds",
        _BUILT,
        r"app-engine-tmp(/.+)?",
    ),
    Origin(
        "build-cache",
        "caches of builds",
        "the first build without its cache takes longer, and fills a new one",
        r"(.+/)?(cache|buildcache|build-cache|kaniko-cache|[^/]+[-_](build)?cache)",
    ),
)


def origin_of(path: str, repository: str = "") -> Origin | None:
    """Return the group that an image belongs to, the first that has it.

    Args:
        path: its path below the root.
        repository: what stands before the path, of which a service may be the maker as well.
    """
    whole = f"{repository}/{path}" if repository else path
    return next((one for one in ORIGINS if one.has(path) or one.has(whole)), None)
