"""What kind of file a text is, by its name and by what stands in it: pure."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from gcr_migrate.refs.exports import export_kind

COMPOSE: Final = r"(docker-|podman-)?compose([.-][^/]*)?\.ya?ml"  # a file's own name
# The first that fits counts; patterns are of whole paths with slashes, in lower case.
_BY_PATH: Final[tuple[tuple[str, str], ...]] = (
    (r"(.*/)?(go\.sum|package-lock\.json|.*[.-]lock\.ya?ml|.*\.lock(\.hcl|\.json)?)", "lock-file"),
    (r"(.*[/.-])?(dockerfile|containerfile)(\.[^/]*)?", "dockerfile"),
    (r"(.*/)?\.env([.-][^/]*)?|.*\.env", "env"),
    (rf"(.*/)?{COMPOSE}", "compose"),
    (r"(.*/)?\.github/workflows/[^/]*\.ya?ml", "github-workflow"),
    (r"(.*/)?(action\.ya?ml)", "github-action"),
    (r"(.*/)?\.gitlab-ci[^/]*\.ya?ml|(.*/)?\.gitlab/.*\.ya?ml", "gitlab-ci"),
    (r"(.*/)?cloudbuild[^/]*\.(ya?ml|json)", "cloud-build"),
    (r"(.*/)?skaffold[^/]*\.ya?ml", "skaffold"),
    (r"(.*/)?kustomization\.ya?ml|(.*/)?kustomization", "kustomize"),
    (r"(.*/)?chart\.ya?ml", "helm-chart"),
    (r"(.*/)?values([.-][^/]*)?\.ya?ml", "helm-values"),
    (r"(.*/)?templates/.*\.(ya?ml|tpl)", "helm-template"),
    (r"(.*/)?\.ko\.ya?ml", "ko"),
    (r"(.*/)?app([.-][^/]*)?\.ya?ml", "app-engine"),
    (r"(.*/)?jenkinsfile([.-][^/]*)?|.*\.jenkinsfile", "jenkinsfile"),
    (r".*\.(tf|tofu|tfvars|hcl)", "terraform"),
    (r".*\.(tf|tofu|tfvars)\.json", "terraform-json"),
    (r"(.*/)?(build|workspace|module)(\.bazel)?|.*\.(bzl|star)", "bazel"),
    (r"(.*/)?pom\.xml", "maven"),
    (r".*\.gradle(\.kts)?|(.*/)?gradle\.properties", "gradle"),
    (r"(.*/)?daemon\.json", "docker-daemon"),
    (r"(.*/)?(\.docker/config|config|\.dockercfg)\.json|(.*/)?\.dockercfg", "docker-config"),
    (r"(.*/)?certs\.d/.*/hosts\.toml|(.*/)?containerd/.*\.toml", "containerd"),
    (r"(.*/)?pulumi[^/]*\.ya?ml", "pulumi"),
    (r".*\.(md|markdown|rst|adoc|txt)", "prose"),
    (r".*\.(sh|bash|zsh|ksh)|(.*/)?makefile([.-][^/]*)?|.*\.mk", "shell"),
)
_PATHS: Final = tuple((re.compile(pattern), kind) for pattern, kind in _BY_PATH)
# Groups of `apiVersion` by the program that reads them; any other is Kubernetes' own or like it.
_GROUPS: Final = {
    "tekton.dev": "tekton",
    "triggers.tekton.dev": "tekton",
    "argoproj.io": "argo",
    "serving.knative.dev": "cloud-run",
    "run.googleapis.com": "cloud-run",
    "skaffold": "skaffold",
    "kustomize.config.k8s.io": "kustomize",
    "binaryauthorization.googleapis.com": "binary-authorization",
}
_API: Final = re.compile(r"^\s*[\"']?apiVersion[\"']?\s*:\s*[\"']?([^\s\"',]+)", re.MULTILINE)
_BINARY_AUTHORIZATION: Final = re.compile(r"^\s*[\"']?admissionWhitelistPatterns\b", re.MULTILINE)
_CLOUD_BUILD: Final = re.compile(r"^[\"']?(?:substitutions|steps)[\"']?\s*:", re.MULTILINE)
_STEPS: Final = 2  # both of them tell it
_YAML: Final = frozenset({".yaml", ".yml", ".json"})


def kind_of(path: str, text: str) -> str:
    """Return the kind of a file.

    Args:
        path: its path with slashes.
        text: what is in it.

    Returns:
        Such as `kubernetes` or `dockerfile`; the ending of its name where nothing more is known,
        `text` without one.
    """
    if export := export_kind(text):
        return export
    lower = path.lower().removeprefix("./")
    for pattern, kind in _PATHS:
        if pattern.fullmatch(lower):
            return kind
    ending = PurePosixPath(lower).suffix
    if ending in _YAML:
        if found := _API.search(text):
            return _GROUPS.get(found[1].partition("/")[0], "kubernetes")
        if len({found[0] for found in _CLOUD_BUILD.finditer(text)}) >= _STEPS:
            return "cloud-build"
        if _BINARY_AUTHORIZATION.search(text):
            return "binary-authorization"
    return ending.removeprefix(".") or "text"
