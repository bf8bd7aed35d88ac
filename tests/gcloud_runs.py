"""The real gcloud with a sandbox in the place of Google."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gcr_migrate.sandbox.app import Sandbox

_NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: other hosts are out of reach
_OVERRIDES: Final = {
    "ARTIFACTREGISTRY": "artifact_registry",
    "CLOUDASSET": "cloud_asset",
    "CLOUDRESOURCEMANAGER": "resource_manager",
    "IAM": "iam",
    "ORGPOLICY": "org_policy",
    "SERVICEUSAGE": "service_usage",
}


def gcloud_environ(box: Sandbox, home: Path, project: str) -> dict[str, str]:
    """Return what gcloud needs to come to the sandbox, and to nothing else."""
    (home / "token").write_text(box.token)
    prefix = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
    there = {f"{prefix}{key}": f"{box.addresses[label]}/" for key, label in _OVERRIDES.items()}
    return {
        **there,
        f"{prefix}STORAGE": f"{box.addresses['storage']}/storage/v1/",
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(home / "token"),
        "CLOUDSDK_CONFIG": str(home / "config"),
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_CHECK_GCE_METADATA": "0",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "HTTPS_PROXY": _NOWHERE,
    }


def gcloud(environ: Mapping[str, str], command: str) -> Any:
    """Run gcloud to its end, and return the JSON that it prints."""
    done = subprocess.run(
        [shutil.which("gcloud") or "gcloud", *command.split(), "--format=json"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout or "null")
