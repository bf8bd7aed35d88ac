"""Places that a person may paste: read from whatever shows or holds a name of images.

Registry names, resource names of APIs, pages of Google's consoles and the buckets of Container
Registry all say the same few things. They are read whole or refused: nothing that a text says
is left out, so that a place is never wider than what was pasted.
"""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import parse_qs, unquote

from msgspec import Struct

from gcr_migrate.errors import BAD_NAME, MigrateError
from gcr_migrate.model.content import Digest
from gcr_migrate.model.locations import MULTI_REGIONS
from gcr_migrate.model.names import (
    GCR_HOSTS,
    GOOGLES_OWN,
    GcrHost,
    ImagePath,
    Project,
    Tag,
    ar_host,
    ar_name,
    bad_name,
    check_location,
    check_repository_id,
    gcr_host,
    refuse_template,
    split_name,
    split_project,
)
from gcr_migrate.model.nearest import with_question

PlaceKind = Literal["project", "gcr", "artifact-registry", "bucket"]

_SHOWN: Final = 300  # characters of a text that cannot be read, whatever was pasted
_SCHEME = re.compile(r"(?:(https?|gs|docker|oci):)?//", re.IGNORECASE)
_AR_HOST = re.compile(r"([a-z0-9-]+)-docker\.pkg\.dev|docker\.([a-z0-9-]+)\.rep\.pkg\.dev")
_BUCKET = re.compile(r"(?:(us|eu|asia)\.)?artifacts\.(.+)\.appspot\.com")
_OBJECT = re.compile(r"(?:containers(?:/images(?:/(sha256:[^/]+))?)?)?")
_CONSOLES: Final = frozenset({"console.cloud.google.com", "console.developers.google.com"})
_STORAGE: Final = frozenset(
    {"storage.googleapis.com", "storage.cloud.google.com", "www.googleapis.com"}
)
_OF_STORAGE: Final = ".storage.googleapis.com"
_API: Final = "artifactregistry.googleapis.com"
_REGION_WORDS: Final = {"GLOBAL": "gcr.io", "US": "us.gcr.io", "EU": "eu.gcr.io"} | {
    "ASIA": "asia.gcr.io"
}
# Pages of a console that are about a whole project, which the query names.
_PAGES_OF_A_PROJECT: Final = frozenset(
    {"", "welcome", "home/dashboard", "gcr", "gcr/images", "gcr/settings", "storage/browser"}
    | {"artifacts", "artifacts/docker", "artifacts/browse", "artifacts/settings"}
)
_RESOURCES: Final = frozenset(
    {
        "projects",
        "projects/locations",
        "projects/locations/repositories",
        "projects/locations/repositories/packages",
        "projects/locations/repositories/packages/tags",
        "projects/locations/repositories/packages/versions",
        "projects/locations/repositories/dockerImages",
    }
)
# What no domain of a project holds, and a mistyped or forged registry host may.
_HOSTS_OF_SERVICES: Final = ("gcr.io", "pkg.dev", "appspot.com", "googleapis.com", "amazonaws.com")
_OTHER_REGISTRIES: Final = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "ghcr.io", "quay.io", "lscr.io"}
    | {"registry.k8s.io", "mcr.microsoft.com", "public.ecr.aws", "registry.gitlab.com"}
)


_KNOWN_HOSTS: Final = (
    *(host.name for host in GCR_HOSTS),
    *(ar_host(location) for location in sorted(MULTI_REGIONS)),
)


class Place(Struct, frozen=True):
    """What a pasted text means.

    Attributes:
        kind: what kind of place it is.
        project: the project that it is in.
        host: `gcr`, `bucket`: the host of Container Registry; `artifact-registry`: that of its
            location; empty for a project.
        location: location in Artifact Registry; empty for the other kinds.
        repository: repository in Artifact Registry; empty where the text names none.
        path: image path in it; None where the text names none.
        tag: the tag, if one is named.
        digest: the digest, if one is named; in a bucket that of a blob.
    """

    kind: PlaceKind
    project: Project
    host: str = ""
    location: str = ""
    repository: str = ""
    path: ImagePath | None = None
    tag: Tag | None = None
    digest: Digest | None = None

    @property
    def gcr_host(self) -> GcrHost | None:
        """The host of Container Registry whose images are here, also under a newer name."""
        return gcr_host(self.repository if self.kind == "artifact-registry" else self.host)

    def __str__(self) -> str:
        if self.kind == "project":
            return self.project.id
        if self.kind == "bucket":
            below = f"/containers/images/{self.digest}" if self.digest else ""
            return f"gs://{artifacts_bucket(self.host, self.project)}{below}"
        name = f"{self.host}/{self.project.path}"
        if self.repository:
            name = f"{self.host}/{ar_name(self.project, self.repository)}"
        name += f"/{self.path}" if self.path else ""
        return (
            name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")
        )


