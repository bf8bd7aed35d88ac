"""Names of registries, projects, repositories, images and tags: parsed, checked, printed.

A name is taken as it is or refused with the part that offends; nothing here mends one.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import Final

from msgspec import Struct

from gcr_migrate.errors import BAD_NAME, REPOSITORY_NAME_REFUSED, MigrateError, printable
from gcr_migrate.model.content import Digest
from gcr_migrate.model.nearest import with_question

LONGEST_NAME: Final = 255  # host, slash and name; many clients refuse more (OCI end-3)
LONGEST_REPOSITORY_ID: Final = 63
_SHOWN: Final = 300  # characters of a name that is none

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_NEW_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+")
_REPOSITORY_ID = re.compile(r"[a-z](?:[a-z0-9-]*[a-z0-9])?")
_LOCATION = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_VARIABLE = re.compile(r"\{\{.*?\}\}|\$\{[^}]*\}|\$\([^)]*\)|\$\w+|\{\{.*|\$")
_SERVICE_ACCOUNT = re.compile(
    r"[a-z0-9][a-z0-9._-]*@[a-z0-9-]+(?:\.[a-z0-9-]+)*\.gserviceaccount\.com"
)
_HOST = re.compile(r"([a-z0-9.-]+)(?::[0-9]{1,5})?")
_AR_SUFFIX: Final = "-docker.pkg.dev"
GOOGLES_OWN: Final = frozenset(
    {
        "mirror.gcr.io",
        "us-mirror.gcr.io",
        "eu-mirror.gcr.io",
        "asia-mirror.gcr.io",
        "k8s.gcr.io",
        "staging-k8s.gcr.io",
        "marketplace.gcr.io",
        "l.gcr.io",
        "launcher.gcr.io",
    }
)


class GcrHost(Struct, frozen=True):
    """One of the four hosts of Container Registry.

    Attributes:
        name: the host.
        location: location of the Artifact Registry repository that answers for it.
        repository_id: id of that repository in each project.
    """

    name: str
    location: str
    repository_id: str


GCR_HOSTS: Final[tuple[GcrHost, ...]] = (
    GcrHost("gcr.io", "us", "gcr.io"),
    GcrHost("us.gcr.io", "us", "us.gcr.io"),
    GcrHost("eu.gcr.io", "europe", "eu.gcr.io"),
    GcrHost("asia.gcr.io", "asia", "asia.gcr.io"),
)


def gcr_host(name: str) -> GcrHost | None:
    """Return the host of Container Registry with exactly this name."""
    return next((host for host in GCR_HOSTS if host.name == name), None)


class Project(Struct, frozen=True, order=True):
    """A Google Cloud project by its id.

    Attributes:
        id: such as `builds`, or `example.com:my-project` where a domain scopes it.
    """

    id: str

    @classmethod
    def parse(cls, text: str) -> Project:
        """Read an id, or the form that image paths use (`example.com/my-project`).

        Old ids may break today's rules, so sources are read leniently; `check_new` is strict.
        """
        refuse_template(text)
        separator = ":" if ":" in text else "/"
        domain, scoped, name = text.rpartition(separator)
        if scoped and not _DOMAIN.fullmatch(domain):
            raise bad_name(text, f"project domain {domain!r}: {_why_not(domain) or 'no dot in it'}")
        if not _COMPONENT.fullmatch(name) or "." in name:
            raise bad_name(text, f"project {name!r}: {_why_not(name) or 'a project id has no dot'}")
        return cls(f"{domain}:{name}" if scoped else name)

    @property
    def path(self) -> str:
        """The id as it stands in image names: with a slash after the domain."""
        return self.id.replace(":", "/")

    def check_new(self) -> None:
        """Raise BAD_NAME unless Google Cloud would give this id today."""
        name = self.id.rpartition(":")[2]
        if not _NEW_PROJECT.fullmatch(name):
            saw = "a project id has 6 to 30 lower-case letters, digits and hyphens, a letter first"
            raise bad_name(self.id, f"project {name!r}: {saw}")

    def __str__(self) -> str:
        return self.id


class ImagePath(Struct, frozen=True, order=True):
    """The path of an image below its project, repository or registry.

    Attributes:
        components: the parts between slashes, at least one.
    """

    components: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> ImagePath:
        """Read a path; raise BAD_NAME with the component that offends."""
        refuse_template(text)
        components = tuple(text.split("/"))
        for component in components:
            if not _COMPONENT.fullmatch(component):
                saw = f"path component {component[:_SHOWN]!r}: {_why_not(component)}"
                raise bad_name(text, saw)
        return cls(components)

    def starts_with(self, prefix: ImagePath) -> bool:
        """Whether the prefix is this path or a folder above it."""
        return self.components[: len(prefix.components)] == prefix.components

    def strip(self, prefix: ImagePath) -> ImagePath | None:
        """Return what is below the prefix; None if it is no folder above this path."""
        rest = self.components[len(prefix.components) :]
        return ImagePath(rest) if rest and self.starts_with(prefix) else None

    def __str__(self) -> str:
        return "/".join(self.components)


def why_no_path(text: str) -> str:
    """Say in words why this can be no image path; empty if it can."""
    try:
        ImagePath.parse(text)
    except MigrateError as error:
        return error.saw
    return ""


def brief(name: str) -> str:
    """Return a name that may be any text so that a line can show it."""
    return printable(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…")


class Tag(Struct, frozen=True, order=True):
    """A tag.

    Attributes:
        text: the tag itself; case matters.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read a tag; raise BAD_NAME for what no registry takes."""
        refuse_template(text)
        if not _TAG.fullmatch(text):
            saw = "1 to 128 letters, digits, `_`, `.` and `-`, not starting with `.` or `-`"
            raise bad_name(text, f"tag {text!r}: a tag has {saw}")
        return cls(text)

    def __str__(self) -> str:
        return self.text


def is_tag(text: str) -> bool:
    """Whether this is a tag that registries take."""
    return _TAG.fullmatch(text) is not None


class Reference(Struct, frozen=True):
    """An image under a name of Container Registry.

    Attributes:
        host: one of the four hosts.
        project: the project.
        path: the image's path in it.
        tag: the tag, if one is written.
        digest: the digest, if one is written.
    """

    host: str
    project: Project
    path: ImagePath
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read `HOST/PROJECT/IMAGE[:TAG][@DIGEST]`; raise BAD_NAME with the part that offends."""
        host, rest, tag, digest = split_name(text)
        if host in GOOGLES_OWN:
            raise bad_name(
                text, f"host {host}: Google's own images, not a project's; leave them alone"
            )
        if not gcr_host(host):
            hosts = ", ".join(one.name for one in GCR_HOSTS)
            saw = f"host {host!r}: not one of {hosts}"
            raise bad_name(text, with_question(saw, host, (one.name for one in GCR_HOSTS)))
        project, components = split_project(text, host, rest)
        if not components:
            raise bad_name(
                text, f"names the project {project}, not an image: an image path is missing"
            )
        return cls(host, project, ImagePath.parse("/".join(components)), tag, digest)

    def __str__(self) -> str:
        return _join(f"{self.host}/{self.project.path}/{self.path}", self.tag, self.digest)


