"""Who uses a name: a workload of a cluster, or a resource of Google Cloud, and who pulls for it.

Pure. What FACTS section 10 does not tell of a platform is not known here either: an identity is
told only where the resource names it, or where the platform has no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Consumer(Struct, frozen=True):
    """Something that runs, or is started, with images.

    Attributes:
        kind: such as `CronJob` or `run.googleapis.com/Service`.
        name: its name; in a cluster after its namespace.
        project: id or number of its project, and `location` where it is; empty where not told.
        runs_as: account that its programs have.
        identity: who pulls its images, as policies spell it; empty where that is not known.
        why: where the identity is from, or why it is not known.
    """

    kind: str
    name: str
    project: str = ""
    location: str = ""
    runs_as: str = ""
    identity: str = ""
    why: str = ""

    @property
    def shown(self) -> str:
        """What it is called among people."""
        return f"{self.kind} {self.name}"

    @property
    def values(self) -> dict[str, str]:
        """What gaps in its names stand for: a build knows its project."""
        is_build = self.kind.startswith("cloudbuild.googleapis.com/")
        is_known = bool(self.project) and not self.project.isdigit()
        return {"PROJECT_ID": self.project} if is_build and is_known else {}


# Expressions for the types of what runs with images, as Cloud Asset Inventory names types.
KINDS: Final = (
    "appengine.googleapis.com.*",
    "cloudbuild.googleapis.com.*",
    "cloudfunctions.googleapis.com.*",
    "compute.googleapis.com/Instance.*",
    "container.googleapis.com.*",
    ".*k8s.io.*",
    "pubsub.googleapis.com/Subscription",
    "run.googleapis.com.*",
)
_NODES: Final = "the account of its nodes pulls, and that is not told here"
_OF_NODES: Final = "the account of the cluster's nodes"
_MIXED: Final = "the cluster's nodes have several accounts"
_RUN: Final = "Cloud Run's own agent pulls"
_RESOURCE: Final = "the resource names it"
_COMPUTE: Final = "the default account of Compute Engine"
_UNTOLD: Final = "the resource does not say who pulls for it"
_NO_ACCOUNT: Final = "the machine has no service account"
_CLUSTER: Final = "container.googleapis.com/Cluster"
_POOL: Final = "container.googleapis.com/NodePool"
_IN_CLUSTER: Final = "/k8s/"
_MACHINES: Final = frozenset(
    {"compute.googleapis.com/Instance", "compute.googleapis.com/InstanceTemplate"}
)
# Where a resource names the account that its programs have.
_ACCOUNTS: Final = (
    ("spec", "template", "spec", "serviceAccountName"),  # Cloud Run, as Knative has it
    ("spec", "template", "spec", "template", "spec", "serviceAccountName"),  # its jobs
    ("spec", "serviceAccountName"),  # its revisions
    ("template", "serviceAccount"),  # the same by API v2
    ("template", "template", "serviceAccount"),
    ("serviceConfig", "serviceAccountEmail"),  # Cloud Functions
    ("serviceAccountEmail",),
    ("serviceAccount",),  # App Engine, Cloud Build
    ("pushConfig", "oidcToken", "serviceAccountEmail"),  # Pub/Sub
)
_PULLS_ITSELF: Final = ("cloudbuild.googleapis.com/",)  # its account pulls what it builds with


def workload(item: Mapping[str, Any]) -> Consumer:
    """Return what an object of a cluster is.

    Args:
        item: as `kubectl get -o json` gives it.
    """
    about = _inside(item, "metadata")
    namespace, name = _text(about, "namespace"), _text(about, "name")
    return Consumer(
        kind=_text(item, "kind"),
        name=f"{namespace}/{name}" if namespace else name,
        runs_as=_cluster_account(item),
        why=_NODES,
    )


def is_workload(item: Mapping[str, Any]) -> bool:
    """Whether this is an object of a cluster."""
    return {"apiVersion", "kind", "metadata"} <= item.keys()


def is_asset(item: Mapping[str, Any]) -> bool:
    """Whether this is a resource in Cloud Asset Inventory's words, exported or searched."""
    return bool(_type_of(item)) and isinstance(item.get("name"), str)


class Clusters(Struct):
    """Whose accounts the nodes of clusters have, as an inventory tells.

    Attributes:
        accounts: by the cluster's full name, of all that it has.
    """

    accounts: dict[str, set[str]]

    def note(self, item: Mapping[str, Any]) -> None:
        """Take in a resource, if it is a cluster or a pool of its nodes."""
        kind, data = _type_of(item), _data(item)
        if kind not in {_CLUSTER, _POOL}:
            return
        name = str(item["name"]).partition("/nodePools/")[0]
        pools = data.get("nodePools") if kind == _CLUSTER else [data]
        configs = [_inside(one, "config") for one in pools or () if isinstance(one, dict)]
        if kind == _CLUSTER and not configs:
            configs = [_inside(data, "nodeConfig")]
        number = _number(item)
        for config in configs:
            account = _text(config, "serviceAccount")
            if account == "default":
                account = _default(number)
            self.accounts.setdefault(name, set()).add(_member(account))

    def of(self, name: str) -> tuple[str, str]:
        """Return who pulls for what runs in a cluster, by its full name, and how that is known."""
        known = self.accounts.get(name, set())
        if len(known) == 1 and "" not in known:
            return next(iter(known)), _OF_NODES
        return "", _MIXED if known - {""} else _NODES


