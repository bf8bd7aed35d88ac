"""What a sandbox holds and knows at the start, read from YAML."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gcr_migrate.errors import BAD_SCENARIO, BAD_YAML, FILE_MISSING, MigrateError
from gcr_migrate.model.nearest import did_you_mean
from gcr_migrate.sandbox.copy_parts import ContainerRegistryPart
from gcr_migrate.sandbox.image_parts import ImagePart, Part

_GUARDED: Final = (
    "artifactregistry.googleapis.com",
    "pubsub.googleapis.com",
    "storage.googleapis.com",
)


class IdentityPart(Part):
    """Somebody with an access token; roles are held on every project.

    Attributes:
        member: as policies name it.
        token: an access token that is good from the start; empty for none.
        roles: roles held on every project.
        token_lifetime: seconds after the start at which that token ends; None for never.
        refresh_token: what buys new access tokens; empty for none.
    """

    member: str = "user:migrator@example.com"
    token: str = Field("ya29.sandbox-migrator", repr=False)
    roles: tuple[str, ...] = ("roles/owner",)
    token_lifetime: float | None = None
    refresh_token: str = Field("", repr=False)


class IdentityPoolPart(Part):
    """Another identity provider: whoever brings its token for an audience is a member here."""

    audience: str
    subject_token: str = Field(repr=False)
    member: str


class ServiceAccountPart(Part):
    """A service account, and the members who may get tokens for it."""

    email: str
    token_creators: tuple[str, ...] = ()


class MetadataPart(Part):
    """A machine of Google's: its service account, as a member, and its project."""

    member: str
    project: str


class GiantPart(Part):
    """So many images that they are made when they are asked for; nothing can be pushed to them.

    Attributes:
        seed: other seeds give other bytes, and the same counts.
        images: how many image paths there are.
        manifests: of each image: images, indexes of two platforms, referrers; some untagged.
        tags: of each image; those that the server makes for referrers come on top.
        layers: of each manifest that is an image; neighbours share most of them.
    """

    seed: int = Field(1, ge=0, lt=10**18)
    images: int = Field(ge=1, lt=10**7)
    manifests: int = Field(ge=1, lt=10**7)
    tags: int = Field(ge=0, lt=10**7)
    layers: int = Field(5, ge=1, le=99)


class RepositoryPart(Part):
    """A repository with its policy, and either images or a giant.

    `times_as_text` has its lists tell times of upload as Container Registry did.
    """

    project: str
    location: str
    id: str
    format: str = "DOCKER"
    immutable_tags: bool = False
    server_moves_own_tags: bool = True
    times_as_text: bool = False
    bindings: tuple[dict[str, Any], ...] = ()
    images: tuple[ImagePart, ...] = ()
    giant: GiantPart | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> RepositoryPart:
        if self.images and self.giant:
            raise ValueError("nothing can be pushed into a giant: give it no images")
        return self


class ObjectEntryPart(Part):
    """Somebody in an access list, such as `user-ada@example.com` or `project-owners-42`."""

    entity: str
    role: Literal["READER", "OWNER"]


class BucketPart(Part):
    """A bucket of Cloud Storage, such as Container Registry left behind.

    Attributes:
        name: its name, such as `us.artifacts.builds.appspot.com`.
        location: such as `US`.
        uniform: whether its policy alone decides, and no access list of an object's own.
        bindings: its policy; where none is stated, the one that Google gives to a new bucket,
            which lets the owners, editors and viewers of the project in.
        images: their configs and layers lie there as `containers/images/sha256:…`, without
            manifests and names, as Container Registry kept them.
        objects: further objects, their text by name.
        object_lists: access lists of objects by the beginning of their names (empty for all), each
            a list of `entity` and `role`; the longest beginning counts. Without one, the list that
            Google gives to a new object, of the project's owners, editors and viewers.
        never_public: whether public access is prevented, whatever policy and lists say.
        settings: what else it says of itself, as that service words it, such as `storageClass`,
            `retentionPolicy` or `softDeletePolicy`.
        object_settings: the same of objects, such as `temporaryHold`, by the beginning of their
            names (empty for all).
    """

    name: str
    location: str = "US"
    uniform: bool = True
    bindings: tuple[dict[str, Any], ...] | None = None
    images: tuple[ImagePart, ...] = ()
    objects: dict[str, str] = Field(default_factory=dict)
    object_lists: dict[str, tuple[ObjectEntryPart, ...]] = Field(default_factory=dict)
    never_public: bool = False
    settings: dict[str, Any] = Field(default_factory=dict)
    object_settings: dict[str, dict[str, Any]] = Field(default_factory=dict)


