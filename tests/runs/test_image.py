"""The Dockerfile: its steps in an empty folder, as nobody here builds the image itself."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from dockerfile_parse import DockerfileParser

ROOT: Final = Path(__file__).resolve().parents[2]
RENDER: Final = ("--project", "ops-project", "--image", "i/x:1", "--command", "verify builds")
_PINNED: Final = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


def _steps() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, without comments."""
    parser = DockerfileParser(path=str(ROOT / "Dockerfile"))
    steps = [(one["instruction"], one["value"]) for one in parser.structure]
    return [step for step in steps if step[0] != "COMMENT"]


def _sent() -> set[str]:
    """Return what `.dockerignore` lets through."""
    first, *lines = (ROOT / ".dockerignore").read_text().splitlines()[1:]
    assert first == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def _pinned(lock: str) -> dict[str, str]:
    return dict(_PINNED.findall((ROOT / lock).read_text()))


def test_the_image_runs_as_nobody_and_gets_what_it_copies() -> None:
    """A user that is not root, the tool as entry point, and each copied path is sent."""
    steps = _steps()
    final = steps[max(at for at, one in enumerate(steps) if one[0] == "FROM") :]
    last: dict[str, Any] = dict(final)
    assert last["USER"] == "10001:10001"
    assert json.loads(last["ENTRYPOINT"]) == ["gcr-migrate"]
    copied = {
        word.removeprefix("./")
        for name, value in steps
        if name == "COPY" and "--from" not in value
        for word in value.split()[:-1]
    }
    assert copied == _sent()
    assert all((ROOT / name).exists() for name in copied)


def test_the_lock_of_the_image_is_part_of_the_other() -> None:
    """Every dependency of the tool is in it, nothing for development, all versions as tested."""
    image, whole = _pinned("image.lock"), _pinned("requirements.lock")
    assert {name: image[name] for name in image if name in whole} == {
        name: whole[name] for name in whole if name in image
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[^A-Za-z0-9_.-]", one)[0] for one in project["dependencies"]}
    assert {name.lower().replace(".", "-") for name in needed} <= {
        name.lower().replace(".", "-") for name in image
    }
    assert not {"pytest", "mypy", "ruff", "hypothesis"} & image.keys()
    text = (ROOT / "image.lock").read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(image)


@pytest.mark.slow
def test_the_steps_make_a_tool_that_works(tmp_path: Path) -> None:
    """Run one after another where nothing is, they end in a program that answers.

    A folder stands for the image's root: its absolute paths lie below it. All stages share it.
    """
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    python = Path(sys.base_prefix) / "bin" / "python3"
    (root / "bin" / "python").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    (root / "bin" / "python").chmod(0o755)
    # pip turns the word of an option round that it knows by a "no": this is "do not compile".
    env = {"PATH": f"{root / 'bin'}:/usr/bin:/bin", "PIP_NO_COMPILE": "0"}
    env |= {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k == "HOME"}
    at = root
    for name, value in _steps():
        if name == "WORKDIR":
            at = root / value.lstrip("/")
            at.mkdir(parents=True, exist_ok=True)
        elif name == "COPY":
            _copy(value, at)
        elif name == "RUN":
            command = re.sub(r"(?<![\w/.])/(?=opt/)", f"{root}/", value)
            done = subprocess.run(
                ["sh", "-eu", "-c", command],  # noqa: S607  # the one in the path
                cwd=at,
                env=env,
                capture_output=True,
                text=True,
                check=False,
                timeout=600,
            )
            assert done.returncode == 0, done.stderr
    program = root / "opt" / "gcr-migrate" / "bin"
    (tmp_path / "work").mkdir()
    told = subprocess.run(
        [program / "gcr-migrate", *["schedule", "render", "kubernetes", "-o", "files"], *RENDER],
        cwd=tmp_path / "work",
        env={"PATH": f"{program}:/usr/bin:/bin", "HOME": str(tmp_path / "work")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "work" / "files" / "cronjob.yaml").exists()
    assert not (program / "pip").exists()


def _copy(value: str, at: Path) -> None:
    """Copy what is sent; between stages nothing, as they share one folder."""
    *sources, target = value.split()
    if sources[0].startswith("--from="):
        assert sources[1:] == [target]
        return
    for source in sources:
        here, there = ROOT / source, at / target
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there / source)
