"""Which reader knows the shape of which kind of file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcr_migrate.refs.code_shape import starlark_shape, xml_shape
from gcr_migrate.refs.docker_shape import docker_shape
from gcr_migrate.refs.hcl_shape import hcl_shape
from gcr_migrate.refs.script_shape import script_shape
from gcr_migrate.refs.shape import Shape
from gcr_migrate.refs.yaml_shape import yaml_shape

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST: Final = 4 << 20  # characters; a longer text is data, and its shape takes long to read
# Texts in which a variable is set by its name, `=` or `:=` and a string.
_SCRIPTS: Final = (
    *("shell", "jenkinsfile", "env", "bat", "cmd", "ps1", "gradle"),
    *("py", "rb", "go", "js", "mjs", "ts", "tsx", "groovy", "kt"),
)
_OTHERS: Final[dict[str, Callable[[str], Shape]]] = {
    "dockerfile": docker_shape,
    "terraform": hcl_shape,
    "bazel": starlark_shape,
    "maven": xml_shape,
    "xml": xml_shape,
    **dict.fromkeys(_SCRIPTS, script_shape),
}
_NOT_YAML: Final = frozenset({"prose", "text", "containerd", "lock-file"})
_LIKE_YAML: Final = (".yaml", ".yml", ".json", ".tpl")


def shape_of(kind: str, name: str, text: str) -> Shape:
    """Return what is known of a text.

    Args:
        kind: its kind.
        name: its path.
        text: the text itself.
    """
    if len(text) > _LONGEST:
        return Shape()
    if kind in _OTHERS:
        return _OTHERS[kind](text)
    is_yaml = name.lower().endswith(_LIKE_YAML) or kind == "kustomize"
    return yaml_shape(kind, text) if is_yaml and kind not in _NOT_YAML else Shape()