class OrgPolicyPart(Part):
    """The effective rule of an organisation policy in a project.

    Attributes:
        constraint: such as `constraints/gcp.resourceLocations`.
        allowed: the values that are allowed, where others are not.
        denied: values that are denied.
        deny_all: whether every value is denied.
        enforce: whether a constraint without values is on.
    """

    constraint: str
    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    deny_all: bool = False
    enforce: bool | None = None


class QuotaPart(Part):
    """How much a project may ask of Artifact Registry.

    Attributes:
        requests_per_minute: in each location, by the API and the registry hosts together; beyond
            it everything there is refused until the minute (see `quota_window`) is over.
        locations: the same for single locations.
        retry_after: whether a registry says in a header when to come back.
    """

    requests_per_minute: int
    locations: dict[str, int] = Field(default_factory=dict)
    retry_after: bool = False


class ProjectPart(Part):
    """A project and what surrounds it.

    Attributes:
        id: its id, such as `builds` or `example.com:builds`.
        number: its number; without it one that follows from the id.
        parent: `folders/N` or `organizations/N`.
        bindings: its own policy.
        disabled_services: such as `artifactregistry.googleapis.com`.
        billing: whether it has a billing account; without one nothing is served that costs.
        redirect_state: who answers its gcr.io names: the service's word, or its last part such
            as `PARTIAL`. Without it `ENABLED`, or `DISABLED` if the project is never migrated.
        pull_percent: share of reads that Artifact Registry answers.
        redirect_lag: how many requests of its gcr.io names are answered as before after the
            setting was changed.
        org_policies: effective organisation policies.
        perimeter: name of the perimeter around it.
        buckets: its buckets.
        subscriptions: Pub/Sub subscriptions by id, as that service words them.
        assets: what Cloud Asset Inventory exports of it, as that service words it.
        quota: its quota of Artifact Registry; without it there is no limit.
        usage: what a gcr.io host answers when it is asked for its use, by host: a word such as
            `ACTIVE`, or nothing to answer as if it had not been asked. Without it the word
            follows from `redirect_state` and the bucket.
        container_registry: images that Container Registry still keeps for a server-side copy.
    """

    id: str
    number: str = ""
    parent: str = ""
    bindings: tuple[dict[str, Any], ...] = ()
    disabled_services: tuple[str, ...] = ()
    billing: bool = True
    redirect_state: str = ""
    pull_percent: int | None = None
    redirect_lag: int = Field(0, ge=0)
    org_policies: tuple[OrgPolicyPart, ...] = ()
    perimeter: str = ""
    buckets: tuple[BucketPart, ...] = ()
    subscriptions: dict[str, dict[str, Any]] = Field(default_factory=dict)
    assets: tuple[dict[str, Any], ...] = ()
    quota: QuotaPart | None = None
    usage: dict[str, str] = Field(default_factory=dict)
    container_registry: ContainerRegistryPart | None = None


class FolderPart(Part):
    """A folder or organisation; everything below inherits its policy.

    Attributes:
        name: `folders/N` or `organizations/N`.
        parent: what it lies in.
        bindings: its policy.
    """

    name: str
    parent: str = ""
    bindings: tuple[dict[str, Any], ...] = ()


class RolePart(Part):
    """A role that a project or an organisation made for itself.

    Attributes:
        name: `projects/P/roles/X` or `organizations/N/roles/X`.
        permissions: what is in it.
        stage: such as `GA`; a `DISABLED` one gives nothing.
        deleted: whether it is about to be gone, and gives nothing.
    """

    name: str = Field(pattern=r"^(projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+$")
    permissions: tuple[str, ...] = ()
    stage: str = "GA"
    deleted: bool = False


