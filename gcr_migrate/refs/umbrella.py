"""Umbrella charts: one registry above, for all images below that tell the rest. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from gcr_migrate.refs.joined import joined
from gcr_migrate.refs.yaml_nodes import Mapping, texts, word

if TYPE_CHECKING:
    from gcr_migrate.refs.finder import Written
    from gcr_migrate.refs.joined import Value

_ABOVE: Final = ("imageRegistry", "registry", "hub")
_IMAGES: Final = ("repository", "imageName", "image")
_TELLS: Final = ("tag", "digest", "imageTag", "registry", "hub")


def shared_registry(node: Mapping, text: str) -> Value | None:
    """Return the registry that a chart's values have for all that is below; None for none.

    Args:
        node: values of a chart, or any other mapping.
        text: the text that it was read from.
    """
    above = _member(node, "global")
    if above is None:
        return None
    image = _member(above, "image")
    found = dict(texts(above, text)) | (dict(texts(image, text)) if image else {})
    return next((found[name] for name in _ABOVE if name in found and found[name][0]), None)


def below_shared(registry: Value, own: dict[str, Value], at: tuple[str, ...]) -> Written | None:
    """Return the name of an image that has its registry from above; None for what is none.

    It stands where the image does, as others share the registry.

    Args:
        registry: the one from above, which counts for more than one of its own.
        own: values beside each other.
        at: where they stand.
    """
    is_image = at[-1:] == ("image",) or any(name in own for name in _TELLS)
    image = next((own[name] for name in _IMAGES if name in own), None)
    if not is_image or image is None or at[-1:] == ("global",) or _has_host(image[0]):
        return None
    without = {name: value for name, value in own.items() if name not in _ABOVE}
    name = joined({**without, "registry": registry})
    at_image = next((part for part in name.parts if part.role == "image"), None) if name else None
    return replace(name, start=at_image.start, end=at_image.end) if name and at_image else None


def _has_host(image: str) -> bool:
    """Whether an image names its registry itself, or is none."""
    first, slash, _ = image.partition("/")
    return not image or bool(slash and ("." in first or ":" in first))


def _member(node: Mapping, name: str) -> Mapping | None:
    found = (value for key, value in node.pairs if word(key) == name)
    value = next(found, None)
    return value if isinstance(value, Mapping) else None