def read_project(text: str) -> Project:
    """Read what names a project and nothing more; raise BAD_NAME for any other text."""
    place = read_place(text)
    if place.kind != "project":
        raise bad_name(str(place), f"says more than a project; write {place.project}")
    return place.project


def artifacts_bucket(host: str, project: Project | str) -> str:
    """Return the bucket in which Container Registry kept what a project has at a host.

    Args:
        host: one of the four hosts.
        project: the project; a domain gives the bucket a longer name.
    """
    if gcr_host(host) is None:
        raise bad_name(host, f"host {host!r}: not one of {_four_hosts()}")
    project = Project.parse(project) if isinstance(project, str) else project
    domain, scoped, name = project.id.rpartition(":")
    inner = f"{name}.{domain}.a" if scoped else name
    return f"{host.removesuffix('gcr.io')}artifacts.{inner}.appspot.com"


def read_place(text: str) -> Place:
    """Read whatever a person pasted: a project, a registry's or API's name, a page, a bucket.

    Raises:
        MigrateError: BAD_NAME with the part that offends; it shows no query of a URL, which may
            hold a signature, and no password.
    """
    shown = text.strip()
    bare = shown.partition("#")[0].partition("?")[0]
    try:
        return _read(shown, bare)
    except MigrateError as error:
        raise MigrateError(
            BAD_NAME, subject=_without_password(bare) or "(empty)", saw=error.saw[:_SHOWN]
        ) from error


def _without_password(text: str) -> str:
    scheme = _SCHEME.match(text)
    authority, slash, rest = text[scheme.end() if scheme else 0 :].partition("/")
    if "@" not in authority:
        return text[:_SHOWN]
    return f"…@{authority.rpartition('@')[2]}{slash}{rest}"[:_SHOWN]


def _read(text: str, bare: str) -> Place:
    refuse_template(bare)
    scheme = _SCHEME.match(bare)
    rest = bare[scheme.end() :] if scheme else bare
    host, _, path = rest.partition("/")
    if "@" in host:
        raise bad_name("", "an `@` before the first `/`: no name of a project or registry has one")
    host = (host.lower() if host.isascii() else host).removesuffix(":443")
    if host in _CONSOLES:
        return _console(path, text.partition("#")[0].partition("?")[2])
    stored = _in_storage((scheme[1] or "").lower() if scheme else None, host, path)
    if stored:
        return stored
    if bare != text:
        raise bad_name(bare, "a name has no `?` and no `#`")
    if host == _API or (rest.startswith("projects/") and not scheme):
        return _resource(path.removeprefix("v1/") if host == _API else rest)
    return _in_registry(host, path) or _by_id(rest, host, has_scheme=bool(scheme))


def _in_registry(host: str, path: str) -> Place | None:
    """Read a name at a registry of Google's; None for any other host."""
    if host in GOOGLES_OWN:
        raise bad_name(host, f"host {host}: Google's own images, not a project's; leave them alone")
    served_by = _AR_HOST.fullmatch(host)
    location = (served_by[1] or served_by[2]) if served_by else ""
    if not served_by and gcr_host(host) is None:
        return None
    if path in {"", "/"}:
        raise bad_name(host, f"only a host: {host}/PROJECT is the least that says something")
    if path.startswith("v2/"):
        raise bad_name(path, f"/v2/ is the protocol's own; write {host}/PROJECT/IMAGE")
    _, name, tag, digest = split_name(f"{host}/{path.removesuffix('/')}")
    project, components = split_project(name, host, name)
    if not location:
        return _gcr(host, project, "/".join(components), tag, digest)
    repository = components[0] if components else ""
    return _ar(project, location, repository, "/".join(components[1:]), tag, digest)


