"""Roles, the permissions in them, and who holds which.

The table has the predefined roles that somebody who migrates images meets, each with those of its
permissions that a service of the sandbox asks for.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from gcr_migrate.sandbox.conditions import met

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcr_migrate.sandbox.states import CustomRole, ProjectState
    from gcr_migrate.sandbox.store import Store
    from gcr_migrate.sandbox.tokens import Identity

NOBODY: Final[frozenset[str]] = frozenset()


def _spell(*words: str) -> frozenset[str]:
    """Return full names: `a.b.get,list` stands for two."""
    found = set()
    for word in words:
        resource, _, verbs = word.rpartition(".")
        found |= {f"{resource}.{verb}" for verb in verbs.split(",")}
    return frozenset(found)


_PROJECT: Final = _spell("resourcemanager.projects.get,list")
_AR_READ: Final = _spell(
    "artifactregistry.attachments.get,list",
    "artifactregistry.dockerimages.get,list",
    "artifactregistry.files.download,get,list",
    "artifactregistry.locations.get,list",
    "artifactregistry.packages.get,list",
    "artifactregistry.projectsettings.get",
    "artifactregistry.repositories.downloadArtifacts,get,list,readViaVirtualRepository",
    "artifactregistry.rules.get,list",
    "artifactregistry.tags.get,list",
    "artifactregistry.versions.get,list",
)
_AR_WRITE: Final = _AR_READ | _spell(
    "artifactregistry.attachments.create",
    "artifactregistry.files.update,upload",
    "artifactregistry.packages.update",
    "artifactregistry.repositories.uploadArtifacts",
    "artifactregistry.tags.create,update",
    "artifactregistry.versions.update",
)
_AR_REPO_ADMIN: Final = _AR_WRITE | _spell(
    "artifactregistry.attachments.delete",
    "artifactregistry.files.delete",
    "artifactregistry.packages.delete",
    "artifactregistry.repositories.deleteArtifacts",
    "artifactregistry.tags.delete",
    "artifactregistry.versions.delete",
)
_AR_POLICY: Final = _spell("artifactregistry.repositories.getIamPolicy,setIamPolicy")
_AR_SETTINGS: Final = _spell("artifactregistry.projectsettings.get,update")
_AR_CREATE_ON_PUSH: Final = _spell("artifactregistry.repositories.createOnPush")
_AR_ADMIN: Final = (
    _AR_REPO_ADMIN
    | _AR_POLICY
    | _AR_SETTINGS
    | _AR_CREATE_ON_PUSH
    | _spell(
        "artifactregistry.repositories.create,delete,update,exportArtifacts",
        "artifactregistry.rules.create,delete,update",
        "artifactregistry.vpcscconfigs.get,update",
    )
)
_AR_MIGRATION: Final = (
    _PROJECT
    | _AR_READ
    | _AR_POLICY
    | _AR_SETTINGS
    | _spell(
        "artifactregistry.repositories.create,update,uploadArtifacts",
        "cloudasset.assets.analyzeIamPolicy,listResource,searchAllIamPolicies,searchAllResources",
        "iam.roles.get",
        "resourcemanager.projects.getIamPolicy",
        "serviceusage.services.use",
        "storage.objects.get,list",
    )
)
_OBJECT_VIEW: Final = _PROJECT | _spell("storage.objects.get,list")
_OBJECT_ADMIN: Final = _OBJECT_VIEW | _spell(
    "storage.objects.create,delete,getIamPolicy,setIamPolicy,update"
)
_BUCKETS: Final = _spell("storage.buckets.create,delete,get,getIamPolicy,list,setIamPolicy,update")
_SERVICES_VIEW: Final = _spell("serviceusage.services.get,list", "monitoring.timeSeries.list")
_SERVICES_USE: Final = _SERVICES_VIEW | _spell("serviceusage.services.use")
_SERVICES_ADMIN: Final = _SERVICES_USE | _spell("serviceusage.services.enable,disable")
_PROJECT_POLICY: Final = _PROJECT | _spell("resourcemanager.projects.getIamPolicy,setIamPolicy")
_BROWSE: Final = _PROJECT_POLICY - {"resourcemanager.projects.setIamPolicy"} | _spell(
    "resourcemanager.folders.get,list", "resourcemanager.organizations.get"
)
_ASSETS: Final = _spell(
    "cloudasset.assets.analyzeIamPolicy,listResource,searchAllIamPolicies,searchAllResources"
)
_ORG_POLICIES: Final = _spell("orgpolicy.constraints.list", "orgpolicy.policies.list") | _spell(
    "orgpolicy.policy.get"
)
_ROLES_VIEW: Final = _spell("iam.roles.get,list") | _spell(
    "resourcemanager.projects.get,getIamPolicy"
)
_PUBSUB_VIEW: Final = _PROJECT | _spell(
    "pubsub.subscriptions.get,list",
    "pubsub.topics.get,list",
    "serviceusage.services.get,list",
)
_REVIEW: Final = _spell(
    "artifactregistry.repositories.getIamPolicy,list",
    "iam.roles.get,list",
    "pubsub.topics.getIamPolicy,list",
    "resourcemanager.folders.getIamPolicy,list",
    "resourcemanager.organizations.getIamPolicy",
    "resourcemanager.projects.getIamPolicy,list",
    "storage.buckets.getIamPolicy,list",
    "storage.objects.getIamPolicy,list",
)
# Those of Google's own agents and of builds, which policies of projects have by themselves.
_BUILD: Final = _PROJECT | _spell(
    "artifactregistry.dockerimages.get,list",
    "artifactregistry.files.get,list",
    "artifactregistry.packages.get,list",
    "artifactregistry.repositories.downloadArtifacts,get,list,uploadArtifacts",
    "artifactregistry.tags.create,get,list,update",
    "artifactregistry.versions.get,list",
    "storage.buckets.create,get,list",
    "storage.objects.create,delete,get,list,update",
)
_RUN_AGENT: Final = (
    _PROJECT
    | _AR_READ
    | _spell(
        "artifactregistry.repositories.uploadArtifacts",
        "resourcemanager.projects.getIamPolicy",
        "storage.buckets.create,get,update",
        "storage.objects.create,delete,get,list,update",
    )
)
# The basic roles reach Artifact Registry by themselves. To the objects of a bucket they lead only
# by the bucket's own policy, which names the owners, editors and viewers of a project as such.
_VIEW: Final = _PROJECT | _AR_READ | _SERVICES_VIEW | _PUBSUB_VIEW | _ROLES_VIEW
_BASIC_VIEWER: Final = _VIEW | _spell(
    "resourcemanager.projects.getIamPolicy",
    "storage.buckets.list",
    "cloudasset.assets.searchAllResources",
)
_BASIC_EDITOR: Final = (
    _BASIC_VIEWER | _AR_REPO_ADMIN | _AR_CREATE_ON_PUSH | _SERVICES_ADMIN
) | _spell("artifactregistry.repositories.create,delete,update", "storage.buckets.create,delete")
_BASIC_OWNER: Final = (
    _BASIC_EDITOR | _AR_ADMIN | _PROJECT_POLICY | _ASSETS | _ORG_POLICIES | _REVIEW | _BROWSE
) - _spell("storage.objects.getIamPolicy,list")

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "roles/owner": _BASIC_OWNER,
    "roles/editor": _BASIC_EDITOR,
    "roles/viewer": _BASIC_VIEWER,
    "roles/browser": _BROWSE,
    "roles/artifactregistry.reader": _AR_READ,
    "roles/artifactregistry.writer": _AR_WRITE,
    "roles/artifactregistry.repoAdmin": _AR_REPO_ADMIN,
    "roles/artifactregistry.admin": _AR_ADMIN,
    "roles/artifactregistry.createOnPushWriter": _AR_WRITE | _AR_CREATE_ON_PUSH,
    "roles/artifactregistry.createOnPushRepoAdmin": _AR_REPO_ADMIN | _AR_CREATE_ON_PUSH,
    "roles/artifactregistry.containerRegistryMigrationAdmin": _AR_MIGRATION,
    "roles/artifactregistry.serviceAgent": _spell(
        "artifactregistry.repositories.downloadArtifacts,readViaVirtualRepository",
        "artifactregistry.versions.delete",
    ),
    "roles/cloudasset.viewer": _ASSETS,
    "roles/cloudbuild.builds.builder": _BUILD,
    "roles/container.defaultNodeServiceAccount": NOBODY,  # it writes logs, and pulls nothing
    "roles/containerregistry.ServiceAgent": _spell("storage.objects.get,getIamPolicy,list"),
    "roles/iam.roleViewer": _ROLES_VIEW,
    "roles/iam.securityReviewer": _REVIEW,
    "roles/orgpolicy.policyViewer": _ORG_POLICIES,
    "roles/pubsub.viewer": _PUBSUB_VIEW,
    "roles/resourcemanager.projectIamAdmin": _PROJECT_POLICY,
    "roles/run.serviceAgent": _RUN_AGENT,
    "roles/serviceusage.serviceUsageAdmin": _SERVICES_ADMIN,
    "roles/serviceusage.serviceUsageConsumer": _SERVICES_USE,
    "roles/serviceusage.serviceUsageViewer": _SERVICES_VIEW,
    "roles/storage.admin": _OBJECT_ADMIN | _BUCKETS,
    "roles/storage.bucketViewer": _spell("storage.buckets.get,list"),
    "roles/storage.legacyBucketOwner": _spell(
        "storage.buckets.get,getIamPolicy,setIamPolicy,update", "storage.objects.create,delete,list"
    ),
    "roles/storage.legacyBucketReader": _spell("storage.buckets.get", "storage.objects.list"),
    "roles/storage.legacyBucketWriter": _spell(
        "storage.buckets.get", "storage.objects.create,delete,list"
    ),
    "roles/storage.legacyObjectOwner": _spell("storage.objects.get,getIamPolicy,setIamPolicy"),
    "roles/storage.legacyObjectReader": _spell("storage.objects.get"),
    "roles/storage.objectAdmin": _OBJECT_ADMIN,
    "roles/storage.objectCreator": _PROJECT | _spell("storage.objects.create"),
    "roles/storage.objectUser": _OBJECT_VIEW | _spell("storage.objects.create,delete,update"),
    "roles/storage.objectViewer": _OBJECT_VIEW,
}
_GROUPS_OF_BASIC_ROLES: Final = {
    "roles/owner": "projectOwner",
    "roles/editor": "projectEditor",
    "roles/viewer": "projectViewer",
}


def held(
    store: Store,
    identity: Identity | None,
    project: str,
    bindings: Iterable[Mapping[str, Any]] = (),
) -> frozenset[str]:
    """Return the full names of the permissions that somebody holds on something.

    Conditions that ask for the time alone are evaluated; any other counts as met. In a project
    that does not exist nobody may do anything, which is how Google hides that it does not.

    Args:
        store: has the project's own policy.
        identity: who asks; None for nobody in particular.
        project: id or number of the project that the thing belongs to.
        bindings: policy of the thing itself; none for the project.
    """
    state = store.find_project(project)
    if state is None:
        return NOBODY
    roles, members = _in_project(store, identity, state)
    return permissions_of(roles | _roles(bindings, members), store.roles)


def names_in(store: Store, identity: Identity | None, project: str) -> set[str]:
    """Return what policies in a project may call somebody, such as `projectOwner:builds`."""
    state = store.find_project(project)
    return _in_project(store, identity, state)[1] if state else members_of(identity)


def _in_project(
    store: Store, identity: Identity | None, state: ProjectState
) -> tuple[set[str], set[str]]:
    """Return the roles that somebody holds on a project, and what policies there may call him."""
    members = members_of(identity)
    roles = set(identity.roles if identity else ()) | _roles(state.bindings, members)
    for folder in store.above(state.parent):
        roles |= _roles(folder.bindings, members)
    for role, group in _GROUPS_OF_BASIC_ROLES.items():
        if role in roles:
            members.add(f"{group}:{state.id}")
    return roles, members


def held_above(store: Store, identity: Identity | None, name: str) -> frozenset[str]:
    """Return the permissions that somebody holds on a folder or organisation."""
    roles = set(identity.roles if identity else ())
    for folder in store.above(name):
        roles |= _roles(folder.bindings, members_of(identity))
    return permissions_of(roles, store.roles)


def members_of(identity: Identity | None) -> set[str]:
    """Return what policies may call somebody."""
    return {"allUsers", "allAuthenticatedUsers", identity.member} if identity else {"allUsers"}


def permissions_of(
    roles: Iterable[str], custom: Mapping[str, CustomRole] | None = None
) -> frozenset[str]:
    """Return what is in some roles; a custom one that was deleted or is disabled gives nothing."""
    found = _permissions_of(frozenset(roles))
    for name in roles if custom else ():
        role = custom.get(name) if custom else None
        if role and role.counts:
            found |= role.permissions
    return found


@cache  # asked for with each request; a scenario has a handful of sets of roles
def _permissions_of(roles: frozenset[str]) -> frozenset[str]:
    return NOBODY.union(*(ROLES.get(role, NOBODY) for role in roles))


def _roles(bindings: Iterable[Mapping[str, Any]], members: set[str]) -> set[str]:
    return {
        str(binding.get("role"))
        for binding in bindings
        if not members.isdisjoint(binding.get("members", ())) and _counts(binding)
    }


def _counts(binding: Mapping[str, Any]) -> bool:
    """Whether a binding is none that the time rules out."""
    expression = (binding.get("condition") or {}).get("expression", "")
    return not expression or met(str(expression), datetime.now(UTC)) is not False
