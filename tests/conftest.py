"""What tests share: no deadlines, real programs on free ports, the tool as a process."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest
from hypothesis import HealthCheck, settings

from tests import warm
from tests.told import check_told
from tests.wall import sitecustomize as wall

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRE_PROGRAMS = "GCR_MIGRATE_REQUIRE_PROGRAMS"
# Machines are noisy: a slow example is no failure. CI draws the same examples each time, so that it
# judges the change and not its luck; everybody else draws new ones.
settings.register_profile(
    "default",
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=REQUIRE_PROGRAMS in os.environ,
)
settings.register_profile("all", settings.get_profile("default"), max_examples=200)
settings.load_profile("default")

# What the shell says of ways out, certificates and logins is no part of a test. To read the usual
# certificates takes longer than many a test does.
_OF_THE_SHELL: Final = re.compile(
    r"(ALL|HTTPS?|NO)_PROXY|SSL_CERT_\w+|(REQUESTS_CA|CURL_CA)_BUNDLE"
    r"|(GOOGLE|CLOUDSDK|GCE_METADATA)_\w+",
    re.IGNORECASE,
)
for _name in filter(_OF_THE_SHELL.fullmatch, list(os.environ)):
    del os.environ[_name]
wall.stand(pytest.fail)
# What a script starts with `&` ignores Ctrl-C, and so would all that tests start and stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONG_S: Final = 3600  # of a test that is marked as long; others have what pyproject.toml says

# Not every machine has them, or may install them.
MAY_BE_ABSENT = frozenset({"gcloud", "terraform"})


def pytest_configure(config: pytest.Config) -> None:
    """Look at more examples where all tests are wanted."""
    if not config.getoption("markexpr"):
        settings.load_profile("all")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing; with the switch of CI, fail it instead.

    The summary of a run names each program that was absent.
    """
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program):
                continue
            if os.environ.get(REQUIRE_PROGRAMS) and program not in MAY_BE_ABSENT:
                pytest.fail(f"{program} is missing, and {REQUIRE_PROGRAMS} is set", pytrace=False)
            pytest.skip(f"{program}: absent")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that are long on purpose the time that they may take."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_S))


def free_port() -> int:
    """Return a port of loopback that nobody listened on a moment ago.

    It is none of those that the system gives to whoever wants any port, as tests do all the time.
    """
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.randrange(20_000, 32_000)))  # noqa: S311  # no secret
            return int(probe.getsockname()[1])


@contextmanager
def refusing_port() -> Iterator[int]:
    """Hold a port of loopback that refuses connections: nobody else can come to listen on it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


@dataclass(frozen=True)
class Registry:
    """A real `docker-registry` on loopback; `host` is such as `127.0.0.1:5000`.

    Attributes:
        log: what it was asked, a line for each request.
    """

    host: str
    storage: Path
    log: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.host}"


_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: false}}}}
storage:
  filesystem: {{rootdirectory: "{storage}"}}
  delete: {{enabled: true}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def _wait_until_up(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/v2/", timeout=10):  # noqa: S310  # loopback only
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"docker-registry did not come up at {url}")


class MakeRegistry(Protocol):
    """Start one more registry."""

    def __call__(self) -> Registry:
        """Start it and wait until it answers."""
        ...


@contextmanager
def docker_registry(home: Path) -> Iterator[Registry]:
    """Run a real registry with its storage in a folder, which is made, while the block runs."""
    home.mkdir(parents=True, exist_ok=True)
    storage, port = home / "storage", free_port()
    config = home / "config.yml"
    config.write_text(_CONFIG.format(storage=storage, port=port))
    program = shutil.which("docker-registry") or "docker-registry"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(config)],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        registry = Registry(f"127.0.0.1:{port}", storage, home / "log")
        _wait_until_up(registry.url, process)
        yield registry
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Events that are told from now on, each with its name and level, whoever had set up logs."""
    found: list[dict[str, Any]] = []

    def tell(level: str, event: str, about: dict[str, object]) -> None:
        found.append({**about, "event": event, "level": level})

    monkeypatch.setattr("gcr_migrate.logs._tell", [tell])
    return found


@pytest.fixture
def make_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRegistry]:
    """Start real registries, each with a storage of its own; they end with the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(docker_registry(tmp_path_factory.mktemp("registry")))


@pytest.fixture
def registry(make_registry: MakeRegistry) -> Registry:
    """A real, empty registry on a free port; mark the test `needs("docker-registry")`."""
    return make_registry()


@dataclass(frozen=True)
class Cli:
    """The tool as a process of its own, in a clean HOME and with no settings of ours.

    Attributes:
        home: HOME and working folder of each call.
    """

    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Return the variables that a call sees, and `more`."""
        kept = {k: os.environ[k] for k in ("PATH", "LANG", "TMPDIR") if k in os.environ}
        coverage = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
        fixed = {"HOME": str(self.home), "COLUMNS": "100", "NO_COLOR": "1"}
        fixed["GCR_MIGRATE_CREATION_PAUSE_S"] = "0"  # the sandbox creates as fast as it is asked
        fixed["PYTHONPATH"] = str(Path(wall.__file__).parent)
        impatient = {"GCR_MIGRATE_QUOTA_WAIT_S": "1"}
        return {**kept, **coverage, **fixed, **impatient, **more}

    def start(self, *args: str | Path, **more: str) -> warm.Running:
        """Start a command, see `warm`, and do not wait for it."""
        return warm.Running(list(map(str, args)), self.home, self.environment(**more))

    def start_anew(self, *args: str | Path, **more: str) -> subprocess.Popen[str]:
        """Start a command as a shell would, with an interpreter of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "gcr_migrate", *map(str, args)],
            cwd=self.home,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, *args: str | Path, timeout_s: float = 120, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, see `warm`; `more` are further environment variables."""
        words = list(map(str, args))
        try:
            done = warm.call(words, self.home, self.environment(**more), timeout_s)
        except subprocess.TimeoutExpired as late:
            said = (late.output, late.stderr)
            pytest.fail(f"{args} did not end in {timeout_s} s: {said}")
        if "--json" in words:
            check_told(done.stdout)
        return done


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The tool as a process in a clean HOME, which is its working folder too."""
    home = tmp_path / "home"
    home.mkdir()
    return Cli(home)