def _by_id(text: str, host: str, *, has_scheme: bool) -> Place:
    """Read a project id, all that may stand without a host of Google's."""
    dotted = "." in host or ":" in host
    if has_scheme or text.removesuffix("/").count("/") > 1:
        known = f"{_four_hosts()}, LOCATION-docker.pkg.dev, {min(_CONSOLES)} or a bucket's"
        raise bad_name(text, with_question(f"host {host!r}: not {known}", host, _KNOWN_HOSTS))
    if "/" in text.removesuffix("/") and not dotted:
        raise bad_name(text, f"no host in front; a name begins like gcr.io/{host}/")
    return Place("project", _checked(Project.parse(text.removesuffix("/"))))


def _checked(project: Project) -> Project:
    """Return the project, unless its id shows that something else was meant."""
    domain, _, name = project.id.rpartition(":")
    if domain in _OTHER_REGISTRIES or any(one in domain for one in _HOSTS_OF_SERVICES):
        saw = f"{domain!r} is neither a host that is known here nor a domain"
        raise bad_name(project.id, with_question(saw, domain, _KNOWN_HOSTS))
    if name.isdigit():
        what = "a port" if domain else "the number of a project"
        raise bad_name(project.id, f"{name} looks like {what}; the id of a project is needed")
    return project


def _gcr(host: str, project: Project, path: str, tag: Tag | None, digest: Digest | None) -> Place:
    if not path and (tag or digest):
        raise bad_name(str(project), "a tag or digest, and no image that has it")
    image = ImagePath.parse(path) if path else None
    return Place("gcr", _checked(project), host, path=image, tag=tag, digest=digest)


def _ar(
    project: Project,
    location: str,
    repository: str,
    path: str,
    tag: Tag | None = None,
    digest: Digest | None = None,
) -> Place:
    check_location(location)
    served = gcr_host(repository)
    if served and served.location != location:
        raise bad_name(repository, f"repository {repository} exists in {served.location} only")
    if (repository or path) and not served:
        check_repository_id(repository)
    if not path and (tag or digest):
        raise bad_name(str(project), "a tag or digest, and no image that has it")
    image = ImagePath.parse(path) if path else None
    _checked(project)
    host = ar_host(location)
    return Place("artifact-registry", project, host, location, repository, image, tag, digest)


def _resource(text: str) -> Place:
    """Read a name as Artifact Registry's API has it; slashes in an image are escaped there."""
    parts = text.removesuffix("/").split("/")
    words, values = parts[::2], [unquote(part) for part in parts[1::2]]
    if "/".join(words) not in _RESOURCES or len(words) != len(values):
        known = "projects/P/locations/L/repositories/R/packages/IMAGE or …/dockerImages/IMAGE@…"
        raise bad_name(text, f"a resource name is {known}")
    said = dict(zip(words, values, strict=True))
    project = Project.parse(said["projects"])
    if "locations" not in said:
        return Place("project", _checked(project))
    path, digest = said.get("packages", ""), said.get("versions")
    if "dockerImages" in said:
        path, at, digest = said["dockerImages"].partition("@")
        digest = digest if at else None
    for word, value in said.items():
        if not value:
            raise bad_name(text, f"nothing after {word}/")
    return _ar(
        project,
        said["locations"],
        said.get("repositories", ""),
        path,
        Tag.parse(said["tags"]) if "tags" in said else None,
        None if digest is None else Digest.parse(digest),
    )


def _console(path: str, query: str) -> Place:
    """Read the address of a page; what stands after `;` in a component is a view of it."""
    ask = parse_qs(query)
    parts = [unquote(part.partition(";")[0]) for part in path.removesuffix("/").split("/")]
    page, below = "/".join(parts[:2]), parts[2:]
    if "/".join(parts) in _PAGES_OF_A_PROJECT:
        if not ask.get("project"):
            raise bad_name(path, "a page of the console that names no project")
        return Place("project", _checked(Project.parse(_only(ask, "project"))))
    if page == "storage/browser":
        below = below[1:] if below[0] == "_details" else below
        # What a list of objects is narrowed to is meant, or else a bucket would be too much.
        shown = [part for part in ("/".join(below[1:]), _only(ask, "prefix")) if part]
        return _bucket(below[0] if below else "", "/".join(shown))
    if page == "gcr/images":
        return _console_gcr(below, ask)
    if page in {"artifacts/docker", "artifacts/browse"}:
        return _console_ar(below, ask)
    raise bad_name(path, f"the console's page {page!r}: not one of images, repositories or buckets")


