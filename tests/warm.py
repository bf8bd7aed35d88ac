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
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Final, Self, TextIO

import gcr_migrate
from gcr_migrate.cli.main import command, run
from tests.wall import sitecustomize as wall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

_LOADED: Final = (  # what the commands load when they need it
    *(one.name for one in walk_packages(gcr_migrate.__path__, "gcr_migrate.")),
    "anyio._backends._asyncio",
    "google.cloud.artifactregistry_v1",
    "google.cloud.storage",
    "httpcore",
    "prometheus_client",
)
_FORKS: Final = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, *_LOADED])
command()  # in the process that forks, too, which loads this module


class Running:
    """The tool while it runs, with what `subprocess.Popen` offers of that.

    Attributes:
        pid: of the process.
        stdout: what it writes there; stderr likewise.

    Args:
        args: its command line without the program.
        folder: its working folder.
        environ: all variables that it sees.
    """

    def __init__(self, args: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        pipes = [_FORKS.Pipe(duplex=False) for _ in range(2)]
        streams = tuple(theirs for _, theirs in pipes)
        self._process = _FORKS.Process(
            target=_work, args=(list(args), folder, dict(environ), streams), daemon=True
        )
        self._process.start()
        self.pid = self._process.pid or 0
        for _, theirs in pipes:
            theirs.close()
        self.stdout, self.stderr = (_text(ours) for ours, _ in pipes)
        self._args = list(args)
        self._said: list[Future[str]] = []

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return how it ended; None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, when it has.

        Raises:
            subprocess.TimeoutExpired: it has not.
        """
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._args, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return what it wrote to both streams, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not.
            AssertionError: it wanted to leave this machine.
        """
        end = None if timeout is None else time.monotonic() + timeout
        self._said = self._said or [_rest(self.stdout), _rest(self.stderr)]
        for said in self._said:
            try:
                said.result(None if end is None else max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise subprocess.TimeoutExpired(self._args, timeout or 0) from None
        code = self.wait(None if end is None else max(0.1, end - time.monotonic()))
        out, err = (said.result() for said in self._said)
        assert code != wall.LEFT, err
        return out, err

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it may have gone since
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Let it end at once."""
        self._process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._said:
            self.stdout.close()
            self.stderr.close()
        self._process.join()


def _text(pipe: Connection) -> TextIO:
    """Return a stream of a pipe's end, which is no more then."""
    with pipe:
        return os.fdopen(os.dup(pipe.fileno()), encoding="utf-8")


def _rest(stream: TextIO) -> Future[str]:
    """Read a stream to its end in a thread, and close it."""
    found: Future[str] = Future()

    def read() -> None:
        with stream:
            text = stream.read()
        found.set_result(text)

    threading.Thread(target=read, daemon=True).start()
    return found


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
        AssertionError: it wanted to leave this machine.
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
    assert code != wall.LEFT, err
    return subprocess.CompletedProcess(list(args), code, out, err)


def _work(
    args: list[str],
    folder: Path,
    environ: dict[str, str],
    streams: tuple[Path | Connection, ...],
) -> None:
    """Become the tool (in the fork), which writes to these."""
    wall.stand(wall.end)
    gc.freeze()  # a collector that looks at what was loaded would copy it
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, one in enumerate(streams, 1):
        if isinstance(one, Path):
            with one.open("ab") as file:
                os.dup2(file.fileno(), number)
        else:
            with one:
                os.dup2(one.fileno(), number)
    # Those that were inherited believe to know of what kind the file behind them is.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["gcr-migrate", *args]
    run()
