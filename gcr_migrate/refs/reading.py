"""What a written name says, and whose it is: pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import GCR_HOSTS, GOOGLES_OWN, gcr_host
from gcr_migrate.model.places import read_place
from gcr_migrate.refs.finder import default_of, filled, gaps, name_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gcr_migrate.model.places import Place
    from gcr_migrate.refs.finder import Written


class Whose(StrEnum):
    """Who a name belongs to, and with it what a migration does about it."""

    OURS = "ours"  # of a project that was named as one's own
    SOMEBODYS = "somebodys"  # of another project; or none was named, so that nobody knows
    GOOGLES = "googles"  # public images of Google's, served on: leave them alone
    RETIRED = "retired"  # served no more; it has a successor
    OPEN = "open"  # a gap in it has no value
    UNREADABLE = "unreadable"  # looks like a name and is none
    TOPIC = "topic"  # a subscription that hears of each image
    HOST = "host"  # a host alone, as in a login or an allow-list


# Public images of Google's own projects, which Artifact Registry serves under the old names.
_PUBLIC: Final = frozenset(
    {
        "buildpacks",
        "cloud-aiplatform",
        "cloud-builders",
        "cloud-marketplace",
        "cloud-marketplace-tools",
        "cloud-spanner-emulator",
        "cloud-sql-connectors",
        "cloudrun",
        "cloudsql-docker",
        "deeplearning-platform-release",
        "distroless",
        "gcp-runtimes",
        "gke-release",
        "google-appengine",
        "google-samples",
        "google.com:cloudsdktool",
        "kaniko-project",
        "stackdriver-agents",
        "vertex-ai",
    }
)
_BEHIND: Final = "it stands behind another name, as at a mirror or in a path"
_IS_PATTERN: Final = "a pattern of names: what it lets through is changed by hand"
# A project of a domain, by its id; in names of images a slash takes the place of the colon.
_SCOPED: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+:[a-z][a-z0-9-]+")
_QUOTED: Final = re.compile(r"[a-z0-9.-]+%2F", re.IGNORECASE)  # in the query of an address
_NAMED_ALONE: Final = ("pkg.dev", "containerregistry.googleapis.com")
_RETIRED_HOSTS: Final = {"k8s.gcr.io": "registry.k8s.io", "staging-k8s.gcr.io": "registry.k8s.io"}
_RETIRED: Final = dict.fromkeys(
    ("google-containers", "google_containers", "k8s-artifacts-prod"), "registry.k8s.io"
)
_MESSAGES: Final = "its messages bring the new names, and one for each image that is copied"
# What the protocol has beside images: the host is what is asked.
_ASKED: Final = re.compile(r"/v2(?:/(?:token|_catalog)?)?$")
_PROTOCOL: Final = re.compile(r"/v2/(.+?)(?:/(?:tags/list|(?:manifests|blobs|referrers)/[^/]*))?$")


class Reference(Struct, frozen=True):
    """What a written name says.

    Attributes:
        whose: who it belongs to.
        place: what it names; None where it cannot be read.
        name: the name in its plain form; empty where it cannot be read.
        host: the registry host, as far as it is known.
        gaps: names of gaps without a value.
        why: why it cannot be read, or what took its place.
        assumed: values that the file itself has for gaps, by their names: others may say otherwise.
    """

    whose: Whose
    place: Place | None = None
    name: str = ""
    host: str = ""
    gaps: tuple[str, ...] = ()
    why: str = ""
    assumed: tuple[tuple[str, str], ...] = ()


def read(
    written: Written,
    values: Mapping[str, str],
    ours: Collection[str] = (),
    *,
    defaults: Mapping[str, str] | None = None,
) -> Reference:
    """Read what was found.

    Args:
        written: what was found.
        values: values of gaps by their names, as a person gave them.
        ours: ids of one's own projects.
        defaults: values that the file itself has for them.

    Returns:
        What it says; a text that is no name is told as such, never passed over.
    """
    if written.kind == "topic":
        return Reference(Whose.TOPIC, name=written.text, why=_MESSAGES)
    if written.kind == "pattern":
        return Reference(Whose.UNREADABLE, why=_IS_PATTERN)
    if written.kind == "resource":
        return Reference(Whose.HOST, name=written.text)
    assumed = _assumed(written, values, defaults or {})
    found = _read(written, in_names({**dict(assumed), **values}, written.kind), ours)
    return replace(found, assumed=assumed) if assumed else found


def in_names(values: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return what gaps stand for in a name of images, where a project is written as a path.

    Args:
        values: values of gaps by their names.
        kind: kind of what was found.
    """
    is_name = kind in {"name", "mirrored"}
    return {
        name: value.replace(":", "/") if is_name and _SCOPED.fullmatch(value) else value
        for name, value in values.items()
    }