class ArImage(Struct, frozen=True):
    """An image under a name of Artifact Registry.

    Attributes:
        location: region or multi-region.
        project: the project.
        repository: id of the repository.
        path: the image's path in it.
        tag: the tag, if one is written.
        digest: the digest, if one is written.
    """

    location: str
    project: Project
    repository: str
    path: ImagePath
    tag: Tag | None = None
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> ArImage:
        """Read `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/PATH[:TAG][@DIGEST]`."""
        host, rest, tag, digest = split_name(text)
        location = host.removesuffix(_AR_SUFFIX)
        if location == host or not _LOCATION.fullmatch(location):
            raise bad_name(text, f"host {host!r}: not LOCATION{_AR_SUFFIX}")
        if location == "eu":
            raise bad_name(text, "host 'eu-docker.pkg.dev': the location is `europe` here")
        project, components = split_project(text, host, rest)
        if len(components) < 2:  # noqa: PLR2004  # a repository and an image
            raise bad_name(text, "an image needs a repository and a path in it")
        served = gcr_host(components[0])
        if not served:
            check_repository_id(components[0])
        elif served.location != location:
            raise bad_name(text, f"repository {components[0]} exists in {served.location} only")
        path = ImagePath.parse("/".join(components[1:]))
        return cls(location, project, components[0], path, tag, digest)

    @property
    def host(self) -> str:
        """The registry host, such as `us-docker.pkg.dev`."""
        return ar_host(self.location)

    @property
    def name(self) -> str:
        """The registry name below the host: project, repository and path."""
        return f"{ar_name(self.project, self.repository)}/{self.path}"

    def __str__(self) -> str:
        return _join(f"{self.host}/{self.name}", self.tag, self.digest)


def check_repository_id(text: str) -> None:
    """Raise REPOSITORY_NAME_REFUSED unless Artifact Registry takes this id for a new repository."""
    if len(text) > LONGEST_REPOSITORY_ID:
        saw = f"{len(text)} characters, {LONGEST_REPOSITORY_ID} are allowed"
    elif not _REPOSITORY_ID.fullmatch(text):
        saw = "lower-case letters, digits and hyphens only, a letter first, no hyphen last"
    else:
        return
    raise MigrateError(REPOSITORY_NAME_REFUSED, subject=text or "(empty)", saw=saw)


