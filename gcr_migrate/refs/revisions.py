"""Files as they were at a revision of a git repository, without checking it out."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from gcr_migrate.errors import BAD_USAGE, MigrateError
from gcr_migrate.refs.files import LARGEST, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

_FILES: Final = ("100644", "100755")  # neither links nor other repositories


def at_revision(folder: Path, revision: str) -> Iterator[tuple[str, bytes] | Unread]:
    """Give the files below a folder as they were, by their paths in the repository.

    Args:
        folder: the repository, or a folder or file in it.
        revision: a commit, branch or tag.

    Raises:
        MigrateError: BAD_USAGE if git is not there, or knows no such repository or revision.
    """
    where = folder if folder.is_dir() else folder.parent
    only = [] if folder.is_dir() else [folder.name]
    words = ["ls-tree", "-r", "-z", "-l", "--full-name", "--end-of-options", revision, *only]
    listed = _git(where, revision, *words)
    with subprocess.Popen(  # noqa: S603  # words, no shell
        ["git", "-C", str(where), "cat-file", "--batch"],  # noqa: S607  # the user's own git
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as objects:
        for entry in filter(None, listed.split(b"\0")):
            about, _, raw_path = entry.partition(b"\t")
            mode, _, object_id, size = about.decode().split()
            path = os.fsdecode(raw_path)
            if mode not in _FILES:
                continue
            if not size.isdigit():
                yield Unread(path, "git does not have it here")
                continue
            if int(size) > LARGEST:
                yield Unread(path, f"{size} bytes, more than {LARGEST}")
                continue
            content = _content(objects, object_id)
            yield Unread(path, "git does not have it here") if content is None else (path, content)


def _git(where: Path, revision: str, *words: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  # words, no shell
            ["git", "-C", str(where), *words],  # noqa: S607  # the user's own git
            capture_output=True,
            check=False,
        )
    except OSError as error:
        saw = f"git cannot be started: {error.strerror}"
        raise MigrateError(BAD_USAGE, subject=f"--revision {revision}", saw=saw) from error
    if done.returncode:
        saw = done.stderr.decode("utf-8", "replace").strip()
        raise MigrateError(BAD_USAGE, subject=f"--revision {revision}", saw=saw)
    return done.stdout


def _content(objects: subprocess.Popen[bytes], object_id: str) -> bytes | None:
    stdin, stdout = _pipes(objects)
    stdin.write(f"{object_id}\n".encode())
    stdin.flush()
    *_, size = stdout.readline().split() or [b""]
    if not size.isdigit():  # missing, as in a clone that is not whole
        return None
    content = stdout.read(int(size))
    stdout.read(1)
    return content


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise TypeError("a process without pipes")
    return process.stdin, process.stdout
