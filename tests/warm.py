"""The tool in a process that has its modules before it starts: a fork of one that loaded them.

Half of what a short command costs is the loading of modules. What such a process does besides is
what any other does: it has its own streams, variables, folder, signals and exit status.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gcr_migrate.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOADED: Final = (  # what the commands load when they need it
    "anyio._backends._asyncio",
    "gcr_migrate.apply.run",
    "gcr_migrate.cli.logins",
    "gcr_migrate.cli.pipeline",
    "gcr_migrate.cli.rescuing",
    "gcr_migrate.connect",
    "gcr_migrate.doctor.ask",
    "gcr_migrate.doctor.judge",
    "gcr_migrate.google.libraries",
    "gcr_migrate.google.projects",
    "gcr_migrate.google.repositories",
    "gcr_migrate.report.checklist",
    "gcr_migrate.report.documents",
    "gcr_migrate.report.gather",
    "gcr_migrate.report.progress",
    "gcr_migrate.report.rescue_account",
    "gcr_migrate.verify.content",
    "google.cloud.artifactregistry_v1",
    "google.cloud.storage",
    "httpcore",
)
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, *_LOADED])


def call(
    args: Sequence[str], folder: Path, environ: Mapping[str, str], timeout_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Args:
        args: its command line without the program.
        folder: its working folder.
        environ: all variables that it sees.
        timeout_s: when it is killed.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with tempfile.TemporaryDirectory() as kept:
        streams = (Path(kept, "out"), Path(kept, "err"))
        process = _FORKS.Process(target=_work, args=(list(args), folder, dict(environ), streams))
        process.start()
        process.join(timeout_s)
        code = process.exitcode
        process.kill()
        process.join()
        process.close()
        out, err = (one.read_text(encoding="utf-8") for one in streams)
    if code is None:
        raise subprocess.TimeoutExpired(list(args), timeout_s, out, err)
    return subprocess.CompletedProcess(list(args), code, out, err)


def _work(
    args: list[str], folder: Path, environ: dict[str, str], streams: tuple[Path, Path]
) -> None:
    """Become the tool (in the fork)."""
    gc.freeze()  # a collector that looks at what was loaded would copy it
    for number, path in enumerate((Path(os.devnull), *streams)):
        how = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(path, how, 0o600), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["gcr-migrate", *args]
    run()
