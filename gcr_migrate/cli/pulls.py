"""Pulls and pushes out of an exported audit log, entry by entry: it may not fit into memory."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from gcr_migrate.errors import BAD_PULL_LOG, FILE_MISSING, MigrateError
from gcr_migrate.model.names import ar_host, gcr_host, split_project
from gcr_migrate.model.pulls import ANY, Pulls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_CHUNK: Final = 1 << 20
_LARGEST: Final = 8 << 20  # characters of one entry
_PULLS: Final = frozenset({"Docker-GetManifest", "Docker-HeadManifest"})
_PUSHES: Final = frozenset({"Docker-PutManifest"})
_IMAGE: Final = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/repositories/(?P<repository>[^/]+)"
    r"/dockerImages/(?P<image>[^/]+)"
)
_SCANNER: Final = re.compile(r"service-[0-9]+@container-analysis\.iam\.gserviceaccount\.com")
_NOT_FOUND: Final = 5  # google.rpc.Code
_OURSELVES: Final = "gcr-migrate"  # user agent; reading a source for a plan is no use of it
_REFERENCE: Final = re.compile(r"/manifests/([^/]+)$")
_SPACE: Final = " \t\r\n"
_NAMED: Final = re.compile(r"/v2/(.+)/manifests/[^/]+$")
_SERVICE_ACCOUNT: Final = ".gserviceaccount.com"
_SUBJECTS: Final = ("principal:", "principalSet:")
_EVERYBODY: Final = "allUsers"


def read_pulls(path: Path, project: str = "") -> Pulls:
    """Read what `gcloud logging read … --format=json` wrote about Artifact Registry.

    Entries about other things than manifests that were pulled or pushed are passed over, and so is
    what failed, and pulls by this tool and by Google's scanners, which pull everything.

    Args:
        path: the file.
        project: project, as image names have it, of which it has to tell something.

    Raises:
        MigrateError: FILE_MISSING; BAD_PULL_LOG if it is no such file, is cut off, or has no pull
            at all or none of the project.
    """
    pulls, entries = Pulls(), 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for entry in _entries(file, str(path)):
                entries += 1
                _take(pulls, entry)
    except OSError as error:
        raise MigrateError(FILE_MISSING, subject=str(path), saw=error.strerror or "") from error
    except UnicodeDecodeError as error:
        raise MigrateError(BAD_PULL_LOG, subject=str(path), saw="no UTF-8 text") from error
    if not pulls.last_ms:
        saw = f"{entries} entries, none of them a pull of a manifest by a user"
        raise MigrateError(BAD_PULL_LOG, subject=str(path), saw=saw)
    if project and project not in pulls.begins_ms:
        saw = f"{entries} entries, none of them a pull from project {project}"
        raise MigrateError(BAD_PULL_LOG, subject=str(path), saw=saw)
    return pulls


def _entries(file: TextIO, name: str) -> Iterator[dict[str, Any]]:
    """Give the objects of JSON arrays, or of a text that has one after the other.

    An array that does not end was cut off, even where that is between two entries.
    """
    decoder, text, at, at_end, in_array = json.JSONDecoder(), "", 0, False, False
    while True:
        at, in_array = _passed(text, at, in_array=in_array)
        if at < len(text):
            try:
                entry, end = decoder.raw_decode(text, at)
            except (ValueError, RecursionError) as error:
                if at_end or len(text) - at > _LARGEST:
                    saw = f"no JSON of log entries: {text[at : at + 40]!r}"
                    raise MigrateError(BAD_PULL_LOG, subject=name, saw=saw) from error
            else:
                if not isinstance(entry, dict):
                    saw = f"an entry that is no object: {text[at : at + 40]!r}"
                    raise MigrateError(BAD_PULL_LOG, subject=name, saw=saw)
                yield entry
                at = end
                continue
        if at_end:
            break
        more = file.read(_CHUNK)
        at_end, text, at = not more, text[at:] + more, 0
    if in_array:
        saw = "cut off: its list of entries has no end"
        raise MigrateError(BAD_PULL_LOG, subject=name, saw=saw)


def _passed(text: str, at: int, *, in_array: bool) -> tuple[int, bool]:
    """Return where the next entry may begin, and whether that is in an array."""
    while at < len(text):
        if text[at] == ("]" if in_array else "["):
            in_array = not in_array
        elif text[at] not in _SPACE and not (text[at] == "," and in_array):
            break
        at += 1
    return at, in_array


def _take(pulls: Pulls, entry: dict[str, Any]) -> None:
    """Take in an entry, if it is a pull or a push (FACTS section 15.8)."""
    about = entry.get("protoPayload")
    method = str(about.get("methodName")) if isinstance(about, dict) else ""
    if not isinstance(about, dict) or method not in _PULLS | _PUSHES:
        return
    at_ms = _moment(entry.get("timestamp"))
    url = urlsplit(_text(about, "request", "requestUrl"))
    found = _by_resource(about) or _by_url(url.hostname or "", unquote(url.path))
    if found is None or at_ms is None:
        return
    project, name = found
    pushed = method in _PUSHES
    if not pushed:
        pulls.written(project, at_ms)
    reference = _REFERENCE.search(unquote(url.path))
    status = about.get("status")
    if isinstance(status, dict) and status.get("code"):
        if status["code"] == _NOT_FOUND and reference and not (pushed or _is_no_use(about)):
            pulls.seek(name, reference[1])
        return  # it failed
    if not pushed:
        pulls.note(project, at_ms)
    if _is_no_use(about):
        return
    take = pulls.push if pushed else pulls.add
    take(name, reference[1] if reference else ANY, at_ms)
    pulls.used(name, _caller(about), at_ms, pushed=pushed)


def _by_resource(about: dict[str, Any]) -> tuple[str, str] | None:
    """Return project and full name of the image that an entry is about."""
    found = _IMAGE.fullmatch(str(about.get("resourceName") or ""))
    if found is None:
        return None
    project = found["project"].replace(":", "/")
    path = unquote(found["image"]).partition("@")[0]
    name = f"{found['location']}-docker.pkg.dev/{project}/{found['repository']}/{path}"
    return project, name


def _by_url(host_name: str, path: str) -> tuple[str, str] | None:
    """Return the same of a request to a gcr.io host, by the address that was asked."""
    host, found = gcr_host(host_name), _NAMED.fullmatch(path)
    if host is None or found is None:
        return None
    try:
        project, rest = split_project(found[1], host.name, found[1])
    except MigrateError:
        return None
    if not rest:
        return None
    root = f"{ar_host(host.location)}/{project.path}/{host.repository_id}"
    return project.path, f"{root}/{'/'.join(rest)}"


def _caller(about: dict[str, Any]) -> str:
    """Return who it was, as policies spell it; nobody who is named is anybody."""
    email = _text(about, "authenticationInfo", "principalEmail")
    subject = _text(about, "authenticationInfo", "principalSubject")
    if subject.startswith(_SUBJECTS):
        return subject
    if not email:
        email = subject.partition(":")[2]
    if not email:
        return _EVERYBODY
    return f"{'serviceAccount' if email.endswith(_SERVICE_ACCOUNT) else 'user'}:{email}"


def _is_no_use(about: dict[str, Any]) -> bool:
    agent = _text(about, "requestMetadata", "callerSuppliedUserAgent")
    caller = _text(about, "authenticationInfo", "principalEmail")
    return agent.startswith(_OURSELVES) or _SCANNER.fullmatch(caller) is not None


def _text(about: dict[str, Any], part: str, member: str) -> str:
    inside = about.get(part)
    return str(inside.get(member) or "") if isinstance(inside, dict) else ""


def _moment(value: object) -> int | None:
    try:
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", str(value)))
    except ValueError:
        return None
    return round(moment.timestamp() * 1000) if moment.tzinfo else None