class PerimeterPart(Part):
    """A service perimeter (VPC Service Controls).

    Attributes:
        name: its name.
        members: who may pass, such as `user:ada@example.com`.
        services: what it guards.
    """

    name: str
    members: tuple[str, ...] = ()
    services: tuple[str, ...] = _GUARDED


class LimitsPart(Part):
    """What registries take and give at most.

    Attributes:
        manifest_bytes: of a manifest; a larger one is answered 413.
        read_bytes: of a blob in one answer; who asks for more without a range is answered 400, for
            which status Google gives is not known.
        upload_bytes: of a blob in one PUT; a larger one is answered 413. None for no limit.
        name_characters: of an image's name with its host; a longer one is answered 400.
    """

    manifest_bytes: int = Field(4 * 1024 * 1024, ge=1)
    read_bytes: int = Field(9_900_000_000, ge=1)
    upload_bytes: int | None = Field(None, ge=1)
    name_characters: int = Field(255, ge=1)


class Scenario(Part):
    """What a sandbox holds and knows.

    Attributes:
        identities: who may come; the first is the one that a demo uses.
        projects: projects of which more is known than their repositories. Where any are listed,
            others exist only if a repository names them; where none are, every project exists.
        folders: folders and organisations above them.
        roles: custom roles.
        perimeters: service perimeters around them.
        repositories: what is there.
        never_migrated: projects whose gcr.io names answer 412 in plain text.
        quota_window: seconds that a quota's minute lasts.
        token_lifetime: seconds for which a registry token is good.
        operation_polls: after how many polls a repository is made.
        access_token_lifetime: seconds for which access tokens are good that were asked for.
        identity_pools: whose tokens of other providers are taken.
        service_accounts: who may act as which.
        metadata: the machine whose metadata server this is; None for none.
        limits: what registries take and give at most.
        blobs_from: whence the bytes of blobs come: from the `registry` host itself, as at Artifact
            Registry, or from Cloud `storage`, by an address that takes no login besides.
        certificates: registry hosts whose certificate no client takes, and what is wrong with it;
            over TLS only.
    """

    identities: tuple[IdentityPart, ...] = (IdentityPart(),)
    projects: tuple[ProjectPart, ...] = ()
    folders: tuple[FolderPart, ...] = ()
    roles: tuple[RolePart, ...] = ()
    perimeters: tuple[PerimeterPart, ...] = ()
    repositories: tuple[RepositoryPart, ...] = ()
    never_migrated: tuple[str, ...] = ()
    quota_window: float = 60.0
    token_lifetime: float = 43_200
    operation_polls: int = 2
    access_token_lifetime: float = 3_600
    identity_pools: tuple[IdentityPoolPart, ...] = ()
    service_accounts: tuple[ServiceAccountPart, ...] = ()
    metadata: MetadataPart | None = None
    limits: LimitsPart = LimitsPart()
    blobs_from: Literal["registry", "storage"] = "registry"
    certificates: dict[str, Literal["expired", "other-name", "unknown-issuer"]] = Field(
        default_factory=dict
    )


def scenario_names() -> list[str]:
    """Return the names of the scenarios that come with the tool."""
    folder = resources.files("gcr_migrate.sandbox") / "scenarios"
    names = (one.name for one in folder.iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Read a scenario.

    Args:
        name_or_path: name of one that comes with the tool, or path of a YAML file.

    Raises:
        MigrateError: FILE_MISSING, BAD_YAML or BAD_SCENARIO.
    """
    name = str(name_or_path)
    try:
        if name in scenario_names():
            folder = resources.files("gcr_migrate.sandbox") / "scenarios"
            text = (folder / f"{name}.yaml").read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
    except OSError as error:
        known = f"known scenarios: {', '.join(scenario_names())}"
        known = f"{did_you_mean(name, scenario_names())} {known}".strip()
        raise MigrateError(FILE_MISSING, subject=name, saw=known) from error
    try:
        return Scenario.model_validate(YAML(typ="safe").load(text) or {})
    except YAMLError as error:
        raise MigrateError(BAD_YAML, subject=name, saw=str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise MigrateError(BAD_SCENARIO, subject=f"{name}: {where}", saw=first["msg"]) from error
