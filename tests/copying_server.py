"""A service that copies, in memory, of which a test knows the whole truth."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from gcr_migrate.errors import REQUEST_REFUSED, SERVER_ERROR
from gcr_migrate.model.copying import CopyReply

if TYPE_CHECKING:
    from gcr_migrate.rescue.folder import Step

# What goes wrong with one request: no answer before or after the work, or after a part of it; an
# answer that is cut short, after the work; one that is no answer, since what leads to the page is
# not good any more.
Trouble = Literal["", "before", "after", "part", "cut", "token"]
Manifest = Literal["whole", "damaged", "broken"]


@dataclass
class Name:
    """What the source has under one name, the oldest first, and how it is told.

    Attributes:
        manifests: whether each can be copied.
        page_size: how many make a page.
        as_text: counters are told as text.
        repeats: names below are told on every page, not spread over the pages.
        lists_page: a page lists its own manifests, not all that the target has.
        copied: which of them the target has.
    """

    manifests: list[Manifest] = field(default_factory=list)
    page_size: int = 2
    as_text: bool = False
    repeats: bool = False
    lists_page: bool = False
    copied: set[int] = field(default_factory=set)

    def ends(self, *states: str) -> int:
        """Count those in one of these states."""
        return sum(one in states for one in self.manifests)


class Server:
    """Answers as the service does.

    Args:
        names: by path; what leads to one need not hold anything itself.
        troubles: one for each request, as they come; after the last nothing goes wrong.

    Attributes:
        new: manifests that were copied, told or not.
        untold: those of them whose request got no answer.
        asked: paths in the order of requests.
    """

    def __init__(self, names: dict[str, Name], troubles: list[Trouble]) -> None:
        self.names, self._troubles = names, list(troubles)
        self.new = self.untold = 0
        self.asked: list[str] = []

    def children(self, path: str) -> list[str]:
        """Return the next components of names below one."""
        start = f"{path}/" if path else ""
        below = (one.removeprefix(start) for one in self.names if one.startswith(start))
        return sorted({one.partition("/")[0] for one in below} - {""})

    def answer(self, path: str, step: Step) -> CopyReply:
        """Answer one request."""
        self.asked.append(path)
        trouble = self._troubles.pop(0) if self._troubles else ""
        if trouble == "token" and step.page:
            return CopyReply(400, b"{}", REQUEST_REFUSED, "400 no such page")
        if trouble == "before":
            return CopyReply(0, problem=SERVER_ERROR, saw="nothing in time")
        name = self.names.get(path) or Name()
        chosen = [*enumerate(name.manifests)]
        if step.versions is not None:
            chosen = chosen[max(0, len(chosen) - step.versions) :]
        start = int(step.page or 0)
        page = chosen[start : start + name.page_size]
        if trouble == "part":
            page = page[: len(page) // 2]
        new = {at for at, state in page if state == "whole"} - name.copied
        name.copied |= new
        self.new += len(new)
        if trouble in {"after", "part"}:
            self.untold += len(new)
            return CopyReply(504, b"stream timeout", SERVER_ERROR, "504 stream timeout")
        body = self._body(path, name, page, len(new), start, len(chosen))
        if trouble == "cut":
            self.untold += len(new)
            body = body[: len(body) // 2]
        return CopyReply(200, body)

    def _body(
        self, path: str, name: Name, page: list[tuple[int, Manifest]], new: int, start: int, of: int
    ) -> bytes:
        told = str if name.as_text else int
        failed = sum(state != "whole" for _, state in page)
        lost = sum(state == "damaged" for _, state in page)
        pages = max(1, -(-of // name.page_size))
        below, at = self.children(path), start // name.page_size
        listed = {one for one, _ in page} if name.lists_page else name.copied
        body: dict[str, Any] = {
            "child": below if name.repeats else below[at::pages],
            "manifest": {f"sha256:{one:064x}": {} for one in sorted(listed & name.copied)},
        }
        counts = {
            "manifestsCopied": new,
            "manifestsFailed": failed,
            "manifestsFailedWithNotFound": lost,
        }
        body |= {key: told(count) for key, count in counts.items() if count}
        if start + name.page_size < of:
            body["nextPage"] = str(start + name.page_size)
        return json.dumps({key: value for key, value in body.items() if value}).encode()
