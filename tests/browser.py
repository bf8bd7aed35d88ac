"""A real Chromium without a window, driven over two pipes by its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Chromium reads commands from 3 and writes answers to 4, each with a zero byte behind it.
_BECOME: Final = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",  # it reads files of ours only, and CI runs as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "about:blank",
)


class Tab:
    """One tab of a browser.

    Args:
        to_browser: file descriptor that commands are written to.
        from_browser: file descriptor that answers are read from.

    Attributes:
        told: what the page wrote to its console, and errors of its scripts.
        asked: addresses that it asked for.
    """

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._read, self._number, self._session = b"", 0, ""
        self.told: list[str] = []
        self.asked: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its answer."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            command["sessionId"] = self._session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            message = self._next()
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                answer: dict[str, Any] = message["result"]
                return answer

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            got = os.read(self._from, 1 << 20)
            if not got:
                raise RuntimeError("the browser is gone")
            self._read += got
        line, _, self._read = self._read.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        if method in {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}:
            self.told.append(json.dumps(params))

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window, and what its user prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a page of this tool from the disk, and wait until its tables are ready."""
        self.call("Page.navigate", url=f"{page.resolve().as_uri()}{fragment}")
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def wait(self, condition: str, seconds: float = 30) -> None:
        """Wait until a condition of the page holds."""
        until = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > until:
                raise RuntimeError(f"never so: {condition}; {self.told}")
            time.sleep(0.01)

    def run(self, code: str) -> Any:
        """Run an expression in the page, and return what it gives, a promise's value too."""
        asked = {"expression": code, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def picture(self, to: Path, *, whole: bool = False) -> None:
        """Write what is seen as PNG or WebP, as its name says; or the whole page, however long."""
        kind = to.suffix.removeprefix(".")
        asked: dict[str, Any] = {"quality": 80} if kind == "webp" else {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            asked |= {"clip": {**size, "scale": 1}, "captureBeyondViewport": True}
        shot = self.call("Page.captureScreenshot", format=kind, **asked)
        to.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser() -> Iterator[Tab]:
    """Run a browser while the block does, and give a tab of it."""
    program = shutil.which("chromium") or "chromium"
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _BECOME, str(their_in), str(their_out)),
                *(program, f"--user-data-dir={profile}", *_OPTIONS),
            ],
            pass_fds=(their_in, their_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "HOME": profile},
        )
        os.close(their_in)
        os.close(their_out)
        try:
            yield Tab(our_out, our_in)
        finally:
            os.close(our_out)
            os.close(our_in)
            process.terminate()
            process.wait(20)