def resource(item: Mapping[str, Any], clusters: Clusters) -> Consumer:
    """Return what a resource in an inventory is.

    Args:
        item: as Cloud Asset Inventory exports or finds it.
        clusters: of the same inventory.
    """
    kind, name, data = _type_of(item), str(item["name"]), _data(item)
    project, location = _project(item), _text(item, "location")
    location = location or _text(_inside(item, "resource"), "location")
    runs_as = next(filter(None, (_text_at(data, *path) for path in _ACCOUNTS)), "")
    runs_as = runs_as.rpartition("/serviceAccounts/")[2]
    cluster, inside, rest = name.partition(_IN_CLUSTER)
    if inside:
        identity, why = clusters.of(cluster)
        parts = rest.split("/")
        shown = f"{parts[1]}/{parts[-1]}" if parts[0] == "namespaces" else parts[-1]
        runs_as = _cluster_account(data)
        return Consumer(kind, shown, project, location, runs_as, identity, why)
    identity, why = _puller(kind, item, data, runs_as, clusters)
    if kind in _MACHINES:
        runs_as = identity.partition(":")[2]
    return Consumer(kind, name.rpartition("/")[2], project, location, runs_as, identity, why)


def _puller(
    kind: str, item: Mapping[str, Any], data: dict[str, Any], runs_as: str, clusters: Clusters
) -> tuple[str, str]:
    """Return who pulls for a resource, and how that is known."""
    if kind == _CLUSTER:
        return clusters.of(str(item["name"]))
    if kind in _MACHINES:
        return _of_machine(data, _number(item))
    if kind.startswith("run.googleapis.com/") and (number := _number(item)):
        agent = f"service-{number}@serverless-robot-prod.iam.gserviceaccount.com"
        return _member(agent), _RUN
    if kind.startswith(_PULLS_ITSELF) and runs_as:
        return _member(runs_as), _RESOURCE
    return "", _UNTOLD


def _of_machine(data: dict[str, Any], number: str) -> tuple[str, str]:
    named = data.get("serviceAccounts") or _inside(data, "properties").get("serviceAccounts")
    if not (isinstance(named, list) and named and isinstance(named[0], dict)):
        return "", _NO_ACCOUNT if data else _UNTOLD
    account = _text(named[0], "email")
    if account == "default":
        return _member(_default(number)), _COMPUTE
    return _member(account), _RESOURCE


def _default(number: str) -> str:
    """Return the account that machines of a project have where nothing names another."""
    return f"{number}-compute@developer.gserviceaccount.com" if number else ""


def _cluster_account(item: Mapping[str, Any]) -> str:
    """Return the account that the pods of an object have, at whatever depth their spec is."""
    stack: list[Any] = [item.get("spec")]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if account := _text(one, "serviceAccountName") or _text(one, "serviceAccount"):
                return account
            stack += one.values()
    return ""


def _type_of(item: Mapping[str, Any]) -> str:
    return _text(item, "assetType") or _text(item, "asset_type")


def _data(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resource itself, if it was exported with its asset."""
    if data := _inside(_inside(item, "resource"), "data"):
        return data
    versions = item.get("versionedResources") or item.get("versioned_resources")
    found = [one for one in versions or () if isinstance(one, dict)]
    return _inside(found[-1], "resource") if found else {}


def _above(item: Mapping[str, Any]) -> Iterator[str]:
    """Give what says in which project a resource is, as `projects/…` at its end."""
    yield _text(item, "project")
    yield _text(_inside(item, "resource"), "parent")
    ancestors = item.get("ancestors")
    yield from (str(one) for one in (ancestors if isinstance(ancestors, list) else ()))
    yield str(item.get("parentFullResourceName") or "")


def _projects(item: Mapping[str, Any]) -> Iterator[str]:
    parts = str(item["name"]).split("/")
    for word in ("projects", "apps"):  # App Engine names a project by its application
        if word in parts[3:4]:
            yield parts[4]
    for text in _above(item):
        before, found, name = text.rpartition("projects/")
        if found and "/" not in name and before in {"", "//cloudresourcemanager.googleapis.com/"}:
            yield name


def _project(item: Mapping[str, Any]) -> str:
    """Return the id of a resource's project, or its number where only that is told."""
    known = list(_projects(item))
    return next((one for one in known if not one.isdigit()), known[0] if known else "")


def _number(item: Mapping[str, Any]) -> str:
    return next((one for one in _projects(item) if one.isdigit()), "")


def _member(account: str) -> str:
    return f"serviceAccount:{account}" if "@" in account else ""


def _inside(item: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = item.get(key)
    return found if isinstance(found, dict) else {}


def _text(item: Mapping[str, Any], key: str) -> str:
    found = item.get(key)
    return found if isinstance(found, str) else ""


def _text_at(item: Mapping[str, Any], *path: str) -> str:
    for key in path[:-1]:
        item = _inside(item, key)
    return _text(item, path[-1])
