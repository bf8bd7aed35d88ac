"""What a scenario says of images, wherever they lie."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LayerPart(Part):
    """A layer: equal name and size are equal bytes, wherever they occur."""

    name: str
    size: int = 4_000


class ImagePart(Part):
    """One push, in the order of the file, each a day after the one before.

    Attributes:
        path: image path in the repository.
        tags: its tags; none for an untagged image.
        layers: its layers.
        format: media types of Docker or of OCI.
        platforms: more than one makes an index of one image each; those are untagged.
        signature_of: tag of an image that this signs, in cosign's older scheme.
        subject_of: tag of an image that this refers to.
        artifact_type: what a referrer is.
    """

    path: str
    tags: tuple[str, ...] = ()
    layers: tuple[LayerPart, ...] = ()
    format: Literal["docker", "oci"] = "docker"
    platforms: tuple[str, ...] = ("linux/amd64",)
    signature_of: str | None = None
    subject_of: str | None = None
    artifact_type: str = "application/vnd.example.sbom.v1+json"
