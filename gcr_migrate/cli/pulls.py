"""Pulls out of an exported audit log, entry by entry: a month of them may not fit into memory."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from gcr_migrate.errors import BAD_PULL_LOG, FILE_MISSING, MigrateError
from gcr_migrate.model.pulls import ANY, Pulls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

_CHUNK: Final = 1 << 20
_LARGEST: Final = 8 << 20  # characters of one entry
_PULLS: Final = frozenset({"Docker-GetManifest", "Docker-HeadManifest"})
_IMAGE: Final = re.compile(
    r"projects/(?P<project>[^/]+)/locations/(?P<location>[^/]+)/repositories/(?P<repository>[^/]+)"
    r"/dockerImages/(?P<image>[^/]+)"
)
_SCANNER: Final = re.compile(r"service-[0-9]+@container-analysis\.iam\.gserviceaccount\.com")
_OURSELVES: Final = "gcr-migrate"  # user agent; reading a source for a plan is no use of it
_REFERENCE: Final = re.compile(r"/manifests/([^/]+)$")
_BETWEEN: Final = " \t\r\n,[]"


def read_pulls(path: Path) -> Pulls:
    """Read what `gcloud logging read … --format=json` wrote about Artifact Registry.

    Entries about other things than pulls of manifests that succeeded are passed over, and so are
    pulls by this tool and by Google's scanners, which pull everything.

    Raises:
        MigrateError: FILE_MISSING; BAD_PULL_LOG if it is no such file, or has no pull at all.
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
    return pulls


def _entries(file: TextIO, name: str) -> Iterator[dict[str, Any]]:
    """Give the objects of a JSON array, or of a text that has one after the other."""
    decoder, text, at_end = json.JSONDecoder(), "", False
    while True:
        text = text.lstrip(_BETWEEN)
        if text:
            try:
                entry, end = decoder.raw_decode(text)
            except (ValueError, RecursionError) as error:
                if at_end or len(text) > _LARGEST:
                    saw = f"no JSON of log entries: {text[:40]!r}"
                    raise MigrateError(BAD_PULL_LOG, subject=name, saw=saw) from error
            else:
                if not isinstance(entry, dict):
                    saw = f"an entry that is no object: {text[:40]!r}"
                    raise MigrateError(BAD_PULL_LOG, subject=name, saw=saw)
                yield entry
                text = text[end:]
                continue
        elif at_end:
            return
        more = file.read(_CHUNK)
        at_end, text = not more, text + more


def _take(pulls: Pulls, entry: dict[str, Any]) -> None:
    """Take in an entry, if it is a pull (FACTS section 15.8)."""
    about = entry.get("protoPayload")
    if not isinstance(about, dict) or str(about.get("methodName")) not in _PULLS:
        return
    status = about.get("status")
    if isinstance(status, dict) and status.get("code"):
        return  # it failed
    found = _IMAGE.fullmatch(str(about.get("resourceName") or ""))
    at_ms = _moment(entry.get("timestamp"))
    if found is None or at_ms is None:
        return
    project = found["project"].replace(":", "/")
    path = unquote(found["image"]).partition("@")[0]
    name = f"{found['location']}-docker.pkg.dev/{project}/{found['repository']}/{path}"
    pulls.note(project, at_ms)
    if _is_no_use(about):
        return
    reference = _REFERENCE.search(unquote(urlsplit(_text(about, "request", "requestUrl")).path))
    pulls.add(name, reference[1] if reference else ANY, at_ms)


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