def check_location(text: str) -> None:
    """Raise BAD_NAME unless this can be the name of a location."""
    if text == "eu" or not _LOCATION.fullmatch(text):
        hint = "the location is `europe` here" if text == "eu" else "not a region or multi-region"
        raise bad_name(text, f"location {text!r}: {hint}")


def check_service_account(text: str) -> None:
    """Raise BAD_NAME unless this can be the e-mail address of a service account."""
    if not _SERVICE_ACCOUNT.fullmatch(text):
        form = "NAME@PROJECT.iam.gserviceaccount.com, without `serviceAccount:`"
        raise bad_name(text, f"{text[:100]!r} is no service account: {form}")


def ar_host(location: str) -> str:
    """Return the registry host of a location."""
    return f"{location}{_AR_SUFFIX}"


def location_of_host(host: str) -> str:
    """Return the location of a registry host of Google's; empty for any other."""
    found = gcr_host(host)
    if found:
        return found.location
    location = host.removesuffix(_AR_SUFFIX)
    return location if location != host and _LOCATION.fullmatch(location) else ""


def ar_name(project: Project | str, repository: str) -> str:
    """Return project and repository as they stand in image names: `builds/product1`."""
    project = Project.parse(project) if isinstance(project, str) else project
    return f"{project.path}/{repository}"


def repository_resource(project: Project | str, location: str, repository: str) -> str:
    """Return the name of a repository in Artifact Registry's REST API; a domain keeps its colon."""
    project = Project.parse(project) if isinstance(project, str) else project
    return f"projects/{project.id}/locations/{location}/repositories/{repository}"


def is_google_host(host: str) -> bool:
    """Whether Google credentials may go to this host (with or without a port)."""
    found = _HOST.fullmatch(host.lower())
    suffixes = (".gcr.io", ".pkg.dev", ".googleapis.com")
    return found is not None and (found[1] == "gcr.io" or found[1].endswith(suffixes))


@functools.lru_cache(maxsize=256)  # it is asked for every request, of a few hosts
def is_loopback(host_port: str) -> bool:
    """Whether this address (with or without a port) never leaves the machine."""
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:]+)\](?::[0-9]{1,5})?", host_port)
    if bracketed:
        host = bracketed[1]
    elif host_port.count(":") > 1:  # a bare IPv6 address
        host = host_port
    else:
        host = re.sub(r":[0-9]{1,5}$", "", host_port)
    if host == "localhost":
        return True
    if "%" in host:  # a zone may be any text, `::1%x@evil.example` with another host in it
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bad_name(text: str, saw: str) -> MigrateError:
    """Return BAD_NAME about a text, with the part of it that offends."""
    return MigrateError(BAD_NAME, subject=text[:_SHOWN] or "(empty)", saw=saw)


def refuse_template(text: str) -> None:
    """Raise BAD_NAME for a text that a program has still to put something into."""
    found = _VARIABLE.search(text)
    if found:
        raise bad_name(text, f"template with the unresolved variable {found[0][:_SHOWN]}")


def _why_not(component: str) -> str:
    """Say in words what is wrong with a path component; empty if nothing is."""
    if not component:
        return "empty"
    if _COMPONENT.fullmatch(component):
        return ""
    illegal = re.search(r"[^a-zA-Z0-9._-]", component)
    if illegal:
        return f"character {illegal[0]!r} is not allowed"
    if re.search(r"[A-Z]", component):
        return "upper-case letters are not allowed"
    return "between letters or digits there is one `.`, `_` or `__`, or hyphens; never at an end"


def split_name(text: str) -> tuple[str, str, Tag | None, Digest | None]:
    """Take a written name apart into host, path, tag and digest; the host is not checked."""
    refuse_template(text)
    name, at, digest = text.removeprefix("https://").partition("@")
    host, slash, rest = name.partition("/")
    host = host.removesuffix(":443")
    if not slash:
        raise bad_name(text, f"only a host {host!r}: a project and an image path are missing")
    head, colon, tag = rest.rpartition(":")
    before, inner, after = (rest if "/" in tag else head).partition(":")
    if inner and "/" in after:  # the colon belongs to a project id, not to a tag
        saw = f"a colon in the path; in image names write {host}/{before}/{after}"
        raise bad_name(text, f"{saw}:{tag}" if "/" not in tag else saw)
    path = head if colon else rest
    return host, path, Tag.parse(tag) if colon else None, Digest.parse(digest) if at else None


def split_project(text: str, host: str, rest: str) -> tuple[Project, list[str]]:
    """Part the project, with its domain if the first component has a dot, from what follows."""
    components = rest.split("/")
    scoped = "." in components[0]
    if scoped and len(components) == 1:
        raise bad_name(text, f"{components[0]} is a domain: {host}/{components[0]}/PROJECT/IMAGE")
    taken = 2 if scoped else 1
    return Project.parse("/".join(components[:taken])), components[taken:]


def _join(name: str, tag: Tag | None, digest: Digest | None) -> str:
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
