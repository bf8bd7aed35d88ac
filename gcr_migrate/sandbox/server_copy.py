"""The copy from Container Registry that Artifact Registry makes itself (FACTS section 5).

It hides behind the list of tags: `tags/list?CopyFromGCR=…` copies what Container Registry keeps
under one name, page by page, and tells beside the list how much was new, what failed, and which
names are below. It renames nothing, and what it has copied stays copied, whatever is told of it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from starlette.responses import JSONResponse, PlainTextResponse

from gcr_migrate.model.content import Kind
from gcr_migrate.model.names import gcr_host
from gcr_migrate.sandbox.calls import refuse
from gcr_migrate.sandbox.images import Image
from gcr_migrate.sandbox.kept import DAY_MS, Kept
from gcr_migrate.sandbox.permissions import held
from gcr_migrate.sandbox.tokens import WRITE, Identity, rights
from gcr_migrate.sandbox.usage import bucket_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gcr_migrate.model.content import Digest
    from gcr_migrate.sandbox.calls import Call
    from gcr_migrate.sandbox.images import Stored
    from gcr_migrate.sandbox.states import ProjectState
    from gcr_migrate.sandbox.store import Repository, Store

COPY: Final = "CopyFromGCR"
_SAME: Final = "same"
_SAME_COPIER: Final = "artifact-registry-same-project-copier@system.gserviceaccount.com"
_AGENT_NEEDS: Final = frozenset({"storage.objects.get", "storage.objects.list"})
_EXAMPLES: Final = 10
_COPYING: Final = "_AND_COPYING"


class _Counts(Struct):
    """What one request did."""

    copied: int = 0
    tags: int = 0
    failed: int = 0
    not_found: int = 0
    tags_failed: int = 0
    examples: list[str] = field(default_factory=list)
    examples_not_found: list[str] = field(default_factory=list)

    def told(self, *, as_text: bool, zeros: bool) -> dict[str, Any]:
        """Return the members of the answer; what is zero or empty is left out."""
        numbers = {
            "manifestsCopied": self.copied,
            "tagsCopied": self.tags,
            "manifestsFailed": self.failed,
            "manifestsFailedWithNotFound": self.not_found,
            "tagsFailed": self.tags_failed,
        }
        lists = {
            "exampleFailures": self.examples[:_EXAMPLES],
            "exampleFailuresWithNotFound": self.examples_not_found[:_EXAMPLES],
        }
        told = {name: str(n) if as_text else n for name, n in numbers.items() if n or zeros}
        return told | {name: some for name, some in lists.items() if some}


class _OutOfTimeError(Exception):
    """The service has worked longer than it may for one request."""


class ServerCopy:
    """Copies what is kept of a store's projects.

    Args:
        store: has the projects and the repositories.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def answer(self, call: Call, listed: Mapping[str, Any]) -> Response:
        """Answer a request to copy what is under one name; `listed` is its list of tags before."""
        source = call.request.query_params[COPY]
        host, project = call.where.repository, self._store.project(call.where.project)
        if source != _SAME:
            host, _, id_ = source.partition("/")
            found = self._store.find_project(id_)
            if gcr_host(host) is None or found is None:
                return refuse(400, "NAME_INVALID", f"{COPY}={source}: not HOST/PROJECT")
            project = found
        elif gcr_host(host) is None:
            return refuse(400, "NAME_INVALID", f"{COPY}={_SAME}: {host} is no gcr.io repository")
        kept = project.kept
        if kept and kept.habits.answers == "gone":
            return refuse(404, "NAME_UNKNOWN", "no such end-point")
        if kept is None or kept.habits.answers == "lists":
            return JSONResponse(dict(listed))
        return self._refusal(call, project, host) or self._copied(call, kept, host)

    def on_demand(self, call: Call) -> None:
        """Copy what is asked for at a gcr.io host, where that is still being copied from."""
        project = self._store.project(call.where.project)
        host, path = call.where.repository, call.where.path
        image = project.kept.image(host, path) if project.kept else None
        copying = project.redirect_state.endswith(_COPYING) and gcr_host(call.host)
        if image is None or project.kept is None or not copying:
            return
        stored = image.find(call.reference)
        if stored and not self._refusal(call, project, host):
            work = _Work(call.repository, project.kept, host, path, most=None)
            work.copy(stored)

    def _refusal(self, call: Call, project: ProjectState, host: str) -> Response | None:
        """Return why nothing can be copied: the caller may not write, or the service not read."""
        where, identity = call.where, call.caller.identity
        if WRITE not in rights(self._store, identity, where.project, call.repository):
            return refuse(403, "DENIED", f'Permission "{WRITE}" denied on "{call.name}"')
        agent = _SAME_COPIER
        if project.id != where.project or gcr_host(where.repository) is None:
            number = self._store.project(where.project).number
            agent = f"service-{number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
        bucket = self._store.buckets.get(bucket_name(host, project.id))
        bindings = bucket.bindings if bucket else ()
        has = held(self._store, Identity(f"serviceAccount:{agent}", ""), project.id, bindings)
        if has >= _AGENT_NEEDS:
            return None
        needs = f"requires {agent} to have storage.objects.get and storage.objects.list"
        return refuse(403, "DENIED", f"This copy {needs} in the project {project.id}.")

    def _copied(self, call: Call, kept: Kept, host: str) -> Response:
        query, path = call.request.query_params, call.where.path
        days, newest = query.get("PullDays", ""), query.get("MaxVersions", "")
        if (days and not days.isdigit()) or (newest and not newest.isdigit()):
            return refuse(400, "NAME_INVALID", "PullDays and MaxVersions are numbers")
        now_ms = int(time.time() * 1000)
        chosen = kept.chosen(
            host,
            path,
            since_ms=now_ms - int(days) * DAY_MS if days else None,
            newest=int(newest) if newest else None,
        )
        habits = kept.habits
        pages = max(1, -(-len(chosen) // habits.page_size))
        tokens = [_token(path, days, newest, at) for at in range(pages)]
        asked = query.get("NextPage", "")
        if asked and asked not in tokens:
            return refuse(400, "NAME_INVALID", "NextPage: the token is not valid for this request")
        at = tokens.index(asked) if asked else 0
        work = _Work(call.repository, kept, host, path, habits.work_per_request)
        try:
            for stored in chosen[at * habits.page_size : (at + 1) * habits.page_size]:
                work.copy(stored)
        except _OutOfTimeError:
            return PlainTextResponse("stream timeout\n", 504)
        children = kept.children(host, path)
        body = work.counts.told(as_text=habits.numbers_as_text, zeros=habits.zeros)
        body["child"] = children if habits.repeats == "children" else children[at::pages]
        following = tokens[at + 1] if at + 1 < pages else ""
        if habits.repeats == "pages":
            following = following or tokens[0]
        if following:
            body["nextPage"] = following
        if not body["child"]:
            del body["child"]
        return JSONResponse(_listed(call) | body)


class _Work:
    """One request's work under one name."""

    def __init__(
        self, target: Repository, kept: Kept, host: str, path: str, most: int | None
    ) -> None:
        self.counts = _Counts()
        self._target, self._kept, self._host, self._path = target, kept, host, path
        self._source = kept.image(host, path) or Image()
        self._most = most

    def copy(self, stored: Stored) -> None:
        """Copy a manifest with all its parts and tags, or count that it failed."""
        digest, counts = stored.manifest.digest, self.counts
        shown = f"{self._path}@{digest}"
        if self._key(digest) in self._kept.broken:
            counts.failed += 1
            counts.examples.append(f"{shown}: internal error")
            return
        if lacks := self._lacks(stored):
            counts.failed += 1
            counts.not_found += 1
            counts.examples_not_found.append(f"{shown}: {lacks} not found")
            return
        self._put(stored)
        for tag in sorted(self._source.tags):
            if self._source.tags[tag] == digest:
                self._tag(stored, tag)

    def _key(self, digest: Digest) -> tuple[str, str, Digest]:
        return self._host, self._path, digest

    def _lacks(self, stored: Stored) -> str:
        """Name a part that is gone; empty if the manifest can be copied whole."""
        manifest, source = stored.manifest, self._source
        for blob in manifest.blobs:
            if not blob.urls and blob.digest not in source.blobs:
                return str(blob.digest)
        for child in manifest.children if manifest.kind is Kind.INDEX else ():
            there = source.manifests.get(child.digest)
            if there is None or self._key(child.digest) in self._kept.broken or self._lacks(there):
                return str(child.digest)
        return ""

    def _put(self, stored: Stored) -> None:
        for child in stored.manifest.children:
            if child.digest in self._source.manifests:
                self._put(self._source.manifests[child.digest])
        image = self._target.images.setdefault(self._path, Image())
        image.blobs.update(blob.digest for blob in stored.manifest.blobs if not blob.urls)
        if stored.manifest.digest in image.manifests:
            return
        if self._most is not None and self.counts.copied >= self._most:
            raise _OutOfTimeError
        self._target.put_manifest(self._path, stored.manifest, None)
        self.counts.copied += 1

    def _tag(self, stored: Stored, tag: str) -> None:
        if (self._host, self._path, tag) in self._kept.stuck:
            self.counts.tags_failed += 1
            return
        tags = self._target.images[self._path].tags
        if tag not in tags:  # what somebody has pushed since is left as it is
            tags[tag] = stored.manifest.digest
            self.counts.tags += 1


def _token(path: str, days: str, newest: str, at: int) -> str:
    """Return what leads to a page; with characters that a query cannot hold as they are."""
    return f"+{at}/{path or '.'}&{days or '-'}&{newest or '-'}=="


def _listed(call: Call) -> dict[str, Any]:
    image = call.image
    tags = image.tags_by_digest()
    return {
        "name": call.name,
        "tags": sorted(image.tags),
        "manifest": {
            str(digest): {
                "mediaType": stored.manifest.media_type,
                "tag": tags.get(digest, []),
                "timeUploadedMs": stored.uploaded_ms,
            }
            for digest, stored in image.manifests.items()
        },
    }
