"""The other tools: their versions, how they are built, and how each copies a registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / ".peers"
_BUILD_S: Final = 1_200


@dataclass(frozen=True)
class Program:
    """A program that copies images.

    Attributes:
        name: of the program.
        module: Go module that it is built from; empty where it must be there.
        version: of the module.
    """

    name: str
    module: str = ""
    version: str = ""


PROGRAMS: Final = {
    one.name: one
    for one in (
        Program("crane", "github.com/google/go-containerregistry/cmd/crane", "v0.22.1"),
        Program("gcrane", "github.com/google/go-containerregistry/cmd/gcrane", "v0.22.1"),
        Program("oras", "oras.land/oras/cmd/oras", "v1.3.6"),
        Program("regctl", "github.com/regclient/regclient/cmd/regctl", "v0.11.7"),
        Program("skopeo"),
    )
}


@dataclass(frozen=True)
class Tool:
    """A way to copy everything.

    Attributes:
        name: what it is called in the table.
        program: who does it; empty for this project's own tool.
        script: for `sh`. `tags` and `images` are files of pairs, source and target, one a line, of
            each tag and each image path; SOURCE and TARGET are hosts.
        before: script outside of the measurement.
        is_planned: whether it knows all manifests when the measurement begins.
    """

    name: str
    program: str
    script: str
    before: str = ""
    is_planned: bool = False


_ORAS: Final = "oras cp --no-tty --from-plain-http --to-plain-http"
_REGCTL: Final = "regctl --host reg=$SOURCE,tls=disabled --host reg=$TARGET,tls=disabled image copy"

OWN: Final = (
    Tool(
        "gcr-migrate apply",
        "",
        "$GCR_MIGRATE apply m --json $APPLY",
        before="$GCR_MIGRATE plan spec.yaml -o m --json",
        is_planned=True,
    ),
    Tool(
        "gcr-migrate plan + apply + verify",
        "",
        "$GCR_MIGRATE plan spec.yaml -o m --json && $GCR_MIGRATE apply m --json $APPLY"
        " && $GCR_MIGRATE verify m --json",
    ),
)
BETWEEN_REGISTRIES: Final = (
    Tool("crane cp", "crane", "xargs -n 2 crane cp < tags"),
    Tool("crane cp, xargs -P 8", "crane", "xargs -P 8 -n 2 crane cp < tags"),
    Tool("crane cp -a", "crane", "xargs -n 2 crane cp -a < images"),
    Tool("crane cp -a -j 8, xargs -P 8", "crane", "xargs -P 8 -n 2 crane cp -a -j 8 < images"),
    Tool(
        "skopeo sync --all",
        "skopeo",
        "while read -r from to; do skopeo sync --all --src docker --dest docker"
        ' --src-tls-verify=false --dest-tls-verify=false "$from" "${to%/*}" || exit; done < images',
    ),
    Tool("oras cp, xargs -P 8", "oras", f"xargs -P 8 -n 2 {_ORAS} < tags"),
    Tool("oras cp -r, xargs -P 8", "oras", f"xargs -P 8 -n 2 {_ORAS} -r < tags"),
    Tool("regctl image copy, xargs -P 8", "regctl", f"xargs -P 8 -n 2 {_REGCTL} < tags"),
    Tool(
        "regctl image copy --digest-tags, xargs -P 8",
        "regctl",
        f"xargs -P 8 -n 2 {_REGCTL} --digest-tags < tags",
    ),
)

# The others are told on their command line that there is no TLS; none of them is the quickest.
OVER_TLS: Final = tuple(one for one in BETWEEN_REGISTRIES if one.program == "crane")

FROM_GOOGLE: Final = (
    Tool("gcrane cp -r", "gcrane", "gcrane cp -r $SOURCE/builds $TARGET/builds"),
    Tool("gcrane cp -r -j 8", "gcrane", "gcrane cp -r -j 8 $SOURCE/builds $TARGET/builds"),
)


@dataclass(frozen=True)
class Built:
    """What there is of the other tools.

    Attributes:
        versions: of each program that is there.
        absent: of each that is not, what was tried and what came of it.
    """

    versions: dict[str, str]
    absent: dict[str, str]


def build() -> Built:
    """Build what is not built yet, into `.peers` beside this file."""
    versions: dict[str, str] = {}
    absent: dict[str, str] = {}
    for one in PROGRAMS.values():
        try:
            versions[one.name] = _built(one) if one.module else _found(one)
        except (OSError, subprocess.SubprocessError) as error:
            absent[one.name] = str(error)
    return Built(versions, absent)


def _built(program: Program) -> str:
    """Build a program into a folder of its version, if it is not there; return the version."""
    folder = FOLDER / program.version
    if not (folder / program.name).exists():
        wanted = f"{program.module}@{program.version}"
        environ = os.environ | {"GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
        done = subprocess.run(
            ["go", "install", wanted],  # noqa: S607  # the user's own Go
            env=environ,
            capture_output=True,
            text=True,
            timeout=_BUILD_S,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise OSError(f"`go install {wanted}`: {last}")
    FOLDER.joinpath(program.name).unlink(missing_ok=True)
    FOLDER.joinpath(program.name).symlink_to(folder / program.name)
    return program.version


def _found(program: Program) -> str:
    """Return the version of a program of this machine."""
    if shutil.which(program.name) is None:
        raise OSError(f"there is no `{program.name}` on the path")
    said = subprocess.run([program.name, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"\d+(\.\d+)+", said.stdout)
    return number[0] if number else said.stdout.strip()
