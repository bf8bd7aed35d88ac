"""What lies below a folder, an organisation or a project: its buckets, folders and projects.

By raw calls of Cloud Asset Inventory and Resource Manager; both give lists in pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlencode

from gcr_migrate.errors import BAD_REPLY, MigrateError
from gcr_migrate.google.api import RESOURCE_MANAGER
from gcr_migrate.model.cloud import BucketAsset, ProjectFacts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from gcr_migrate.google.api import Api

_CLOUD_ASSET: Final = "https://cloudasset.googleapis.com/v1/"
_BUCKET: Final = "storage.googleapis.com/Bucket"
_BUCKET_NAME: Final = f"//{_BUCKET.partition('/')[0]}/"
_PROJECT_NAME: Final = "//cloudresourcemanager.googleapis.com/projects/"
_ARTIFACTS: Final = "name:artifacts appspot com"  # all of Container Registry's have these words
_ACTIVE: Final = "ACTIVE"


class CloudAssets:
    """What lies below something; scopes are `folders/N`, `organizations/N` or `projects/P`.

    Args:
        api: raw calls.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def artifacts_buckets(self, scope: str) -> AsyncIterator[BucketAsset]:
        """Buckets below a scope whose names have the words of Container Registry's."""
        query = {
            "query": _ARTIFACTS,
            "assetTypes": _BUCKET,
            "readMask": "name,parentFullResourceName",
        }
        url = f"{_CLOUD_ASSET}{scope}:searchAllResources?{urlencode(query)}"
        async for page in self._api.pages(url, "results", scope):
            for row in page:
                name = str(row.get("name") or "")
                parent = str(row.get("parentFullResourceName") or "")
                if not name.startswith(_BUCKET_NAME):
                    saw = f"{name[:200]} is the name of no bucket"
                    raise MigrateError(BAD_REPLY, subject=scope, saw=saw)
                project = unquote(parent.removeprefix(_PROJECT_NAME))
                is_project = parent.startswith(_PROJECT_NAME)
                yield BucketAsset(name.removeprefix(_BUCKET_NAME), project if is_project else "")

    async def resources(self, scope: str, kinds: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
        """Give resources below a scope, each as the inventory exports it.

        Args:
            scope: such as `projects/builds`.
            kinds: expressions for asset types, each of which fits some that there are.
        """
        words = [("contentType", "RESOURCE"), *(("assetTypes", kind) for kind in kinds)]
        url = f"{_CLOUD_ASSET}{scope}/assets?{urlencode(words)}"
        async for page in self._api.pages(url, "assets", scope):
            for row in page:
                yield row

    async def projects_in(self, parent: str) -> AsyncIterator[ProjectFacts]:
        """Projects that lie directly in a folder or organisation."""
        url = f"{RESOURCE_MANAGER}projects?{urlencode({'parent': parent})}"
        async for page in self._api.pages(url, "projects", parent):
            for row in page:
                id_, number = row.get("projectId"), str(row.get("name") or "").rpartition("/")[2]
                if not isinstance(id_, str) or not id_:
                    raise MigrateError(BAD_REPLY, subject=parent, saw="a project without an id")
                active = row.get("state", _ACTIVE) == _ACTIVE
                yield ProjectFacts(id_, number if number.isdigit() else "", parent, active)

    async def folders_in(self, parent: str) -> AsyncIterator[str]:
        """Folders that lie directly in a folder or organisation, as `folders/N`."""
        url = f"{RESOURCE_MANAGER}folders?{urlencode({'parent': parent})}"
        async for page in self._api.pages(url, "folders", parent):
            for row in page:
                name = str(row.get("name") or "")
                if not name.startswith("folders/"):
                    raise MigrateError(BAD_REPLY, subject=parent, saw="a folder without a name")
                yield name