def _assumed(
    written: Written, values: Mapping[str, str], defaults: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return what nobody gave and the file says itself."""
    chosen = {}
    for gap in gaps(written.text, written.kind):
        name = name_of(gap)
        own = defaults.get(name, default_of(gap))
        if name not in values and own is not None:
            chosen[name] = own
    return tuple(chosen.items())


def _read(written: Written, values: Mapping[str, str], ours: Collection[str]) -> Reference:
    text = filled(written.text, written.kind, values).replace("\\/", "/")
    text = unquote(text) if _QUOTED.match(text) else text
    host = _host(text) if written.kind in {"name", "mirrored"} else ""
    if host and not gaps(host, written.kind):  # in which capitals mean nothing
        text = f"{host.lower()}{text[len(host) :]}"
        host = host.lower()
    if written.kind == "mirrored":
        return Reference(Whose.UNREADABLE, host=host, why=_BEHIND)
    return _in_full(text, host, written.kind, ours)


def _in_full(text: str, host: str, kind: str, ours: Collection[str]) -> Reference:
    if host in _RETIRED_HOSTS:
        return Reference(Whose.RETIRED, name=text, host=host, why=_RETIRED_HOSTS[host])
    if host in GOOGLES_OWN:
        return Reference(Whose.GOOGLES, name=text, host=host)
    if gaps(text, kind):
        return _open(text, kind, host, ours)
    bare = _ASKED.sub("", text.removeprefix("https://"))
    if bare.removesuffix("/").removesuffix(":443") == host:
        known = gcr_host(host) or host.endswith(_NAMED_ALONE)
        why = "" if known else f"not one of {', '.join(one.name for one in GCR_HOSTS)}"
        return Reference(Whose.HOST if known else Whose.UNREADABLE, host=host, name=host, why=why)
    try:
        place = read_place(_without_protocol(text))
    except MigrateError as error:
        return Reference(Whose.UNREADABLE, host=host, why=error.saw)
    is_pattern = kind == "name" and text.endswith("/")  # for all that is below
    named = replace(place, path=None) if is_pattern else place
    return replace(_owned(named, host or place.host, ours), name=str(place))


def _open(text: str, kind: str, host: str, ours: Collection[str]) -> Reference:
    """Tell a name with gaps; one that lacks only tag or digest still says which image it is.

    Whatever fills them, an image of another project stays one.
    """
    names = tuple(dict.fromkeys(name_of(gap) or gap for gap in gaps(text, kind)))
    host = "" if gaps(host, kind) else host
    image = re.sub(r"(?::[^/]*)?(?:@.*)?$", "", text)
    if kind != "name" or image == text or gaps(image, kind):
        return Reference(Whose.OPEN, host=host, gaps=names)
    try:
        place = read_place(image)
    except MigrateError as error:
        return Reference(Whose.UNREADABLE, host=host, gaps=names, why=error.saw)
    owned = _owned(place, host, ours)
    is_open = owned.whose is Whose.OURS or (owned.whose is Whose.SOMEBODYS and not ours)
    return replace(owned, whose=Whose.OPEN if is_open else owned.whose, gaps=names)


def _owned(place: Place, host: str, ours: Collection[str]) -> Reference:
    project, name = place.project.id, str(place)
    if project in ours:
        return Reference(Whose.OURS, place, name, host)
    if place.kind == "gcr" and project in _RETIRED:
        return Reference(Whose.RETIRED, place, name, host, why=_RETIRED[project])
    public = project in _PUBLIC or project.startswith("google.com:")
    return Reference(Whose.GOOGLES if public else Whose.SOMEBODYS, place, name, host)


def _host(text: str) -> str:
    return re.split(r"(?::443)?(?:/|$)", text, maxsplit=1)[0]


def _without_protocol(text: str) -> str:
    """Return a name out of an address of the registry's protocol; any other text as it is."""
    host, slash, path = text.partition("/")
    found = _PROTOCOL.fullmatch(f"/{path}")
    return f"{host}{slash}{found[1]}" if found else text