def _console_project(parts: list[str]) -> tuple[Project, list[str]]:
    if ":" in parts[0]:
        return Project.parse(parts[0]), parts[1:]
    return split_project("/".join(parts), "", "/".join(parts))


def _console_gcr(parts: list[str], ask: dict[str, list[str]]) -> Place:
    project, rest = _console_project(parts)
    written = _only(ask, "tag")
    if not rest and not written:
        return Place("project", _checked(project))
    host = _REGION_WORDS.get(rest[0].upper()) if rest else None
    if host is None:
        raise bad_name("/".join(parts), f"after the project stands {', '.join(_REGION_WORDS)}")
    image, at, digest = "/".join(rest[1:]).partition("@")
    digest, _, view = digest.partition("/")
    if view and not view.startswith("details"):
        raise bad_name(view, f"{view!r} after a digest")
    _, _, tag, found = split_name(f"{host}/{image}{at}{digest}")
    if written and tag and str(tag) != written:
        raise bad_name(image, f"two tags, {tag} and {written}")
    image = image.removesuffix(f":{tag}") if tag else image
    return _gcr(host, project, image, tag or (Tag.parse(written) if written else None), found)


def _console_ar(parts: list[str], ask: dict[str, list[str]]) -> Place:
    project, rest = _console_project(parts)
    written = _only(ask, "tag")
    tag = Tag.parse(written) if written else None
    if not rest and not tag:
        return Place("project", _checked(project))
    digest = Digest.parse(rest.pop()) if rest and rest[-1].startswith("sha256:") else None
    location, repository, *image = [*rest, "", ""][: max(2, len(rest))]
    return _ar(project, location, repository, "/".join(image), tag, digest)


def _only(ask: dict[str, list[str]], name: str) -> str:
    """Return the one value that a query has for a name, or nothing."""
    values = set(ask.get(name, ()))
    if len(values) > 1:
        raise bad_name(name, f"the page's address says {name} more than once")
    return values.pop() if values else ""


def _in_storage(scheme: str | None, host: str, path: str) -> Place | None:
    """Read a bucket's name, a link to an object, or the name that an API uses; else None."""
    if scheme == "gs" or (scheme is None and _BUCKET.fullmatch(host)):
        return _bucket(host, path)
    if host.endswith(_OF_STORAGE):
        return _bucket(host.removesuffix(_OF_STORAGE), path)
    if host not in _STORAGE:
        return None
    bucket, _, rest = path.partition("/")
    if path.startswith("storage/v1/b/"):
        bucket, _, rest = path.removeprefix("storage/v1/b/").partition("/")
        rest = "" if rest == "o" else rest.removeprefix("o/")
    elif host == "www.googleapis.com":
        raise bad_name(path, "not an address of a bucket")
    return _bucket(bucket, rest)


def _bucket(name: str, path: str) -> Place:
    """Read a bucket of Container Registry, and the blob in it if one is named."""
    found = _BUCKET.fullmatch(name)
    inner = found[2] if found else ""
    id_, domain = inner, ""
    if "." in inner:
        id_, _, domain = inner.removesuffix(".a").partition(".")
        found = found if inner.endswith(".a") and domain else None
    if not found:
        shapes = "[us.|eu.|asia.]artifacts.PROJECT.appspot.com or …artifacts.P.DOMAIN.a.appspot.com"
        raise bad_name(name, f"bucket {name!r}: those of Container Registry are {shapes}")
    blob = _OBJECT.fullmatch(unquote(path).removesuffix("/"))
    if not blob:
        raise bad_name(path, f"object {path!r}: blobs are containers/images/sha256:…")
    project = _checked(Project.parse(f"{domain}:{id_}" if domain else id_))
    digest = Digest.parse(blob[1]) if blob[1] else None
    return Place("bucket", project, f"{found[1]}.gcr.io" if found[1] else "gcr.io", digest=digest)


def _four_hosts() -> str:
    return ", ".join(host.name for host in GCR_HOSTS)
