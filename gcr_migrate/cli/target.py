"""What a person names to be read: a spec, a pasted place, or any registry; as roots to walk."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from pydantic import ValidationError

from gcr_migrate import errors
from gcr_migrate.cli.options import SNAPSHOT_SUFFIX, SPEC_SUFFIXES, is_file, read_text
from gcr_migrate.cli.reading import find_roots
from gcr_migrate.errors import MigrateError
from gcr_migrate.model.names import ImagePath, gcr_host
from gcr_migrate.model.places import read_place
from gcr_migrate.spec import RegistrySource, load_spec, source_at

if TYPE_CHECKING:
    from gcr_migrate.cli.reading import Doubts, Root
    from gcr_migrate.connect import Connections
    from gcr_migrate.model.limits import Limits
    from gcr_migrate.model.login import Login
    from gcr_migrate.model.places import Place
    from gcr_migrate.spec import ProjectSource, RepositorySource

_GOOGLES: Final = re.compile(
    r"(.*\.)?(gcr\.io|pkg\.dev|google\.com|googleapis\.com|appspot\.com)|gs:"
)
_FILES: Final = (SNAPSHOT_SUFFIX, ".migration", ".cache", *SPEC_SUFFIXES, ".json", ".db")


class Target(Struct, frozen=True):
    """What is to be read.

    Attributes:
        name: as it is told to people.
        source: as a spec would say it.
        below: image paths in a registry that is none of Google's; all where none is named.
        login: how its side logs in, where a spec says so.
        limits: how fast services are asked, where a spec says so.
    """

    name: str
    source: ProjectSource | RepositorySource | RegistrySource
    below: tuple[str, ...] = ()
    login: Login | None = None
    limits: Limits | None = None


def read_target(text: str) -> Target:
    """Read what a person named.

    Raises:
        MigrateError: `bad-name`, `bad-usage`, `file-missing`, and what is wrong with a spec.
    """
    path = Path(text)
    if path.suffix in SPEC_SUFFIXES or is_file(text):
        spec = load_spec(read_text(path), text)
        return Target(text, spec.source, login=spec.source_login, limits=spec.limits.limits)
    if path.suffix in _FILES:
        raise MigrateError(errors.FILE_MISSING, subject=text, saw="no such file")
    host, _, below = text.partition("/")
    if _is_registry(host):
        return _plain(host, below.removesuffix("/"))
    return _pasted(read_place(text))


def _is_registry(host: str) -> bool:
    """Whether this names a registry that is none of Google's: with a port or a domain."""
    if gcr_host(host) or _GOOGLES.fullmatch(host):
        return False
    if re.search(r":[0-9]+$", host) or _is_address(host):
        return True
    return "." in host and ":" not in host  # with a colon it is a project of a domain


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _plain(host: str, below: str) -> Target:
    try:
        source = RegistrySource(registry=host)
    except ValidationError as error:
        raise MigrateError(errors.BAD_NAME, subject=host, saw="no HOST or HOST:PORT") from error
    if not below:
        return Target(host, source)
    return Target(f"{host}/{ImagePath.parse(below)}", source, below=(below,))


def _pasted(place: Place) -> Target:
    if place.tag or place.digest:
        saw = "names less than an image with all its tags; leave out the tag or the digest"
        raise MigrateError(errors.BAD_USAGE, subject=str(place), saw=saw)
    return Target(str(place), source_at(place))


async def roots_of(target: Target, connections: Connections, doubts: Doubts) -> list[Root]:
    """Find out who answers for what is to be read, and under which names.

    Raises:
        MigrateError: nobody does.
    """
    roots = await find_roots(target.source, connections, doubts)
    for root in roots if target.below else ():
        root.below = target.below
    return roots
